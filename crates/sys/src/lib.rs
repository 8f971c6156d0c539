//! The syscalls, signals, mappings and start-up data of Linux on x86-64 that barejit stands
//! on, without a C library: a building block of `barejit` and `barejit-exec`, not a general
//! interface. It grows with their needs.
//!
//! ```text
//!   process  processor            read by programs
//!   Region   with_stack  sandbox  built from calls
//!   signal   bpf                  the kernel's types
//!   linux    linux::trial  linux::tracing  linux::job
//!            └── one thin function a call, and the only files with a syscall
//! ```
//!
//! # Examples
//! A refused call is an [`Error`] that names the call:
//! ```
//! use barejit_sys::{Errno, linux};
//!
//! let error = linux::open(c"/nowhere").unwrap_err();
//! assert_eq!((error.name(), error.errno()), ("open", Errno::ENOENT));
//! assert_eq!(error.to_string(), "open: ENOENT (No such file or directory)");
//! ```
//! A mapping between two guards, which its owner unmaps:
//! ```
//! use barejit_sys::{Guard, PageSize, Region};
//!
//! # fn main() -> Result<(), barejit_sys::Error> {
//! let region = Region::zeroed(PageSize::needed(5000)?, Guard::PAGE)?;
//! assert_eq!(region.size().bytes(), 8192);
//! region.release()
//! # }
//! ```
//! Code on a stack of its own, whatever RLIMIT_STACK is:
//! ```
//! use barejit_sys::{PageSize, with_stack};
//!
//! # fn main() -> Result<(), barejit_sys::Error> {
//! let mut sum = 0;
//! with_stack(PageSize::needed(1 << 20)?, &mut |_| sum = (1..=10).sum())?;
//! assert_eq!(sum, 55);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! | feature | what it adds |
//! |---|---|
//! | none | everything is always there; it needs `core` and `alloc` |
//!
//! # Guarantees
//! - A function that can break memory is `unsafe`, and its section on safety numbers the
//!   duties of the caller.
//! - No safe call makes a page writable and executable at once, or changes the bytes of a
//!   mapping that somebody owns.
//! - An answer that the kernel cannot have given is an error with errno 0: a mapping where
//!   something is mapped already, or a descriptor that was there before the call.
//! - A descriptor that is opened does not survive execve(2).
//!
//! # Minimum supported Rust version
//! 1.94, held by clippy. The target is x86-64 Linux.

#![no_std]

extern crate alloc;

pub mod bpf;
pub mod linux;
mod mapped;
mod page;
pub mod process;
pub mod processor;
mod region;
pub mod sandbox;
pub mod signal;
mod stack;

use alloc::ffi::CString;
use bitflags::bitflags;
use core::{ffi::CStr, fmt, marker::PhantomData, mem::MaybeUninit, num::NonZero};

pub use page::PageSize;
pub use region::{Contents, Guard, Region};
pub use stack::{set_signal_stack, with_stack};
pub use syscalls::{Errno, Sysno};

bitflags! {
    /// The permitted uses of a page: the `PROT_` flags of mmap(2). No flag is
    /// PROT_NONE.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Prot: u32 {
        /// PROT_READ
        const READ = 1;
        /// PROT_WRITE
        const WRITE = 2;
        /// PROT_EXEC
        const EXEC = 4;
        /// The first two.
        const READ_WRITE = 3;
        /// The first and the last.
        const READ_EXECUTE = 5;
    }
}

bitflags! {
    /// The kind of a mapping: the `MAP_` flags of mmap(2).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct MapFlags: u32 {
        /// MAP_SHARED
        const SHARED = 0x01;
        /// MAP_PRIVATE
        const PRIVATE = 0x02;
        /// MAP_FIXED
        const FIXED = 0x10;
        /// MAP_ANONYMOUS
        const ANONYMOUS = 0x20;
        /// The usual two: fresh pages of one's own.
        const PRIVATE_ANONYMOUS = 0x22;
        /// MAP_NORESERVE
        const NORESERVE = 0x4000;
    }
}

/// A file descriptor that its owner keeps open.
///
/// It cannot outlive the owner: its number could then be that of another file, a memory
/// file for code among them, and a write to it would change code that runs.
/// ```compile_fail,E0515
/// # use barejit_sys::{Error, Fd, linux};
/// fn late() -> Result<Fd<'static>, Error> {
///     let file = linux::open(c"/dev/null")?;
///     Ok(file.fd())
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fd<'owner>(usize, PhantomData<&'owner OwnedFd>);

impl Fd<'static> {
    /// Standard input.
    pub const STDIN: Self = Self::numbered(0);
    /// Standard output.
    pub const STDOUT: Self = Self::numbered(1);
    /// Standard error.
    pub const STDERR: Self = Self::numbered(2);
    /// The −1 that anonymous mappings take.
    pub const NONE: Self = Self::numbered(usize::MAX);
}

