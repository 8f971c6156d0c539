//! Which loops keep their cells in registers.
//!
//! In a balanced loop every cell has one distance from the base, so it can live in
//! a register from the loop's start to its end, through inner loops and all. Law:
//! a *region* is an outermost balanced loop that goes round or holds others, names no
//! more cells than there are registers and has no probe inside, where memory would have
//! to be true. Its cells are loaded behind its first test and stored behind its last.

use super::ir::{BALANCED, Ir, Kind, MAYBE, ONCE, Op};
use alloc::vec::Vec;

/// Registers that cells can live in.
pub(super) const REGISTERS: usize = 11;

/// A cell that lives in a register; its place in the list says in which.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Home {
    pub(super) at: i32,
    pub(super) written: bool,
}

/// A loop and its cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Region {
    /// Index of its `Open`.
    pub(super) open: u32,
    homes: [Home; REGISTERS],
    /// How many cells it names.
    used: u8,
    /// Probes and loops without a balance make it none.
    spoiled: bool,
    /// It can go round twice, or has a loop in it.
    turns: bool,
}

impl Region {
    fn new(open: u32, spoiled: bool) -> Self {
        Self { open, homes: [Home::default(); REGISTERS], used: 0, spoiled, turns: false }
    }

    pub(super) fn homes(&self) -> &[Home] {
        self.homes.get(..self.used.into()).unwrap_or_default()
    }

    fn uses(&mut self, at: i32, written: bool) {
        if self.spoiled {
            return;
        }
        let used = self.used as usize;
        if let Some(home) = self.homes.iter_mut().take(used).find(|home| home.at == at) {
            home.written |= written;
        } else if let Some(home) = self.homes.get_mut(used) {
            *home = Home { at, written };
            self.used += 1;
        } else {
            self.spoiled = true;
        }
    }

    /// Takes in a loop inside.
    fn contains(&mut self, inner: &Self) {
        self.turns |= inner.turns;
        self.spoiled |= inner.spoiled;
        for home in inner.homes() {
            self.uses(home.at, home.written);
        }
    }
}

/// Finds the regions, in the order of their `Open`s.
#[inline(never)]
pub(super) fn regions(ir: &Ir) -> Vec<Region> {
    let mut found: Vec<Region> = Vec::new();
    let mut open: Vec<Region> = Vec::new();
    let mut leading = false;
    for (index, op) in ir.ops.iter().enumerate() {
        if op.kind == Kind::Open {
            open.push(Region::new(index as u32, !op.is(BALANCED)));
            leading = true;
        }
        let Some(region) = open.last_mut() else { continue };
        // Probes at the start of a balanced loop come before the loads.
        leading &= matches!(op.kind, Kind::Open | Kind::Probe) && !op.is(MAYBE);
        uses(region, op, leading);
        if op.kind == Kind::Close
            && let Some(mut region) = open.pop()
        {
            region.turns |= !op.is(ONCE);
            if !region.spoiled && region.turns {
                while found.pop_if(|inner| inner.open > region.open).is_some() {}
                found.push(region);
            }
            let probes = matches!(ir.ops.get(region.open as usize + 1), Some(op) if op.kind == Kind::Probe);
            if let Some(outer) = open.last_mut() {
                // Ifs in one another, as in a carry, go through the same cells.
                outer.turns = true;
                outer.contains(&region);
                outer.spoiled |= probes;
            }
            leading = false;
        }
    }
    found
}

fn uses(region: &mut Region, op: &Op, leading: bool) {
    match op.kind {
        _ if op.is(MAYBE) => region.spoiled = true,
        Kind::Nop | Kind::PutByte => {}
        Kind::Probe => region.spoiled |= !leading,
        Kind::Add | Kind::Set | Kind::Get => region.uses(op.at, true),
        Kind::Put | Kind::Open | Kind::Close => region.uses(op.at, false),
        Kind::Mul | Kind::Copy => {
            region.uses(op.b, false);
            region.uses(op.at, true);
        }
        Kind::Product => {
            region.uses(op.b, false);
            region.uses(op.other_factor(), false);
            region.uses(op.at, true);
        }
        Kind::Exit | Kind::Scan | Kind::Move => region.spoiled = true,
    }
}
