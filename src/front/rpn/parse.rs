//! The text of a relation in reverse Polish notation, and of its initial terms.
//!
//! Owns the grammar and its messages. Tokens are already operations of a stack machine,
//! so parsing is the translation to the intermediate representation. Linear time.

use super::decimal;
use super::ir::{Op, Operation};
use crate::front::text::{Error, Message, Text};
use alloc::vec::Vec;

/// A relation as stack code, and its deepest back-reference.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) operations: Vec<Operation>,
    /// The deepest back-reference, and where it stands.
    pub(super) history: usize,
    pub(super) deepest: usize,
}

/// Reads a number with an optional sign right before it.
fn number(text: &mut Text<'_>) -> Option<f64> {
    let rest = text.rest();
    let (sign, digits) = match rest.split_first()? {
        (b'+' | b'-', digits) => (1, digits),
        _ => (0, rest),
    };
    let (value, size) = decimal::number(digits)?;
    text.at += sign + size;
    Some(if rest[0] == b'-' { -value } else { value })
}

/// Reads the rest of a back-reference, which began at `at`.
fn back_reference(text: &mut Text<'_>, at: usize) -> Result<usize, Error> {
    let (start, mut back) = (text.at, 0usize);
    while let Some(digit @ b'0'..=b'9') = text.bytes.get(text.at) {
        back = back.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
        text.at += 1;
    }
    if text.at == start || text.bytes.get(text.at) != Some(&b')') {
        return Err(Error { at, message: Message::Text("expected a back-reference like (1)") });
    }
    if back == 0 {
        return Err(Error { at, message: Message::Text("back-reference 0, expected 1 or more") });
    }
    text.at += 1;
    Ok(back)
}

/// Reads one token, which begins with `byte`.
fn token(text: &mut Text<'_>, byte: u8) -> Result<Op, Error> {
    let at = text.at;
    // A sign belongs to a number unless it is right behind another token.
    let signed = matches!(byte, b'+' | b'-');
    if (!signed || text.bytes.get(at.wrapping_sub(1)).is_none_or(u8::is_ascii_whitespace))
        && let Some(value) = number(text)
    {
        return Ok(Op::Constant { value });
    }
    text.at += 1;
    Ok(match byte {
        b'(' => Op::Term { back: back_reference(text, at)? },
        b'n' => Op::Index,
        b'+' => Op::Add,
        b'-' => Op::Sub,
        b'*' => Op::Mul,
        b'/' => Op::Div,
        b'Q' => Op::Sqrt,
        b'~' => Op::Negate,
        _ => {
            let expected = ", expected a number, (k), n or one of + - * / Q ~";
            return Err(Error { at, message: Message::Byte("unknown token ", byte, expected) });
        }
    })
}

/// Reads a relation.
pub(super) fn relation(text: &mut Text<'_>) -> Result<Parsed, Error> {
    let mut parsed = Parsed::default();
    // The place of a leftover operand is behind the first one.
    let (mut operands, mut first_left) = (0, 0);
    while let Some(byte) = text.peek() {
        let at = text.at;
        let op = token(text, byte)?;
        if operands < op.operands() {
            let expects = match (op.operands(), operands) {
                (1, _) => " expects one operand, found 0",
                (_, 0) => " expects two operands, found 0",
                _ => " expects two operands, found 1",
            };
            return Err(Error { at, message: Message::Byte("", byte, expects) });
        }
        operands = operands + 1 - op.operands();
        if operands == 1 {
            first_left = text.at;
        }
        if let Op::Term { back } = op
            && back > parsed.history
        {
            parsed.history = back;
            parsed.deepest = at;
        }
        parsed.operations.push(Operation { op, end: text.at as u32, keep: None });
    }
    let left_over = match operands {
        1 => return Ok(parsed),
        0 => return Err(Error { at: 0, message: Message::Text("empty relation, expected an operand") }),
        2 => " operand left over, expected an operator",
        _ => " operands left over, expected an operator",
    };
    text.at = first_left;
    text.peek();
    text.error(Message::Number("", operands as i64 - 1, left_over))
}

/// Reads an initial term, which ends at a space or a comma, as bits.
fn value(text: &mut Text<'_>) -> Result<u64, Error> {
    text.peek();
    let at = text.at;
    match number(text) {
        Some(value) if text.ends() || text.rest().first() == Some(&b',') => Ok(value.to_bits()),
        _ => Err(Error { at, message: Message::Text("expected a number") }),
    }
}

/// Reads initial terms that stand one after the other with commas between.
pub(super) fn list(text: &mut Text<'_>) -> Result<Vec<u64>, Error> {
    let mut values = Vec::new();
    let mut next = text.peek();
    while next.is_some() {
        values.push(value(text)?);
        next = text.peek();
        if next == Some(b',') {
            text.at += 1;
        } else if next.is_some() {
            return text.expected("expected a comma");
        }
    }
    Ok(values)
}

/// Reads the lines behind the relation: initial terms in any order, then the number
/// of the last term.
pub(super) fn terms(text: &mut Text<'_>) -> Result<(Vec<u64>, u64), Error> {
    let mut given: Vec<(u64, u64)> = Vec::new();
    let last = loop {
        if text.peek().is_none() {
            return text.expected("missing last line, expected the number of the last term");
        }
        let at = text.at;
        let number = text.integer().unwrap_or(-1);
        if number < 0 {
            text.at = at;
            let what = match text.rest().iter().find(|byte| matches!(byte, b':' | b'\n')) {
                Some(b':') => "expected an initial term as INDEX:VALUE",
                _ => "expected the number of the last term",
            };
            return text.expected(what);
        }
        match text.peek() {
            None => break number as u64,
            Some(b':') => {
                text.at += 1;
                given.push((number as u64, value(text)?));
            }
            Some(_) => return text.expected("text after the number of the last term"),
        }
    };
    Ok((sorted(text, given)?, last))
}

/// The values in the order of their indices, which must be 0, 1, 2 and so on.
fn sorted(text: &Text<'_>, mut given: Vec<(u64, u64)>) -> Result<Vec<u64>, Error> {
    // Cycle sort: every swap puts one value at its index.
    let mut i = 0;
    while let Some(&(index, _)) = given.get(i) {
        match given.get(index as usize) {
            Some(there) if there.0 != index => given.swap(i, index as usize),
            _ => i += 1,
        }
    }
    match given.iter().zip(0..).find(|((index, _), place)| index != place) {
        None => Ok(given.into_iter().map(|(_, value)| value).collect()),
        Some(((index, _), _)) if *index < given.len() as u64 => {
            text.error(Message::Number("initial term ", *index as i64, " is given twice"))
        }
        Some((_, place)) => {
            let message = " is missing, and a later one is given";
            text.error(Message::Number("initial term ", place as i64, message))
        }
    }
}
