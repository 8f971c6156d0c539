//! Numbers as text: a counter that goes up in place, integers, and floating
//! point as the shortest text that reads back the same or with a fixed number of
//! decimals.

/// What begins a line: a label, an index, a colon and a space. The last two
/// digits of the index are made anew each time, the text before them only when
/// it changes.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// The label, then the digits of `index / 100` unless that is 0.
    head: [u8; 32],
    /// The end of the label.
    label: usize,
    /// The end of the head.
    end: usize,
    /// `index % 100`.
    pair: u32,
}

impl Counter {
    /// Room for the longest beginning of a line.
    pub const WIDTH: usize = 40;

    /// A counter at `index` behind a label of up to 9 bytes.
    pub fn new(label: &str, index: u64) -> Self {
        let mut head = [0; 32];
        head[..label.len()].copy_from_slice(label.as_bytes());
        let mut counter = Self { head, label: label.len(), end: label.len(), pair: (index % 100) as u32 };
        if index >= 100 {
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(index / 100).as_bytes();
            counter.end += digits.len();
            counter.head[counter.label..counter.end].copy_from_slice(digits);
        }
        counter
    }

    /// Writes the beginning of a line to `out`, of [`WIDTH`](Self::WIDTH) bytes or
    /// more, adds 1, and gives how many bytes count.
    #[inline(always)]
    pub fn write(&mut self, out: &mut [u8]) -> usize {
        out[..32].copy_from_slice(&self.head);
        let (tens, ones) = (self.pair / 10, self.pair % 10);
        let both = (tens + ones * 0x100) | u32::from_le_bytes(*b"00: ");
        // An index below 10 has no tens.
        let single = u32::from(self.end == self.label && self.pair < 10);
        out[self.end..self.end + 4].copy_from_slice(&(both >> (8 * single)).to_le_bytes());
        let size = self.end + 4 - single as usize;
        self.pair += 1;
        if self.pair == 100 {
            self.carry();
        }
        size
    }

    #[cold]
    #[inline(never)]
    fn carry(&mut self) {
        self.pair = 0;
        for digit in self.head[self.label..self.end].iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
        self.head[self.end] = b'0';
        self.head[self.label] = b'1';
        self.end += 1;
    }
}

/// Copies a short text: up to 32 bytes in two pieces that may overlap, without a
/// call.
#[inline(always)]
pub(super) fn copy(out: &mut [u8], text: &[u8]) -> usize {
    let size = text.len();
    let out = &mut out[..size];
    if let (Some(first), Some(last)) = (text.first_chunk::<16>(), text.last_chunk::<16>())
        && size <= 32
    {
        out[..16].copy_from_slice(first);
        out[size - 16..].copy_from_slice(last);
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>())
        && size <= 16
    {
        out[..8].copy_from_slice(first);
        out[size - 8..].copy_from_slice(last);
    } else {
        for (to, from) in out.iter_mut().zip(text) {
            *to = *from;
        }
    }
    size
}

/// The longest text of a number here: 309 digits, a sign, a point and 22
/// decimals.
pub const LONGEST: usize = 336;

/// The most decimals that [`fixed`] gives.
pub const DECIMALS: u32 = 22;

/// How a number is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// The bits as a signed integer.
    Integer,
    /// The bits as an f64, in as few digits as read back the same.
    Shortest,
    /// The bits as an f64, with this many decimals, up to [`DECIMALS`].
    Fixed(u32),
}

