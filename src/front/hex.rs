//! Machine code as people paste it: hexadecimal digits in any of the shapes that
//! programs print and sources hold.
//!
//! The shapes are bare pairs, `0x` and `\x`, the `h` suffix, arrays of C and Rust,
//! string literals, and the dumps of xxd, od, hexdump, objdump, gdb and barejit itself,
//! whose offset columns and mnemonics are dropped. Nothing is guessed: a group
//! of digits that could be two things is an error that names it.

mod dump;

use crate::front::text::cut;
use alloc::vec::Vec;
use core::fmt;

/// Why a group of the text is no bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The text has no bytes at all.
    Empty,
    /// An odd number of digits.
    OddDigits,
    /// Not a number in hexadecimal.
    NotHexadecimal,
    /// Numbers with `0x` and this one without: it may be decimal.
    Unprefixed,
    /// A number of more than one byte among others: its order of bytes is unknown.
    Wide,
    /// A dump that leaves out lines that repeat.
    Elided,
    /// A word of od in octal.
    Octal,
    /// A comment that consists of bytes only.
    Commented,
    /// A string literal that does not end on its line.
    OpenString,
    /// An escape that string literals do not have.
    Escape,
}

/// An error in the text, and its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error<'a> {
    /// The group of characters that is wrong.
    pub group: &'a [u8],
    /// Offset of its first byte in the text.
    pub at: usize,
    /// The reason.
    pub reason: Reason,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "no machine code",
            Self::OddDigits => "an odd number of digits, but a byte has two",
            Self::NotHexadecimal => "not hexadecimal",
            Self::Unprefixed => "it has no 0x, but others have",
            Self::Wide => "more than one byte; give its bytes one by one",
            Self::Elided => "lines were left out here; dump again with -v, or -z for objdump",
            Self::Octal => "an octal word of od; dump again with -t x1",
            Self::Commented => "a comment of nothing but bytes",
            Self::OpenString => "a string without its closing quote",
            Self::Escape => "an escape that strings do not have",
        })
    }
}

/// Whether `bytes` are text: UTF-8 without control characters other than white space.
/// Code that ends with `ret` never is, because C3 begins a character of two bytes.
pub fn is_text(bytes: &[u8]) -> bool {
    let control = |byte: &u8| matches!(byte, 0..=8 | 11 | 14..=31 | 127);
    !bytes.is_empty() && !bytes.iter().any(control) && core::str::from_utf8(bytes).is_ok()
}

/// The bytes that `text` spells.
///
/// # Errors
/// The first group that is wrong.
pub fn parse(text: &[u8]) -> Result<Vec<u8>, Error<'_>> {
    if let Some(bytes) = dump::counted(text) {
        return bytes;
    }
    let mut reader = Reader::new(text);
    for line in (Lines { text, at: 0 }) {
        match dump::address(line.of(text)) {
            _ if reader.commented => reader.source(line)?,
            _ if dump::is_heading(line.of(text)) => {}
            Some(column) => dump::row(&mut reader, line, column)?,
            None => reader.source(line)?,
        }
    }
    reader.finish()
}

/// A piece of the text by its offsets.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    fn of<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// The lines of a text, without their ends.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
}

impl Iterator for Lines<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let size = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let start = self.at;
        self.at += size + 1;
        Some(Span { start, end: start + size })
    }
}

/// How numbers are marked as hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Bare,
    Marked,
}

