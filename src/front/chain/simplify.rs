//! Simplification under a range: each operation becomes the simplest one that gives
//! the same result for the abstract value before it.
//!
//! Source: LLVM's correlated value propagation and InstSimplify. A remainder of small
//! terms is a difference, a remainder of non-negative terms by a power of two is a mask,
//! a quotient is a shift, and a mask of known bits is a flip or nothing.
//!
//! Invariant: the same result for every term in the abstract value, not for others.
//! The list is combined again as it grows. Linear time.

use super::abstract_value::AbstractValue;
use super::combine::append;
use super::ir::{Op, Operation};
use alloc::vec::Vec;

/// These operations for terms like `first`.
pub(super) fn simplify(operations: &[Operation], first: AbstractValue) -> Vec<Operation> {
    let mut simplified = Vec::new();
    let mut x = first;
    let is_affine = |index: usize| {
        operations.get(index).is_some_and(|operation| matches!(operation.op, Op::Affine { .. }))
    };
    for (index, operation) in operations.iter().enumerate() {
        let mut op = operation.op.within(x);
        // Between two affine operations a flip of known bits combines with both.
        if is_affine(index.wrapping_sub(1)) && is_affine(index + 1) {
            op = op.flip_of_known_bits(x).unwrap_or(op);
        }
        append(&mut simplified, Operation { op, ..*operation });
        x = operation.op.transfer(x);
    }
    simplified
}

impl Op {
    /// The simplest operation with the same result for such an `x`.
    fn within(self, x: AbstractValue) -> Self {
        let after = self.transfer(x);
        if after.low == after.high {
            return Self::Constant { value: after.low };
        }
        if self.common_quotient(x).is_some() {
            return Self::Affine { factor: 1, addend: self.apply(x.low).wrapping_sub(x.low) };
        }
        match self {
            Self::Remainder { divisor } if x.is_non_negative() && divisor.is_power_of_two() => {
                Self::Bits { and: (divisor - 1) as i64, xor: 0 }
            }
            Self::Quotient { divisor } if x.is_non_negative() && divisor.is_power_of_two() => {
                Self::Sar { count: divisor.trailing_zeros() }
            }
            // Every bit that the mask clears is known.
            Self::Bits { and, xor } if x.unknown & !and == 0 => {
                Self::Bits { and: -1, xor: xor ^ x.value & !and }
            }
            op => op,
        }
    }

    /// A flip of bits that are all known is a sum: set bits are added, cleared bits are
    /// subtracted.
    fn flip_of_known_bits(self, x: AbstractValue) -> Option<Self> {
        match self {
            Self::Bits { and: -1, xor } if xor & x.unknown == 0 => {
                Some(Self::Affine { factor: 1, addend: (xor & !x.value).wrapping_sub(xor & x.value) })
            }
            _ => None,
        }
    }
}
