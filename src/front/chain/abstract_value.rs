//! The abstract value of a term: a range and known bits.
//!
//! ```text
//! range: intervals by inclusion          bits: each of the 64 by itself
//!
//!         [−2⁶³, 2⁶³−1]       ⊤                    ?         ⊤
//!         /           \                           / \
//!   [−2⁶³, −1]     [0, 2⁶³−1]                    0   1
//!       …     [0, 9]    …
//!    −2⁶³ …  −1   0   1  …                ? unknown, 0 and 1 known
//! ```
//!
//! An [`AbstractValue`] is an element of the product of both lattices, reduced: the
//! range and the bits tell each other all they know (Cousot and Cousot, 1979; known
//! bits as in LLVM's `KnownBits`). There is no ⊥, for every relation has a start, so at
//! least one concrete value is always represented.
//!
//! Invariant: `low ≤ high`; `value` is zero in every unknown bit; every concrete value
//! of the term lies in the range and agrees with the known bits. All operations take
//! constant time.

use core::fmt;

/// The integers from `low` to `high`, both included, whose bits outside `unknown` are
/// those of `value`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct AbstractValue {
    pub(super) low: i64,
    pub(super) high: i64,
    pub(super) unknown: i64,
    pub(super) value: i64,
}

impl AbstractValue {
    /// ⊤: any integer.
    pub(super) const TOP: Self = Self { low: i64::MIN, high: i64::MAX, unknown: -1, value: 0 };

    /// One integer.
    pub(super) const fn constant(value: i64) -> Self {
        Self { low: value, high: value, unknown: 0, value }
    }

    /// The range between two ends in either order, modulo 2⁶⁴; ⊤ if it wraps from the
    /// largest integer to the smallest.
    pub(super) fn between(x: i128, y: i128) -> Self {
        let wraps = |end: i128| (end + (1 << 63)) >> 64;
        if wraps(x) != wraps(y) {
            return Self::TOP;
        }
        Self { low: x.min(y) as i64, high: x.max(y) as i64, ..Self::TOP }.reduced()
    }

    /// All integers whose bits outside `unknown` are those of `value`.
    pub(super) fn bits(unknown: i64, value: i64) -> Self {
        Self { unknown, value: value & !unknown, ..Self::TOP }.reduced()
    }

    /// The greatest lower bound: both facts hold.
    pub(super) fn meet(self, other: Self) -> Self {
        let (low, high) = (self.low.max(other.low), self.high.min(other.high));
        Self { low, high, unknown: self.unknown & other.unknown, value: self.value | other.value }.reduced()
    }

    /// The least upper bound: at least one of both facts holds.
    pub(super) fn join(self, other: Self) -> Self {
        let unknown = self.unknown | other.unknown | self.value ^ other.value;
        let (low, high) = (self.low.min(other.low), self.high.max(other.high));
        Self { low, high, unknown, value: self.value & !unknown }
    }

    /// Widening: the ends grow to the next power of two, so that an ascending chain has
    /// at most 128 different ranges.
    pub(super) fn widened(self) -> Self {
        let size = |value: i64| 64 - ((value ^ value >> 63) as u64).leading_zeros();
        let low = if self.low >= 0 { 0 } else { (-1i64).unbounded_shl(size(self.low)) };
        let high = if self.high < 0 { -1 } else { !(-1i64).unbounded_shl(size(self.high)) };
        Self { low, high, ..self }
    }

    /// The same set, with all that the range says of the bits and the bits of the range.
    fn reduced(self) -> Self {
        let low = self.low.max(self.value | self.unknown & i64::MIN);
        let high = self.high.min(self.value | self.unknown & i64::MAX);
        // All integers of the range agree above the highest bit in which its ends differ.
        let differing = (low ^ high) as u64;
        let below = u64::MAX.unbounded_shr(differing.leading_zeros()) as i64;
        let unknown = self.unknown & below;
        Self { low, high, unknown, value: (self.value | low & !below) & !unknown }
    }

    pub(super) const fn is_non_negative(self) -> bool {
        self.low >= 0
    }
}

impl fmt::Display for AbstractValue {
    /// The range, and the known bits unless they follow from it: `[4, 94], bits 0x4 of 0x7`
    /// are the x from 4 to 94 with `x & 7 == 4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::TOP {
            return f.write_str("any");
        }
        write!(f, "[{}, {}]", self.low, self.high)?;
        if Self::between(self.low.into(), self.high.into()).unknown == self.unknown {
            return Ok(());
        }
        write!(f, ", bits {:#x} of {:#x}", self.value as u64, !self.unknown as u64)
    }
}
