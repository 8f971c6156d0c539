//! Register promotion of back-references: the window of terms that stay in registers.
//!
//! ```text
//! window of 3, unrolled 3 times            xmm0      xmm1      xmm2
//!   copy 0 reads u(n−1) u(n−2) u(n−3)      u(n−3)    u(n−2)    u(n−1)
//!   copy 1                                 u(n)      u(n−2)    u(n−1)
//!   copy 2                                 u(n)      u(n+1)    u(n−1)
//! ```
//!
//! The loop is unrolled once for each term of the window, so each copy knows the register
//! of every term (modulo variable expansion; Lam, 1988). Terms beyond the window are read
//! from memory.
//!
//! Invariant: the window is at most [`WINDOW`] terms, and all copies together have at
//! most [`UNROLLED`] operations unless one copy alone has more. Linear time.

use super::ir::{Op, Operation};
use crate::front::series::Layout;
use alloc::vec::Vec;
use barejit_asm::Xmm;
use core::fmt;

/// The largest window, in terms.
pub(super) const WINDOW: usize = 8;

/// The most operations of all copies of the loop body together.
const UNROLLED: usize = 512;

/// The register of the index of the term, as an f64.
pub(super) const INDEX: Xmm = Xmm::new(15);

/// The optimised relation and where its terms are.
pub(super) struct Plan {
    pub(super) operations: Vec<Operation>,
    /// The terms of the window.
    pub(super) window: usize,
    /// Whether the index is used.
    pub(super) indexed: bool,
    pub(super) layout: Layout,
}

impl Plan {
    /// The plan for `operations`.
    pub(super) fn new(operations: Vec<Operation>) -> Self {
        let longest = (UNROLLED / operations.len().max(1)).clamp(1, WINDOW);
        let (mut window, mut history, mut indexed) = (0, 0, false);
        // The operands on the stack, and the most at once.
        let (mut operands, mut depth) = (0, 0);
        for operation in &operations {
            operands = operands + 1 - operation.op.operands();
            depth = depth.max(operands);
            match operation.op {
                Op::Term { back } => {
                    history = history.max(back);
                    window = if back <= longest { window.max(back) } else { window };
                }
                Op::Index => indexed = true,
                _ => {}
            }
        }
        Self { operations, window, indexed, layout: Layout::new(history, depth) }
    }

    /// The register that holds the term `back` before the one of this copy.
    pub(super) fn slot(&self, copy: usize, back: usize) -> Xmm {
        Xmm::new(copy.checked_sub(back).unwrap_or(copy + self.window - back) as u8)
    }

    /// The copies of the loop body.
    pub(super) fn copies(&self) -> usize {
        self.window.max(1)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (registers, memory) = (self.window, self.layout.history - self.window);
        writeln!(f, "window registers={registers} memory={memory} copies={}", self.copies())
    }
}
