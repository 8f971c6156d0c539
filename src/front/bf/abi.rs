//! What generated code and its surroundings agree on.
//!
//! The generated function is `extern "sysv64" fn(pointer, context) -> u64`:
//! `pointer` is the address of the cell to begin at, `context` that of a table of
//! eight-byte fields, at the offsets below:
//!
//! ```text
//!  0  output    address of {next, end}: where a byte goes, and where room ends;
//!               there is always room for one byte
//!  8  input     address of {next, end}: bytes that were read but not used
//! 16  flush     fn(context) -> u64: makes room; 0, or not 0 for an error
//! 24  fill      fn(context) -> u64: reads more; FILLED, ENDED or FAILED
//! 32  tape      address of cell 0
//! 40  pointer   written before status LEFT: where the pointer is
//! ```
//!
//! Both call-backs are `extern "sysv64"`. The tape is followed and preceded by
//! [`GUARD`] bytes that fault. In RAX comes back a status.

/// Offset of the address of the output's cursor and end.
pub const OUTPUT: i32 = 0;
/// Offset of the address of the input's cursor and end.
pub const INPUT: i32 = 8;
/// Offset of the call-back that makes room for output.
pub const FLUSH: i32 = 16;
/// Offset of the call-back that reads more input.
pub const FILL: i32 = 24;
/// Offset of the address of cell 0.
pub const TAPE: i32 = 32;
/// Offset of the pointer that generated code left with.
pub const POINTER: i32 = 40;

/// From `fill`: there is at least one byte.
pub const FILLED: u64 = 0;
/// From `fill`: there is no more input.
pub const ENDED: u64 = 1;
/// From `fill`: the input failed.
pub const FAILED: u64 = 2;

/// Status: the program ran to its end.
pub const DONE: u64 = 0;
/// Status: a call-back reported an error.
pub const BROKEN: u64 = 1;
/// Status in the low byte: the code gave up before it did something it cannot
/// undo. The other bytes are for [`Program::left`](super::Program::left).
pub const LEFT: u64 = 2;

/// Bytes before and behind the tape that must fault when touched.
pub const GUARD: usize = 1 << 20;
