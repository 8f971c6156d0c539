//! Rust functions that generated code of `call` calls, and the error that they keep.

use barejit_exec::fault;
use barejit_sys::{self as sys, Error, Fd};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The results of a call-back, in AL.
pub mod answer {
    /// Success.
    pub const DONE: u8 = 0;
    /// A syscall was refused; [`refusal`](super::refusal) tells which.
    pub const REFUSED: u8 = 1;
}

/// An [`Error`], or 0.
static REFUSAL: AtomicU64 = AtomicU64::new(0);

/// Why the last [`print()`] that answered [`answer::REFUSED`] did so.
pub fn refusal() -> Option<Error> {
    Error::from_word(REFUSAL.load(Relaxed))
}

// ANCHOR: print
/// Prints `size` bytes at `text` to standard output and answers as [`answer`]
/// says.
///
/// # Safety
/// 1. The bytes are readable.
pub unsafe extern "sysv64" fn print(text: *const u8, size: u64) -> u8 {
    // SAFETY: duty 1 of the caller.
    let text = unsafe { core::slice::from_raw_parts(text, size as usize) };
    match fault::call_back(|| sys::write_all(Fd::STDOUT, text)) {
        Ok(()) => answer::DONE,
        Err(error) => {
            REFUSAL.store(error.into_word(), Relaxed);
            answer::REFUSED
        }
    }
}
// ANCHOR_END: print

/// [`print()`] for callers that break the ABI's promise of an aligned stack
/// (psABI, 3.2.2): aligns it, calls and restores it.
///
/// # Safety
/// As [`print()`].
#[unsafe(naked)]
pub unsafe extern "sysv64" fn print_unaligned(text: *const u8, size: u64) -> u8 {
    core::arch::naked_asm!(
        "push rbp", // rsp = any
        "mov rbp, rsp",
        "and rsp, -16",
        "call {print}", // rdi = text, rsi = size, untouched
        "leave",
        "ret",
        print = sym print,
    )
}

/// A call-back that panics, to show that it does no harm.
pub extern "sysv64" fn panicking(_: *const u8, _: u64) -> u8 {
    fault::call_back(|| panic!("as it was asked to"))
}
