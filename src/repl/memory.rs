//! The memory that a session keeps between lines: a stack and data.
//!
//! ```text
//!   ┌ guard ┬──── stack, 64 KiB ────┬ guard ┐   ┌ guard ┬──── data, 64 KiB ────┬ guard ┐
//!   └───────┴───────────────────────┴───────┘   └───────┴──────────────────────┴───────┘
//!                              RSP ─▶
//! ```

pub use barejit_exec::fault::peek;

use alloc::vec::Vec;
use barejit_sys::{Error, Guard, PageSize, Region, linux, linux::job, read_some};
use core::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_setzero_si128};

/// Bytes of a page.
pub const PAGE: usize = PageSize::PAGE;

/// Pages of the stack, and as many of data.
const HALF: usize = 16;

/// Pages of the session.
pub const PAGES: usize = 2 * HALF;

/// The contents of all pages: the stack's, then those of the data.
pub type Pages = [[u8; PAGE]; PAGES];

/// A page as it was, with its number.
pub type OldPage = (usize, Vec<u8>);

/// More than `ret n` and `enter` move RSP: running off the stack is a fault.
const GUARD: usize = 128 * 1024;

/// The stack and the data of a session.
#[derive(Debug)]
pub struct Space {
    stack: Region,
    data: Region,
    /// The pages that may hold anything but zeroes, a bit each.
    used: u64,
}

/// Where the pages of a [`Space`] lie, and which are in use: what a child knows of it.
#[derive(Clone, Copy, Debug)]
pub struct View {
    stack: *mut [u8; PAGE],
    data: *mut [u8; PAGE],
    used: u64,
}

impl View {
    /// The pages that may hold anything but zeroes, a bit each.
    pub const fn used(&self) -> u64 {
        self.used
    }

    fn pointer(&self, n: usize) -> *mut [u8; PAGE] {
        assert!(n < PAGES, "a session has fewer pages");
        if n < HALF { self.stack.wrapping_add(n) } else { self.data.wrapping_add(n - HALF) }
    }

    /// Page `n`.
    ///
    /// # Panics
    /// If there are fewer.
    ///
    /// # Safety
    /// 1. The [`Space`] lives, here or as the copy that a child has, and nobody writes to the
    ///    page.
    pub unsafe fn page(&self, n: usize) -> &[u8; PAGE] {
        // SAFETY: duty 1 of the caller; the page is mapped and readable.
        unsafe { &*self.pointer(n) }
    }
}

/// Whether a page has nothing but zeroes.
pub fn is_zero(page: &[u8; PAGE]) -> bool {
    // SAFETY: every x86-64 processor has SSE2.
    unsafe { is_zero_sse2(page) }
}

#[target_feature(enable = "sse2")]
fn is_zero_sse2(page: &[u8; PAGE]) -> bool {
    // SAFETY: any bytes are a vector.
    let (before, vectors, behind) = unsafe { page.align_to::<[__m128i; 4]>() };
    let zero = |[a, b, c, d]: &[__m128i; 4]| {
        let any = _mm_or_si128(_mm_or_si128(*a, *b), _mm_or_si128(*c, *d));
        _mm_movemask_epi8(_mm_cmpeq_epi8(any, _mm_setzero_si128())) == 0xFFFF
    };
    vectors.iter().all(zero) && before.iter().chain(behind).all(|byte| *byte == 0)
}

impl Space {
    /// Zeroed memory.
    ///
    /// # Errors
    /// The error of mmap(2).
    pub fn new() -> Result<Self, Error> {
        let (size, guard) = (PageSize::needed(HALF * PAGE)?, Guard::Pages(PageSize::needed(GUARD)?));
        let (stack, data) = (Region::zeroed(size, guard)?, Region::zeroed(size, guard)?);
        for region in [&stack, &data] {
            // A child compares every page. Where the kernel does not map them ahead, each
            // is mapped at its first access, in every child anew.
            let _ = job::populate(region.base(), size.bytes());
            // SAFETY: the page is mapped and writable. The kernel copies the page tables of
            // regions alone that have been written to.
            unsafe { region.base().as_ptr().write_volatile(0) };
        }
        Ok(Self { stack, data, used: 0 })
    }

    /// The address behind the last byte of the stack.
    pub fn stack_end(&self) -> usize {
        self.stack.address() + HALF * PAGE
    }

    /// Where the data begin.
    pub fn data(&self) -> usize {
        self.data.address()
    }

    /// How many bytes of data there are.
    pub const fn data_size(&self) -> usize {
        HALF * PAGE
    }

    /// Page `n`.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn page(&self, n: usize) -> &[u8; PAGE] {
        // SAFETY: the page is mapped and readable as long as `self` lives, and only
        // written to through `&mut self`.
        unsafe { &*self.pointer(n) }
    }

    /// Page `n`, to write to.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn page_mut(&mut self, n: usize) -> &mut [u8; PAGE] {
        self.used |= 1 << n;
        // SAFETY: as above, and writable; borrowed through `self`.
        unsafe { &mut *self.pointer(n) }
    }

    /// The pages that may hold anything but zeroes, a bit each.
    pub const fn used(&self) -> u64 {
        self.used
    }

    /// Where the pages lie.
    pub fn view(&self) -> View {
        let [stack, data] = [&self.stack, &self.data].map(|region| region.base().as_ptr().cast());
        View { stack, data, used: self.used }
    }

    /// Makes everything zero.
    pub fn clear(&mut self) {
        let used = self.used;
        for n in (0..PAGES).filter(|n| used >> n & 1 != 0) {
            self.page_mut(n).fill(0);
        }
        self.used = 0;
    }

    /// The address of page `n`.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn address_of_page(&self, n: usize) -> usize {
        self.pointer(n) as usize
    }

    fn pointer(&self, n: usize) -> *mut [u8; PAGE] {
        self.view().pointer(n)
    }

    /// The `size` bytes at `address`, to write to. `None` if they are not the session's.
    pub fn bytes_mut(&mut self, address: usize, size: usize) -> Option<&mut [u8]> {
        let within = |region: &Region| {
            address.checked_sub(region.address()).filter(|at| at.saturating_add(size) <= HALF * PAGE)
        };
        let at = within(&self.stack).or_else(|| Some(within(&self.data)? + HALF * PAGE))?;
        for n in at / PAGE..(at + size).div_ceil(PAGE) {
            self.used |= 1 << n;
        }
        // SAFETY: the bytes are mapped and writable as long as `self` lives; borrowed
        // through it.
        Some(unsafe { core::slice::from_raw_parts_mut(address as *mut u8, size) })
    }
}

/// A number for the mappings of this process, by /proc/self/maps; 0 if that cannot be read.
/// It is another one when a mapping has come, gone or changed (FNV-1a).
pub fn mappings() -> u64 {
    const BASIS: u64 = 0xCBF2_9CE4_8422_2325;
    const PRIME: u64 = 0x100_0000_01B3;
    let Ok(maps) = linux::open(c"/proc/self/maps") else { return 0 };
    let mut buffer = [0; 1024];
    let mut hash = BASIS;
    while let Ok(size @ 1..) = read_some(maps.fd(), &mut buffer) {
        hash = buffer[..size].iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    }
    hash
}
