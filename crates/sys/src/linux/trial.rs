//! The syscalls that only the probe makes: odd ways into executable memory,
//! processes to try them in, and facts about the host. Thin, and each names itself
//! when it is refused.

use super::{Errno, Error, Fd, NonNull, OwnedFd, Sysno, long, short, syscall};
use core::ffi::CStr;

/// A process that is tried on or that tries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pid(i32);

impl Pid {
    /// Its number, by which a tracer knows it.
    pub const fn tid(self) -> super::tracing::Tid {
        super::tracing::Tid::new(self.0)
    }
}

/// What wait4(2) tells about a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// It called exit with this status.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
    /// It stopped for its tracer, by this signal.
    Stopped(i32),
}

/// alarm(2): SIGALRM after so many seconds; 0 takes it back.
pub fn alarm(seconds: u32) {
    // SAFETY: a timer touches no memory. It cannot fail.
    let _ = unsafe { syscall!(alarm, seconds) };
}

/// execveat(2) of the file behind `fd` itself, without arguments or
/// environment. Comes back only to say why not.
pub fn execveat(fd: Fd) -> Error {
    const AT_EMPTY_PATH: usize = 0x1000;
    const NONE: [usize; 1] = [0];
    let (path, none) = (c"".as_ptr(), NONE.as_ptr());
    // SAFETY: the process image is replaced or left as it is.
    let result = unsafe { syscall!(execveat, fd.0, path, none, none, AT_EMPTY_PATH) };
    match result {
        Err(error) => error,
        Ok(_) => Error::without_effect(Sysno::execveat),
    }
}

/// fork(2), by clone(2) as the C library does it or, where a sandbox refuses that,
/// by the old call. `None` is the child.
///
/// # Errors
/// The errno of the second call.
pub fn fork() -> Result<Option<Pid>, Error> {
    const SIGCHLD: usize = 17;
    // SAFETY: the process has one thread, so the child is a whole copy.
    let result = match unsafe { syscall!(clone, SIGCHLD, 0, 0, 0, 0) } {
        // SAFETY: likewise.
        Err(_) => unsafe { syscall!(fork) },
        result => result,
    };
    let pid = result?;
    Ok(if pid == 0 { None } else { Some(Pid(pid as i32)) })
}

/// open(2), for reading and writing; the descriptor does not survive execve(2).
///
/// # Errors
/// The errno of the call.
pub fn open_for_writing(path: &CStr) -> Result<OwnedFd, Error> {
    const O_RDWR_CLOEXEC: u32 = 0o2_000_002;
    super::open_with(path, O_RDWR_CLOEXEC, 0)
}

/// getppid(2).
///
/// # Errors
/// The errno of the call, which only a filter can cause.
pub fn getppid() -> Result<usize, Error> {
    // SAFETY: asking for a number touches nothing.
    unsafe { syscall!(getppid) }
}

/// ioctl(2) with a structure of words that the kernel reads and writes.
///
/// # Safety
/// 1. `request` takes a structure no larger than `argument`, and what its words
///    point at is the caller's to read or overwrite.
///
/// # Errors
/// The errno of the call.
pub unsafe fn ioctl(fd: Fd, request: u32, argument: &mut [u64]) -> Result<(), Error> {
    // SAFETY: duty 1 of the caller.
    unsafe { syscall!(ioctl, fd.0, request, argument.as_mut_ptr()) }.map(drop)
}

/// madvise(2) with MADV_DONTNEED: the pages are as if never touched.
///
/// # Safety
/// 1. The pages are the caller's and nobody relies on what is in them.
///
/// # Errors
/// The errno of the call.
pub unsafe fn discard(address: NonNull<u8>, size: usize) -> Result<(), Error> {
    const MADV_DONTNEED: usize = 4;
    // SAFETY: duty 1 of the caller.
    unsafe { syscall!(madvise, address.as_ptr(), size, MADV_DONTNEED) }.map(drop)
}

/// mremap(2) with an old size of 0: a second mapping of shared pages.
///
/// # Errors
/// The errno of the call; errno 0 if it claims to have mapped address 0.
pub fn mremap_alias(address: NonNull<u8>, size: usize) -> Result<NonNull<u8>, Error> {
    const MAYMOVE: usize = 1;
    // SAFETY: with an old size of 0 nothing is moved or unmapped.
    let alias = unsafe { syscall!(mremap, address.as_ptr(), 0, size, MAYMOVE) }?;
    NonNull::new(alias as *mut u8).ok_or(Error::without_effect(Sysno::mremap))
}

/// personality(2); `u32::MAX` only asks.
///
/// # Errors
/// The errno of the call.
pub fn personality(persona: u32) -> Result<u32, Error> {
    // SAFETY: the execution domain touches no memory.
    let result = unsafe { syscall!(personality, persona) };
    result.map(|persona| persona as u32)
}

/// pkey_mprotect(2) with the key −1, which makes it mprotect(2).
///
/// # Safety
/// 1. As [`mprotect`](super::mprotect).
///
/// # Errors
/// The errno of the call.
pub unsafe fn pkey_mprotect(address: NonNull<u8>, size: usize, prot: super::Prot) -> Result<(), Error> {
    // SAFETY: duty 1 of the caller.
    unsafe { syscall!(pkey_mprotect, address.as_ptr(), size, prot.bits(), -1isize) }.map(drop)
}

