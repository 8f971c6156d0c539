//! Loop idiom recognition: innermost loops that are arithmetic or a scan.
//!
//! Equations, for cells of *n* bits, all arithmetic modulo 2ⁿ:
//! - `while [x] { [x] += s; [y] += v; … }` with odd `s` takes −\[x\]/s iterations, so it
//!   is `[y] += (−v/s) × [x]; …; [x] = 0`. An odd `s` has an inverse modulo 2ⁿ (Warren,
//!   *Hacker's Delight*, chapter 10);
//! - `while [x] { pointer += d }` is a scan.
//!
//! Both are well known of Brainfuck, as the "multiplication loop" and the "scan loop".
//!
//! Invariant: the operations leave each cell and the data pointer as the loop would have
//! left them. Linear in the program; within a loop body, which is short, quadratic.

use super::bounds::{self, Guard};
use super::ir::{Access, Ir, LoopFlags, NOWHERE, Op};
use super::{Cells, Options};
use crate::front::bug;

/// Operations in a loop body beyond which it is left alone.
const LONGEST: usize = 48;

/// Replaces such loops, in place.
pub(super) fn recognise(ir: &mut Ir, options: &Options) {
    let ops = &mut ir.ops;
    // Where the loop that was opened last begins, if it has only additions.
    let mut open = None;
    let mut kept = 0;
    for read in 0..ops.len() {
        let op = ops[read];
        ops[kept] = op;
        kept += 1;
        match op {
            Op::Open { .. } => open = Some(kept - 1),
            Op::Close { .. } => {
                if let Some(start) = open.take() {
                    kept = start + rewrite(&mut ops[start..kept], options.cells);
                }
            }
            Op::Nop | Op::Add { .. } | Op::Check { .. } => {}
            _ => open = None,
        }
    }
    ops.truncate(kept);
}

/// Rewrites one loop, from `Open` to `Close`, and returns its new length.
fn rewrite(ops: &mut [Op], cells: Cells) -> usize {
    let length = ops.len();
    let [Op::Open { flags, cell: counter, .. }, body @ .., close] = ops else {
        bug!("a loop without brackets")
    };
    let counter = *counter;
    let Op::Close { access, drift, position, .. } = *close else { bug!("a loop without an end") };
    let is_short_stride = i16::try_from(drift).is_ok_and(|stride| stride != 0);
    if body.is_empty() && access != Access::Explicit && is_short_stride {
        ops[0] = Op::Scan { entered: false, cell: counter, stride: drift, position };
        return 1;
    }
    if !flags.contains(LoopFlags::BALANCED) || length > LONGEST {
        return length;
    }
    // Checks stand first; additions follow.
    let checks = body.iter().take_while(|op| op.is_plain_check()).count();
    let (checks, additions) = body.split_at_mut(checks);
    let Some(iterations) = iterations(additions, counter) else { return length };
    let guard = bounds::guard_of_multiply_adds(checks, additions.len(), counter);
    for check in checks.iter_mut() {
        if let Op::Check { predicated, .. } = check {
            *predicated = guard == Guard::Predicated;
        }
    }
    let multiply_adds = multiply_adds(additions, counter, iterations, guard == Guard::Predicated, cells);
    let kept = 1 + checks.len() + multiply_adds;
    *flags |= LoopFlags::ONCE;
    if let Op::Close { flags, .. } = close {
        *flags |= LoopFlags::ONCE;
    }
    let close = *close;
    // There is room for both: the addition to the counter is gone.
    ops[kept] = Op::set(counter, 0, NOWHERE);
    if guard == Guard::Test {
        ops[kept + 1] = close;
        return kept + 2;
    }
    ops.copy_within(1..=kept, 0);
    kept
}

/// The factor of `[counter]` in the number of iterations, if the counter changes by an odd
/// number in each.
fn iterations(additions: &[Op], counter: i32) -> Option<u32> {
    let mut step = 0u32;
    for op in additions {
        let Op::Add { cell, value, .. } = *op else { bug!("the body holds more than additions") };
        if cell == counter {
            step = step.wrapping_add(value as u32);
        }
    }
    (step & 1 == 1).then(|| inverse(step).wrapping_neg())
}

/// Turns additions into multiply-adds, one a cell, and returns how many.
fn multiply_adds(
    additions: &mut [Op],
    counter: i32,
    iterations: u32,
    predicated: bool,
    cells: Cells,
) -> usize {
    let mut kept = 0;
    for read in 0..additions.len() {
        let Op::Add { cell, value, .. } = additions[read] else { bug!("the body holds more than additions") };
        if cell == counter {
            continue;
        }
        let by = (value as u32).wrapping_mul(iterations);
        let merged = additions.iter_mut().take(kept).find_map(|op| match op {
            Op::MulAdd { cell: same, factor, .. } if *same == cell => Some(factor),
            _ => None,
        });
        if let Some(factor) = merged {
            *factor = cells.signed(factor.wrapping_add(by)) as u32;
        } else {
            let factor = cells.signed(by) as u32;
            additions[kept] = Op::MulAdd { predicated, cell, source: counter, factor };
            kept += 1;
        }
    }
    kept
}

/// The multiplicative inverse of an odd number modulo 2³².
pub(super) const fn inverse(odd: u32) -> u32 {
    // An odd number is its own inverse modulo 8; each step of Newton's doubles the bits.
    let mut inverse = odd;
    let mut bits = 3;
    while bits < 32 {
        inverse = inverse.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(inverse)));
        bits *= 2;
    }
    inverse
}
