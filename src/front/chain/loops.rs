//! The functions of a chain: a batch of a series, and the last term.
//!
//! The last term of one affine operation comes from exponentiation by squaring
//! (Knuth, TAOCP 4.6.3), that of other chains from a loop. The loop is
//! [rotated](super::rotate) if that makes it shorter.
//!
//! **Cycles.** There are 2⁶⁴ integers, so every series ends in a cycle, and that of most
//! short chains is near: the first iterations [search](cycle) for it. The state is the term.
//!
//! **Loop register.** The term must be in one register wherever an iteration begins.
//! Which register the body leaves it in depends on the patterns that instruction
//! selection matches, and those depend on where it begins. So [`loop_register`] emits
//! the body into no memory for each candidate, and takes the first that the body comes
//! back to by itself: no move is needed then. That is at most four runs over the body
//! more, without allocation; a rule that predicts the register would be a second copy
//! of the selection.

use super::abstract_value::AbstractValue;
use super::ir::{Op, Operation};
use super::rotate::rotate;
use super::select::{Selector, TERM_REGISTERS};
use super::transfer::transfer_all;
use crate::front::cycle::{self, Body as _};
use crate::front::pool::Pool;
use crate::front::relation::LOOP_OVERHEAD;
use crate::front::series;
use alloc::vec::Vec;
use barejit_asm::{self as asm, Asm, Cond, Gpr64, R8, R11, RAX, RCX, RDI, RDX, RSI, qword};

/// The optimised operations, and the abstract value of the terms they are right for.
pub(super) struct Plan {
    pub(super) operations: Vec<Operation>,
    pub(super) terms: AbstractValue,
}

impl Plan {
    /// Fills a batch.
    pub(super) fn batch(&self, s: &mut Selector<'_, '_>) {
        s.a.mov_rm(RAX, qword(series::TERMS).disp(-8));
        s.a.mov_rr(RSI, series::TERMS).mov_rr(R11, series::COUNT);
        let top = s.a.align_code(16).here();
        let end = s.emit(&self.operations, RAX, self.terms);
        s.mov(RAX, end);
        s.a.mark(LOOP_OVERHEAD).mov_mr(qword(RSI), RAX).add_ri(RSI, 8).dec_r(R11).jcc(Cond::Ne, top);
    }

    /// The last-term function, for a count n ≥ 0.
    pub(super) fn last_term(&self, s: &mut Selector<'_, '_>) {
        // rdi terms, rsi n
        s.a.endbr64().mov_rm(RAX, qword(RDI).disp(-8));
        match self.operations[..] {
            [] => _ = s.a.ret(),
            [operation @ Operation { op: Op::Affine { factor, addend }, .. }] => {
                s.mark(&operation);
                power(s.a, factor, addend);
            }
            _ => self.iterate(s),
        }
    }

    /// The body of the loop if it is rotated.
    pub(super) fn rotated(&self) -> Option<Vec<Operation>> {
        match self.operations[..] {
            [Operation { op: Op::Affine { .. }, .. }] => None,
            _ => rotate(&self.operations),
        }
    }

    /// The loop over n.
    fn iterate(&self, s: &mut Selector<'_, '_>) {
        let end = s.a.label();
        s.a.test_rr(RSI, RSI).jcc(Cond::E, end);
        let rotated = self.rotated();
        let (first, rest) = self.operations.split_at(usize::from(rotated.is_some()));
        let body = rotated.as_deref().unwrap_or(rest);
        let value = transfer_all(first, self.terms);
        let term = loop_register(body, value);
        let tail = s.a.label();
        let x = s.emit(first, RAX, self.terms);
        s.mov(term, x);
        if rotated.is_some() {
            s.a.mark(LOOP_OVERHEAD).dec_r(RSI).jcc(Cond::E, tail);
        }
        let done = s.a.label();
        let mut body = Body { s, operations: body, term, value };
        if self.operations.len() <= SEARCHED {
            cycle::search(&mut body, done);
        }
        let run = body.s.a.align_code(32).here();
        body.iterate();
        s.a.dec_r(RSI).jcc(Cond::Ne, run).bind(done);
        let mut x = term;
        if rotated.is_some() {
            s.a.bind(tail);
            x = s.emit(rest, term, value);
            s.a.mark(LOOP_OVERHEAD);
        }
        s.mov(RAX, x);
        s.a.bind(end).ret();
    }
}

/// The longest chain whose cycle is searched, in operations: the search has a second copy
/// of the body.
const SEARCHED: usize = 256;

/// The body of a chain's loop: the operations from `value` on, in the register `term`.
struct Body<'b, 's, 'e, 'a> {
    s: &'s mut Selector<'e, 'a>,
    operations: &'b [Operation],
    term: Gpr64,
    value: AbstractValue,
}

impl<'a> cycle::Body<'a> for Body<'_, '_, '_, 'a> {
    fn assembler(&mut self) -> &mut Asm<'a> {
        self.s.a
    }

    fn iterate(&mut self) {
        let x = self.s.emit(self.operations, self.term, self.value);
        self.s.mov(self.term, x);
        self.s.a.mark(LOOP_OVERHEAD);
    }

    fn keep(&mut self) {
        self.s.a.mov_rr(R11, self.term);
    }

    fn compare(&mut self, equal: asm::Label) {
        self.s.a.cmp_rr(self.term, R11).jcc(Cond::E, equal);
    }

    fn restore(&mut self) {
        self.s.a.mov_rr(self.term, R11);
    }
}

/// Exponentiation by squaring: RAX ← `x·factor + addend`, RSI times over, by the bits of
/// RSI. Powers of one map commute, so the order of the bits does not matter.
fn power(a: &mut Asm<'_>, factor: i64, addend: i64) {
    // rcx·x + rdx is the map 2ᵏ times over, rsi = n / 2ᵏ
    a.mov_ri(RCX, factor).mov_ri(RDX, addend);
    let skip = a.label();
    let top = a.here();
    a.shr_ri(RSI, 1).jcc(Cond::Ae, skip);
    a.imul_rr(RAX, RCX).add_rr(RAX, RDX).bind(skip);
    a.mov_rr(R8, RDX).imul_rr(R8, RCX).add_rr(RDX, R8).imul_rr(RCX, RCX);
    a.test_rr(RSI, RSI).jcc(Cond::Ne, top);
    a.ret();
}

/// The first register that `body` leaves the term in when it begins there, or else RAX.
fn loop_register(body: &[Operation], value: AbstractValue) -> Gpr64 {
    let returns = |register: &Gpr64| {
        let mut a = Asm::new(&mut [], asm::Tables::none());
        Selector::new(&mut a, &mut Pool::default()).emit(body, *register, value) == *register
    };
    TERM_REGISTERS.into_iter().find(returns).unwrap_or(RAX)
}
