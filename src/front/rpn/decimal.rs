//! Decimal text as the f64 nearest to it, halves to even.
//!
//! Short numbers are one product or quotient of two exact f64. All others are a
//! quotient of two large integers, divided to 64 bits and rounded once.

use alloc::{vec, vec::Vec};

/// Digits beyond these cannot turn a tie: halves between two f64 have at most
/// 767.
const DIGITS: usize = 800;

/// Reads digits, a point, digits and an exponent from the beginning of `text`;
/// gives the number and how many bytes it takes.
pub(super) fn number(text: &[u8]) -> Option<(f64, usize)> {
    let count = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = count(0);
    let fraction = if text.get(whole) == Some(&b'.') { Some(count(whole + 1)) } else { None };
    if whole + fraction.unwrap_or(0) == 0 {
        return None;
    }
    let mut end = whole + fraction.map_or(0, |digits| digits + 1);
    let point = end;
    let mut exponent = 0i64;
    if let Some(b'e' | b'E') = text.get(end) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let first = end + 1 + sign;
        let digits = if first <= text.len() { count(first) } else { 0 };
        if digits > 0 {
            // An exponent that saturates makes 0 or infinity, whatever it is.
            exponent = text[first..first + digits]
                .iter()
                .fold(0, |value: i64, digit| (value * 10 + i64::from(digit - b'0')).min(1 << 40));
            if text[end + 1] == b'-' {
                exponent = -exponent;
            }
            end = first + digits;
        }
    }
    let digits = text[..point].iter().filter(|byte| **byte != b'.').map(|byte| byte - b'0');
    Some((nearest(digits, exponent - fraction.unwrap_or(0) as i64), end))
}

/// The f64 nearest to the number with these digits, times 10^`exponent`.
fn nearest(digits: impl Iterator<Item = u8>, mut exponent: i64) -> f64 {
    let mut kept = Vec::new();
    let mut lost = false;
    for digit in digits.skip_while(|digit| *digit == 0) {
        if kept.len() < DIGITS {
            kept.push(digit);
        } else {
            lost |= digit != 0;
            exponent += 1;
        }
    }
    if lost {
        kept.push(1);
        exponent -= 1;
    }
    while kept.last() == Some(&0) {
        kept.pop();
        exponent += 1;
    }
    let magnitude = exponent + kept.len() as i64;
    if kept.is_empty() || magnitude < -330 {
        return 0.0;
    }
    if magnitude > 310 {
        return f64::INFINITY;
    }
    let short = kept.len() <= 15 && exponent.abs() <= 22;
    if short {
        let value = kept.iter().fold(0.0, |value, digit| value * 10.0 + f64::from(*digit));
        let power = (0..exponent.abs()).fold(1.0, |power, _| power * 10.0);
        return if exponent < 0 { value / power } else { value * power };
    }
    let (mut above, mut below) = (Large(Vec::new()), Large(vec![1]));
    for nine in kept.chunks(9) {
        let value = nine.iter().fold(0, |value, digit| value * 10 + u32::from(*digit));
        above.times_plus(10u32.pow(nine.len() as u32), value);
    }
    let scaled = if exponent < 0 { &mut below } else { &mut above };
    for _ in 0..exponent.abs() / 9 {
        scaled.times_plus(1_000_000_000, 0);
    }
    scaled.times_plus(10u32.pow((exponent.abs() % 9) as u32), 0);
    quotient(above, below)
}

/// The f64 nearest to `above / below`.
fn quotient(mut above: Large, mut below: Large) -> f64 {
    // Scaled by 2^scale the quotient is in 2⁶² to 2⁶⁴.
    let scale = 63 - (above.bits() - below.bits());
    if scale > 0 {
        above.shift(scale.unsigned_abs())
    } else {
        below.shift(scale.unsigned_abs())
    }
    below.shift(63);
    let mut quotient = 0u64;
    for _ in 0..64 {
        quotient = quotient << 1 | u64::from(above.take(&below));
        above.shift(1);
    }
    let more = above.0.iter().any(|limb| *limb != 0);
    let bits = 64 - quotient.leading_zeros() as i32;
    // The number is in 2^exponent to 2^(exponent+1).
    let exponent = bits - 1 - scale;
    let precision = 53.min(exponent + 1075);
    if precision < 0 {
        return 0.0;
    }
    let drop = bits - precision;
    let (wide, half) = (u128::from(quotient), 1u128 << (drop - 1));
    let (kept, lost) = ((wide >> drop) as u64, wide & ((1 << drop) - 1));
    let up = lost > half || lost == half && (more || kept & 1 == 1);
    let significand = kept + u64::from(up);
    // A carry out of the significand is the next exponent, in the end infinity.
    let biased = (exponent + 1022).max(0) as u64;
    f64::from_bits(((biased << 52) + significand).min(0x7FF0_0000_0000_0000))
}