impl Fd<'_> {
    /// Its number.
    pub const fn number(self) -> usize {
        self.0
    }

    const fn numbered(number: usize) -> Self {
        Self(number, PhantomData)
    }

    /// The same, to be used longer.
    ///
    /// # Safety
    /// 1. The descriptor stays open as long as the result is used.
    pub unsafe fn extend<'longer>(self) -> Fd<'longer> {
        Fd::numbered(self.0)
    }
}

/// A file descriptor that is closed when its owner goes.
#[derive(Debug)]
pub struct OwnedFd(usize);

impl OwnedFd {
    /// The descriptor, to be used while the owner lives.
    pub fn fd(&self) -> Fd<'_> {
        Fd::numbered(self.0)
    }

    /// The descriptor, which stays open until the process ends.
    pub fn leak(self) -> Fd<'static> {
        let fd = Fd::numbered(self.0);
        core::mem::forget(self);
        fd
    }

    /// Ends writing: a file system may tell only now that it could not.
    ///
    /// # Errors
    /// The error of close(2), but for EINTR, with which it has closed.
    pub fn close(self) -> Result<(), Error> {
        let fd = self.leak();
        // SAFETY: (1) it was this owner's, which is forgotten.
        match unsafe { linux::close(fd) } {
            Err(error) if error.is(Errno::EINTR) => Ok(()),
            result => result,
        }
    }
}

impl Drop for OwnedFd {
    /// close(2) releases the descriptor whatever it answers.
    fn drop(&mut self) {
        // SAFETY: (1) this owner goes.
        let _ = unsafe { linux::close(self.fd()) };
    }
}

/// A refused syscall: its number and its answer in one word, so that results
/// travel in registers.
///
/// ```text
/// bits   0..32  errno; 0 if the call claimed success but had no effect
///       32..63  number of the call
///       63      set
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(NonZero<u64>);

impl Error {
    /// `call` answered `errno`.
    pub fn new(call: Sysno, errno: Errno) -> Self {
        let bits = NonZero::new(1 << 63 | (call as u64) << 32 | errno.into_raw() as u32 as u64);
        Self(bits.expect("a bit is set"))
    }

    /// `call` claimed success, and nothing has happened.
    pub fn without_effect(call: Sysno) -> Self {
        Self::new(call, Errno::new(0))
    }

    /// The word, which is not 0.
    pub fn into_word(self) -> u64 {
        self.0.get()
    }

    /// The error that [`into_word`](Self::into_word) gave; none is 0.
    pub fn from_word(word: u64) -> Option<Self> {
        NonZero::new(word).map(Self)
    }

    /// The answer.
    pub fn errno(self) -> Errno {
        Errno::new(self.0.get() as i32)
    }

    /// Whether this was the answer.
    pub fn is(self, errno: Errno) -> bool {
        self.errno() == errno
    }

    /// The call's name in section 2 of the manual.
    pub fn name(self) -> &'static str {
        call_name((self.0.get() >> 32) as usize & 0x7FFF_FFFF)
    }
}

/// The name in section 2 of the manual of the call with this number; empty for those that
/// are seldom made.
pub fn call_name(number: usize) -> &'static str {
    let place = NAMED.iter().position(|call| usize::from(*call) == number);
    let name = piece(NAMES, b' ', place.unwrap_or(NAMED.len()));
    // The manual's pwrite.
    name.strip_suffix("64").unwrap_or(name)
}

macro_rules! names {
    ($($name:ident)*) => {
        /// The numbers of the calls that this program makes, and that others often make.
        const NAMED: &[u16] = &[$(Sysno::$name as u16),*];
        /// Their names, a space behind each.
        const NAMES: &str = concat!($(stringify!($name), " "),*);
    };
}
names! {
    access arch_prctl brk chdir clock_gettime clock_nanosleep clone clone3 close close_range connect dup dup2
    execve execveat exit exit_group fallocate fcntl fgetxattr fork fstat ftruncate futex getcwd getdents64 getpgrp
    getpid getppid getrandom getrlimit gettid getuid ioctl kill lseek madvise memfd_create mkdir mmap mprotect
    mremap mseal munmap nanosleep newfstatat open openat personality pipe pipe2 pkey_mprotect poll prctl
    pread64 prlimit64 ptrace pwrite64 read readlink rename rt_sigaction rt_sigprocmask
    rt_sigreturn sched_yield seccomp sendto setitimer setpgid setrlimit shmat shmctl shmget sigaltstack socket
    stat statfs syslog tgkill time tkill uname unlink unlinkat userfaultfd vfork wait4 write writev
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match (i64::from(self.errno().into_raw()), described(self.errno())) {
            (0, _) => f.write_str(": claimed success without effect"),
            (number, "") => write!(f, ": errno {number}"),
            (_, text) => write!(f, ": {text}"),
        }
    }
}

