//! What a relation can do without, bit for bit: constants computed here, and
//! operations that IEEE 754 gives a cheaper form of the same result.

use super::parse::Op;
use alloc::vec::Vec;

/// The same relation in fewer or cheaper operations.
pub(super) fn fold(ops: &[Op]) -> Vec<Op> {
    let mut folded: Vec<Op> = Vec::with_capacity(ops.len());
    for &op in ops {
        let top = folded.last().copied();
        let under = folded.len().checked_sub(2).map(|place| folded[place]);
        let op = match (op, under, top) {
            (Op::Negate, _, Some(Op::Constant(x))) => constant(&mut folded, 1, -x),
            (Op::Negate, _, Some(Op::Negate)) => remove(&mut folded),
            (Op::Add | Op::Sub | Op::Mul | Op::Div, Some(Op::Constant(x)), Some(Op::Constant(y))) => {
                match apply(op, x, y) {
                    // What is not a number has a sign that only the processor knows.
                    value if value.is_nan() => Some(op),
                    value => constant(&mut folded, 2, value),
                }
            }
            // x·1, x/1, x−0 and x+(−0) are x.
            (Op::Mul | Op::Div, _, Some(Op::Constant(1.0))) => remove(&mut folded),
            (Op::Sub | Op::Add, _, Some(Op::Constant(zero)))
                if zero == 0.0 && zero.is_sign_negative() == (op == Op::Add) =>
            {
                remove(&mut folded)
            }
            (Op::Mul, _, Some(Op::Constant(2.0))) => {
                folded.pop();
                Some(Op::Double)
            }
            (Op::Mul, Some(Op::Constant(2.0)), Some(term @ (Op::Back(_) | Op::Index))) => {
                folded.truncate(folded.len() - 2);
                folded.push(term);
                Some(Op::Double)
            }
            // The reciprocal of a power of two is exact.
            (Op::Div, _, Some(Op::Constant(y))) if is_power(y) => {
                let reciprocal = 1.0 / y;
                folded.pop();
                folded.push(Op::Constant(reciprocal));
                Some(if reciprocal == 2.0 {
                    folded.pop();
                    Op::Double
                } else {
                    Op::Mul
                })
            }
            // x + (−y) is x − y, and the other way around.
            (Op::Add | Op::Sub, _, Some(Op::Negate)) => {
                folded.pop();
                Some(if op == Op::Add { Op::Sub } else { Op::Add })
            }
            _ => Some(op),
        };
        folded.extend(op);
    }
    folded
}

fn constant(ops: &mut Vec<Op>, takes: usize, value: f64) -> Option<Op> {
    ops.truncate(ops.len() - takes);
    Some(Op::Constant(value))
}

fn remove(ops: &mut Vec<Op>) -> Option<Op> {
    ops.pop();
    None
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
