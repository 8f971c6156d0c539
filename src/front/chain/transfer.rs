//! Transfer functions: the abstract value of a term behind an operation, from the one
//! before it (Cousot, Cousot, *Abstract interpretation*, 1977).
//!
//! Invariant: sound. If x is among the values before, the operation's result for x is
//! among the values behind it. Constant time.

use super::abstract_value::AbstractValue;
use super::ir::{Op, Operation};

/// The abstract value behind all of `operations`.
pub(super) fn transfer_all(operations: &[Operation], before: AbstractValue) -> AbstractValue {
    operations.iter().fold(before, |value, operation| operation.op.transfer(value))
}

impl Op {
    /// The abstract value behind this operation.
    pub(super) fn transfer(self, x: AbstractValue) -> AbstractValue {
        let wide = i128::from;
        let ends = |low: i64, high: i64| AbstractValue::between(wide(low), wide(high));
        match self {
            Self::Affine { factor, addend } => {
                // The low bits of the result are known up to the lowest unknown bit of x,
                // shifted left by the zeros of the factor.
                let known = x.unknown.trailing_zeros() + factor.trailing_zeros();
                let bits = AbstractValue::bits((-1i64).unbounded_shl(known), self.apply(x.value));
                let end = |end: i64| wide(factor) * wide(end) + wide(addend);
                AbstractValue::between(end(x.low), end(x.high)).meet(bits)
            }
            Self::Bits { and, .. } => AbstractValue::bits(x.unknown & and, self.apply(x.value)),
            Self::Sar { count } => {
                let bits = AbstractValue::bits(x.unknown >> count, x.value >> count);
                ends(x.low >> count, x.high >> count).meet(bits)
            }
            Self::Remainder { divisor } if self.common_quotient(x).is_none() => {
                let most = (divisor - 1) as i64;
                ends(x.low.max(-most).min(0), x.high.min(most).max(0))
            }
            // Monotonic: a quotient everywhere, a remainder where all quotients agree.
            Self::Quotient { .. } | Self::Remainder { .. } => ends(self.apply(x.low), self.apply(x.high)),
            Self::Constant { value } => AbstractValue::constant(value),
        }
    }

    /// For a remainder: the quotient, if it is the same for every `x`.
    pub(super) fn common_quotient(self, x: AbstractValue) -> Option<i64> {
        let Self::Remainder { divisor } = self else { return None };
        let [low, high] = [x.low, x.high].map(|end| Self::Quotient { divisor }.apply(end));
        (low == high).then_some(low)
    }
}
