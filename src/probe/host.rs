//! Facts about the host: what the kernel, the processor and the limits of this
//! process say about themselves. Nothing here is a judgement.
//!
//! A filter may kill the process that asks, so every question is a trial of its own.
//! Emulators forward some questions to the host underneath; causes knows which answers to
//! believe.

use super::out::{Text, contains, word};
use super::runner::{Orphan, Record, Runner};
use barejit_sys::{
    self as sys, Errno, Error, linux as base,
    linux::trial::{self as linux, Wait},
    signal::Signal,
};
use core::arch::x86_64::{__cpuid, __cpuid_count, CpuidResult};
use core::ffi::CStr;

/// Directories in which files could hold code, a blank between each two.
pub(super) const DIRECTORIES: &str = "/tmp /dev/shm /var/tmp . $HOME $TMPDIR";

/// How many they are.
pub(super) const DIRECTORY_COUNT: usize = 6;

/// The limits that are asked for, without `RLIMIT_`.
pub(super) const LIMITS: &str = "AS DATA FSIZE NPROC NOFILE";

/// A fact that is a number; `None` if it is unknown. In the order of `FACTS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fact {
    /// Whether the processor and the kernel have protection keys.
    Pku,
    /// Whether the processor has shadow stacks.
    Shstk,
    /// prctl(PR_GET_MDWE).
    Mdwe,
    /// `Seccomp:` of the process: 2 is a filter.
    Seccomp,
    /// How many filters.
    SeccompFilters,
    /// Whether privileges cannot be gained.
    NoNewPrivs,
    /// The process that traces trials; 0 is none.
    Tracer,
    /// Whether SELinux enforces its policy.
    SelinuxEnforce,
    /// The execution domain: personality(2).
    Personality,
    /// vm.max_map_count
    MaxMapCount,
    /// vm.memfd_noexec
    MemfdNoexec,
    /// kernel.yama.ptrace_scope
    PtraceScope,
    /// How many valgrinds this runs on.
    Valgrind,
    /// Whether the kernel's log is gVisor's.
    Gvisor,
}

/// The names of the facts in JSON, a blank between each two.
pub(super) const FACTS: &str = "pku shstk mdwe seccomp seccomp_filters no_new_privs tracer selinux_enforce \
    personality max_map_count memfd_noexec ptrace_scope valgrind gvisor";

/// A fact that is a text; empty if it is unknown. In the order of
/// `NAMES`: first what uname(2) tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// Of the host in the network.
    Node,
    /// The kernel's release.
    Release,
    /// How that was built.
    Version,
    /// The processor's architecture.
    Machine,
    /// The processor's name for itself.
    Processor,
    /// The hypervisor's or the emulator's.
    Hypervisor,
    /// The numbers of a trial's process, from the outermost namespace inwards.
    Nspid,
    /// Its effective capabilities.
    CapEff,
    /// The flags of PaX.
    Pax,
    /// The security context.
    Context,
}

/// The names of the names in JSON, a blank between each two.
pub(super) const NAMES: &str = "node release version machine processor hypervisor nspid cap_eff pax context";

/// The facts about a host.
#[derive(Debug)]
pub struct Host {
    pub(super) names: [Text<96>; 10],
    pub(super) facts: [Option<u64>; 14],
    /// Soft limits of the process, in the order of the names; `None` is no limit.
    pub(super) limits: [Option<u64>; 5],
    /// Flags of the mounts of directories that could hold code, if they exist.
    pub(super) directories: [Option<u64>; DIRECTORY_COUNT],
    /// Whether faccessat(2) says that this process may write there.
    pub(super) writable: [Option<bool>; DIRECTORY_COUNT],
    /// The answers to syscalls that the kernel itself can only call invalid: a
    /// filter answers first.
    pub(super) invalid: [Answer; INVALID_CALLS],
    /// Why trials are not processes of their own, if they are not.
    pub no_fork: Option<Error>,
}

impl Host {
    /// Nothing is known.
    pub(super) const UNKNOWN: Self = Self {
        names: [Text::EMPTY; 10],
        facts: [None; 14],
        limits: [None; 5],
        directories: [None; DIRECTORY_COUNT],
        writable: [None; DIRECTORY_COUNT],
        invalid: [Answer::Unknown; INVALID_CALLS],
        no_fork: None,
    };
    /// The mount flag ST_RDONLY (statfs(2)).
    pub(super) const READ_ONLY: u64 = 1;
    /// The mount flag ST_NOEXEC.
    pub(super) const NOEXEC: u64 = 8;

