//! The heap's large blocks, which are mappings: aligned as asked, kept when they move.

use crate::heap::Global;
use std::alloc::{GlobalAlloc, Layout};

/// Small blocks move the program break, which is the C library's in this process.
const LARGE: usize = 64 * 1024;

#[test]
fn large_blocks_are_aligned_and_keep_their_bytes() {
    let heap = Global::new();
    for align in [1, 4096, 8192, 64 * 1024, 2 << 20, 16 << 20] {
        for size in [LARGE, LARGE + 1, 5 << 20] {
            let layout = Layout::from_size_align(size, align).expect("a layout");
            // SAFETY: the size is not 0.
            let mut block = unsafe { heap.alloc_zeroed(layout) };
            let (mut now, mut filled) = (layout, 0);
            for new in [size, 3 * size, LARGE + 7, 9 * size] {
                // SAFETY: the block has the layout `now`.
                block = unsafe { heap.realloc(block, now, new) };
                now = Layout::from_size_align(new, align).expect("a layout");
                assert_eq!(block.align_offset(align), 0, "{new} bytes at {block:p} for {now:?}");
                // SAFETY: so many bytes are the block's.
                let bytes = unsafe { std::slice::from_raw_parts_mut(block, new) };
                let kept = new.min(filled);
                let right =
                    bytes.iter().enumerate().all(|(i, byte)| *byte == if i < kept { i as u8 } else { 0 });
                assert!(right, "{new} bytes of which {kept} were filled, for {now:?}");
                filled = new.min(4096 * 3);
                for (i, byte) in bytes[..filled].iter_mut().enumerate() {
                    *byte = i as u8;
                }
            }
            let mapped = mapped_at(block as usize);
            assert!(mapped.is_some_and(|end| end >= block as usize + now.size()), "{now:?}");
            // SAFETY: the block has this layout.
            unsafe { heap.dealloc(block, now) };
        }
    }
    assert!(heap.range().is_empty(), "no small block has been asked for: {:?}", heap.range());
}

/// The end of the mapping that holds `address`.
fn mapped_at(address: usize) -> Option<usize> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    maps.lines().find_map(|line| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        (start..end).contains(&address).then_some(end)
    })
}
