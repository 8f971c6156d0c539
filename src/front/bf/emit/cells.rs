//! Arithmetic on cells, and where they are: in memory, in a register besides, or in a
//! register alone.
//!
//! Law: what a register holds [besides](crate::front::bf::cache), memory has when the next
//! operation begins, unless that changes it again.

use super::{Emitter, HOMES};
use crate::front::bf::ir::{Kind, MAYBE, Op};
use crate::front::bf::width::low;
use barejit_asm::*;

impl Emitter<'_, '_> {
    /// The register that a cell lives in here, and memory does not have it.
    #[inline(never)]
    pub(super) fn home(&self, at: i32) -> Option<Gpr64> {
        let index = self.homes.iter().position(|home| home.at == at)?;
        HOMES.get(index).copied()
    }

    /// The register that has a cell, whether memory has it too or not.
    pub(super) fn held(&self, at: i32) -> Option<Gpr64> {
        if !self.options.passes.registers {
            return None;
        }
        self.home(at).or_else(|| HOMES.get(self.cache.find(at)?).copied())
    }

    /// A register, not `keep`, that is to hold a cell from now on because the code
    /// behind wants it.
    pub(super) fn hold(&mut self, at: i32, keep: Option<Gpr64>) -> Option<Gpr64> {
        if !self.options.passes.registers || !self.homes.is_empty() || !self.ahead.reads(at) {
            return None;
        }
        let keep = HOMES.iter().position(|&register| Some(register) == keep);
        HOMES.get(self.cache.take(at, self.ahead, keep)?).copied()
    }

    /// The register that has a cell: if none has, one that the code behind wants to.
    pub(super) fn operand(&mut self, at: i32, keep: Option<Gpr64>) -> Option<Gpr64> {
        self.held(at).or_else(|| {
            let register = self.hold(at, keep)?;
            self.out.load(register, at);
            Some(register)
        })
    }

    /// A register that has `[at]` was changed. If what comes next changes it too, then
    /// memory can wait for that.
    pub(super) fn changed(&mut self, at: i32, register: Gpr64) {
        let next = self.ahead.ops.iter().find(|op| op.kind != Kind::Nop);
        let again = |op: &Op| match op.kind {
            Kind::Add => op.at == at && self.out.cells.signed(op.b as u32) != 0,
            Kind::Mul => op.at == at && !op.is(MAYBE),
            _ => false,
        };
        let waits = self.held(at) == Some(register) && next.is_some_and(again);
        if self.home(at).is_none() && !waits {
            self.out.store(at, register);
        }
    }

    /// Memory has `value` at `[at]` now: so has a register, if the code behind wants it.
    pub(super) fn become_known(&mut self, at: i32, value: i32) {
        let kept = self.held(at).filter(|_| self.ahead.reads(at));
        if kept.is_none() {
            self.cache.forget(at);
        }
        if let Some(register) = kept.or_else(|| self.hold(at, None)) {
            self.out.mov_ri(register, value);
        }
    }

    /// `register = [at]`; the high bits are anything.
    pub(super) fn read(&mut self, register: Gpr64, at: i32) {
        match self.held(at) {
            Some(held) => self.out.mov_rr(register, held),
            None => self.out.load(register, at),
        }
    }

    /// `[at] = register`
    pub(super) fn write(&mut self, at: i32, register: Gpr64) {
        match self.home(at) {
            Some(home) => self.out.mov_rr(home, register),
            None => {
                self.out.store(at, register);
                self.cache.forget(at);
            }
        }
    }

    pub(super) fn mul(&mut self, op: &Op) {
        let factor = self.out.cells.signed(op.c);
        let subtract = factor == -1;
        // What is not done on both ways changes no register's cell.
        let maybe = op.is(MAYBE);
        // A change of the other cell may wait in its register.
        let to = self.held(op.at);
        let mut from = if maybe { self.held(op.b) } else { self.operand(op.b, to) };
        let keep = from;
        if factor != 1 && !subtract {
            match from {
                Some(from) => self.out.scale(RAX, from, factor),
                None => {
                    self.out.load(RAX, op.b);
                    self.out.scale(RAX, RAX, factor);
                }
            }
            from = Some(RAX);
        }
        let to = if maybe { to } else { self.operand(op.at, keep) };
        match (to, from) {
            (Some(to), Some(from)) => self.out.add_rr(op.at, to, from, subtract),
            (Some(to), None) => self.out.add_rm(op.at, to, op.b, subtract),
            (None, Some(from)) => return self.out.add_mr(op.at, from, subtract),
            (None, None) => {
                self.out.load(RAX, op.b);
                return self.out.add_mr(op.at, RAX, subtract);
            }
        }
        if let Some(to) = to {
            self.changed(op.at, to);
        }
    }

    pub(super) fn copy(&mut self, op: &Op) {
        let factor = self.out.cells.signed(op.c);
        let from = self.operand(op.b, None);
        self.cache.forget(op.at);
        let to = self.home(op.at).or_else(|| self.hold(op.at, from));
        match (from, to) {
            (Some(from), None) if factor == 1 => return self.out.store(op.at, from),
            (Some(from), to) => self.out.scale(to.unwrap_or(RAX), from, factor),
            (None, to) => {
                let to = to.unwrap_or(RAX);
                self.out.load(to, op.b);
                self.out.scale(to, to, factor);
            }
        }
        self.changed(op.at, to.unwrap_or(RAX));
    }

    pub(super) fn product(&mut self, op: &Op) {
        let factor = self.out.cells.signed(op.c);
        self.read(RAX, op.b);
        self.read(RCX, op.other_factor());
        self.out.a.imul_rr(low(RAX), low(RCX));
        self.out.scale(RAX, RAX, factor);
        match self.held(op.at) {
            Some(to) => {
                self.out.add_rr(op.at, to, RAX, false);
                self.changed(op.at, to);
            }
            None => self.out.add_mr(op.at, RAX, false),
        }
    }
}
