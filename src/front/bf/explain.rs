//! What listings and profilers are told of a program: which commands a piece of
//! code came from.

use super::Program;
use crate::front::text::{self, Positions};
use barejit_asm::{Mark, Source};
use core::fmt;

/// A program with its source.
#[derive(Debug)]
pub struct Explained<'a> {
    program: &'a Program,
    positions: Positions<'a>,
    name: &'a str,
}

impl<'a> Explained<'a> {
    /// `program` was made from `source`, which is called `name`.
    pub fn new(program: &'a Program, source: &'a [u8], name: &'a str) -> Self {
        Self { program, positions: Positions::new(source), name }
    }

    /// Where the commands of a mark begin and end in the source: one, if code for earlier
    /// ones comes next.
    fn range(&self, mark: Mark) -> (usize, usize) {
        let sites = self.program.sites.get(mark.source as usize..).unwrap_or_default();
        let Some(first) = sites.first() else { return (0, 0) };
        let next = sites.iter().find(|site| site.position != first.position);
        let start = first.position as usize;
        (start, next.map_or(self.positions.source().len(), |next| (next.position as usize).max(start + 1)))
    }
}

impl Source for Explained<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn line(&self, mark: Mark) -> u32 {
        let (start, _) = self.range(mark);
        self.positions.at(start).line as u32
    }

    fn describe(&self, mark: Mark, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = self.range(mark);
        let source = self.positions.source().get(start..end).unwrap_or_default();
        let commands = source.iter().copied().filter(|byte| b"+-<>[],.".contains(byte));
        text::excerpt(f, self.positions.at(start), commands)
    }
}
