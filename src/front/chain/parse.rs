//! The text of a chain: operators, each with one operand.

use crate::front::text::{NotInteger, integer};
use alloc::vec::Vec;
use core::fmt;

/// An operator, as its character.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Operator {
    /// Sum, modulo 2⁶⁴.
    Add = b'+',
    /// Difference, modulo 2⁶⁴.
    Sub = b'-',
    /// Product, modulo 2⁶⁴.
    Mul = b'*',
    /// Quotient, rounded towards zero.
    Div = b'/',
    /// Remainder, with the sign of the dividend.
    Rem = b'%',
    /// Exclusive or.
    Xor = b'^',
    /// Left shift.
    Shl = b'<',
    /// Right shift that keeps the sign.
    Sar = b'>',
    /// Conjunction.
    And = b'&',
    /// Disjunction.
    Or = b'|',
}

impl Operator {
    fn new(byte: u8) -> Option<Self> {
        Some(match byte {
            b'+' => Self::Add,
            b'-' => Self::Sub,
            b'*' => Self::Mul,
            b'/' => Self::Div,
            b'%' => Self::Rem,
            b'^' => Self::Xor,
            b'<' => Self::Shl,
            b'>' => Self::Sar,
            b'&' => Self::And,
            b'|' => Self::Or,
            _ => return None,
        })
    }
}

/// One operator with its operand.
///
/// Invariant: no division by zero, and shift counts are 0 to 63.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The operator.
    pub operator: Operator,
    /// The operand.
    pub operand: i64,
    /// Where the operator stands in the text, in bytes.
    pub at: u32,
}

/// What is wrong with a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A character that is no operator.
    UnknownOperator(u8),
    /// An operator without an operand.
    NoOperand(Operator),
    /// An operand beyond 64 bits.
    TooLarge,
    /// `/` or `%` by zero.
    ZeroDivisor,
    /// A shift by less than 0 or more than 63.
    ShiftCount(i64),
    /// Input without a single line.
    Empty,
    /// The line with start and last term is missing.
    NoSecondLine,
    /// No start value on the second line.
    NoStart,
    /// No number of the last term on the second line.
    NoLast,
    /// A last term before the first.
    NegativeLast,
    /// Text after everything that belongs there.
    Trailing,
    /// Text of 4 GiB, or code of 2 GiB, or more.
    TooLong,
    /// An operator that the article does not have.
    NotDocumented(Operator),
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
        match self.reason {
            Reason::UnknownOperator(byte @ b'!'..=b'~') => {
                write!(f, "unknown operator '{}', expected one of + - * / % ^ < > & |", char::from(byte))
            }
            Reason::UnknownOperator(byte) => {
                write!(f, "unknown operator, byte {byte:#04x}, expected one of + - * / % ^ < > & |")
            }
            Reason::NoOperand(operator) => {
                write!(f, "missing operand after '{}', expected an integer", char::from(operator as u8))
            }
            Reason::TooLarge => f.write_str("integer does not fit 64 bits"),
            Reason::ZeroDivisor => f.write_str("zero divisor"),
            Reason::ShiftCount(count) => write!(f, "shift count {count} is not in 0 to 63"),
            Reason::Empty => f.write_str("no input, expected a line with the relation"),
            Reason::NoSecondLine => f.write_str("missing second line, expected 'START LAST'"),
            Reason::NoStart => f.write_str("missing start value, expected an integer"),
            Reason::NoLast => f.write_str("missing number of the last term, expected an integer"),
            Reason::NegativeLast => f.write_str("number of the last term is negative"),
            Reason::Trailing => f.write_str("text after the number of the last term"),
            Reason::TooLong => f.write_str("relation too long"),
            Reason::NotDocumented(operator) => {
                write!(f, "the article has no operator '{}', only + - * /", char::from(operator as u8))
            }
        }
    }
}

/// A cursor over text.
struct Text<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Text<'_> {
    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// An integer after any spaces; `missing` says what it lacks.
    fn integer(&mut self, missing: Reason) -> Result<i64, Error> {
        self.peek();
        match integer(&self.bytes[self.at..], 64) {
            Ok((value, size)) => {
                self.at += size;
                Ok(value)
            }
            Err(NotInteger::Missing) => Err(Error { at: self.at, reason: missing }),
            Err(NotInteger::TooLarge(_)) => Err(Error { at: self.at, reason: Reason::TooLarge }),
        }
    }
}

/// Reads a relation: no operators at all are the identity.
pub(super) fn relation(text: &[u8]) -> Result<Vec<Step>, Error> {
    if u32::try_from(text.len()).is_err() {
        return Err(Error { at: 0, reason: Reason::TooLong });
    }
    let mut text = Text { bytes: text, at: 0 };
    let mut steps = Vec::new();
    while let Some(byte) = text.peek() {
        let at = text.at;
        let operator = Operator::new(byte).ok_or(Error { at, reason: Reason::UnknownOperator(byte) })?;
        text.at += 1;
        let operand = text.integer(Reason::NoOperand(operator))?;
        let refused = match operator {
            Operator::Div | Operator::Rem if operand == 0 => Some(Reason::ZeroDivisor),
            Operator::Shl | Operator::Sar if !(0..64).contains(&operand) => Some(Reason::ShiftCount(operand)),
            _ => None,
        };
        if let Some(reason) = refused {
            return Err(Error { at, reason });
        }
        steps.push(Step { operator, operand, at: at as u32 });
    }
    Ok(steps)
}

/// The original form: a line with the relation, and one with the start value and
/// the number of the last term.
pub(super) fn two_lines(text: &[u8]) -> Result<(Vec<Step>, i64, u64), Error> {
    if text.is_empty() {
        return Err(Error { at: 0, reason: Reason::Empty });
    }
    let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    let steps = relation(&text[..end])?;
    let mut second = Text { bytes: text, at: end };
    if second.peek().is_none() {
        return Err(Error { at: text.len(), reason: Reason::NoSecondLine });
    }
    let start = second.integer(Reason::NoStart)?;
    // `0-5` is no pair of numbers, nor is `05x`.
    if second.bytes.get(second.at).is_some_and(|byte| !byte.is_ascii_whitespace()) {
        return Err(Error { at: second.at, reason: Reason::NoLast });
    }
    let at = {
        second.peek();
        second.at
    };
    let last = second.integer(Reason::NoLast)?;
    let last = u64::try_from(last).map_err(|_| Error { at, reason: Reason::NegativeLast })?;
    match second.peek() {
        None => Ok((steps, start, last)),
        Some(_) => Err(Error { at: second.at, reason: Reason::Trailing }),
    }
}
