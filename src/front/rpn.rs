//! `rpn`: relations over f64 in reverse Polish notation, with references to
//! earlier terms.
//!
//! The loop is unrolled once for each term of its window, so that a term stays in
//! the register it was computed in until no later term reads it. Every operation
//! is one IEEE 754 operation in the order of the text: no contraction, no
//! reassociation. Only the sign of what is not a number, which the standard leaves
//! open, may differ. Nothing here can fault.

mod decimal;
mod emit;
mod fold;
mod parse;

use crate::front::Recorded;
use crate::front::pool::Pool;
use crate::front::relation::{self, AROUND, Error};
use crate::front::series::{self, Layout};
use crate::front::text::Text;
use alloc::vec::Vec;
use barejit_asm::{Asm, Cond, Gpr64, R10, R11, RAX, RDI, RDX, RSI, Scale, XMM0, Xmm, address, qword};
use emit::{Emitter, INDEX, Plan, WINDOW};
use parse::{MISSING, Op, Parsed};

/// A relation with its initial terms.
///
/// Invariant: there are at least as many initial terms as the deepest reference
/// reaches back.
pub struct Relation {
    plan: Plan,
    initial: Vec<u64>,
}

/// How many operations all copies of the loop may have together, where one copy
/// has fewer: longer relations have a smaller window.
const UNROLLED: usize = 512;

impl Relation {
    /// Reads a relation from its text; `initial` has the bits of its first terms.
    ///
    /// # Errors
    /// Where the text is wrong, and why.
    pub fn parse(text: &[u8], initial: Vec<u64>) -> Result<Self, Error> {
        let mut text = Text::new(text);
        let read = parse::relation(&mut text).and_then(|parsed| Self::new(&mut text, parsed, initial));
        text.result(read)
    }

    /// Reads the initial terms from a text with commas between them, as bits.
    ///
    /// # Errors
    /// Where the text is wrong, and why.
    pub fn parse_initial(text: &[u8]) -> Result<Vec<u64>, Error> {
        let mut text = Text::new(text);
        let read = parse::list(&mut text);
        text.result(read)
    }

    /// Reads the original form: a line with the relation, lines `INDEX:VALUE`, and
    /// a line with the number of the last term, which is given too.
    ///
    /// # Errors
    /// Where the text is wrong, and why.
    pub fn parse_lines(text: &[u8]) -> Result<(Self, u64), Error> {
        let mut text = Text::new(text);
        let read = text.first_line(parse::relation).and_then(|parsed| {
            let (initial, last) = parse::terms(&mut text)?;
            Some((Self::new(&mut text, parsed, initial)?, last))
        });
        text.result(read)
    }

    fn new(text: &mut Text<'_>, parsed: Parsed, initial: Vec<u64>) -> Option<Self> {
        if parsed.history > initial.len() {
            return text.fail_at(parsed.deepest, MISSING, initial.len() as i64);
        }
        let mut parts = fold::fold(&parsed.parts);
        fold::share(&mut parts);
        let longest = (UNROLLED / parts.len().max(1)).clamp(1, WINDOW);
        let (mut window, mut history, mut indexed) = (0, 0, false);
        for part in &parts {
            match part.op {
                Op::Back(back) => {
                    history = history.max(back);
                    window = if back <= longest { window.max(back) } else { window };
                }
                Op::Index => indexed = true,
                _ => {}
            }
        }
        let layout = Layout::new(history, parsed.depth);
        if !layout.is_addressable() {
            return text.fail_at(parsed.deepest, "relation too long", 0);
        }
        Some(Self { plan: Plan { parts, window, indexed, layout }, initial })
    }

    /// No term is ever stored.
    fn last_in_registers(&self, a: &mut Asm<'_>, pool: &mut Pool) {
        // rdi terms, r10 index, r11 terms left
        a.endbr64().mov_rr(R11, RSI).mov_rr(R10, RDX);
        if self.plan.window == 0 {
            // Without a reference the last term is as good as the first.
            a.lea(R10, address(R10).index(R11, Scale::X1).disp(-1)).mov_ri(R11, 1);
        }
        self.enter(a, RDI);
        self.terms(a, pool, RDI, false);
        a.movq_rx(RAX, XMM0).ret();
    }

    /// Fills a batch.
    fn batch(&self, a: &mut Asm<'_>, pool: &mut Pool) {
        a.mov_rr(RSI, series::TERMS).mov_rr(R10, series::INDEX).mov_rr(R11, series::COUNT);
        self.enter(a, RSI);
        self.terms(a, pool, series::TERMS, true);
    }

    /// Loads the window from before `terms`.
    fn enter(&self, a: &mut Asm<'_>, terms: Gpr64) {
        for back in 1..=self.plan.window {
            a.movsd_xm(self.plan.slot(0, back), qword(terms).disp(-(back as i32 * 8)));
        }
    }

    /// R11 terms from index R10 on; with `store` from RSI on, else the last one
    /// into XMM0.
    fn terms(&self, a: &mut Asm<'_>, pool: &mut Pool, base: Gpr64, store: bool) {
        let plan = &self.plan;
        let copies = plan.window.max(1);
        let end = a.label();
        let mut exits = Vec::new();
        let top = a.align_code(32).here();
        for copy in 0..copies {
            if plan.indexed {
                // What was in the register must not be waited for.
                a.xorpd_xx(INDEX, INDEX).cvtsi2sd_xr(INDEX, R10).inc_r(R10);
            }
            let term = Emitter::new(a, pool, plan, base, copy).term();
            a.mark(AROUND);
            if store {
                a.movsd_mx(qword(RSI), term).add_ri(RSI, 8);
            }
            a.dec_r(R11);
            if copy + 1 == copies {
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

impl relation::Recurrence for Relation {
    fn given(&self) -> &[u64] {
        &self.initial
    }

    fn layout(&self) -> Layout {
        self.plan.layout
    }

    fn code(&self, direct: bool, record: bool) -> Result<Recorded, Error> {
        let code = Recorded::new("barejit_rpn", record, &mut |a| {
            let mut pool = Pool::default();
            if !direct {
                series::series(a, self.plan.layout, &mut |a| self.batch(a, &mut pool));
            } else {
                self.last_in_registers(a, &mut pool);
            }
            pool.put(a);
            0
        });
        code.map_err(Error::too_long)
    }

    /// Not with a history deeper than the window, which goes through memory.
    fn is_direct(&self) -> bool {
        self.plan.layout.history <= self.plan.window
    }
}

/// The last term to where the caller expects it.
fn result(a: &mut Asm<'_>, term: Xmm, store: bool) {
    if !store && term != XMM0 {
        a.movapd_xx(XMM0, term);
    }
}
