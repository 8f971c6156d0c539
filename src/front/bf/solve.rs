//! Loops whose result is a formula.
//!
//! A body of assignments is run once on symbols, which gives each cell as a sum
//! of constants times what cells held at the start of a round. Law: if the
//! counter changes by an odd constant *s*, it takes *n* = −\[x\]/s rounds, and
//! - a cell that grows by a sum of cells which the loop leaves alone grows by *n*
//!   times that sum;
//! - a cell that becomes such a sum is that, if there was a round at all;
//! - a cell that ends every round with the constant it began with counts as one.
//!
//! Everything else is refused. Probes at the start of the body stay.

use super::idiom::inverse;
use super::ir::{BALANCED, Kind, MAYBE, NOWHERE, ONCE, Op};
use super::known::Known;

/// Cells that a body may name.
const CELLS: usize = 10;
/// Operations in a body.
const BODY: usize = 40;
/// Operations in an answer.
const ANSWER: usize = 40;

/// A cell after a round.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sum {
    constant: u32,
    /// Of what each cell held before the round.
    factors: [u32; CELLS],
}

impl Sum {
    fn number(constant: u32) -> Self {
        Self { constant, factors: [0; CELLS] }
    }

    fn cell(index: usize) -> Self {
        let mut sum = Self::number(0);
        sum.factors[index] = 1;
        sum
    }

    fn add(&mut self, other: &Self, factor: u32) {
        self.constant = self.constant.wrapping_add(other.constant.wrapping_mul(factor));
        for (mine, theirs) in self.factors.iter_mut().zip(&other.factors) {
            *mine = mine.wrapping_add(theirs.wrapping_mul(factor));
        }
    }
}

/// A round on symbols.
struct Round {
    cells: [i32; CELLS],
    sums: [Sum; CELLS],
    used: usize,
}

impl Round {
    fn index(&mut self, at: i32) -> Option<usize> {
        if let Some(index) = self.cells.iter().take(self.used).position(|&cell| cell == at) {
            return Some(index);
        }
        let index = self.used;
        *self.cells.get_mut(index)? = at;
        self.sums[index] = Sum::cell(index);
        self.used += 1;
        Some(index)
    }

    fn run(&mut self, op: &Op) -> Option<()> {
        let at = self.index(op.at)?;
        let (from, factor) = match op.kind {
            Kind::Add | Kind::Set => (Sum::number(op.b as u32), 1),
            Kind::Mul | Kind::Copy if !op.is(MAYBE) => {
                let from = self.index(op.b)?;
                (*self.sums.get(from)?, op.c)
            }
            _ => return None,
        };
        let sum = self.sums.get_mut(at)?;
        if let Kind::Set | Kind::Copy = op.kind {
            *sum = Sum::number(0);
        }
        sum.add(&from, factor);
        Some(())
    }
}

