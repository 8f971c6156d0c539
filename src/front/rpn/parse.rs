//! The text of a relation in reverse Polish notation, and of its initial terms.

use super::decimal;
use crate::front::text::Text;
use alloc::vec::Vec;

/// What one token does to the stack of operands.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Op {
    /// Pushes a constant.
    Constant(f64),
    /// Pushes the term this many before.
    Back(usize),
    /// Pushes the index of the term.
    Index,
    /// Pushes what the part with this [`Part::shared`] computed.
    Again(u8),
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
    Negate,
}

impl Op {
    /// How many operands it takes.
    pub(super) const fn takes(self) -> usize {
        match self {
            Self::Constant(_) | Self::Back(_) | Self::Index | Self::Again(_) => 0,
            Self::Sqrt | Self::Negate => 1,
            Self::Add | Self::Sub | Self::Mul | Self::Div => 2,
        }
    }
}

/// An operation with where its text ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) op: Op,
    pub(super) end: u32,
    /// The number that others name its result by, from 1, or 0.
    pub(super) shared: u8,
}

/// A relation and what its text says about it.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) parts: Vec<Part>,
    /// The most operands on the stack at once.
    pub(super) depth: usize,
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

/// Reads one token, which begins with `byte`.
fn token(text: &mut Text<'_>, byte: u8) -> Option<Op> {
    let at = text.at;
    // A sign belongs to a number unless it is right behind another token.
    let signed = matches!(byte, b'+' | b'-');
    if (!signed || text.bytes.get(at.wrapping_sub(1)).is_none_or(u8::is_ascii_whitespace))
        && let Some(value) = number(text)
    {
        return Some(Op::Constant(value));
    }
    text.at += 1;
    Some(match byte {
        b'(' => {
            let (start, mut back) = (text.at, 0usize);
            while let Some(digit @ b'0'..=b'9') = text.bytes.get(text.at) {
                back = back.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
                text.at += 1;
            }
            if text.at == start || text.bytes.get(text.at) != Some(&b')') {
                return text.fail_at(at, "expected a back-reference like (1)", 0);
            }
            if back == 0 {
                return text.fail_at(at, "back-reference 0, expected 1 or more", 0);
            }
            text.at += 1;
            Op::Back(back)
        }
        b'n' => Op::Index,
        b'+' => Op::Add,
        b'-' => Op::Sub,
        b'*' => Op::Mul,
        b'/' => Op::Div,
        b'Q' => Op::Sqrt,
        b'~' => Op::Negate,
        _ => {
            let what = "unknown token?, expected a number, (k), n or one of + - * / Q ~";
            return text.fail_at(at, what, byte.into());
        }
    })
}

/// Reads a relation.
pub(super) fn relation(text: &mut Text<'_>) -> Option<Parsed> {
    let mut parsed = Parsed::default();
    // A leftover is told by its place, right behind the first operand.
    let (mut operands, mut first_left) = (0, 0);
    while let Some(byte) = text.peek() {
        let at = text.at;
        let op = token(text, byte)?;
        if operands < op.takes() {
            let what = match (op.takes(), operands) {
                (1, _) => "'@' expects one operand, found 0",
                (_, 0) => "'@' expects two operands, found 0",
                _ => "'@' expects two operands, found 1",
            };
            return text.fail_at(at, what, byte.into());
        }
        operands = operands + 1 - op.takes();
        if operands == 1 {
            first_left = text.at;
        }
        if let Op::Back(back) = op
            && back > parsed.history
        {
            parsed.history = back;
            parsed.deepest = at;
        }
        parsed.depth = parsed.depth.max(operands);
        parsed.parts.push(Part { op, end: text.at as u32, shared: 0 });
    }
    let what = match operands {
        1 => return Some(parsed),
        0 => return text.fail_at(0, "empty relation, expected an operand", 0),
        2 => "# operand left over, expected an operator",
        _ => "# operands left over, expected an operator",
    };
    text.at = first_left;
    text.peek();
    text.fail(what, operands as i64 - 1)
}

/// Reads an initial term, which ends at a space or a comma, as bits.
fn value(text: &mut Text<'_>) -> Option<u64> {
    text.peek();
    let at = text.at;
    match number(text) {
        Some(value) if text.ends() || text.rest().first() == Some(&b',') => Some(value.to_bits()),
        _ => text.fail_at(at, "expected a number", 0),
    }
}

/// Reads initial terms that stand one after the other with commas between.
pub(super) fn list(text: &mut Text<'_>) -> Option<Vec<u64>> {
    let mut values = Vec::new();
    let mut next = text.peek();
    while next.is_some() {
        values.push(value(text)?);
        next = text.peek();
        if next == Some(b',') {
            text.at += 1;
        } else if next.is_some() {
            return text.fail("expected a comma", 0);
        }
    }
    Some(values)
}

/// Reads the lines behind the relation: initial terms in any order, then the number
/// of the last term.
pub(super) fn terms(text: &mut Text<'_>) -> Option<(Vec<u64>, u64)> {
    let mut given: Vec<(u64, u64)> = Vec::new();
    let last = loop {
        if text.peek().is_none() {
            return text.fail("missing last line, expected the number of the last term", 0);
        }
        let at = text.at;
        let number = text.integer().unwrap_or(-1);
        if number < 0 {
            text.at = at;
            let what = match text.rest().iter().find(|byte| matches!(byte, b':' | b'\n')) {
                Some(b':') => "expected an initial term as INDEX:VALUE",
                _ => "expected the number of the last term",
            };
            return text.fail(what, 0);
        }
        match text.peek() {
            None => break number as u64,
            Some(b':') => {
                text.at += 1;
                given.push((number as u64, value(text)?));
            }
            Some(_) => return text.fail("text after the number of the last term", 0),
        }
    };
    // Each to its place, unless one is there already or the place is beyond.
    let mut i = 0;
    while let Some(&(index, _)) = given.get(i) {
        match given.get(index as usize) {
            Some(there) if there.0 != index => given.swap(i, index as usize),
            _ => i += 1,
        }
    }
    match given.iter().zip(0..).find(|((index, _), place)| index != place) {
        None => Some((given.into_iter().map(|(_, value)| value).collect(), last)),
        Some(((index, _), _)) if *index < given.len() as u64 => {
            text.fail("initial term # is given twice", *index as i64)
        }
        Some((_, place)) => text.fail("initial term # is missing, and a later one is given", place as i64),
    }
}

/// A term that a relation needs is not there.
pub(super) const MISSING: &str = "missing initial term #, which the relation refers to";
