//! `rpn`: relations over f64 in reverse Polish notation, with references to earlier
//! terms.
//!
//! ```text
//! text ─parse─▶ stack code ─fold, negate, fold, share─▶ ─window─▶ plan ─emit─▶ instructions
//! ```
//!
//! One file a pass; `Relation::optimise` is their order. Every operation is one IEEE
//! 754 operation in the order of the text: no contraction, no reassociation. Only the
//! sign of a NaN, which the standard leaves open, may differ. The code cannot fault.

#[cfg(test)]
mod cases;
mod decimal;
mod emit;
mod fold;
mod ir;
mod loops;
mod negate;
mod parse;
mod share;
mod window;

use crate::front::Recorded;
use crate::front::pool::Pool;
use crate::front::relation::{self, Function, Recurrence, Watch};
use crate::front::series::{self, Layout};
use crate::front::text::{Error, Message, Text};
use alloc::vec::Vec;
use core::fmt;
use ir::Operation;
use parse::Parsed;
use window::Plan;

/// A relation with its initial terms.
///
/// Invariant: there are at least as many initial terms as the deepest reference
/// reaches back.
pub struct Relation {
    parsed: Parsed,
    plan: Plan,
    initial: Vec<u64>,
}

const PARSE: &str = "parse (translation of the text)";
const FOLD: &str = "fold (constant folding and algebraic simplification)";
const NEGATE: &str = "negate (negation folding)";
const SHARE: &str = "share (common subexpression elimination)";
const WINDOW: &str = "window (register promotion and loop unrolling)";

impl Relation {
    /// Reads a relation from its text; `initial` has the bits of its first terms.
    ///
    /// # Errors
    /// Where the text is wrong, and why.
    pub fn parse(text: &[u8], initial: Vec<u64>) -> Result<Self, Error> {
        Self::new(parse::relation(&mut Text::new(text))?, initial)
    }

    /// Reads the initial terms from a text with commas between them, as bits.
    ///
    /// # Errors
    /// Where the text is wrong, and why.
    pub fn parse_initial(text: &[u8]) -> Result<Vec<u64>, Error> {
        parse::list(&mut Text::new(text))
    }

    /// Reads the original form: a line with the relation, lines `INDEX:VALUE`, and
    /// a line with the number of the last term, which is given too.
    ///
    /// # Errors
    /// Where the text is wrong, and why.
    pub fn parse_lines(text: &[u8]) -> Result<(Self, u64), Error> {
        let mut text = Text::new(text);
        let parsed = text.first_line(parse::relation)?;
        let (initial, last) = parse::terms(&mut text)?;
        Ok((Self::new(parsed, initial)?, last))
    }

    fn new(parsed: Parsed, initial: Vec<u64>) -> Result<Self, Error> {
        let error = |message| Error { at: parsed.deepest, message };
        if parsed.history > initial.len() {
            let missing = initial.len() as i64;
            let message = ", which the relation refers to";
            return Err(error(Message::Number("missing initial term ", missing, message)));
        }
        let plan = Self::optimise(&parsed, &mut |_, _| ());
        if !plan.layout.is_addressable() {
            return Err(error(Message::Text("relation too long")));
        }
        Ok(Self { parsed, plan, initial })
    }

    /// Runs the passes in order.
    fn optimise(parsed: &Parsed, watch: &mut Watch<'_>) -> Plan {
        watch(PARSE, &Listed(&parsed.operations));
        let folded = fold::fold(&parsed.operations);
        watch(FOLD, &Listed(&folded));
        let negated = negate::negate(&folded);
        watch(NEGATE, &Listed(&negated));
        let mut operations = fold::fold(&negated);
        watch(FOLD, &Listed(&operations));
        share::share(&mut operations);
        watch(SHARE, &Listed(&operations));
        let plan = Plan::new(operations);
        watch(WINDOW, &plan);
        plan
    }
}

/// Operations as text.
struct Listed<'a>(&'a [Operation]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|operation| writeln!(f, "{operation}"))
    }
}

impl Recurrence for Relation {
    fn given(&self) -> &[u64] {
        &self.initial
    }

    fn layout(&self) -> Layout {
        self.plan.layout
    }

    fn code(&self, function: Function, record: bool) -> Result<Recorded, Error> {
        let code = Recorded::new("barejit_rpn", record, &mut |a| {
            let mut pool = Pool::default();
            match function {
                Function::LastTerm => self.plan.last_term(a, &mut pool),
                Function::Series => {
                    series::series(a, self.plan.layout, &mut |a| self.plan.batch(a, &mut pool));
                }
            }
            pool.put(a);
            0
        });
        code.map_err(relation::too_long)
    }

    fn passes(&self, _: Function, watch: &mut Watch<'_>) {
        Self::optimise(&self.parsed, watch);
    }

    /// A history deeper than the window goes through memory, which only a series has.
    fn has_last_term(&self) -> bool {
        self.plan.layout.history <= self.plan.window
    }
}