/// The operations that `while [counter] { body }` comes down to, if it does;
/// `before` is what is known before it, `mask` cuts to a cell.
pub(super) fn solve(counter: i32, number: i32, body: &[Op], before: &Known, mask: u32) -> Option<Answer> {
    // Of most loops this is all that there is to see.
    let is_arithmetic =
        |op: &Op| matches!(op.kind, Kind::Nop | Kind::Probe | Kind::Add | Kind::Set | Kind::Mul | Kind::Copy);
    if body.len() >= BODY || !body.iter().all(is_arithmetic) {
        return None;
    }
    let mut round = Round { cells: [0; CELLS], sums: [Sum::number(0); CELLS], used: 0 };
    round.index(counter);
    let mut body = body.iter().filter(|op| op.kind != Kind::Nop).peekable();
    let mut answer = Answer { ops: [Op::NOP; ANSWER], used: 0, mask };
    answer.push(Op { flags: BALANCED | ONCE, ..Op::new(Kind::Open, counter, number, NOWHERE) })?;
    while let Some(probe) = body.next_if(|op| op.kind == Kind::Probe && !op.is(MAYBE)) {
        answer.push(*probe)?;
    }
    for op in body {
        round.run(op)?;
    }
    let Round { cells, mut sums, used } = round;
    let used = used.min(CELLS);
    for sum in &mut sums[..used] {
        sum.constant &= mask;
        sum.factors.iter_mut().for_each(|factor| *factor &= mask);
    }
    let step = sums[0].constant;
    if step & 1 == 0 || sums[0] != (Sum { constant: step, ..Sum::cell(0) }) {
        return None;
    }
    let rounds = inverse(step).wrapping_neg();
    // What a cell counts as in a sum: itself, or a constant.
    let mut constant = [None; CELLS];
    let mut untouched = [false; CELLS];
    for i in 1..used {
        let known = before.get(cells[i]);
        untouched[i] = sums[i] == Sum::cell(i);
        let steady = sums[i].factors == [0; CELLS] && known == Some(sums[i].constant);
        if untouched[i] || steady {
            constant[i] = known;
            untouched[i] |= steady;
        }
    }
    let resets = (1..used).any(|i| !untouched[i] && sums[i].factors[i] == 0);
    // What multiplies is worth a jump, for most such loops are an `if` that seldom holds.
    let multiplies = (1..used).any(|i| {
        let factor = |j: usize| j != i && sums[i].factors[j] != 0 && constant[j].is_none();
        !untouched[i] && sums[i].factors[i] != 0 && (1..used).any(factor)
    });
    let guarded = resets || multiplies || answer.used > 1;
    if !guarded {
        answer.used = 0;
    }
    for reset in [false, true] {
        for i in (1..used).filter(|&i| !untouched[i]) {
            let Sum { constant: mut sum, factors } = sums[i];
            if (factors[i] == 0) != reset {
                continue;
            }
            if factors[0] != 0 || factors[i] > 1 {
                return None;
            }
            let terms = || (1..used).filter(|&j| j != i && factors[j] != 0);
            for j in terms() {
                match constant[j] {
                    Some(value) => sum = sum.wrapping_add(value.wrapping_mul(factors[j])),
                    None if untouched[j] => {}
                    None => return None,
                }
            }
            if reset {
                answer.push(Op::new(Kind::Set, cells[i], sum as i32, NOWHERE))?;
            } else {
                answer.push(Op::new(Kind::Mul, cells[i], counter, sum.wrapping_mul(rounds)))?;
            }
            for j in terms().filter(|&j| constant[j].is_none()) {
                answer.push(if reset {
                    Op::new(Kind::Mul, cells[i], cells[j], factors[j])
                } else {
                    let d = i16::try_from(counter.wrapping_sub(cells[j])).ok()?;
                    let product = Op::new(Kind::Product, cells[i], cells[j], factors[j].wrapping_mul(rounds));
                    Op { d, ..product }
                })?;
            }
        }
    }
    answer.push(Op::new(Kind::Set, counter, 0, NOWHERE))?;
    if guarded {
        answer.push(Op { flags: BALANCED | ONCE, ..Op::new(Kind::Close, counter, 0, NOWHERE) })?;
    }
    Some(answer)
}

/// The operations that a loop comes down to.
pub(super) struct Answer {
    ops: [Op; ANSWER],
    used: usize,
    mask: u32,
}

impl Answer {
    pub(super) fn ops(&self) -> &[Op] {
        self.ops.get(..self.used).unwrap_or_default()
    }

    /// Adds an operation, unless it does nothing.
    #[inline(never)] // Many push.
    fn push(&mut self, op: Op) -> Option<()> {
        let nothing = matches!(op.kind, Kind::Mul | Kind::Product) && op.c & self.mask == 0;
        if !nothing {
            *self.ops.get_mut(self.used)? = op;
            self.used += 1;
        }
        Some(())
    }
}
