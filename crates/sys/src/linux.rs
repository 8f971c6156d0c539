//! The syscalls of barejit, one thin function each, and all of them. [`trial`] has those that
//! only the probe makes, [`tracing`] those of a tracer, [`job`] those of a shell; no file
//! outside makes one.

mod file;
pub mod job;
pub mod tracing;
pub mod trial;

pub use file::{
    NOEXEC_SEAL, add_seals, close, create, create_own, fallocate, ftruncate, memfd_create, open,
    open_nameless, open_new, read, seals, unlink, write,
};
use file::{made, open_with};

use super::bpf::Instruction;
use super::signal::{Action, AlternateStack, Context, Disposition, Signal};
use super::{Errno, Error, Fd, MapFlags, OwnedFd, Prot, Sysno, mapped};
use core::{
    ffi::CStr,
    mem::{self, MaybeUninit},
    ptr::{self, NonNull},
};
use syscalls::{syscall3, syscall6};

/// Makes the syscall of this name with up to six arguments that are numbers or
/// pointers.
macro_rules! syscall {
    ($call:ident) => { syscall!($call, 0) };
    ($call:ident, $a:expr) => { syscall!($call, $a, 0) };
    ($call:ident, $a:expr, $b:expr) => { syscall!($call, $a, $b, 0) };
    ($call:ident, $a:expr, $b:expr, $c:expr) => {
        short(Sysno::$call, $a as usize, $b as usize, $c as usize)
    };
    ($call:ident, $a:expr, $b:expr, $c:expr, $d:expr) => { syscall!($call, $a, $b, $c, $d, 0) };
    ($call:ident, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr) => { syscall!($call, $a, $b, $c, $d, $e, 0) };
    ($call:ident, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr) => {
        long($a as usize, $b as usize, $c as usize, $d as usize, $e as usize, $f as usize, Sysno::$call)
    };
}
use syscall;

/// # Safety
/// 1. The call does nothing undefined with these arguments.
unsafe fn short(call: Sysno, a: usize, b: usize, c: usize) -> Result<usize, Error> {
    // SAFETY: duty 1 of the caller.
    unsafe { syscall3(call, a, b, c) }.map_err(|errno| Error::new(call, errno))
}

/// # Safety
/// 1. The call does nothing undefined with these arguments.
unsafe fn long(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    call: Sysno,
) -> Result<usize, Error> {
    // SAFETY: duty 1 of the caller.
    unsafe { syscall6(call, a, b, c, d, e, f) }.map_err(|errno| Error::new(call, errno))
}

/// clock_gettime(2) with CLOCK_MONOTONIC, in nanoseconds; 0 if it is refused.
pub fn nanoseconds() -> u64 {
    const MONOTONIC: usize = 1;
    let mut time = [0u64; 2];
    // SAFETY: the kernel writes a struct timespec, two words.
    let answer = unsafe { syscall!(clock_gettime, MONOTONIC, time.as_mut_ptr()) };
    answer.map_or(0, |_| time[0] * 1_000_000_000 + time[1])
}

/// arch_prctl(2) with ARCH_GET_FS: the base of FS, which is the thread pointer; 0 if there
/// is none, or the call is refused.
pub fn thread_pointer() -> usize {
    const GET_FS: usize = 0x1003;
    let mut base = 0usize;
    // SAFETY: the kernel writes one word.
    let answer = unsafe { syscall!(arch_prctl, GET_FS, &raw mut base) };
    answer.map_or(0, |_| base)
}

/// exit_group(2): ends the process with the low eight bits of `status`.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: ending the process touches no memory of ours.
        let _ = unsafe { syscall!(exit_group, status) };
        // Only a filter can refuse exit_group; then a trap is the way out.
        // SAFETY: `ud2` raises SIGILL and nothing else.
        unsafe { core::arch::asm!("ud2", options(nomem, nostack)) };
    }
}

/// Whether `fd` is a terminal: ioctl(2) with TCGETS answers.
pub fn is_terminal(fd: Fd<'_>) -> bool {
    const TCGETS: usize = 0x5401;
    // struct termios of the kernel has 36 bytes.
    let mut termios = [0u64; 8];
    // SAFETY: the kernel writes at most a termios, and there is room.
    unsafe { syscall!(ioctl, fd.0, TCGETS, termios.as_mut_ptr()) }.is_ok()
}

