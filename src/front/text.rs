//! What the small languages have in common: reading numbers and telling places.

use core::{cell::Cell, fmt};

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
        Places::new(source).position(offset)
    }
}

/// A text whose places are asked for, best in order: each is counted on from the
/// one before.
#[derive(Debug)]
pub struct Places<'a> {
    source: &'a [u8],
    last: Cell<(usize, Position)>,
}

impl<'a> Places<'a> {
    /// The places of `source`.
    pub fn new(source: &'a [u8]) -> Self {
        Self { source, last: Cell::new((0, Position { line: 1, column: 1 })) }
    }

    /// The text.
    pub fn source(&self) -> &'a [u8] {
        self.source
    }

    /// The position of byte `offset`.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.source.len());
        let (mut known, mut place) = self.last.get();
        if offset < known {
            (known, place) = (0, Position { line: 1, column: 1 });
        }
        for byte in &self.source[known..offset] {
            match byte {
                b'\n' => place = Position { line: place.line + 1, column: 1 },
                // All but the continuation bytes of UTF-8 begin a character.
                _ => place.column += usize::from(byte & 0xC0 != 0x80),
            }
        }
        self.last.set((offset, place));
        place
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A cursor over text.
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    /// Offset of the next byte.
    pub(super) at: usize,
}

impl Text<'_> {
    /// The next byte that is no space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let byte = rest.iter().position(|byte| !byte.is_ascii_whitespace());
        self.at += byte.unwrap_or(rest.len());
        byte.map(|byte| rest[byte])
    }

    /// Whether a space or the end comes next.
    pub(super) fn ends(&self) -> bool {
        self.bytes.get(self.at).is_none_or(u8::is_ascii_whitespace)
    }

    /// An integer after any spaces.
    pub(super) fn integer(&mut self) -> Result<i64, NotInteger> {
        self.peek();
        let (value, size) = integer(&self.bytes[self.at..], 64)?;
        self.at += size;
        Ok(value)
    }
}
