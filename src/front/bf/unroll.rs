//! Loop unrolling: four iterations of a small unbalanced loop for one jump back.
//!
//! Between two iterations stands an `Exit`, which leaves the loop as its `Close` would
//! and moves the data pointer by as much as is due. Until then the pointer stays, and the
//! cells of each iteration are the drift further on. A store of a constant in one iteration
//! is propagated into the next.
//!
//! Invariant: the operations executed are those of the loop, on the same cells. Linear
//! in the program; see Muchnick, *Advanced Compiler Design and Implementation*, 17.4.3.

use super::Options;
use super::ir::{Access, Ir, List, LoopFlags, Op};
use crate::front::bug;
use alloc::vec::Vec;
use core::ops::Range;

/// Iterations for one jump back.
const UNROLLED: i32 = 4;

/// Operations of a body at most.
const LARGEST: usize = 8;

/// The largest drift.
const FARTHEST: u32 = 1 << 12;

/// Unrolls the loops that have no loop inside and move the data pointer.
pub(super) fn unroll(ir: &mut Ir, _: &Options) {
    let loops = small_loops(&ir.ops);
    let growth: usize = loops.iter().map(|(open, close)| (UNROLLED as usize - 1) * (close - open)).sum();
    // From the end of the program on, each operation goes to its place at once.
    let (mut from, mut to) = (ir.ops.len(), ir.ops.len() + growth);
    ir.ops.resize(to, Op::Nop);
    for (open, close) in loops.into_iter().rev() {
        ir.ops.copy_within(close + 1..from, to - (from - close - 1));
        to -= from - close - 1;
        from = open + 1;
        to -= UNROLLED as usize * (close - open);
        unroll_one(&mut ir.ops, from..close, to);
    }
}

/// The indices of the brackets of loops to unroll.
fn small_loops(ops: &List<Op>) -> Vec<(usize, usize)> {
    let mut loops = Vec::new();
    let mut open = None;
    for (index, op) in ops.iter().enumerate() {
        match *op {
            Op::Open { .. } => open = Some(index),
            Op::Scan { .. } => open = None,
            Op::Close { access, flags, drift, .. } => {
                if let Some(open) = open.take()
                    && access != Access::Explicit
                    && !flags.contains(LoopFlags::ONCE)
                    && drift != 0
                    && drift.unsigned_abs() <= FARTHEST
                    && is_small(&ops[open + 1..index])
                {
                    loops.push((open, index));
                }
            }
            _ => {}
        }
    }
    loops
}

fn is_small(body: &[Op]) -> bool {
    let is_simple = |op: &Op| {
        !matches!(
            op,
            Op::Output { .. }
                | Op::OutputByte { .. }
                | Op::Input { .. }
                | Op::Check { access: Access::Explicit, .. }
                | Op::Check { predicated: true, .. }
                | Op::MulAdd { predicated: true, .. }
        )
    };
    body.len() <= LARGEST && body.iter().all(is_simple)
}

/// Puts the iterations of `body`, behind which its `Close` is, to where they are to begin.
fn unroll_one(ops: &mut List<Op>, body: Range<usize>, to: usize) {
    let close = ops[body.end];
    let Op::Close { access, flags, cell, drift, position } = close else { bug!("a loop without an end") };
    let size = body.len();
    ops.copy_within(body, to);
    for iteration in 1..=UNROLLED {
        let moved = drift * iteration;
        // The end of the iteration before, and then the body again; behind the last there is
        // nothing more.
        let end = to + iteration as usize * (size + 1) - 1;
        if iteration == UNROLLED {
            ops[end] = Op::Close { access, flags, cell, drift: moved, position };
            return;
        }
        ops[end] = Op::Exit { access, cell: cell + moved, drift: moved, position };
        for index in 0..size {
            let (place, op) = (end + 1 + index, shifted(ops[to + index], moved));
            ops[place] = after(&ops[to..place], op);
        }
    }
}

/// The same operation on cells so much further on.
fn shifted(mut op: Op, by: i32) -> Op {
    match &mut op {
        Op::Check { cell, pointer: other, .. }
        | Op::MulAdd { cell, source: other, .. }
        | Op::Copy { cell, source: other, .. }
        | Op::Product { cell, left: other, .. } => {
            *cell += by;
            *other += by;
        }
        Op::Add { cell, .. } | Op::Set { cell, .. } => *cell += by,
        Op::Nop => {}
        _ => bug!("an operation that is not unrolled"),
    }
    op
}

/// The operation after those `before` it: constants that these store are propagated.
fn after(before: &[Op], op: Op) -> Op {
    let assigned = op.assigned();
    let last = before.iter().rev().find(|write| assigned.is_some() && write.assigned() == assigned);
    match (op, last) {
        (Op::Add { access, cell, value, position }, Some(Op::Set { value: set, .. })) => {
            Op::Set { access, cell, value: set.wrapping_add(value), position }
        }
        (Op::MulAdd { cell, source, factor, .. }, Some(Op::Set { value: 0, .. })) => {
            Op::Copy { cell, source, factor }
        }
        _ => op,
    }
}
