//! Instruction combining: neighbouring operations of one family become one.
//!
//! Source: LLVM's InstCombine does the same for pairs of instructions. The rules here
//! are the compositions of the two closed families (see [`ir`](super::ir)), of shifts,
//! quotients and remainders, and four exchanges that bring operations of one family
//! next to each other.
//!
//! Invariant: no two neighbours of a combined list combine further, and the list
//! computes what its operations computed one after the other, for every term.
//! Complexity: linear. An append looks at the last two operations of the list, and an
//! exchange is followed by a bounded number of others, for it moves an operation past
//! one neighbour that cannot be passed twice.

use super::ir::{Op, Operation};
use alloc::vec::Vec;

/// These operations, combined.
pub(super) fn combine(operations: &[Operation]) -> Vec<Operation> {
    let mut combined = Vec::new();
    for operation in operations {
        append(&mut combined, *operation);
    }
    combined
}

/// Appends `operation` to a combined list and combines it with the end of the list.
pub(super) fn append(list: &mut Vec<Operation>, mut operation: Operation) {
    operation.op = operation.op.canonical();
    while let Some(last) = list.last() {
        let Some(op) = last.op.then(operation.op) else { break };
        operation.op = op.canonical();
        if last.end > operation.end {
            (operation.end, operation.rotated) = (last.end, Some(operation.end));
        }
        list.pop();
    }
    if operation.op == Op::IDENTITY {
        return;
    }
    let Some(exchanged) = exchange(list, operation.op) else { return list.push(operation) };
    list.pop();
    for op in exchanged {
        append(list, Operation { op, ..operation });
    }
}

/// Two operations that do the same as the last of `list` and `op` behind it, in an
/// order that may combine with their neighbours.
fn exchange(list: &[Operation], op: Op) -> Option<[Op; 2]> {
    let (last, before) = list.split_last()?;
    let before = before.last().map(|before| before.op);
    Some(match (before, last.op, op) {
        // −x / d = −(x / d). Negating a quotient cannot overflow: it is not −2⁶³.
        (Some(Op::Quotient { .. }), Op::NEGATION, Op::Quotient { .. }) => [op, Op::NEGATION],
        // An arithmetic shift treats every bit alike, so it commutes with `bits`.
        (_, Op::Bits { and, xor }, Op::Sar { count }) => {
            [op, Op::Bits { and: and >> count, xor: xor >> count }]
        }
        // So does a left shift; it moves only if it then combines.
        (Some(Op::Affine { .. }), Op::Bits { and, xor }, Op::Affine { factor, addend: 0 })
            if factor.count_ones() == 1 =>
        {
            [op, Op::Bits { and: and.wrapping_mul(factor), xor: xor.wrapping_mul(factor) }]
        }
        // Right and then left again by `count` clears the low bits; the rest of the
        // distance is a shift.
        (_, Op::Sar { count }, Op::Affine { factor, addend }) if factor.trailing_zeros() >= count => {
            [Op::Bits { and: -1 << count, xor: 0 }, Op::Affine { factor: factor >> count, addend }]
        }
        (_, Op::Sar { count }, Op::Affine { factor, addend: 0 })
            if factor > 0 && factor & (factor - 1) == 0 =>
        {
            let left = factor.trailing_zeros();
            [Op::Sar { count: count - left }, Op::Bits { and: -1 << left, xor: 0 }]
        }
        _ => return None,
    })
}

impl Op {
    /// The same operation in the form that others are compared with.
    fn canonical(self) -> Self {
        match self {
            Self::Affine { factor: 0, addend: value } | Self::Bits { and: 0, xor: value } => {
                Self::Constant { value }
            }
            Self::Bits { and: -1, xor: 0 } => Self::IDENTITY,
            op => op,
        }
    }

    /// The composition `next ∘ self` as one operation, if there is one.
    fn then(self, next: Self) -> Option<Self> {
        Some(match (self, next) {
            (_, Self::Constant { .. }) => next,
            (Self::Constant { value }, next) => Self::Constant { value: next.apply(value) },
            (first, Self::IDENTITY) => first,
            (Self::IDENTITY, next) => next,
            (Self::Affine { factor: a, addend: b }, Self::Affine { factor: c, addend: d }) => {
                Self::Affine { factor: a.wrapping_mul(c), addend: b.wrapping_mul(c).wrapping_add(d) }
            }
            (Self::Bits { and, xor }, Self::Bits { and: mask, xor: flip }) => {
                Self::Bits { and: and & mask, xor: xor & mask ^ flip }
            }
            (affine @ Self::Affine { .. }, Self::Bits { and: -1, xor }) => {
                return affine.then(Self::flip_as_affine(xor)?);
            }
            (Self::Bits { and: -1, xor }, affine @ Self::Affine { .. }) => {
                return Self::flip_as_affine(xor)?.then(affine);
            }
            (Self::Sar { count: j }, Self::Sar { count: k }) => Self::Sar { count: (j + k).min(63) },
            // A quotient by more than 2⁶³ is zero for every term.
            (Self::Quotient { divisor: c }, Self::Quotient { divisor: d }) => match c.checked_mul(d) {
                Some(divisor) if divisor <= 1 << 63 => Self::Quotient { divisor },
                _ => Self::Constant { value: 0 },
            },
            (Self::Remainder { divisor: c }, Self::Remainder { divisor: d }) if d >= c => self,
            (Self::Remainder { divisor: c }, Self::Remainder { divisor: d }) if c % d == 0 => next,
            _ => return None,
        })
    }

    /// `x ^ xor` as a sum: flipping all bits is −x − 1, and flipping the highest bit
    /// adds 2⁶³.
    fn flip_as_affine(xor: i64) -> Option<Self> {
        match xor {
            -1 => Some(Self::Affine { factor: -1, addend: -1 }),
            i64::MIN => Some(Self::Affine { factor: 1, addend: i64::MIN }),
            _ => None,
        }
    }
}
