//! The next instruction as a stepper needs to know it: its text, its size, where it
//! stores, and whether the trap flag shows through it.

use alloc::string::String;

/// What is special about an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Nothing.
    Plain,
    /// It jumps or not.
    Conditional,
    /// It calls a function.
    Call,
    /// A string operation with a repeat prefix.
    Repeated,
    /// `syscall`.
    Syscall,
    /// `pushf`.
    PushesFlags,
    /// `mov ss` or `pop ss`.
    LoadsStackSegment,
    /// INT1, INT3 and INT n, whose traps are their own.
    Trap,
}

/// An instruction that is about to run.
#[derive(Clone, Debug)]
pub struct Seen {
    /// In Intel notation.
    pub text: String,
    /// How many bytes it has.
    pub size: usize,
    /// What is special about it.
    pub kind: Kind,
    /// Where it is going to store, and how many bytes.
    pub stores: [Option<(usize, usize)>; 2],
    /// Whether it uses vectors, x87 or MMX registers, or is not known.
    pub uses_vectors: bool,
}

