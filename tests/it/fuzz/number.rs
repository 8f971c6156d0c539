//! Numbers: read and written as the standard library reads and writes them.

use crate::random::Random;
use barejit::front::{rpn, text};
use barejit::host::number::{Counter, DECIMALS, Digits, Format};

/// The integer of so many bits that `text` begins with, `None` if it has more,
/// and its length.
pub(super) fn integer(text: &[u8], bits: u32) -> Option<(Option<i64>, usize)> {
    let (negative, sign) = match text.first() {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    };
    let rest = &text[sign..];
    let hexadecimal = rest.len() >= 2 && rest[..2].eq_ignore_ascii_case(b"0x");
    let (radix, prefix) = if hexadecimal { (16, 2) } else { (10, 0) };
    let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
    let digits: Vec<u8> = rest[prefix..].iter().take_while(is_digit).copied().collect();
    if digits.is_empty() {
        return None;
    }
    let size = sign + prefix + digits.len();
    let digits = String::from_utf8(digits).expect("ASCII");
    let value = i128::from_str_radix(&digits, radix).unwrap_or(i128::MAX);
    let (least, most) = (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1);
    let value = match value {
        _ if negative && -value >= least => Some(-value),
        _ if !negative && value <= most => Some(value),
        // A bit pattern.
        _ if !negative && hexadecimal && value < 1 << bits => Some(value - (1 << bits)),
        _ => None,
    };
    Some((value.map(|value| value as i64), size))
}

/// The number without a sign that `text` begins with, and its length.
pub(super) fn decimal(text: &[u8]) -> Option<(f64, usize)> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(0);
    let mut any = end > 0;
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        any |= fraction > 0;
        end += 1 + fraction;
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = text.get(end + 1 + sign).map_or(0, |_| digits(end + 1 + sign));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let value = || std::str::from_utf8(&text[..end]).expect("ASCII").parse().expect("a number");
    any.then(|| (value(), end))
}

/// Decimal digits of `number · 10^-places`, exactly.
fn exact(number: u64, halvings: usize) -> (Vec<u8>, usize) {
    // number / 2ᵏ = number · 5ᵏ / 10ᵏ, the last digit first
    let mut digits: Vec<u8> = number.to_string().bytes().rev().map(|digit| digit - b'0').collect();
    for _ in 0..halvings {
        let mut carry = 0;
        for digit in &mut digits {
            carry += *digit * 5;
            *digit = carry % 10;
            carry /= 10;
        }
        if carry > 0 {
            digits.push(carry);
        }
    }
    digits.reverse();
    (digits, halvings)
}

/// Text of a number: any, on a border between two, or nearly one.
fn decimal_text(random: &mut Random) -> Vec<u8> {
    let mut text = match random.below(6) {
        0 => random.text(&[b"0", b"9", b".", b"e", b"-", b"+", b"5", b"1"], 30),
        1 => random.float_text().into_bytes(),
        2 => {
            // Halfway between two neighbours: 54 bits, the last one set.
            let number = random.next() >> 10 | 1 << 53 | 1;
            let halvings = if random.below(40) == 0 { random.below(1130) } else { random.below(70) };
            let (digits, places) = exact(number, halvings);
            let mut text: Vec<u8> = digits.iter().map(|digit| digit + b'0').collect();
            if random.below(4) == 0 {
                text.extend(std::iter::repeat_n(b'0', random.below(30)));
                text.push(b'1');
                let places = places + text.len() - digits.len();
                text.extend(format!("e-{places}").bytes());
            } else {
                text.extend(format!("e-{places}").bytes());
            }
            text
        }
        3 => {
            let digits = random.below(40);
            let mut text: Vec<u8> = (0..=digits).map(|_| b'0' + random.below(10) as u8).collect();
            text.insert(random.below(text.len() + 1), b'.');
            text.extend(format!("e{}", random.below(700) as i64 - 350).bytes());
            text
        }
        4 if random.below(50) == 0 => {
            let digits = 700 + random.below(300);
            let mut text: Vec<u8> = (0..digits).map(|_| b'0' + random.below(10) as u8).collect();
            text.insert(random.below(text.len() + 1), b'.');
            text
        }
        _ => {
            let value = f64::from_bits(random.next());
            if value.is_finite() { format!("{value:e}").into_bytes() } else { b"1e309".to_vec() }
        }
    };
    if random.below(4) == 0 {
        text = random.mutated(text, &[b"0", b"1", b"9", b".", b"e", b"-", b" "]);
    }
    text.retain(|byte| *byte != b',');
    text
}

