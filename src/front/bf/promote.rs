//! Register promotion in loops: which loops keep their cells in registers.
//!
//! In a balanced loop every cell has one distance from the data pointer, so it can live in
//! a register from the loop's start to its end, inner loops included (Cooper, Lu, *Register
//! promotion in C programs*, 1997). A *promoted loop* is an outermost balanced loop that
//! iterates or holds others, names no more cells than there are registers, and has no check
//! inside. Its cells are loaded behind its first test and stored behind its last.
//!
//! Invariant: no instruction of a promoted loop can fault, so memory need not hold its
//! cells. One walk, linear; a loop's cells, at most
//! [`REGISTERS`](super::ir::REGISTERS), are merged into the loop around it.

use super::Options;
use super::ir::{Ir, LoopFlags, Op, Promoted};
use crate::front::bug;
use alloc::vec::Vec;

/// Loops in so many others are not promoted, nor are those around them. A [`Candidate`] is as
/// large as many operations, which millions of nested loops would each pay for.
const DEEPEST: usize = 256;

/// A loop, and whether it can be promoted.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    promoted: Promoted,
    /// A check, an unbalanced loop or too many cells forbid promotion.
    ineligible: bool,
    /// It can run twice, or holds a loop.
    iterates: bool,
}

impl Candidate {
    const fn new(open: u32, ineligible: bool) -> Self {
        Self { promoted: Promoted::new(open), ineligible, iterates: false }
    }

    fn name(&mut self, cell: i32, written: bool) {
        self.ineligible = self.ineligible || !self.promoted.name(cell, written);
    }

    /// Takes in a loop inside.
    fn contain(&mut self, inner: &Self) {
        self.ineligible |= inner.ineligible;
        for assigned in inner.promoted.registers() {
            self.name(assigned.cell, assigned.written);
        }
    }

    /// Takes in an operation of its own level; `is_leading` if only its brackets and checks
    /// stand before it.
    fn operation(&mut self, op: &Op, is_leading: bool) {
        match *op {
            Op::Nop | Op::OutputByte { .. } => {}
            Op::Check { predicated, .. } => self.ineligible |= predicated || !is_leading,
            Op::MulAdd { predicated: true, .. } => self.ineligible = true,
            Op::Add { cell, .. } | Op::Set { cell, .. } | Op::Input { cell, .. } => self.name(cell, true),
            Op::Output { cell, .. } | Op::Open { cell, .. } | Op::Close { cell, .. } => {
                self.name(cell, false)
            }
            Op::MulAdd { cell, source, .. } | Op::Copy { cell, source, .. } => {
                self.name(source, false);
                self.name(cell, true);
            }
            Op::Product { right, cell, left, .. } => {
                self.name(left, false);
                self.name(left + i32::from(right), false);
                self.name(cell, true);
            }
            Op::Exit { .. } | Op::Scan { .. } | Op::Move { .. } => self.ineligible = true,
        }
    }
}

/// Fills in [`Ir::promoted`].
pub(super) fn promote(ir: &mut Ir, _: &Options) {
    let mut found: Vec<Promoted> = Vec::new();
    let mut open: Vec<Candidate> = Vec::new();
    let mut is_leading = false;
    // Loops that are open and too deep.
    let mut too_deep = 0u32;
    for (index, op) in ir.ops.iter().enumerate() {
        if open.len() == DEEPEST && (too_deep > 0 || matches!(op, Op::Open { .. })) {
            too_deep += matches!(op, Op::Open { .. }) as u32;
            too_deep -= matches!(op, Op::Close { .. }) as u32;
            if let Some(innermost) = open.last_mut() {
                innermost.ineligible = true;
            }
            continue;
        }
        if let Op::Open { flags, .. } = op {
            open.push(Candidate::new(index as u32, !flags.contains(LoopFlags::BALANCED)));
            is_leading = true;
        }
        let Some(innermost) = open.last_mut() else { continue };
        // Checks at the start of a balanced loop come before the loads.
        is_leading &= matches!(op, Op::Open { .. }) || op.is_plain_check();
        innermost.operation(op, is_leading);
        if let Op::Close { flags, .. } = op {
            let Some(mut closed) = open.pop() else { bug!("a loop ends that never began") };
            closed.iterates |= !flags.contains(LoopFlags::ONCE);
            if !closed.ineligible && closed.iterates {
                while found.pop_if(|inner| inner.open > closed.promoted.open).is_some() {}
                found.push(closed.promoted);
            }
            if let Some(outer) = open.last_mut() {
                // Ifs in one another, as in a carry, name the same cells.
                outer.iterates = true;
                outer.contain(&closed);
                let first = ir.ops.get(closed.promoted.open as usize + 1);
                outer.ineligible |= matches!(first, Some(Op::Check { .. }));
            }
            is_leading = false;
        }
    }
    for promoted in &found {
        if let Op::Open { flags, .. } = &mut ir.ops[promoted.open as usize] {
            *flags |= LoopFlags::PROMOTED;
        }
    }
    ir.promoted = found;
}
