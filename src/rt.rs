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

use barejit::{fault, sys};
use core::{
    ffi::{CStr, c_char},
    panic::PanicInfo,
    sync::atomic::{AtomicU8, Ordering},
};

/// The first instruction of the process: hands the stack pointer, the load
/// address and the relocations to [`start`] on an aligned stack. RBP = 0 ends
/// the chain of frames.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        "xor ebp, ebp",
        "mov rdi, rsp",
        "lea rsi, [rip + __image_base]",
        "lea rdx, [rip + __relr_start]",
        "lea rcx, [rip + __relr_end]",
        "and rsp, -16",
        "call {start}",
        "ud2",
        start = sym start,
    )
}

/// # Safety
/// 1. `stack` points at the stack that the kernel made, `base` at the ELF
///    header, and `relr` to `relr_end` is the relocation table; called once.
unsafe extern "C" fn start(
    stack: *const usize,
    base: usize,
    relr: *const usize,
    relr_end: *const usize,
) -> ! {
    // SAFETY: (1) duty 1 of the caller; nothing that needs relocating ran yet.
    unsafe { relocate(base, relr, relr_end) };
    // SAFETY: (1) duty 1 of the caller.
    unsafe { sys::process::started_with(stack) };
    // SAFETY: (1) duty 1 of the caller.
    let args = unsafe { Args::new(stack) };
    sys::linux::exit(crate::main(args).into())
}

/// Adds the load address wherever the linker could not. The table is the compact
/// one (DT_RELR in the ELF gABI), which has room for R_X86_64_RELATIVE and nothing
/// else: an even entry is the address of a word to relocate; an odd one is a map
/// of the 63 words behind the last, one bit each.
///
/// # Safety
/// 1. `base` is where this image is loaded, `relr` to `end` its table, and it is
///    applied for the first time.
unsafe fn relocate(base: usize, relr: *const usize, end: *const usize) {
    // Numbers and no pointer methods: unoptimised, those are functions, and
    // calling one may take an address that is yet to be relocated.
    const WORD: usize = size_of::<usize>();
    let (mut at, end, mut next) = (relr as usize, end as usize, 0);
    while at < end {
        // SAFETY: duty 1 of the caller.
        let entry = unsafe { *(at as *const usize) };
        at += WORD;
        let mut map = entry >> 1;
        let mut word = next;
        if entry & 1 == 0 {
            (map, word) = (1, base + entry);
            next = word + WORD;
        } else {
            next += 63 * WORD;
        }
        while map != 0 {
            if map & 1 != 0 {
                // SAFETY: the linker made this entry for a word of writable data.
                unsafe { *(word as *mut usize) += base };
            }
            map >>= 1;
            word += WORD;
        }
    }
}

/// The arguments of the process, argv[0] first. Bytes, because nothing promises
/// UTF-8.
#[derive(Clone)]
pub(crate) struct Args {
    next: *const *const c_char,
    left: usize,
}

impl Args {
    /// # Safety
    /// 1. `stack` points at argc, and argv follows.
    unsafe fn new(stack: *const usize) -> Self {
        // SAFETY: duty 1 of the caller.
        let left = unsafe { stack.read() };
        Self { next: stack.wrapping_add(1).cast(), left }
    }
}

impl Iterator for Args {
    type Item = &'static [u8];

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: `left` more pointers follow, by construction.
        let argument = unsafe { self.next.read() };
        self.next = self.next.wrapping_add(1);
        // SAFETY: each is a C string that lives as long as the process.
        let argument = unsafe { CStr::from_ptr(argument) };
        Some(argument.to_bytes())
    }
}

/// One line on standard error and exit 5: a panic is a bug of barejit. In a
/// call-back it is the call-back's failure and ends the guarded call instead. A
/// panic while panicking, which can only come from printing the message, is told
/// without it; a third is not told.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static DEPTH: AtomicU8 = AtomicU8::new(0);
    const STATUS: i32 = 5;
    let (file, line) = info.location().map_or(("?", 0), |at| (at.file(), at.line()));
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
