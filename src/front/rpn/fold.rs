//! Constant folding and algebraic simplification: constants are computed here, and
//! operations become cheaper ones with the same result under IEEE 754.
//!
//! Source: IEEE 754-2019, 6.3 and 5.4.1; compilers allow the same identities without
//! `-ffast-math`. Results are the same bit for bit, except for the sign of a NaN, which
//! the standard leaves open.
//!
//! Invariant: no operation is moved or rounded differently. Complexity: linear, but for
//! the search for a 1 before the left operand of a product, which looks at
//! [`SEARCHED`](super::share::SEARCHED) operations at most.

use super::ir::{Op, Operation};
use super::share::operand_start;
use alloc::vec::Vec;

/// The same relation in fewer or cheaper operations.
pub(super) fn fold(operations: &[Operation]) -> Vec<Operation> {
    let mut folded: Vec<Operation> = Vec::new();
    for operation in operations {
        match Change::of(operation.op, &folded) {
            Change::Keep => folded.push(*operation),
            Change::Remove => _ = folded.pop(),
            Change::RemoveLeft(one) => _ = folded.remove(one),
            Change::Replace(count, op) => {
                folded.truncate(folded.len() - count);
                folded.push(Operation { op, ..*operation });
            }
            Change::ReplaceConstant(value, op) => {
                folded.pop();
                folded.extend([Op::Constant { value }, op].map(|op| Operation { op, ..*operation }));
            }
        }
    }
    folded
}

/// A rewriting of the end of the folded operations and the operation behind them.
enum Change {
    /// The operation stays.
    Keep,
    /// It and the operation before it go.
    Remove,
    /// It and so many operations before it become this one.
    Replace(usize, Op),
    /// It and the constant before it become another constant and operation.
    ReplaceConstant(f64, Op),
    /// It and the constant at this index, its left operand, go.
    RemoveLeft(usize),
}

impl Change {
    fn of(op: Op, folded: &[Operation]) -> Self {
        let mut last = folded.iter().rev().map(|operation| operation.op);
        match (op, last.next(), last.next()) {
            (Op::Negate, Some(Op::Constant { value }), _) => Self::Replace(1, Op::Constant { value: -value }),
            (_, Some(Op::Constant { value: y }), Some(Op::Constant { value: x })) if op.operands() == 2 => {
                match evaluate(op, x, y) {
                    // Only the processor knows the sign of a NaN.
                    value if value.is_nan() => Self::Keep,
                    value => Self::Replace(2, Op::Constant { value }),
                }
            }
            // 1·x, x·1, x/1, x−0 and x+(−0) are x.
            (Op::Mul, ..) if let Some(one) = one_as_left_operand(folded) => Self::RemoveLeft(one),
            (Op::Mul | Op::Div, Some(Op::Constant { value: 1.0 }), _) => Self::Remove,
            (Op::Sub | Op::Add, Some(Op::Constant { value: zero }), _)
                if zero == 0.0 && zero.is_sign_negative() == (op == Op::Add) =>
            {
                Self::Remove
            }
            // The reciprocal of a power of two is exact.
            (Op::Div, Some(Op::Constant { value: y }), _) if has_exact_reciprocal(y) => {
                Self::ReplaceConstant(1.0 / y, Op::Mul)
            }
            _ => Self::Keep,
        }
    }
}

/// The index of the constant 1 that is the left operand of a product behind `folded`.
fn one_as_left_operand(folded: &[Operation]) -> Option<usize> {
    let one = operand_start(folded)?.checked_sub(1)?;
    (folded[one].op == Op::Constant { value: 1.0 }).then_some(one)
}

/// Whether `y` is a power of two whose reciprocal is a normal number too.
fn has_exact_reciprocal(y: f64) -> bool {
    let bits = y.to_bits();
    let exponent = bits >> 52 & 0x7FF;
    bits << 12 == 0 && (1..=2045).contains(&exponent)
}

fn evaluate(op: Op, x: f64, y: f64) -> f64 {
    match op {
        Op::Add => x + y,
        Op::Sub => x - y,
        Op::Mul => x * y,
        Op::Div => x / y,
        _ => crate::front::bug!("no operation on two operands"),
    }
}
