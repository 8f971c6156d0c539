//! Fusing checks with accesses: an instruction that accesses the cell before anything has
//! changed is the check.
//!
//! The code of a check of its own is left out then, and the instruction becomes the deopt
//! point. A look at the operations that follow, as far as the first that changes something;
//! constant time.

use super::super::Cells;
use super::super::ir::{Access, LoopFlags, Op};

/// Whether code for `ops` is bound to access `[cell]`, and has changed nothing until then.
pub(in crate::front::bf) fn accesses_first(wanted: i32, ops: &[Op], cells: Cells) -> bool {
    let entered_by = |cell: i32, entered: bool| cell == wanted && !entered;
    for op in ops {
        return match *op {
            Op::Nop | Op::Check { predicated: false, .. } => continue,
            Op::Add { cell, value, .. } => cell == wanted && cells.signed(value as u32) != 0,
            Op::Set { cell, .. } | Op::Output { cell, .. } | Op::Input { cell, .. } => cell == wanted,
            // The other operand of a product is the counter of its loop, which has tested it.
            Op::MulAdd { cell, source, .. }
            | Op::Copy { cell, source, .. }
            | Op::Product { cell, left: source, .. } => cell == wanted || source == wanted,
            Op::Open { flags, cell, .. } => entered_by(cell, flags.contains(LoopFlags::ENTERED)),
            Op::Scan { entered, cell, .. } => entered_by(cell, entered),
            Op::Close { flags, cell, .. } => {
                cell == wanted && flags.contains(LoopFlags::BALANCED) && !flags.contains(LoopFlags::ONCE)
            }
            Op::Check { .. } | Op::OutputByte { .. } | Op::Exit { .. } | Op::Move { .. } => false,
        };
    }
    false
}

/// The check of `[wanted]`, if it is among those that `ops` begin with and needs no
/// compare: where it would deoptimise to, and its pointer.
pub(in crate::front::bf) fn leading_check(wanted: i32, ops: &[Op]) -> Option<(u32, i32)> {
    for op in ops {
        match *op {
            Op::Nop => {}
            Op::Check { access: Access::MayFault, predicated: false, cell, pointer, position }
                if cell == wanted =>
            {
                return Some((position, pointer));
            }
            Op::Check { .. } => {}
            _ => return None,
        }
    }
    None
}

/// Checks that the next accesses to their cells are to be.
#[derive(Clone, Copy, Debug)]
pub(in crate::front::bf) struct Pending {
    /// Where the baseline code would be, and its data pointer.
    position: u32,
    pointer: i32,
    low: Option<i32>,
    high: Option<i32>,
}

/// Adds the check of `[cell]` to those that are pending, if it can wait with them: a region
/// has at most two.
pub(in crate::front::bf) fn defer(
    pending: &mut Option<Pending>,
    cell: i32,
    position: u32,
    pointer: i32,
) -> bool {
    let pending = pending.get_or_insert(Pending { position, pointer, low: None, high: None });
    let room = if pending.low.is_none() { &mut pending.low } else { &mut pending.high };
    let is_possible = pending.position == position && pending.pointer == pointer && room.is_none();
    if is_possible {
        *room = Some(cell);
    }
    is_possible
}

/// The deopt point that the access to `[cell]`, which comes next, must be: its position
/// and its pointer. Checks of other cells stay pending.
pub(in crate::front::bf) fn due(pending: &mut Option<Pending>, accessed: i32) -> Option<(u32, i32)> {
    let Pending { position, pointer, low, high } = pending.take()?;
    let is_other = |cell: &i32| *cell != accessed;
    let (low, high) = (low.filter(is_other), high.filter(is_other));
    if low.is_some() || high.is_some() {
        *pending = Some(Pending { position, pointer, low, high });
    }
    Some((position, pointer))
}