    /// A number.
    pub const fn fact(&self, fact: Fact) -> Option<u64> {
        self.facts[fact as usize]
    }

    /// A number, or 0.
    pub fn level(&self, fact: Fact) -> u64 {
        self.fact(fact).unwrap_or(0)
    }

    /// A text.
    pub const fn name(&self, name: Name) -> &str {
        self.names[name as usize].text()
    }

    /// Takes a number.
    pub(super) fn set_fact(&mut self, fact: Fact, number: Option<u64>) {
        self.facts[fact as usize] = number;
    }

    /// Takes a text.
    pub(super) fn set_name(&mut self, name: Name, bytes: &[u8]) {
        clean(&mut self.names[name as usize], bytes);
    }
}

/// Takes the bytes up to a NUL or the end, without blanks around.
fn clean(name: &mut Text<96>, bytes: &[u8]) {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    name.append(trimmed(bytes));
}

/// The same without blanks around.
fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// How many invalid calls are made.
pub(super) const INVALID_CALLS: usize = 5;

/// The call that an invalid call imitates. A kernel refuses it with EINVAL
/// before any policy.
pub(super) const fn invalid_call(which: usize) -> &'static str {
    match which {
        0 => "mmap W+X",
        1 => "mprotect X",
        2 => "pkey_mprotect X",
        3 => "shmat X",
        _ => "memfd_create",
    }
}

/// How an invalid call ended.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Answer {
    /// It was not made.
    #[default]
    Unknown,
    /// EINVAL, as the kernel has it, or ENOSYS of a call that not every kernel has.
    Kernel,
    /// Another errno.
    Errno(Errno),
    /// Success, which is a lie.
    Success,
    /// SIGSYS, caught.
    Trap,
    /// SIGSYS, and no handler saw it.
    Kill,
}

/// How many questions [`ask`] knows.
const QUESTIONS: usize = 11;

/// Asks one question.
fn ask(question: usize, host: &mut Host) {
    match question {
        0 => names(host),
        1 => processor(host),
        2 => valgrind(host),
        3 => status(host),
        4 => files(host),
        5 => limits(host),
        6 => directories(host),
        7 => mdwe(host),
        8 => permissions(host),
        9 => filters(host),
        _ => {
            // SAFETY: (1) it asks.
            let persona = unsafe { linux::personality(u32::MAX) };
            host.set_fact(Fact::Personality, persona.ok().map(u64::from));
        }
    }
}

/// Asks everything.
pub(super) fn gather(runner: &mut Runner<'_>, host: &mut Host) {
    for question in 0..QUESTIONS {
        runner.run(Orphan::Dies, &mut |_| ask(question, host));
    }
    for (which, answer) in host.invalid.iter_mut().enumerate() {
        let (record, end) = runner.run(Orphan::Dies, &mut |record| call_invalid(record, which));
        *answer = answered(record, end, which);
    }
}

/// How a call that can only be refused came back.
fn answered(record: &Record, end: Wait, which: usize) -> Answer {
    // Of the five, pkey_mprotect and memfd_create are not known to every kernel.
    let is_old = !matches!(which, 2 | 4);
    let Some(errno) = record.refusal().map(Error::errno) else {
        let caught = record.caught().map(Signal::number);
        return match end {
            _ if record.is_finished() => Answer::Success,
            _ if caught == Some(Signal::SYS.number()) => Answer::Trap,
            Wait::Killed(signal) if signal == i32::from(Signal::SYS.number()) => Answer::Kill,
            _ => Answer::Unknown,
        };
    };
    // It came back. How the process ended then is another call's matter.
    match errno {
        // A mapping where none can be is a success that sys does not let pass.
        errno if errno.into_raw() == 0 => Answer::Success,
        Errno::ENOSYS if is_old => Answer::Errno(Errno::ENOSYS),
        Errno::EINVAL | Errno::ENOSYS => Answer::Kernel,
        errno => Answer::Errno(errno),
    }
}

