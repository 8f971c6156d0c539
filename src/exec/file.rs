//! Files that nobody else can name, to be mapped twice.

use crate::sys::{Errno, Error, OwnedFd, PageSize, linux};
use core::ffi::CStr;

/// Refuses sizes at which the kernel would send SIGXFSZ instead of an answer
/// (setrlimit(2), RLIMIT_FSIZE).
fn permitted(size: PageSize, call: &'static str) -> Result<(), Error> {
    if linux::file_size_limit() < size.bytes() as u64 {
        Err(Error { call, errno: Errno::EFBIG })
    } else {
        Ok(())
    }
}

/// A memory file of this size. Kernels before 6.3 do not know the flag that
/// forbids executing it as a program, and answer EINVAL.
pub(super) fn memory(size: PageSize) -> Result<OwnedFd, Error> {
    permitted(size, "ftruncate")?;
    let file = match linux::memfd_create(c"barejit", linux::NOEXEC_SEAL) {
        Err(Error { errno: Errno::EINVAL, .. }) => linux::memfd_create(c"barejit", 0),
        result => result,
    }?;
    linux::ftruncate(file.fd(), size.bytes())?;
    Ok(file)
}

/// Seals a memory file: neither its bytes nor its size can change again, nor can
/// the seals. Kernels before 6.3 do not know F_SEAL_EXEC.
pub(super) fn seal(file: &OwnedFd) -> Result<(), Error> {
    use linux::seals::{EXEC, GROW, SEAL, SHRINK, WRITE};
    const ALWAYS: u32 = SEAL | SHRINK | GROW | WRITE;
    match linux::add_seals(file.fd(), ALWAYS | EXEC) {
        Err(Error { errno: Errno::EINVAL, .. }) => linux::add_seals(file.fd(), ALWAYS),
        result => result,
    }
}

/// What `body` makes of a nameless file in the first directory where it
/// succeeds: a directory may be missing, full, or mounted noexec.
///
/// # Errors
/// The last refusal.
pub(super) fn first_directory<T>(
    size: PageSize,
    mut body: impl FnMut(OwnedFd) -> Result<T, Error>,
) -> Result<T, Error> {
    permitted(size, "fallocate")?;
    let mut last = None;
    for (directory, name) in [
        (c"/dev/shm", c"/dev/shm/.barejit"),
        (c"/tmp", c"/tmp/.barejit"),
        (c"/var/tmp", c"/var/tmp/.barejit"),
    ] {
        match nameless(directory, name, size).and_then(&mut body) {
            Ok(made) => return Ok(made),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or(Error { call: "open", errno: Errno::ENOENT }))
}

/// A file of this size without a name: never named, or, where the file system
/// cannot do that, named for a moment.
fn nameless(directory: &CStr, name: &CStr, size: PageSize) -> Result<OwnedFd, Error> {
    let file = match linux::open_nameless(directory) {
        Err(Error { errno: Errno::EISDIR | Errno::EOPNOTSUPP | Errno::EINVAL, .. }) => {
            let file = linux::open_new(name)?;
            linux::unlink(name)?;
            file
        }
        result => result?,
    };
    // Room first: a store to a page without room behind it would be SIGBUS.
    match linux::fallocate(file.fd(), size.bytes()) {
        Err(Error { errno: Errno::EOPNOTSUPP | Errno::ENOSYS, .. }) => {
            linux::ftruncate(file.fd(), size.bytes())?;
        }
        result => result?,
    }
    Ok(file)
}
