//! The source map: which commands a piece of code came from, for listings, debuggers and
//! profilers.
//!
//! The source of a mark is the byte offset of a command.

use super::Program;
use crate::front::text::{Places, Position};
use barejit_asm::{Mark, Source};
use core::fmt::{self, Write};

/// A program with its source.
#[derive(Debug)]
pub struct SourceMap<'a> {
    program: &'a Program,
    text: Places<'a>,
    name: &'a str,
}

impl<'a> SourceMap<'a> {
    /// `program` was made from `source`, which is called `name`.
    pub fn new(program: &'a Program, source: &'a [u8], name: &'a str) -> Self {
        Self { program, text: Places::new(source), name }
    }

    /// Where the commands of a mark begin and end in the source: one, if code for earlier
    /// ones comes next.
    fn range(&self, mark: Mark) -> (usize, usize) {
        let marks = self.program.code().marks();
        let behind = &marks[marks.partition_point(|other| other.code < mark.code)..];
        let behind = behind.iter().skip_while(|other| **other != mark);
        let next = behind.map(|other| other.source).find(|source| *source != mark.source);
        let start = mark.source as usize;
        (start, next.map_or(self.text.source().len(), |next| (next as usize).max(start + 1)))
    }
}

impl Source for SourceMap<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn line(&self, mark: Mark) -> u32 {
        self.text.position(mark.source as usize).line as u32
    }

    fn describe(&self, mark: Mark, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 40;
        let (start, end) = self.range(mark);
        let Position { line, column } = self.text.position(start);
        write!(f, "{line}:{column} ")?;
        let mut commands = self
            .text
            .source()
            .get(start..end)
            .unwrap_or_default()
            .iter()
            .filter(|byte| b"+-<>[],.".contains(byte));
        commands.by_ref().take(SHOWN).try_for_each(|command| f.write_char(char::from(*command)))?;
        f.write_str(if commands.next().is_some() { "…" } else { "" })
    }
}
