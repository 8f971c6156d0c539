//! Bounds checks: where they stand, which are predicated, which an access replaces, and
//! their code.
//!
//! The tape stands between guards, pages that fault when accessed. A *checked region* runs
//! from where the data pointer gets a new meaning, or a loop body begins, to the next
//! change of the pointer or the end of that body. Its outermost cells are checked when it
//! begins, before anything in it is done: the tape has no holes, so all cells between two
//! that exist exist. This is bounds-check hoisting (Gupta, *Optimizing array bound checks
//! using flow analysis*, 1993). If a check fails, the code deoptimises: baseline code takes
//! over at the same command and finds out whether the cell is ever accessed.
//!
//! 1. [`plan`] inserts the checks, and says how each access has to be made.
//! 2. [`guard_of_multiply_adds`] decides what becomes of the checks of a loop that turns
//!    into multiply-adds.
//! 3. [`fuse`] lets the first access of a region be the check, if nothing has changed
//!    before.
//! 4. [`emit`] makes the code of the others, and the code out of line.
//!
//! Invariant: after the checks of a region every access is to a cell that exists, except
//! by operations whose [`Access`] says otherwise; and where a check
//! stands, the program's state is that of the baseline code at the check's position.

pub(super) mod emit;
pub(super) mod fuse;
mod plan;

pub(super) use plan::{first_from, insert, mark_baseline};

use super::ir::{Access, Op};

/// Additions in a loop body beyond which a jump costs less than doing them all.
const PREDICATED: usize = 3;

/// The guard of multiply-adds whose cells have checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Guard {
    /// Every cell is known to exist: none.
    None,
    /// The loop's test stays, as that of an `if`.
    Test,
    /// The check compares with the left end of the tape, which predicts well; only
    /// beyond it the counter is tested.
    Predicated,
}

/// Predication of the checks of a loop over `[counter]` that becomes multiply-adds.
///
/// The loop's test is a jump on data, which predicts badly. Without the test, a cell must
/// not be accessed if the counter is zero and the cell does not exist.
///
/// Checks on the right are hoisted out of balanced loops, so in practice a body has one check
/// at most, on the left. With any other the test stays.
pub(super) fn guard_of_multiply_adds(checks: &[Op], additions: usize, counter: i32) -> Guard {
    let is_right_or_far = |check: &Op| match *check {
        Op::Check { access, cell, .. } => access == Access::Explicit || cell > counter,
        _ => false,
    };
    if checks.len() > 1 || additions > PREDICATED || checks.iter().any(is_right_or_far) {
        Guard::Test
    } else if checks.is_empty() {
        Guard::None
    } else {
        Guard::Predicated
    }
}
