//! `chain`: relations over 64-bit integers, u(n+1) = u(n) through a chain of
//! operators.
//!
//! The text becomes steps, the steps become the fewest operations that wrapping
//! arithmetic allows, and those become a loop. Nothing here can fault: divisors
//! are never zero and no division instruction is used. Only the documented form
//! divides as its article does, and can fault as it does there.

mod documented;
mod emit;
mod fold;
mod magic;
mod parse;
mod state;

use crate::front::Recorded;
use crate::front::pool::Pool;
use crate::front::relation::{self, AROUND, Error};
use crate::front::series::{self, Layout};
use crate::front::text::Text;
use alloc::vec::Vec;
use barejit_asm::{self as asm, Asm, Cond, Gpr64, R8, R11, RAX, RCX, RDI, RDX, RSI, Scale, qword};
use emit::{Emitter, HOMES};
use fold::{Op, Part};
use parse::Step;
use state::State;

/// A relation with its start, as read from its text.
#[derive(Debug)]
pub struct Relation {
    steps: Vec<Step>,
    start: [u64; 1],
    documented: bool,
}

/// Longer chains are not searched for the range of their terms: it takes time in
/// proportion to a long search, and saves a cycle here and there.
const ANALYSED: usize = 4096;

impl Relation {
    /// Reads a relation from its text; `start` is term 0. No operators at all are
    /// the identity.
    ///
    /// # Errors
    /// Where the text is wrong, and why.
    pub fn parse(text: &[u8], start: i64) -> Result<Self, Error> {
        let mut text = Text::new(text);
        let steps = parse::relation(&mut text);
        let steps = text.result(steps)?;
        Ok(Self { steps, start: [start as u64], documented: false })
    }

    /// Reads the original form: a line with the relation, and one with the start
    /// value and the number of the last term, which is given too.
    ///
    /// # Errors
    /// Where the text is wrong, and why.
    pub fn parse_lines(text: &[u8]) -> Result<(Self, u64), Error> {
        let mut text = Text::new(text);
        let read = parse::two_lines(&mut text);
        let (steps, start, last) = text.result(read)?;
        Ok((Self { steps, start: [start as u64], documented: false }, last))
    }

    /// The same as the article has it that this command comes from, byte for byte,
    /// its wrong division included, which can fault.
    ///
    /// # Errors
    /// If an operator is not in the article.
    pub fn as_documented(self) -> Result<Self, Error> {
        match self.steps.iter().find(|step| !documented::knows(step.operator)) {
            None => Ok(Self { documented: true, ..self }),
            Some(step) => {
                let what = "the article has no operator '@', only + - * /";
                Err(Error { at: step.at as usize, what, subject: step.operator.into() })
            }
        }
    }

    /// A batch of the article's function.
    fn call(&self, a: &mut Asm<'_>, function: asm::Label) {
        let done = qword(series::TERMS).disp(relation::Recurrence::layout(self).scratch(0));
        let term = qword(series::TERMS).index(R11, Scale::X8);
        a.mov_ri(R11, 0);
        let top = a.here();
        a.mov_mr(done, R11).mov_rm(RDI, term.disp(-8)).call(function).mov_mr(term, RAX);
        a.inc_r(R11).cmp_rr(R11, series::COUNT).jcc(Cond::Ne, top);
    }

    fn plan(&self) -> Plan {
        let parts = fold::fold(&self.steps);
        if self.documented || parts.len() > ANALYSED {
            return Plan { parts, state: State::ANY };
        }
        let state = fold::orbit(&parts, State::one(self.start[0] as i64));
        Plan { parts: fold::narrow(&parts, state), state }
    }
}

impl relation::Recurrence for Relation {
    fn given(&self) -> &[u64] {
        &self.start
    }

    fn layout(&self) -> Layout {
        // The article's function has the terms of a batch counted that are done.
        Layout::new(1, 1)
    }

    /// The direct function relies on the range of the terms after the start, so it
    /// holds for that start alone, which is its argument.
    fn code(&self, direct: bool, record: bool) -> Result<Recorded, Error> {
        let plan = self.plan();
        let code = Recorded::new("barejit_chain", record, &mut |a| {
            let mut pool = Pool::default();
            let mut entry = 0;
            if self.documented {
                let function = a.here();
                documented::function(a, &self.steps);
                entry = a.mark(AROUND).align_code(16).offset();
                series::series(a, self.layout(), &mut |a| self.call(a, function));
            } else if direct {
                plan.last(&mut Emitter::new(a, &mut pool));
            } else {
                series::series(a, self.layout(), &mut |a| plan.batch(&mut Emitter::new(a, &mut pool)));
            }
            pool.put(a);
            entry
        });
        code.map_err(Error::too_long)
    }

