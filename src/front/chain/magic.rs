//! Division by a constant as multiplication by its reciprocal (Granlund and
//! Montgomery, 1994), scaled no more than the range of the dividends asks for.
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
        let above = high.max(0).unsigned_abs();
        let below = low.min(0).unsigned_abs();
        let d = u128::from(divisor);
        let mut shift = 0;
        loop {
            // At the latest when 2^shift is the last power below d, e < 2^(shift+1)
            // suffices for every dividend; and until then m < 2⁶⁴.
            let power = 1u128 << (64 + shift);
            let factor = power / d + 1;
            let excess = factor * d - power;
            if u128::from(above) * excess < power && u128::from(below) * excess <= power {
                return Self { factor: factor as u64, shift };
            }
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
