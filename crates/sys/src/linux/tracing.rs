//! The syscalls of a tracer: ptrace(2) in the form of PTRACE_SEIZE, waiting for any
//! tracee, and the few calls by which one process starts and inspects another. Nothing
//! here decides what a stop means.

use super::{CStr, Errno, Error, Fd, MaybeUninit, OwnedFd, Signal, Sysno, long, mem, short, syscall};
use core::ffi::c_char;

/// A thread as the kernel numbers it in this process's PID namespace. A process has
/// the number of its first thread.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Tid(i32);

impl Tid {
    /// The thread with this number.
    pub const fn new(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0
    }
}

/// Options of a seized tracee: the PTRACE_O_ flags of ptrace(2). Tracees that it makes
/// inherit them.
pub mod options {
    /// Syscall stops are SIGTRAP with bit 7 set.
    pub const SYSGOOD: u32 = 1;
    /// Stop at fork(2), vfork(2) and clone(2), and trace the child too.
    pub const CHILDREN: u32 = 1 << 1 | 1 << 2 | 1 << 3;
    /// Stop at execve(2).
    pub const EXEC: u32 = 1 << 4;
    /// Stop before a thread ends.
    pub const EXIT: u32 = 1 << 6;
    /// Stop where a filter answers SECCOMP_RET_TRACE.
    pub const SECCOMP: u32 = 1 << 7;
    /// Kill the tracee when the tracer ends.
    pub const EXITKILL: u32 = 1 << 20;
}

/// Why a tracee stopped beside a syscall or a signal: the PTRACE_EVENT_ numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// It made another process or thread, whose number is the message.
    Child,
    /// It runs another program. The message is the number that the thread had before.
    Exec,
    /// It is about to end.
    Exit,
    /// A filter answered SECCOMP_RET_TRACE.
    Seccomp,
    /// A group stop by this signal, or with SIGTRAP the first stop, an interrupt or
    /// the end of a group stop.
    Stop(u8),
    /// An event that was not asked for.
    Other(i32),
}

/// The news of a tracee by wait4(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// It called exit with this status.
    Exited(u8),
    /// This signal ended it.
    Killed(u8),
    /// It stands at the entry or the exit of a syscall.
    Syscall,
    /// This signal is about to be delivered.
    Signal(u8),
    /// It stopped for this reason.
    Event(Event),
}

impl Status {
    fn new(word: i32) -> Self {
        let high = (word >> 8 & 0xFF) as u8;
        match (word & 0x7F, word >> 16) {
            (0, _) => Self::Exited(high),
            (0x7F, 0) if high == 0x85 => Self::Syscall,
            (0x7F, 0) => Self::Signal(high),
            (0x7F, event) => Self::Event(match event {
                1..=3 => Event::Child,
                4 => Event::Exec,
                6 => Event::Exit,
                7 => Event::Seccomp,
                128 => Event::Stop(high),
                other => Event::Other(other),
            }),
            (signal, _) => Self::Killed(signal as u8),
        }
    }
}

/// How a stopped tracee goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Resume {
    /// PTRACE_CONT: to the next signal or event.
    Run = 7,
    /// PTRACE_SYSCALL: the same or to the next entry or exit of a syscall.
    ToSyscall = 24,
    /// PTRACE_LISTEN: it stays stopped until SIGCONT.
    Listen = 0x4208,
}

/// Where in a syscall a tracee stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// At the entry, or at a stop that a filter asked for: the number of the call and
    /// its arguments.
    Entry(u64, [u64; 6]),
    /// At the exit: what RAX holds.
    Exit(i64),
}

/// The registers by which a stack is walked.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Registers {
    /// RBP
    pub rbp: u64,
    /// RIP
    pub rip: u64,
    /// RSP
    pub rsp: u64,
}

/// Properties of a file (fstat(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// Its type and its permissions.
    pub mode: u32,
    /// Its owner.
    pub owner: u32,
    /// Its number in its file system.
    pub inode: u64,
    /// Its size in bytes.
    pub size: u64,
}

impl Stat {
    /// Whether it is a regular file.
    pub const fn is_regular(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }
}

