//! Strength reduction: division by a constant as multiplication by its reciprocal, the
//! magic number (Granlund and Montgomery, 1994; Warren, Hacker's Delight, chapter 10),
//! with the smallest shift that the range of the dividends allows.
//!
//! With N = 64 + shift and m = ⌊2ᴺ / d⌋ + 1, the excess e = m·d − 2ᴺ is at most
//! d, and ⌊x·m / 2ᴺ⌋ is ⌊x / d⌋ for 0 ≤ x as long as x·e < 2ᴺ. For negative x
//! the same product, rounded down, is the quotient less 1, as long as |x|·e ≤ 2ᴺ.

/// A reciprocal of a divisor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Magic {
    /// m, below 2⁶⁴.
    pub(super) factor: u64,
    /// How far to shift the high half of the product.
    pub(super) shift: u32,
}

impl Magic {
    /// The reciprocal of `divisor`, which is no power of two and below 2⁶³, for
    /// dividends from `low` to `high`.
    pub(super) fn new(divisor: u64, low: i64, high: i64) -> Self {
        debug_assert!(!divisor.is_power_of_two());
        let above = high.max(0).unsigned_abs();
        let below = low.min(0).unsigned_abs();
        // Quotient and remainder of 2ᴺ / d, which is no whole number.
        let (mut quotient, mut shift) = (u64::MAX / divisor, 0);
        let mut rest = u64::MAX.wrapping_sub(quotient.wrapping_mul(divisor)) + 1;
        loop {
            // At the latest when 2^shift is the last power below d, e < 2^(shift+1)
            // suffices for every dividend; and until then m < 2⁶⁴.
            let power = 1u128 << (64 + shift);
            let excess = divisor - rest;
            let product = |x: u64| u128::from(x) * u128::from(excess);
            if product(above) < power && product(below) <= power {
                return Self { factor: quotient + 1, shift };
            }
            let carry = rest >= excess;
            quotient = quotient << 1 | u64::from(carry);
            rest = if carry { rest - excess } else { rest << 1 };
            shift += 1;
        }
    }

    /// The factor with which remainders need no quotient (Lemire, Kaser and Kurz,
    /// 2019): ⌊(x·m mod 2⁶⁴)·d / 2⁶⁴⌋ is x mod d for natural x with x·e < 2⁶⁴.
    pub(super) fn direct(divisor: u64, high: i64) -> Option<u64> {
        let magic = Self::new(divisor, 0, high);
        (magic.shift == 0).then_some(magic.factor)
    }
}
