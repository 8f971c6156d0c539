//! What listings and profilers are told of a program: which commands a piece of
//! code came from.

use super::Program;
use crate::front::text::{Places, Position};
use barejit_asm::{Mark, Source};
use core::fmt::{self, Write};

/// A program with its source.
#[derive(Debug)]
pub struct Explained<'a> {
    program: &'a Program,
    text: Places<'a>,
    name: &'a str,
}

impl<'a> Explained<'a> {
    /// `program` was made from `source`, which is called `name`.
    pub fn new(program: &'a Program, source: &'a [u8], name: &'a str) -> Self {
        Self { program, text: Places::new(source), name }
    }

    /// Where the commands of a mark begin and end in the source: one, if code for earlier
    /// ones comes next.
    fn range(&self, mark: Mark) -> (usize, usize) {
        let sites = self.program.sites.get(mark.source as usize..).unwrap_or_default();
        let Some(first) = sites.first() else { return (0, 0) };
        let next = sites.iter().find(|site| site.position != first.position);
        let start = first.position as usize;
        (start, next.map_or(self.text.source().len(), |next| (next.position as usize).max(start + 1)))
    }
}

impl Source for Explained<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn line(&self, mark: Mark) -> u32 {
        let (start, _) = self.range(mark);
        self.text.position(start).line as u32
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
