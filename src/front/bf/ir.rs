//! The intermediate representation: one flat list of operations.
//!
//! Cells are named by their distance from the *base*, a register that moves only
//! where a loop makes the distance unknowable. Brackets nest properly at all
//! times; nothing here knows machine code or how a pass decides.

use alloc::vec::Vec;

/// What an operation does. `[x]` is the cell `x` away from the base.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    /// Touch of `[at]`, in place of plain code at position `c` with its pointer at
    /// `b`; see [`reach`](super::reach).
    Probe,
    /// Nothing; it also stands in front of the program.
    Nop,
    /// `[at] += b`
    Add,
    /// `[at] = b`
    Set,
    /// `[at] += k × [b]`
    Mul,
    /// `[at] = k × [b]`
    Copy,
    /// `[at] += k × [b] × [b + d]`
    Product,
    /// Output of `[at]`, `d` more times than once.
    Put,
    /// Output of the byte `b`, likewise.
    PutByte,
    /// Input into `[at]`.
    Get,
    /// `while [at] != 0 {`; the loop's number is `b`.
    Open,
    /// `base += b }`; `at` counts from the new base.
    Close,
    /// `if [at] == 0 { base += b, and out of the loop }`
    Exit,
    /// `while [at] != 0 { base += b }`
    Scan,
    /// `base += b`, in plain translation only.
    Move,
}

impl Kind {
    /// Whether an operation of this kind has a factor and no place.
    pub(super) fn is_product(self) -> bool {
        matches!(self, Self::Mul | Self::Copy | Self::Product)
    }
}

/// One operation; the fields mean what its [`Kind`] says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Op {
    pub(super) kind: Kind,
    /// Of an `Open` and its `Close`: [`BALANCED`], [`ONCE`], [`ENTERED`], which a
    /// `Scan` may have too, [`THREADED`]; of what may be the first to touch its cell:
    /// [`TOUCHES`], [`FAR`]; of a `Probe` or a `Mul`: [`MAYBE`].
    pub(super) flags: u8,
    pub(super) d: i16,
    pub(super) at: i32,
    pub(super) b: i32,
    /// The byte offset in the source, [`NOWHERE`], or the factor `k`.
    pub(super) c: u32,
}

/// The place of what passes have made up.
pub(super) const NOWHERE: u32 = u32::MAX;

/// The base is where it was after every round of the loop.
pub(super) const BALANCED: u8 = 1;
/// The loop's cell is zero after the first round: no way back is needed.
pub(super) const ONCE: u8 = 2;
/// The cell of a loop or a scan is not zero at its start: no test is needed there.
pub(super) const ENTERED: u8 = 4;

/// Its cell may not exist: the touch must be marked.
pub(super) const TOUCHES: u8 = 8;
/// Likewise, and the touch may even pass a guard: it must be checked.
pub(super) const FAR: u8 = 16;
/// Of a `Probe` or a `Mul`: `[at]` must be left alone if `[b]` is zero.
pub(super) const MAYBE: u8 = 32;
/// Of a `Close`: if its loop does not run, nor does the one that follows.
pub(super) const THREADED: u8 = 64;

impl Op {
    pub(super) const NOP: Self = Self::new(Kind::Nop, 0, 0, 0);

    pub(super) const fn new(kind: Kind, at: i32, b: i32, c: u32) -> Self {
        Self { kind, flags: 0, d: 0, at, b, c }
    }

    pub(super) const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The second cell of a `Product`.
    pub(super) const fn other_factor(&self) -> i32 {
        self.b + self.d as i32
    }

    /// Whether it is an assignment to `[at]`.
    pub(super) fn changes(&self, at: i32) -> bool {
        let assigns = self.kind.is_product() || matches!(self.kind, Kind::Add | Kind::Set | Kind::Get);
        assigns && self.at == at
    }

