//! Arithmetic on cells, wherever they are: in memory, in memory and a register, or in a
//! register alone.
//!
//! Invariant: memory equals a register that the [cache](crate::front::bf::local) has when
//! the next operation begins, unless that operation changes the cell again. Constant time for
//! each operation.

use super::{ASSIGNABLE, Emitter};
use crate::front::bf::cells::low;
use crate::front::bf::ir::Op;
use crate::front::bf::local::register;
use barejit_asm::*;

impl Emitter<'_, '_> {
    /// The register of a cell of a promoted loop; memory does not have its value.
    pub(super) fn assigned(&self, cell: i32) -> Option<Gpr64> {
        let number = self.assigned.iter().position(|assigned| assigned.cell == cell)?;
        Some(register(&ASSIGNABLE, number))
    }

    /// The register that has a cell, whether memory has its value or not.
    pub(super) fn held(&self, cell: i32) -> Option<Gpr64> {
        if !self.options.passes.registers {
            return None;
        }
        self.assigned(cell).or_else(|| Some(register(&ASSIGNABLE, self.cache.find(cell)?)))
    }

    /// Gives a cell a register, not `keep`, if the code behind reads the cell soon.
    pub(super) fn hold(&mut self, cell: i32, keep: Option<Gpr64>) -> Option<Gpr64> {
        if !self.options.passes.registers || !self.assigned.is_empty() || !self.ahead.reads(cell) {
            return None;
        }
        let keep = ASSIGNABLE.iter().position(|&register| Some(register) == keep);
        Some(register(&ASSIGNABLE, self.cache.take(cell, self.ahead, keep)?))
    }

    /// The register that has a cell. If none has, the cell is loaded into one if the code
    /// behind reads it soon.
    pub(super) fn operand(&mut self, cell: i32, keep: Option<Gpr64>) -> Option<Gpr64> {
        if !self.options.passes.registers {
            return None;
        }
        self.held(cell).or_else(|| {
            let register = self.hold(cell, keep)?;
            self.out.load(register, cell);
            Some(register)
        })
    }

    /// Stores a register that has `[cell]` and was changed. If the next operation changes it
    /// too, the store waits for that one.
    pub(super) fn changed(&mut self, wanted: i32, register: Gpr64) {
        let changes_again = |op: &Op| match *op {
            Op::Add { cell, value, .. } => cell == wanted && self.out.cells.signed(value as u32) != 0,
            Op::MulAdd { predicated: false, cell, .. } => cell == wanted,
            _ => false,
        };
        let waits = self.held(wanted) == Some(register) && self.ahead.next().is_some_and(changes_again);
        if self.assigned(wanted).is_none() && !waits {
            self.out.store(wanted, register);
        }
    }

    /// Memory has the constant `value` at `[cell]` now: so has a register, if the code behind
    /// reads it soon.
    pub(super) fn become_constant(&mut self, cell: i32, value: i32) {
        let kept = self.held(cell).filter(|_| self.ahead.reads(cell));
        if kept.is_none() {
            self.cache.forget(cell);
        }
        if let Some(register) = kept.or_else(|| self.hold(cell, None)) {
            self.out.mov_ri(register, value);
        }
    }

    /// `register = [cell]`; the high bits are undefined.
    pub(super) fn read(&mut self, register: Gpr64, cell: i32) {
        match self.held(cell) {
            Some(held) => self.out.mov_rr(register, held),
            None => self.out.load(register, cell),
        }
    }

    /// `[cell] = register`
    pub(super) fn write(&mut self, cell: i32, register: Gpr64) {
        match self.assigned(cell) {
            Some(assigned) => self.out.mov_rr(assigned, register),
            None => {
                self.out.store(cell, register);
                self.cache.forget(cell);
            }
        }
    }

    pub(super) fn add(&mut self, cell: i32, value: i32) {
        let value = self.out.cells.signed(value as u32);
        if value == 0 && !self.ir.is_baseline {
            return;
        }
        if !self.options.passes.registers {
            return self.out.add_mi(cell, value);
        }
        let to = match self.held(cell) {
            None if self.ahead.only_tests(cell) => None,
            _ => self.operand(cell, None),
        };
        match to {
            Some(to) => {
                self.out.add_ri(cell, to, value);
                self.changed(cell, to);
            }
            None => self.out.add_mi(cell, value),
        }
    }

    pub(super) fn set(&mut self, cell: i32, value: i32) {
        let value = self.out.cells.signed(value as u32);
        if !self.options.passes.registers {
            return self.out.mov_mi(cell, value);
        }
        match self.assigned(cell) {
            Some(assigned) => self.out.mov_ri(assigned, value),
            None => {
                self.out.mov_mi(cell, value);
                self.become_constant(cell, value);
            }
        }
    }

    pub(super) fn mul_add(&mut self, predicated: bool, cell: i32, source: i32, factor: u32) {
        let factor = self.out.cells.signed(factor);
        let subtract = factor == -1;
        // A predicated one is not done on both edges, so it loads no register.
        let to = self.held(cell);
        // The target's register may hold a change that waits for its store.
        let mut from = if predicated { self.held(source) } else { self.operand(source, to) };
        let keep = from;
        if factor != 1 && !subtract {
            match from {
                Some(from) => self.out.scale(RAX, from, factor),
                None => {
                    self.out.load(RAX, source);
                    self.out.scale(RAX, RAX, factor);
                }
            }
            from = Some(RAX);
        }
        let to = if predicated { to } else { self.operand(cell, keep) };
        match (to, from) {
            (Some(to), Some(from)) => self.out.add_rr(cell, to, from, subtract),
            (Some(to), None) => self.out.add_rm(cell, to, source, subtract),
            (None, Some(from)) => return self.out.add_mr(cell, from, subtract),
            (None, None) => {
                self.out.load(RAX, source);
                return self.out.add_mr(cell, RAX, subtract);
            }
        }
        if let Some(to) = to {
            self.changed(cell, to);
        }
    }

    pub(super) fn copy(&mut self, cell: i32, source: i32, factor: u32) {
        let factor = self.out.cells.signed(factor);
        let from = self.operand(source, None);
        self.cache.forget(cell);
        let to = self.assigned(cell).or_else(|| self.hold(cell, from));
        match (from, to) {
            (Some(from), None) if factor == 1 => return self.out.store(cell, from),
            (Some(from), to) => self.out.scale(to.unwrap_or(RAX), from, factor),
            (None, to) => {
                let to = to.unwrap_or(RAX);
                self.out.load(to, source);
                self.out.scale(to, to, factor);
            }
        }
        self.changed(cell, to.unwrap_or(RAX));
    }

    pub(super) fn product(&mut self, cell: i32, [left, right]: [i32; 2], factor: u32) {
        let factor = self.out.cells.signed(factor);
        self.read(RAX, left);
        self.read(RCX, right);
        self.out.a.imul_rr(low(RAX), low(RCX));
        self.out.scale(RAX, RAX, factor);
        match self.held(cell) {
            Some(to) => {
                self.out.add_rr(cell, to, RAX, false);
                self.changed(cell, to);
            }
            None => self.out.add_mr(cell, RAX, false),
        }
    }
}
