//! The addresses that are known to be in use, so that an answer of the kernel can be
//! doubted.
//!
//! A seccomp filter or a tracer can answer mmap(2), mremap(2), shmat(2) and brk(2) with
//! success and a number of its choice. A new mapping begins on a page, above the
//! addresses that Linux reserves (vm.mmap_min_addr), and overlaps nothing that is
//! mapped: not the executable, not the stack at hand, not the program break, and none
//! of the mappings that this program made before. An answer that breaks this is an
//! [`Error::without_effect`](super::Error::without_effect).
//!
//! The table is finite. A mapping that finds no room in it is used and not remembered.
//! An answer that names unmapped memory cannot be told from a true one here; the first
//! access shows it.

use super::{PageSize, process};
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Below this address nothing is mapped: the default of vm.mmap_min_addr.
const LOWEST: usize = 64 * 1024;

/// The end of what user space can address with four levels of page tables, one page
/// left out (Linux, TASK_SIZE_MAX). A mapping lies beyond it only by request.
const HIGHEST: usize = (1 << 47) - PageSize::PAGE;

/// How many mappings are remembered.
const SLOTS: usize = 16;

/// A mapping: its first address and the first one behind it; 0 and 0 is none.
struct Slot {
    start: AtomicUsize,
    end: AtomicUsize,
}

/// The mappings made so far. All zero at the start.
static MAPPINGS: [Slot; SLOTS] =
    [const { Slot { start: AtomicUsize::new(0), end: AtomicUsize::new(0) } }; SLOTS];

/// The program break as far as it was moved.
static BREAK: Slot = Slot { start: AtomicUsize::new(0), end: AtomicUsize::new(0) };

impl Slot {
    fn overlaps(&self, other: &Range<usize>) -> bool {
        overlaps(&(self.start.load(Relaxed)..self.end.load(Relaxed)), other)
    }
}

fn overlaps(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// The executable, as its linker script draws it.
fn image() -> Range<usize> {
    // SAFETY: the linker script defines both; only their addresses are taken.
    unsafe extern "C" {
        static __executable_start: u8;
        static _end: u8;
    }
    (&raw const __executable_start as usize)..(&raw const _end as usize)
}

/// The part of the stack that is in use, from the pages at hand up to where the kernel
/// began it, if this runs on that stack.
fn stack() -> Range<usize> {
    const MOST: usize = 8 << 20;
    let local = 0u8;
    let here = &raw const local as usize;
    let start = process::stack();
    let end = if start > here && start - here < MOST { start } else { here };
    (here & !(PageSize::PAGE - 1))..end + 1
}

/// Whether a new mapping can be there.
pub(super) fn is_credible(address: usize, size: usize) -> bool {
    let Some(end) = address.checked_add(size) else { return false };
    let new = address..end;
    address.is_multiple_of(PageSize::PAGE)
        && address >= LOWEST
        && end <= HIGHEST
        && !overlaps(&image(), &new)
        && !overlaps(&stack(), &new)
        && !BREAK.overlaps(&new)
        && !MAPPINGS.iter().any(|slot| slot.overlaps(&new))
}

/// Remembers a mapping.
pub(super) fn remember(address: usize, size: usize) {
    for slot in &MAPPINGS {
        if slot.start.compare_exchange(0, address, Relaxed, Relaxed).is_ok() {
            slot.end.store(address + size.next_multiple_of(PageSize::PAGE), Relaxed);
            return;
        }
    }
}

/// Forgets the mapping that began there.
pub(super) fn forget(address: usize) {
    for slot in &MAPPINGS {
        if slot.start.load(Relaxed) == address {
            slot.end.store(0, Relaxed);
            slot.start.store(0, Relaxed);
        }
    }
}

/// Takes what brk(2) answered when it was asked for `asked`, 0 being the question where
/// the break is. `None` is an answer that the kernel cannot give.
pub(super) fn program_break(asked: usize, answer: usize) -> Option<usize> {
    if !(LOWEST..=HIGHEST).contains(&answer) || (asked != 0 && answer > asked) {
        return None;
    }
    if asked == 0 {
        let _ = BREAK.start.compare_exchange(0, answer, Relaxed, Relaxed);
    } else if answer == asked {
        BREAK.end.store(answer, Relaxed);
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::super::{Fd, MapFlags, Prot, linux};
    use std::thread;

    #[test]
    fn addresses_can_pass_from_thread_to_thread() {
        const SIZE: usize = 1 << 16;
        let one = || {
            // SAFETY: (1) the mapping is not fixed.
            unsafe { linux::mmap(0, SIZE, Prot::READ_WRITE, MapFlags::PRIVATE_ANONYMOUS, Fd::NONE, 0) }
        };
        let pass = || {
            for _ in 0..20_000 {
                let base = one().expect("a mapping");
                // SAFETY: (1) this thread made the mapping, and nothing points into it.
                let moved = unsafe { linux::mremap(base, SIZE, 2 * SIZE) }.expect("a larger one");
                // SAFETY: (1) as above.
                unsafe { linux::munmap(moved, 2 * SIZE) }.expect("unmapped");
            }
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(pass);
            }
        });
    }
}
