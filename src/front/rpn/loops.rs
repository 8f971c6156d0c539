//! The functions of a relation: a batch of a series, and the last term. Both run the
//! unrolled loop over the [window](super::window).
//!
//! **Cycles.** Terms that overflow, vanish or converge are the same bits from there on, or
//! go around a few values. The last-term function [searches](cycle) for that, by turns of
//! the unrolled loop. The state is the window.

use super::emit::Emitter;
use super::window::{INDEX, Plan, WINDOW};
use crate::front::cycle;
use crate::front::pool::Pool;
use crate::front::relation::LOOP_OVERHEAD;
use crate::front::series;
use alloc::vec::Vec;
use barejit_asm::{
    Asm, Cond, Gpr64, Label, Mem, R8, R10, R11, RAX, RCX, RDI, RDX, RSI, Scale, XMM0, Xmm, address, qword,
};

/// The most operations of all copies of the loop body together for which a cycle is searched:
/// the search has copies of its own.
const SEARCHED: usize = 256;

const _: () = assert!(WINDOW <= cycle::CHECKPOINT);

impl Plan {
    /// The last-term function. It stores no term.
    pub(super) fn last_term(&self, a: &mut Asm<'_>, pool: &mut Pool) {
        // r8 terms, r10 index, r11 terms left
        a.endbr64().mov_rr(R8, RDI).mov_rr(R11, RSI).mov_rr(R10, RDX);
        if self.window == 0 {
            // No term depends on another, so only the last is computed.
            a.lea(R10, address(R10).index(R11, Scale::X1).disp(-1)).mov_ri(R11, 1);
        }
        self.enter(a, R8);
        let end = a.label();
        if self.window > 0 && !self.indexed && self.copies() * self.operations.len() <= SEARCHED {
            self.search_cycle(a, pool, end);
        }
        self.terms(a, pool, R8, false, end);
        a.movq_rx(RAX, XMM0).ret();
    }

    /// Searches for a cycle in the turns of the unrolled loop. R11 becomes the terms that are
    /// left for the code behind this; if there are none, it goes to `end` with the last one in
    /// XMM0.
    fn search_cycle(&self, a: &mut Asm<'_>, pool: &mut Pool, end: Label) {
        let copies = self.copies();
        // rsi turns, r11 terms behind them
        let [done, rest] = [a.label(), a.label()];
        a.mov_rr(RAX, R11).mov_ri(RDX, 0).mov_ri(RCX, copies as i64).div_r(RCX);
        a.mov_rr(RSI, RAX).mov_rr(R11, RDX).test_rr(RSI, RSI).jcc(Cond::E, rest);
        cycle::search(&mut Turn { plan: self, a, pool }, done);
        a.imul_rri(RSI, RSI, copies as i32).add_rr(R11, RSI).jmp(rest);
        a.bind(done).test_rr(R11, R11).jcc(Cond::Ne, rest);
        result(a, self.slot(copies, 1), false);
        a.jmp(end).bind(rest);
    }

    /// Fills a batch.
    pub(super) fn batch(&self, a: &mut Asm<'_>, pool: &mut Pool) {
        a.mov_rr(RSI, series::TERMS).mov_rr(R10, series::INDEX).mov_rr(R11, series::COUNT);
        self.enter(a, RSI);
        let end = a.label();
        self.terms(a, pool, series::TERMS, true, end);
    }

    /// Loads the window from before `terms`.
    fn enter(&self, a: &mut Asm<'_>, terms: Gpr64) {
        for back in 1..=self.window {
            a.movsd_xm(self.slot(0, back), qword(terms).disp(-(back as i32 * 8)));
        }
    }

    /// R11 terms from index R10 on. With `store`, they go to memory from RSI on; without,
    /// the last one is in XMM0 at `end`, which stands behind them.
    fn terms(&self, a: &mut Asm<'_>, pool: &mut Pool, base: Gpr64, store: bool, end: Label) {
        let mut exits = Vec::new();
        let top = a.align_code(32).here();
        for copy in 0..self.copies() {
            if self.indexed {
                // cvtsi2sd keeps the upper half of its target: without the xorpd it would
                // wait for the register's last value (Intel's optimization manual, 3.5.1.8).
                a.xorpd_xx(INDEX, INDEX).cvtsi2sd_xr(INDEX, R10).inc_r(R10);
            }
            let term = Emitter::new(a, pool, self, base, copy).term();
            a.mark(LOOP_OVERHEAD);
            if store {
                a.movsd_mx(qword(RSI), term).add_ri(RSI, 8);
            }
            a.dec_r(R11);
            if copy + 1 == self.copies() {
                a.jcc(Cond::Ne, top);
                result(a, term, store);
            } else if store {
                a.jcc(Cond::E, end);
            } else {
                let exit = a.label();
                a.jcc(Cond::E, exit);
                exits.push((exit, term));
            }
        }
        for (exit, term) in exits {
            a.jmp(end).bind(exit);
            result(a, term, store);
        }
        a.bind(end);
    }
}

/// A turn of the unrolled loop of the last-term function.
struct Turn<'t, 'a> {
    plan: &'t Plan,
    a: &'t mut Asm<'a>,
    pool: &'t mut Pool,
}

impl Turn<'_, '_> {
    /// The window, each term with the word of the checkpoint that it has.
    fn window(&self) -> impl Iterator<Item = (Xmm, Mem<64>)> + use<> {
        (0..self.plan.window).map(|slot| (Xmm::new(slot as u8), cycle::checkpoint(slot)))
    }
}

impl<'a> cycle::Body<'a> for Turn<'_, 'a> {
    fn assembler(&mut self) -> &mut Asm<'a> {
        self.a
    }

    fn iterate(&mut self) {
        for copy in 0..self.plan.copies() {
            Emitter::new(self.a, self.pool, self.plan, R8, copy).term();
            self.a.mark(LOOP_OVERHEAD);
        }
    }

    fn keep(&mut self) {
        for (term, kept) in self.window() {
            self.a.movsd_mx(kept, term);
        }
    }

    /// Bit for bit: zeros of both signs differ, and a NaN is a state like others.
    fn compare(&mut self, equal: Label) {
        let differs = self.a.label();
        for (term, kept) in self.window() {
            self.a.movq_rx(RAX, term).cmp_rm(RAX, kept).jcc(Cond::Ne, differs);
        }
        self.a.jmp(equal).bind(differs);
    }

    /// It is in other registers.
    fn restore(&mut self) {}
}

/// Moves the last term to XMM0, unless it was stored.
fn result(a: &mut Asm<'_>, term: Xmm, store: bool) {
    if !store && term != XMM0 {
        a.movapd_xx(XMM0, term);
    }
}
