//! The text of a chain: operators, each with one operand.

use crate::front::text::{NotInteger, Text};
use alloc::vec::Vec;

/// One operator with its operand.
///
/// Invariant: no division by zero, and shift counts are 0 to 63.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step {
    /// One of `+-*/%^<>&|`.
    pub(super) operator: u8,
    pub(super) operand: i64,
    /// Where the operator stands in the text, in bytes.
    pub(super) at: u32,
    /// Where the operand ends.
    pub(super) end: u32,
}

/// An integer; `missing` is what to say of `operator` if there is none.
fn integer(text: &mut Text<'_>, missing: &'static str, operator: u8) -> Option<i64> {
    match text.integer() {
        Ok(value) => Some(value),
        Err(NotInteger::Missing) => text.fail(missing, operator.into()),
        Err(NotInteger::TooLarge) => text.fail("integer does not fit 64 bits", 0),
    }
}

/// Reads a relation: no operators at all are the identity.
pub(super) fn relation(text: &mut Text<'_>) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    while let Some(operator) = text.peek() {
        let at = text.at;
        if !b"+-*/%^<>&|".contains(&operator) {
            let what = "unknown operator?, expected one of + - * / % ^ < > & |";
            return text.fail(what, operator.into());
        }
        text.at += 1;
        let operand = integer(text, "missing operand after '@', expected an integer", operator)?;
        match operator {
            b'/' | b'%' if operand == 0 => return text.fail_at(at, "zero divisor", 0),
            b'<' | b'>' if !(0..64).contains(&operand) => {
                return text.fail_at(at, "shift count # is not in 0 to 63", operand);
            }
            _ => steps.push(Step { operator, operand, at: at as u32, end: text.at as u32 }),
        }
    }
    Some(steps)
}

/// The original form: a line with the relation, and one with the start value and
/// the number of the last term.
pub(super) fn two_lines(text: &mut Text<'_>) -> Option<(Vec<Step>, i64, u64)> {
    const NO_LAST: &str = "missing number of the last term, expected an integer";
    let steps = text.first_line(relation)?;
    if text.peek().is_none() {
        return text.fail("missing second line, expected 'START LAST'", 0);
    }
    let start = integer(text, "missing start value, expected an integer", 0)?;
    // `0-5` is no pair of numbers, nor is `05x`.
    if !text.ends() {
        return text.fail(NO_LAST, 0);
    }
    text.peek();
    let at = text.at;
    let last = integer(text, NO_LAST, 0)?;
    if last < 0 {
        return text.fail_at(at, "number of the last term is negative", 0);
    }
    match text.peek() {
        None => Some((steps, start, last as u64)),
        Some(_) => text.fail("text after the number of the last term", 0),
    }
}
