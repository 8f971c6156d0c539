//! Decimal text as the nearest f64, ties to even: long division of two large integers, to
//! one bit more than an f64 keeps (Clinger, 1990). Quadratic in the digits, of which at
//! most 800 count.

use alloc::{vec, vec::Vec};

/// Digits beyond these cannot turn a tie: halves between two f64 have at most
/// 767.
const DIGITS: usize = 800;

/// Reads digits, a point, digits and an exponent from the beginning of `text`;
/// gives the number and how many bytes it takes.
pub(super) fn number(text: &[u8]) -> Option<(f64, usize)> {
    let digit = |at: usize| text.get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0');
    let (mut above, mut digits, mut exponent) = (Large(Vec::new()), 0, 0i64);
    let (mut at, mut point) = (0, None);
    let mut lost = false;
    loop {
        if let Some(digit) = digit(at) {
            if digits < DIGITS {
                above.times_plus(10, digit.into());
                digits += usize::from(!above.0.is_empty());
            } else {
                lost |= digit != 0;
                exponent += 1;
            }
        } else if text.get(at) == Some(&b'.') && point.is_none() {
            point = Some(at + 1);
        } else {
            break;
        }
        at += 1;
    }
    if at == usize::from(point.is_some()) {
        return None;
    }
    if let Some(point) = point {
        exponent -= (at - point) as i64;
    }
    if lost {
        above.times_plus(10, 1);
        exponent -= 1;
        digits += 1;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = text.get(at + 1).filter(|byte| matches!(byte, b'+' | b'-'));
        let (mut end, mut written) = (at + 1 + usize::from(sign.is_some()), 0i64);
        while let Some(digit) = digit(end) {
            // An exponent this large makes 0 or infinity.
            written = (written * 10 + i64::from(digit)).min(1 << 40);
            (at, end) = (end + 1, end + 1);
        }
        exponent += if sign == Some(&b'-') { -written } else { written };
    }
    Some((nearest(above, digits as i64, exponent), at))
}

/// The f64 nearest to `above`, which has so many digits, times 10^`exponent`.
fn nearest(mut above: Large, digits: i64, exponent: i64) -> f64 {
    let mut below = Large(vec![1]);
    match digits + exponent {
        _ if above.0.is_empty() => return 0.0,
        ..-330 => return 0.0,
        311.. => return f64::INFINITY,
        _ => {}
    }
    let scaled = if exponent < 0 { &mut below } else { &mut above };
    for _ in 0..exponent.unsigned_abs() {
        scaled.times_plus(10, 0);
    }
    // The number is above / below · 2^scale, a quotient of 1 up to 2.
    let mut scale = 0;
    while !above.is_below(&below) {
        below.times_plus(2, 0);
        scale += 1;
    }
    while above.is_below(&below) {
        above.times_plus(2, 0);
        scale -= 1;
    }
    // How many bits there are, from the first to the last that an f64 has.
    let bits = 53.min(scale + 1075);
    if bits < 0 {
        return 0.0;
    }
    let mut quotient = 0u64;
    for _ in 0..=bits {
        quotient <<= 1;
        if !above.is_below(&below) {
            above.take(&below);
            quotient |= 1;
        }
        above.times_plus(2, 0);
    }
    // The last bit is half of one. Round up if more follows or the number is odd.
    let more = above.0.iter().any(|limb| *limb != 0);
    let up = quotient & 1 & (quotient >> 1 | u64::from(more));
    // A carry out of the significand is the next exponent, in the end infinity.
    let biased = (scale + 1022).max(0) as u64;
    f64::from_bits(((biased << 52) + (quotient >> 1) + up).min(f64::INFINITY.to_bits()))
}

/// A large natural number, its lowest 32 bits first.
struct Large(Vec<u32>);

impl Large {
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

    fn limb(&self, i: usize) -> u32 {
        self.0.get(i).copied().unwrap_or(0)
    }

    fn is_below(&self, other: &Self) -> bool {
        let size = self.0.len().max(other.0.len());
        let differing = (0..size).rev().find(|i| self.limb(*i) != other.limb(*i));
        differing.is_some_and(|i| self.limb(i) < other.limb(i))
    }

    /// Subtracts `other`, which is no larger.
    fn take(&mut self, other: &Self) {
        let mut borrow = 0;
        for (i, limb) in self.0.iter_mut().enumerate() {
            let rest = i64::from(*limb) - i64::from(other.limb(i)) + borrow;
            *limb = rest as u32;
            borrow = rest >> 32;
        }
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