/// Writes `number` to the beginning of `out`, which has [`LONGEST`] bytes, and
/// gives its length.
#[inline(always)]
pub fn shortest(number: f64, out: &mut [u8]) -> usize {
    if !number.is_finite() {
        return not_finite(number, out);
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(number).as_bytes();
    // Whole numbers come with a decimal that says nothing.
    let size = if text.ends_with(b".0") { text.len() - 2 } else { text.len() };
    copy(out, &text[..size])
}

/// As printf(3) writes them, with the sign of what is not a number.
#[cold]
fn not_finite(number: f64, out: &mut [u8]) -> usize {
    let text: &[u8] = match (number.is_nan(), number.is_sign_negative()) {
        (true, false) => b"nan",
        (true, true) => b"-nan",
        (false, false) => b"inf",
        (false, true) => b"-inf",
    };
    out[..text.len()].copy_from_slice(text);
    text.len()
}

/// Writes `number` as printf(3) does for `%.*f`: every digit is right, and the
/// last is rounded to the nearest, halves to even.
pub fn fixed(number: f64, decimals: u32, out: &mut [u8]) -> usize {
    if !number.is_finite() {
        return not_finite(number, out);
    }
    let bits = number.to_bits();
    let exponent = (bits >> 52) as i32 & 0x7FF;
    let significand = bits & ((1 << 52) - 1) | if exponent == 0 { 0 } else { 1 << 52 };
    // number = significand · 2^exponent
    let exponent = exponent.max(1) - 1075;
    let scale = 10u128.pow(decimals);
    let (mut whole, mut fraction) = match exponent {
        0.. => (0, 0),
        // 53 bits and 10²² make less than 2¹²⁷, so what is shifted further is less than half.
        ..=-128 => (0, 0),
        _ => {
            let down = exponent.unsigned_abs();
            let whole = if down < 64 { significand >> down } else { 0 };
            let rest = u128::from(significand) - (u128::from(whole) << down);
            let (product, half) = (rest * scale, 1u128 << (down - 1));
            let (fraction, lost) = (product >> down, product & ((1 << down) - 1));
            (whole, fraction + u128::from(lost > half || lost == half && fraction & 1 == 1))
        }
    };
    // Without decimals it is the whole part that is even or odd.
    if decimals == 0 && exponent < 0 && exponent > -128 {
        let down = exponent.unsigned_abs();
        let lost = u128::from(significand) & ((1 << down) - 1);
        let half = 1u128 << (down - 1);
        fraction = u128::from(lost > half || lost == half && whole & 1 == 1);
    }
    if fraction == scale {
        whole += 1;
        fraction = 0;
    }
    let mut end = 0;
    if number.is_sign_negative() {
        out[0] = b'-';
        end = 1;
    }
    end += if exponent >= 0 {
        large(significand, exponent.unsigned_abs(), &mut out[end..])
    } else {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(whole).as_bytes();
        out[end..end + digits.len()].copy_from_slice(digits);
        digits.len()
    };
    if decimals > 0 {
        out[end] = b'.';
        for place in (end + 1..end + 1 + decimals as usize).rev() {
            out[place] = b'0' + (fraction % 10) as u8;
            fraction /= 10;
        }
        end += 1 + decimals as usize;
    }
    end
}

/// Writes `significand · 2^up`, nine digits at a time from the last.
fn large(significand: u64, up: u32, out: &mut [u8]) -> usize {
    const NINE: u64 = 1_000_000_000;
    let mut limbs = [0u32; 34];
    let shifted = u128::from(significand) << (up % 32);
    for (i, limb) in limbs[(up / 32) as usize..].iter_mut().take(3).enumerate() {
        *limb = (shifted >> (32 * i)) as u32;
    }
    let mut digits = [b'0'; 315];
    let mut start = digits.len();
    let mut used = limbs.len();
    while used > 0 {
        let mut rest = 0;
        for limb in limbs[..used].iter_mut().rev() {
            let value = rest << 32 | u64::from(*limb);
            *limb = (value / NINE) as u32;
            rest = value % NINE;
        }
        for _ in 0..9 {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        while used > 0 && limbs[used - 1] == 0 {
            used -= 1;
        }
    }
    let zeros = digits[start..].iter().take_while(|&&digit| digit == b'0').count();
    let digits = &digits[(start + zeros).min(digits.len() - 1)..];
    out[..digits.len()].copy_from_slice(digits);
    digits.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::String, vec::Vec};

    fn text(write: impl FnOnce(&mut [u8]) -> usize) -> String {
        let mut out = [0; LONGEST];
        let size = write(&mut out);
        String::from_utf8(out[..size].to_vec()).expect("ASCII")
    }

    fn samples() -> Vec<f64> {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut samples = std::vec![
            0.0,
            -0.0,
            0.5,
            1.5,
            2.5,
            -0.5,
            0.1,
            1e22,
            1e23,
            5e-324,
            f64::MAX,
            f64::MIN_POSITIVE,
            0.000_000_000_000_000_5,
            9_007_199_254_740_993.0,
            0.999_999_999_999_999_9,
            123_456_789.0,
        ];
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            samples.push(f64::from_bits(state ^ state >> 29));
            samples.push((state >> 20) as f64 / f64::from(1u32 << (state & 31)));
            samples.push(f64::from((state >> 40) as u32) / 8.0);
        }
        samples.retain(|sample| sample.is_finite());
        samples
    }

    #[test]
    fn fixed_decimals_are_exact() {
        for number in samples() {
            for decimals in [0, 1, 2, 15, 22] {
                let expected = format!("{number:.*}", decimals as usize);
                assert_eq!(text(|out| fixed(number, decimals, out)), expected, "{number:e} with {decimals}");
            }
        }
    }

    #[test]
    fn the_shortest_text_reads_back() {
        for number in samples() {
            let text = text(|out| shortest(number, out));
            assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(number.to_bits()), "{text}");
            assert!(text.len() <= format!("{number:?}").len().max(format!("{number:e}").len() + 2), "{text}");
        }
    }

    #[test]
    fn what_is_not_finite_reads_as_in_c() {
        let nan = f64::from_bits(0x7FF8_0000_0000_0000);
        for (number, expected) in
            [(f64::INFINITY, "inf"), (-f64::INFINITY, "-inf"), (nan, "nan"), (-nan, "-nan")]
        {
            assert_eq!(text(|out| shortest(number, out)), expected);
            assert_eq!(text(|out| fixed(number, 15, out)), expected);
        }
    }

    #[test]
    fn a_counter_counts() {
        let text = |counter: &mut Counter| {
            let mut out = [0; Counter::WIDTH];
            let size = counter.write(&mut out);
            String::from_utf8_lossy(&out[..size]).into_owned()
        };
        let mut counter = Counter::new("Term ", 0);
        for index in 0..12_345u64 {
            assert_eq!(text(&mut counter), format!("Term {index}: "));
        }
        for start in [7, 99, 100, 999_999, u64::MAX - 1] {
            let mut counter = Counter::new("", start);
            assert_eq!(text(&mut counter), format!("{start}: "));
            assert_eq!(text(&mut counter), format!("{}: ", start + 1));
        }
    }
}