    /// Whether it has a place in the source.
    pub(super) fn has_place(&self) -> bool {
        self.kind != Kind::Nop && !self.kind.is_product() && self.c != NOWHERE
    }

    /// Whether it begins what is likely to be passed over: what runs at most once and
    /// goes elsewhere is for the end of something, a carry or a border.
    pub(super) fn is_seldom(&self) -> bool {
        self.kind == Kind::Open && self.is(ONCE) && !self.is(BALANCED | ENTERED)
    }
}

/// How many of `ops`, which a loop's body begins, stand before its `Close`.
#[inline(never)]
pub(super) fn body(ops: &[Op]) -> Option<usize> {
    let mut depth = 1;
    ops.iter().position(|op| {
        depth += (op.kind == Kind::Open) as u32;
        depth -= (op.kind == Kind::Close) as u32;
        depth == 0
    })
}

/// Cells that some stretch of the plain program may touch, by distance from the
/// base where the stretch begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reach {
    pub(super) low: i32,
    pub(super) high: i32,
}

impl Reach {
    /// No cell at all.
    pub(super) const NONE: Self = Self { low: i32::MAX, high: i32::MIN };

    /// Every cell.
    pub(super) const ALL: Self = Self { low: i32::MIN, high: i32::MAX };

    pub(super) const fn cell(at: i32) -> Self {
        Self { low: at, high: at }
    }

    pub(super) fn join(&mut self, at: i32) {
        self.low = self.low.min(at);
        self.high = self.high.max(at);
    }

    /// The cells that either has, and those in between.
    pub(super) fn joined(&self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// The cells that both have, if both know the base alike.
    pub(super) fn common(&self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    pub(super) const fn has(&self, at: i32) -> bool {
        self.low <= at && at <= self.high
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.low > self.high
    }

    /// The same cells seen from a base `by` further on.
    pub(super) const fn shifted(&self, by: i32) -> Self {
        if self.is_empty() {
            *self
        } else {
            Self { low: self.low.saturating_sub(by), high: self.high.saturating_sub(by) }
        }
    }
}

/// What is known of a loop of the source, by its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loop {
    /// Cells that it may write, one bit for the lowest six bits of a distance;
    /// all bits for an unbalanced loop.
    pub(super) writes: u64,
    /// Of these, the bits whose cells are zero after each round if they were zero
    /// before the loop.
    pub(super) zeros: u64,
    /// Of an unbalanced loop: what exists when a round is over.
    pub(super) back: Reach,
    /// Of an unbalanced loop: every round moves the base by the same.
    pub(super) strides: bool,
    /// Its last operation is a loop on the same cell, so there is one round at most.
    pub(super) once: bool,
}

impl Loop {
    pub(super) const NEW: Self = Self { writes: 0, zeros: 0, back: Reach::NONE, strides: false, once: false };

    /// What exists behind the unbalanced loop that `close` ends, if `before` did where
    /// it began and `back` does when a round is over.
    pub(super) fn leave(&self, close: &Op, before: Reach, back: Reach) -> Reach {
        let mut left = before.common(back);
        left.join(close.at);
        // Where the base came from there are cells up to the farthest known.
        if self.strides && close.b < 0 {
            left.high = left.high.max(before.high);
        } else if self.strides {
            left.low = left.low.min(before.low);
        }
        left
    }
}

/// The bit for a cell in [`Loop::writes`].
pub(super) const fn bit(at: i32) -> u64 {
    1 << (at & 63)
}

/// A program.
#[derive(Debug)]
pub(super) struct Ir {
    pub(super) ops: Vec<Op>,
    pub(super) loops: Vec<Loop>,
    /// Whether it is the plain translation: every distance is 0, and `Move` moves.
    pub(super) plain: bool,
}

impl Ir {
    /// Operations other than `Nop`.
    pub(super) fn len(&self) -> usize {
        self.ops.iter().filter(|op| op.kind != Kind::Nop).count()
    }
}
