//! Common subexpression elimination: an operation with all its operands that occurs
//! again is computed once, kept, and reused.
//!
//! Source: Cocke, 1970. Two subexpressions are common if their operations are the same
//! in the same order; `a b +` and `b a +` count as two.
//!
//! Invariant: the longest repeated subexpression is eliminated first, and at most
//! [`KEPT`] results are kept, for each takes a register. Complexity: a search compares
//! every subexpression with every later place, so relations of more than [`SEARCHED`]
//! operations are left as they are.

use super::ir::{Op, Operation};
use alloc::vec::Vec;

/// Results that are kept, at most.
pub(super) const KEPT: u8 = 3;

/// The longest relation that is searched, in operations.
pub(super) const SEARCHED: usize = 64;

/// Keeps and reuses the results of repeated subexpressions.
pub(super) fn share(operations: &mut Vec<Operation>) {
    for name in 1..=KEPT {
        let Some((end, size)) = longest_repeated(operations) else { return };
        operations[end - 1].keep = Some(name);
        let mut at = end;
        while at + size <= operations.len() {
            if is_same(&operations[at..at + size], &operations[end - size..end]) {
                let end = operations[at + size - 1].end;
                let reuse = Operation { op: Op::Reuse { name }, end, keep: None };
                operations.splice(at..at + size, [reuse]);
            }
            at += 1;
        }
    }
}

/// The longest subexpression that occurs again: the end of its first occurrence, and its
/// size.
fn longest_repeated(operations: &[Operation]) -> Option<(usize, usize)> {
    if operations.len() > SEARCHED {
        return None;
    }
    let (mut end, mut size) = (0, 1);
    for at in 1..operations.len() {
        let (before, behind) = operations.split_at(at);
        let Some(start) = operand_start(before) else { continue };
        let expression = &before[start..];
        if expression.len() > size && behind.windows(expression.len()).any(|again| is_same(again, expression))
        {
            (end, size) = (at, expression.len());
        }
    }
    (size > 1).then_some((end, size))
}

/// The index where the operation at the end begins with all its operands, if that is
/// within [`SEARCHED`] operations.
pub(super) fn operand_start(operations: &[Operation]) -> Option<usize> {
    let far = operations.len().saturating_sub(SEARCHED);
    let mut missing = 1;
    let from = operations[far..].iter().rposition(|operation| {
        missing = missing + operation.op.operands() - 1;
        missing == 0
    });
    Some(far + from?)
}

fn is_same(one: &[Operation], other: &[Operation]) -> bool {
    one.iter().zip(other).all(|(one, other)| one.op.is(other.op))
}
