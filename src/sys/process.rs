//! What the kernel told this process at its start.

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

/// Which entry of the auxiliary vector (getauxval(3)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Auxiliary {
    /// AT_MINSIGSTKSZ: the largest frame that a signal can push.
    MinimumSignalStack = 51,
}

/// The value of an entry of the auxiliary vector; `None` if the kernel gave
/// none, or a C library and not `rt` started this process.
pub fn auxiliary(kind: Auxiliary) -> Option<usize> {
    let mut word = START.load(Ordering::Relaxed) as *const usize;
    if word.is_null() {
        return None;
    }
    let mut next = || {
        // SAFETY: `word` is inside what the kernel laid out: argc and its
        // pointers, the environment up to NULL, pairs up to AT_NULL.
        let value = unsafe { word.read() };
        word = word.wrapping_add(1);
        value
    };
    let arguments = next();
    for _ in 0..=arguments {
        next();
    }
    while next() != 0 {}
    loop {
        match (next(), next()) {
            (0, _) => return None,
            (entry, value) if entry == kind as usize => return Some(value),
            _ => {}
        }
    }
}
