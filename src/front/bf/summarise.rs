//! Loop summarisation by symbolic execution: loops with a closed form.
//!
//! One iteration of a body of assignments is executed on symbols. This gives each cell as
//! an *affine form*: a constant plus a sum of factors times the values of cells before the
//! iteration. If the counter changes by an odd constant *s*, the loop takes *n* = −\[x\]/s
//! iterations, and
//! - a cell that grows by an affine form of cells that the loop leaves alone grows by *n*
//!   times that form;
//! - a cell that becomes such a form is that form, if there was an iteration at all;
//! - a cell that ends every iteration with the constant that it began with counts as that
//!   constant.
//!
//! A loop with any other cell has no summary here. This is the closed form of linear
//! induction variables (Wolfe, *Beyond induction variables*, 1992). Checks at the start
//! of the body stay.
//!
//! Invariant: the summary leaves each cell as the loop would have left it. The size of body
//! and summary is limited, so a loop takes constant time.

use super::ir::{Access, LoopFlags, NOWHERE, Op};
use super::loop_idiom::inverse;
use super::state::State;
use crate::front::bug;

/// Cells that a body may name.
const CELLS: usize = 10;
/// Operations of a body.
const BODY: usize = 40;
/// Operations of a summary.
const SUMMARY: usize = 40;

/// `constant + Σ factor × cell`, over the values of the cells before an iteration.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Affine {
    constant: u32,
    factors: [u32; CELLS],
}

impl Affine {
    const fn constant(constant: u32) -> Self {
        Self { constant, factors: [0; CELLS] }
    }

    fn cell(index: usize) -> Self {
        let mut form = Self::constant(0);
        form.factors[index] = 1;
        form
    }

    /// `self += factor × other`
    fn add(&mut self, other: &Self, factor: u32) {
        self.constant = self.constant.wrapping_add(other.constant.wrapping_mul(factor));
        for (mine, theirs) in self.factors.iter_mut().zip(&other.factors) {
            *mine = mine.wrapping_add(theirs.wrapping_mul(factor));
        }
    }
}

/// An iteration on symbols. Cell 0 is the counter.
struct Iteration {
    cells: [i32; CELLS],
    forms: [Affine; CELLS],
    used: usize,
}

impl Iteration {
    fn new(counter: i32) -> Self {
        let mut new = Self { cells: [0; CELLS], forms: [Affine::constant(0); CELLS], used: 1 };
        (new.cells[0], new.forms[0]) = (counter, Affine::cell(0));
        new
    }

    /// The index of `[cell]`; `None` if there are too many cells.
    fn index(&mut self, cell: i32) -> Option<usize> {
        if let Some(index) = self.cells.iter().take(self.used).position(|&known| known == cell) {
            return Some(index);
        }
        let index = self.used;
        *self.cells.get_mut(index)? = cell;
        *self.forms.get_mut(index)? = Affine::cell(index);
        self.used += 1;
        Some(index)
    }

    fn execute(&mut self, op: &Op) -> Option<()> {
        let (cell, form, factor, is_copy) = match *op {
            Op::Add { cell, value, .. } => (cell, Affine::constant(value as u32), 1, false),
            Op::Set { cell, value, .. } => (cell, Affine::constant(value as u32), 1, true),
            Op::MulAdd { predicated: false, cell, source, factor } => {
                // In the order in which the operation names them.
                self.index(cell)?;
                (cell, self.form(source)?, factor, false)
            }
            Op::Copy { cell, source, factor } => {
                self.index(cell)?;
                (cell, self.form(source)?, factor, true)
            }
            _ => return None,
        };
        let index = self.index(cell)?;
        let target = self.forms.get_mut(index)?;
        if is_copy {
            *target = Affine::constant(0);
        }
        target.add(&form, factor);
        Some(())
    }

    fn form(&mut self, cell: i32) -> Option<Affine> {
        let index = self.index(cell)?;
        self.forms.get(index).copied()
    }

    fn mask(&mut self, mask: u32) {
        for form in self.forms.iter_mut().take(self.used) {
            form.constant &= mask;
            form.factors.iter_mut().for_each(|factor| *factor &= mask);
        }
    }
}

/// A loop after its symbolic execution.
struct Executed {
    iteration: Iteration,
    /// The factor of the counter in the number of iterations.
    iterations: u32,
    /// Cells that an iteration leaves as they were.
    unchanged: [bool; CELLS],
    /// Cells that are constants wherever an iteration begins.
    constants: [Option<u32>; CELLS],
}

impl Executed {
    /// `None` if the counter does not change by an odd constant.
    fn new(iteration: Iteration, before: &State) -> Option<Self> {
        let counter = &iteration.forms[0];
        let step = counter.constant;
        if step & 1 == 0 || *counter != (Affine { constant: step, ..Affine::cell(0) }) {
            return None;
        }
        let iterations = inverse(step).wrapping_neg();
        let (mut constants, mut unchanged) = ([None; CELLS], [false; CELLS]);
        for i in 1..iteration.used {
            let known = before.get(iteration.cells[i]);
            let form = &iteration.forms[i];
            let is_constant = form.factors == [0; CELLS] && known == Some(form.constant);
            unchanged[i] = is_constant || *form == Affine::cell(i);
            constants[i] = known.filter(|_| unchanged[i]);
        }
        Some(Self { iteration, iterations, unchanged, constants })
    }

