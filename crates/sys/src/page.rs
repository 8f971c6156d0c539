//! Sizes in whole pages. Rounding and its overflow are checked here and nowhere else.

use super::{Errno, Error, Sysno};
use core::num::NonZero;

/// A whole number of pages, in bytes, at least one. Page size on x86-64 is
/// 4096 bytes (SDM vol. 3A, 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageSize(NonZero<usize>);

impl PageSize {
    /// The size of a page in bytes.
    pub const PAGE: usize = 4096;

    /// One page.
    pub const ONE: Self = Self(NonZero::new(Self::PAGE).unwrap());

    /// The fewest pages that hold `bytes` bytes; `None` if they do not fit the
    /// address space.
    pub fn covering(bytes: usize) -> Option<Self> {
        let size = bytes.max(1).checked_next_multiple_of(Self::PAGE)?;
        NonZero::new(size).filter(|size| size.get() <= isize::MAX as usize).map(Self)
    }

    /// The same, or what mmap(2) would say.
    ///
    /// # Errors
    /// ENOMEM if they do not fit.
    pub fn needed(bytes: usize) -> Result<Self, Error> {
        match Self::covering(bytes) {
            Some(size) => Ok(size),
            None => Err(Error::new(Sysno::mmap, Errno::ENOMEM)),
        }
    }

    /// The size in bytes, a multiple of 4096.
    pub const fn bytes(self) -> usize {
        self.0.get()
    }
}
