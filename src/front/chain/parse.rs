//! The text of a chain: operators, each with one operand.
//!
//! Owns the grammar and its messages. Linear time.

use crate::front::text::{Error, Message, NotInteger, Text};
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

/// Reads an integer; `missing` is the error if there is none.
fn integer(text: &mut Text<'_>, missing: Message) -> Result<i64, Error> {
    match text.integer() {
        Ok(value) => Ok(value),
        Err(NotInteger::Missing) => text.error(missing),
        Err(NotInteger::TooLarge) => text.expected("integer does not fit 64 bits"),
    }
}

/// Reads a relation: no operators at all are the identity.
pub(super) fn relation(text: &mut Text<'_>) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    while let Some(operator) = text.peek() {
        let at = text.at;
        if !b"+-*/%^<>&|".contains(&operator) {
            let expected = ", expected one of + - * / % ^ < > & |";
            return text.error(Message::Byte("unknown operator ", operator, expected));
        }
        text.at += 1;
        let missing = Message::Byte("missing operand after ", operator, ", expected an integer");
        let operand = integer(text, missing)?;
        let refused = match operator {
            b'/' | b'%' if operand == 0 => Some(Message::Text("zero divisor")),
            b'<' | b'>' if !(0..64).contains(&operand) => {
                Some(Message::Number("shift count ", operand, " is not in 0 to 63"))
            }
            _ => None,
        };
        if let Some(message) = refused {
            return Err(Error { at, message });
        }
        steps.push(Step { operator, operand, at: at as u32, end: text.at as u32 });
    }
    Ok(steps)
}

/// The original form: a line with the relation, and one with the start value and
/// the number of the last term.
pub(super) fn two_lines(text: &mut Text<'_>) -> Result<(Vec<Step>, i64, u64), Error> {
    const NO_LAST: &str = "missing number of the last term, expected an integer";
    let steps = text.first_line(relation)?;
    if text.peek().is_none() {
        return text.expected("missing second line, expected 'START LAST'");
    }
    let start = integer(text, Message::Text("missing start value, expected an integer"))?;
    // `0-5` is no pair of numbers, nor is `05x`.
    if !text.ends() {
        return text.expected(NO_LAST);
    }
    text.peek();
    let at = text.at;
    let last = integer(text, Message::Text(NO_LAST))?;
    if last < 0 {
        return Err(Error { at, message: Message::Text("number of the last term is negative") });
    }
    match text.peek() {
        None => Ok((steps, start, last as u64)),
        Some(_) => text.expected("text after the number of the last term"),
    }
}
