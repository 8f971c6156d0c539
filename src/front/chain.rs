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

pub use parse::{Error, Operator, Reason, Step};

use crate::asm::{self, Asm, Cond, Gpr64, R8, R11, RAX, RCX, RDI, RDX, RSI, SIL, Scale, qword};
use crate::front::assembled::Assembled;
use crate::front::pool::Pool;
use crate::front::series::{self, Layout};
use alloc::vec::Vec;
use emit::{Emitter, HOMES};
use fold::Op;
use state::State;

/// A relation, as read from its text.
#[derive(Debug)]
pub struct Relation {
    steps: Vec<Step>,
}

/// Longer chains are not searched for the range of their terms: it takes time in
/// proportion to a long search, and saves a cycle here and there.
const ANALYSED: usize = 4096;

impl Relation {
    /// Reads a relation from its text. No operators at all are the identity.
    ///
    /// # Errors
    /// Where the text is wrong, and why.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        Ok(Self { steps: parse::relation(text)? })
    }

    /// Reads the original form: a line with the relation, and one with the start
    /// value and the number of the last term. Gives all three.
    ///
    /// # Errors
    /// Where the text is wrong, and why.
    pub fn parse_lines(text: &[u8]) -> Result<(Self, i64, u64), Error> {
        let (steps, start, last) = parse::two_lines(text)?;
        Ok((Self { steps }, start, last))
    }

    /// How a series of this relation uses memory: the term before comes first.
    pub fn layout(&self) -> Layout {
        Layout::new(1, 1)
    }

    /// The word of the scratch where the documented form counts the terms of a
    /// batch that are done.
    pub const DONE: usize = 0;

    /// A series after `start`, which is the history: see [`series`] for
    /// the function that this is.
    ///
    /// # Errors
    /// If the code would have 2 GiB or more.
    pub fn series(&self, start: i64, record: bool) -> Result<Assembled, Error> {
        let plan = self.plan(start);
        let layout = self.layout();
        assemble("barejit_chain", record, &mut |a| {
            let mut pool = Pool::default();
            series::series(a, layout, &mut |a| {
                let mut e = Emitter::new(a, &mut pool);
                e.a.mov_rm(RAX, qword(series::TERMS).disp(-8));
                e.a.mov_rr(RSI, series::TERMS).mov_rr(R11, series::COUNT);
                let top = e.a.align_code(16).here();
                let end = e.ops(&plan.ops, RAX, plan.state);
                e.mov(RAX, end);
                e.a.mov_mr(qword(RSI), RAX).add_ri(RSI, 8).dec_r(R11).jcc(Cond::Ne, top);
            });
            pool.put(a);
            0
        })
    }

    /// A function of `start` and a number n that gives term n. The code relies on
    /// the range of the terms after `start`, so it holds for that start alone.
    ///
    /// # Errors
    /// If the code would have 2 GiB or more.
    pub fn last(&self, start: i64, record: bool) -> Result<Assembled, Error> {
        let plan = self.plan(start);
        assemble("barejit_chain", record, &mut |a| {
            // rdi start, rsi n
            a.endbr64().mov_rr(RAX, RDI);
            let mut pool = Pool::default();
            let mut e = Emitter::new(a, &mut pool);
            match plan.ops[..] {
                [] => _ = e.a.ret(),
                [Op::Set(value)] => constant(&mut e, value),
                [op @ Op::Bits { .. }] => twice(&mut e, op, plan.state),
                [Op::Affine { a, b }] => powers(&mut e, a, b),
                _ => iterate(&mut e, &plan),
            }
            pool.put(a);
            0
        })
    }

    /// The bytes of the article this command comes from, its wrong division
    /// included, behind them a series that calls them.
    ///
    /// # Errors
    /// If an operator is not in the article, or the code would have 2 GiB or more.
    pub fn documented(&self, record: bool) -> Result<Assembled, Error> {
        if let Some(step) = self.steps.iter().find(|step| !documented::knows(step.operator)) {
            return Err(Error { at: step.at as usize, reason: Reason::NotDocumented(step.operator) });
        }
        let layout = self.layout();
        assemble("barejit_chain", record, &mut |a| {
            let function = a.here();
            documented::function(a, &self.steps);
            let entry = a.align_code(16).offset();
            series::series(a, layout, &mut |a| {
                let done = qword(series::TERMS).disp(layout.scratch(Self::DONE));
                let term = qword(series::TERMS).index(R11, Scale::X8);
                a.mov_ri(R11, 0);
                let top = a.here();
                a.mov_mr(done, R11).mov_rm(RDI, term.disp(-8)).call(function).mov_mr(term, RAX);
                a.inc_r(R11).cmp_rr(R11, series::COUNT).jcc(Cond::Ne, top);
            });
            entry
        })
    }

    /// What a mark of this front end stands for.
    pub fn describe(&self, mark: u32) -> Option<&Step> {
        let place = self.steps.binary_search_by_key(&mark, |step| step.at);
        place.ok().map(|place| &self.steps[place])
    }

    fn plan(&self, start: i64) -> Plan {
        let ops = fold::fold(&self.steps);
        if ops.len() > ANALYSED {
            return Plan { ops, state: State::ANY };
        }
        let state = fold::orbit(&ops, State::one(start));
        Plan { ops: fold::narrow(&ops, state), state }
    }
}

