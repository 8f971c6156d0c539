//! An x86-64 assembler for JITs, kernels and hypervisors, whose every method is
//! `const fn`.
//!
//! The same methods bake a constant at compile time ([`bake!`]) and emit at run time
//! ([`Asm`]). One table describes every instruction of the legacy and VEX encodings that
//! compilers, kernels and hypervisors emit; from it come the methods, the text of a
//! listing, a decoder ([`decode()`]), a parser ([`parse`]) and rows of data that a program can search
//! ([`table::TABLE`]). Nothing here knows an operating system or needs more than `core`;
//! any host can build code for x86-64.
//!
//! ```text
//!   a line of the table           "add" "00+w /r" MR [8 16 32 64] (rw rm, r r) "w=oszapc" …
//!          │
//!          ├── const fn add_rr ──┬── bake!      bytes in a static, holes to fill
//!          │                     ├── Asm        bytes in a slice: no allocator
//!          │                     └── Growing    bytes in a Vec (feature alloc)
//!          │                           │
//!          │                           └──────── Code: bytes, symbols, marks, listing
//!          └── row of TABLE ──────── decode, search: accesses, flags, implied registers
//! ```
//!
//! # Examples
//! Baked at compile time, so that nothing is assembled when the program runs:
//! ```
//! use barejit_asm::{Asm, EAX, bake};
//!
//! const fn answer(a: &mut Asm<'_>) {
//!     a.mov_ri(EAX, 42).ret();
//! }
//! bake! {
//!     static ANSWER: () = answer;
//! }
//! assert_eq!(ANSWER.bytes, [0xB8, 42, 0, 0, 0, 0xC3]);
//! ```
//! Emitted at run time into a slice, with a loop; operands of mixed widths do not compile:
//! ```
//! use barejit_asm::{Asm, Cond, RAX, RDI, Slot, Tables};
//!
//! let (mut bytes, mut slots) = ([0; 64], [Slot::EMPTY; 4]);
//! let mut a = Asm::new(&mut bytes, Tables::slots(&mut slots));
//! a.mov_imm(RAX, 0);
//! let top = a.here();
//! a.add_rr(RAX, RDI).dec_r(RDI).jcc(Cond::Ne, top).ret();
//! assert_eq!(a.finish().unwrap().bytes().len(), 14);
//! ```
//! An operation as a value, and memory with a segment:
//! ```
//! use barejit_asm::{Alu, Asm, Gpr, Segment, Tables, RAX, qword};
//!
//! let mut bytes = [0; 64];
//! let mut a = Asm::new(&mut bytes, Tables::none());
//! for (operation, number) in [(Alu::Add, 1), (Alu::Xor, 9)] {
//!     a.alu_rr(operation, RAX, Gpr::new(number));
//! }
//! a.lock_inc_m(qword(RAX).segment(Segment::Gs));
//! let code = a.finish().unwrap();
//! assert_eq!(code.bytes(), [0x48, 0x01, 0xC8, 0x4C, 0x31, 0xC8, 0xF0, 0x65, 0x48, 0xFF, 0x00]);
//! ```
//!
//! # Features
//! | feature | what it adds |
//! |---|---|
//! | `alloc` | `Growing`, an assembler that owns and grows its buffers |
//! | `compact` | one encoder and each method once, in place of an encoder folded into every call: about 7 KB and the arguments of each call, for programs that want to be small; [`Asm::folded`] has methods that are folded all the same |
//!
//! # Guarantees
//! - The first operand that cannot be encoded, label that is not bound or displacement that
//!   does not reach is an error of [`Asm::finish`], with its offset; in baked code it stops
//!   the build. No method panics because of its operands.
//! - A register is encoded in the store form where two forms are equally short; an
//!   instruction has the shortest form of the mnemonic that it is called by. What another
//!   instruction could do in less is left to the caller: [`Asm::mov_imm`].
//! - Every method at every width, and every row, is held against iced-x86 in the tests:
//!   text, length, accesses, flags, CPU features.
//! - There is no `unsafe` code.
//!
//! # Which instructions
//! 2,408 of the 2,623 codes that iced-x86 lists for 64-bit mode without EVEX. Left out are
//! EVEX, branches with 16-bit operands (48 codes), Knights Corner (48), PadLock (32),
//! reserved no-operations (27), AMX (15), x87 with a `wait` in front (12), Key Locker (11),
//! MPX (8), XOP (8), withdrawn ones (4) and no-operations that read as `xchg` (2).
//! [`instruction!`] makes a function from a line of one's own.
//!
//! # Minimum supported Rust version
//! 1.88, held by clippy.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod assembler;
mod code;
mod decode;
pub mod parse;
pub mod table;

pub use assembler::*;
pub use code::*;
pub use decode::{At, Instruction, MAX_SIZE, NoInstruction, Store, decode};
