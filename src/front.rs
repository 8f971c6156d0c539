//! The front ends: text in, [`Code`](barejit_asm::Code) out.
//!
//! A front end knows a language and the assembler. It never sees memory, the
//! kernel or another front end, and what a mark in its code means is its secret.
#![forbid(unsafe_code)]

pub mod bf;
pub mod call;
pub mod chain;
pub mod hello;
mod pool;
pub mod raw;
mod recorded;
pub mod relation;
pub mod ret;
pub mod rpn;
pub mod series;
pub mod text;

pub use recorded::Recorded;
