//! The arguments, the environment and the auxiliary vector of this process.

use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicUsize, Ordering};

/// The stack pointer at the first instruction, once the run-time has told it.
static START: AtomicUsize = AtomicUsize::new(0);

/// Remembers where the kernel left arguments, environment and auxiliary vector.
///
/// # Safety
/// 1. `stack` is the stack pointer at the first instruction of the process.
pub unsafe fn started_with(stack: *const usize) {
    START.store(stack as usize, Ordering::Relaxed);
}

/// Whether `rt` and no C library started this process.
pub fn is_started() -> bool {
    stack() != 0
}

/// The stack pointer at the first instruction; 0 if a C library and not `rt` started this
/// process.
pub(super) fn stack() -> usize {
    START.load(Ordering::Relaxed)
}

/// The arguments of the process, its own name first. Bytes, because nothing promises UTF-8.
/// None if a C library and not `rt` started this process.
#[derive(Clone, Debug)]
pub struct Arguments {
    next: *const *const c_char,
    left: usize,
}

/// The arguments of this process.
pub fn arguments() -> Arguments {
    let start = START.load(Ordering::Relaxed) as *const usize;
    // SAFETY: argc is the first word of what the kernel laid out.
    let left = if start.is_null() { 0 } else { unsafe { start.read() } };
    Arguments { next: start.wrapping_add(1).cast(), left }
}

impl Iterator for Arguments {
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

/// The kernel's layout, word by word: argc and argv up to NULL, the
/// environment up to NULL, pairs up to AT_NULL.
struct Words(*const usize);

impl Words {
    /// From the environment on; `None` if a C library and not `rt` started this
    /// process.
    fn environment() -> Option<Self> {
        let start = START.load(Ordering::Relaxed) as *const usize;
        if start.is_null() {
            return None;
        }
        let mut words = Self(start);
        let arguments = words.next();
        for _ in 0..=arguments {
            words.next();
        }
        Some(words)
    }

    fn next(&mut self) -> usize {
        // SAFETY: nobody reads on behind AT_NULL.
        let word = unsafe { self.0.read() };
        self.0 = self.0.wrapping_add(1);
        word
    }
}

/// The environment as execve(2) takes it; `None` if a C library and not `rt` started this
/// process.
pub fn environment() -> Option<*const *const c_char> {
    Words::environment().map(|words| words.0.cast())
}

/// The value of an environment variable; `None` if it is not set.
pub fn variable(name: &[u8]) -> Option<&'static [u8]> {
    let mut words = Words::environment()?;
    loop {
        let text = words.next() as *const c_char;
        if text.is_null() {
            return None;
        }
        // SAFETY: each is a C string that lives as long as the process.
        let text = unsafe { CStr::from_ptr(text) }.to_bytes();
        if let Some(value) = text.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"=")) {
            return Some(value);
        }
    }
}

/// The most bytes that a signal can push on its handler's stack: AT_MINSIGSTKSZ of the
/// auxiliary vector (getauxval(3)). Without the kernel's word, what AVX-512 and its kin
/// stay under.
pub fn signal_frame() -> usize {
    const AT_MINSIGSTKSZ: usize = 51;
    const COMMON: usize = 4096;
    let Some(mut words) = Words::environment() else { return COMMON };
    while words.next() != 0 {}
    loop {
        match (words.next(), words.next()) {
            (0, _) => return COMMON,
            (AT_MINSIGSTKSZ, size) => return size,
            _ => {}
        }
    }
}