/// ptrace(2) with a request by which the kernel writes no memory of this process.
fn request(number: u32, tid: Tid, address: usize, data: usize) -> Result<(), Error> {
    // SAFETY: the private callers pass requests that only take numbers.
    unsafe { syscall!(ptrace, number, tid.0, address, data) }.map(drop)
}

/// PTRACE_SEIZE: traces the thread, which goes on, with these [`options`].
///
/// # Errors
/// The errno of the call.
pub fn seize(tid: Tid, options: u32) -> Result<(), Error> {
    request(0x4206, tid, 0, options as usize)
}

/// PTRACE_SETOPTIONS of a stopped tracee.
///
/// # Errors
/// The errno of the call.
pub fn set_options(tid: Tid, options: u32) -> Result<(), Error> {
    request(0x4200, tid, 0, options as usize)
}

/// PTRACE_INTERRUPT: a running tracee stops.
///
/// # Errors
/// The errno of the call.
pub fn interrupt(tid: Tid) -> Result<(), Error> {
    request(0x4207, tid, 0, 0)
}

/// Lets a stopped tracee go on; `signal` is delivered unless it is 0.
///
/// # Errors
/// The errno of the call; ESRCH if the tracee was killed meanwhile.
pub fn resume(tid: Tid, how: Resume, signal: u8) -> Result<(), Error> {
    request(how as u32, tid, 0, signal.into())
}

/// PTRACE_GETEVENTMSG: the message of the event that stopped the tracee.
///
/// # Errors
/// The errno of the call.
pub fn event_message(tid: Tid) -> Result<u64, Error> {
    let mut message = 0u64;
    // SAFETY: the kernel writes one word.
    unsafe { syscall!(ptrace, 0x4201, tid.0, 0, &raw mut message) }.map(|_| message)
}

/// PTRACE_GETSIGINFO: `si_code` of the signal that stopped the tracee.
///
/// # Errors
/// The errno of the call.
pub fn signal_code(tid: Tid) -> Result<i32, Error> {
    // siginfo_t has 128 bytes; si_code is the third int.
    let mut info = [0u32; 32];
    // SAFETY: the kernel writes one siginfo_t.
    unsafe { syscall!(ptrace, 0x4202, tid.0, 0, info.as_mut_ptr()) }.map(|_| info[2] as i32)
}

/// PTRACE_GETREGS: the registers of a stopped tracee.
///
/// # Errors
/// The errno of the call.
pub fn registers(tid: Tid) -> Result<Registers, Error> {
    // struct user_regs_struct has 27 words: rbp is the fifth, rip the 17th, rsp the 20th.
    let mut words = [0u64; 27];
    // SAFETY: the kernel writes one user_regs_struct.
    unsafe { syscall!(ptrace, 12, tid.0, 0, words.as_mut_ptr()) }.map(|_| Registers {
        rbp: words[4],
        rip: words[16],
        rsp: words[19],
    })
}

/// PTRACE_GET_SYSCALL_INFO of Linux 5.3: where in a syscall the tracee stands. `None` is
/// a call of another architecture than x86-64, or no call.
///
/// # Errors
/// The errno of the call; EIO on older kernels.
pub fn place(tid: Tid) -> Result<Option<Place>, Error> {
    const X86_64: u64 = 0xC000_003E;
    // struct ptrace_syscall_info: op and arch in the first word, ip, sp, then the
    // number and six arguments, or the answer.
    let mut words = [0u64; 11];
    // SAFETY: the kernel writes no more than the size that it is told.
    unsafe { syscall!(ptrace, 0x420E, tid.0, size_of_val(&words), words.as_mut_ptr()) }?;
    let arguments = [words[4], words[5], words[6], words[7], words[8], words[9]];
    Ok(match words[0] & 0xFF {
        _ if words[0] >> 32 != X86_64 => None,
        1 | 3 => Some(Place::Entry(words[3], arguments)),
        2 => Some(Place::Exit(words[3] as i64)),
        _ => None,
    })
}

