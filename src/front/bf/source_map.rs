//! The source map: which commands a piece of code came from, for listings, debuggers and
//! profilers.
//!
//! The source of a mark is the byte offset of a command.

use super::Program;
use crate::front::text::{self, Positions, cut};
use barejit_asm::{Mark, Source};
use core::fmt;

/// A program with its source.
#[derive(Debug)]
pub struct SourceMap<'a> {
    program: &'a Program,
    positions: Positions<'a>,
    name: &'a str,
}

impl<'a> SourceMap<'a> {
    /// `program` was made from `source`, which is called `name`.
    pub fn new(program: &'a Program, source: &'a [u8], name: &'a str) -> Self {
        Self { program, positions: Positions::new(source), name }
    }

    /// Where the commands of a mark begin and end in the source: one, if code for earlier
    /// ones comes next.
    fn range(&self, mark: Mark) -> (usize, usize) {
        let marks = self.program.code().marks();
        let behind = &marks[marks.partition_point(|other| other.code < mark.code)..];
        let behind = behind.iter().skip_while(|other| **other != mark);
        let next = behind.map(|other| other.source).find(|source| *source != mark.source);
        let start = mark.source as usize;
        (start, next.map_or(self.positions.source().len(), |next| (next as usize).max(start + 1)))
    }
}

impl Source for SourceMap<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn line(&self, mark: Mark) -> u32 {
        self.positions.at(mark.source as usize).line as u32
    }

    fn describe(&self, mark: Mark, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = self.range(mark);
        let source = cut(self.positions.source(), start..end);
        let commands = source.iter().copied().filter(|byte| b"+-<>[],.".contains(byte));
        text::excerpt(f, self.positions.at(start), commands)
    }
}
