//! The memory functions that the compiler takes for granted (string(3)).
//!
//! Up to 64 bytes are loaded whole before anything is stored, which also makes
//! overlap harmless; beyond, `rep movsb` and `rep stosb` are the fastest there is
//! on every processor of the last decade (Intel optimization manual, 3.7.6).
//! Loops are in assembly: the compiler could recognise one and call it by the name
//! it is trying to define.

use core::arch::asm;
use core::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_load_si128, _mm_movemask_epi8, _mm_setzero_si128};

/// A type that is loaded and stored unaligned in one instruction.
trait Piece: Copy {}
impl Piece for u8 {}
impl Piece for u16 {}
impl Piece for u32 {}
impl Piece for u64 {}
impl Piece for __m128i {}

/// Copies the first and the last piece of `n` bytes; they may overlap.
///
/// # Safety
/// 1. `n` is one to two pieces, and both ranges are valid for that many bytes.
#[inline(always)]
unsafe fn ends<T: Piece>(dst: *mut u8, src: *const u8, n: usize) {
    let last = n - size_of::<T>();
    // SAFETY: duty 1 of the caller.
    let first_piece = unsafe { src.cast::<T>().read_unaligned() };
    // SAFETY: duty 1 of the caller.
    let last_piece = unsafe { src.wrapping_add(last).cast::<T>().read_unaligned() };
    // SAFETY: duty 1 of the caller.
    unsafe { dst.cast::<T>().write_unaligned(first_piece) };
    // SAFETY: duty 1 of the caller.
    unsafe { dst.wrapping_add(last).cast::<T>().write_unaligned(last_piece) };
}

/// Copies up to 64 bytes, overlapping or not.
///
/// # Safety
/// 1. `n` is at most 64, and both ranges are valid for that many bytes.
#[inline(always)]
unsafe fn short(dst: *mut u8, src: *const u8, n: usize) {
    match n {
        0 => {}
        // SAFETY: (1) the caller's promise; one piece may overlap itself.
        1 => unsafe { ends::<u8>(dst, src, n) },
        // SAFETY: as above.
        2..4 => unsafe { ends::<u16>(dst, src, n) },
        // SAFETY: as above.
        4..8 => unsafe { ends::<u32>(dst, src, n) },
        // SAFETY: as above.
        8..16 => unsafe { ends::<u64>(dst, src, n) },
        // SAFETY: as above.
        16..=32 => unsafe { ends::<__m128i>(dst, src, n) },
        // SAFETY: as above.
        _ => unsafe { four(dst, src, n) },
    }
}

/// Copies 33 to 64 bytes, overlapping or not: four pieces are loaded, then
/// stored.
///
/// # Safety
/// 1. `n` is 33 to 64, and both ranges are valid for that many bytes.
#[inline(always)]
unsafe fn four(dst: *mut u8, src: *const u8, n: usize) {
    // SAFETY: duty 1 of the caller: [0, 32) and [n−32, n) are inside.
    unsafe {
        asm!(
            "movups {a}, [{src}]",
            "movups {b}, [{src} + 16]",
            "movups {c}, [{src} + {n} - 32]",
            "movups {d}, [{src} + {n} - 16]",
            "movups [{dst}], {a}",
            "movups [{dst} + 16], {b}",
            "movups [{dst} + {n} - 32], {c}",
            "movups [{dst} + {n} - 16], {d}",
            src = in(reg) src, dst = in(reg) dst, n = in(reg) n,
            a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
            options(nostack, preserves_flags),
        );
    }
}

/// # Safety
/// As memcpy(3).
#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn memcpy(dst: *mut u8, src: *const u8, n: usize) -> *mut u8 {
    if n <= 64 {
        // SAFETY: (1) the caller's promise.
        unsafe { short(dst, src, n) };
    } else {
        // SAFETY: both ranges are valid by the caller's promise; DF is clear by
        // the ABI.
        unsafe {
            asm!("rep movsb", inout("rcx") n => _, inout("rdi") dst => _, inout("rsi") src => _,
                 options(nostack, preserves_flags));
        }
    }
    dst
}

/// # Safety
/// As memmove(3).
#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn memmove(dst: *mut u8, src: *const u8, n: usize) -> *mut u8 {
    if n <= 64 || (dst as usize).wrapping_sub(src as usize) >= n {
        // SAFETY: short copies may overlap, and a forward copy may when the
        // destination is not inside the source.
        return unsafe { memcpy(dst, src, n) };
    }
    let left: usize;
    // SAFETY: both ranges are valid; from the end to the front, 16 bytes at a
    // time, each is read before it is overwritten.
    unsafe {
        asm!(
            "2: movups {piece}, [{src} + {n} - 16]",
            "movups [{dst} + {n} - 16], {piece}",
            "sub {n}, 16",
            "cmp {n}, 16",
            "jae 2b",
            src = in(reg) src, dst = in(reg) dst, n = inout(reg) n => left, piece = out(xmm_reg) _,
            options(nostack),
        );
    }
    // SAFETY: fewer than 16 bytes are left, and no store has reached them.
    unsafe { memcpy(dst, src, left) }
}

