//! `rpn`: relations over f64 in reverse Polish notation, with references to
//! earlier terms.
//!
//! The loop is unrolled once for each term of its window, so that a term stays in
//! the register it was computed in until no later term reads it. Every operation
//! is one IEEE 754 operation in the order of the text: no contraction, no
//! reassociation. Nothing here can fault.

mod decimal;
mod emit;
mod fold;
mod parse;

pub use parse::{Error, Reason};

use crate::asm::{Asm, Cond, Gpr64, Label, R10, R11, RAX, RBX, RDI, RDX, RSI, XMM0, Xmm, address, qword};
use crate::front::assembled::Assembled;
use crate::front::pool::Pool;
use crate::front::series::{self, Layout};
use alloc::vec::Vec;
use emit::{Emitter, INDEX, Plan, WINDOW};
use parse::{Op, Parsed};

/// A relation with its initial terms.
///
/// Invariant: there are at least as many initial terms as the deepest reference
/// reaches back.
pub struct Relation {
    plan: Plan,
    initial: Vec<f64>,
}

/// Loops of more operations than this are not unrolled.
const UNROLLED: usize = 512;

impl Relation {
    /// Reads a relation from its text, and the initial terms from theirs, which
    /// has commas between them.
    ///
    /// # Errors
    /// Where the relation is wrong, and why; or, with `true`, the initial terms.
    pub fn parse(text: &[u8], start: &[u8]) -> Result<Self, (bool, Error)> {
        let parsed = parse::relation(text).map_err(|error| (false, error))?;
        let initial = parse::list(start).map_err(|error| (true, error))?;
        Self::new(parsed, initial).map_err(|error| (false, error))
    }

    /// Reads the original form: a line with the relation, lines `INDEX:VALUE`, and
    /// a line with the number of the last term, which is given too.
    ///
    /// # Errors
    /// Where the text is wrong, and why.
    pub fn parse_lines(text: &[u8]) -> Result<(Self, u64), Error> {
        if text.is_empty() {
            return Err(Error { at: 0, reason: Reason::Empty });
        }
        let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
        let parsed = parse::relation(&text[..end])?;
        let (initial, last) = parse::terms(text, (end + 1).min(text.len()))?;
        Ok((Self::new(parsed, initial)?, last))
    }

    fn new(parsed: Parsed, initial: Vec<f64>) -> Result<Self, Error> {
        let fail = |reason| Error { at: parsed.deepest, reason };
        if parsed.history > initial.len() {
            return Err(fail(Reason::MissingTerm(initial.len() as u64)));
        }
        let ops = fold::fold(&parsed.ops);
        let backs = || ops.iter().filter_map(|op| if let Op::Back(back) = op { Some(*back) } else { None });
        let window = backs().filter(|back| *back <= WINDOW).max().unwrap_or(0);
        let history = backs().max().unwrap_or(0);
        let indexed = ops.contains(&Op::Index);
        let layout = Layout::new(history, parsed.depth);
        if !layout.is_addressable() {
            return Err(fail(Reason::TooLong));
        }
        Ok(Self { plan: Plan { ops, window, indexed, layout }, initial })
    }

    /// The terms that are given.
    pub fn initial(&self) -> &[f64] {
        &self.initial
    }

    /// How a series of this relation uses memory.
    pub fn layout(&self) -> Layout {
        self.plan.layout
    }

    /// A series after the initial terms, the last of which are the history: see
    /// [`series`] for the function that this is.
    ///
    /// # Errors
    /// If the code would have 2 GiB or more.
    pub fn series(&self, record: bool) -> Result<Assembled, Error> {
        assemble("barejit_rpn", record, &mut |a| {
            let mut pool = Pool::default();
            series::series(a, self.plan.layout, &mut |a| self.batch(a, &mut pool));
            pool.put(a);
        })
    }

