//! Loop-invariant zeros: cells that a loop uses and leaves zero.
//!
//! Brainfuck programs clear their temporaries for the next iteration. Invariant: a cell
//! whose [`bit`] is in [`zeros`](Loop::zeros) of a balanced loop is zero
//! after every iteration if it was zero before the loop. Proof: among all cells with that
//! bit the loop writes only one, and each iteration ends with it zero; loops inside are
//! balanced too.
//!
//! A forward data-flow analysis of one walk (Kildall, *A unified approach to global program
//! optimization*, 1973). The written cells of an inner loop, at most
//! 64, are added to the loop around it, so the pass is linear in the program.

use super::Options;
use super::ir::{Ir, Loop, LoopFlags, Op, bit};
use crate::front::bug;
use alloc::vec;

/// A loop that is open.
#[derive(Clone)]
struct OpenLoop {
    number: u32,
    /// Cells that have been written, as a set of [`bit`]s.
    written: u64,
    /// Bits that more than one of these cells has.
    shared: u64,
    /// Bits of cells that may not be zero here, if they were zero when the iteration began.
    dirty: u64,
    /// The cell of each bit in `written`.
    cells: [i32; 64],
}

impl OpenLoop {
    const NEW: Self = Self { number: 0, written: 0, shared: 0, dirty: 0, cells: [0; 64] };

    /// Notes a write to `[cell]`.
    fn write(&mut self, cell: i32) {
        let noted = &mut self.cells[(cell & 63) as usize];
        if self.written & bit(cell) == 0 {
            *noted = cell;
        } else if *noted != cell {
            self.shared |= bit(cell);
        }
        self.written |= bit(cell);
    }

    /// Notes that the balanced loop `inner` over `[counter]` has ended here.
    fn contain(&mut self, inner: &Self, counter: i32) {
        self.shared |= inner.shared;
        let mut rest = inner.written;
        while rest != 0 {
            let cell = inner.cells[rest.trailing_zeros() as usize];
            rest &= rest - 1;
            self.write(cell);
        }
        self.dirty |= inner.dirty;
        self.write(counter);
        self.dirty &= !bit(counter);
    }
}

/// The depth from which on loops are not analysed. An [`OpenLoop`] is as large as many
/// operations, which millions of nested loops would each pay for.
const DEEPEST: usize = 256;

/// Fills in [`zeros`](Loop::zeros).
pub(super) fn find(ir: &mut Ir, _: &Options) {
    // The first stands for the program. The others are used again by the next loop of
    // their depth.
    let mut stack = vec![OpenLoop::NEW];
    let mut depth = 0;
    for op in ir.ops.iter() {
        let Some([current, inner @ ..]) = stack.get_mut(depth.min(DEEPEST)..) else {
            bug!("no entry for the loop that is open")
        };
        match *op {
            Op::Nop | Op::Check { .. } | Op::Output { .. } | Op::OutputByte { .. } => {}
            Op::Open { number, .. } => {
                if inner.is_empty() && depth < DEEPEST {
                    stack.push(OpenLoop::NEW);
                }
                depth += 1;
                if depth <= DEEPEST
                    && let Some(opened) = stack.get_mut(depth)
                {
                    (opened.number, opened.written, opened.shared, opened.dirty) = (number, 0, 0, 0);
                }
            }
            Op::Close { flags, cell, .. } => {
                let Some(outside) = usize::checked_sub(depth, 1) else {
                    bug!("a loop ends that never began")
                };
                depth = outside;
                if depth < DEEPEST
                    && flags.contains(LoopFlags::BALANCED)
                    && let Some([outer, closed, ..]) = stack.get_mut(depth..)
                    && let Some(Loop::Balanced { zeros, .. }) = ir.loops.get_mut(closed.number as usize)
                {
                    *zeros = closed.written & !closed.shared & !closed.dirty;
                    outer.contain(closed, cell);
                }
            }
            Op::Set { cell, value: 0, .. } if depth <= DEEPEST => {
                current.write(cell);
                current.dirty &= !bit(cell);
            }
            // Below the deepest loop analysed this stands for all of them.
            _ => {
                let cell = op.cell().unwrap_or_else(|| bug!("an operation that writes to no cell"));
                current.write(cell);
                current.dirty |= bit(cell);
            }
        }
    }
}
