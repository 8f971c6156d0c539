//! Stacks of one's own, for code and signal handlers that must not depend on how large the
//! kernel's is (setrlimit(2), RLIMIT_STACK). The code that runs on them is the caller's.
//!
//! ```text
//!   ┌ guard ┬───────── stack ─────────┬ guard ┐
//!   │ ----- │ rw-                     │ ----- │
//!   └───────┴─────────────────────────┴───────┘
//!                                     ▲ RSP at the call of `body`
//! ```

use super::signal::AlternateStack;
use super::{Error, Guard, PageSize, Region, linux, process};
use core::{mem, ops::Range};

/// Calls `body` on a stack of `size` bytes between guards, which is gone afterwards. `body` is
/// told where the stack lies. A panic that leaves it ends the process.
///
/// # Errors
/// The error of mmap(2); `body` has not been called then.
pub fn with_stack(size: PageSize, body: &mut dyn FnMut(Range<usize>)) -> Result<(), Error> {
    let stack = Region::zeroed(size, Guard::PAGE)?;
    let range = stack.address()..stack.address() + size.bytes();
    let mut body = || body(range.clone());
    let mut body: &mut dyn FnMut() = &mut body;
    let argument = &raw mut body as usize;
    // SAFETY: (1) the end of pages that are mapped, a multiple of 4096; (2) `run` takes a
    // pointer to such a reference, which waits here.
    unsafe { switch(stack.address() + size.bytes(), run, argument) };
    Ok(())
}

/// Gives signal handlers a stack of their own with `room` bytes besides what the kernel
/// pushes, for as long as the process lives.
///
/// # Errors
/// The error of mmap(2) or sigaltstack(2).
pub fn set_signal_stack(room: usize, guard: Guard) -> Result<(), Error> {
    let size = PageSize::needed(process::signal_frame().saturating_add(room))?;
    let stack = Region::zeroed(size, guard)?;
    let alternate = AlternateStack { base: stack.address(), flags: 0, size: size.bytes() };
    // SAFETY: (1) the pages are never given back, and nobody else has their address.
    unsafe { linux::sigaltstack(&alternate) }?;
    mem::forget(stack);
    Ok(())
}

extern "sysv64" fn run(body: usize) {
    let body = body as *mut &mut dyn FnMut();
    // SAFETY: `with_stack` hands its own over and waits.
    unsafe { (*body)() };
}

/// Calls `body(argument)` on another stack.
///
/// # Safety
/// 1. The memory below `stack`, a multiple of 16, is nobody else's stack.
/// 2. `argument` is what `body` takes.
#[unsafe(naked)]
unsafe extern "sysv64" fn switch(stack: usize, body: extern "sysv64" fn(usize), argument: usize) {
    core::arch::naked_asm!(
        // rdi = stack, rsi = body, rdx = argument
        "push rbp",
        "mov rbp, rsp", // kept by body
        "mov rsp, rdi", // rsp = 16n, as the ABI wants it at a call
        "mov rdi, rdx",
        "call rsi",
        "mov rsp, rbp",
        "pop rbp",
        "ret",
    )
}
