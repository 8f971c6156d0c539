//! The intermediate representation of a chain: a list of operations on one value, the
//! term x.
//!
//! ```text
//! affine factor=3 addend=-5      x ← x·3 − 5 modulo 2⁶⁴
//! bits and=0xff xor=0x1          x ← (x & 0xff) ^ 1
//! sar count=3                    x ← x >> 3, keeping the sign
//! quotient divisor=10            x ← x / 10, rounded towards zero
//! remainder divisor=10           x ← x % 10, with the sign of x
//! constant value=7               x ← 7
//! ```
//!
//! Two families are closed under composition: `affine` holds every sum, product and
//! left shift, and `bits` holds every operation on single bits. The passes own the
//! rules; this file owns the operations, their text and their meaning.

use core::fmt;

/// One operation on the term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    /// `x·factor + addend` modulo 2⁶⁴.
    Affine { factor: i64, addend: i64 },
    /// `(x & and) ^ xor`.
    Bits { and: i64, xor: i64 },
    /// Right shift by 1 to 63 that keeps the sign.
    Sar { count: u32 },
    /// Quotient by 2 to 2⁶³, rounded towards zero.
    Quotient { divisor: u64 },
    /// Remainder by 2 to 2⁶³, with the sign of the dividend.
    Remainder { divisor: u64 },
    /// A constant, whatever x was.
    Constant { value: i64 },
}

impl Op {
    /// The operation that leaves every term as it is.
    pub(super) const IDENTITY: Self = Self::Affine { factor: 1, addend: 0 };

    /// The operation that negates every term.
    pub(super) const NEGATION: Self = Self::Affine { factor: -1, addend: 0 };

    /// The result for `x`. This is the meaning that every pass and the generated code
    /// preserve.
    pub(super) fn apply(self, x: i64) -> i64 {
        match self {
            Self::Affine { factor, addend } => x.wrapping_mul(factor).wrapping_add(addend),
            Self::Bits { and, xor } => x & and ^ xor,
            Self::Sar { count } => x >> count,
            Self::Quotient { divisor } => with_sign_of(x, x.unsigned_abs() / divisor),
            Self::Remainder { divisor } => with_sign_of(x, x.unsigned_abs() % divisor),
            Self::Constant { value } => value,
        }
    }

    /// Whether the emitter multiplies by a reciprocal for this operation.
    pub(super) fn needs_reciprocal(self) -> bool {
        match self {
            Self::Quotient { divisor } | Self::Remainder { divisor } => !divisor.is_power_of_two(),
            _ => false,
        }
    }
}

/// `magnitude` with the sign of `x`.
fn with_sign_of(x: i64, magnitude: u64) -> i64 {
    if x < 0 { (magnitude as i64).wrapping_neg() } else { magnitude as i64 }
}

impl fmt::Display for Op {
    /// Neutral fields are left out: a factor of 1, an addend of 0, a mask of all bits, a flip
    /// of none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::IDENTITY => f.write_str("affine factor=1"),
            Self::Affine { factor: 1, addend } => write!(f, "affine addend={addend}"),
            Self::Affine { factor, addend: 0 } => write!(f, "affine factor={factor}"),
            Self::Affine { factor, addend } => write!(f, "affine factor={factor} addend={addend}"),
            Self::Bits { and: -1, xor } => write!(f, "bits xor={:#x}", xor as u64),
            Self::Bits { and, xor: 0 } => write!(f, "bits and={:#x}", and as u64),
            Self::Bits { and, xor } => write!(f, "bits and={:#x} xor={:#x}", and as u64, xor as u64),
            Self::Sar { count } => write!(f, "sar count={}", u64::from(count)),
            Self::Quotient { divisor } => write!(f, "quotient divisor={divisor}"),
            Self::Remainder { divisor } => write!(f, "remainder divisor={divisor}"),
            Self::Constant { value } => write!(f, "constant value={value}"),
        }
    }
}

/// An operation and the source text it came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) op: Op,
    /// Where its text ends, in bytes: the mark of its code.
    pub(super) end: u32,
    /// Where the text ends of a first operation that [loop rotation](super::rotate)
    /// combined into this one: a second mark.
    pub(super) rotated: Option<u32>,
}
