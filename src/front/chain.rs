//! `chain`: relations over 64-bit integers, u(n+1) = u(n) through a chain of operators.
//!
//! ```text
//! text ─parse─▶ steps ─lower─▶ operations ─combine, fixpoint, simplify, demand,
//!                                          combine, rotate─▶ ─select─▶ instructions
//! ```
//!
//! One file a pass; `Relation::optimise` is their order. Arithmetic wraps, so the
//! passes may use every identity modulo 2⁶⁴. The code cannot fault: no operator
//! becomes a division instruction, and a divisor is never zero. Only the documented form divides as its
//! article does, and can fault as it does there.

mod abstract_value;
#[cfg(test)]
mod cases;
mod combine;
mod demand;
mod documented;
mod fixpoint;
mod ir;
mod loops;
mod lower;
mod magic;
mod parse;
mod rotate;
mod select;
mod simplify;
mod transfer;

use crate::front::pool::Pool;
use crate::front::relation::{self, Function, LOOP_OVERHEAD, Recurrence, Watch};
use crate::front::series::{self, Layout};
use crate::front::text::{Error, Message, Text};
use crate::front::{Recorded, bug};
use abstract_value::AbstractValue;
use alloc::vec::Vec;
use barejit_asm::{self as asm, Asm, Cond, R11, RAX, RDI, Scale, qword};
use core::fmt;
use ir::Operation;
use loops::Plan;
use parse::Step;
use select::Selector;

/// A relation with its start, as read from its text.
#[derive(Debug)]
pub struct Relation {
    steps: Vec<Step>,
    start: [u64; 1],
    documented: bool,
}

/// The longest chain that is analysed, in operations. Analysis takes hundreds of rounds
/// over a chain, and saves a cycle here and there.
const ANALYSED: usize = 4096;

impl Relation {
    /// Reads a relation from its text; `start` is term 0. No operators at all are
    /// the identity.
    ///
    /// # Errors
    /// Where the text is wrong, and why.
    pub fn parse(text: &[u8], start: i64) -> Result<Self, Error> {
        let steps = parse::relation(&mut Text::new(text))?;
        Ok(Self { steps, start: [start as u64], documented: false })
    }

    /// Reads the original form: a line with the relation, and one with the start
    /// value and the number of the last term, which is given too.
    ///
    /// # Errors
    /// Where the text is wrong, and why.
    pub fn parse_lines(text: &[u8]) -> Result<(Self, u64), Error> {
        let (steps, start, last) = parse::two_lines(&mut Text::new(text))?;
        Ok((Self { steps, start: [start as u64], documented: false }, last))
    }

    /// The same relation in the form of the article that this command comes from, byte
    /// for byte, its wrong division included, which can fault.
    ///
    /// # Errors
    /// If an operator is not in the article.
    pub fn as_documented(self) -> Result<Self, Error> {
        match self.steps.iter().find(|step| !documented::knows(step.operator)) {
            None => Ok(Self { documented: true, ..self }),
            Some(step) => {
                let message = Message::Byte("the article has no operator ", step.operator, ", only + - * /");
                Err(Error { at: step.at as usize, message })
            }
        }
    }

    /// A batch of the article's function.
    fn call(&self, a: &mut Asm<'_>, function: asm::Label) {
        let completed = qword(series::TERMS).disp(self.layout().scratch(COMPLETED));
        let term = qword(series::TERMS).index(R11, Scale::X8);
        a.mov_ri(R11, 0);
        let top = a.here();
        a.mov_mr(completed, R11).mov_rm(RDI, term.disp(-8)).call(function).mov_mr(term, RAX);
        a.inc_r(R11).cmp_rr(R11, series::COUNT).jcc(Cond::Ne, top);
    }

