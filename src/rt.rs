//! The run-time: the work of a C library before and around `main`.
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

use crate::cli::Runtime;
use barejit_exec::fault;
use barejit_sys as sys;
use core::{
    panic::PanicInfo,
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
};
use heap::Global;

#[global_allocator]
static GLOBAL: Global = Global::new();

/// The first instruction of the process: relocates the words that every start needs, then
/// hands the stack pointer to [`start`] on an aligned stack. RBP = 0 ends the chain of
/// frames. Unoptimised code may call by way of any word, so there all are relocated.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        "xor ebp, ebp",
        "mov rbx, rsp",
        "and rsp, -16",
        "lea rdi, [rip + __image_base]",
        #[cfg(debug_assertions)]
        "lea rsi, [rip + __late_end]",
        #[cfg(not(debug_assertions))]
        "lea rsi, [rip + __late_start]",
        "call {apply}",
        "mov rdi, rbx",
        "call {start}",
        "ud2",
        apply = sym apply_relocations,
        start = sym start,
    )
}

/// Relocates the rest of the image; a second call does nothing.
///
/// These words are for tables of functions and texts, and for the locations in panic
/// messages. They lie on pages of their own (`linker.ld`), which the kernel copies when they
/// are written to, so the plain `hello`, `ret` and `call` relocate them only when something
/// is refused. Code that they run before reads no such word, which
/// `elf::plain_commands_touch_no_word_that_is_relocated_late` holds.
fn relocate() {
    static DONE: AtomicBool = AtomicBool::new(cfg!(debug_assertions));
    if !DONE.swap(true, Ordering::Relaxed) {
        // SAFETY: (1) this is the first call, and `_start` has left these words alone.
        unsafe { relocate_late() };
    }
}

/// # Safety
/// 1. The words from `__late_start` on are not relocated yet.
#[unsafe(naked)]
unsafe extern "C" fn relocate_late() {
    core::arch::naked_asm!(
        "lea rdi, [rip + __late_start]",
        "lea rsi, [rip + __late_end]",
        "jmp {apply}",
        apply = sym apply_relocations,
    )
}

/// Adds the load address to the words from `first` to `end` that the linker could not know.
///
/// The table is the compact one (DT_RELR in the ELF gABI), which has room for
/// R_X86_64_RELATIVE and nothing else: an even entry is the link address of a word, an odd
/// one a map of the 63 words that follow, one bit each. Addresses ascend. It is in assembly
/// because compiled code may call by way of words that are not relocated yet.
///
/// # Safety
/// 1. None of these words is relocated yet.
#[unsafe(naked)]
unsafe extern "C" fn apply_relocations(first: *mut u64, end: *mut u64) {
    core::arch::naked_asm!(
        "lea r11, [rip + __image_base]", // r11 = load address
        "lea rdx, [rip + __relr_start]", // rdx = next entry
        "lea rcx, [rip + __relr_end]",
        "2: cmp rdx, rcx",
        "jae 7f",
        "mov rax, [rdx]",
        "add rdx, 8",
        "shr rax, 1",
        "jc 4f",
        "lea r8, [r11 + rax * 2]", // an address: r8 = the word
        "cmp r8, rsi",
        "jae 7f",
        "cmp r8, rdi",
        "jb 3f",
        "add [r8], r11",
        "3: add r8, 8", // r8 = the first word that a map would be of
        "jmp 2b",
        "4: test rax, rax", // a map
        "jz 6f",
        "bsf r9, rax",
        "lea r9, [r8 + r9 * 8]", // r9 = the next word in it
        "lea r10, [rax - 1]",
        "and rax, r10", // without its lowest bit
        "cmp r9, rdi",
        "jb 4b",
        "cmp r9, rsi",
        "jae 4b",
        "add [r9], r11",
        "jmp 4b",
        "6: add r8, 63 * 8",
        "jmp 2b",
        "7: ret",
    )
}

/// # Safety
/// 1. `stack` points at the stack that the kernel made; called once.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: (1) duty 1 of the caller.
    unsafe { sys::process::started_with(stack) };
    sys::linux::exit(crate::main(Runtime { relocate, heap: || GLOBAL.range() }).into())
}

/// One line on standard error and exit 5: a panic is a bug of barejit. In a
/// call-back it is the call-back's failure and ends the guarded call instead. A
/// panic while panicking, which can only come from printing the message, is told
/// without it; a third is not told.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static DEPTH: AtomicU8 = AtomicU8::new(0);
    const STATUS: i32 = 5;
    // The location is a word that needs it.
    relocate();
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
