//! The text of a chain: operators, each with one operand.

use crate::front::relation::Error;
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

/// An integer; `missing` is what to say if there is none.
fn integer(text: &mut Text<'_>, missing: &'static str, operator: u8) -> Result<i64, Error> {
    text.integer().map_err(|error| match error {
        NotInteger::Missing => Error::byte(text.at, missing, operator),
        NotInteger::TooLarge(_) => Error::new(text.at, "integer does not fit 64 bits"),
    })
}

/// Reads a relation: no operators at all are the identity.
pub(super) fn relation(text: &[u8]) -> Result<Vec<Step>, Error> {
    let mut text = Text { bytes: text, at: 0 };
    let mut steps = Vec::new();
    while let Some(operator) = text.peek() {
        let at = text.at;
        if !b"+-*/%^<>&|".contains(&operator) {
            let what = "unknown operator @, expected one of + - * / % ^ < > & |";
            return Err(Error::byte(at, what, operator));
        }
        text.at += 1;
        let operand = integer(&mut text, "missing operand after @, expected an integer", operator)?;
        match operator {
            b'/' | b'%' if operand == 0 => return Err(Error::new(at, "zero divisor")),
            b'<' | b'>' if !(0..64).contains(&operand) => {
                return Err(Error::number(at, "shift count @ is not in 0 to 63", operand));
            }
            _ => steps.push(Step { operator, operand, at: at as u32, end: text.at as u32 }),
        }
    }
    Ok(steps)
}

/// The original form: a line with the relation, and one with the start value and
/// the number of the last term.
pub(super) fn two_lines(text: &[u8]) -> Result<(Vec<Step>, i64, u64), Error> {
    const NO_LAST: &str = "missing number of the last term, expected an integer";
    if text.is_empty() {
        return Err(Error::new(0, "no input, expected a line with the relation"));
    }
    let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    let steps = relation(&text[..end])?;
    let mut second = Text { bytes: text, at: end };
    if second.peek().is_none() {
        return Err(Error::new(second.at, "missing second line, expected 'START LAST'"));
    }
    let start = integer(&mut second, "missing start value, expected an integer", 0)?;
    // `0-5` is no pair of numbers, nor is `05x`.
    if !second.ends() {
        return Err(Error::new(second.at, NO_LAST));
    }
    second.peek();
    let at = second.at;
    let last = integer(&mut second, NO_LAST, 0)?;
    let last = u64::try_from(last).map_err(|_| Error::new(at, "number of the last term is negative"))?;
    match second.peek() {
        None => Ok((steps, start, last)),
        Some(_) => Err(Error::new(second.at, "text after the number of the last term")),
    }
}
