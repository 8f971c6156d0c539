//! What the small languages have in common: reading numbers and telling places.

use core::fmt;

/// Why a piece of text is no integer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotInteger {
    /// It does not begin like one.
    Missing,
    /// It needs more bits; its text has this many bytes.
    TooLarge(usize),
}

/// The integer of so many bits at the beginning of `text`, and how many bytes it
/// takes: decimal with an optional sign, or hexadecimal behind 0x up to the full
/// width as a bit pattern.
///
/// # Errors
/// If there is none, or it has too many bits.
pub fn integer(text: &[u8], bits: u32) -> Result<(i64, usize), NotInteger> {
    let negative = text.first() == Some(&b'-');
    let signed = usize::from(negative || text.first() == Some(&b'+'));
    let hexadecimal = matches!(text.get(signed..signed + 2), Some(b"0x" | b"0X"));
    let (radix, start) = if hexadecimal { (16, signed + 2) } else { (10, signed) };
    let digits = text[start..].iter().map_while(|&byte| char::from(byte).to_digit(radix));
    let mut magnitude = Some(0u64);
    let mut end = start;
    for digit in digits {
        magnitude = magnitude.and_then(|value| value.checked_mul(radix.into())?.checked_add(digit.into()));
        end += 1;
    }
    if end == start {
        return Err(NotInteger::Missing);
    }
    let half = 1 << (bits - 1);
    let unused = 64 - bits;
    match (magnitude, negative) {
        (Some(value), true) if value <= half => Ok(((value as i64).wrapping_neg(), end)),
        (Some(value), false) if value < half => Ok((value as i64, end)),
        (Some(value), false) if hexadecimal && value <= u64::MAX >> unused => {
            Ok(((value as i64) << unused >> unused, end))
        }
        _ => Err(NotInteger::TooLarge(end)),
    }
}

/// Line and column, from 1; a column is a character.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// Of byte `offset` in `source`.
    pub fn of(source: &[u8], offset: usize) -> Self {
        let before = &source[..offset.min(source.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let last = before.iter().rev().take_while(|&&byte| byte != b'\n');
        // All but the continuation bytes of UTF-8 begin a character.
        let column = last.filter(|&&byte| byte & 0xC0 != 0x80).count() + 1;
        Self { line, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}
