//! An x86-64 assembler whose every method is `const fn`, and what it makes.
//!
//! The same methods bake a constant at compile time ([`bake!`]) and emit at run
//! time. Nothing here allocates, knows an operating system, or needs more than
//! `core`; any host can build code for x86-64.
//!
//! ```
//! use barejit_asm::{Asm, Baked, EAX};
//!
//! const fn answer(a: &mut Asm<'_>) {
//!     a.mov_ri(EAX, 42).ret();
//! }
//! static ANSWER: Baked<6, ()> = barejit_asm::bake!(answer);
//! assert_eq!(ANSWER.bytes, [0xB8, 42, 0, 0, 0, 0xC3]);
//! ```
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod assembler;
mod code;
mod decode;
pub mod table;

pub use assembler::*;
pub use code::*;
pub use decode::{At, Instruction, MAX_SIZE, NoInstruction, decode};
