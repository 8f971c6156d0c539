//! Local register allocation outside promoted loops: a write-through cache of cells.
//!
//! A cell that was just read or computed is often read again soon, and a load takes longer
//! right after a store to the same cell than at any other time. Registers are given out as
//! operations come; one that is not read again soon is free (Belady's rule with bounded
//! *next-use lookahead*; see Cooper, Torczon, *Engineering a Compiler*, 13.3).
//!
//! Invariant: a register that holds a cell equals it, in its low bits, and memory does too,
//! unless the next operation changes both again. Dropping a cell is therefore always safe.
//! An operation takes constant time.

use super::ir::{LoopFlags, Op, REGISTERS, body_length};
use crate::front::bug;
use alloc::vec::Vec;

/// Registers that hold cells here.
const HELD: usize = 6;

/// Registers that a set can name: an index from a set needs no check.
const ROOM: usize = u8::BITS as usize;

/// No cell: no distance is that large.
const NONE: i32 = i32::MIN;

/// Operations that are looked at for a cell's next use.
const LOOKAHEAD: usize = 16;

/// A set of registers that hold cells, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Registers(u8);

impl Registers {
    /// No set of registers that hold cells.
    pub(super) const NEVER: Self = Self(u8::MAX);

    /// The registers of the set, the first one first.
    fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let register = rest.trailing_zeros() as usize;
            rest &= rest.wrapping_sub(1);
            (register < ROOM).then_some(register)
        })
    }
}

/// The cell that each register holds. Most registers hold none, so a set says which do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cache {
    holding: Registers,
    /// Invariant: [`NONE`] for a register that is not in the set.
    cells: [i32; ROOM],
}

const _: () = assert!(HELD <= REGISTERS && HELD < ROOM);

impl Cache {
    pub(super) const EMPTY: Self = Self { holding: Registers(0), cells: [NONE; ROOM] };

    /// The register that holds `[cell]`.
    pub(super) fn find(&self, cell: i32) -> Option<usize> {
        self.holding.iter().find(|&register| self.cells[register] == cell)
    }

    /// How many cells registers hold.
    pub(super) fn held(&self) -> usize {
        self.holding.0.count_ones() as usize
    }

    /// Puts the cells that registers hold on a stack, and returns these registers.
    pub(super) fn push_to(&self, stack: &mut Vec<i32>) -> Registers {
        for register in self.holding.iter() {
            stack.push(self.cells[register]);
        }
        self.holding
    }

    /// Takes the cells of these registers from a stack.
    pub(super) fn pop_from(stack: &mut Vec<i32>, registers: Registers) -> Self {
        let mut cache = Self::EMPTY;
        if registers.0 == 0 {
            return cache;
        }
        let Some(start) = stack.len().checked_sub(registers.0.count_ones() as usize) else {
            bug!("a register whose cell is not on the stack")
        };
        for (register, cell) in registers.iter().zip(stack.drain(start..)) {
            cache.put(register, cell);
        }
        cache
    }

    /// `register` holds `[cell]`.
    fn put(&mut self, register: usize, cell: i32) {
        self.cells[register % ROOM] = cell;
        self.holding.0 |= 1 << (register % ROOM);
    }

    /// `register` holds nothing.
    fn drop(&mut self, register: usize) {
        self.cells[register] = NONE;
        self.holding.0 &= !(1 << register);
    }

    /// Drops `[cell]`.
    pub(super) fn forget(&mut self, cell: i32) {
        self.retain(|held| held != cell);
    }

    /// Gives `[cell]` a register: one that holds nothing, or a cell that is not read soon;
    /// not `keep`.
    pub(super) fn take(&mut self, cell: i32, ahead: Lookahead, keep: Option<usize>) -> Option<usize> {
        let free = Some(self.holding.0.trailing_ones() as usize).filter(|&register| register < HELD);
        let unread =
            || (0..HELD).find(|&register| Some(register) != keep && !ahead.reads(self.cells[register]));
        let found = free.or_else(unread)?;
        self.put(found, cell);
        Some(found)
    }

    /// Drops the cells that `keep` does not want.
    pub(super) fn retain(&mut self, keep: impl Fn(i32) -> bool) {
        for register in self.holding.iter() {
            if !keep(self.cells[register]) {
                self.drop(register);
            }
        }
    }

    /// The registers and cells of `other` that differ here.
    pub(super) fn lacking(self, other: Self) -> impl Iterator<Item = (usize, i32)> {
        let theirs = other.holding.iter().map(move |register| (register, other.cells[register]));
        theirs.filter(move |&(register, cell)| self.cells[register] != cell)
    }

