//! Cells that loops use and leave zero.
//!
//! Programs clear what they compute with, for the next round to find it so. Law: a cell
//! whose [`bit`] a balanced loop has in its [`zeros`](super::ir::Loop::zeros) is zero
//! after every round if it was before the loop. For of all cells with that bit the loop
//! writes to one, and ends each round with it zero; loops within are balanced like it.

use super::ir::{BALANCED, Ir, Kind, bit};
use alloc::vec;

/// A loop that is open.
#[derive(Clone)]
struct Frame {
    number: u32,
    /// Cells that have been written to, as [`bit`]s.
    written: u64,
    /// Bits that more than one of these has.
    shared: u64,
    /// Bits of cells that may not be zero here, if they were when the round began.
    dirty: u64,
    /// The cell of each bit in `written`.
    cells: [i32; 64],
}

impl Frame {
    const NEW: Self = Self { number: 0, written: 0, shared: 0, dirty: 0, cells: [0; 64] };

    /// `[at]` is written to.
    fn writes(&mut self, at: i32) {
        let cell = &mut self.cells[(at & 63) as usize];
        if self.written & bit(at) == 0 {
            *cell = at;
        } else if *cell != at {
            self.shared |= bit(at);
        }
        self.written |= bit(at);
    }

    /// A balanced loop over `[counter]` has ended.
    fn contains(&mut self, inner: &Self, counter: i32) {
        self.shared |= inner.shared;
        let mut rest = inner.written;
        while rest != 0 {
            let at = inner.cells[rest.trailing_zeros() as usize];
            rest &= rest - 1;
            self.writes(at);
        }
        self.dirty |= inner.dirty;
        self.writes(counter);
        self.dirty &= !bit(counter);
    }
}

/// Loops within so many are not looked at on their own: a frame is as large as many
/// operations, and who nests millions would pay for each.
const DEEPEST: usize = 256;

/// Fills in [`Loop::zeros`](super::ir::Loop::zeros).
#[inline(never)]
pub(super) fn find(ir: &mut Ir) {
    // The first stands for the program; each stays for the next loop of its depth.
    let mut frames = vec![Frame::NEW];
    let mut depth = 0;
    for op in &ir.ops {
        let Some([frame, inner @ ..]) = frames.get_mut(depth.min(DEEPEST)..) else { return };
        match op.kind {
            Kind::Nop | Kind::Probe | Kind::Put | Kind::PutByte => {}
            Kind::Open => {
                if inner.is_empty() && depth < DEEPEST {
                    frames.push(Frame::NEW);
                }
                depth += 1;
                if depth <= DEEPEST
                    && let Some(frame) = frames.get_mut(depth)
                {
                    (frame.number, frame.written, frame.shared, frame.dirty) = (op.b as u32, 0, 0, 0);
                }
            }
            Kind::Close => {
                depth = depth.saturating_sub(1);
                if depth < DEEPEST
                    && op.is(BALANCED)
                    && let Some(about) = ir.loops.get_mut(frame.number as usize)
                    && let Some([outer, frame, ..]) = frames.get_mut(depth..)
                {
                    about.zeros = frame.written & !frame.shared & !frame.dirty;
                    outer.contains(frame, op.at);
                }
            }
            Kind::Set if op.b == 0 && depth <= DEEPEST => {
                frame.writes(op.at);
                frame.dirty &= !bit(op.at);
            }
            _ => {
                frame.writes(op.at);
                frame.dirty |= bit(op.at);
            }
        }
    }
}
