//! Innermost loops that are arithmetic in disguise.
//!
//! Laws, for cells of *n* bits, all arithmetic modulo 2ⁿ:
//! - `while [x] { [x] += s; [y] += v; … }` with odd `s` runs −\[x\]/s rounds, so it
//!   is `[y] += (−v/s) × [x]; …; [x] = 0`;
//! - `while [x] { base += d }` is a scan.

use super::Cells;
use super::ir::{BALANCED, FAR, Ir, Kind, MAYBE, NOWHERE, ONCE, Op};

/// Operations in a loop body beyond which it is left alone.
const BODY: usize = 48;

/// Additions in a loop body beyond which a jump is better than doing them.
const PREDICATED: usize = 3;

/// Replaces such loops, in place.
#[inline(never)]
pub(super) fn fold(ir: &mut Ir, cells: Cells) {
    let ops = &mut ir.ops;
    // Where the loop that was opened last begins, if it has only additions.
    let mut open = None;
    let mut kept = 0;
    for read in 0..ops.len() {
        let op = ops[read];
        ops[kept] = op;
        kept += 1;
        match op.kind {
            Kind::Open => open = Some(kept - 1),
            Kind::Close => {
                if let Some(start) = open.take() {
                    kept = close(&mut ops[start..kept], cells) + start;
                }
            }
            Kind::Nop => kept -= (kept > 1) as usize,
            Kind::Add | Kind::Probe => {}
            _ => open = None,
        }
    }
    ops.truncate(kept);
}

/// Rewrites one loop, from `Open` to `Close`, and gives its new length.
#[inline(never)]
fn close(body: &mut [Op], cells: Cells) -> usize {
    let len = body.len();
    let (Some(&open), Some(&close)) = (body.first(), body.last()) else { return len };
    if len == 2 && !close.is(FAR) && i16::try_from(close.b).is_ok_and(|stride| stride != 0) {
        body[0] = Op::new(Kind::Scan, open.at, close.b, close.c);
        return 1;
    }
    if !open.is(BALANCED) || len > BODY {
        return len;
    }
    // Probes stand first; what follows them is additions.
    let probes = body[1..len - 1].iter().take_while(|op| op.kind == Kind::Probe).count();
    let first = probes + 1;
    let step = body[first..len - 1].iter().filter(|op| op.at == open.at).map(|op| op.b);
    let step = step.fold(0u32, |sum, b| sum.wrapping_add(b as u32));
    if step & 1 == 0 {
        return len;
    }
    let rounds = inverse(step).wrapping_neg();
    // A test is a jump on data that nobody can predict. Without it, the additions
    // must be guarded where the tape ends on the left.
    let test = probes > 1
        || len - 1 - first > PREDICATED
        || body[1..first].iter().any(|op| op.is(FAR) || op.at > open.at);
    let start = if test { first } else { probes };
    if !test && probes > 0 {
        body[0] = Op { flags: body[1].flags | MAYBE, ..body[1] };
    }
    let mut kept = start;
    for read in first..len - 1 {
        let op = body[read];
        if op.at == open.at {
            continue;
        }
        let factor = (op.b as u32).wrapping_mul(rounds);
        // Merge with an earlier visit to the same cell.
        if let Some(same) = body[start..kept].iter_mut().find(|same| same.at == op.at) {
            same.c = same.c.wrapping_add(factor);
        } else {
            body[kept] = Op::new(Kind::Mul, op.at, open.at, factor);
            kept += 1;
        }
    }
    let maybe = if !test && probes > 0 { MAYBE } else { 0 };
    for op in &mut body[start..kept] {
        op.c = cells.signed(op.c) as u32;
        op.flags = maybe;
    }
    body[kept] = Op::new(Kind::Set, open.at, 0, NOWHERE);
    if test {
        body[0].flags |= ONCE;
        body[kept + 1] = Op { flags: close.flags | ONCE, ..close };
        kept += 1;
    }
    kept + 1
}

/// The number whose product with odd `a` is 1, modulo 2³².
pub(super) const fn inverse(a: u32) -> u32 {
    // a is its own inverse modulo 8; each round doubles the bits (Newton).
    let mut x = a;
    let mut bits = 3;
    while bits < 32 {
        x = x.wrapping_mul(2u32.wrapping_sub(a.wrapping_mul(x)));
        bits *= 2;
    }
    x
}
