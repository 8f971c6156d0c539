//! The syscalls that open, make, size, seal, read and write files.

use super::{CStr, Errno, Error, Fd, MaybeUninit, OwnedFd, Sysno, long, short, syscall};

/// close(2). The descriptor is gone afterwards, whatever the kernel answers.
///
/// # Errors
/// The errno of the call: some file systems report a failed write only now.
///
/// # Safety
/// 1. The caller owns the descriptor, and nothing uses it afterwards.
pub unsafe fn close(fd: Fd<'_>) -> Result<(), Error> {
    // SAFETY: (1) is the caller's duty.
    unsafe { syscall!(close, fd.0) }.map(drop)
}

/// open(2), for reading; the descriptor does not survive execve(2).
///
/// # Errors
/// The errno of the call.
pub fn open(path: &CStr) -> Result<OwnedFd, Error> {
    const O_RDONLY_CLOEXEC: u32 = 0o2_000_000;
    open_with(path, O_RDONLY_CLOEXEC, 0)
}

/// read(2). As many bytes of the buffer as this says hold what was read.
///
/// # Errors
/// The errno of the call.
pub fn read(fd: Fd<'_>, buffer: &mut [MaybeUninit<u8>]) -> Result<usize, Error> {
    // SAFETY: the kernel writes to `buffer` alone, which is borrowed for it.
    unsafe { syscall!(read, fd.0, buffer.as_mut_ptr(), buffer.len()) }
}

/// write(2).
///
/// # Errors
/// The errno of the call.
pub fn write(fd: Fd<'_>, bytes: &[u8]) -> Result<usize, Error> {
    // SAFETY: the kernel only reads `bytes`.
    unsafe { syscall!(write, fd.0, bytes.as_ptr(), bytes.len()) }
}

/// The flag of [`memfd_create`] MFD_NOEXEC_SEAL: the file can never be executed as a
/// program. It can still be mapped executable.
pub const NOEXEC_SEAL: u32 = 8;

/// memfd_create(2), with a descriptor that does not survive execve(2) and a file
/// that can be sealed.
///
/// # Errors
/// The errno of the call; errno 0 if it claims success and has made no file.
pub fn memfd_create(name: &CStr, flags: u32) -> Result<OwnedFd, Error> {
    const CLOEXEC: u32 = 1;
    const ALLOW_SEALING: u32 = 2;
    // SAFETY: the kernel only reads the name, up to its NUL.
    let fd = unsafe { syscall!(memfd_create, name.as_ptr(), flags | CLOEXEC | ALLOW_SEALING) }?;
    made(Sysno::memfd_create, fd)
}

/// Takes a descriptor that `call` claims to have made, with its flag for close-on-exec.
///
/// A seccomp filter can answer with any number, and so with the number of a file that
/// this process was started with. Such a descriptor survived execve(2), so it cannot
/// have FD_CLOEXEC; the new one must. Until that is known nothing is written to the
/// descriptor, nor is it closed. In a program that has other descriptors with
/// FD_CLOEXEC this proves less.
///
/// # Errors
/// errno 0 if `call` did not make it; what fcntl(2) answers otherwise. The descriptor
/// is then left alone.
pub(super) fn made(call: Sysno, fd: usize) -> Result<OwnedFd, Error> {
    const GETFD: usize = 1;
    const FD_CLOEXEC: usize = 1;
    // SAFETY: the flags of a descriptor are read.
    match unsafe { syscall!(fcntl, fd, GETFD) } {
        Ok(flags) if flags == FD_CLOEXEC => Ok(OwnedFd(fd)),
        Err(error) if !error.is(Errno::EBADF) => Err(error),
        _ => Err(Error::without_effect(call)),
    }
}

/// ftruncate(2).
///
/// # Errors
/// The errno of the call.
pub fn ftruncate(fd: Fd<'_>, size: usize) -> Result<(), Error> {
    // SAFETY: no memory changes; in a mapping of the file a page that is cut off is a
    // signal.
    unsafe { syscall!(ftruncate, fd.0, size) }.map(drop)
}

