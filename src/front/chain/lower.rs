//! Syntax-directed translation of the operators of the text to the intermediate representation
//! (Aho, Lam, Sethi, Ullman, *Compilers*, chapter 5).
//!
//! Each operator becomes one operation; a division by a negative number becomes two, a
//! quotient and a negation. The result is as long as the text says: nothing is left out
//! or combined here. Linear time.

use super::ir::{Op, Operation};
use super::parse::Step;
use crate::front::bug;
use alloc::vec::Vec;

/// The operations of these steps, in order.
pub(super) fn lower(steps: &[Step]) -> Vec<Operation> {
    let mut operations = Vec::with_capacity(steps.len());
    for step in steps {
        let mut append = |op| operations.push(Operation { op, end: step.end, rotated: None });
        append(operation(step));
        // A negative divisor negates the quotient and does not change the remainder.
        if step.operator == b'/' && step.operand < 0 {
            append(Op::NEGATION);
        }
    }
    operations
}

fn operation(step: &Step) -> Op {
    let Step { operator, operand: k, .. } = *step;
    let magnitude = k.unsigned_abs();
    match operator {
        b'+' => Op::Affine { factor: 1, addend: k },
        b'-' => Op::Affine { factor: 1, addend: k.wrapping_neg() },
        b'*' => Op::Affine { factor: k, addend: 0 },
        b'<' => Op::Affine { factor: 1i64 << k, addend: 0 },
        b'>' if k == 0 => Op::IDENTITY,
        b'>' => Op::Sar { count: k as u32 },
        b'/' if magnitude == 1 => Op::IDENTITY,
        b'/' => Op::Quotient { divisor: magnitude },
        b'%' if magnitude == 1 => Op::Constant { value: 0 },
        b'%' => Op::Remainder { divisor: magnitude },
        b'^' => Op::Bits { and: -1, xor: k },
        b'&' => Op::Bits { and: k, xor: 0 },
        b'|' => Op::Bits { and: !k, xor: k },
        _ => bug!("a step with an unknown operator"),
    }
}