/// ptrace(2).
///
/// # Safety
/// 1. `child` is a tracee of the caller's, or the request is TRACEME; the
///    request writes no memory of the caller's.
///
/// # Errors
/// The errno of the call.
pub unsafe fn ptrace(request: u32, child: Option<Pid>, address: usize, data: u64) -> Result<(), Error> {
    let pid = child.map_or(0, |child| child.0);
    // SAFETY: duty 1 of the caller.
    unsafe { syscall!(ptrace, request, pid, address, data) }.map(drop)
}

/// pwrite(2) of all `bytes`.
///
/// # Errors
/// The errno of the call; errno 0 if it claims to have written less.
pub fn pwrite(fd: Fd, bytes: &[u8], offset: usize) -> Result<(), Error> {
    // SAFETY: the kernel only reads `bytes`; what a write to the file changes
    // is memory that the caller made for it.
    let result = unsafe { syscall!(pwrite64, fd.0, bytes.as_ptr(), bytes.len(), offset) };
    match result? {
        written if written == bytes.len() => Ok(()),
        _ => Err(Error::without_effect(Sysno::pwrite64)),
    }
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

/// shmat(2) of a segment wherever there is room.
///
/// # Errors
/// The errno of the call; errno 0 if it claims to have attached at address 0.
pub fn shmat(segment: usize, flags: u32) -> Result<NonNull<u8>, Error> {
    // SAFETY: a new mapping harms nobody.
    let address = unsafe { syscall!(shmat, segment, 0, flags) }?;
    NonNull::new(address as *mut u8).ok_or(Error::without_effect(Sysno::shmat))
}

/// shmctl(2) with IPC_RMID: the segment goes with its last mapping.
///
/// # Errors
/// The errno of the call.
pub fn shm_remove(segment: usize) -> Result<(), Error> {
    // SAFETY: mappings of the segment stay as they are.
    unsafe { syscall!(shmctl, segment, 0, 0) }.map(drop)
}

/// shmget(2) of a new private segment.
///
/// # Errors
/// The errno of the call.
pub fn shm_create(size: usize) -> Result<usize, Error> {
    const IPC_CREAT_0700: usize = 0o1700;
    // SAFETY: a segment is no memory until it is attached.
    unsafe { syscall!(shmget, 0, size, IPC_CREAT_0700) }
}

/// sigprocmask(2): no signal stays blocked.
pub fn unblock_signals() {
    const SIG_SETMASK: usize = 2;
    let none = 0u64;
    // SAFETY: the kernel reads one mask of eight bytes.
    let _ = unsafe { syscall!(rt_sigprocmask, SIG_SETMASK, &raw const none, 0, 8) };
}

/// statfs(2): the type of the file system and its mount flags.
///
/// # Errors
/// The errno of the call.
pub fn statfs(path: &CStr) -> Result<[u64; 2], Error> {
    // struct statfs has 15 words: f_type is the first, f_flags the eleventh.
    let mut words = [0u64; 16];
    // SAFETY: the kernel reads the path and writes one statfs.
    let result = unsafe { syscall!(statfs, path.as_ptr(), words.as_mut_ptr()) };
    result.map(|_| [words[0], words[10]])
}

/// syslog(2) with SYSLOG_ACTION_READ_ALL: the end of the kernel's log.
///
/// # Errors
/// The errno of the call.
pub fn kernel_log(buffer: &mut [u8]) -> Result<usize, Error> {
    const READ_ALL: usize = 3;
    // SAFETY: the kernel writes to `buffer` alone, which is borrowed for it.
    unsafe { syscall!(syslog, READ_ALL, buffer.as_mut_ptr(), buffer.len()) }
}

/// uname(2): six names of 65 bytes, each ended by NUL: system, node, release,
/// version, machine, domain.
///
/// # Errors
/// The errno of the call.
pub fn uname() -> Result<[[u8; 65]; 6], Error> {
    let mut names = [[0; 65]; 6];
    // SAFETY: the kernel writes one new_utsname, which is these six.
    unsafe { syscall!(uname, names.as_mut_ptr()) }.map(|_| names)
}

/// userfaultfd(2).
///
/// # Errors
/// The errno of the call.
pub fn userfaultfd(flags: u32) -> Result<OwnedFd, Error> {
    // SAFETY: a descriptor that watches nothing yet.
    unsafe { syscall!(userfaultfd, flags) }.map(|fd| OwnedFd(Fd(fd)))
}

/// wait4(2) for a child to end or to stop for its tracer; EINTR is retried.
///
/// # Errors
/// Any other errno.
pub fn wait(child: Pid) -> Result<Wait, Error> {
    loop {
        let mut status = 0i32;
        // SAFETY: the kernel writes one int.
        let result = unsafe { syscall!(wait4, child.0, &raw mut status, 0, 0) };
        match result {
            Err(error) if error.is(Errno::EINTR) => {}
            Err(error) => return Err(error),
            Ok(_) if status & 0x7F == 0 => return Ok(Wait::Exited(status >> 8 & 0xFF)),
            Ok(_) if status & 0xFF == 0x7F => return Ok(Wait::Stopped(status >> 8 & 0xFF)),
            Ok(_) => return Ok(Wait::Killed(status & 0x7F)),
        }
    }
}
