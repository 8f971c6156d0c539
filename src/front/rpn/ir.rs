//! The intermediate representation of a relation in reverse Polish notation: code for a
//! stack machine over f64.
//!
//! ```text
//! const 1.5       push a constant              add sub mul div    pop y, pop x, push x ∘ y
//! term 2          push the term 2 before       sqrt neg           pop x, push the result
//! index           push the index of the term   … keep 1           and name the result 1
//! reuse 1         push the result named 1
//! ```
//!
//! Constants are written in decimal, as the shortest text that reads back the same. The
//! order of operations is the order of the text, for sums of f64 depend on it.
//!
//! Invariant: every operation finds its operands, one value is left in the end, and a
//! `reuse` stands behind its `keep`.

use core::fmt;

/// One operation on the stack of operands.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Op {
    /// Pushes a constant.
    Constant {
        value: f64,
    },
    /// Pushes the term `back` before this one.
    Term {
        back: usize,
    },
    /// Pushes the index of this term.
    Index,
    /// Pushes the result of the operation that keeps it under this name.
    Reuse {
        name: u8,
    },
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
    Negate,
}

impl Op {
    /// The number of operands.
    pub(super) const fn operands(self) -> usize {
        match self {
            Self::Constant { .. } | Self::Term { .. } | Self::Index | Self::Reuse { .. } => 0,
            Self::Sqrt | Self::Negate => 1,
            Self::Add | Self::Sub | Self::Mul | Self::Div => 2,
        }
    }

    /// Whether both are the same operation, bit for bit: 0 and −0 differ.
    pub(super) fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Constant { value: x }, Self::Constant { value: y }) => x.to_bits() == y.to_bits(),
            (x, y) => x == y,
        }
    }
}

/// An operation and the source text it came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) op: Op,
    /// Where its text ends, in bytes: the mark of its code.
    pub(super) end: u32,
    /// The name under which the result is kept for [`Op::Reuse`].
    pub(super) keep: Option<u8>,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.op {
            Op::Constant { value } => write!(f, "const {}", zmij::Buffer::new().format(value)),
            Op::Term { back } => write!(f, "term {back}"),
            Op::Index => f.write_str("index"),
            Op::Reuse { name } => write!(f, "reuse {}", u64::from(name)),
            Op::Add => f.write_str("add"),
            Op::Sub => f.write_str("sub"),
            Op::Mul => f.write_str("mul"),
            Op::Div => f.write_str("div"),
            Op::Sqrt => f.write_str("sqrt"),
            Op::Negate => f.write_str("neg"),
        }?;
        match self.keep {
            Some(name) => write!(f, " keep {}", u64::from(name)),
            None => Ok(()),
        }
    }
}