/// getpid(2).
///
/// # Errors
/// The errno of the call, which only a filter can cause; errno 0 if the answer is 0, which
/// no process has for a number.
pub fn getpid() -> Result<usize, Error> {
    // SAFETY: asking for one's own number touches nothing.
    match unsafe { syscall!(getpid) } {
        Ok(0) => Err(Error::without_effect(Sysno::getpid)),
        result => result,
    }
}

/// kill(2) of this process itself.
///
/// # Errors
/// The errno of the call.
pub fn kill_self(signal: Signal) -> Result<(), Error> {
    let own = getpid()?;
    // SAFETY: the disposition of the signal decides; `rt_sigaction`, which sets it, is unsafe.
    unsafe { syscall!(kill, own, signal.number()) }.map(drop)
}

/// mmap(2).
///
/// # Safety
/// 1. With [`MapFlags::FIXED`], nobody may rely on what was mapped there.
///
/// # Errors
/// The errno of the call; errno 0 if it claims to have mapped where no new mapping can
/// be, or elsewhere than a fixed one was asked for.
pub unsafe fn mmap(
    address: usize,
    size: usize,
    prot: Prot,
    flags: MapFlags,
    fd: Fd<'_>,
    offset: usize,
) -> Result<NonNull<u8>, Error> {
    // SAFETY: a new mapping harms nobody, and a fixed one is the caller's duty 1.
    let answer = unsafe { syscall!(mmap, address, size, prot.bits(), flags.bits(), fd.0, offset) }?;
    if !flags.contains(MapFlags::FIXED) {
        return mapped(Sysno::mmap, answer, size);
    }
    NonNull::new(answer as *mut u8).filter(|_| answer == address).ok_or(Error::without_effect(Sysno::mmap))
}

/// A new mapping of `size` bytes that `call` claims to have made.
fn mapped(call: Sysno, address: usize, size: usize) -> Result<NonNull<u8>, Error> {
    if !mapped::is_credible(address, size) {
        return Err(Error::without_effect(call));
    }
    mapped::remember(address, size);
    NonNull::new(address as *mut u8).ok_or(Error::without_effect(call))
}

/// mprotect(2).
///
/// # Safety
/// 1. The pages from `address` on are mapped and nobody relies on a use of them
///    that `prot` forbids.
///
/// # Errors
/// The errno of the call.
pub unsafe fn mprotect(address: NonNull<u8>, size: usize, prot: Prot) -> Result<(), Error> {
    // SAFETY: duty 1 of the caller.
    unsafe { syscall!(mprotect, address.as_ptr(), size, prot.bits()) }.map(drop)
}

/// mremap(2) with MREMAP_MAYMOVE.
///
/// # Safety
/// 1. The `old` bytes at `address` are one private mapping of the caller's, and
///    nothing points into it afterwards.
///
/// # Errors
/// The errno of the call; errno 0 if it claims to have moved the mapping to where none
/// can be. The mapping then stays.
pub unsafe fn mremap(address: NonNull<u8>, old: usize, new: usize) -> Result<NonNull<u8>, Error> {
    const MAYMOVE: usize = 1;
    let before = address.as_ptr() as usize;
    // At once the kernel can give the old addresses to another thread.
    mapped::forget(before);
    // SAFETY: duty 1 of the caller.
    let answer = unsafe { syscall!(mremap, address.as_ptr(), old, new, MAYMOVE) };
    let result = answer.and_then(|answer| mapped(Sysno::mremap, answer, new));
    if result.is_err() {
        mapped::remember(before, old);
    }
    result
}

/// madvise(2) with MADV_HUGEPAGE: the kernel may then map 2 MiB where a page is touched.
///
/// # Safety
/// 1. The pages are one private mapping of the caller's.
pub unsafe fn prefer_huge(address: NonNull<u8>, size: usize) {
    const MADV_HUGEPAGE: usize = 14;
    // SAFETY: duty 1 of the caller. A kernel that refuses maps small pages.
    let _ = unsafe { syscall!(madvise, address.as_ptr(), size, MADV_HUGEPAGE) };
}

