//! What the small languages have in common: reading numbers and telling places.

use super::relation::Error;
use core::{
    fmt,
    sync::atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// Why a piece of text is no integer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotInteger {
    /// It does not begin like one.
    Missing,
    /// It needs more bits.
    TooLarge,
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
    let digits =
        text.get(start..).unwrap_or_default().iter().map_while(|&byte| char::from(byte).to_digit(radix));
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
        _ => Err(NotInteger::TooLarge),
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
/// one before. Any thread may ask.
#[derive(Debug)]
pub struct Places<'a> {
    source: &'a [u8],
    /// Set while a thread uses the last place; another then counts from the beginning.
    busy: AtomicBool,
    /// Offset, line and column of the last place.
    last: [AtomicUsize; 3],
}

impl<'a> Places<'a> {
    /// The places of `source`.
    pub fn new(source: &'a [u8]) -> Self {
        let last = [0, 1, 1].map(AtomicUsize::new);
        Self { source, busy: AtomicBool::new(false), last }
    }

    /// The text.
    pub fn source(&self) -> &'a [u8] {
        self.source
    }

    /// The position of byte `offset`.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.source.len());
        let (mut known, mut place) = (0, Position { line: 1, column: 1 });
        let mine = !self.busy.swap(true, Acquire);
        let [last, line, column] = &self.last;
        if mine && last.load(Relaxed) <= offset {
            known = last.load(Relaxed);
            place = Position { line: line.load(Relaxed), column: column.load(Relaxed) };
        }
        for byte in &self.source[known..offset] {
            match byte {
                b'\n' => place = Position { line: place.line + 1, column: 1 },
                // All but the continuation bytes of UTF-8 begin a character.
                _ => place.column += usize::from(byte & 0xC0 != 0x80),
            }
        }
        if mine {
            last.store(offset, Relaxed);
            line.store(place.line, Relaxed);
            column.store(place.column, Relaxed);
            self.busy.store(false, Release);
        }
        place
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A cursor over text, with the first thing that is wrong there: whoever finds one
/// notes it and gives nothing.
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    /// Offset of the next byte.
    pub(super) at: usize,
    error: Error,
}

impl<'a> Text<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, error: Error { at: 0, what: "", subject: 0 } }
    }

    /// Notes what is wrong at the cursor.
    #[cold]
    #[inline(never)]
    fn refuse(&mut self, what: &'static str, subject: i64) {
        self.error = Error { at: self.at, what, subject };
    }

    /// Nothing, for what is wrong at the cursor; see [`Error`] for what to say.
    pub(super) fn fail<T>(&mut self, what: &'static str, subject: i64) -> Option<T> {
        self.refuse(what, subject);
        None
    }

    /// The same at an offset.
    pub(super) fn fail_at<T>(&mut self, at: usize, what: &'static str, subject: i64) -> Option<T> {
        self.at = at;
        self.fail(what, subject)
    }

    /// What was read, or the error.
    pub(super) fn result<T>(&self, read: Option<T>) -> Result<T, Error> {
        read.ok_or(self.error)
    }

    /// The next byte that is no space.
    #[inline(never)]
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// What is still to be read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Whether a space or the end comes next.
    pub(super) fn ends(&self) -> bool {
        self.bytes.get(self.at).is_none_or(u8::is_ascii_whitespace)
    }

    /// An integer after any spaces.
    pub(super) fn integer(&mut self) -> Result<i64, NotInteger> {
        self.peek();
        let (value, size) = integer(self.rest(), 64)?;
        self.at += size;
        Ok(value)
    }

    /// Reads a relation that is the first line of several, and makes them all
    /// readable.
    pub(super) fn first_line<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let all = self.bytes;
        if all.is_empty() {
            return self.fail("no input, expected a line with the relation", 0);
        }
        self.bytes = all.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let relation = read(self);
        self.bytes = all;
        relation
    }
}
