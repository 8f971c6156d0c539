//! The interface between generated code and its surroundings: the only declaration of the
//! context, of the statuses and of the guards.
//!
//! The generated function is `extern "sysv64" fn(pointer: u64, &mut Context) -> u64`.
//! `pointer` is the address of the cell to begin at. The result is a status.
//!
//! ```text
//!  ◀─ GUARD bytes ─▶◀───── the tape, zeroed ─────▶◀─ GUARD bytes ─▶
//!        faults      cell 0, cell 1, …                  faults
//! ```

use core::mem::offset_of;

/// Where generated code leaves bytes or takes them: a cursor in a buffer and the buffer's
/// end. Output and input begin with these two fields.
#[derive(Debug)]
#[repr(C)]
pub struct Cursor {
    /// The next byte.
    pub next: *mut u8,
    /// The end of the buffer.
    pub end: *mut u8,
}

/// The context of generated code: output, input, call-backs, tape.
///
/// Invariant: `output` and `input` begin with a [`Cursor`]. The output has room for one
/// byte whenever generated code runs.
#[repr(C)]
pub struct Context<'a, O, I, S> {
    /// The bytes on their way out.
    pub output: &'a mut O,
    /// The bytes that were read and not used yet.
    pub input: &'a mut I,
    flush: CallBack<Self>,
    fill: CallBack<Self>,
    tape: u64,
    pointer: u64,
    /// For the call-backs; generated code does not know it.
    pub state: S,
}

/// A function that generated code calls with its context.
pub type CallBack<C> = extern "sysv64" fn(&mut C) -> u64;

impl<'a, O, I, S> Context<'a, O, I, S> {
    /// A context with these parts. `flush` makes room in the output and returns
    /// [`FILLED`] or [`FAILED`]. `fill` reads input and returns one of [`FILLED`],
    /// [`ENDED`], [`FAILED`]. Cell 0 is at the address `tape`.
    pub fn new(
        output: &'a mut O,
        input: &'a mut I,
        flush: CallBack<Self>,
        fill: CallBack<Self>,
        tape: u64,
        state: S,
    ) -> Self {
        Self { output, input, flush, fill, tape, pointer: 0, state }
    }

    /// The address of cell 0.
    pub fn tape(&self) -> u64 {
        self.tape
    }

    /// The data pointer that generated code wrote before it returned [`DEOPT`].
    pub fn pointer(&self) -> u64 {
        self.pointer
    }
}

/// All contexts have this layout in front of their state.
type Layout = Context<'static, Cursor, Cursor, ()>;

pub(super) const OUTPUT: i32 = offset_of!(Layout, output) as i32;
pub(super) const INPUT: i32 = offset_of!(Layout, input) as i32;
pub(super) const FLUSH: i32 = offset_of!(Layout, flush) as i32;
pub(super) const FILL: i32 = offset_of!(Layout, fill) as i32;
pub(super) const TAPE: i32 = offset_of!(Layout, tape) as i32;
pub(super) const POINTER: i32 = offset_of!(Layout, pointer) as i32;
pub(super) const NEXT: i32 = offset_of!(Cursor, next) as i32;
pub(super) const END: i32 = offset_of!(Cursor, end) as i32;

/// From a call-back: it did its work. From `fill`: there is at least one byte.
pub const FILLED: u64 = 0;
/// From `fill`: there is no more input.
pub const ENDED: u64 = 1;
/// From a call-back: output or input failed.
pub const FAILED: u64 = 2;

/// Status: the program ran to its end.
pub const DONE: u64 = 0;
/// Status: a call-back failed.
pub const CALL_BACK_FAILED: u64 = 1;
/// Status in the low byte: the code left at an explicit bounds check, before an access that
/// could jump over a guard. The other bytes are the number of the deopt point.
pub const DEOPT: u64 = 2;

/// Bytes before and behind the tape that fault when accessed.
pub const GUARD: usize = 1 << 20;
