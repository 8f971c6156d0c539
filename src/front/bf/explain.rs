//! What listings and profilers are told of a program: which commands a piece of
//! code came from.

use super::{Position, Program};
use crate::code::{Mark, Source};
use core::{
    cell::Cell,
    fmt::{self, Write},
};

/// A program with its source.
#[derive(Debug)]
pub struct Explained<'a> {
    program: &'a Program,
    source: &'a [u8],
    name: &'a str,
    /// The last line asked for and where it was: lines are asked for in order.
    last: Cell<(usize, u32)>,
}

impl<'a> Explained<'a> {
    /// `program` was made from `source`, which is called `name`.
    pub fn new(program: &'a Program, source: &'a [u8], name: &'a str) -> Self {
        Self { program, source, name, last: Cell::new((0, 1)) }
    }

    /// Where the commands of a mark begin and end in the source: one, if code for earlier
    /// ones comes next.
    fn range(&self, mark: Mark) -> (usize, usize) {
        let sites = self.program.sites.get(mark.source as usize..).unwrap_or_default();
        let Some(first) = sites.first() else { return (0, 0) };
        let next = sites.iter().find(|site| site.position != first.position);
        let start = first.position as usize;
        (start, next.map_or(self.source.len(), |next| (next.position as usize).max(start + 1)))
    }
}

impl Source for Explained<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn line(&self, mark: Mark) -> u32 {
        let (start, _) = self.range(mark);
        let (mut known, mut line) = self.last.get();
        if start < known {
            (known, line) = (0, 1);
        }
        line += self.source[known..start].iter().filter(|byte| **byte == b'\n').count() as u32;
        self.last.set((start, line));
        line
    }

    fn describe(&self, mark: Mark, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 40;
        let (start, end) = self.range(mark);
        let Position { line, column } = Position::of(self.source, start);
        write!(f, "{line}:{column} ")?;
        let mut commands = self.source[start..end].iter().filter(|byte| b"+-<>[],.".contains(byte));
        commands.by_ref().take(SHOWN).try_for_each(|command| f.write_char(char::from(*command)))?;
        f.write_str(if commands.next().is_some() { "…" } else { "" })
    }
}
