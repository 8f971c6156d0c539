//! Loop rotation: the loop begins after its first operation, which moves behind the
//! last and combines with it.
//!
//! ```text
//! before   { first  middle  last } n times
//! after    first { middle  last·first } n − 1 times, middle  last
//! ```
//!
//! To move an operation over the back edge is retiming (Leiserson, Saxe, *Retiming synchronous
//! circuitry*, 1991). Invariant: rotation happens only if the new body is shorter. Linear time.

use super::combine::append;
use super::ir::Operation;
use alloc::vec::Vec;

/// The body of the rotated loop, if rotation makes it shorter.
pub(super) fn rotate(operations: &[Operation]) -> Option<Vec<Operation>> {
    let (first, rest) = operations.split_first()?;
    let mut body = rest.to_vec();
    append(&mut body, *first);
    (body.len() < operations.len()).then_some(body)
}