/// What is done to a term, and where terms can be.
struct Plan {
    ops: Vec<Op>,
    state: State,
}

fn assemble(
    name: &'static str,
    record: bool,
    emit: &mut dyn FnMut(&mut Asm<'_>) -> u32,
) -> Result<Assembled, Error> {
    Assembled::new(name, record, emit).map_err(|error| {
        debug_assert!(error == asm::Error::Size, "{error:?}");
        Error { at: 0, reason: Reason::TooLong }
    })
}

/// Term 0 is what it is, every other is `value`.
fn constant(e: &mut Emitter<'_, '_>, value: i64) {
    e.a.mov_ri(RCX, value).test_rr(RSI, RSI).cmovcc_rr(Cond::Ne, RAX, RCX).ret();
}

/// `(x & and) ^ xor` three times is the same as once.
fn twice(e: &mut Emitter<'_, '_>, op: Op, state: State) {
    let end = e.a.label();
    e.a.test_rr(RSI, RSI).jcc(Cond::E, end);
    e.ops(&[op], RAX, state);
    e.a.test_ri(SIL, 1).jcc(Cond::Ne, end);
    e.ops(&[op], RAX, state);
    e.a.bind(end).ret();
}

/// `a·x + b`, n times: by the bits of n, for powers of one map commute.
fn powers(e: &mut Emitter<'_, '_>, a: i64, b: i64) {
    // rcx·x + rdx is the map 2ᵏ times over, rsi = n / 2ᵏ
    e.a.mov_ri(RCX, a).mov_ri(RDX, b);
    let (skip, end) = (e.a.label(), e.a.label());
    let top = e.a.here();
    e.a.shr_ri(RSI, 1).jcc(Cond::Ae, skip);
    e.a.imul_rr(RAX, RCX).add_rr(RAX, RDX).bind(skip);
    e.a.mov_rr(R8, RDX).imul_rr(R8, RCX).add_rr(RDX, R8).imul_rr(RCX, RCX);
    e.a.test_rr(RSI, RSI).jcc(Cond::Ne, top);
    e.a.bind(end).ret();
}

/// The loop for everything else. If the last operation and the first are of a
/// kind, the loop begins after the first, so that they become one.
fn iterate(e: &mut Emitter<'_, '_>, plan: &Plan) {
    let end = e.a.label();
    e.a.test_rr(RSI, RSI).jcc(Cond::E, end);
    let turned = turn(&plan.ops);
    let (body, state) = match &turned {
        Some((first, body)) => (&body[..], first.state(plan.state)),
        None => (&plan.ops[..], plan.state),
    };
    let (home, kept) = home(body, state);
    e.keep(kept);
    let mut x = RAX;
    let tail = e.a.label();
    if let Some((first, _)) = turned {
        x = e.ops(&[first], x, plan.state);
        e.mov(home, x);
        e.a.dec_r(RSI).jcc(Cond::E, tail);
    } else {
        e.mov(home, x);
    }
    let top = e.a.align_code(32).here();
    let at = e.ops(body, home, state);
    e.mov(home, at);
    e.a.dec_r(RSI).jcc(Cond::Ne, top);
    let mut at = home;
    if turned.is_some() {
        e.a.bind(tail);
        at = e.ops(&plan.ops[1..], home, state);
    }
    e.mov(RAX, at);
    e.a.bind(end).ret();
}

/// The first operation, and the loop that follows it around: all the others,
/// with the first joined to the last.
fn turn(ops: &[Op]) -> Option<(Op, Vec<Op>)> {
    let (&first, rest) = ops.split_first()?;
    if rest.is_empty() {
        return None;
    }
    let mut body = rest.to_vec();
    fold::push(&mut body, first);
    (body.len() < ops.len()).then_some((first, body))
}

/// A register that the term comes back to by itself, or else the first; and the
/// constants that are worth a register.
fn home(body: &[Op], state: State) -> (Gpr64, [Option<i64>; 2]) {
    let mut kept = [None; 2];
    let try_at = |home: Gpr64, kept: [Option<i64>; 2]| {
        let mut a = Asm::new(&mut [], asm::Tables::none());
        let mut pool = Pool::default();
        let mut e = Emitter::new(&mut a, &mut pool);
        e.keep(kept);
        (e.ops(body, home, state) == home, e.missed)
    };
    kept[0] = try_at(RAX, kept).1;
    kept[1] = try_at(RAX, kept).1;
    let home = HOMES.into_iter().find(|home| try_at(*home, kept).0).unwrap_or(RAX);
    (home, kept)
}