/// # Safety
/// As memset(3).
#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn memset(dst: *mut u8, byte: i32, n: usize) -> *mut u8 {
    // SAFETY: the range is valid by the caller's promise; DF is clear by the ABI.
    unsafe {
        asm!("rep stosb", inout("rcx") n => _, inout("rdi") dst => _, in("al") byte as u8,
             options(nostack, preserves_flags));
    }
    dst
}

/// # Safety
/// As memcmp(3).
#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    let mut i = 0;
    while i + 8 <= n {
        // SAFETY: eight bytes from `i` are inside, by the caller's promise.
        let x = unsafe { a.wrapping_add(i).cast::<u64>().read_unaligned() };
        // SAFETY: likewise.
        let y = unsafe { b.wrapping_add(i).cast::<u64>().read_unaligned() };
        if x != y {
            return if x.swap_bytes() < y.swap_bytes() { -1 } else { 1 };
        }
        i += 8;
    }
    while i < n {
        // SAFETY: byte `i` is inside.
        let x = unsafe { a.wrapping_add(i).read() };
        // SAFETY: likewise.
        let y = unsafe { b.wrapping_add(i).read() };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
        i += 1;
    }
    0
}

/// # Safety
/// As bcmp(3).
#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: the caller's promise, handed on.
    unsafe { memcmp(a, b, n) }
}

/// # Safety
/// As strlen(3).
#[cfg_attr(not(test), unsafe(no_mangle))]
#[target_feature(enable = "sse2")]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    // Aligned blocks never cross into a page that the string does not touch.
    let misalignment = text as usize % 16;
    let mut block = text.wrapping_sub(misalignment).cast::<__m128i>();
    let mut skip = misalignment as u32;
    loop {
        // SAFETY: the block holds at least one byte of the string, so its page
        // is mapped.
        let bytes = unsafe { _mm_load_si128(block) };
        let zeros = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128())) as u32 >> skip << skip;
        if zeros != 0 {
            return block as usize + zeros.trailing_zeros() as usize - text as usize;
        }
        block = block.wrapping_add(1);
        skip = 0;
    }
}

/// The integration tests include this file, without the names of the C library.
#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes around every change of method, and the shifts that make overlap.
    const SIZES: [usize; 22] =
        [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 100, 127, 1000];

    fn pattern() -> Vec<u8> {
        (0..4096u32).map(|i| (i * 167 % 251) as u8).collect()
    }

    #[test]
    fn memmove_and_memcpy_copy_what_copy_within_does() {
        for size in SIZES {
            for shift in -70isize..=70 {
                let (src, dst) = (1000, (1000 + shift) as usize);
                let (mut ours, mut expected) = (pattern(), pattern());
                expected.copy_within(src..src + size, dst);
                let bytes = ours.as_mut_ptr();
                // SAFETY: both ranges are inside the vector.
                let result = unsafe { memmove(bytes.wrapping_add(dst), bytes.wrapping_add(src), size) };
                assert_eq!(
                    (result, &ours),
                    (bytes.wrapping_add(dst), &expected),
                    "{size} bytes moved by {shift}"
                );
                if shift.unsigned_abs() >= size {
                    let mut ours = pattern();
                    let bytes = ours.as_mut_ptr();
                    // SAFETY: likewise, and they do not overlap.
                    unsafe { memcpy(bytes.wrapping_add(dst), bytes.wrapping_add(src), size) };
                    assert_eq!(ours, expected, "{size} bytes copied by {shift}");
                }
            }
        }
    }

    #[test]
    fn memset_fills_exactly_its_range() {
        for size in SIZES {
            let (mut ours, mut expected) = (pattern(), pattern());
            expected[500..500 + size].fill(0xA5);
            // SAFETY: the range is inside the vector.
            unsafe { memset(ours.as_mut_ptr().wrapping_add(500), 0x1A5, size) };
            assert_eq!(ours, expected, "{size} bytes");
        }
    }

    #[test]
    fn memcmp_orders_by_the_first_difference() {
        for size in SIZES {
            let a = pattern();
            for differing in (0..size).step_by(size / 7 + 1) {
                for change in [1u8, 0x80, 0xFF] {
                    let mut b = a.clone();
                    b[differing] = b[differing].wrapping_add(change);
                    // SAFETY: both vectors are longer than `size`.
                    let ours = unsafe { memcmp(a.as_ptr(), b.as_ptr(), size) };
                    // SAFETY: likewise.
                    let equal = unsafe { bcmp(a.as_ptr(), b.as_ptr(), size) };
                    assert_eq!(ours.signum(), a[..size].cmp(&b[..size]) as i32, "byte {differing} of {size}");
                    assert_ne!(equal, 0, "byte {differing} of {size}");
                }
            }
            // SAFETY: as above.
            assert_eq!(unsafe { memcmp(a.as_ptr(), a.clone().as_ptr(), size) }, 0);
        }
    }

    #[test]
    fn strlen_finds_the_end_at_every_alignment() {
        for start in 0..32 {
            for size in SIZES {
                let mut text = vec![b'x'; 2048];
                text[start + size] = 0;
                // SAFETY: there is a NUL inside the vector.
                assert_eq!(unsafe { strlen(text.as_ptr().wrapping_add(start)) }, size, "from {start}");
            }
        }
    }
}