fn names(host: &mut Host) {
    let Ok([_, names @ .., _]) = linux::uname() else { return };
    for (name, bytes) in host.names.iter_mut().zip(&names) {
        clean(name, bytes);
    }
    // The release that gVisor has claimed so far; only then is its log worth
    // reading.
    if host.name(Name::Release) == "4.4.0" {
        let mut log = [0; 2048];
        let _ = linux::kernel_log(&mut log);
        host.set_fact(Fact::Gvisor, Some(contains(&log, "gVisor").into()));
    }
}

fn processor(host: &mut Host) {
    let words = |leaf: CpuidResult| [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx].map(u32::to_le_bytes);
    // Three leaves of 16 bytes (SDM vol. 2A, CPUID).
    if __cpuid(0x8000_0000).eax >= 0x8000_0004 {
        let mut name = [0; 48];
        for (part, leaf) in name.chunks_exact_mut(16).zip(0x8000_0002..) {
            part.copy_from_slice(words(__cpuid(leaf)).as_flattened());
        }
        host.set_name(Name::Processor, &name);
    }
    // Bit 31 of ECX says that this leaf is a hypervisor's and not the last
    // leaf again.
    let hypervisor = words(__cpuid(0x4000_0000));
    let name = hypervisor[1..].as_flattened();
    if __cpuid(1).ecx >> 31 != 0 || name == b"TCGTCGTCGTCG" {
        host.set_name(Name::Hypervisor, name);
    }
    if __cpuid(0).eax >= 7 {
        let ecx = __cpuid_count(7, 0).ecx;
        // PKU and OSPKE; CET_SS.
        host.set_fact(Fact::Pku, Some((ecx & 0x18 == 0x18).into()));
        host.set_fact(Fact::Shstk, Some((ecx & 0x80 != 0).into()));
    }
}

/// Asks valgrind how often it is there, with the request that its manual
/// documents and a processor takes for nothing.
fn valgrind(host: &mut Host) {
    const RUNNING_ON_VALGRIND: u64 = 0x1001;
    let request = [RUNNING_ON_VALGRIND, 0, 0, 0, 0, 0];
    let answer: u64;
    // SAFETY: the rotations add up to 128 bits and the exchange is of a register
    // with itself; valgrind only reads the request.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") request.as_ptr(),
            inout("rdx") 0u64 => answer,
            out("rdi") _,
        );
    }
    host.set_fact(Fact::Valgrind, Some(answer));
}

/// Reads the beginning of a file of /proc or /sys, which come in one piece.
fn read<'a>(path: &CStr, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let file = base::open(path).ok()?;
    let size = sys::read_some(file.fd(), buffer).ok()?;
    buffer.get(..size)
}

/// Reads a file with a number.
fn level(path: &CStr) -> Option<u64> {
    read(path, &mut [0; 32]).and_then(decimal)
}

fn decimal(bytes: &[u8]) -> Option<u64> {
    let digits = trimmed(bytes);
    let mut value = Some(0u64).filter(|_| !digits.is_empty());
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        value = value?.checked_mul(10)?.checked_add(u64::from(digit)).filter(|_| digit < 10);
    }
    value
}

/// The rest of the line that begins with `key`.
fn value<'a>(lines: &'a [u8], key: &str) -> &'a [u8] {
    let mut lines = lines.split(|byte| *byte == b'\n');
    lines.find_map(|line| line.strip_prefix(key.as_bytes())).unwrap_or_default()
}

fn status(host: &mut Host) {
    let mut buffer = [0; 4096];
    let Some(bytes) = read(c"/proc/self/status", &mut buffer) else { return };
    let facts = &mut host.facts[Fact::Seccomp as usize..=Fact::Tracer as usize];
    for (i, fact) in facts.iter_mut().enumerate() {
        *fact = decimal(value(bytes, word("Seccomp: Seccomp_filters: NoNewPrivs: TracerPid:", i)));
    }
    let names = &mut host.names[Name::Nspid as usize..=Name::Pax as usize];
    for (i, name) in names.iter_mut().enumerate() {
        clean(name, value(bytes, word("NSpid: CapEff: PaX:", i)));
    }
}

