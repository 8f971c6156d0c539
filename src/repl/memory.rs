//! The memory that a session keeps between lines: a stack and data.
//!
//! ```text
//!   ┌ guard ┬──── stack, 64 KiB ────┬ guard ┐   ┌ guard ┬──── data, 64 KiB ────┬ guard ┐
//!   └───────┴───────────────────────┴───────┘   └───────┴──────────────────────┴───────┘
//!                              RSP ─▶
//! ```

use alloc::{boxed::Box, vec::Vec};
use barejit_sys::{Error, Guard, PageSize, Region, linux, read_some};

/// Bytes of a page.
pub const PAGE: usize = PageSize::PAGE;

/// Pages of the stack, and as many of data.
const HALF: usize = 16;

/// Pages of the session.
pub const PAGES: usize = 2 * HALF;

/// The contents of all pages: the stack's, then those of the data.
pub type Pages = [[u8; PAGE]; PAGES];

/// A page as it was, with its number.
pub type OldPage = (usize, Box<[u8; PAGE]>);

/// More than `ret n` and `enter` move RSP: running off the stack is a fault.
const GUARD: usize = 128 * 1024;

/// The stack and the data of a session.
#[derive(Debug)]
pub struct Space {
    stack: Region,
    data: Region,
}

impl Space {
    /// Zeroed memory.
    ///
    /// # Errors
    /// What mmap(2) answers.
    pub fn new() -> Result<Self, Error> {
        let (size, guard) = (PageSize::needed(HALF * PAGE)?, Guard::Pages(PageSize::needed(GUARD)?));
        Ok(Self { stack: Region::zeroed(size, guard)?, data: Region::zeroed(size, guard)? })
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

    /// All pages, in order.
    pub fn pages(&self) -> impl Iterator<Item = &[u8; PAGE]> {
        (0..PAGES).map(|n| {
            // SAFETY: the page is mapped and readable as long as `self` lives, and only
            // written to through `&mut self`.
            unsafe { &*self.page(n) }
        })
    }

    /// Page `n`.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn page_mut(&mut self, n: usize) -> &mut [u8; PAGE] {
        // SAFETY: as above, and writable; borrowed through `self`.
        unsafe { &mut *self.page(n) }
    }

    /// The address of page `n`.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn address_of_page(&self, n: usize) -> usize {
        self.page(n) as usize
    }

    fn page(&self, n: usize) -> *mut [u8; PAGE] {
        assert!(n < PAGES, "a session has fewer pages");
        let (region, n) = if n < HALF { (&self.stack, n) } else { (&self.data, n - HALF) };
        region.base().as_ptr().wrapping_add(n * PAGE).cast()
    }

    /// The page that holds the byte at `address`, and the byte's offset in it; `None` if it
    /// is no memory of the session's.
    fn locate(&self, address: usize) -> Option<(usize, usize)> {
        let within = |region: &Region| address.checked_sub(region.address()).filter(|at| *at < HALF * PAGE);
        let at = within(&self.stack).or_else(|| Some(within(&self.data)? + HALF * PAGE))?;
        Some((at / PAGE, at % PAGE))
    }

    /// The pages that hold the `size` bytes at `address`, as they are.
    pub fn old_pages(&self, address: usize, size: usize) -> Vec<OldPage> {
        let touched = |n: usize| {
            let page = self.address_of_page(n);
            page < address + size && address < page + PAGE
        };
        self.pages().enumerate().filter(|(n, _)| touched(*n)).map(|(n, page)| (n, Box::new(*page))).collect()
    }

    /// Writes `bytes` to memory of the session.
    ///
    /// # Errors
    /// The first address that is none.
    pub fn write(&mut self, address: usize, bytes: &[u8]) -> Result<(), usize> {
        for (i, byte) in bytes.iter().enumerate() {
            let at = address.wrapping_add(i);
            let (page, offset) = self.locate(at).ok_or(at)?;
            self.page_mut(page)[offset] = *byte;
        }
        Ok(())
    }
}

/// How many mappings this process has: lines of /proc/self/maps, 0 if that cannot be read.
pub fn count_mappings() -> usize {
    let Ok(maps) = linux::open(c"/proc/self/maps") else { return 0 };
    let mut buffer = [0; 1024];
    let mut lines = 0;
    while let Ok(size @ 1..) = read_some(maps.fd(), &mut buffer) {
        lines += buffer[..size].iter().filter(|byte| **byte == b'\n').count();
    }
    lines
}
