//! The interface between the front ends of relations and the command that runs them.
//!
//! Owns the [`Recurrence`] trait, the printing of passes and the way from a mark back
//! to the text. It knows neither language.

use super::Recorded;
use super::series::Layout;
use super::text::{self, Error, Message, Position, Positions};
use barejit_asm as asm;
use barejit_asm::{Mark, Source};
use core::fmt;

/// Which function of a relation is compiled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Function {
    /// A [`series`](super::series): every term, in batches.
    Series,
    /// `fn(terms, count, index) -> u64`: the last of `count` terms from number `index` on.
    /// The history ends before `terms`.
    LastTerm,
}

/// Receives the intermediate representation behind each pass. The text is the name of the
/// pass and, in parentheses, the textbook name of its technique.
pub type Watch<'a> = dyn FnMut(&'static str, &dyn fmt::Display) + 'a;

/// A recurrence relation, ready to become code.
pub trait Recurrence {
    /// The terms that are given, from term 0 on, as the bits of 64-bit numbers.
    fn given(&self) -> &[u64];

    /// How a series of this relation uses memory.
    fn layout(&self) -> Layout;

    /// Code for the terms after those given, the last of which are the history. The code
    /// may rely on the values of the terms given. `record` keeps a record for a listing.
    ///
    /// # Errors
    /// If the code would have 2 GiB or more.
    ///
    /// # Panics
    /// If `function` is [`Function::LastTerm`] and there is [none](Self::has_last_term).
    fn code(&self, function: Function, record: bool) -> Result<Recorded, Error>;

    /// Runs the passes for `function` and shows their results.
    fn passes(&self, function: Function, watch: &mut Watch<'_>);

    /// Whether there is a [`Function::LastTerm`].
    fn has_last_term(&self) -> bool;

    /// The completed-count slot: the word behind the terms of a batch in which the code
    /// counts the finished terms. Only code that can fault has one.
    fn completed_slot(&self) -> Option<usize> {
        None
    }
}

/// The error for a relation whose code the assembler did not finish.
pub(super) fn too_long(error: asm::Error) -> Error {
    debug_assert_eq!(error, asm::Error::Size);
    Error { at: 0, message: Message::Text("relation too long") }
}

/// The mark of loop overhead: counting, storing and jumping back.
pub(super) const LOOP_OVERHEAD: u32 = u32::MAX;

/// The way from a mark of the code back to the text, for listings and profilers: a mark
/// is the end of the piece of text that its code came from, and the piece begins where
/// another one ends.
#[derive(Debug)]
pub struct Explained<'a> {
    positions: Positions<'a>,
    name: &'a str,
    marks: &'a [Mark],
}

impl<'a> Explained<'a> {
    /// For code with these `marks`, compiled from the relation `text`, which is called
    /// `name`.
    pub fn new(text: &'a [u8], name: &'a str, marks: &'a [Mark]) -> Self {
        Self { positions: Positions::new(text), name, marks }
    }

    /// The piece of text of a mark and its position; `None` for loop overhead.
    pub fn piece(&self, mark: Mark) -> Option<(Position, &'a [u8])> {
        let source = self.positions.source();
        let end = mark.source as usize;
        let here = self.marks.partition_point(|other| other.code <= mark.code);
        let before = self.marks[..here].iter().rev().skip_while(|other| **other != mark);
        let start = before.map(|other| other.source as usize).find(|other| *other < end).unwrap_or(0);
        let piece = source.get(start..end)?.trim_ascii_start();
        Some((self.positions.at(end - piece.len()), piece.trim_ascii_end()))
    }
}

impl Source for Explained<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn line(&self, mark: Mark) -> u32 {
        self.piece(mark).map_or(1, |(position, _)| position.line as u32)
    }

    fn describe(&self, mark: Mark, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.piece(mark) {
            Some((position, piece)) => text::excerpt(f, position, piece.iter().copied()),
            None => f.write_str("loop"),
        }
    }
}
