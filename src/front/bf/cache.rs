//! Cells that registers hold besides memory.
//!
//! What has just been read or computed is often read again soon, and memory takes
//! longer to give back what was stored a moment ago than to give anything else. Law:
//! a register that holds a cell equals it, in its low bits, and memory does too, unless
//! the next operation changes both again. So holding one is never a duty, and whoever
//! does not know forgets.

use super::ir::{ENTERED, Kind, ONCE, Op, body};
use super::registers::REGISTERS;

/// Registers that hold cells here.
const HELD: usize = 6;

/// No cell: no distance is that large.
const NONE: i32 = i32::MIN;

/// Operations that are looked at for a cell's next use.
const LOOKED_AT: usize = 16;

/// Which cell each register holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cache([i32; HELD]);

const _: () = assert!(HELD <= REGISTERS);

impl Cache {
    pub(super) const EMPTY: Self = Self([NONE; HELD]);

    /// Which register holds `[at]`.
    pub(super) fn find(&self, at: i32) -> Option<usize> {
        self.0.iter().position(|&cell| cell == at)
    }

    /// How many cells registers hold.
    pub(super) fn held(&self) -> usize {
        self.0.iter().filter(|&&cell| cell != NONE).count()
    }

    /// Forgets that a register holds `[at]`.
    pub(super) fn forget(&mut self, at: i32) {
        for cell in self.0.iter_mut().filter(|cell| **cell == at) {
            *cell = NONE;
        }
    }

    /// The register that is to hold `[at]` from now on: one that holds nothing or is
    /// not wanted any more by what comes, but not `keep`.
    pub(super) fn take(&mut self, at: i32, ahead: Ahead, keep: Option<usize>) -> Option<usize> {
        let free = self.0.iter().position(|&cell| cell == NONE);
        let found =
            free.or_else(|| (0..HELD).find(|&held| Some(held) != keep && !ahead.reads(self.0[held])))?;
        *self.0.get_mut(found)? = at;
        Some(found)
    }

    /// Forgets the cells that are not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(i32) -> bool) {
        for cell in self.0.iter_mut().filter(|cell| **cell != NONE && !keep(**cell)) {
            *cell = NONE;
        }
    }

    /// What `other` holds and this does not: registers and their cells.
    pub(super) fn lacking(self, other: Self) -> impl Iterator<Item = (usize, i32)> {
        let both = self.0.into_iter().zip(other.0).enumerate();
        both.filter(|(_, (mine, theirs))| *theirs != NONE && mine != theirs).map(|(held, (_, at))| (held, at))
    }

    /// A register holds `[at]`, and no other does.
    pub(super) fn set(&mut self, held: usize, at: i32) {
        for (index, cell) in self.0.iter_mut().enumerate() {
            if index == held {
                *cell = at;
            } else if *cell == at {
                *cell = NONE;
            }
        }
    }

    /// The base moves by so many cells.
    pub(super) fn shift(&mut self, by: i32) {
        for cell in self.0.iter_mut().filter(|cell| **cell != NONE) {
            *cell = cell.checked_sub(by).unwrap_or(NONE);
        }
    }

    /// What is true on two ways that meet.
    pub(super) fn meet(&mut self, other: Self) {
        for (cell, other) in self.0.iter_mut().zip(other.0) {
            if *cell != other {
                *cell = NONE;
            }
        }
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead<'a> {
    pub(super) ops: &'a [Op],
    /// What registers hold at the top of the loop that these operations end.
    pub(super) turned: Cache,
}

impl Ahead<'_> {
    /// Whether `[at]` is read soon and before it is overwritten, in a straight line
    /// but for loops that run at most once.
    pub(super) fn reads(&self, mut at: i32) -> bool {
        let mut rest = self.ops.get(..LOOKED_AT).unwrap_or(self.ops);
        while let Some((op, behind)) = rest.split_first() {
            rest = behind;
            match op.kind {
                Kind::Nop | Kind::Probe | Kind::PutByte => {}
                Kind::Add | Kind::Put if op.at == at => return true,
                Kind::Mul | Kind::Product if op.at == at || op.b == at => return true,
                Kind::Product if op.other_factor() == at => return true,
                Kind::Copy if op.b == at => return true,
                Kind::Set | Kind::Get | Kind::Copy if op.at == at => return false,
                Kind::Add | Kind::Put | Kind::Mul | Kind::Product | Kind::Set | Kind::Get | Kind::Copy => {}
                Kind::Open | Kind::Exit | Kind::Scan if op.at == at && !op.is(ENTERED) => return true,
                Kind::Exit => {}
                Kind::Open if op.is_seldom() => {
                    rest = body(rest).and_then(|end| rest.get(end + 1..)).unwrap_or_default()
                }
                Kind::Open if op.is(ONCE) => {}
                Kind::Close if op.is(ONCE) => at = at.wrapping_sub(op.b),
                Kind::Close => {
                    at = at.wrapping_sub(op.b);
                    return op.at == at || self.turned.find(at).is_some();
                }
                Kind::Open | Kind::Scan | Kind::Move => return false,
            }
        }
        false
    }

    /// The cell that is read before anything else is done, if that is by a loop. No
    /// probe stands in front of it, so it exists.
    pub(super) fn first_test(&self) -> Option<i32> {
        let first = self.ops.iter().find(|op| op.kind != Kind::Nop)?;
        let tests = matches!(first.kind, Kind::Open | Kind::Scan) && !first.is(ENTERED);
        tests.then_some(first.at)
    }
}