/// wait4(2) for any child or tracee, threads included (__WALL). Without `block`, `None`
/// says that none has anything to tell.
///
/// # Errors
/// The errno of the call: ECHILD if there is none left, EINTR.
pub fn wait_any(block: bool) -> Result<Option<(Tid, Status)>, Error> {
    const WNOHANG: u32 = 1;
    const WALL: u32 = 0x4000_0000;
    let mut status = 0i32;
    let flags = if block { WALL } else { WALL | WNOHANG };
    // SAFETY: the kernel writes one int.
    let tid = unsafe { syscall!(wait4, -1isize, &raw mut status, flags, 0) }?;
    Ok(if tid == 0 { None } else { Some((Tid(tid as i32), Status::new(status))) })
}

/// kill(2) of a process.
///
/// # Errors
/// The errno of the call.
pub fn kill(process: Tid, signal: u8) -> Result<(), Error> {
    // SAFETY: a signal to another process touches no memory of this one.
    unsafe { syscall!(kill, process.0, signal) }.map(drop)
}

/// getuid(2): the real user.
pub fn user() -> u32 {
    // SAFETY: asking for a number touches nothing.
    unsafe { syscall!(getuid) }.unwrap_or(0) as u32
}

/// pipe2(2): the end to read from and the end to write to, neither of which survives
/// execve(2).
///
/// # Errors
/// The errno of the call.
pub fn pipe() -> Result<[OwnedFd; 2], Error> {
    const CLOEXEC: u32 = 0o2_000_000;
    let mut ends = [0i32; 2];
    // SAFETY: the kernel writes two ints.
    unsafe { syscall!(pipe2, ends.as_mut_ptr(), CLOEXEC) }?;
    Ok(ends.map(|end| OwnedFd(end as usize)))
}

/// dup(2) to a descriptor that does not survive execve(2): fcntl(2) with F_DUPFD_CLOEXEC.
///
/// # Errors
/// The errno of the call.
pub fn duplicate(fd: Fd) -> Result<OwnedFd, Error> {
    const DUPFD_CLOEXEC: usize = 1030;
    // SAFETY: a new descriptor, which nobody has yet.
    unsafe { syscall!(fcntl, fd.0, DUPFD_CLOEXEC, 3) }.map(OwnedFd)
}

/// open(2), for reading, without waiting for a writer of a pipe; the descriptor does not
/// survive execve(2).
///
/// # Errors
/// The errno of the call.
pub fn open_unblocked(path: &CStr) -> Result<OwnedFd, Error> {
    /// O_RDONLY, O_NOCTTY, O_NONBLOCK, O_CLOEXEC.
    const FLAGS: u32 = 0o400 | 0o4000 | 0o2_000_000;
    super::open_with(path, FLAGS, 0)
}

/// pread(2). As many bytes of the buffer as this says hold what was read.
///
/// # Errors
/// The errno of the call.
pub fn pread(fd: Fd, buffer: &mut [MaybeUninit<u8>], offset: u64) -> Result<usize, Error> {
    // SAFETY: the kernel writes to `buffer` alone, which is borrowed for it.
    unsafe { syscall!(pread64, fd.0, buffer.as_mut_ptr(), buffer.len(), offset) }
        .map(|read| read.min(buffer.len()))
}

/// readlink(2): the bytes of the link, cut at the end of `buffer`.
///
/// # Errors
/// The errno of the call.
pub fn readlink<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a [u8], Error> {
    // SAFETY: the kernel reads the path and writes to `buffer` alone.
    let size = unsafe { syscall!(readlink, path.as_ptr(), buffer.as_mut_ptr(), buffer.len()) }?;
    Ok(buffer.get(..size).unwrap_or_default())
}

/// fstat(2).
///
/// # Errors
/// The errno of the call.
pub fn fstat(fd: Fd) -> Result<Stat, Error> {
    // struct stat has 18 words: st_ino is the second, st_mode and st_uid the fourth,
    // st_size the seventh.
    let mut words = [0u64; 18];
    // SAFETY: the kernel writes one stat.
    unsafe { syscall!(fstat, fd.0, words.as_mut_ptr()) }?;
    let [_, inode, _, mode, _, _, size, ..] = words;
    Ok(Stat { mode: mode as u32, owner: (mode >> 32) as u32, inode, size })
}

