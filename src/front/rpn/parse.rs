//! The text of a relation in reverse Polish notation, and of its initial terms.

use super::decimal;
use crate::front::relation::Error;
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

/// An operation with where its text ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) op: Op,
    pub(super) end: u32,
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
    let rest = text.bytes.get(text.at..)?;
    let (sign, digits) = match rest.split_first()? {
        (b'+' | b'-', digits) => (1, digits),
        _ => (0, rest),
    };
    let (value, size) = decimal::number(digits)?;
    text.at += sign + size;
    Some(if rest[0] == b'-' { -value } else { value })
}

/// Reads one token, which begins with `byte`.
fn token(text: &mut Text<'_>, byte: u8) -> Result<Op, Error> {
    let at = text.at;
    // A sign belongs to a number unless it is right behind another token.
    let signed = matches!(byte, b'+' | b'-');
    if (!signed || at == 0 || text.bytes[at - 1].is_ascii_whitespace())
        && let Some(value) = number(text)
    {
        return Ok(Op::Constant(value));
    }
    text.at += 1;
    Ok(match byte {
        b'(' => {
            let digits = text.bytes[text.at..].iter().take_while(|byte| byte.is_ascii_digit());
            let back = digits.clone().fold(0usize, |value, digit| {
                value.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
            });
            let size = digits.count();
            text.at += size + 1;
            if size == 0 || text.bytes.get(text.at - 1) != Some(&b')') {
                return Err(Error::new(at, "expected a back-reference like (1)"));
            }
            if back == 0 {
                return Err(Error::new(at, "back-reference 0, expected 1 or more"));
            }
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
            let what = "unknown token @, expected a number, (k), n or one of + - * / Q ~";
            return Err(Error::byte(at, what, byte));
        }
    })
}

/// Reads a relation.
pub(super) fn relation(text: &[u8]) -> Result<Parsed, Error> {
    let mut parsed = Parsed::default();
    let mut text = Text { bytes: text, at: 0 };
    // A leftover is told by its place, right behind the first operand.
    let (mut operands, mut first_left) = (0, 0);
    while let Some(byte) = text.peek() {
        let at = text.at;
        let op = token(&mut text, byte)?;
        if operands < op.takes() {
            let what = match (op.takes(), operands) {
                (1, _) => "@ expects one operand, found 0",
                (_, 0) => "@ expects two operands, found 0",
                _ => "@ expects two operands, found 1",
            };
            return Err(Error::byte(at, what, byte));
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
        parsed.parts.push(Part { op, end: text.at as u32 });
    }
    let what = match operands {
        1 => return Ok(parsed),
        0 => return Err(Error::new(0, "empty relation, expected an operand")),
        2 => "@ operand left over, expected an operator",
        _ => "@ operands left over, expected an operator",
    };
    text.at = first_left;
    text.peek();
    Err(Error::number(text.at, what, operands as i64 - 1))
}

/// Reads an initial term, which ends at a space or a comma.
fn value(text: &mut Text<'_>) -> Result<u64, Error> {
    text.peek();
    let at = text.at;
    match number(text) {
        Some(value) if text.ends() || text.bytes[text.at] == b',' => Ok(value.to_bits()),
        _ => Err(Error::new(at, "expected a number")),
    }
}

/// Reads initial terms that stand one after the other with commas between, as bits.
pub(super) fn list(text: &[u8]) -> Result<Vec<u64>, Error> {
    let mut text = Text { bytes: text, at: 0 };
    let mut values = Vec::new();
    while let Some(byte) = text.peek() {
        // Only a term is followed by a comma: elsewhere it is no number.
        text.at += usize::from(byte == b',' && !values.is_empty());
        values.push(value(&mut text)?);
    }
    Ok(values)
}

/// The lines behind the relation, from `at` on: initial terms in any order, then
/// the number of the last term.
pub(super) fn terms(text: &[u8], at: usize) -> Result<(Vec<u64>, u64), Error> {
    let mut given: Vec<(u64, u64)> = Vec::new();
    let mut text = Text { bytes: text, at };
    let last = loop {
        if text.peek().is_none() {
            let what = "missing last line, expected the number of the last term";
            return Err(Error::new(text.at, what));
        }
        let at = text.at;
        let number = text.integer().ok().and_then(|number| u64::try_from(number).ok());
        let Some(number) = number else {
            let line = text.bytes[at..].split(|byte| *byte == b'\n').next().unwrap_or_default();
            return Err(Error::new(
                at,
                match line.contains(&b':') {
                    true => "expected an initial term as INDEX:VALUE",
                    false => "expected the number of the last term",
                },
            ));
        };
        match text.peek() {
            None => break number,
            Some(b':') => {
                text.at += 1;
                given.push((number, value(&mut text)?));
            }
            Some(_) => return Err(Error::new(text.at, "text after the number of the last term")),
        }
    };
    // Each to its place, unless one is there already or the place is beyond.
    let count = given.len();
    let home = |(index, _): (u64, u64)| (index < count as u64).then_some(index as usize);
    for i in 0..count {
        while let Some(place) = home(given[i])
            && home(given[place]) != Some(place)
        {
            given.swap(i, place);
        }
    }
    let wrong = (0..count).find(|i| home(given[*i]) != Some(*i));
    match wrong.map(|i| (i, home(given[i]))) {
        None => Ok((given.into_iter().map(|(_, value)| value).collect(), last)),
        Some((_, Some(index))) => Err(Error::number(text.at, "initial term @ is given twice", index as i64)),
        Some((index, None)) => Err(Error::number(text.at, MISSING, index as i64)),
    }
}

/// A term that a relation needs is not there.
pub(super) const MISSING: &str = "missing initial term @, which the relation refers to";
