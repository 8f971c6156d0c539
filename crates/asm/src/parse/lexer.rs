//! Tokens of a line of assembly text: names, numbers, strings and punctuation.
//!
//! A comment begins with `;` or `#` and ends the line. Numbers are decimal, hexadecimal
//! (`0x1F`, `1Fh`), binary (`0b101`), octal (`0o17`) or characters (`'a'`), with
//! underscores between digits. A number followed by `b` or `f` refers to a numeric local
//! label, as in GNU as.

use super::{Error, Reason};

/// One token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Token<'a> {
    /// A mnemonic, register, label or keyword.
    Name(&'a str),
    /// A number of at most 64 bits.
    Number(u64),
    /// A numeric local label: its number, and whether it stands later.
    Local(u32, bool),
    /// The text between two quotes.
    Text(&'a str),
    /// Any other character; `<` and `>` stand for `<<` and `>>`.
    Mark(u8),
    /// The end of the line, or its comment.
    End,
}

/// A token and where it stands in the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lexeme<'a> {
    pub(super) token: Token<'a>,
    /// Offset of its first byte.
    pub(super) at: usize,
}

/// The tokens of one line, one at a time with one token of lookahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexer<'a> {
    line: &'a str,
    /// Offset behind the current token.
    end: usize,
    current: Lexeme<'a>,
}

fn in_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.@$?".contains(byte) || !byte.is_ascii()
}

impl<'a> Lexer<'a> {
    /// The tokens of `line`, which has no line end.
    pub(super) fn new(line: &'a str) -> Result<Self, Error<'a>> {
        let mut lexer = Self { line, end: 0, current: Lexeme { token: Token::End, at: 0 } };
        lexer.advance()?;
        Ok(lexer)
    }

    /// The current token.
    pub(super) fn token(&self) -> Token<'a> {
        self.current.token
    }

    /// Whether the character behind the current token is this one.
    pub(super) fn followed_by(&self, mark: u8) -> bool {
        let rest = self.line.as_bytes().get(self.end..).unwrap_or_default();
        rest.trim_ascii_start().first() == Some(&mark)
    }

    /// Where the current token begins.
    pub(super) fn at(&self) -> usize {
        self.current.at
    }

    /// Whether one of these characters stands in the line from the current token on.
    pub(super) fn rest_has(&self, marks: &[u8]) -> bool {
        let rest = self.line.as_bytes().get(self.current.at..).unwrap_or_default();
        rest.iter().any(|byte| marks.contains(byte))
    }

    /// An error at the current token.
    pub(super) fn error<T>(&self, reason: Reason<'a>) -> Result<T, Error<'a>> {
        Err(Error { at: self.current.at, reason })
    }

    /// Whether the current token is this mark; then the next one is current.
    pub(super) fn take(&mut self, mark: u8) -> Result<bool, Error<'a>> {
        let found = self.current.token == Token::Mark(mark);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Whether the current token is this word in any case; then the next one is current.
    pub(super) fn take_word(&mut self, word: &str) -> Result<bool, Error<'a>> {
        let found = matches!(self.current.token, Token::Name(name) if name.eq_ignore_ascii_case(word));
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Reads the next token.
    pub(super) fn advance(&mut self) -> Result<(), Error<'a>> {
        let bytes = self.line.as_bytes();
        let mut at = self.end;
        while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        self.current.at = at;
        let rest = &bytes[at..];
        let (token, size) = match rest {
            [] | [b';' | b'#', ..] => (Token::End, 0),
            [b'0'..=b'9', ..] => self.number(at)?,
            [b'"' | b'\'' | b'`', ..] => self.quoted(at)?,
            [b'<', b'<', ..] => (Token::Mark(b'<'), 2),
            [b'>', b'>', ..] => (Token::Mark(b'>'), 2),
            [first, ..] if in_name(first) => {
                let size = rest.iter().position(|byte| !in_name(byte)).unwrap_or(rest.len());
                (Token::Name(&self.line[at..at + size]), size)
            }
            [mark, ..] => (Token::Mark(*mark), 1),
        };
        self.current.token = token;
        self.end = at + size;
        Ok(())
    }

    fn number(&self, at: usize) -> Result<(Token<'a>, usize), Error<'a>> {
        let rest = &self.line.as_bytes()[at..];
        let size = rest.iter().position(|byte| !in_name(byte)).unwrap_or(rest.len());
        let word = &rest[..size];
        let (radix, digits) = match word {
            [digits @ .., b'h' | b'H'] if digits.iter().all(|byte| byte.is_ascii_hexdigit()) => (16, digits),
            [b'0', b'x' | b'X', digits @ ..] => (16, digits),
            [b'0', b'b' | b'B', digits @ ..] if !digits.is_empty() => (2, digits),
            [b'0', b'o' | b'O', digits @ ..] => (8, digits),
            [digits @ .., b'b' | b'f'] if digits.iter().all(u8::is_ascii_digit) => {
                let number = value(digits, 10).and_then(|number| u32::try_from(number).ok());
                let token = number.map(|number| Token::Local(number, word.ends_with(b"f")));
                return Ok((token.ok_or(Error { at, reason: Reason::TooLarge })?, size));
            }
            _ => (10, word),
        };
        let wrong = |byte: &u8| *byte != b'_' && !char::from(*byte).is_digit(radix);
        if digits.is_empty() || digits.iter().any(wrong) {
            return Err(Error { at, reason: Reason::NoNumber(&self.line[at..at + size]) });
        }
        let number = value(digits, radix).ok_or(Error { at, reason: Reason::TooLarge })?;
        Ok((Token::Number(number), size))
    }

    fn quoted(&self, at: usize) -> Result<(Token<'a>, usize), Error<'a>> {
        let bytes = self.line.as_bytes();
        let inside = &bytes[at + 1..];
        match inside.iter().position(|byte| *byte == bytes[at]) {
            Some(size) => Ok((Token::Text(&self.line[at + 1..at + 1 + size]), size + 2)),
            None => Err(Error { at, reason: Reason::OpenString }),
        }
    }
}

/// The value of digits with underscores among them; nothing if it needs more than 64 bits.
fn value(digits: &[u8], radix: u32) -> Option<u64> {
    digits
        .iter()
        .filter_map(|byte| char::from(*byte).to_digit(radix))
        .try_fold(0u64, |value, digit| value.checked_mul(radix.into())?.checked_add(digit.into()))
}
