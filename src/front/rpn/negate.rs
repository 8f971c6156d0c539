//! Negation folding: a negation moves through products and quotients to where a sum, a
//! difference, a constant or another negation absorbs it. One that nothing absorbs stays
//! where it was.
//!
//! Source: IEEE 754-2019, 5.4.1 and 6.3. Rounding to nearest is symmetric, so (−x)·y and
//! −(x·y) are the same bits, and x + (−y) is x − y by definition. −x − y and −(x + y) differ
//! in the sign of a zero, so that rule is not here. Only the sign of a NaN may change, which
//! the standard leaves open.
//!
//! Invariant: results are the same bit for bit, NaNs aside, and no operation is added.
//! Complexity: linear; operands change places only if both together have at most
//! [`SEARCHED`] operations.

use super::ir::{Op, Operation};
use super::share::SEARCHED;
use crate::front::bug;
use alloc::vec::Vec;

/// An operand on the stack.
struct Operand {
    /// The index of its first operation.
    start: usize,
    /// The index of a negation that may move to the result of the operand.
    negation: Option<usize>,
}

/// The same relation with fewer negations.
pub(super) fn negate(operations: &[Operation]) -> Vec<Operation> {
    let mut walk = Walk { output: Vec::with_capacity(operations.len()), stack: Vec::new() };
    for operation in operations {
        walk.operation(*operation);
    }
    walk.output.into_iter().flatten().collect()
}

struct Walk {
    /// The operations so far; an absorbed negation leaves nothing.
    output: Vec<Option<Operation>>,
    stack: Vec<Operand>,
}

impl Walk {
    fn operation(&mut self, operation: Operation) {
        let start = self.output.len();
        let (start, negation) = match operation.op {
            Op::Constant { .. } | Op::Term { .. } | Op::Index | Op::Reuse { .. } => (start, None),
            Op::Sqrt => (self.pop().start, None),
            Op::Negate => {
                let operand = self.pop();
                if let Some(other) = operand.negation {
                    self.output[other] = None;
                    return self.stack.push(Operand { negation: None, ..operand });
                }
                (operand.start, Some(start))
            }
            Op::Mul | Op::Div => {
                let right = self.pop();
                let left = self.pop();
                (left.start, self.product(&left, &right))
            }
            Op::Add | Op::Sub => {
                let right = self.pop();
                let left = self.pop();
                let op = self.sum(operation.op, &left, &right);
                self.output.push(Some(Operation { op, ..operation }));
                return self.stack.push(Operand { start: left.start, negation: None });
            }
        };
        self.output.push(Some(operation));
        self.stack.push(Operand { start, negation });
    }

    fn pop(&mut self) -> Operand {
        match self.stack.pop() {
            Some(operand) => operand,
            None => bug!("an operation without an operand"),
        }
    }

    /// The negation of a product or quotient of these.
    fn product(&mut self, left: &Operand, right: &Operand) -> Option<usize> {
        let (negation, other) = match (left.negation, right.negation) {
            (Some(one), Some(other)) => {
                (self.output[one], self.output[other]) = (None, None);
                return None;
            }
            (Some(negation), None) => (negation, &mut self.output[right.start..]),
            (None, Some(negation)) => (negation, &mut self.output[left.start..right.start]),
            (None, None) => return None,
        };
        // A constant absorbs it.
        if let [Some(Operation { op: Op::Constant { value }, .. })] = other {
            *value = -*value;
            self.output[negation] = None;
            return None;
        }
        Some(negation)
    }

    /// The operation in place of the sum or difference of these, which absorbs one negation
    /// or both.
    fn sum(&mut self, op: Op, left: &Operand, right: &Operand) -> Op {
        let near = self.output.len() - left.start <= SEARCHED;
        match (op, left.negation, right.negation) {
            (Op::Add, _, Some(negation)) => {
                self.output[negation] = None;
                Op::Sub
            }
            (Op::Sub, None, Some(negation)) => {
                self.output[negation] = None;
                Op::Add
            }
            // −x + y is y − x.
            (Op::Add, Some(negation), None) if near => {
                self.output[negation] = None;
                self.output[left.start..].rotate_left(right.start - left.start);
                Op::Sub
            }
            // −x − (−y) is y − x.
            (Op::Sub, Some(one), Some(other)) if near => {
                (self.output[one], self.output[other]) = (None, None);
                self.output[left.start..].rotate_left(right.start - left.start);
                Op::Sub
            }
            _ => op,
        }
    }
}