    /// `fn(terms, index, count) -> term`: the last of `count` ≥ 1 terms from
    /// `index` on, as bits; memory is as in a series.
    ///
    /// # Errors
    /// If the code would have 2 GiB or more.
    pub fn last(&self, record: bool) -> Result<Assembled, Error> {
        assemble("barejit_rpn", record, &mut |a| {
            let mut pool = Pool::default();
            if self.plan.layout.history > self.plan.window {
                self.last_from_memory(a, &mut pool);
            } else {
                self.last_in_registers(a, &mut pool);
            }
            pool.put(a);
        })
    }

    /// The history is deeper than the window: batches go through memory.
    fn last_from_memory(&self, a: &mut Asm<'_>, pool: &mut Pool) {
        a.endbr64();
        series::save(a);
        a.mov_rr(series::TERMS, RDI).mov_rr(series::INDEX, RSI).mov_rr(RBX, RDX);
        let outer = a.here();
        series::next_batch(a, self.plan.layout);
        self.batch(a, pool);
        series::end_batch(a, self.plan.layout);
        a.jcc(Cond::Ne, outer).mov_rm(RAX, qword(series::TERMS).disp(-8));
        series::restore(a);
        a.ret();
    }

    /// No term is ever stored.
    fn last_in_registers(&self, a: &mut Asm<'_>, pool: &mut Pool) {
        // rdi terms, r10 index, r11 terms left
        a.endbr64().mov_rr(R10, RSI).mov_rr(R11, RDX);
        if self.plan.window == 0 {
            // Without a reference the last term is as good as the first.
            a.lea(R10, address(R10).index(R11, crate::asm::Scale::X1).disp(-1)).mov_ri(R11, 1);
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
        let unrolled = plan.window <= 1 || plan.ops.len() * plan.window <= UNROLLED;
        let copies = if unrolled { plan.window.max(1) } else { 1 };
        let end = a.label();
        let mut exits: [Option<(Label, Xmm)>; WINDOW] = [None; WINDOW];
        let top = a.align_code(32).here();
        for copy in 0..copies {
            if plan.indexed {
                // What was in the register must not be waited for.
                a.xorpd_xx(INDEX, INDEX).cvtsi2sd_xr(INDEX, R10).inc_r(R10);
            }
            let term = Emitter::new(a, pool, plan, base).term(copy);
            if store {
                a.movsd_mx(qword(RSI), term).add_ri(RSI, 8);
            }
            if !unrolled {
                self.rotate(a);
            }
            a.dec_r(R11);
            if copy + 1 == copies {
                a.jcc(Cond::Ne, top);
                let newest = if unrolled { term } else { plan.slot(0, 1) };
                result(a, newest, store);
            } else {
                let exit = a.label();
                a.jcc(Cond::E, exit);
                exits[copy] = Some((exit, term));
            }
        }
        for (exit, term) in exits.into_iter().flatten() {
            a.jmp(end).bind(exit);
            result(a, term, store);
        }
        a.bind(end);
    }

    /// Moves every term of the window to where the first copy looks for it.
    fn rotate(&self, a: &mut Asm<'_>) {
        let window = self.plan.window as u8;
        // xmm0 has the new term; the others are in order of age.
        a.movapd_xx(INDEX, XMM0);
        for slot in 1..window {
            a.movapd_xx(Xmm::new(slot - 1), Xmm::new(slot));
        }
        if window > 0 {
            a.movapd_xx(Xmm::new(window - 1), INDEX);
        }
    }
}

/// The last term to where the caller expects it.
fn result(a: &mut Asm<'_>, term: Xmm, store: bool) {
    if !store && term != XMM0 {
        a.movapd_xx(XMM0, term);
    }
}

fn assemble(
    name: &'static str,
    record: bool,
    emit: &mut dyn FnMut(&mut Asm<'_>),
) -> Result<Assembled, Error> {
    Assembled::new(name, record, &mut |a| {
        emit(a);
        0
    })
    .map_err(|_| Error { at: 0, reason: Reason::TooLong })
}
