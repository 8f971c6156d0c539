//! barejit: a JIT with nothing underneath it.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod asm;
pub mod code;
