//! The intermediate representation: one flat list of typed operations.
//!
//! An operation names a cell by its distance from the *data pointer*, a register of
//! the generated code. The pointer moves only at the end of an *unbalanced* loop, whose
//! iterations have a net movement, the *drift*, and in a scan. `Open` and `Close` nest
//! properly after every pass. The list knows no machine code, and no pass.
//!
//! [`text`] is its text form.

mod promoted;
mod text;

pub(super) use promoted::{Assigned, Promoted, REGISTERS};
pub use text::Snapshot;

use super::interval::Interval;
use crate::front::bug;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::ops::{Deref, DerefMut, Index, IndexMut, Range};
use core::slice::SliceIndex;

/// How the first access to a cell has to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Access {
    /// The cell is known to exist.
    InBounds,
    /// The cell may not exist. Then the access hits a guard: the instruction is a deopt
    /// point.
    MayFault,
    /// The cell may lie beyond the guard. A compare with the bounds of the tape stands
    /// before the access, which is a deopt point too.
    Explicit,
}

bitflags! {
    /// Facts about a loop, on its `Open`, its `Close`, or both.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(super) struct LoopFlags: u8 {
        /// Both: no iteration moves the data pointer.
        const BALANCED = 1;
        /// Both: the loop's cell is zero after the first iteration. It is an `if`.
        const ONCE = 2;
        /// `Open`: the cell is not zero here, so the loop needs no test at its start.
        const ENTERED = 4;
        /// `Close`: if this loop does not run, neither does the next, which follows at
        /// once. Both are passed over with one jump (jump threading).
        const THREADED = 8;
        /// `Open`: its cells live in registers; [`Ir::promoted`] says which.
        const PROMOTED = 16;
    }
}

/// The source position of what a pass made up.
pub(super) const NOWHERE: u32 = u32::MAX;

/// One operation. `[x]` is the cell `x` away from the data pointer; arithmetic is modulo
/// the width of a cell. A `position` is a byte offset in the source.
///
/// Fields are in the order of their sizes, so that every `cell` is at the same offset and
/// an operation takes 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Op {
    /// Nothing. One stands in front of every program.
    Nop,
    /// Bounds check: an access to `[cell]` before anything in the checked region is done.
    /// If the cell does not exist, baseline code takes over at `position` with its data
    /// pointer `pointer` cells away. A predicated one does nothing if `[pointer]` is zero.
    Check { access: Access, predicated: bool, cell: i32, pointer: i32, position: u32 },
    /// `[cell] += value`
    Add { access: Access, cell: i32, value: i32, position: u32 },
    /// `[cell] = value`
    Set { access: Access, cell: i32, value: i32, position: u32 },
    /// `[cell] += factor × [source]`. A predicated one does not access `[cell]` if
    /// `[source]` is zero.
    MulAdd { predicated: bool, cell: i32, source: i32, factor: u32 },
    /// `[cell] = factor × [source]`
    Copy { cell: i32, source: i32, factor: u32 },
    /// `[cell] += factor × [left] × [left + right]`
    Product { right: i16, cell: i32, left: i32, factor: u32 },
    /// Output of `[cell]`, `repeats` more times than once.
    Output { access: Access, repeats: u16, cell: i32, position: u32 },
    /// Output of a constant byte, `repeats` more times than once.
    OutputByte { byte: u8, repeats: u16, position: u32 },
    /// Input into `[cell]`.
    Input { access: Access, cell: i32, position: u32 },
    /// `while [cell] != 0 {`
    Open { access: Access, flags: LoopFlags, cell: i32, number: u32, position: u32 },
    /// `pointer += drift }`; `cell` counts from the new pointer.
    Close { access: Access, flags: LoopFlags, cell: i32, drift: i32, position: u32 },
    /// Early exit of an unrolled loop: `if [cell] == 0 { pointer += drift; break }`
    Exit { access: Access, cell: i32, drift: i32, position: u32 },
    /// `while [cell] != 0 { pointer += stride }`
    Scan { entered: bool, cell: i32, stride: i32, position: u32 },
    /// `pointer += distance`, in the baseline translation only.
    Move { distance: i32, position: u32 },
}

const _: () = assert!(size_of::<Op>() == 16);

