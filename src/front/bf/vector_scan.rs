//! Scanning for a zero cell with AVX2, 64 bytes at a time, as memchr(3) does.
//!
//! One routine per direction and stride, shared by all scans. A vector load of cells that
//! were just written one by one waits for the stores, so a scan tests some cells one by one
//! before it comes here. A stride that does not divide a vector has no routine. The size of a
//! routine does not depend on the program.
//!
//! Invariant: a routine reads only blocks that hold a cell of the tape; blocks and pages
//! are aligned, so such a read does not fault.

use super::stubs::TAPE_START;
use super::{Cells, Options};
use barejit_asm::*;

/// Bytes of a block: two vectors.
const BLOCK: i32 = 64;

/// The routines that a program calls.
///
/// A routine takes the address of a cell on the tape in RAX and gives, in RAX, the
/// first cell from there on, in its direction and stride, that is zero or not on the
/// tape. Destroys RCX, RDX, RSI, RDI and vectors.
#[derive(Debug, Default)]
pub(super) struct Scanners {
    /// By the stride's logarithm and direction.
    routines: [[Option<Label>; 2]; 6],
}

impl Scanners {
    /// The routine for a stride of so many bytes, if there can be one.
    pub(super) fn find(&mut self, a: &mut Asm<'_>, stride: i32) -> Option<Label> {
        let size = stride.unsigned_abs();
        let routines = self.routines.get_mut(size.trailing_zeros() as usize)?;
        let routine = &mut routines[(stride > 0) as usize];
        size.is_power_of_two().then(|| *routine.get_or_insert_with(|| a.label()))
    }

    /// Emits the routines that are called.
    pub(super) fn emit(&self, a: &mut Asm<'_>, options: &Options) {
        for (shift, [left, right]) in self.routines.iter().enumerate() {
            for (entry, is_right) in [(left, false), (right, true)] {
                if let Some(entry) = *entry {
                    a.bind(entry);
                    emit(a, 1 << shift, is_right, options);
                }
            }
        }
    }
}

fn emit(a: &mut Asm<'_>, stride: i32, right: bool, options: &Options) {
    let (next, found, out) = (a.label(), a.label(), a.label());
    // rsi = a bit for each cell of the stride in a block; rdi = those from the first on.
    a.mov_rr(ECX, EAX).mov_ri(RSI, pattern(stride));
    if stride > 1 {
        a.and_ri(ECX, stride - 1).shl_rcl(RSI).mov_rr(ECX, EAX);
    }
    a.mov_rr(RDI, RSI);
    if right {
        a.shr_rcl(RDI).shl_rcl(RDI);
    } else {
        a.not_r(ECX).shl_rcl(RDI).shr_rcl(RDI);
    }
    a.and_ri(RAX, -BLOCK).vpxor_yyy(YMM0, YMM0, YMM0);
    compare(a, options.cells);
    gather(a);
    a.and_rr(RCX, RDI).jcc_short(Cond::Ne, found);
    // rdx = the tape's first byte, or the one behind it; rsp is 8 off the frame.
    a.mov_rm(RDX, qword(RSP).disp(8 + TAPE_START));
    if right {
        let bytes = options.tape_bytes();
        a.mov_ri(RCX, bytes).add_rr(RDX, RCX);
    }
    a.align_code(16).bind(next);
    a.add_ri(RAX, if right { BLOCK } else { -BLOCK });
    a.cmp_rr(RAX, RDX).jcc_short(if right { Cond::Ae } else { Cond::B }, out);
    compare(a, options.cells);
    // Both vectors have their cells in the same places.
    a.vpor_yyy(YMM3, YMM1, YMM2).vpmovmskb(ECX, YMM3).test_rr(ECX, ESI).jcc_short(Cond::E, next);
    gather(a);
    a.and_rr(RCX, RSI).jmp_short(found);
    // Beyond the tape the result is the first cell of the stride.
    a.bind(out).mov_rr(RCX, RSI).bind(found);
    if right {
        a.bsf_rr(RCX, RCX);
    } else {
        a.bsr_rr(RCX, RCX);
    }
    a.add_rr(RAX, RCX).vzeroupper().ret();
}

/// A bit for each byte of a block where a cell of the stride begins, if one does at 0.
const fn pattern(stride: i32) -> i64 {
    let (mut pattern, mut byte) = (0, 0);
    while byte < BLOCK {
        pattern |= 1 << byte;
        byte += stride;
    }
    pattern
}

/// Compares the cells of the block at RAX with zero, into YMM1 and YMM2.
fn compare(a: &mut Asm<'_>, cells: Cells) {
    for (result, at) in [(YMM1, 0), (YMM2, BLOCK / 2)] {
        let vector = ymmword(RAX).disp(at);
        match cells {
            Cells::Eight => a.vpcmpeqb_yym(result, YMM0, vector),
            Cells::Sixteen => a.vpcmpeqw_yym(result, YMM0, vector),
            Cells::ThirtyTwo => a.vpcmpeqd_yym(result, YMM0, vector),
        };
    }
}

/// Gathers the result of [`compare`] in RCX, one bit a byte.
fn gather(a: &mut Asm<'_>) {
    a.vpmovmskb(ECX, YMM1).vpmovmskb(EDX, YMM2).shl_ri(RDX, BLOCK as u8 / 2).or_rr(RCX, RDX);
}
