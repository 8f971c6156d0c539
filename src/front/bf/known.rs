//! What is known of cells at one point of a program.
//!
//! Law: a cell that is said to hold a value holds it, whatever the input.

use super::ir::bit;

/// A table of cells by the lowest five bits of their distance from the base; what
/// does not fit is forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Which entries say something.
    has: u32,
    cells: [i32; 32],
    values: [u32; 32],
    /// Cells that may have been written since the program began, as in
    /// [`bit`]; the others are zero. All of them once the base has moved.
    written: u64,
}

impl Known {
    /// The start of a program: every cell is zero.
    pub(super) const START: Self = Self { has: 0, cells: [0; 32], values: [0; 32], written: 0 };

    const fn place(at: i32) -> usize {
        (at & 31) as usize
    }

    #[inline(never)] // Many ask.
    pub(super) fn get(&self, at: i32) -> Option<u32> {
        let place = Self::place(at);
        if self.has >> place & 1 == 1 && self.cells[place] == at {
            Some(self.values[place])
        } else if self.written & bit(at) == 0 {
            Some(0)
        } else {
            None
        }
    }

    pub(super) fn set(&mut self, at: i32, value: u32) {
        let place = Self::place(at);
        self.has |= 1 << place;
        self.cells[place] = at;
        self.values[place] = value;
        self.written |= bit(at);
    }

    pub(super) fn forget(&mut self, at: i32) {
        let place = Self::place(at);
        if self.cells[place] == at {
            self.has &= !(1 << place);
        }
        self.written |= bit(at);
    }

    /// Forgets the cells in `writes`, a set of [`bit`]s, and those in `zeros` that are
    /// not known to be zero.
    pub(super) fn forget_all(&mut self, writes: u64, zeros: u64) {
        let fold = |bits: u64| bits as u32 | (bits >> 32) as u32;
        self.has &= !fold(writes & !zeros);
        self.retain(fold(zeros), |_, value| value == 0);
        self.written |= writes & !zeros;
    }

    /// What is true of this state or of `before`; from there to here no cells were
    /// written to but those in `writes`, and some that are zero if they were before.
    pub(super) fn or(&mut self, before: &Self, writes: u64) {
        self.written = before.written | writes;
        self.retain(u32::MAX, |at, value| before.get(at) == Some(value));
    }

    /// Forgets of the entries in `places` those that are not to be kept.
    fn retain(&mut self, places: u32, keep: impl Fn(i32, u32) -> bool) {
        let mut rest = self.has & places;
        while rest != 0 {
            let place = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            if !keep(self.cells[place], self.values[place]) {
                self.has &= !(1 << place);
            }
        }
    }
}
