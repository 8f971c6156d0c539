//! The global heap, which does not exist until something is allocated.
//!
//! Small blocks come from lists of holes in regions. The first region grows with the
//! program break. Where the kernel does not move that, since something is mapped behind it,
//! each further region is a mapping twice as large as the one before. Large blocks are
//! mappings of their own, so that growing one moves page tables and not bytes, and freeing
//! one gives it back.

use barejit_sys::{self as sys, Errno, Error, Fd, MapFlags, PageSize, Prot, Sysno, linux};
use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ops::Range,
    ptr::{self, NonNull},
};
use linked_list_allocator::Heap;

/// From here on a block is a mapping of its own.
const LARGE: usize = 64 * 1024;

/// From here on a mapping is wanted in huge pages: touching a page for the first
/// time costs about as much as compiling what fits in it.
const HUGE: usize = 4 * 1024 * 1024;

/// By how much the small heap grows.
const STEP: usize = 64 * 1024;

/// The most regions. The last one is a mapping of 2 GiB.
const REGIONS: usize = 16;

/// A heap. There is one in a process, because it moves the program break.
pub(crate) struct Global(UnsafeCell<[Heap; REGIONS]>);

impl Global {
    /// A heap before anything is allocated.
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new([const { Heap::empty() }; REGIONS]))
    }

    /// Where the region lies that grows with the program break; empty before it does.
    pub(crate) fn range(&self) -> Range<usize> {
        // SAFETY: one thread, and no reference to the heap outlives its call.
        let [first, ..] = unsafe { &*self.0.get() };
        if first.size() == 0 { 0..0 } else { first.bottom() as usize..first.top() as usize }
    }
}

// SAFETY: the process has one thread, and no signal handler allocates.
unsafe impl Sync for Global {}

