//! Innermost loops that are arithmetic in disguise.
//!
//! Laws, for cells of *n* bits, all arithmetic modulo 2ⁿ:
//! - `while [x] { [x] += s; [y] += v; … }` with odd `s` runs −\[x\]/s rounds, so it
//!   is `[y] += (−v/s) × [x]; …; [x] = 0`;
//! - `while [x] { base += d }` is a scan.

use super::ir::{BALANCED, FAR, Ir, Kind, MAYBE, NOWHERE, ONCE, Op};
use super::{Cells, Options};

/// Operations in a loop body beyond which it is left alone.
const BODY: usize = 48;

/// Additions in a loop body beyond which a jump is better than doing them.
const PREDICATED: usize = 3;

/// Replaces such loops, in place.
#[inline(never)]
pub(super) fn fold(ir: &mut Ir, options: &Options) {
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
                if let Some(start) = open.take()
                    && let Some(body) = ops.get_mut(start..kept)
                {
                    kept = start + close(body, options.cells);
                }
            }
            Kind::Nop | Kind::Add | Kind::Probe => {}
            _ => open = None,
        }
    }
    ops.truncate(kept);
}

/// Rewrites one loop, from `Open` to `Close`, and gives its new length.
#[inline(never)]
fn close(ops: &mut [Op], cells: Cells) -> usize {
    let len = ops.len();
    let [open, body @ .., close] = ops else { return len };
    let (counter, close) = (open.at, *close);
    if body.is_empty() && !close.is(FAR) && i16::try_from(close.b).is_ok_and(|stride| stride != 0) {
        *open = Op::new(Kind::Scan, counter, close.b, close.c);
        return 1;
    }
    if !open.is(BALANCED) || len > BODY {
        return len;
    }
    // Probes stand first; what follows them is additions.
    let probes = body.iter().take_while(|op| op.kind == Kind::Probe).count();
    let (probes, additions) = body.split_at_mut_checked(probes).unwrap_or_default();
    let steps = additions.iter().filter(|op| op.at == counter);
    let step = steps.fold(0u32, |sum, op| sum.wrapping_add(op.b as u32));
    if step & 1 == 0 {
        return len;
    }
    let rounds = inverse(step).wrapping_neg();
    // A test is a jump on data that nobody can predict. Without it, the additions
    // must be guarded where the tape ends on the left.
    let test = probes.len() > 1
        || additions.len() > PREDICATED
        || probes.iter().any(|op| op.is(FAR) || op.at > counter);
    let maybe = if test || probes.is_empty() { 0 } else { MAYBE };
    probes.iter_mut().for_each(|op| op.flags |= maybe);
    let mut kept = 0;
    for read in 0..additions.len() {
        let Op { at, b, .. } = additions[read];
        let factor = (b as u32).wrapping_mul(rounds);
        if at == counter {
            continue;
        }
        // Merge with an earlier visit to the same cell.
        if let Some(same) = additions.iter_mut().take(kept).find(|same| same.at == at) {
            same.c = cells.signed(same.c.wrapping_add(factor)) as u32;
        } else if let Some(place) = additions.get_mut(kept) {
            let factor = cells.signed(factor) as u32;
            *place = Op { flags: maybe, ..Op::new(Kind::Mul, at, counter, factor) };
            kept += 1;
        }
    }
    kept += 1 + probes.len();
    open.flags |= ONCE;
    // There is room: what changed the counter is gone.
    if let Some([set, end, ..]) = ops.get_mut(kept..) {
        *set = Op::new(Kind::Set, counter, 0, NOWHERE);
        *end = Op { flags: close.flags | ONCE, ..close };
    }
    if test {
        return kept + 2;
    }
    ops.copy_within(1..=kept, 0);
    kept
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
