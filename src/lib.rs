//! A JIT with nothing underneath it.
//!
//! A byte of machine code is born in a front end, laid out by the assembler,
//! becomes finished code, is moved into memory, sealed and run. It never walks
//! back:
//!
//! ```text
//! front ──▶ asm ──▶ code ──▶ exec ──▶ run
//! text      bytes   entry,   rw-p     call
//!                   marks    r-xp
//! ```
//!
//! [`asm`] and [`code`] need nothing but `core`: without the feature `linux` they
//! are the whole library.
#![no_std]

#[cfg(feature = "linux")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod asm;
pub mod code;
#[cfg(feature = "linux")]
pub mod debug;
#[cfg(feature = "linux")]
pub mod exec;
#[cfg(feature = "linux")]
pub mod fault;
#[cfg(feature = "linux")]
pub mod front;
#[cfg(feature = "linux")]
pub mod host;
#[cfg(feature = "linux")]
pub mod probe;
#[cfg(feature = "linux")]
pub mod run;
#[cfg(feature = "linux")]
pub mod sys;
