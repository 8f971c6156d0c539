//! Code that stands aside: what is seldom run, out of the way of what runs often.
//!
//! Bodies of `if`s stand behind the outermost loop around them, with a jump over them
//! where that ends; the rest of scans stands behind the program. Law: where such code
//! comes back, registers hold what they do on the way that does not go there.

use super::Emitter;
use super::loops::{Body, Frame, next_probe};
use crate::front::bf::cache::{Ahead, Cache};
use crate::front::bf::ir::{Op, THREADED, body};
use barejit_asm::*;

/// Operations of a body that stands aside, at most.
const MOST: usize = 64;

/// The body of an `if`, still to be emitted.
pub(super) struct Aside<'a> {
    entry: Label,
    /// What registers hold there.
    cache: Cache,
    /// Its end is the way back.
    frame: Frame,
    /// The body, its end and all behind it.
    ops: &'a [Op],
    /// Of these, the body and its end.
    count: usize,
}

impl<'a> Emitter<'a, '_> {
    /// Emits the test of an `if` whose body is seldom run, and puts that aside; gives
    /// the operations that are done with so.
    pub(super) fn aside(&mut self, op: &Op, behind: &'a [Op]) -> Option<usize> {
        let in_loop = !self.frames.is_empty() && self.homes.is_empty() && self.threaded.is_none();
        if !op.is_seldom() || !in_loop || !self.options.passes.placement {
            return None;
        }
        let end = body(behind.get(..MOST).unwrap_or(behind))?;
        // Where one holds another, they tell cases apart, and the outer ones are run.
        let (inside, rest) = behind.split_at_checked(end)?;
        let (close, after) = rest.split_first()?;
        if close.is(THREADED) || inside.iter().any(Op::is_seldom) {
            return None;
        }
        self.test_start(op);
        let (entry, back) = (self.out.a.label(), self.out.a.label());
        self.out.a.jcc(Cond::Ne, entry);
        self.out.bind(back);
        let cache = self.cache;
        // Behind the body other cells may not exist.
        let exists = self.exists_after(op);
        let after = Ahead { ops: after, ..self.ahead };
        self.cache.retain(|at| after.reads(at) && (exists.has(at) || next_probe(at, after.ops).is_some()));
        let frame = Frame {
            top: back,
            end: back,
            passed: Some(self.cache),
            outer: self.ahead.turned,
            exists,
            body: Body::Aside,
        };
        self.asides.push(Aside { entry, cache, frame, ops: behind, count: end + 1 });
        Some(end + 1)
    }

    /// Emits what was put aside, with a jump around it.
    pub(super) fn emit_asides(&mut self) {
        if self.asides.is_empty() {
            return;
        }
        let over = self.out.a.label();
        self.out.a.jmp(over);
        let (cache, turned) = (self.cache, self.ahead.turned);
        while let Some(aside) = self.asides.pop() {
            self.out.bind(aside.entry);
            self.cache = aside.cache;
            self.ahead.turned = aside.frame.outer;
            self.frames.push(aside.frame);
            self.operations(aside.ops, aside.count);
        }
        (self.cache, self.ahead.turned) = (cache, turned);
        self.out.bind(over);
    }
}
