//! Mappings with an owner: whole pages, if wanted between two guards.
//!
//! ```text
//!   ┌ guard ┬──────── size ────────┬ guard ┐
//!   │ ----- │ as the owner wants   │ ----- │
//!   └───────┴──────────────────────┴───────┘
//!           ▲ base                     one reservation, one unmapping
//! ```

use super::{Errno, Error, Fd, MapFlags, PageSize, Prot, Sysno, linux};
use core::{mem, ptr::NonNull};

/// How much inaccessible memory lies on each side of a region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// No guard: the neighbouring memory may be mapped.
    None,
    /// This many pages.
    Pages(PageSize),
}

impl Guard {
    /// One page on each side: catches what runs over an end byte by byte.
    pub const PAGE: Self = Self::Pages(PageSize::ONE);

    const fn bytes(self) -> usize {
        match self {
            Self::None => 0,
            Self::Pages(size) => size.bytes(),
        }
    }
}

/// The contents of a mapping.
#[derive(Clone, Copy, Debug)]
pub enum Contents<'file> {
    /// Fresh zeroed pages.
    Anonymous,
    /// Fresh zeroed pages, in common with the children that this process forks.
    Common,
    /// A file from its first byte, in common with everybody who maps it.
    Shared(Fd<'file>),
    /// The same, but what is written is not seen by others.
    Private(Fd<'file>),
}

impl<'file> Contents<'file> {
    const fn flags(self) -> (MapFlags, Fd<'file>) {
        match self {
            Self::Anonymous => (MapFlags::PRIVATE_ANONYMOUS, Fd::NONE),
            Self::Common => (MapFlags::SHARED.union(MapFlags::ANONYMOUS), Fd::NONE),
            Self::Shared(fd) => (MapFlags::SHARED, fd),
            Self::Private(fd) => (MapFlags::PRIVATE, fd),
        }
    }
}

/// A mapping and its guards. Holding one proves that the pages are this
/// program's; what may be done with them is the owner's knowledge.
#[derive(Debug)]
pub struct Region {
    base: NonNull<u8>,
    size: PageSize,
    guard: Guard,
}

// SAFETY: it is addresses, and what they lead to is reached through unsafe code, or by the
// kernel, for which all threads are one process.
unsafe impl Send for Region {}
// SAFETY: likewise.
unsafe impl Sync for Region {}

impl Region {
    /// Maps `size` bytes of `contents` for `prot`, between guards.
    ///
    /// # Errors
    /// The error of mmap(2), for the guards or the pages between them; EACCES for `prot`
    /// that is for writing and executing at once.
    pub fn map(size: PageSize, guard: Guard, contents: Contents<'_>, prot: Prot) -> Result<Self, Error> {
        one_of_two(prot)?;
        if guard == Guard::None {
            let (flags, fd) = contents.flags();
            // SAFETY: (1) the mapping is not fixed.
            let base = unsafe { linux::mmap(0, size.bytes(), prot, flags, fd, 0) }?;
            return Ok(Self { base, size, guard });
        }
        let mut region = Self::reserve(size, guard)?;
        region.fill(contents, prot)?;
        Ok(region)
    }

    /// Maps `size` bytes of zeroes for reading and writing, between guards.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn zeroed(size: PageSize, guard: Guard) -> Result<Self, Error> {
        Self::map(size, guard, Contents::Anonymous, Prot::READ_WRITE)
    }

    /// Sets `size` bytes and their guards aside, inaccessible.
    ///
    /// # Errors
    /// The error of mmap(2).
    pub fn reserve(size: PageSize, guard: Guard) -> Result<Self, Error> {
        let whole = size.bytes().checked_add(2 * guard.bytes());
        let whole = whole.ok_or(Error::new(Sysno::mmap, Errno::ENOMEM))?;
        let flags = MapFlags::PRIVATE_ANONYMOUS.union(MapFlags::NORESERVE);
        // SAFETY: (1) the mapping is not fixed.
        let base = unsafe { linux::mmap(0, whole, Prot::empty(), flags, Fd::NONE, 0) }?;
        let base = NonNull::new(base.as_ptr().wrapping_add(guard.bytes()));
        Ok(Self { base: base.ok_or(Error::without_effect(Sysno::mmap))?, size, guard })
    }

    /// Replaces what is between the guards, in one step. A mapping and not a
    /// change of protection: a kernel that only claims to do it is found out.
    ///
    /// # Errors
    /// The error of mmap(2); errno 0 if it claims to have mapped elsewhere; EACCES as of
    /// [`map`](Self::map).
    pub fn fill(&mut self, contents: Contents<'_>, prot: Prot) -> Result<(), Error> {
        one_of_two(prot)?;
        let (flags, fd) = contents.flags();
        let flags = flags.union(MapFlags::FIXED);
        // SAFETY: (1) the pages are this region's, and its owner wants them
        // replaced.
        unsafe { linux::mmap(self.address(), self.size.bytes(), prot, flags, fd, 0) }.map(drop)
    }

    /// Changes what the pages between the guards may be used for.
    ///
    /// # Safety
    /// 1. Nobody relies on a use that `prot` forbids.
    /// 2. It is not for writing and executing at once, or nothing writes there but what may
    ///    decide what runs.
    ///
    /// # Errors
    /// The error of mprotect(2).
    pub unsafe fn protect(&self, prot: Prot) -> Result<(), Error> {
        // SAFETY: (1) the pages are this region's; the rest is duty 1.
        unsafe { linux::mprotect(self.base, self.size.bytes(), prot) }
    }

    /// Makes the pages between the guards what they are until the process ends,
    /// by mseal(2); its owner must not give them back.
    ///
    /// # Errors
    /// The error of mseal(2).
    pub fn mseal(&self) -> Result<(), Error> {
        linux::mseal(self.base, self.size.bytes())
    }

    /// Where the pages between the guards begin.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The same as a number.
    pub fn address(&self) -> usize {
        self.base.as_ptr() as usize
    }

    /// How large they are.
    pub fn size(&self) -> PageSize {
        self.size
    }

    fn unmap(&self) -> Result<(), Error> {
        let guard = self.guard.bytes();
        let Some(base) = NonNull::new(self.base.as_ptr().wrapping_sub(guard)) else { return Ok(()) };
        // SAFETY: (1) the pages are this object's, which is about to be gone.
        unsafe { linux::munmap(base, self.size.bytes() + 2 * guard) }
    }

    /// Gives everything back to the kernel.
    ///
    /// # Errors
    /// The error of munmap(2); the pages then stay.
    pub fn release(self) -> Result<(), Error> {
        let result = self.unmap();
        mem::forget(self);
        result
    }
}

/// Refuses what would be writable and executable at once.
fn one_of_two(prot: Prot) -> Result<(), Error> {
    let both = Prot::WRITE.union(Prot::EXEC);
    if prot.contains(both) { Err(Error::new(Sysno::mmap, Errno::EACCES)) } else { Ok(()) }
}

impl Drop for Region {
    /// Unmaps after an earlier failure, whose error is reported; an error of munmap(2) is
    /// dropped.
    fn drop(&mut self) {
        let _ = self.unmap();
    }
}