/// fallocate(2) of the first `size` bytes.
///
/// # Errors
/// The errno of the call.
pub fn fallocate(fd: Fd<'_>, size: usize) -> Result<(), Error> {
    // SAFETY: a file grows, and no memory changes.
    unsafe { syscall!(fallocate, fd.0, 0, 0, size) }.map(drop)
}

/// The seals of [`add_seals`], which forbid for good: the F_SEAL_ flags of fcntl(2).
pub mod seals {
    /// More seals.
    pub const SEAL: u32 = 0x01;
    /// A smaller size.
    pub const SHRINK: u32 = 0x02;
    /// A larger size.
    pub const GROW: u32 = 0x04;
    /// Other bytes.
    pub const WRITE: u32 = 0x08;
    /// Another executable bit.
    pub const EXEC: u32 = 0x20;
}

/// fcntl(2) with F_ADD_SEALS.
///
/// # Errors
/// The errno of the call.
pub fn add_seals(fd: Fd<'_>, seals: u32) -> Result<(), Error> {
    const ADD_SEALS: usize = 1033;
    // SAFETY: seals take rights away and touch no memory.
    unsafe { syscall!(fcntl, fd.0, ADD_SEALS, seals) }.map(drop)
}

/// The mode of files that only their owner can read and write.
const OWNER_ONLY: u32 = 0o600;

/// open(2) of a nameless file in `directory`, for reading and writing by this
/// process alone.
///
/// # Errors
/// The errno of the call.
pub fn open_nameless(directory: &CStr) -> Result<OwnedFd, Error> {
    /// O_RDWR, O_EXCL (no name later either), O_CLOEXEC, O_TMPFILE.
    const FLAGS: u32 = 0o2 | 0o200 | 0o2_000_000 | 0o20_200_000;
    open_with(directory, FLAGS, OWNER_ONLY)
}

/// open(2) of a file that does not exist yet, for reading and writing.
///
/// # Errors
/// The errno of the call.
pub fn open_new(path: &CStr) -> Result<OwnedFd, Error> {
    /// O_RDWR, O_CREAT, O_EXCL, O_CLOEXEC.
    const FLAGS: u32 = 0o2 | 0o100 | 0o200 | 0o2_000_000;
    open_with(path, FLAGS, OWNER_ONLY)
}

/// open(2) of a file for writing, which is made or emptied.
///
/// # Errors
/// The errno of the call.
pub fn create(path: &CStr) -> Result<OwnedFd, Error> {
    /// O_WRONLY, O_CREAT, O_TRUNC, O_CLOEXEC.
    const FLAGS: u32 = 0o1 | 0o100 | 0o1000 | 0o2_000_000;
    // Less the bits of umask(2).
    open_with(path, FLAGS, 0o666)
}

/// open(2) for reading and writing of a file that is made if it does not exist, and not
/// through a symbolic link: another user could have taken the name. The file is emptied, or
/// with `more` written at its end.
///
/// # Errors
/// The errno of the call.
pub fn create_own(path: &CStr, more: bool) -> Result<OwnedFd, Error> {
    /// O_RDWR, O_CREAT, O_NOFOLLOW, O_CLOEXEC.
    const FLAGS: u32 = 0o2 | 0o100 | 0o400_000 | 0o2_000_000;
    const TRUNCATE: u32 = 0o1000;
    const APPEND: u32 = 0o2000;
    open_with(path, FLAGS | if more { APPEND } else { TRUNCATE }, 0o666)
}

pub(super) fn open_with(path: &CStr, flags: u32, mode: u32) -> Result<OwnedFd, Error> {
    // SAFETY: the kernel only reads the path, up to its NUL.
    let fd = unsafe { syscall!(open, path.as_ptr(), flags, mode) }?;
    made(Sysno::open, fd)
}

/// unlink(2).
///
/// # Errors
/// The errno of the call.
pub fn unlink(path: &CStr) -> Result<(), Error> {
    // SAFETY: the kernel only reads the path, up to its NUL.
    unsafe { syscall!(unlink, path.as_ptr()) }.map(drop)
}
