//! Demanded bits: constants shrink where the bits that they make are not used.
//!
//! Source: LLVM's `SimplifyDemandedBits`. A backward walk carries the mask of the bits
//! of the result that matter; each operation picks the smallest constants that agree in
//! those bits, for terms like the abstract value before it.
//!
//! Invariant: the last result agrees in all bits for every term in the abstract value;
//! results between may differ in bits that nothing reads. Linear time.

use super::abstract_value::AbstractValue;
use super::ir::{Op, Operation};
use alloc::vec::Vec;

/// Rewrites `operations` for terms like `first`, all bits of the last result demanded.
pub(super) fn demand(operations: &mut [Operation], first: AbstractValue) {
    let mut x = first;
    let mut before = Vec::with_capacity(operations.len());
    for operation in operations.iter() {
        before.push(x);
        x = operation.op.transfer(x);
    }
    let mut demanded = -1;
    for (operation, x) in operations.iter_mut().zip(before).rev() {
        (operation.op, demanded) = operation.op.demanded(x, demanded);
    }
}

impl Op {
    /// The same operation in the `demanded` bits of its result, and the bits of `x` that
    /// it demands then.
    fn demanded(self, x: AbstractValue, demanded: i64) -> (Self, i64) {
        match self {
            Self::Affine { factor, addend } => affine(factor, addend, x, demanded),
            Self::Bits { and, xor } => {
                let (and, xor) = bits(and, xor, x, demanded);
                (Self::Bits { and, xor }, demanded & and)
            }
            Self::Sar { count } => {
                // The highest bits of the result are copies of the sign.
                let sign = if demanded as u64 >> (64 - count) != 0 { i64::MIN } else { 0 };
                (self, demanded << count | sign)
            }
            Self::Quotient { .. } | Self::Remainder { .. } => (self, -1),
            Self::Constant { .. } => (self, 0),
        }
    }
}

/// Carries go up only: a result bit depends on the bits of x below it and on itself.
fn affine(factor: i64, addend: i64, x: AbstractValue, demanded: i64) -> (Op, i64) {
    let unused = (demanded as u64).leading_zeros();
    if unused > 63 {
        return (Op::Affine { factor, addend }, 0);
    }
    let (factor, addend) = (factor << unused >> unused, addend << unused >> unused);
    // Low bits of the addend that meet zeros carry nothing to the bits above.
    let zeros = (x.unknown | x.value).trailing_zeros() + factor.trailing_zeros();
    let addend = addend & (-1i64).unbounded_shl(zeros.min(demanded.trailing_zeros()));
    (Op::Affine { factor, addend }, (u64::MAX >> unused) as i64)
}

/// The mask and the flip. Known and undemanded bits may be masked or not. The best form
/// has no mask; the next best is a disjunction; the last has no flip.
fn bits(and: i64, xor: i64, x: AbstractValue, demanded: i64) -> (i64, i64) {
    let (open, known) = (demanded & x.unknown, demanded & !x.unknown);
    let after = x.value & and ^ xor;
    let (set, cleared) = (known & after & !x.value, known & x.value & !after);
    if open & !and == 0 {
        (-1, open & xor | set | cleared)
    } else if open & (and ^ !xor) == 0 && cleared == 0 {
        (!(open & xor | set), open & xor | set)
    } else if open & xor == 0 && set == 0 {
        (and & !(known & x.value) | known & x.value & !cleared, 0)
    } else {
        (and, xor & demanded)
    }
}
