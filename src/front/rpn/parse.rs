//! The text of a relation in reverse Polish notation, and of its initial terms.

use super::decimal;
use crate::front::text::{NotInteger, integer};
use alloc::{vec, vec::Vec};
use core::fmt;

/// What one token does to the stack of operands.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Op {
    /// Pushes a constant.
    Constant(f64),
    /// Pushes the term this many before.
    Back(usize),
    /// Pushes the index of the term.
    Index,
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
    Negate,
    /// A sum with itself; never in the text.
    Double,
}

impl Op {
    /// How many operands it takes.
    pub(super) const fn takes(self) -> usize {
        match self {
            Self::Constant(_) | Self::Back(_) | Self::Index => 0,
            Self::Sqrt | Self::Negate | Self::Double => 1,
            Self::Add | Self::Sub | Self::Mul | Self::Div => 2,
        }
    }
}

/// What is wrong with a relation or its initial terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A byte that begins no token.
    UnknownToken(u8),
    /// Nothing to compute.
    NoExpression,
    /// An operator with this many operands needs more.
    TooFewOperands(u8, usize),
    /// This many operands are left for no operator.
    Leftover(usize),
    /// Parentheses without a number in them.
    BadReference,
    /// A term cannot refer to itself.
    ReferenceZero,
    /// This initial term is not given.
    MissingTerm(u64),
    /// This initial term is given twice.
    RepeatedTerm(u64),
    /// No index before the colon of an initial term.
    BadIndex,
    /// No number where an initial term should be.
    BadValue,
    /// Input without a single line.
    Empty,
    /// No line with the last term's number.
    NoLast,
    /// No natural number on the line for the last term.
    BadLast,
    /// Text after everything that belongs there.
    Trailing,
    /// Code, or history, of 2 GiB or more.
    TooLong,
}

/// An error in the text: where, in bytes, and what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// Offset into the text.
    pub at: usize,
    /// What is wrong there.
    pub reason: Reason,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.reason {
            Reason::UnknownToken(byte) => {
                match byte {
                    b'!'..=b'~' => write!(f, "unknown token '{}'", char::from(byte)),
                    _ => write!(f, "unknown token, byte {byte:#04x}"),
                }?;
                ", expected a number, (k), n or one of + - * / Q ~"
            }
            Reason::TooFewOperands(operator, found) => {
                let operator = char::from(operator);
                let needs = if matches!(operator, 'Q' | '~') { "one operand" } else { "two operands" };
                return write!(f, "'{operator}' expects {needs}, found {found}");
            }
            Reason::Leftover(count) => {
                let plural = if count == 1 { "" } else { "s" };
                return write!(f, "{count} operand{plural} left over, expected an operator");
            }
            Reason::MissingTerm(index) => {
                return write!(f, "missing initial term {index}, which the relation refers to");
            }
            Reason::RepeatedTerm(index) => return write!(f, "initial term {index} is given twice"),
            Reason::NoExpression => "empty relation, expected an operand",
            Reason::BadReference => "expected a back-reference like (1)",
            Reason::ReferenceZero => "back-reference 0, expected 1 or more",
            Reason::BadIndex => "expected an initial term as INDEX:VALUE",
            Reason::BadValue => "expected a number",
            Reason::Empty => "no input, expected a line with the relation",
            Reason::NoLast => "missing last line, expected the number of the last term",
            Reason::BadLast => "expected the number of the last term",
            Reason::Trailing => "text after the number of the last term",
            Reason::TooLong => "relation too long",
        };
        f.write_str(text)
    }
}

/// A relation and what its text says about it.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) ops: Vec<Op>,
    /// The most operands on the stack at once.
    pub(super) depth: usize,
    /// The deepest back-reference, and where it stands.
    pub(super) history: usize,
    pub(super) deepest: usize,
}

/// A sign that belongs to a number: right before it, and not right behind
/// another token.
fn signed(text: &[u8], at: usize) -> bool {
    let begins = matches!(text.get(at + 1), Some(b'0'..=b'9' | b'.'));
    let free = at == 0 || text[at - 1].is_ascii_whitespace();
    begins && free && decimal::number(&text[at + 1..]).is_some()
}

