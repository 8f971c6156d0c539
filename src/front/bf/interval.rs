//! The cell interval: the abstract state of bounds-check hoisting.
//!
//! The tape has no holes, so cells between two that exist exist. The cells known to
//! exist are therefore one interval of distances from the data pointer. The lattice, with
//! what is known least at the bottom:
//!
//! ```text
//!            [MIN, MAX]          every cell exists
//!           /          \
//!       …  [-1, 2]  [0, 3]  …    these exist
//!           \    |     /
//!          [0, 0] … [2, 2]       this one exists
//!                \  /
//!               EMPTY            nothing is known
//! ```
//!
//! Two states meet at a control-flow merge in their [`join`](Interval::join), the
//! intersection: a cell exists behind the merge if it does on both edges.

/// Cells from `low` to `high`, both included, by distance from the data pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Interval {
    pub(super) low: i32,
    pub(super) high: i32,
}

impl Interval {
    /// No cell.
    pub(super) const EMPTY: Self = Self { low: i32::MAX, high: i32::MIN };

    /// Every cell.
    pub(super) const ALL: Self = Self { low: i32::MIN, high: i32::MAX };

    pub(super) const fn cell(cell: i32) -> Self {
        Self { low: cell, high: cell }
    }

    /// Extends the interval to `cell`.
    pub(super) fn include(&mut self, cell: i32) {
        self.low = self.low.min(cell);
        self.high = self.high.max(cell);
    }

    /// The convex hull: the cells of either, and those in between.
    pub(super) fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// The state at a merge: the cells of both.
    pub(super) fn join(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    pub(super) const fn contains(&self, cell: i32) -> bool {
        self.low <= cell && cell <= self.high
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.low > self.high
    }

    /// The same cells, counted from a data pointer that has moved by `distance`.
    pub(super) const fn shifted(self, distance: i32) -> Self {
        if self.is_empty() {
            self
        } else {
            Self { low: self.low.saturating_sub(distance), high: self.high.saturating_sub(distance) }
        }
    }
}