/// The reader of `rpn` against the standard library's.
pub(super) fn decimals(random: &mut Random) {
    let text = decimal_text(random);
    let trimmed = text.trim_ascii();
    let digits = trimmed.strip_prefix(b"-").or(trimmed.strip_prefix(b"+")).unwrap_or(trimmed);
    let plain = digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
        && matches!(digits.first(), Some(b'0'..=b'9' | b'.'));
    let expected = std::str::from_utf8(trimmed).ok().filter(|_| plain);
    let expected: Option<f64> = expected.and_then(|text| text.parse().ok());
    let said = || String::from_utf8_lossy(&text).into_owned();
    match (rpn::Relation::parse_initial(&text), expected) {
        (Ok(initial), expected) => {
            let actual = initial.first().copied();
            assert_eq!(actual, expected.map(f64::to_bits), "'{}'", said());
            assert!(actual.is_some() || trimmed.is_empty(), "'{}'", said());
        }
        (Err(_), None) if !trimmed.is_empty() => {}
        (actual, expected) => panic!("'{}': {:?}, expected {expected:?}", said(), actual.err()),
    }
}

/// The reader of integers, and of places in a text.
pub(super) fn integers(random: &mut Random) {
    let text = match random.below(3) {
        0 => random.text(&[b"0", b"x", b"0x", b"-", b"+", b"f", b"7", b"18446744073709551615"], 8),
        _ => {
            let number = random.integer();
            let text = random.integer_text(number).into_bytes();
            if random.below(2) == 0 { text } else { random.mutated(text, &[b"0", b"9", b"F", b"x", b"-"]) }
        }
    };
    let bits = random.of(&[64, 32]);
    let expected = match integer(&text, bits) {
        None => Err(text::NotInteger::Missing),
        Some((None, _)) => Err(text::NotInteger::TooLarge),
        Some((Some(value), size)) => Ok((value, size)),
    };
    assert_eq!(text::integer(&text, bits), expected, "{bits} bits of '{}'", String::from_utf8_lossy(&text));
    let source = random.text(&[b"\n", "ä".as_bytes(), b"x", "😀".as_bytes()], 30);
    let offset = random.below(source.len() + 2);
    let before = &source[..offset.min(source.len())];
    let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let place = text::Position::of(&source, offset);
    assert_eq!(place.line, 1 + before.iter().filter(|byte| **byte == b'\n').count());
    if let Ok(line) = std::str::from_utf8(line) {
        assert_eq!(place.column, 1 + line.chars().count(), "{source:?} at {offset}");
    }
}

/// Compares printed numbers with the standard library's formatting.
pub(super) fn printing(random: &mut Random) {
    let number: f64 = match random.below(3) {
        0 => random.float_text().parse().expect("a number"),
        1 => f64::from_bits(random.next()),
        _ => (random.below(2000) as f64 - 1000.0) / f64::from(1 << random.below(12)),
    };
    let decimals = random.below(DECIMALS as usize + 1);
    let mut digits = Digits::new();
    let fixed = digits.text(number.to_bits(), Format::Fixed(decimals as u32));
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let expected = match number {
        _ if number.is_nan() => format!("{sign}nan"),
        _ => format!("{number:.decimals$}"),
    };
    assert_eq!(String::from_utf8_lossy(fixed), expected, "{number:e}, {decimals} decimals");
    let text = String::from_utf8_lossy(digits.text(number.to_bits(), Format::Shortest));
    let back: f64 = text.parse().unwrap_or_else(|_| panic!("{number:e} prints as {text}"));
    assert!(back.to_bits() == number.to_bits() || back.is_nan() && number.is_nan(), "{number:e}: {text}");
    let least =
        format!("{number:e}").bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    let digits = text.split(['e', 'E']).next().unwrap_or_default().trim_matches(['0', '.', '-']);
    let digits = digits.bytes().filter(u8::is_ascii_digit).count();
    assert!(digits <= least || !number.is_finite(), "{number:e} prints as {text}");
    // Terms count up through the places where a digit is gained.
    let first = match random.below(3) {
        0 => 10u64.pow(random.below(19) as u32).saturating_sub(random.below(4) as u64),
        1 => random.below(2000) as u64,
        _ => random.next() >> 1,
    };
    let mut counter = Counter::new("Term ", first);
    for index in first..first + 3 {
        let mut out = [0; Counter::WIDTH];
        let size = counter.write(&mut out);
        assert_eq!(String::from_utf8_lossy(&out[..size]), format!("Term {index}: "));
    }
}
