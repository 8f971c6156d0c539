//! What is known of a term: its range, and some of its bits.

/// The values that a term can have: `low` to `high`, both included, with every
/// bit outside `unknown` as in `value`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct State {
    pub(super) low: i64,
    pub(super) high: i64,
    pub(super) unknown: i64,
    /// Zero where unknown.
    pub(super) value: i64,
}

impl State {
    pub(super) const ANY: Self = Self { low: i64::MIN, high: i64::MAX, unknown: -1, value: 0 };

    pub(super) const fn one(value: i64) -> Self {
        Self { low: value, high: value, unknown: 0, value }
    }

    /// From here to there, in either order, modulo 2⁶⁴; anything if that is not one
    /// range of signed integers.
    pub(super) fn between(x: i128, y: i128) -> Self {
        let wraps = |end: i128| (end + (1 << 63)) >> 64;
        if wraps(x) != wraps(y) {
            return Self::ANY;
        }
        Self { low: x.min(y) as i64, high: x.max(y) as i64, ..Self::ANY }.refined()
    }

    /// What only bits are known of.
    pub(super) fn bits(unknown: i64, value: i64) -> Self {
        Self { unknown, value: value & !unknown, ..Self::ANY }.refined()
    }

    /// What both say.
    pub(super) fn and(self, other: Self) -> Self {
        let (low, high) = (self.low.max(other.low), self.high.min(other.high));
        Self { low, high, unknown: self.unknown & other.unknown, value: self.value | other.value }.refined()
    }

    /// Lets range and bits tell each other what they know.
    #[inline(never)]
    fn refined(self) -> Self {
        let low = self.low.max(self.value | self.unknown & i64::MIN);
        let high = self.high.min(self.value | self.unknown & i64::MAX);
        // Above the highest bit in which the ends differ, all agree.
        let below = match (low ^ high) as u64 {
            0 => 0,
            differing => (u64::MAX >> differing.leading_zeros()) as i64,
        };
        let unknown = self.unknown & below;
        Self { low, high, unknown, value: (self.value | low & !below) & !unknown }
    }

    /// What is true of both.
    pub(super) fn join(self, other: Self) -> Self {
        let unknown = self.unknown | other.unknown | self.value ^ other.value;
        let (low, high) = (self.low.min(other.low), self.high.max(other.high));
        Self { low, high, unknown, value: self.value & !unknown }
    }

    /// At least as much, with ends that are powers of two, so that growing stops.
    pub(super) fn rounded(self) -> Self {
        let size = |value: i64| ((value ^ value >> 63) as u64).checked_ilog2().map_or(0, |bit| bit + 1);
        let low = if self.low >= 0 { 0 } else { (-1i64).wrapping_shl(size(self.low)) };
        let high = if self.high < 0 { -1 } else { !(u64::MAX.wrapping_shl(size(self.high))) as i64 };
        Self { low, high, ..self }
    }

    pub(super) const fn is_natural(self) -> bool {
        self.low >= 0
    }
}
