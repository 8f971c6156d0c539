//! The front ends, the runner and the probe behind the executable `barejit`.
//!
//! ```text
//! front ──▶ barejit-asm ──▶ barejit-exec ──▶ run
//! text      bytes, entry,   rw-p             call
//!           marks           r-xp
//! ```
//!
//! This library serves the executable and its tests. The crates below it are for
//! everyone: `barejit-asm` assembles, `barejit-exec` is code memory.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod front;
pub mod host;
pub mod probe;
pub mod repl;
pub mod run;
pub mod watch;
