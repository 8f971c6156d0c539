//! Deoptimisation: from a fault in generated code back to a command of the source.
//!
//! An instruction that may be the first to access a cell out of bounds is a *deopt point*.
//! The table of deopt points belongs to the code, beside its bytes, and is looked up by
//! the offset of the instruction that faulted. It knows the command that baseline code
//! would be at, and how the faulting address leads to the data pointer there.
//!
//! This file says what a fault means. [`runner`](super::runner) acts on it.

use super::{Cells, Program};
use alloc::vec::Vec;

/// The state of the baseline code that a fault leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeoptPoint {
    /// Offset of the code that it is for; it ends where that of the next begins.
    code: u32,
    /// Byte offset in the source of the command that baseline code would be at.
    position: u32,
    /// The distance from the faulting address to the data pointer at that command.
    delta: i32,
}

/// The deopt points of a program, by their offsets in its code.
#[derive(Debug, Default)]
pub(super) struct DeoptTable(Vec<DeoptPoint>);

impl DeoptTable {
    /// Adds a point for the code from the offset `code` on, which is behind those of all
    /// points before it, and returns its number.
    pub(super) fn add(&mut self, code: u32, position: u32, delta: i32) -> u32 {
        self.0.push(DeoptPoint { code, position, delta });
        self.0.len() as u32 - 1
    }

    /// The point for a fault of the instruction at the offset `code`.
    fn at(&self, code: u32) -> Option<&DeoptPoint> {
        let behind = self.0.partition_point(|point| point.code <= code);
        self.0.get(behind.checked_sub(1)?)
    }
}

/// Why generated code stopped before its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// The command at byte `position` of the source accesses `cell`, which is not on the
    /// tape.
    OutOfBounds { position: u32, cell: i64 },
    /// Optimised code cannot tell. Baseline code entered at `position`, with its data
    /// pointer at `cell`, can.
    Deoptimise { position: u32, cell: i64 },
}

impl Program {
    /// Classifies a fault of the instruction at the offset `code` on `address`; cell 0
    /// is at `tape`. `None` if it is no deopt point.
    pub(super) fn fault(&self, code: u32, address: u64, tape: u64) -> Option<Stop> {
        let point = self.deopt_points.at(code)?;
        Some(self.stop(point, address.wrapping_add(point.delta as u64), tape))
    }

    /// Classifies a return of [`DEOPT`](super::abi::DEOPT), as a part of `status`, with `pointer`
    /// in its context. `None` if no deopt point has the number in the status.
    pub(super) fn explicit(&self, status: u64, pointer: u64, tape: u64) -> Option<Stop> {
        let point = self.deopt_points.0.get((status >> 8) as usize)?;
        Some(self.stop(point, pointer, tape))
    }

    fn stop(&self, point: &DeoptPoint, pointer: u64, tape: u64) -> Stop {
        let position = point.position;
        let cell = cell_number(pointer, tape, self.cells);
        if self.is_baseline {
            Stop::OutOfBounds { position, cell }
        } else {
            Stop::Deoptimise { position, cell }
        }
    }
}

/// The number of the cell at the address `pointer`. The shift rounds down, so that the byte
/// before cell 0 belongs to cell −1.
fn cell_number(pointer: u64, tape: u64, cells: Cells) -> i64 {
    (pointer.wrapping_sub(tape) as i64) >> cells as u32
}
