//! The run-time: what a C library would have done before and around `main`.
//!
//! ```text
//! stack at _start, as the kernel leaves it (psABI, 3.4.1)
//!   rsp ─▶ argc
//!          argv[0] … argv[argc-1], NULL
//!          envp[0] …, NULL
//!          auxv: (type, value) …, (AT_NULL, 0)
//! ```

mod heap;
mod mem;

use barejit_exec::fault;
use barejit_sys as sys;
use core::{
    panic::PanicInfo,
    sync::atomic::{AtomicU8, Ordering},
};
use heap::Global;

#[global_allocator]
static GLOBAL: Global = Global::new();

/// The first instruction of the process: relocates the image, then hands the
/// stack pointer to [`start`] on an aligned stack. RBP = 0 ends the chain of frames.
///
/// Relocating is adding the load address to every word that the linker could not
/// know. The table is the compact one (DT_RELR in the ELF gABI), which has room for
/// R_X86_64_RELATIVE and nothing else: an even entry is the link address of a word,
/// an odd one a map of the 63 words that follow, one bit each. It is in assembly
/// because compiled code may call by way of words that are not relocated yet.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        "xor ebp, ebp",
        "mov rdi, rsp",
        "lea rsi, [rip + __image_base]", // rsi = load address
        "lea rdx, [rip + __relr_start]", // rdx = next entry
        "lea rcx, [rip + __relr_end]",
        "2: cmp rdx, rcx",
        "jae 6f",
        "mov rax, [rdx]",
        "add rdx, 8",
        "shr rax, 1",
        "jc 3f",
        "lea r8, [rsi + rax * 2]", // an address: r8 = the word
        "add [r8], rsi",
        "add r8, 8", // r8 = the first word that a map would be of
        "jmp 2b",
        "3: test rax, rax", // a map
        "jz 5f",
        "4: bsf r9, rax", // r9 = the number of the next word in it
        "lea r10, [rax - 1]",
        "add [r8 + r9 * 8], rsi",
        "and rax, r10", // without its lowest bit
        "jnz 4b",
        "5: add r8, 63 * 8",
        "jmp 2b",
        "6: and rsp, -16",
        "call {start}",
        "ud2",
        start = sym start,
    )
}

/// # Safety
/// 1. `stack` points at the stack that the kernel made; called once.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: (1) duty 1 of the caller.
    unsafe { sys::process::started_with(stack) };
    sys::linux::exit(crate::main().into())
}

/// One line on standard error and exit 5: a panic is a bug of barejit. In a
/// call-back it is the call-back's failure and ends the guarded call instead. A
/// panic while panicking, which can only come from printing the message, is told
/// without it; a third is not told.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static DEPTH: AtomicU8 = AtomicU8::new(0);
    const STATUS: i32 = 5;
    let (file, line) = info.location().map_or(("?", 0), |at| (at.file(), u64::from(at.line())));
    match DEPTH.fetch_add(1, Ordering::Relaxed) {
        0 => {
            let (message, call_back) = (info.message(), fault::in_call_back());
            let (who, verdict) = if call_back { ("the call-back ", "") } else { ("", "; this is a bug") };
            sys::report(format_args!("{who}panicked at {file}:{line}: {message}{verdict}"));
            if call_back {
                DEPTH.store(0, Ordering::Relaxed);
                // SAFETY: (1) asked just now.
                unsafe { fault::escape() };
            }
        }
        1 => sys::report(format_args!("panicked while panicking at {file}:{line}; this is a bug")),
        _ => {}
    }
    sys::linux::exit(STATUS)
}
