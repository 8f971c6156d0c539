//! The assembler as the prompt uses it: a line or a block of text to bytes, labels and a
//! listing, for the place where it will lie.

use alloc::{string::String, vec::Vec};

/// A piece of text, assembled.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The address of the first byte.
    pub origin: usize,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The labels that the text defines, as offsets.
    pub labels: Vec<(String, usize)>,
    /// Whether there is no instruction in it.
    pub is_data: bool,
    /// Whether one of the instructions is `syscall` or `int`.
    pub has_syscall: bool,
    /// Each instruction and piece of data.
    pub listing: Vec<Listed>,
}

/// A line of the listing.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Offset of the first byte.
    pub offset: usize,
    /// How many bytes.
    pub size: usize,
    /// The text.
    pub text: String,
}

/// Why text is not what the assembler takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The line in the text, from 0.
    pub line: usize,
    /// The byte in that line, from 0.
    pub column: usize,
    /// Why.
    pub message: String,
}