impl Op {
    /// `[cell] += value`, of a cell that exists.
    pub(super) const fn add(cell: i32, value: u32, position: u32) -> Self {
        Self::Add { access: Access::InBounds, cell, value: value as i32, position }
    }

    /// `[cell] = value`, of a cell that exists.
    pub(super) const fn set(cell: i32, value: u32, position: u32) -> Self {
        Self::Set { access: Access::InBounds, cell, value: value as i32, position }
    }

    /// The cell that the operation is about, if it is about one.
    pub(super) const fn cell(&self) -> Option<i32> {
        match *self {
            Self::Nop | Self::OutputByte { .. } | Self::Move { .. } => None,
            Self::Check { cell, .. }
            | Self::Add { cell, .. }
            | Self::Set { cell, .. }
            | Self::MulAdd { cell, .. }
            | Self::Copy { cell, .. }
            | Self::Product { cell, .. }
            | Self::Output { cell, .. }
            | Self::Input { cell, .. }
            | Self::Open { cell, .. }
            | Self::Close { cell, .. }
            | Self::Exit { cell, .. }
            | Self::Scan { cell, .. } => Some(cell),
        }
    }

    /// The cell that the operation assigns to. Loops are not looked into.
    pub(super) const fn assigned(&self) -> Option<i32> {
        match *self {
            Self::Add { cell, .. }
            | Self::Set { cell, .. }
            | Self::MulAdd { cell, .. }
            | Self::Copy { cell, .. }
            | Self::Product { cell, .. }
            | Self::Input { cell, .. } => Some(cell),
            _ => None,
        }
    }

    /// Where the operation comes from in the source, if it comes from there.
    pub(super) const fn position(&self) -> Option<u32> {
        match *self {
            Self::Nop | Self::MulAdd { .. } | Self::Copy { .. } | Self::Product { .. } => None,
            Self::Check { position, .. }
            | Self::Add { position, .. }
            | Self::Set { position, .. }
            | Self::Output { position, .. }
            | Self::OutputByte { position, .. }
            | Self::Input { position, .. }
            | Self::Open { position, .. }
            | Self::Close { position, .. }
            | Self::Exit { position, .. }
            | Self::Scan { position, .. }
            | Self::Move { position, .. } => {
                if position == NOWHERE {
                    None
                } else {
                    Some(position)
                }
            }
        }
    }

    /// Whether it is a bounds check without a condition.
    pub(super) const fn is_plain_check(&self) -> bool {
        matches!(self, Self::Check { predicated: false, .. })
    }

    /// Whether its body is unlikely to run: an `if` that moves the data pointer is for
    /// the end of something, a carry or a border.
    pub(super) fn is_unlikely(&self) -> bool {
        let Self::Open { flags, .. } = self else { return false };
        flags.contains(LoopFlags::ONCE) && !flags.intersects(LoopFlags::BALANCED.union(LoopFlags::ENTERED))
    }
}

/// How many of `ops`, which a loop's body begins, stand before its `Close`; `None` if it
/// is not among them.
pub(super) fn body_length(ops: &[Op]) -> Option<usize> {
    let mut depth = 1;
    ops.iter().position(|op| {
        depth += matches!(op, Op::Open { .. }) as u32;
        depth -= matches!(op, Op::Close { .. }) as u32;
        depth == 0
    })
}

/// The first `count` of `ops`, and those behind them.
pub(super) fn split(ops: &[Op], count: usize) -> (&[Op], &[Op]) {
    match ops.split_at_checked(count) {
        Some(parts) => parts,
        None => bug!("more operations are taken than there are"),
    }
}

/// Facts about a loop of the source, by its number. `is_once`: its last operation is a loop
/// on its own cell, so it runs at most once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loop {
    Balanced {
        is_once: bool,
        /// Cells that it may write, as a set of [`bit`]s.
        writes: u64,
        /// Of these, the bits whose cells are zero after each iteration if they were zero
        /// before the loop; see [`loop_zeros`](super::loop_zeros).
        zeros: u64,
    },
    /// It may write every cell.
    Unbalanced {
        is_once: bool,
        /// Every iteration has the same drift.
        is_uniform: bool,
        /// The cells that exist after an iteration.
        exists: Interval,
    },
    /// Being measured by bounds-check hoisting, which needs no other room for that.
    Open {
        /// The region that the loop interrupts.
        region: u32,
        /// The cells that exist where that region begins, besides its own.
        known: Interval,
        /// The cells that the loop around it wrote before, as a set of [`bit`]s.
        writes: u64,
    },
}