/// munmap(2).
///
/// # Safety
/// 1. The pages are the caller's and nothing points into them any more.
///
/// # Errors
/// The errno of the call.
pub unsafe fn munmap(address: NonNull<u8>, size: usize) -> Result<(), Error> {
    // At once the kernel can give the addresses to another thread.
    mapped::forget(address.as_ptr() as usize);
    // SAFETY: duty 1 of the caller.
    let result = unsafe { syscall!(munmap, address.as_ptr(), size) };
    if result.is_err() {
        mapped::remember(address.as_ptr() as usize, size);
    }
    result.map(drop)
}

/// The event that [`poll`] waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Ready {
    /// POLLIN
    Read = 1,
    /// POLLOUT
    Write = 4,
}

/// poll(2) of one descriptor, without a limit; EINTR is an answer like any other.
///
/// # Errors
/// Any other errno.
pub fn poll(fd: Fd<'_>, ready: Ready) -> Result<(), Error> {
    #[repr(C)]
    struct Poll {
        fd: i32,
        events: u16,
        occurred: u16,
    }
    let mut poll = Poll { fd: fd.0 as i32, events: ready as u16, occurred: 0 };
    // SAFETY: the kernel reads and writes the one structure.
    match unsafe { syscall!(poll, &raw mut poll, 1, usize::MAX) } {
        Err(error) if error.is(Errno::EINTR) => Ok(()),
        result => result.map(drop),
    }
}

/// brk(2) as the kernel has it: asks for a new program break, or with 0 for none, and
/// answers with the one in force, which is the old one on refusal. An answer that the
/// kernel cannot give, or none, is 0.
///
/// # Safety
/// 1. Nobody relies on memory between `address` and the break in force, if that is higher.
/// 2. No allocator expects to be the only one that moves the break, unless `address` is 0,
///    which moves nothing.
///
/// # Examples
/// Safe code cannot call it:
/// ```compile_fail,E0133
/// let _ = barejit_sys::linux::brk(0x1000);
/// ```
pub unsafe fn brk(address: usize) -> usize {
    // SAFETY: duties 1 and 2 of the caller.
    let result = unsafe { syscall!(brk, address) };
    result.ok().and_then(|answer| mapped::program_break(address, answer)).unwrap_or(0)
}

/// rt_sigaction(2). Says whether the signal was ignored before.
///
/// # Safety
/// 1. A handler may run at any instruction of any thread that does not block the signal,
///    and go on as it leaves its context.
///
/// # Errors
/// The errno of the call.
///
/// # Examples
/// Safe code cannot call it:
/// ```compile_fail,E0133
/// use barejit_sys::{linux, signal::{Context, Disposition, Info, Mask, Signal}};
/// unsafe extern "sysv64" fn elsewhere(_: i32, _: &Info, context: &mut Context) {
///     context.rip = 0x1000;
/// }
/// let _ = linux::rt_sigaction(Signal::TERM, Disposition::Handled(elsewhere, Mask::of(&[])));
/// ```
pub unsafe fn rt_sigaction(signal: Signal, disposition: Disposition) -> Result<bool, Error> {
    const SET: usize = size_of::<u64>();
    let action = Action::new(disposition, rt_sigreturn as *const () as usize);
    let mut before = Action::new(Disposition::Default, 0);
    // SAFETY: the kernel reads one action and writes one; handlers are functions
    // of the right type, and the rest is duty 1 of the caller.
    let result = unsafe { syscall!(rt_sigaction, signal.number(), &raw const action, &raw mut before, SET) };
    result.map(|_| before.handler == Action::SIG_IGN)
}

/// rt_sigreturn(2): where handlers return to, with the frame at RSP.
#[unsafe(naked)]
unsafe extern "sysv64" fn rt_sigreturn() -> ! {
    core::arch::naked_asm!("mov eax, 15", "syscall", "ud2")
}

/// sigaltstack(2): signal handlers run on `stack` from now on.
///
/// # Errors
/// The errno of the call.
///
/// # Safety
/// 1. The memory is mapped for as long as the thread lives, and only handlers use it.
pub(super) unsafe fn sigaltstack(stack: &AlternateStack) -> Result<(), Error> {
    // SAFETY: the kernel reads one structure; what it says is duty 1 of the caller.
    unsafe { syscall!(sigaltstack, ptr::from_ref(stack), 0) }.map(drop)
}

