//! Code memory that is never writable and executable at once, guarded calls of what
//! it holds, and its registration with debuggers and profilers.
//!
//! [`Memory`] goes through phases that its type shows; [`fault`] turns faults of
//! generated code into values; [`debug`] tells gdb and perf of names and lines.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("barejit-exec runs x86-64 machine code on Linux; barejit-asm builds it on any host");

pub mod debug;
pub mod fault;
mod memory;
mod state;

pub use memory::*;
pub use state::State;