/// A program has as many as it has loops, and there can be millions.
const _: () = assert!(size_of::<Loop>() == 24);

impl Loop {
    pub(super) const NEW: Self = Self::Balanced { is_once: false, writes: 0, zeros: 0 };

    pub(super) const fn is_once(&self) -> bool {
        matches!(self, Self::Balanced { is_once: true, .. } | Self::Unbalanced { is_once: true, .. })
    }

    pub(super) const fn is_uniform(&self) -> bool {
        matches!(self, Self::Unbalanced { is_uniform: true, .. })
    }

    /// Cells that it may write, as a set of [`bit`]s.
    pub(super) const fn writes(&self) -> u64 {
        match *self {
            Self::Balanced { writes, .. } => writes,
            Self::Unbalanced { .. } | Self::Open { .. } => u64::MAX,
        }
    }

    /// The bits of [`loop_zeros`](super::loop_zeros).
    pub(super) const fn zeros(&self) -> u64 {
        match *self {
            Self::Balanced { zeros, .. } => zeros,
            Self::Unbalanced { .. } | Self::Open { .. } => 0,
        }
    }

    /// The cells that are known to exist after an iteration of an unbalanced loop.
    pub(super) const fn exists(&self) -> Interval {
        match *self {
            Self::Balanced { .. } | Self::Open { .. } => Interval::EMPTY,
            Self::Unbalanced { exists, .. } => exists,
        }
    }

    /// The cells that exist after the unbalanced loop, whose `Close` tests `cell` and has
    /// this `drift`, if those `before` did where it began and those in `iteration` do
    /// after an iteration.
    pub(super) fn exists_after(
        &self,
        (cell, drift): (i32, i32),
        before: Interval,
        iteration: Interval,
    ) -> Interval {
        let mut after = before.join(iteration);
        after.include(cell);
        // The pointer came past all cells on the side that it came from.
        if self.is_uniform() && drift < 0 {
            after.high = after.high.max(before.high);
        } else if self.is_uniform() {
            after.low = after.low.min(before.low);
        }
        after
    }
}

/// The bit of a cell in a set of cells: its distance modulo 64.
pub(super) const fn bit(cell: i32) -> u64 {
    1 << (cell & 63)
}

/// A vector of a program. An index is checked here and not by `Vec`, whose panics have a
/// `Location` for each expression that indexes: every start would relocate them.
#[derive(Debug)]
pub(super) struct List<T>(Vec<T>);

impl<T> List<T> {
    pub(super) const fn new(elements: Vec<T>) -> Self {
        Self(elements)
    }

    pub(super) fn into_vec(self) -> Vec<T> {
        self.0
    }

    /// As that of a slice.
    pub(super) fn copy_within(&mut self, from: Range<usize>, to: usize)
    where
        T: Copy,
    {
        self.0.copy_within(from, to);
    }
}

impl<T> Deref for List<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T, I: SliceIndex<[T]>> Index<I> for List<T> {
    type Output = I::Output;

    fn index(&self, index: I) -> &I::Output {
        match self.0.get(index) {
            Some(found) => found,
            None => bug!("an index outside the program"),
        }
    }
}

impl<T, I: SliceIndex<[T]>> IndexMut<I> for List<T> {
    fn index_mut(&mut self, index: I) -> &mut I::Output {
        match self.0.get_mut(index) {
            Some(found) => found,
            None => bug!("an index outside the program"),
        }
    }
}

/// A program.
#[derive(Debug)]
pub(super) struct Ir {
    pub(super) ops: List<Op>,
    pub(super) loops: List<Loop>,
    /// Loops whose cells live in registers, in the order of their `Open`s.
    pub(super) promoted: Vec<Promoted>,
    /// Whether this is the baseline translation: every cell is `[0]`, and `Move` moves
    /// the data pointer.
    pub(super) is_baseline: bool,
}

impl Ir {
    /// The facts about loop `number`.
    pub(super) fn facts(&self, number: u32) -> &Loop {
        &self.loops[number as usize]
    }
}
