//! The front ends: text in, [`Code`](barejit_asm::Code) out.
//!
//! ```text
//! bf    chain ─┐  ┌─ rpn    call hello ret   hex
//!  │      │  relation │        │
//!  │      ├─ series ──┤     recorded
//!  │      ├─ cycle ───┤
//!  └──────┴── text ───┘
//! ```
//!
//! A front end knows a language and the assembler. It refuses memory, the kernel and the
//! other front ends, and the meaning of a mark in its code is private to it.
#![forbid(unsafe_code)]

pub mod assembly;
pub mod bf;
mod bug;
pub mod call;
#[cfg(test)]
mod cases;
pub mod chain;
mod cycle;
mod documented;
pub mod hello;
pub mod hex;
pub mod image;
mod pool;
mod recorded;
pub mod relation;
pub mod ret;
pub mod rpn;
pub mod series;
pub mod text;

pub use recorded::Recorded;

use bug::bug;