/// A large natural number, its lowest 32 bits first.
struct Large(Vec<u32>);

impl Large {
    fn bits(&self) -> i32 {
        let used = self.0.iter().rposition(|limb| *limb != 0).map_or(0, |last| last + 1);
        let top = used.checked_sub(1).map_or(0, |last| self.0[last].leading_zeros());
        used as i32 * 32 - top as i32
    }

    fn times_plus(&mut self, factor: u32, term: u32) {
        let mut carry = u64::from(term);
        for limb in &mut self.0 {
            carry += u64::from(*limb) * u64::from(factor);
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry != 0 {
            self.0.push(carry as u32);
        }
    }

    fn shift(&mut self, by: u32) {
        for _ in 0..by / 32 {
            self.0.insert(0, 0);
        }
        self.times_plus(1 << (by % 32), 0);
    }

    /// Takes `other` away, if it can be; says whether.
    fn take(&mut self, other: &Self) -> bool {
        let size = self.0.len().max(other.0.len());
        let limb = |large: &Self, i: usize| large.0.get(i).copied().unwrap_or(0);
        for i in (0..size).rev() {
            let (mine, theirs) = (limb(self, i), limb(other, i));
            if mine < theirs {
                return false;
            }
            if mine > theirs {
                break;
            }
        }
        let mut borrow = false;
        for i in 0..self.0.len() {
            let (rest, first) = self.0[i].overflowing_sub(limb(other, i));
            let (rest, second) = rest.overflowing_sub(u32::from(borrow));
            self.0[i] = rest;
            borrow = first || second;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::String};

    #[track_caller]
    fn same(text: &str) {
        let expected: f64 = text.parse().expect("a number");
        let (value, size) = number(text.as_bytes()).expect("a number");
        assert_eq!((value.to_bits(), size), (expected.to_bits(), text.len()), "{text}");
    }

    #[test]
    fn numbers_read_as_the_standard_library_reads_them() {
        for text in [
            "0",
            "0.0",
            "1",
            "3.7",
            ".5",
            "5.",
            "1e22",
            "1e23",
            "9007199254740993",
            "9007199254740992.5",
            "4.9e-324",
            "2.4703282292062327e-324",
            "2.4703282292062328e-324",
            "1e-400",
            "1e400",
            "1e99999999999",
            "1.7976931348623157e308",
            "1.7976931348623159e308",
            "2.2250738585072011e-308",
            "0e999",
            "1e-22",
            "123456789012345678901234567890",
            "0.000000000000000000000000000000000000001",
            "1E5",
            "1e+5",
        ] {
            same(text);
        }
        let mut state = 88_172_645_463_325_252u64;
        for _ in 0..3000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let value = f64::from_bits(state >> 1);
            if value.is_finite() {
                same(&format!("{value:e}"));
                same(&format!("{value:.5e}"));
                same(&format!("{:e}", f64::from_bits(state >> 1 & 0x7FFF_FFFF_F000_0000)));
                // Exactly between two neighbours, and a little above.
                if value > 1e-300 && value < 1e300 {
                    let half = format!("{:.800e}", value);
                    same(&half);
                }
            }
        }
        let halfway: String = format!("{:.0}", 2f64.powi(200) + 2f64.powi(147));
        same(&halfway);
        same("9007199254740993.00000000000000000000000000000000000000000000001");
    }

    #[test]
    fn what_follows_a_number_stays() {
        for (text, size) in [("1e", 1), ("1e+", 1), ("1.5.5", 3), ("2(1)", 1), ("7-1", 1), ("1.e5x", 4)] {
            assert_eq!(number(text.as_bytes()).map(|(_, size)| size), Some(size), "{text}");
        }
        assert_eq!(number(b"."), None);
        assert_eq!(number(b".e5"), None);
        assert_eq!(number(b"-1"), None);
    }
}