/// sigaltstack(2): the alternate stack that is in force.
///
/// # Errors
/// The errno of the call.
pub fn alternate_stack() -> Result<AlternateStack, Error> {
    let mut alternate = AlternateStack { base: 0, flags: 0, size: 0 };
    // SAFETY: the kernel writes one structure.
    unsafe { syscall!(sigaltstack, 0, &raw mut alternate) }.map(|_| alternate)
}

/// Any syscall with six arguments, and its answer as the kernel gives it: an errno is
/// negative.
///
/// # Safety
/// 1. The call does nothing undefined with these arguments.
pub unsafe fn raw(call: usize, arguments: &[u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = *arguments;
    let answer: i64;
    // SAFETY: duty 1 of the caller; `syscall` changes RAX, RCX and R11 besides (SDM vol.
    // 2B).
    unsafe {
        core::arch::asm!(
            "syscall", inlateout("rax") call as i64 => answer,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    answer
}

/// rt_sigreturn(2) to a context that was not a handler's: the thread goes on with the
/// registers, flags and extended state that are in it.
///
/// # Safety
/// 1. Going on there does nothing undefined, and the extended state is an XSAVE area
///    as the kernel writes it, or null.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn resume(context: &Context) -> ! {
    // RSP is the address of the ucontext_t: a handler's return has popped the word below.
    core::arch::naked_asm!("mov rsp, rdi", "mov eax, 15", "syscall", "ud2")
}

/// getrlimit(2): the soft and the hard limit of `resource`.
///
/// # Errors
/// The errno of the call.
pub fn getrlimit(resource: u32) -> Result<[u64; 2], Error> {
    let mut limit = [0u64; 2];
    // SAFETY: the kernel writes one rlimit of two words.
    let result = unsafe { syscall!(getrlimit, resource, limit.as_mut_ptr()) };
    result.map(|_| limit)
}

/// setrlimit(2) of the soft and the hard limit to `limit`.
///
/// # Errors
/// The errno of the call.
pub fn setrlimit(resource: u32, limit: u64) -> Result<(), Error> {
    let limits = [limit; 2];
    // SAFETY: the kernel reads one rlimit of two words.
    unsafe { syscall!(setrlimit, resource, limits.as_ptr()) }.map(drop)
}

/// prctl(2) with an operation that takes at most one number.
///
/// # Safety
/// 1. The operation points at no memory.
///
/// # Errors
/// The errno of the call.
pub unsafe fn prctl(operation: u32, argument: usize) -> Result<usize, Error> {
    // SAFETY: duty 1 of the caller.
    unsafe { syscall!(prctl, operation, argument, 0, 0, 0) }
}

/// The width of the terminal behind `fd` in columns: ioctl(2) with TIOCGWINSZ.
pub fn terminal_width(fd: Fd<'_>) -> Option<u16> {
    const TIOCGWINSZ: usize = 0x5413;
    // struct winsize: rows, columns and two sizes in pixels.
    let mut size = [0u16; 4];
    // SAFETY: the kernel writes one winsize.
    unsafe { syscall!(ioctl, fd.0, TIOCGWINSZ, size.as_mut_ptr()) }.ok()?;
    Some(size[1]).filter(|columns| *columns > 0)
}

/// seccomp(2) with SECCOMP_SET_MODE_FILTER.
///
/// # Errors
/// The errno of the call; EACCES for a process that could gain privileges (prctl(2),
/// PR_SET_NO_NEW_PRIVS) and is not the administrator's.
pub fn seccomp(program: &[Instruction]) -> Result<(), Error> {
    #[repr(C)]
    struct Program {
        size: u16,
        instructions: *const Instruction,
    }
    const SET_MODE_FILTER: usize = 1;
    let program = Program { size: program.len() as u16, instructions: program.as_ptr() };
    // SAFETY: the kernel reads the program, whose size is its own.
    unsafe { syscall!(seccomp, SET_MODE_FILTER, 0, &raw const program) }.map(drop)
}

/// mseal(2), of Linux 6.10 and later: the pages cannot be unmapped, moved or
/// protected otherwise again.
///
/// # Errors
/// The errno of the call, ENOSYS on older kernels.
pub(super) fn mseal(address: NonNull<u8>, size: usize) -> Result<(), Error> {
    // SAFETY: sealing changes neither the contents nor the protection of the pages.
    unsafe { syscall!(mseal, address.as_ptr(), size, 0) }.map(drop)
}
