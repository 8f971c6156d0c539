//! The code of bounds checks, and the code out of line that they jump to. Constant time and
//! code for each check.

use super::super::abi::{DEOPT, POINTER};
use super::super::cells::CellEmitter;
use super::super::ir::Access;
use super::super::stubs::TAPE_START;
use barejit_asm::*;

/// Code behind the program that a check jumps to.
#[derive(Clone, Copy, Debug)]
pub(in crate::front::bf) enum Outlined {
    /// The access would be beyond the guard: leave with status DEOPT.
    Leave { from: Label, point: u32, pointer: i32, position: u32 },
    /// The cell of a predicated check is left of the tape.
    Predicate { from: Label, back: Label, cell: i32, counter: i32, position: u32 },
}

/// The access to a cell that may be out of bounds, and the state of the baseline code there.
#[derive(Clone, Copy, Debug)]
pub(in crate::front::bf) struct Point {
    pub(in crate::front::bf) access: Access,
    pub(in crate::front::bf) cell: i32,
    pub(in crate::front::bf) position: u32,
    pub(in crate::front::bf) pointer: i32,
}

/// Makes the next instruction a deopt point for its access to `[cell]`, behind an explicit
/// check if it needs one. `tape` is the size of the tape in bytes.
pub(in crate::front::bf) fn deopt_point(
    out: &mut CellEmitter<'_, '_>,
    tape: i64,
    Point { access, cell, position, pointer }: Point,
) -> Option<Outlined> {
    let point = out.deopt_point(cell, position, pointer);
    if access != Access::Explicit {
        return None;
    }
    let from = out.a.label();
    let cell = out.address(cell);
    out.a.lea(RAX, cell).sub_rm(RAX, qword(RSP).disp(TAPE_START));
    out.a.mov_ri(RCX, tape).cmp_rr(RAX, RCX).jcc(Cond::Ae, from);
    Some(Outlined::Leave { from, point, pointer, position })
}

/// The compare of a predicated check with the left end of the tape. The code behind the
/// program comes back to the label that is returned, which the caller binds behind what is
/// predicated.
pub(in crate::front::bf) fn predicated_check(
    out: &mut CellEmitter<'_, '_>,
    cell: i32,
    counter: i32,
    position: u32,
) -> (Label, Outlined) {
    let (from, back) = (out.a.label(), out.a.label());
    let address = out.address(cell);
    out.a.lea(RAX, address).cmp_rm(RAX, qword(RSP).disp(TAPE_START)).jcc(Cond::B, from);
    (back, Outlined::Predicate { from, back, cell, counter, position })
}

impl Outlined {
    /// Where the check comes from in the source.
    pub(in crate::front::bf) fn position(&self) -> u32 {
        match *self {
            Self::Leave { position, .. } | Self::Predicate { position, .. } => position,
        }
    }

    /// Emits the code; `leave` is where code goes that returns with the status in RAX.
    pub(in crate::front::bf) fn emit(self, out: &mut CellEmitter<'_, '_>, leave: Label) {
        match self {
            Self::Leave { from, point, pointer, .. } => {
                out.bind(from);
                let pointer = out.address(pointer);
                out.a.mov_rm(RCX, qword(RSP)).lea(RAX, pointer).mov_mr(qword(RCX).disp(POINTER), RAX);
                out.a.mov_r64_imm64(RAX, (point as i64) << 8 | DEOPT as i64).jmp(leave);
            }
            Self::Predicate { from, back, cell, counter, position } => {
                out.bind(from);
                out.cmp_m(counter);
                out.a.jcc(Cond::E, back);
                // The cell is left of the tape, so this access faults.
                out.deopt_point(cell, position, counter);
                out.access(cell);
                out.a.jmp(back);
            }
        }
    }
}