/// The bytes read so far.
struct Reader<'a> {
    text: &'a [u8],
    bytes: Vec<u8>,
    /// How the numbers so far were spelled; a zero does not count.
    spelling: Option<Spelling>,
    /// A number with `0x` of more than one byte, which must stay alone.
    wide: Option<Error<'a>>,
    /// Whether a comment of C goes on.
    commented: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, bytes: Vec::new(), spelling: None, wide: None, commented: false }
    }

    fn error<T>(&self, start: usize, end: usize, reason: Reason) -> Result<T, Error<'a>> {
        Err(Error { group: Span { start, end }.of(self.text), at: start, reason })
    }

    fn finish(self) -> Result<Vec<u8>, Error<'a>> {
        match self.wide {
            Some(error) if self.bytes.len() != (error.group.len() - 2) / 2 => Err(error),
            _ if self.bytes.is_empty() => Err(Error { group: b"", at: 0, reason: Reason::Empty }),
            _ => Ok(self.bytes),
        }
    }

    /// Adds one byte. Not pushed: no other bytes grow one at a time.
    fn add(&mut self, byte: u8) {
        self.bytes.extend_from_slice(&[byte]);
    }

    /// Adds the bytes of an even number of digits, in the order written.
    fn digits(&mut self, start: usize, end: usize) -> Result<(), Error<'a>> {
        let group = Span { start, end }.of(self.text);
        if !group.iter().all(u8::is_ascii_hexdigit) {
            return self.error(start, end, Reason::NotHexadecimal);
        }
        if group.len() % 2 == 1 {
            return self.error(start, end, Reason::OddDigits);
        }
        for pair in group.chunks_exact(2) {
            self.add(digit(pair[0]) << 4 | digit(pair[1]));
        }
        Ok(())
    }

    /// Notes how a number is spelled.
    fn spelled(&mut self, start: usize, end: usize, spelling: Spelling) -> Result<(), Error<'a>> {
        match self.spelling.replace(spelling) {
            Some(before) if before != spelling => self.error(start, end, Reason::Unprefixed),
            _ => Ok(()),
        }
    }

    /// Where a comment that begins before `at` ends; without an end it goes on.
    fn comment(&mut self, at: usize, end: usize) -> usize {
        let close = find(cut(self.text, at..end), b"*/");
        self.commented = close.is_none();
        close.map_or(end, |close| at + close + 2)
    }

    /// A line that is no row of a dump: groups, arrays, literals, comments.
    fn source(&mut self, line: Span) -> Result<(), Error<'a>> {
        if self.commented {
            let start = self.comment(line.start, line.end);
            return if self.commented { Ok(()) } else { self.source(Span { start, ..line }) };
        }
        let mut at = declaration(line.of(self.text)).map_or(line.start, |size| line.start + size);
        if at != line.start && is_scalar(cut(self.text, at..line.end)) {
            return Ok(());
        }
        if let b"*" | b"..." = line.of(self.text).trim_ascii() {
            return self.error(line.start, line.end, Reason::Elided);
        }
        while at < line.end {
            let rest = cut(self.text, at..line.end);
            at = match rest {
                [b'#', ..] | [b'/', b'/', ..] => line.end,
                [b'/', b'*', ..] => self.comment(at + 2, line.end),
                [b';', comment @ ..] => {
                    let commented = self.all_bytes(comment);
                    if commented {
                        return self.error(at, line.end, Reason::Commented);
                    }
                    line.end
                }
                [b'"' | b'\'' | b'`', ..] => self.literal(at, line.end)?,
                [b'b' | b'$' | b'r', b'"' | b'\'', ..] => self.literal(at + 1, line.end)?,
                [b'\\', b'x', ..] => {
                    let size = rest[2..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                    if size != 2 {
                        return self.error(at, at + 2 + size, Reason::OddDigits);
                    }
                    self.digits(at + 2, at + 4)?;
                    at + 4
                }
                // The line goes on, in a shell or in C.
                [b'\\'] | [b'\\', b'\r'] => line.end,
                [byte, ..] if byte.is_ascii_whitespace() || b",{}[]()+&.".contains(byte) => {
                    at + 1 + if rest.starts_with(b".byte") { 4 } else { 0 }
                }
                _ => self.group(at, line.end)?,
            };
        }
        Ok(())
    }

    /// Whether a comment has bytes and nothing else.
    fn all_bytes(&self, comment: &[u8]) -> bool {
        let mut groups = comment.split(|byte| byte.is_ascii_whitespace() || *byte == b',');
        let mut some = false;
        groups.all(|group| {
            some |= !group.is_empty();
            group.len() % 2 == 0 && group.iter().all(u8::is_ascii_hexdigit)
        }) && some
    }

    /// A number up to the next delimiter; gives where it ends.
    fn group(&mut self, start: usize, end: usize) -> Result<usize, Error<'a>> {
        let delimiter = |byte: &u8| byte.is_ascii_whitespace() || b",;{}[]()\"'`\\#&".contains(byte);
        let size = cut(self.text, start..end).iter().position(delimiter).unwrap_or(end - start);
        let line_end = end;
        let end = start + size.max(1);
        let group = cut(self.text, start..end);
        match group {
            b"vec!" | b"byte" => {}
            // A directive, unless it is a byte among others.
            b"db" if cut(self.text, end..line_end).iter().any(|byte| b"xXhH\"'".contains(byte)) => {}
            b"0" if self.spelling == Some(Spelling::Marked) => self.add(0),
            [b'0', b'x' | b'X', digits @ ..] => {
                self.spelled(start, end, Spelling::Marked)?;
                let digits = digits.strip_suffix(b"u8").unwrap_or(digits);
                let digits = digits.strip_suffix(b"_").unwrap_or(digits);
                match digits {
                    [only] if only.is_ascii_hexdigit() => self.add(digit(*only)),
                    [] => return self.error(start, end, Reason::NotHexadecimal),
                    _ => {
                        let before = self.bytes.len();
                        if let Err(error) = self.digits(start + 2, start + 2 + digits.len()) {
                            return self.error(start, end, error.reason);
                        }
                        if self.bytes.len() - before > 1 && self.wide.is_none() {
                            self.wide = Some(Error { group, at: start, reason: Reason::Wide });
                        }
                    }
                }
            }
            [digits @ .., b'h' | b'H'] if !digits.is_empty() => {
                self.spelled(start, end, Spelling::Marked)?;
                match digits {
                    [only] | [b'0', only] if only.is_ascii_hexdigit() => self.add(digit(*only)),
                    [_, _] => self.digits(start, end - 1)?,
                    [b'0', _, _] => self.digits(start + 1, end - 1)?,
                    _ => return self.error(start, end, Reason::NotHexadecimal),
                }
            }
            _ => {
                let hexadecimal = group.iter().all(u8::is_ascii_hexdigit);
                if hexadecimal {
                    self.spelled(start, end, Spelling::Bare)?;
                }
                self.digits(start, end)?;
            }
        }
        Ok(end)
    }

    /// A string literal, whose opening quote is at `start`; gives where it ends. With a
    /// backslash it holds the bytes themselves, else digits.
    fn literal(&mut self, start: usize, end: usize) -> Result<usize, Error<'a>> {
        let quote = self.byte(start);
        let mut at = start + 1;
        let mut escaped = false;
        while at < end && self.byte(at) != quote {
            let escape = self.byte(at) == b'\\';
            escaped |= escape;
            at += 1 + usize::from(escape);
        }
        if at >= end {
            return self.error(start, end, Reason::OpenString);
        }
        let close = at;
        if !escaped {
            self.source(Span { start: start + 1, end: close })?;
            return Ok(close + 1);
        }
        at = start + 1;
        while at < close {
            at = if self.byte(at) == b'\\' { self.escape(at, close)? } else { self.character(at) };
        }
        Ok(close + 1)
    }

    fn byte(&self, at: usize) -> u8 {
        self.text[at]
    }

    fn character(&mut self, at: usize) -> usize {
        self.add(self.byte(at));
        at + 1
    }

    /// An escape of C, Rust and Python; gives where it ends.
    fn escape(&mut self, at: usize, end: usize) -> Result<usize, Error<'a>> {
        let rest = cut(self.text, at + 1..end);
        let simple = match rest.first() {
            Some(b'x') => {
                let size = rest[1..].iter().take(2).take_while(|byte| byte.is_ascii_hexdigit()).count();
                if size != 2 {
                    return self.error(at, at + 2 + size, Reason::OddDigits);
                }
                self.digits(at + 2, at + 4)?;
                return Ok(at + 4);
            }
            Some(b'0'..=b'7') => {
                let octal = |byte: &&u8| matches!(byte, b'0'..=b'7');
                let size = rest.iter().take(3).take_while(octal).count();
                let value =
                    cut(rest, 0..size).iter().fold(0u32, |value, byte| value << 3 | u32::from(byte & 7));
                match u8::try_from(value) {
                    Ok(byte) => self.add(byte),
                    Err(_) => return self.error(at, at + 1 + size, Reason::Escape),
                }
                return Ok(at + 1 + size);
            }
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'a') => 7,
            Some(b'b') => 8,
            Some(b'v') => 11,
            Some(b'f') => 12,
            Some(b'e') => 27,
            Some(mark @ (b'\\' | b'"' | b'\'' | b'?')) => *mark,
            _ => return self.error(at, (at + 2).min(end), Reason::Escape),
        };
        self.add(simple);
        Ok(at + 2)
    }
}

