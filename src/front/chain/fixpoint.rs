//! Abstract interpretation of the loop: the abstract value of every term.
//!
//! Source: Cousot and Cousot, 1977. The search starts with the start, joins in the
//! value behind one more round until nothing changes, and widens from round 4 on.
//!
//! Invariant: the result contains the start and every term that the loop computes from
//! it. Complexity: known bits only get lost and widening at least doubles an end, so
//! there are fewer than 256 rounds, each linear in the length of the chain.

use super::abstract_value::AbstractValue;
use super::ir::Operation;
use super::transfer::transfer_all;
use crate::front::bug;

/// Rounds before widening: the ranges of short cycles stay exact.
const EXACT: u32 = 4;

/// More rounds than a search can take: 64 bits get lost one by one, and each end doubles 64
/// times.
const MOST: u32 = 256;

/// The abstract value of `start` and all terms after it.
pub(super) fn fixpoint(operations: &[Operation], start: i64) -> AbstractValue {
    let mut terms = AbstractValue::constant(start);
    for round in 0..MOST {
        let next = transfer_all(operations, terms).join(terms);
        if next == terms {
            return terms;
        }
        terms = if round < EXACT { next } else { next.widened() };
    }
    bug!("the abstract value of the terms has no fixpoint")
}
