//! Numbers as text: a counter that increments its digits in place, integers, and floating
//! point as the shortest text that reads back the same or with a fixed number of decimals.
//!
//! It formats into memory that the caller gives, and writes nothing.

/// The beginning of a line: a label, an index, a colon and a space. The last two digits of
/// the index are formatted each time, the digits before them only when they change.
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
        let mut digits = itoa::Buffer::new();
        let digits = if index < 100 { "" } else { digits.format(index / 100) };
        let mut head = [0; 32];
        for (to, from) in head.iter_mut().zip(label.bytes().chain(digits.bytes())) {
            *to = from;
        }
        Self { head, label: label.len(), end: label.len() + digits.len(), pair: (index % 100) as u32 }
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
pub(super) const LONGEST: usize = 333;

/// The most decimals of [`Format::Fixed`].
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

/// Room for the text of any number.
pub struct Digits {
    integer: itoa::Buffer,
    shortest: zmij::Buffer,
    fixed: [u8; LONGEST],
}

impl Digits {
    /// Empty room.
    pub fn new() -> Self {
        Self { integer: itoa::Buffer::new(), shortest: zmij::Buffer::new(), fixed: [0; LONGEST] }
    }

    /// The text of `bits`. Infinities and NaNs are written as printf(3) does, NaNs with
    /// their sign.
    #[inline(always)]
    pub fn text(&mut self, bits: u64, format: Format) -> &[u8] {
        let number = f64::from_bits(bits);
        match format {
            Format::Integer => self.integer.format(bits as i64).as_bytes(),
            _ if !number.is_finite() => match (number.is_nan(), number.is_sign_negative()) {
                (true, false) => b"nan",
                (true, true) => b"-nan",
                (false, false) => b"inf",
                (false, true) => b"-inf",
            },
            Format::Shortest => {
                let text = self.shortest.format_finite(number).as_bytes();
                // Whole numbers come with a zero behind the point.
                text.strip_suffix(b".0").unwrap_or(text)
            }
            Format::Fixed(decimals) => fixed(bits, decimals as usize, &mut self.fixed),
        }
    }
}

impl Default for Digits {
    fn default() -> Self {
        Self::new()
    }
}

/// The finite f64 `bits` as printf(3) writes it for `%.*f`: every digit is right,
/// and the last is rounded to the nearest, halves to even.
#[inline(never)] // Keeps the loop over terms small for the other two formats.
fn fixed(bits: u64, decimals: usize, out: &mut [u8; LONGEST]) -> &[u8] {
    const NINE: u64 = 1_000_000_000;
    let exponent = (bits >> 52) as i32 & 0x7FF;
    let significand = bits & ((1 << 52) - 1) | if exponent == 0 { 0 } else { 1 << 52 };
    // The number is significand · 2^exponent. To scale it to a whole one, fives go to
    // the significand, which has 53 bits then times 5²², and twos to the exponent.
    let exponent = exponent.max(1) - 1075 + decimals as i32;
    let mut scaled = u128::from(significand) * u128::from(5u64.pow(decimals as u32));
    let (up, down) = (exponent.max(0) as usize, exponent.min(0).unsigned_abs());
    if down > 0 {
        // The last bit is half of one. Round up if more follows or the number is odd.
        let more = scaled.trailing_zeros() + 1 < down;
        scaled = scaled.checked_shr(down - 1).unwrap_or(0);
        scaled = (scaled >> 1) + (scaled & 1 & (scaled >> 1 | u128::from(more)));
    }
    // Its lowest 32 bits first.
    let mut limbs = [0u32; 36];
    let mut used = &mut limbs[..up / 32 + 5];
    let mut carry = 0;
    for limb in used.iter_mut().skip(up / 32) {
        carry |= u64::from(scaled as u32) << (up % 32);
        (*limb, carry, scaled) = (carry as u32, carry >> 32, scaled >> 32);
    }
    // Nine digits at a time from the last, at least one before the point.
    let mut start = LONGEST;
    for digits in out.rchunks_exact_mut(9) {
        if used.is_empty() && LONGEST - start > decimals {
            break;
        }
        let mut rest = 0;
        for limb in used.iter_mut().rev() {
            let value = rest << 32 | u64::from(*limb);
            *limb = (value / NINE) as u32;
            rest = value % NINE;
        }
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        start -= 9;
        while let [more @ .., 0] = used {
            used = more;
        }
    }
    let point = LONGEST - decimals;
    let whole = &out[start..point - 1];
    start += whole.iter().take_while(|digit| **digit == b'0').count();
    if decimals > 0 {
        start -= 1;
        if let Some(whole) = out.get_mut(start..point) {
            whole.copy_within(1.., 0);
        }
        out[point - 1] = b'.';
    }
    if bits >> 63 != 0 {
        start -= 1;
        out[start] = b'-';
    }
    &out[start..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::String, vec::Vec};

    fn text(number: f64, format: Format) -> String {
        String::from_utf8(Digits::new().text(number.to_bits(), format).to_vec()).expect("ASCII")
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
                assert_eq!(text(number, Format::Fixed(decimals)), expected, "{number:e} with {decimals}");
            }
        }
    }

    #[test]
    fn the_shortest_text_reads_back() {
        for number in samples() {
            let text = text(number, Format::Shortest);
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
            assert_eq!(text(number, Format::Shortest), expected);
            assert_eq!(text(number, Format::Fixed(15)), expected);
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