    /// Runs the passes in order.
    fn optimise(&self, watch: &mut Watch<'_>) -> Plan {
        let lowered = lower::lower(&self.steps);
        watch(LOWER, &Listed(&lowered, None));
        let combined = combine::combine(&lowered);
        watch(COMBINE, &Listed(&combined, None));
        if combined.len() > ANALYSED {
            return Plan { operations: combined, terms: AbstractValue::TOP };
        }
        let terms = fixpoint::fixpoint(&combined, self.start[0] as i64);
        watch(FIXPOINT, &Listed(&combined, Some(terms)));
        let mut simplified = simplify::simplify(&combined, terms);
        watch(SIMPLIFY, &Listed(&simplified, Some(terms)));
        demand::demand(&mut simplified, terms);
        watch(DEMAND, &Listed(&simplified, Some(terms)));
        let operations = combine::combine(&simplified);
        watch(COMBINE, &Listed(&operations, Some(terms)));
        Plan { operations, terms }
    }

    /// The article's function, and a series that calls it.
    fn emit_documented(&self, a: &mut Asm<'_>) -> u32 {
        let function = a.here();
        documented::function(a, &self.steps);
        let entry = a.mark(LOOP_OVERHEAD).align_code(16).offset();
        series::series(a, self.layout(), &mut |a| self.call(a, function));
        entry
    }
}

const LOWER: &str = "lower (translation of the text)";
const COMBINE: &str = "combine (instruction combining)";
const FIXPOINT: &str = "fixpoint (abstract interpretation: value range and known bits)";
const SIMPLIFY: &str = "simplify (simplification under a range)";
const DEMAND: &str = "demand (demanded bits)";
const ROTATE: &str = "rotate (loop rotation)";

/// The word of the scratch with the completed count.
const COMPLETED: usize = 0;

/// Operations as text. If the abstract value of the first operand is known, each stands
/// below the abstract value of its operand.
struct Listed<'a>(&'a [Operation], Option<AbstractValue>);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = self.1;
        for operation in self.0 {
            if let Some(x) = before {
                writeln!(f, "; x in {x}")?;
                before = Some(operation.op.transfer(x));
            }
            writeln!(f, "{}", operation.op)?;
        }
        Ok(())
    }
}

impl Recurrence for Relation {
    fn given(&self) -> &[u64] {
        &self.start
    }

    fn layout(&self) -> Layout {
        // One word of scratch: the completed count of the documented form.
        Layout::new(1, 1)
    }

    /// The last-term function relies on the range of the terms after the start, so it is
    /// right for that start alone, which is its argument.
    fn code(&self, function: Function, record: bool) -> Result<Recorded, Error> {
        if self.documented {
            if function == Function::LastTerm {
                bug!("the documented form has no last-term function");
            }
            let code = Recorded::new("barejit_chain", record, &mut |a| self.emit_documented(a));
            return code.map_err(relation::too_long);
        }
        let plan = self.optimise(&mut |_, _| ());
        let code = Recorded::new("barejit_chain", record, &mut |a| {
            let mut pool = Pool::default();
            match function {
                Function::LastTerm => plan.last_term(&mut Selector::new(a, &mut pool)),
                Function::Series => {
                    series::series(a, self.layout(), &mut |a| plan.batch(&mut Selector::new(a, &mut pool)));
                }
            }
            pool.put(a);
            0
        });
        code.map_err(relation::too_long)
    }

    fn passes(&self, function: Function, watch: &mut Watch<'_>) {
        if self.documented {
            return watch(LOWER, &Listed(&lower::lower(&self.steps), None));
        }
        let plan = self.optimise(watch);
        if function == Function::LastTerm
            && let Some(body) = plan.rotated()
        {
            let value = transfer::transfer_all(&plan.operations[..1], plan.terms);
            watch(ROTATE, &Listed(&body, Some(value)));
        }
    }

    fn has_last_term(&self) -> bool {
        !self.documented
    }

    fn completed_slot(&self) -> Option<usize> {
        self.documented.then_some(COMPLETED)
    }
}
