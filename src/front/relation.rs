//! What the front ends of relations have in common: what is wrong with a text,
//! what a relation gives whoever runs it, and which piece of its text a piece of
//! the code came from.

use super::Recorded;
use super::series::Layout;
use super::text::{Places, Position};
use barejit_asm as asm;
use barejit_asm::{Mark, Source};
use core::fmt::{self, Write};

/// An error in a text: where, and what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// Offset into the text, in bytes.
    pub at: usize,
    /// What is wrong there, in ASCII, with `#` for the subject as a number, `@` for it
    /// as a character, or `?` for it as any byte: ` 'x'` or `, byte 0x1f`.
    pub(super) what: &'static str,
    pub(super) subject: i64,
}

impl Error {
    /// For a relation whose code the assembler did not finish.
    pub(super) fn too_long(error: asm::Error) -> Self {
        debug_assert_eq!(error, asm::Error::Size);
        Self { at: 0, what: "relation too long", subject: 0 }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.bytes().try_for_each(|byte| match (byte, self.subject as u8) {
            (b'#', _) => self.subject.fmt(f),
            (b'?', byte @ b'!'..=b'~') => {
                [' ', '\'', byte.into(), '\''].iter().try_for_each(|part| f.write_char(*part))
            }
            (b'?', byte) => write!(f, ", byte {:#04x}", u64::from(byte)),
            (b'@', byte) | (byte, _) => f.write_char(char::from(byte)),
        })
    }
}

/// A recurrence relation, ready to become code.
pub trait Recurrence {
    /// The terms that are given, from term 0 on, as the bits of 64-bit numbers.
    fn given(&self) -> &[u64];

    /// How a series of this relation uses memory.
    fn layout(&self) -> Layout;

    /// Code for the terms after those given, the last of which are the history: a
    /// [`series`](super::series) or, if `direct`, which must be
    /// [possible](Self::is_direct), a function of where such terms go, a count and an
    /// index that gives the last of `count` terms from `index` on; it may rely on the
    /// terms given.
    ///
    /// # Errors
    /// If the code would have 2 GiB or more.
    fn code(&self, direct: bool, record: bool) -> Result<Recorded, Error>;

    /// Whether there is a direct function.
    fn is_direct(&self) -> bool;

    /// The word behind the terms of a batch in which the code counts those that are
    /// done, if it can fault.
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
        let piece = source.get(start..end)?.trim_ascii_start();
        Some((self.text.position(end - piece.len()), piece.trim_ascii_end()))
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