    /// `register` holds `[cell]`, and no other does.
    pub(super) fn set(&mut self, register: usize, cell: i32) {
        self.forget(cell);
        self.put(register, cell);
    }

    /// The data pointer moves by so many cells.
    pub(super) fn shift(&mut self, by: i32) {
        for register in self.holding.iter() {
            match self.cells[register].checked_sub(by) {
                Some(cell) if cell != NONE => self.cells[register] = cell,
                _ => self.drop(register),
            }
        }
    }

    /// Becomes the state at a control-flow merge: registers that hold the same on both edges.
    pub(super) fn join(&mut self, other: Self) {
        for register in self.holding.iter() {
            if self.cells[register] != other.cells[register] {
                self.drop(register);
            }
        }
    }
}

/// The operations that follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookahead<'a> {
    pub(super) ops: &'a [Op],
    /// The loop-header state: what registers hold at the top of the loop that these
    /// operations end.
    pub(super) header: Cache,
}

impl Lookahead<'_> {
    /// Whether `[cell]` is read soon and before it is overwritten: in a straight line, and
    /// through loops that run at most once.
    pub(super) fn reads(&self, mut wanted: i32) -> bool {
        let mut rest = self.ops.get(..LOOKAHEAD).unwrap_or(self.ops);
        while let Some((op, behind)) = rest.split_first() {
            rest = behind;
            match *op {
                Op::Nop | Op::Check { .. } | Op::OutputByte { .. } => {}
                Op::Add { cell, .. } | Op::Output { cell, .. } => {
                    if cell == wanted {
                        return true;
                    }
                }
                Op::MulAdd { cell, source, .. } => {
                    if cell == wanted || source == wanted {
                        return true;
                    }
                }
                Op::Product { right, cell, left, .. } => {
                    if cell == wanted || left == wanted || left + i32::from(right) == wanted {
                        return true;
                    }
                }
                Op::Copy { source, .. } if source == wanted => return true,
                Op::Set { cell, .. } | Op::Input { cell, .. } | Op::Copy { cell, .. } => {
                    if cell == wanted {
                        return false;
                    }
                }
                Op::Open { flags, cell, .. } if cell == wanted && !flags.contains(LoopFlags::ENTERED) => {
                    return true;
                }
                Op::Scan { entered: false, cell, .. } if cell == wanted => return true,
                Op::Exit { cell, .. } => {
                    if cell == wanted {
                        return true;
                    }
                }
                Op::Open { .. } if op.is_unlikely() => {
                    rest = body_length(rest).and_then(|end| rest.get(end + 1..)).unwrap_or_default();
                }
                Op::Open { flags, .. } if flags.contains(LoopFlags::ONCE) => {}
                Op::Close { flags, cell, drift, .. } => {
                    wanted = wanted.wrapping_sub(drift);
                    if !flags.contains(LoopFlags::ONCE) {
                        return cell == wanted || self.header.find(wanted).is_some();
                    }
                }
                Op::Open { .. } | Op::Scan { .. } | Op::Move { .. } => return false,
            }
        }
        false
    }

    /// The cell that is read before anything else is done, if a loop reads it. No check
    /// stands before it, so it exists.
    pub(super) fn first_test(&self) -> Option<i32> {
        match *self.ops.iter().find(|op| **op != Op::Nop)? {
            Op::Open { flags, cell, .. } if !flags.contains(LoopFlags::ENTERED) => Some(cell),
            Op::Scan { entered: false, cell, .. } => Some(cell),
            _ => None,
        }
    }

    /// Whether all that reads `[cell]` soon is the end of its loop, which comes next: an
    /// instruction that changes it in memory sets the flags for that.
    pub(super) fn only_tests(&self, wanted: i32) -> bool {
        match self.next() {
            Some(&Op::Close { flags, cell, drift: 0, .. }) => {
                cell == wanted && !flags.contains(LoopFlags::ONCE) && self.header.find(cell).is_none()
            }
            _ => false,
        }
    }

    /// The operation that comes next, if one does.
    pub(super) fn next(&self) -> Option<&Op> {
        self.ops.iter().find(|op| **op != Op::Nop)
    }
}

/// The name of the register with this number among those that hold cells.
pub(super) fn register<T: Copy>(names: &[T], number: usize) -> T {
    match names.get(number) {
        Some(name) => *name,
        None => bug!("a cell in a register that does not exist"),
    }
}
