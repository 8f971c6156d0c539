//! The global heap, which does not exist until something is allocated.
//!
//! Small blocks are powers of two of bytes: cut from the program break, which only
//! grows, and kept in a list of their size once they are free. Large ones are
//! mappings of their own, so that growing one moves page tables and not bytes, and
//! freeing one gives it back.

use barejit::{
    exec::PageSize,
    sys::{self, Errno, Error, Fd, MapFlags, Prot, Sysno, linux},
};
use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr::{self, NonNull},
};

/// From here on a block is a mapping of its own.
const LARGE: usize = 64 * 1024;

/// From here on a mapping is wanted in huge pages: touching a page for the first
/// time costs about as much as compiling what fits in it.
const HUGE: usize = 4 * 1024 * 1024;

/// By how much the program break moves.
const STEP: usize = 64 * 1024;

/// The size of the smallest block, and what all of them are aligned to.
const GRAIN: usize = 16;

/// A free small block, which begins with the address of the next one.
type Free = Option<NonNull<u8>>;

struct Heap {
    /// The free blocks of 2 to the power of the index bytes.
    free: [Free; LARGE.trailing_zeros() as usize + 1],
    /// What the break has given and nobody has had yet.
    next: usize,
    end: usize,
}

struct Global(UnsafeCell<Heap>);

// SAFETY: the process has one thread, and no signal handler allocates.
unsafe impl Sync for Global {}

#[global_allocator]
static GLOBAL: Global = Global(UnsafeCell::new(Heap { free: [None; _], next: 0, end: 0 }));

/// What a block is made of, which its layout alone decides.
enum Kind {
    /// This many bytes, a power of two.
    Small(usize),
    Mapping(PageSize),
}

fn kind(layout: Layout) -> Kind {
    if layout.size() < LARGE && layout.align() <= GRAIN {
        Kind::Small(layout.size().max(GRAIN).next_power_of_two())
    } else {
        Kind::Mapping(PageSize::needed(layout.size()).unwrap_or_else(|error| exhausted(error)))
    }
}

// SAFETY: blocks come from mappings, from lists and from the break, which hand out
// each byte once, aligned to a page or to a grain.
unsafe impl GlobalAlloc for Global {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = match kind(layout) {
            Kind::Small(size) => size,
            Kind::Mapping(size) => return map(size),
        };
        // SAFETY: one thread, and no reference to the heap outlives its call.
        let heap = unsafe { &mut *self.0.get() };
        let list = heap.list(size);
        if let Some(block) = *list {
            // SAFETY: a free block is aligned and begins with the next one.
            *list = unsafe { block.cast::<Free>().read() };
            return block.as_ptr();
        }
        while heap.end - heap.next < size {
            heap.grow();
        }
        let block = heap.next as *mut u8;
        heap.next += size;
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duty is ours.
        let block = unsafe { self.alloc(layout) };
        if let Kind::Small(_) = kind(layout) {
            // SAFETY: the block is as large as the layout; a mapping is zero.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(block) else { return };
        match kind(layout) {
            // SAFETY: (1) a block with this layout is a mapping of this size, and its
            // owner gives it up. The kernel has no reason to refuse.
            Kind::Mapping(size) => drop(unsafe { linux::munmap(block, size.bytes()) }),
            Kind::Small(size) => {
                // SAFETY: one thread, as above.
                let heap = unsafe { &mut *self.0.get() };
                let list = heap.list(size);
                // SAFETY: the block is aligned, large enough, and nobody else's now.
                unsafe { block.cast::<Free>().write(*list) };
                *list = Some(block);
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size` fits this alignment.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (kind(layout), kind(new), NonNull::new(block)) {
            (Kind::Small(from), Kind::Small(to), _) if from == to => return block,
            (Kind::Mapping(from), Kind::Mapping(to), Some(block)) => {
                // SAFETY: (1) a block with this layout is a mapping of this size.
                let moved = unsafe { linux::mremap(block, from.bytes(), to.bytes()) };
                return mapped(moved, to);
            }
            _ => {}
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

fn map(size: PageSize) -> *mut u8 {
    let (prot, flags) = (Prot::READ.union(Prot::WRITE), MapFlags::PRIVATE.union(MapFlags::ANONYMOUS));
    // SAFETY: (1) the mapping is not fixed.
    mapped(unsafe { linux::mmap(0, size.bytes(), prot, flags, Fd::NONE, 0) }, size)
}

/// What has become of a mapping of this size.
fn mapped(block: Result<NonNull<u8>, Error>, size: PageSize) -> *mut u8 {
    let block = block.unwrap_or_else(|error| exhausted(error));
    if size.bytes() >= HUGE {
        // SAFETY: (1) the mapping was made for this block.
        unsafe { linux::prefer_huge(block, size.bytes()) };
    }
    block.as_ptr()
}

impl Heap {
    /// Where the free blocks of this size, a power of two, begin.
    fn list(&mut self, size: usize) -> &mut Free {
        &mut self.free[size.trailing_zeros() as usize]
    }

    /// Moves the program break up by one step.
    fn grow(&mut self) {
        if self.end == 0 {
            self.next = linux::brk(0).next_multiple_of(GRAIN);
            self.end = self.next;
        }
        let top = self.end + STEP;
        // No program begins at address 0: the kernel has not said where it ends.
        if self.end == 0 || linux::brk(top) < top {
            exhausted(Error::new(Sysno::brk, Errno::ENOMEM));
        }
        self.end = top;
    }
}

/// Out of memory is an answer of the system, not a bug.
fn exhausted(error: Error) -> ! {
    const STATUS: i32 = 1;
    sys::report(format_args!("out of memory: {error}"));
    linux::exit(STATUS)
}
