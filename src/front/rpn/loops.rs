//! The functions of a relation: a batch of a series, and the last term. Both run the
//! unrolled loop over the [window](super::window).

use super::emit::Emitter;
use super::window::{INDEX, Plan};
use crate::front::pool::Pool;
use crate::front::relation::LOOP_OVERHEAD;
use crate::front::series;
use alloc::vec::Vec;
use barejit_asm::{Asm, Cond, Gpr64, R10, R11, RAX, RDI, RDX, RSI, Scale, XMM0, Xmm, address, qword};

impl Plan {
    /// The last-term function. It stores no term.
    pub(super) fn last_term(&self, a: &mut Asm<'_>, pool: &mut Pool) {
        // rdi terms, r10 index, r11 terms left
        a.endbr64().mov_rr(R11, RSI).mov_rr(R10, RDX);
        if self.window == 0 {
            // No term depends on another, so only the last is computed.
            a.lea(R10, address(R10).index(R11, Scale::X1).disp(-1)).mov_ri(R11, 1);
        }
        self.enter(a, RDI);
        self.terms(a, pool, RDI, false);
        a.movq_rx(RAX, XMM0).ret();
    }

    /// Fills a batch.
    pub(super) fn batch(&self, a: &mut Asm<'_>, pool: &mut Pool) {
        a.mov_rr(RSI, series::TERMS).mov_rr(R10, series::INDEX).mov_rr(R11, series::COUNT);
        self.enter(a, RSI);
        self.terms(a, pool, series::TERMS, true);
    }

    /// Loads the window from before `terms`.
    fn enter(&self, a: &mut Asm<'_>, terms: Gpr64) {
        for back in 1..=self.window {
            a.movsd_xm(self.slot(0, back), qword(terms).disp(-(back as i32 * 8)));
        }
    }

    /// R11 terms from index R10 on. With `store`, they go to memory from RSI on; without,
    /// the last one is in XMM0.
    fn terms(&self, a: &mut Asm<'_>, pool: &mut Pool, base: Gpr64, store: bool) {
        let end = a.label();
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

/// Moves the last term to XMM0, unless it was stored.
fn result(a: &mut Asm<'_>, term: Xmm, store: bool) {
    if !store && term != XMM0 {
        a.movapd_xx(XMM0, term);
    }
}