fn files(host: &mut Host) {
    let mut buffer = [0; 256];
    if let Some(context) = read(c"/proc/self/attr/current", &mut buffer) {
        host.set_name(Name::Context, context);
    }
    host.set_fact(Fact::SelinuxEnforce, level(c"/sys/fs/selinux/enforce"));
    host.set_fact(Fact::MaxMapCount, level(c"/proc/sys/vm/max_map_count"));
    host.set_fact(Fact::MemfdNoexec, level(c"/proc/sys/vm/memfd_noexec"));
    host.set_fact(Fact::PtraceScope, level(c"/proc/sys/kernel/yama/ptrace_scope"));
}

fn limits(host: &mut Host) {
    // RLIMIT_AS, DATA, FSIZE, NPROC, NOFILE.
    for (limit, number) in host.limits.iter_mut().zip([9, 2, 1, 6, 7]) {
        let soft = base::getrlimit(number).map_or(u64::MAX, |[soft, _]| soft);
        *limit = Some(soft).filter(|soft| *soft != u64::MAX);
    }
}

/// Calls `ask` with the path of each directory that exists by name.
fn each_directory(ask: &mut dyn FnMut(usize, &CStr)) {
    for (i, path) in [c"/tmp", c"/dev/shm", c"/var/tmp", c"."].into_iter().enumerate() {
        ask(i, path);
    }
    for (i, name) in [(4, &b"HOME"[..]), (5, b"TMPDIR")] {
        let mut path = [0; 1024];
        let value = sys::process::variable(name).unwrap_or_default();
        if let Some(place) = path[..1023].get_mut(..value.len()).filter(|place| !place.is_empty()) {
            place.copy_from_slice(value);
            if let Ok(path) = CStr::from_bytes_until_nul(&path) {
                ask(i, path);
            }
        }
    }
}

fn directories(host: &mut Host) {
    each_directory(&mut |i, path| host.directories[i] = linux::statfs(path).ok().map(|[_, flags]| flags));
}

fn permissions(host: &mut Host) {
    each_directory(&mut |i, path| {
        host.writable[i] = match linux::may_write(path) {
            Ok(()) => Some(true),
            Err(error) if error.is(Errno::EACCES) => Some(false),
            Err(_) => None,
        }
    });
}

/// PR_GET_SECCOMP and PR_GET_NO_NEW_PRIVS, where /proc/self/status cannot be read.
fn filters(host: &mut Host) {
    for (fact, operation) in [(Fact::Seccomp, 21), (Fact::NoNewPrivs, 39)] {
        if host.fact(fact).is_none() {
            // SAFETY: (1) it takes nothing.
            let bits = unsafe { base::prctl(operation, 0) };
            host.set_fact(fact, bits.ok().map(|bits| bits as u64));
        }
    }
}

fn mdwe(host: &mut Host) {
    const PR_GET_MDWE: u32 = 66;
    // SAFETY: (1) it takes nothing.
    let bits = unsafe { base::prctl(PR_GET_MDWE, 0) };
    host.set_fact(Fact::Mdwe, bits.ok().map(|bits| bits as u64));
}

/// Makes one invalid call. In a process of its own.
fn call_invalid(record: &Record, which: usize) {
    use sys::{Fd, MapFlags, Prot};
    const PAGE: usize = 4096;
    const SHM_EXEC: u32 = 0o100_000;
    let odd = core::ptr::NonNull::<u8>::dangling();
    let rx = Prot::READ_EXECUTE;
    let result = match which {
        // An offset inside a page.
        0 => {
            // SAFETY: (1) the mapping is not fixed.
            unsafe { base::mmap(0, PAGE, Prot::all(), MapFlags::PRIVATE_ANONYMOUS, Fd::NONE, 1) }.map(drop)
        }
        // An address inside a page.
        // SAFETY: (1) nothing is mapped there, and the call cannot succeed.
        1 => unsafe { base::mprotect(odd, PAGE, rx) },
        // SAFETY: (1) likewise.
        2 => unsafe { linux::pkey_mprotect(odd, PAGE, rx) },
        // No segment has this number.
        3 => linux::shmat_nothing(SHM_EXEC).map(drop),
        // A flag that does not exist.
        _ => base::memfd_create(c"", 1 << 30).map(drop),
    };
    record.need(result);
}