// SAFETY: blocks come from mappings and holes that are handed out once; a layout
// decides by itself which of the two it is, so they are never confused.
unsafe impl GlobalAlloc for Global {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(size) = large(layout) {
            return map(size, layout.align());
        }
        // SAFETY: one thread, and no reference to the heap outlives its call.
        let regions = unsafe { &mut *self.0.get() };
        loop {
            let mut blocks = regions.iter_mut().map(|region| region.allocate_first_fit(layout));
            if let Some(block) = blocks.find_map(Result::ok) {
                return block.as_ptr();
            }
            grow(regions);
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duty is ours.
        let block = unsafe { self.alloc(layout) };
        if large(layout).is_none() {
            // SAFETY: the block is as large as the layout; a mapping is zero.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(block) else { return };
        if let Some(size) = large(layout) {
            // SAFETY: (1) a block with a large layout is a mapping of this size,
            // and its owner gives it up. The kernel has no reason to refuse.
            let _ = unsafe { linux::munmap(block, size.bytes()) };
        } else {
            // SAFETY: one thread, as above.
            let regions = unsafe { &mut *self.0.get() };
            let holds = |region: &&mut Heap| (region.bottom()..region.top()).contains(&block.as_ptr());
            if let Some(region) = regions.iter_mut().find(holds) {
                // SAFETY: a block with a small layout came from the region around it.
                unsafe { region.deallocate(block, layout) };
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size` fits this alignment.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // The kernel moves a mapping to any page.
        if let (Some(from), Some(to), Some(block)) = (large(layout), large(new), NonNull::new(block))
            && layout.align() <= PageSize::PAGE
        {
            // SAFETY: (1) a block with a large layout is a mapping of this size.
            let moved = unsafe { linux::mremap(block, from.bytes(), to.bytes()) };
            return mapped(moved, to);
        }
        // SAFETY: the caller's duties, handed on.
        let moved = unsafe { self.alloc(new) };
        // SAFETY: two live blocks do not overlap, and both are this large.
        unsafe { ptr::copy_nonoverlapping(block, moved, layout.size().min(size)) };
        // SAFETY: the caller gives the block up.
        unsafe { self.dealloc(block, layout) };
        moved
    }
}

/// The size of the mapping that a block of this layout is, if it is one.
fn large(layout: Layout) -> Option<PageSize> {
    if layout.size() < LARGE { None } else { PageSize::covering(layout.size()) }
}

/// A mapping whose address is a multiple of `align`, a power of two.
fn map(size: PageSize, align: usize) -> *mut u8 {
    let (prot, flags) = (Prot::READ_WRITE, MapFlags::PRIVATE_ANONYMOUS);
    // With so much more there is a multiple among the first pages.
    let more = align.saturating_sub(PageSize::PAGE);
    let Some(whole) = size.bytes().checked_add(more) else {
        exhausted(Error::new(Sysno::mmap, Errno::ENOMEM));
    };
    // SAFETY: (1) the mapping is not fixed.
    let base = unsafe { linux::mmap(0, whole, prot, flags, Fd::NONE, 0) };
    let base = base.unwrap_or_else(|error| exhausted(error));
    let before = base.align_offset(align);
    let block = base.as_ptr().wrapping_add(before);
    trim(base.as_ptr(), before);
    trim(block.wrapping_add(size.bytes()), more.saturating_sub(before));
    mapped(NonNull::new(block).ok_or(Error::without_effect(Sysno::mmap)), size)
}

/// Gives back an end of a new mapping, if it is any; refused, it stays unused.
fn trim(start: *mut u8, size: usize) {
    if let (Some(start), true) = (NonNull::new(start), size > 0) {
        // SAFETY: (1) the pages are part of a new mapping, to which no pointer exists.
        let _ = unsafe { linux::munmap(start, size) };
    }
}

/// The block of a mapping of this size; exits if there is none.
fn mapped(block: Result<NonNull<u8>, Error>, size: PageSize) -> *mut u8 {
    let block = block.unwrap_or_else(|error| exhausted(error));
    if size.bytes() >= HUGE {
        // SAFETY: (1) the mapping was made for this block.
        unsafe { linux::prefer_huge(block, size.bytes()) };
    }
    block.as_ptr()
}

/// Makes room for small blocks.
fn grow(regions: &mut [Heap; REGIONS]) {
    let [first, others @ ..] = regions;
    let used = others.iter().take_while(|region| region.size() > 0).count();
    if used == 0 && move_break(first) {
        return;
    }
    let Some(region) = others.get_mut(used) else { exhausted(Error::new(Sysno::brk, Errno::ENOMEM)) };
    let size = PageSize::covering(STEP << (used + 1)).expect("far below the size of a pointer");
    // SAFETY: the mapping was made for this region.
    unsafe { region.init(map(size, PageSize::PAGE), size.bytes()) };
}

/// Moves the program break up by one step, and makes the region that ends there larger.
/// Whether the kernel has moved it.
fn move_break(region: &mut Heap) -> bool {
    let bottom = match region.size() {
        // SAFETY: (1, 2) it moves nothing.
        0 => unsafe { linux::brk(0) }.next_multiple_of(16),
        _ => region.top() as usize,
    };
    let top = bottom + STEP;
    // No program begins at address 0: the kernel has not said where it ends.
    // SAFETY: (1) it moves up; (2) this is the only allocator of the process.
    if bottom == 0 || unsafe { linux::brk(top) } < top {
        return false;
    }
    if region.size() == 0 {
        // SAFETY: the kernel has just given us these bytes.
        unsafe { region.init(bottom as *mut u8, STEP) };
    } else {
        // SAFETY: the bytes follow the region's, and only this function moves the break.
        unsafe { region.extend(STEP) };
    }
    true
}

/// Reports that memory is exhausted, which is a refusal of the system and no bug, and exits.
fn exhausted(error: Error) -> ! {
    const STATUS: i32 = 1;
    super::relocate();
    sys::report(format_args!("out of memory: {error}"));
    linux::exit(STATUS)
}
