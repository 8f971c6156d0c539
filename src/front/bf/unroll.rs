//! Several rounds of a small loop for one jump back.
//!
//! Law: between two rounds stands an `Exit`, which ends the loop as its `Close` would
//! have and lets the base catch up; until then the base stays, and the cells of each
//! round are as much further on.

use super::Options;
use super::ir::{FAR, Ir, Kind, MAYBE, ONCE, Op, TOUCHES};
use alloc::vec::Vec;
use core::ops::Range;

/// Rounds for one jump back.
const ROUNDS: i32 = 4;

/// Operations of a body at most.
const MOST: usize = 8;

/// Loops that are unrolled at most: of more, most do not run often.
const LOOPS: usize = 1 << 16;

/// The farthest that a round moves the base.
const FARTHEST: u32 = 1 << 12;

/// Unrolls the loops that have no loop inside and move the base.
#[inline(never)]
pub(super) fn unroll(ir: &mut Ir, _: &Options) {
    let loops = small_loops(&ir.ops);
    let growth: usize = loops.iter().map(|(open, close)| (ROUNDS as usize - 1) * (close - open)).sum();
    // From the end of the program on, each operation goes to its place at once.
    let (mut from, mut to) = (ir.ops.len(), ir.ops.len() + growth);
    ir.ops.resize(to, Op::NOP);
    for (open, close) in loops.into_iter().rev() {
        ir.ops.copy_within(close + 1..from, to - (from - close - 1));
        to -= from - close - 1;
        from = open + 1;
        to -= ROUNDS as usize * (close - open);
        rounds(&mut ir.ops, from..close, to);
    }
}

/// The brackets of loops that several rounds of are better than one.
fn small_loops(ops: &[Op]) -> Vec<(usize, usize)> {
    let mut loops = Vec::new();
    let mut open = None;
    for (index, op) in ops.iter().enumerate() {
        match op.kind {
            Kind::Open => open = Some(index),
            Kind::Scan => open = None,
            Kind::Close => {
                if let Some(open) = open.take()
                    && loops.len() < LOOPS
                    && ops.get(open + 1..index).is_some_and(|body| is_small(body, op))
                {
                    loops.push((open, index));
                }
            }
            _ => {}
        }
    }
    loops
}

fn is_small(body: &[Op], close: &Op) -> bool {
    let is_plain = |op: &Op| !op.is(FAR | MAYBE) && !matches!(op.kind, Kind::Put | Kind::PutByte | Kind::Get);
    let moves = close.b != 0 && close.b.unsigned_abs() <= FARTHEST;
    moves && !close.is(ONCE | FAR) && body.len() <= MOST && body.iter().all(is_plain)
}

/// Puts the rounds of `body`, behind which its `Close` is, to where they are to begin.
#[inline(never)]
fn rounds(ops: &mut [Op], body: Range<usize>, to: usize) {
    let Some(&close) = ops.get(body.end) else { return };
    let size = body.len();
    ops.copy_within(body, to);
    let Some(all) = ops.get_mut(to..to + ROUNDS as usize * (size + 1)) else { return };
    for round in 1..=ROUNDS {
        let moved = close.b * round;
        for index in 0..=size {
            // Behind the end of the last round there is no room for another.
            let at = round as usize * (size + 1) - 1 + index;
            let Some((before, [place, ..])) = all.split_at_mut_checked(at) else { return };
            *place = match before.get(index.wrapping_sub(1)) {
                Some(op) => after(before, further(*op, moved)),
                None if round == ROUNDS => Op { b: moved, ..close },
                None => {
                    let flags = close.flags & TOUCHES;
                    Op { kind: Kind::Exit, flags, at: close.at + moved, b: moved, ..close }
                }
            };
        }
    }
}

/// The same operation on cells so much further on.
fn further(op: Op, by: i32) -> Op {
    let has_two = op.kind.is_product() || op.kind == Kind::Probe;
    Op { at: op.at + by, b: if has_two { op.b + by } else { op.b }, ..op }
}

/// What an operation comes to if the rounds before have set its cell.
fn after(before: &[Op], op: Op) -> Op {
    let last = before.iter().rev().find(|write| write.changes(op.at));
    match (op.kind, last) {
        (Kind::Add, Some(Op { kind: Kind::Set, b, .. })) => {
            Op { kind: Kind::Set, b: b.wrapping_add(op.b), ..op }
        }
        (Kind::Mul, Some(Op { kind: Kind::Set, b: 0, .. })) => Op { kind: Kind::Copy, ..op },
        _ => op,
    }
}