/// Whether the file has capabilities of its own: fgetxattr(2) of `security.capability`.
pub fn has_capabilities(fd: Fd) -> bool {
    let name = c"security.capability";
    // SAFETY: the kernel reads the name, and with a size of 0 writes nothing.
    unsafe { syscall!(fgetxattr, fd.0, name.as_ptr(), 0, 0) }.is_ok()
}

/// execve(2). Comes back only to say why not.
///
/// # Safety
/// 1. `arguments` and `environment` are arrays of C strings that end with a null pointer.
pub unsafe fn execve(
    path: &CStr,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> Error {
    // SAFETY: duty 1 of the caller; the process image is replaced or left as it is.
    let result = unsafe { syscall!(execve, path.as_ptr(), arguments, environment) };
    result.err().unwrap_or(Error::without_effect(Sysno::execve))
}

/// setrlimit(2) of RLIMIT_CORE to 0: this process leaves no core file.
///
/// # Errors
/// The errno of the call.
pub fn forbid_core_file() -> Result<(), Error> {
    super::setrlimit(4, 0)
}

/// prctl(2) with PR_SET_PDEATHSIG: this process gets `signal` when its parent ends.
///
/// # Errors
/// The errno of the call.
pub fn end_with_parent(signal: Signal) -> Result<(), Error> {
    const PR_SET_PDEATHSIG: u32 = 1;
    // SAFETY: (1) it takes a number.
    unsafe { super::prctl(PR_SET_PDEATHSIG, signal.number().into()) }.map(drop)
}

/// Takes [`end_with_parent`] back.
///
/// # Errors
/// The errno of the call.
pub fn outlive_parent() -> Result<(), Error> {
    end_with_parent(Signal::new(0))
}

/// Reads all of `buffer` from `offset` on, or says how far the file goes: partial reads
/// are continued and EINTR is retried.
///
/// # Errors
/// Any other errno.
pub fn read_at(fd: Fd, buffer: &mut [u8], offset: u64) -> Result<usize, Error> {
    let mut done = 0;
    while done < buffer.len() {
        let rest = buffer.get_mut(done..).unwrap_or_default();
        // SAFETY: bytes are a case of bytes or nothing, and the kernel writes bytes.
        let rest = unsafe { mem::transmute::<&mut [u8], &mut [MaybeUninit<u8>]>(rest) };
        match pread(fd, rest, offset.wrapping_add(done as u64)) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.is(Errno::EINTR) => {}
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The memory of a tracee: /proc/TID/mem.
#[derive(Debug)]
pub struct Memory(OwnedFd);

impl Memory {
    /// Opens it for reading.
    ///
    /// # Errors
    /// The errno of open(2).
    pub fn open(tid: Tid) -> Result<Self, Error> {
        let path = alloc::format!("/proc/{}/mem", i64::from(tid.0));
        super::super::at(path.as_bytes(), &super::open).map(Self)
    }

    /// Reads what is mapped from `address` on, and says how many bytes that were; `None`
    /// if nothing is mapped there.
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> Option<usize> {
        read_at(self.0.fd(), buffer, address).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_as_wait4_writes_them() {
        for (word, status) in [
            (0x0300, Status::Exited(3)),
            (0x0009, Status::Killed(9)),
            (0x008B, Status::Killed(11)),
            (0x857F, Status::Syscall),
            (0x1F7F, Status::Signal(31)),
            (0x0001_057F, Status::Event(Event::Child)),
            (0x0003_057F, Status::Event(Event::Child)),
            (0x0004_057F, Status::Event(Event::Exec)),
            (0x0006_057F, Status::Event(Event::Exit)),
            (0x0007_057F, Status::Event(Event::Seccomp)),
            (0x0080_137F, Status::Event(Event::Stop(19))),
            (0x0080_057F, Status::Event(Event::Stop(5))),
        ] {
            assert_eq!(Status::new(word), status, "{word:#x}");
        }
    }
}
