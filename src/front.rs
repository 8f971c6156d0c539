//! The front ends: text in, [`Code`](barejit_asm::Code) out.
//!
//! ```text
//! bf    chain ─┐  ┌─ rpn    call hello ret   raw
//!  │      │  relation │        │
//!  │      ├─ series ──┤     recorded
//!  └──────┴── text ───┘
//! ```
//!
//! A front end knows a language and the assembler. It refuses memory, the kernel and the
//! other front ends, and the meaning of a mark in its code is private to it.
#![forbid(unsafe_code)]

pub mod bf;
mod bug;
pub mod call;
pub mod chain;
pub mod hello;
pub mod hex;
mod pool;
mod recorded;
pub mod relation;
pub mod ret;
pub mod rpn;
pub mod series;
pub mod text;

pub use recorded::Recorded;

use bug::bug;

/// Whether both have the same bytes, at compile time.
const fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    a.len() == b.len() && i == a.len()
}
