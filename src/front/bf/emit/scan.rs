//! Scans: `while [cell] != 0 { pointer += stride }`.
//!
//! Some cells are tested before the data pointer moves, each with a jump that is not taken
//! before the end: such a jump costs less than one that is. Most scans are over by then. A
//! stride that divides a vector goes on in [`vector_scan`](crate::front::bf::vector_scan).
//! A program of very many scans has plain loops for the others, which take less memory.
//! Constant time and code for each scan.

use super::{Emitter, Outline, Point};
use crate::front::bf::ir::{Access, Op};
use crate::front::bf::local::Cache;
use crate::front::bug;
use barejit_asm::*;

/// Cells that are tested before the pointer moves.
const STEPS: i32 = 4;

/// Scans that are more than a plain loop, at most: of more, most do not run often.
pub(super) const SCANS: usize = 1 << 16;

impl Emitter<'_, '_> {
    pub(super) fn scan(&mut self, op: &Op) {
        let Op::Scan { cell, stride, position, .. } = *op else { bug!("not a scan") };
        let (end, _) = self.pass_over(op, None);
        let bytes = self.out.bytes(stride);
        self.scans += 1;
        let is_plain = self.scans > SCANS;
        let has_vectors = self.options.avx2 && !is_plain;
        let scanner = if has_vectors { self.scanners.find(self.out.a, bytes) } else { None };
        let steps = if is_plain { 1 } else { STEPS };
        if self.options.passes.layout && scanner.is_none() && !is_plain {
            self.out.a.align_code(16);
        }
        let top = self.out.a.here();
        // One deopt point for all steps. None is so long that it could jump over a guard.
        self.deopt_point(Point { access: Access::MayFault, cell, position, pointer: cell });
        for step in 1..steps {
            let from = self.early_exit(step * stride, Cache::EMPTY);
            self.out.cmp_m(cell + step * stride);
            self.out.a.jcc_short(Cond::E, from);
        }
        self.out.move_pointer(steps * stride);
        self.out.cmp_m(cell);
        match scanner {
            Some(scanner) => {
                let from = self.out.a.label();
                self.out.a.jcc(Cond::Ne, from);
                self.outlines.push(Outline::Scan { from, back: end, scanner, cell, position });
            }
            None => {
                self.out.a.jcc(Cond::Ne, top);
            }
        }
        self.cache = Cache::EMPTY;
        if is_plain {
            self.out.bind(end);
        } else {
            self.catch_up(end);
        }
        self.become_constant(cell, 0);
    }

    /// The rest of a scan out of line: the vector routine finds the cell, and an access shows
    /// that it exists.
    pub(super) fn scan_by_vectors(&mut self, [from, back, scanner]: [Label; 3], cell: i32, position: u32) {
        let last = self.out.address(cell);
        let pointer = address(RAX).disp(-self.out.bytes(cell));
        self.out.bind(from);
        self.out.a.lea(RAX, last).call(scanner).lea(RBX, pointer);
        self.deopt_point(Point { access: Access::MayFault, cell, position, pointer: cell });
        self.out.access(cell);
        self.out.a.jmp(back);
    }
}