/// Reads one token at `at`, which is no space; gives it and where it ends.
fn token(text: &[u8], at: usize) -> Result<(Op, usize), Error> {
    let byte = text[at];
    let fail = |reason| Err(Error { at, reason });
    let op = match byte {
        b'+' | b'-' if signed(text, at) => {
            let (value, size) = decimal::number(&text[at + 1..]).unwrap_or((0.0, 0));
            let value = if byte == b'-' { -value } else { value };
            return Ok((Op::Constant(value), at + 1 + size));
        }
        b'0'..=b'9' | b'.' => match decimal::number(&text[at..]) {
            Some((value, size)) => return Ok((Op::Constant(value), at + size)),
            None => return fail(Reason::UnknownToken(byte)),
        },
        b'(' => {
            let digits = text[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 || text.get(at + 1 + digits) != Some(&b')') {
                return fail(Reason::BadReference);
            }
            let back = text[at + 1..at + 1 + digits].iter().fold(0usize, |value, digit| {
                value.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
            });
            if back == 0 {
                return fail(Reason::ReferenceZero);
            }
            return Ok((Op::Back(back), at + 2 + digits));
        }
        b'n' => Op::Index,
        b'+' => Op::Add,
        b'-' => Op::Sub,
        b'*' => Op::Mul,
        b'/' => Op::Div,
        b'Q' => Op::Sqrt,
        b'~' => Op::Negate,
        _ => return fail(Reason::UnknownToken(byte)),
    };
    Ok((op, at + 1))
}

/// Reads a relation.
pub(super) fn relation(text: &[u8]) -> Result<Parsed, Error> {
    let mut parsed = Parsed::default();
    let (mut at, mut operands, mut first_left) = (0, 0, 0);
    // A leftover is told by its place, right behind the first operand.
    while at < text.len() {
        if text[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let (op, end) = token(text, at)?;
        if operands < op.takes() {
            return Err(Error { at, reason: Reason::TooFewOperands(text[at], operands) });
        }
        operands = operands + 1 - op.takes();
        if operands == 1 {
            first_left = end;
        }
        if let Op::Back(back) = op
            && back > parsed.history
        {
            parsed.history = back;
            parsed.deepest = at;
        }
        parsed.depth = parsed.depth.max(operands);
        parsed.ops.push(op);
        at = end;
    }
    match operands {
        1 => Ok(parsed),
        0 => Err(Error { at: 0, reason: Reason::NoExpression }),
        _ => {
            let spaces = text[first_left..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            Err(Error { at: first_left + spaces, reason: Reason::Leftover(operands - 1) })
        }
    }
}

/// Reads a number with an optional sign that takes up the whole of `text` but
/// for spaces.
fn value(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii();
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, text),
    };
    let (value, size) = decimal::number(digits)?;
    if size != digits.len() {
        return None;
    }
    Some(if negative { -value } else { value })
}

/// Reads initial terms that stand one after the other with commas between.
pub(super) fn list(text: &[u8]) -> Result<Vec<f64>, Error> {
    let mut values = Vec::new();
    let mut at = 0;
    if text.trim_ascii().is_empty() {
        return Ok(values);
    }
    for piece in text.split(|byte| *byte == b',') {
        values.push(value(piece).ok_or(Error { at, reason: Reason::BadValue })?);
        at += piece.len() + 1;
    }
    Ok(values)
}

/// The lines behind the relation: initial terms in any order, then the number of
/// the last term. `at` is where they begin.
pub(super) fn terms(text: &[u8], mut at: usize) -> Result<(Vec<f64>, u64), Error> {
    let mut given: Vec<(u64, f64)> = Vec::new();
    let mut last = None;
    for line in text[at..].split(|byte| *byte == b'\n') {
        let fail = |reason| {
            Err(Error { at: at + line.iter().take_while(|b| b.is_ascii_whitespace()).count(), reason })
        };
        let trimmed = line.trim_ascii();
        let colon = trimmed.iter().position(|byte| *byte == b':');
        match (trimmed.is_empty(), last, colon) {
            (true, ..) => {}
            (_, Some(_), _) => return fail(Reason::Trailing),
            (_, None, Some(colon)) => {
                let index = natural(trimmed[..colon].trim_ascii());
                let Some(index) = index else { return fail(Reason::BadIndex) };
                let Some(value) = value(&trimmed[colon + 1..]) else { return fail(Reason::BadValue) };
                given.push((index, value));
            }
            (_, None, None) => match natural(trimmed) {
                Some(number) => last = Some(number),
                None => return fail(Reason::BadLast),
            },
        }
        at += line.len() + 1;
    }
    let end = text.len();
    let last = last.ok_or(Error { at: end, reason: Reason::NoLast })?;
    let mut values = vec![None; given.len()];
    for (index, value) in given {
        // An index beyond leaves a gap below.
        if let Some(place) = values.get_mut(index as usize) {
            if place.is_some() {
                return Err(Error { at: end, reason: Reason::RepeatedTerm(index) });
            }
            *place = Some(value);
        }
    }
    match values.iter().position(Option::is_none) {
        Some(gap) => Err(Error { at: end, reason: Reason::MissingTerm(gap as u64) }),
        None => Ok((values.into_iter().flatten().collect(), last)),
    }
}

fn natural(text: &[u8]) -> Option<u64> {
    match integer(text, 64) {
        Ok((value, size)) if size == text.len() => u64::try_from(value).ok(),
        Ok(_) | Err(NotInteger::Missing | NotInteger::TooLarge(_)) => None,
    }
}
