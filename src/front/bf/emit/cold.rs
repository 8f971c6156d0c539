//! Cold-path outlining: code layout that keeps unlikely code away from likely code.
//!
//! The body of an unlikely `if` stands behind the outermost loop around it, with a jump
//! over it where that loop ends (Pettis, Hansen, *Profile guided code positioning*, 1990;
//! the guess here is static). Invariant: where such code comes back, registers hold what
//! they hold on the edge that does not go there. Each body is looked through once, and only
//! up to 64 operations: linear.

use super::Emitter;
use super::loops::{Body, OpenLoop};
use crate::front::bf::bounds::fuse::leading_check;
use crate::front::bf::ir::{LoopFlags, Op, body_length, split};
use crate::front::bf::local::{Cache, Lookahead};
use barejit_asm::*;

/// Operations of a body out of line, at most.
const LARGEST: usize = 64;

/// The body of an `if`, still to be emitted.
pub(super) struct ColdBody<'a> {
    entry: Label,
    /// The cells in registers there.
    cache: Cache,
    /// Its end is the way back.
    open: OpenLoop,
    /// The body, its end and all behind it.
    ops: &'a [Op],
    /// Of these, the body and its end.
    count: usize,
}

impl<'a> Emitter<'a, '_> {
    /// Emits the test of an `if` that is unlikely to run, and keeps its body for later.
    /// Returns how many of the operations `behind` that are; `None` if the body is to stand
    /// in line.
    pub(super) fn outline_body(&mut self, op: &Op, behind: &'a [Op]) -> Option<usize> {
        let in_loop = !self.loops.is_empty() && self.assigned.is_empty() && self.threaded.is_none();
        if !op.is_unlikely() || !in_loop || !self.options.passes.layout {
            return None;
        }
        let end = body_length(behind.get(..LARGEST).unwrap_or(behind))?;
        let (body, rest) = split(behind, end);
        let (close, after) = rest.split_first()?;
        let is_threaded = matches!(close, Op::Close { flags, .. } if flags.contains(LoopFlags::THREADED));
        // Where one `if` holds another, they distinguish cases, and the outer one runs.
        if is_threaded || body.iter().any(Op::is_unlikely) {
            return None;
        }
        self.test_start(op);
        let (entry, back) = (self.out.a.label(), self.out.a.label());
        self.out.a.jcc(Cond::Ne, entry);
        self.out.bind(back);
        let cache = self.cache;
        // Behind the body other cells may not exist.
        let exists = self.exists_after(op);
        let after = Lookahead { ops: after, ..self.ahead };
        self.cache.retain(|cell| {
            after.reads(cell) && (exists.contains(cell) || leading_check(cell, after.ops).is_some())
        });
        let open = OpenLoop {
            // It runs at most once.
            top: Backward::default(),
            end: back,
            passed: Some(self.cache),
            outer_header: self.ahead.header,
            exists,
            body: Body::Cold,
        };
        self.cold.push(ColdBody { entry, cache, open, ops: behind, count: end + 1 });
        Some(end + 1)
    }

    /// Emits the bodies that were kept for later, with a jump over them.
    pub(super) fn emit_cold(&mut self) {
        if self.cold.is_empty() {
            return;
        }
        let over = self.out.a.label();
        self.out.a.jmp(over);
        let (cache, header) = (self.cache, self.ahead.header);
        while let Some(body) = self.cold.pop() {
            self.out.bind(body.entry);
            self.cache = body.cache;
            self.ahead.header = body.open.outer_header;
            self.loops.push(body.open);
            self.operations(body.ops, body.count);
        }
        (self.cache, self.ahead.header) = (cache, header);
        self.out.bind(over);
    }
}
