//! Files that nobody else can name, to be mapped twice.

use barejit_sys::{Errno, Error, OwnedFd, PageSize, Sysno, linux};
use core::ffi::CStr;

/// Refuses sizes at which the kernel would send SIGXFSZ instead of an answer
/// (setrlimit(2), RLIMIT_FSIZE).
fn permitted(size: PageSize, call: Sysno) -> Result<(), Error> {
    const FSIZE: u32 = 1;
    match linux::getrlimit(FSIZE) {
        Ok([soft, _]) if soft < size.bytes() as u64 => Err(Error::new(call, Errno::EFBIG)),
        _ => Ok(()),
    }
}

/// A memory file of this size. Kernels before 6.3 do not know the flag that
/// forbids executing it as a program, and answer EINVAL.
pub(super) fn memory(size: PageSize) -> Result<OwnedFd, Error> {
    permitted(size, Sysno::ftruncate)?;
    let file = match linux::memfd_create(c"barejit", linux::NOEXEC_SEAL) {
        Err(error) if error.is(Errno::EINVAL) => linux::memfd_create(c"barejit", 0),
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
        Err(error) if error.is(Errno::EINVAL) => linux::add_seals(file.fd(), ALWAYS),
        result => result,
    }
}

/// A directory for nameless files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Directory {
    /// `/dev/shm`.
    DevShm,
    /// `/tmp`.
    Tmp,
    /// `/var/tmp`.
    VarTmp,
}

/// Where nameless files are made, in the order in which that is tried.
pub const DIRECTORIES: [Directory; 3] = [Directory::DevShm, Directory::Tmp, Directory::VarTmp];

impl Directory {
    const fn path(self) -> &'static CStr {
        match self {
            Self::DevShm => c"/dev/shm",
            Self::Tmp => c"/tmp",
            Self::VarTmp => c"/var/tmp",
        }
    }

    /// The name that a file has for a moment where the file system cannot do without.
    const fn file_name(self) -> &'static CStr {
        match self {
            Self::DevShm => c"/dev/shm/.barejit",
            Self::Tmp => c"/tmp/.barejit",
            Self::VarTmp => c"/var/tmp/.barejit",
        }
    }
}

/// The result of `body` for a nameless file in the first directory where it
/// succeeds: a directory may be missing, full, or mounted noexec.
///
/// # Errors
/// The last refusal.
pub(super) fn first_directory<T>(mut body: impl FnMut(&Directory) -> Result<T, Error>) -> Result<T, Error> {
    let mut last = None;
    for directory in &DIRECTORIES {
        match body(directory) {
            Ok(made) => return Ok(made),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or(Error::new(Sysno::open, Errno::ENOENT)))
}

/// A file of this size without a name: never named, or, where the file system
/// cannot do that, named for a moment.
pub(super) fn nameless(directory: &Directory, size: PageSize) -> Result<OwnedFd, Error> {
    permitted(size, Sysno::fallocate)?;
    let file = match linux::open_nameless(directory.path()) {
        Err(error) if [Errno::EISDIR, Errno::EOPNOTSUPP, Errno::EINVAL].contains(&error.errno()) => {
            let file = linux::open_new(directory.file_name())?;
            linux::unlink(directory.file_name())?;
            file
        }
        result => result?,
    };
    // Room first: a store to a page without room behind it would be SIGBUS.
    match linux::fallocate(file.fd(), size.bytes()) {
        Err(error) if error.is(Errno::EOPNOTSUPP) || error.is(Errno::ENOSYS) => {
            linux::ftruncate(file.fd(), size.bytes())?;
        }
        result => result?,
    }
    Ok(file)
}
