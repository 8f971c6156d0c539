//! What a relation can do without: constants computed here, and operations that IEEE
//! 754 gives a cheaper form of the same result, bit for bit but for the sign of what is
//! not a number, which it leaves open (6.3).

use super::parse::{Op, Part};
use alloc::vec::Vec;

/// The same relation in fewer or cheaper operations.
pub(super) fn fold(parts: &[Part]) -> Vec<Part> {
    let mut folded: Vec<Part> = Vec::new();
    for part in parts {
        let mut last = folded.iter().rev().map(|part| part.op);
        let (top, below) = (last.next(), last.next());
        // How many operations go, and what comes instead.
        let (gone, op) = match (part.op, below, top) {
            (Op::Negate, _, Some(Op::Constant(x))) => (1, Some(Op::Constant(-x))),
            (Op::Negate, _, Some(Op::Negate)) => (1, None),
            (Op::Add | Op::Sub | Op::Mul | Op::Div, Some(Op::Constant(x)), Some(Op::Constant(y))) => {
                match apply(part.op, x, y) {
                    // What is not a number has a sign that only the processor knows.
                    value if value.is_nan() => (0, Some(part.op)),
                    value => (2, Some(Op::Constant(value))),
                }
            }
            // 1·x, x·1, x/1, x−0 and x+(−0) are x.
            (Op::Mul, ..) if let Some(one) = one_before_last(&folded) => {
                folded.remove(one);
                (0, None)
            }
            (Op::Mul | Op::Div, _, Some(Op::Constant(1.0))) => (1, None),
            (Op::Sub | Op::Add, _, Some(Op::Constant(zero)))
                if zero == 0.0 && zero.is_sign_negative() == (part.op == Op::Add) =>
            {
                (1, None)
            }
            // The reciprocal of a power of two is exact.
            (Op::Div, _, Some(Op::Constant(y))) if is_power(y) => {
                folded.pop();
                folded.push(Part { op: Op::Constant(1.0 / y), ..*part });
                (0, Some(Op::Mul))
            }
            // x + (−y) is x − y, and the other way around.
            (Op::Add, _, Some(Op::Negate)) => (1, Some(Op::Sub)),
            (Op::Sub, _, Some(Op::Negate)) => (1, Some(Op::Add)),
            (op, ..) => (0, Some(op)),
        };
        folded.truncate(folded.len() - gone);
        if let Some(op) = op {
            folded.push(Part { op, ..*part });
        }
    }
    folded
}

/// Results that are kept for all who want them, at most: each takes a register.
pub(super) const SHARED: u8 = 3;

/// The longest relation that is searched for them, in operations.
const SEARCHED: usize = 64;

/// Has what is computed more than once computed only the first time, the longest first.
#[inline(never)]
pub(super) fn share(parts: &mut Vec<Part>) {
    for shared in 1..=SHARED {
        let Some((end, size)) = repeated(parts) else { return };
        if let Some(part) = parts.get_mut(end - 1) {
            part.shared = shared;
        }
        let mut at = end;
        while let Some((before, behind)) = parts.split_at_checked(at)
            && let (Some(operation), Some(again)) = (before.get(end - size..end), behind.get(..size))
        {
            if same(again, operation) {
                // Its last part alone stays.
                parts.copy_within(at + size - 1.., at);
                parts.truncate(parts.len() + 1 - size);
                parts[at] = Part { op: Op::Again(shared), shared: 0, ..parts[at] };
            }
            at += 1;
        }
    }
}

/// The longest operation that comes again: where it ends the first time, and its size.
fn repeated(parts: &[Part]) -> Option<(usize, usize)> {
    if parts.len() > SEARCHED {
        return None;
    }
    let (mut end, mut size) = (0, 1);
    for at in 1..parts.len() {
        let (before, behind) = parts.split_at(at);
        let operation = before.get(last(before)?..).unwrap_or_default();
        if operation.len() > size && behind.windows(operation.len()).any(|again| same(again, operation)) {
            (end, size) = (at, operation.len());
        }
    }
    (size > 1).then_some((end, size))
}

/// Where the operation that ends here begins, with all its operands, if that is near.
#[inline(never)] // Two callers.
fn last(parts: &[Part]) -> Option<usize> {
    let mut missing = 1;
    let far = parts.len().saturating_sub(SEARCHED);
    let from = parts.get(far..)?.iter().rposition(|part| {
        missing = missing + part.op.takes() - 1;
        missing == 0
    });
    Some(far + from?)
}

/// Where a 1 is before the operation that ends here.
fn one_before_last(parts: &[Part]) -> Option<usize> {
    let one = last(parts)?.checked_sub(1)?;
    (parts.get(one)?.op == Op::Constant(1.0)).then_some(one)
}

/// Whether both compute the same, bit for bit.
fn same(one: &[Part], other: &[Part]) -> bool {
    one.iter().zip(other).all(|(one, other)| match (one.op, other.op) {
        (Op::Constant(x), Op::Constant(y)) => x.to_bits() == y.to_bits(),
        (x, y) => x == y,
    })
}

/// Whether `y` is a power of two whose reciprocal is a normal number too.
fn is_power(y: f64) -> bool {
    let bits = y.to_bits();
    let exponent = bits >> 52 & 0x7FF;
    bits << 12 == 0 && (1..=2045).contains(&exponent)
}

fn apply(op: Op, x: f64, y: f64) -> f64 {
    match op {
        Op::Add => x + y,
        Op::Sub => x - y,
        Op::Mul => x * y,
        _ => x / y,
    }
}