/// The value of a hexadecimal digit.
fn digit(byte: u8) -> u8 {
    char::from(byte).to_digit(16).unwrap_or(0) as u8
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// The size of what stands before the bytes in a declaration: up to `=` and, if one
/// follows, up to the brace or bracket that opens the array; or up to the brace alone.
fn declaration(line: &[u8]) -> Option<usize> {
    let name = line.trim_ascii_start().first()?;
    if !name.is_ascii_alphabetic() && !b"_$@".contains(name) {
        return None;
    }
    let mut depth = 0;
    let mut equals = None;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'"' | b'\'' | b'#' => break,
            b'/' if line.get(at + 1) == Some(&b'/') => break,
            b';' if depth == 0 => break,
            b'[' => depth += 1,
            b']' => depth -= 1,
            b'=' => {
                equals = Some(at + 1);
                break;
            }
            _ => {}
        }
    }
    let equals = equals?;
    let opens = |wanted: u8| cut(line, equals..line.len()).iter().position(|byte| *byte == wanted);
    let quoted = opens(b'"').or(opens(b'\''));
    let before_quote = |at: &usize| quoted.is_none_or(|quote| *at < quote);
    let opening = opens(b'{').or(opens(b'[')).filter(before_quote).or(quoted.map(|at| at.saturating_sub(1)));
    Some(equals + opening.unwrap_or(0))
}

/// Whether what is assigned is one decimal number, such as the size of an array.
fn is_scalar(value: &[u8]) -> bool {
    let Some(value) = value.trim_ascii().strip_suffix(b";") else { return false };
    !value.is_empty() && value.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests;