    /// The cells that the loop changes, without the counter.
    fn changed(&self) -> impl Iterator<Item = (usize, &Affine)> {
        (1..self.iteration.used).filter(|&i| !self.unchanged[i]).map(|i| (i, &self.iteration.forms[i]))
    }

    /// Whether the summary needs the loop's test, as that of an `if`: a cell is set if there
    /// was an iteration, or products are worth a jump, for most such loops seldom run.
    fn needs_test(&self) -> bool {
        self.changed().any(|(i, form)| {
            let multiplies = |j: usize| j != i && form.factors[j] != 0 && self.constants[j].is_none();
            form.factors[i] == 0 || (1..self.iteration.used).any(multiplies)
        })
    }

    /// Adds the operations for cell `i` to the summary: its value after the loop is `form`,
    /// or grows by it every iteration.
    fn summarise(&self, i: usize, form: &Affine, summary: &mut Summary) -> Option<()> {
        let Iteration { cells, used, .. } = &self.iteration;
        if form.factors[0] != 0 || form.factors[i] > 1 {
            return None;
        }
        let is_set = form.factors[i] == 0;
        let terms = || (1..*used).filter(|&j| j != i && form.factors[j] != 0);
        let mut constant = form.constant;
        for j in terms() {
            match self.constants[j] {
                Some(value) => constant = constant.wrapping_add(value.wrapping_mul(form.factors[j])),
                None if self.unchanged[j] => {}
                None => return None,
            }
        }
        let (cell, counter) = (cells[i], cells[0]);
        if is_set {
            summary.push(Op::set(cell, constant, NOWHERE))?;
        } else {
            let factor = constant.wrapping_mul(self.iterations);
            summary.push(Op::MulAdd { predicated: false, cell, source: counter, factor })?;
        }
        for j in terms().filter(|&j| self.constants[j].is_none()) {
            let factor = form.factors[j];
            summary.push(if is_set {
                Op::MulAdd { predicated: false, cell, source: cells[j], factor }
            } else {
                let right = i16::try_from(counter.wrapping_sub(cells[j])).ok()?;
                Op::Product { right, cell, left: cells[j], factor: factor.wrapping_mul(self.iterations) }
            })?;
        }
        Some(())
    }
}

/// The summary of the loop `while [counter] { body }` with this `number`, if it has one;
/// `before` is the state before it, `mask` cuts to a cell.
pub(super) fn summarise(
    (counter, number): (i32, u32),
    body: &[Op],
    before: &State,
    mask: u32,
) -> Option<Summary> {
    // Most loops fail this test, which is cheap.
    let is_arithmetic = |op: &Op| {
        matches!(
            op,
            Op::Nop
                | Op::Check { .. }
                | Op::Add { .. }
                | Op::Set { .. }
                | Op::MulAdd { .. }
                | Op::Copy { .. }
        )
    };
    if body.len() >= BODY || !body.iter().all(is_arithmetic) {
        return None;
    }
    let mut summary = Summary { ops: [Op::Nop; SUMMARY], used: 0, mask };
    let flags = LoopFlags::BALANCED | LoopFlags::ONCE;
    let access = Access::InBounds;
    summary.push(Op::Open { access, flags, cell: counter, number, position: NOWHERE })?;
    let mut body = body.iter().filter(|op| **op != Op::Nop).peekable();
    while let Some(check) = body.next_if(|op| op.is_plain_check()) {
        summary.push(*check)?;
    }
    let mut iteration = Iteration::new(counter);
    for op in body {
        iteration.execute(op)?;
    }
    iteration.mask(mask);
    let executed = Executed::new(iteration, before)?;
    let has_test = executed.needs_test() || summary.used > 1;
    if !has_test {
        summary.used = 0;
    }
    // Cells that are set may be read by those that grow.
    for is_set in [false, true] {
        for (i, form) in executed.changed().filter(|(i, form)| (form.factors[*i] == 0) == is_set) {
            executed.summarise(i, form, &mut summary)?;
        }
    }
    summary.push(Op::set(counter, 0, NOWHERE))?;
    if has_test {
        summary.push(Op::Close { access, flags, cell: counter, drift: 0, position: NOWHERE })?;
    }
    Some(summary)
}

/// The operations that a loop comes down to.
pub(super) struct Summary {
    ops: [Op; SUMMARY],
    used: usize,
    mask: u32,
}

impl Summary {
    pub(super) fn ops(&self) -> &[Op] {
        match self.ops.get(..self.used) {
            Some(ops) => ops,
            None => bug!("a summary longer than its room"),
        }
    }

    /// Adds an operation, unless it does nothing; `None` if there is no room.
    fn push(&mut self, op: Op) -> Option<()> {
        let (mut op, mut does_nothing) = (op, false);
        if let Op::MulAdd { factor, .. } | Op::Product { factor, .. } = &mut op {
            *factor &= self.mask;
            does_nothing = *factor == 0;
        }
        if !does_nothing {
            *self.ops.get_mut(self.used)? = op;
            self.used += 1;
        }
        Some(())
    }
}