/// The name of an errno and, in parentheses, its meaning (errno(3)); empty for a
/// number that Linux does not use.
pub fn described(errno: Errno) -> &'static str {
    const LINES: &str = include_str!(concat!(env!("OUT_DIR"), "/errnos"));
    piece(LINES, b'\n', (errno.into_raw() as usize).wrapping_sub(1))
}

/// Piece `n` of `text`, counted from 0, where a `separator` is between each two; nothing
/// behind the last. One text, because a table of texts would need relocating.
pub fn piece(text: &str, separator: u8, n: usize) -> &str {
    let piece = text.as_bytes().split(|byte| *byte == separator).nth(n).unwrap_or_default();
    utf8(piece).unwrap_or_default()
}

/// Writes all of `bytes`: partial writes are continued, EINTR is retried, and a
/// descriptor that does not block is waited for (write(2)).
///
/// # Errors
/// Any other errno, and a write that takes nothing.
pub fn write_all(fd: Fd<'_>, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        match linux::write(fd, bytes) {
            Ok(0) => return Err(Error::new(Sysno::write, Errno::EIO)),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.is(Errno::EINTR) => {}
            Err(error) if error.is(Errno::EAGAIN) => linux::poll(fd, linux::Ready::Write)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads what there is, up to the size of `buffer`; EINTR is retried, and a
/// descriptor that does not block is waited for (read(2)).
///
/// # Errors
/// Any other errno.
pub fn read_some(fd: Fd<'_>, buffer: &mut [u8]) -> Result<usize, Error> {
    // SAFETY: bytes are a case of bytes or nothing, and `read_new` writes nothing.
    read_new(fd, unsafe { &mut *(core::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) })
}

/// The same into memory that need not hold anything yet. As many bytes of it as
/// this says hold what was read.
///
/// # Errors
/// As [`read_some`].
pub fn read_new(fd: Fd<'_>, buffer: &mut [MaybeUninit<u8>]) -> Result<usize, Error> {
    loop {
        match linux::read(fd, buffer) {
            Err(error) if error.is(Errno::EINTR) => {}
            Err(error) if error.is(Errno::EAGAIN) => linux::poll(fd, linux::Ready::Read)?,
            // More than there is room for would be a lie.
            result => return result.map(|read| read.min(buffer.len())),
        }
    }
}

/// Calls `open` with `path` as a C string.
///
/// # Errors
/// EINVAL of open(2) if there is a NUL in it, and what `open` answers.
pub fn at<T>(path: &[u8], open: &dyn Fn(&CStr) -> Result<T, Error>) -> Result<T, Error> {
    let path = CString::new(path).map_err(|_| Error::new(Sysno::open, Errno::EINVAL))?;
    open(&path)
}

/// From now on write(2) answers EFBIG where a file would exceed RLIMIT_FSIZE; the
/// kernel would end the process by SIGXFSZ.
///
/// # Errors
/// The error of sigaction(2).
pub fn ignore_sigxfsz() -> Result<(), Error> {
    // SAFETY: (1) there is no handler.
    unsafe { linux::rt_sigaction(signal::Signal::XFSZ, signal::Disposition::Ignored) }.map(|_| ())
}

/// Tells the person one line on standard error, in one write, starting with the
/// program's name. Nobody is left to tell if that fails.
pub fn report(message: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 1024], used: 0 };
    let _ = fmt::Write::write_fmt(&mut line, format_args!("barejit: {message}"));
    // A message that was cut still ends its line.
    let end = line.used.min(line.bytes.len() - 1);
    line.bytes[end] = b'\n';
    let _ = write_all(Fd::STDERR, &line.bytes[..=end]);
}

/// Text that is cut at the end of its buffer. Bytes that would break the line
/// (control characters in an argument, say) become `?`.
struct Line {
    bytes: [u8; 1024],
    used: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let Some(place) = self.bytes.get_mut(self.used) else { return Err(fmt::Error) };
            *place = if byte.is_ascii_control() { b'?' } else { byte };
            self.used += 1;
        }
        Ok(())
    }
}

/// Bytes from outside as text, if they are UTF-8 and any. By what [`Lossy`] needs anyway:
/// `core::str::from_utf8` would be one more decoder.
pub fn utf8(bytes: &[u8]) -> Option<&str> {
    let first = bytes.utf8_chunks().next()?;
    first.invalid().is_empty().then_some(first.valid())
}

/// Bytes from outside as text; bytes that are no UTF-8 become U+FFFD.
#[derive(Clone, Copy, Debug)]
pub struct Lossy<'a>(pub &'a [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{FFFD}")?;
            }
        }
        Ok(())
    }
}
