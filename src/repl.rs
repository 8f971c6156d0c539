//! The prompt: instructions that are typed, shown as bytes, run, and what they changed.

pub mod change;
pub mod line;
pub mod memory;
