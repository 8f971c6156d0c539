//! What the front ends of relations have in common: what is wrong with a text,
//! what a relation gives whoever runs it, and which piece of its text a piece of
//! the code came from.

use super::Recorded;
use super::series::Layout;
use super::text::{Places, Position};
use crate::asm;
use crate::code::{Mark, Source};
use core::fmt::{self, Write};

/// What an error is about, to be put into its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Subject {
    Byte(u8),
    Number(i64),
}

/// An error in a text: where, and what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// Offset into the text, in bytes.
    pub at: usize,
    /// What is wrong there, with `@` for the subject.
    what: &'static str,
    subject: Subject,
}

impl Error {
    pub(super) const fn new(at: usize, what: &'static str) -> Self {
        Self { at, what, subject: Subject::Number(0) }
    }

    /// The same about a byte of the text.
    pub(super) const fn byte(at: usize, what: &'static str, byte: u8) -> Self {
        Self { at, what, subject: Subject::Byte(byte) }
    }

    /// The same about a number.
    pub(super) const fn number(at: usize, what: &'static str, number: i64) -> Self {
        Self { at, what, subject: Subject::Number(number) }
    }

    /// For a relation whose code the assembler did not finish.
    pub(super) fn too_long(error: asm::Error) -> Self {
        debug_assert_eq!(error, asm::Error::Size);
        Self::new(0, "relation too long")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((before, after)) = self.what.split_once('@') else { return f.write_str(self.what) };
        match self.subject {
            Subject::Byte(byte @ b'!'..=b'~') => write!(f, "{before}'{}'{after}", char::from(byte)),
            Subject::Byte(byte) => write!(f, "{}, byte {byte:#04x}{after}", before.trim_ascii_end()),
            Subject::Number(number) => write!(f, "{before}{number}{after}"),
        }
    }
}

/// A relation, ready to become code.
pub trait Relation {
    /// The terms that are given, from term 0 on, as the bits of 64-bit numbers.
    fn given(&self) -> &[u64];

    /// How a series of this relation uses memory.
    fn layout(&self) -> Layout;

    /// A series after the terms given, the last of which are the history: see
    /// [`series`](super::series) for the function that this is.
    ///
    /// # Errors
    /// If the code would have 2 GiB or more, or cannot be had.
    fn series(&self, record: bool) -> Result<Recorded, Error>;

    /// A function of [`argument`](Self::argument), a count and an index that gives
    /// the last of `count` terms from `index` on; nothing if only a series does.
    /// It may rely on the terms given.
    ///
    /// # Errors
    /// If the code would have 2 GiB or more.
    fn last(&self, record: bool) -> Result<Option<Recorded>, Error>;

    /// The first argument of the function of [`last`](Self::last), if the memory
    /// of a series has its terms at `address`.
    fn argument(&self, address: u64) -> u64;

    /// The word behind the terms of a batch in which faulting code counts those
    /// that are done, if the code can fault.
    fn done(&self) -> Option<usize> {
        None
    }
}

/// The mark of the loop around the terms.
pub(super) const AROUND: u32 = u32::MAX;

/// What listings and profilers are told of a relation: a mark is the end of the
/// piece of text that its code came from, which begins where another one ends.
#[derive(Debug)]
pub struct Explained<'a> {
    text: Places<'a>,
    name: &'a str,
    marks: &'a [Mark],
}

impl<'a> Explained<'a> {
    /// The relation read from `text`, which is called `name`, became code with
    /// these `marks`.
    pub fn new(text: &'a [u8], name: &'a str, marks: &'a [Mark]) -> Self {
        Self { text: Places::new(text), name, marks }
    }

    /// Where the text of a mark stands, and the text; nothing if it has none.
    pub fn piece(&self, mark: Mark) -> Option<(Position, &'a [u8])> {
        let source = self.text.source();
        let end = mark.source as usize;
        let here = self.marks.partition_point(|other| other.code <= mark.code);
        let before = self.marks[..here].iter().rev().skip_while(|other| **other != mark);
        let start = before.map(|other| other.source as usize).find(|other| *other < end).unwrap_or(0);
        let piece = source.get(start..end)?;
        let spaces = piece.len() - piece.trim_ascii_start().len();
        Some((self.text.position(start + spaces), piece.trim_ascii()))
    }
}

impl Source for Explained<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn line(&self, mark: Mark) -> u32 {
        self.piece(mark).map_or(1, |(place, _)| place.line as u32)
    }

    fn describe(&self, mark: Mark, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 40;
        let Some((Position { line, column }, piece)) = self.piece(mark) else {
            return f.write_str("loop");
        };
        write!(f, "{line}:{column} ")?;
        for byte in piece.iter().take(SHOWN) {
            f.write_char(if byte.is_ascii_whitespace() { ' ' } else { char::from(*byte) })?;
        }
        f.write_str(if piece.len() > SHOWN { "…" } else { "" })
    }
}
