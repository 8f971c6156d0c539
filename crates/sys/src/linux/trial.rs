//! The syscalls that only the probe makes: odd ways into executable memory,
//! processes to try them in, and facts about the host. Thin, and each names itself
//! when it is refused.

use super::{Errno, Error, Fd, NonNull, OwnedFd, Sysno, long, made, mapped, short, syscall};
use core::ffi::CStr;

/// A process that is tried on or that tries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pid(i32);

impl Pid {
    /// The process of that number.
    pub(super) const fn new(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Its number, by which a tracer knows it.
    pub const fn tid(self) -> super::tracing::Tid {
        super::tracing::Tid::new(self.0)
    }
}

/// The state of a child, by wait4(2).
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
pub fn execveat(fd: Fd<'_>) -> Error {
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
/// A filter can answer 0 without having made a process. clone(2) writes the number of
/// the child into the child's memory alone (CLONE_CHILD_SETTID); of the old call the
/// child differs by its number. A process that finds neither is still the parent.
///
/// # Safety
/// 1. The process has one thread, so that the child is a whole copy; or the child does only
///    what a signal handler may (signal-safety(7)).
///
/// # Errors
/// The errno of the second call; errno 0 if it claims success and has made no process.
///
/// # Examples
/// Safe code cannot call it:
/// ```compile_fail,E0133
/// let _ = barejit_sys::linux::trial::fork();
/// ```
pub unsafe fn fork() -> Result<Option<Pid>, Error> {
    const SIGCHLD: usize = 17;
    const CHILD_SETTID: usize = 0x0100_0000;
    let mut child = 0u32;
    // SAFETY: duty 1 of the caller; the kernel
    // writes one number into the copy of `child`.
    let answer = unsafe { syscall!(clone, SIGCHLD | CHILD_SETTID, 0, 0, &raw mut child, 0) };
    // SAFETY: the variable lives; the kernel may have written it.
    let is_child = unsafe { (&raw const child).read_volatile() } != 0;
    match answer {
        Ok(0) if is_child => return Ok(None),
        Ok(pid) if pid != 0 => return Ok(Some(Pid(pid as i32))),
        _ => {}
    }
    let parent = super::getpid().ok();
    // SAFETY: duty 1 of the caller.
    let pid = unsafe { syscall!(fork) }?;
    match pid {
        0 if super::getpid().ok() == parent => Err(Error::without_effect(Sysno::fork)),
        0 => Ok(None),
        pid => Ok(Some(Pid(pid as i32))),
    }
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
pub unsafe fn ioctl(fd: Fd<'_>, request: u32, argument: &mut [u64]) -> Result<(), Error> {
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
/// # Safety
/// 1. Nobody relies on the pages at `address` being mapped once.
///
/// # Errors
/// The errno of the call; errno 0 if it claims to have mapped where no new mapping can
/// be.
///
/// # Examples
/// Safe code cannot call it:
/// ```compile_fail,E0133
/// let _ = barejit_sys::linux::trial::mremap_alias(core::ptr::NonNull::dangling(), 4096);
/// ```
pub unsafe fn mremap_alias(address: NonNull<u8>, size: usize) -> Result<NonNull<u8>, Error> {
    const MAYMOVE: usize = 1;
    // SAFETY: with an old size of 0 nothing is moved or unmapped; duty 1 of the caller.
    let alias = unsafe { syscall!(mremap, address.as_ptr(), 0, size, MAYMOVE) }?;
    mapped(Sysno::mremap, alias, size)
}

/// access(2) with W_OK: whether this process may write there, by permissions alone.
///
/// # Errors
/// The errno of the call: EACCES if it may not.
pub fn may_write(path: &CStr) -> Result<(), Error> {
    const W_OK: usize = 2;
    // SAFETY: the kernel only reads the path, up to its NUL.
    unsafe { syscall!(access, path.as_ptr(), W_OK) }.map(drop)
}

/// personality(2); `u32::MAX` only asks.
///
/// # Safety
/// 1. With READ_IMPLIES_EXEC, nobody relies on memory that is mapped from now on not being
///    executable.
///
/// # Errors
/// The errno of the call.
///
/// # Examples
/// Safe code cannot call it:
/// ```compile_fail,E0133
/// let _ = barejit_sys::linux::trial::personality(0x0040_0000);
/// ```
pub unsafe fn personality(persona: u32) -> Result<u32, Error> {
    // SAFETY: duty 1 of the caller.
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
pub fn pwrite(fd: Fd<'_>, bytes: &[u8], offset: usize) -> Result<(), Error> {
    // SAFETY: the kernel only reads `bytes`. A write to the file changes only mappings of it,
    // which the caller made for that.
    let result = unsafe { syscall!(pwrite64, fd.0, bytes.as_ptr(), bytes.len(), offset) };
    match result? {
        written if written == bytes.len() => Ok(()),
        _ => Err(Error::without_effect(Sysno::pwrite64)),
    }
}

/// A System V segment that this process has made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    id: usize,
    size: usize,
}

impl Segment {
    /// shmget(2) of a new private segment of `size` bytes.
    ///
    /// A filter can answer with any number, and so with that of a segment which belongs
    /// to somebody else. shmctl(2) with IPC_STAT tells who made it and when: the new one
    /// was made by this process, now, and nothing is attached to it.
    ///
    /// # Errors
    /// The error of shmget or shmctl; errno 0 if shmget claims success and has made no
    /// segment. The segment that it named is then left alone.
    pub fn create(size: usize) -> Result<Self, Error> {
        const IPC_CREAT_0700: usize = 0o1700;
        // A filter that kills for shmctl must do so before there is a segment to remove.
        let nothing = Self { id: usize::MAX, size };
        match nothing.origin() {
            Err(error) if error.is(Errno::EINVAL) => {}
            Err(error) => return Err(error),
            Ok(_) => return Err(Error::without_effect(Sysno::shmctl)),
        }
        let (process, before) = (super::getpid()?, seconds());
        // SAFETY: a segment is no memory until it is attached.
        let id = unsafe { syscall!(shmget, 0, size, IPC_CREAT_0700) }?;
        let segment = Self { id, size };
        match segment.origin() {
            Ok(Origin { process: maker, time, attached: 0 }) if maker == process && time + 1 >= before => {
                Ok(segment)
            }
            Ok(_) => Err(Error::without_effect(Sysno::shmget)),
            Err(error) if error.is(Errno::EINVAL) || error.is(Errno::EIDRM) || error.is(Errno::EACCES) => {
                Err(Error::without_effect(Sysno::shmget))
            }
            Err(error) => Err(error),
        }
    }

    /// shmctl(2) with IPC_STAT.
    fn origin(self) -> Result<Origin, Error> {
        const IPC_STAT: usize = 2;
        // struct shmid64_ds has 14 words on x86-64: shm_ctime is the tenth, shm_cpid half
        // of the eleventh, shm_nattch the twelfth.
        let mut words = [0u64; 16];
        // SAFETY: the kernel writes one shmid64_ds, and there is room.
        unsafe { syscall!(shmctl, self.id, IPC_STAT, words.as_mut_ptr()) }?;
        Ok(Origin { time: words[9], process: words[10] as u32 as usize, attached: words[11] })
    }

    /// shmat(2) wherever there is room, with the `flags` of the call.
    ///
    /// # Safety
    /// 1. With SHM_EXEC and without SHM_RDONLY the pages are writable and executable at once:
    ///    nothing writes to them but what may decide what runs.
    ///
    /// # Examples
    /// Safe code cannot call it:
    /// ```compile_fail,E0133
    /// fn attach(segment: barejit_sys::linux::trial::Segment) {
    ///     let _ = segment.attach(0o100_000);
    /// }
    /// ```
    ///
    /// # Errors
    /// The errno of the call; errno 0 if it claims to have attached it where no new
    /// mapping can be.
    pub unsafe fn attach(self, flags: u32) -> Result<NonNull<u8>, Error> {
        // SAFETY: a new mapping replaces none; the rest is duty 1 of the caller.
        let address = unsafe { syscall!(shmat, self.id, 0, flags) }?;
        mapped(Sysno::shmat, address, self.size)
    }

    /// shmctl(2) with IPC_RMID: the segment goes with its last mapping.
    ///
    /// # Errors
    /// The errno of the call.
    pub fn remove(self) -> Result<(), Error> {
        const IPC_RMID: usize = 0;
        // SAFETY: mappings of the segment stay as they are.
        unsafe { syscall!(shmctl, self.id, IPC_RMID, 0) }.map(drop)
    }

    /// Its number, which [`from_number`](Self::from_number) takes.
    pub fn number(self) -> usize {
        self.id
    }

    /// The segment that another process proved to be its own.
    pub fn from_number(id: usize) -> Self {
        Self { id, size: 0 }
    }
}

/// The maker of a segment, its time in seconds since 1970, and how many mappings it has.
struct Origin {
    process: usize,
    time: u64,
    attached: u64,
}

/// clock_gettime(2) with CLOCK_REALTIME_COARSE, in seconds, which is the clock that the
/// kernel dates segments by; 0 if it is refused.
fn seconds() -> u64 {
    const REALTIME_COARSE: usize = 5;
    let mut time = [0u64; 2];
    // SAFETY: the kernel writes a struct timespec, two words.
    let answer = unsafe { syscall!(clock_gettime, REALTIME_COARSE, time.as_mut_ptr()) };
    answer.map_or(0, |_| time[0])
}

/// shmat(2) with a number that names no segment, to see what answers.
///
/// # Errors
/// The errno of the call.
pub fn shmat_nothing(flags: u32) -> Result<usize, Error> {
    // SAFETY: no segment has this number; were one attached, it would be a new mapping.
    unsafe { syscall!(shmat, usize::MAX, 0, flags) }
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
    let fd = unsafe { syscall!(userfaultfd, flags) }?;
    made(Sysno::userfaultfd, fd)
}

/// wait4(2) for a child to end or to stop for its tracer; EINTR is retried.
///
/// # Errors
/// Any other errno; errno 0 if it claims success and names another process.
pub fn wait(child: Pid) -> Result<Wait, Error> {
    loop {
        let mut status = 0i32;
        // SAFETY: the kernel writes one int.
        let result = unsafe { syscall!(wait4, child.0, &raw mut status, 0, 0) };
        match result {
            Err(error) if error.is(Errno::EINTR) => {}
            Err(error) => return Err(error),
            Ok(pid) if pid != child.0 as usize => return Err(Error::without_effect(Sysno::wait4)),
            Ok(_) if status & 0x7F == 0 => return Ok(Wait::Exited(status >> 8 & 0xFF)),
            Ok(_) if status & 0xFF == 0x7F => return Ok(Wait::Stopped(status >> 8 & 0xFF)),
            Ok(_) => return Ok(Wait::Killed(status & 0x7F)),
        }
    }
}
