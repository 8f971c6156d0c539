//! From a fault in generated code back to the source.
//!
//! An instruction that may be the first to touch a cell out of range has a mark;
//! the mark is the number of a [`Site`], which says what the pointer was.

use super::Program;
use super::abi::LEFT;

/// What is known where a touch may fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    /// The command that plain code would be at, by byte offset in the source.
    pub(super) position: u32,
    /// What to add to the faulting address to get the pointer at that command.
    pub(super) delta: i32,
}

/// What a fault, or leaving, means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The command at byte `position` touches `cell`, which is not on the tape.
    Outside {
        /// Byte offset in the source.
        position: u32,
        /// The cell's number.
        cell: i64,
    },
    /// The code cannot tell: plain code that [`compile`](super::compile) makes to
    /// begin at `position`, with the pointer at `cell`, can.
    Resume {
        /// Byte offset in the source.
        position: u32,
        /// The cell's number.
        cell: i64,
    },
}

impl Program {
    /// The meaning of a fault at `address`, in the instruction that `mark` covers;
    /// cell 0 is at `tape`. `None` if that is no touch of a cell.
    pub fn fault(&self, mark: u32, address: u64, tape: u64) -> Option<Verdict> {
        let site = self.sites.get(mark as usize)?;
        let pointer = address.wrapping_add(site.delta as u64);
        Some(self.verdict(site, pointer, tape))
    }

    /// The meaning of status [`LEFT`] with `pointer` in the context; `None` if it is not
    /// such a status.
    pub fn left(&self, status: u64, pointer: u64, tape: u64) -> Option<Verdict> {
        let site = self.sites.get((status >> 8) as usize)?;
        (status & 0xFF == LEFT).then(|| self.verdict(site, pointer, tape))
    }

    fn verdict(&self, site: &Site, pointer: u64, tape: u64) -> Verdict {
        let position = site.position;
        // The shift rounds down, so that the byte before cell 0 is in cell −1.
        let cell = (pointer.wrapping_sub(tape) as i64) >> (self.cells as u32);
        if self.plain { Verdict::Outside { position, cell } } else { Verdict::Resume { position, cell } }
    }
}
