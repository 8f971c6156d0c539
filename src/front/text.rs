//! Reading text for the small languages: a cursor, integers, positions, and errors
//! with their place.
//!
//! Owns the rules that the languages share. It knows no language: each parser has
//! its own grammar and words its own messages.

use core::{
    fmt,
    ops::Range,
    sync::atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// The bytes of a range. A function, because every expression that indexes a slice has a
/// panic location, which every start relocates.
pub(super) fn cut(text: &[u8], range: Range<usize>) -> &[u8] {
    &text[range]
}

/// An error in a text, with its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// Offset into the text, in bytes.
    pub at: usize,
    pub(super) message: Message,
}

/// The wording of an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Message {
    /// The whole text.
    Text(&'static str),
    /// About one byte of the source: the text before it, the byte, the text after it.
    Byte(&'static str, u8, &'static str),
    /// About a number: the text before it, the number, the text after it.
    Number(&'static str, i64, &'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message {
            Message::Text(text) => f.write_str(text),
            Message::Byte(before, byte @ b'!'..=b'~', after) => {
                write!(f, "{before}'{}'{after}", char::from(byte))
            }
            Message::Byte(before, byte, after) => {
                write!(f, "{}, byte {:#04x}{after}", before.trim_ascii_end(), u64::from(byte))
            }
            Message::Number(before, number, after) => write!(f, "{before}{number}{after}"),
        }
    }
}

/// Why a piece of text is no integer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotInteger {
    /// It does not begin like one.
    Missing,
    /// It needs more bits.
    TooLarge,
}

/// The integer at the beginning of `text`, and how many bytes it takes. It has up to
/// `bits` bits, 1 to 64: decimal with an optional sign, or hexadecimal behind 0x up to the
/// full width as a bit pattern.
///
/// # Errors
/// If there is none, or it has too many bits.
pub fn integer(text: &[u8], bits: u32) -> Result<(i64, usize), NotInteger> {
    let negative = text.first() == Some(&b'-');
    let signed = usize::from(negative || text.first() == Some(&b'+'));
    let hexadecimal = matches!(text.get(signed..signed + 2), Some(b"0x" | b"0X"));
    let (radix, start) = if hexadecimal { (16, signed + 2) } else { (10, signed) };
    let digits = cut(text, start..text.len()).iter().map_while(|&byte| char::from(byte).to_digit(radix));
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
        Positions::new(source).at(offset)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Positions in a source. Each search continues from the one before, so ascending
/// offsets take linear time together. Any thread may search.
#[derive(Debug)]
pub struct Positions<'a> {
    source: &'a [u8],
    /// Set while a thread uses `last`; another then counts from the beginning.
    busy: AtomicBool,
    /// Offset, line and column of the last position.
    last: [AtomicUsize; 3],
}

impl<'a> Positions<'a> {
    /// The positions in `source`.
    pub fn new(source: &'a [u8]) -> Self {
        Self { source, busy: AtomicBool::new(false), last: [0, 1, 1].map(AtomicUsize::new) }
    }

    /// The text.
    pub fn source(&self) -> &'a [u8] {
        self.source
    }

    /// The position of byte `offset`.
    pub fn at(&self, offset: usize) -> Position {
        let offset = offset.min(self.source.len());
        let (mut known, mut position) = (0, Position { line: 1, column: 1 });
        let mine = !self.busy.swap(true, Acquire);
        let [last, line, column] = &self.last;
        if mine && last.load(Relaxed) <= offset {
            known = last.load(Relaxed);
            position = Position { line: line.load(Relaxed), column: column.load(Relaxed) };
        }
        for byte in cut(self.source, known..offset) {
            match byte {
                b'\n' => position = Position { line: position.line + 1, column: 1 },
                // Every byte of UTF-8 but a continuation byte begins a character.
                _ => position.column += usize::from(byte & 0xC0 != 0x80),
            }
        }
        if mine {
            last.store(offset, Relaxed);
            line.store(position.line, Relaxed);
            column.store(position.column, Relaxed);
            self.busy.store(false, Release);
        }
        position
    }
}

/// Writes `LINE:COLUMN` and an excerpt of the source that begins there, cut off behind
/// 40 bytes: a line of a listing.
pub(super) fn excerpt(
    f: &mut fmt::Formatter<'_>,
    Position { line, column }: Position,
    mut source: impl Iterator<Item = u8>,
) -> fmt::Result {
    const SHOWN: usize = 40;
    write!(f, "{line}:{column} ")?;
    for byte in source.by_ref().take(SHOWN) {
        fmt::Write::write_char(f, if byte.is_ascii_whitespace() { ' ' } else { char::from(byte) })?;
    }
    f.write_str(if source.next().is_some() { "…" } else { "" })
}

/// A cursor over a text.
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    /// Offset of the next byte.
    pub(super) at: usize,
}

impl<'a> Text<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// An error at the cursor.
    #[cold]
    pub(super) fn error<T>(&self, message: Message) -> Result<T, Error> {
        Err(Error { at: self.at, message })
    }

    /// An error at the cursor in fixed words.
    #[cold]
    pub(super) fn expected<T>(&self, message: &'static str) -> Result<T, Error> {
        self.error(Message::Text(message))
    }

    /// The next byte that is no white space, which is passed over.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// The unread text.
    pub(super) fn rest(&self) -> &'a [u8] {
        cut(self.bytes, self.at..self.bytes.len())
    }

    /// Whether white space or the end comes next.
    pub(super) fn ends(&self) -> bool {
        self.bytes.get(self.at).is_none_or(u8::is_ascii_whitespace)
    }

    /// An integer behind any white space.
    pub(super) fn integer(&mut self) -> Result<i64, NotInteger> {
        self.peek();
        let (value, size) = integer(self.rest(), 64)?;
        self.at += size;
        Ok(value)
    }

    /// Reads a relation from the first of several lines, then gives `read` access to the
    /// others.
    pub(super) fn first_line<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let all = self.bytes;
        if all.is_empty() {
            return self.expected("no input, expected a line with the relation");
        }
        let end = all.iter().position(|byte| *byte == b'\n');
        self.bytes = &all[..end.unwrap_or(all.len())];
        let relation = read(self);
        self.bytes = all;
        relation
    }
}