    fn is_direct(&self) -> bool {
        !self.documented
    }

    fn done(&self) -> Option<usize> {
        self.documented.then_some(0)
    }
}

/// What is done to a term, and where terms can be.
struct Plan {
    parts: Vec<Part>,
    state: State,
}

impl Plan {
    /// Fills a batch.
    fn batch(&self, e: &mut Emitter<'_, '_>) {
        e.a.mov_rm(RAX, qword(series::TERMS).disp(-8));
        e.a.mov_rr(RSI, series::TERMS).mov_rr(R11, series::COUNT);
        let top = e.a.align_code(16).here();
        let end = e.parts(&self.parts, RAX, self.state);
        e.mov(RAX, end);
        e.a.mark(AROUND).mov_mr(qword(RSI), RAX).add_ri(RSI, 8).dec_r(R11).jcc(Cond::Ne, top);
    }

    /// A function of a term and a count n ≥ 0 that gives the term n after it.
    fn last(&self, e: &mut Emitter<'_, '_>) {
        // rdi terms, rsi n
        e.a.endbr64().mov_rm(RAX, qword(RDI).disp(-8));
        match self.parts[..] {
            [] => _ = e.a.ret(),
            [part @ Part { op: Op::Affine { a, b }, .. }] => powers(e, part, a, b),
            _ => iterate(e, self),
        }
    }
}

/// `a·x + b`, n times: by the bits of n, for powers of one map commute.
fn powers(e: &mut Emitter<'_, '_>, part: Part, a: i64, b: i64) {
    // rcx·x + rdx is the map 2ᵏ times over, rsi = n / 2ᵏ
    e.mark(&part);
    e.a.mov_ri(RCX, a).mov_ri(RDX, b);
    let skip = e.a.label();
    let top = e.a.here();
    e.a.shr_ri(RSI, 1).jcc(Cond::Ae, skip);
    e.a.imul_rr(RAX, RCX).add_rr(RAX, RDX).bind(skip);
    e.a.mov_rr(R8, RDX).imul_rr(R8, RCX).add_rr(RDX, R8).imul_rr(RCX, RCX);
    e.a.test_rr(RSI, RSI).jcc(Cond::Ne, top);
    e.a.ret();
}

/// The loop for everything else. If the last operation and the first are of a
/// kind, the loop begins after the first, so that they become one.
fn iterate(e: &mut Emitter<'_, '_>, plan: &Plan) {
    let end = e.a.label();
    e.a.test_rr(RSI, RSI).jcc(Cond::E, end);
    if let [Part { op: Op::Bits { .. } | Op::Set(_), .. }] = plan.parts[..] {
        // `(x & and) ^ xor` three times is the same as once.
        e.a.sub_ri(RSI, 1).and_ri(RSI, 1).add_ri(RSI, 1);
    }
    let turned = turn(&plan.parts);
    let (first, rest) = plan.parts.split_at(usize::from(turned.is_some()));
    let body = turned.as_deref().unwrap_or(rest);
    let state = fold::after(first, plan.state);
    let home = home(body, state);
    let tail = e.a.label();
    let x = e.parts(first, RAX, plan.state);
    e.mov(home, x);
    if turned.is_some() {
        e.a.mark(AROUND).dec_r(RSI).jcc(Cond::E, tail);
    }
    let top = e.a.align_code(32).here();
    let at = e.parts(body, home, state);
    e.mov(home, at);
    e.a.mark(AROUND).dec_r(RSI).jcc(Cond::Ne, top);
    let mut at = home;
    if turned.is_some() {
        e.a.bind(tail);
        at = e.parts(rest, home, state);
        e.a.mark(AROUND);
    }
    e.mov(RAX, at);
    e.a.bind(end).ret();
}

/// The loop that follows the first operation around: all the others, with the
/// first joined to the last.
fn turn(parts: &[Part]) -> Option<Vec<Part>> {
    let (first, rest) = parts.split_first()?;
    let mut body = rest.to_vec();
    fold::push(&mut body, *first);
    (body.len() < parts.len()).then_some(body)
}

/// A register that the term comes back to by itself, or else the first.
fn home(body: &[Part], state: State) -> Gpr64 {
    let returns = |home: &Gpr64| {
        let mut a = Asm::new(&mut [], asm::Tables::none());
        Emitter::new(&mut a, &mut Pool::default()).parts(body, *home, state) == *home
    };
    HOMES.into_iter().find(returns).unwrap_or(RAX)
}
