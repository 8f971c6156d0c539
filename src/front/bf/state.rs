//! The abstract state of constant propagation: for each cell, a constant or unknown.
//!
//! ```text
//!  a cell:            unknown (top)
//!               /   |   |    |      \
//!              0    1   2    …     2ⁿ−1
//! ```
//!
//! Two states meet at a control-flow merge in their [`join`](State::join), cell by cell:
//! equal constants stay, all else is unknown. There is no bottom: code that cannot be
//! reached is deleted, not analysed. A chain of joins has length one, so one visit of a
//! loop, with the cells that it may write set to unknown, is enough.
//!
//! Invariant: a cell that the state holds a constant for has that value, whatever the
//! input. The state is a table of 32 entries; an entry that gives way to another becomes
//! unknown, which is always sound. Every operation takes constant time.

use super::ir::bit;

/// Constants by the lowest five bits of a cell's distance from the data pointer.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    /// Which entries hold a constant.
    has: u32,
    cells: [i32; 32],
    values: [u32; 32],
    /// Cells that may have been written since the program began, as a set of [`bit`]s;
    /// the others are zero. All bits are set once the data pointer has moved.
    written: u64,
}

impl State {
    /// The start of a program: every cell is zero.
    pub(super) const START: Self = Self { has: 0, cells: [0; 32], values: [0; 32], written: 0 };

    /// Nothing is known.
    pub(super) const UNKNOWN: Self = Self { written: u64::MAX, ..Self::START };

    /// Becomes `other`. Only entries that hold a constant are copied.
    pub(super) fn restore(&mut self, other: &Self) {
        (self.has, self.written) = (other.has, other.written);
        let mut rest = other.has;
        while rest != 0 {
            let entry = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            (self.cells[entry], self.values[entry]) = (other.cells[entry], other.values[entry]);
        }
    }

    const fn entry(cell: i32) -> usize {
        (cell & 31) as usize
    }

    /// The constant that `[cell]` is, if it is known.
    pub(super) fn get(&self, cell: i32) -> Option<u32> {
        let entry = Self::entry(cell);
        if self.has >> entry & 1 == 1 && self.cells[entry] == cell {
            Some(self.values[entry])
        } else if self.written & bit(cell) == 0 {
            Some(0)
        } else {
            None
        }
    }

    pub(super) fn set(&mut self, cell: i32, value: u32) {
        let entry = Self::entry(cell);
        self.has |= 1 << entry;
        self.cells[entry] = cell;
        self.values[entry] = value;
        self.written |= bit(cell);
    }

    /// `[cell]` becomes unknown.
    pub(super) fn forget(&mut self, cell: i32) {
        let entry = Self::entry(cell);
        if self.cells[entry] == cell {
            self.has &= !(1 << entry);
        }
        self.written |= bit(cell);
    }

    /// The cells in `writes`, a set of [`bit`]s, become unknown, except those in `zeros`
    /// that are zero.
    pub(super) fn forget_all(&mut self, writes: u64, zeros: u64) {
        let fold = |bits: u64| bits as u32 | (bits >> 32) as u32;
        self.has &= !fold(writes & !zeros);
        self.retain(fold(zeros), |_, value| value == 0);
        self.written |= writes & !zeros;
    }

    /// Becomes the join of this state, at the end of a loop, and of `before`, at its start.
    /// `writes` are the cells that the loop may write, without those that it leaves zero.
    pub(super) fn join(&mut self, before: &Self, writes: u64) {
        self.written = before.written | writes;
        self.retain(u32::MAX, |cell, value| before.get(cell) == Some(value));
    }

    /// Of the entries in the set `entries`, keeps those that `keep` wants.
    fn retain(&mut self, entries: u32, keep: impl Fn(i32, u32) -> bool) {
        let mut rest = self.has & entries;
        while rest != 0 {
            let entry = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            if !keep(self.cells[entry], self.values[entry]) {
                self.has &= !(1 << entry);
            }
        }
    }
}
