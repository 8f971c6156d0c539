//! Looking for a zero cell 32 bytes at a time.
//!
//! One routine per direction and stride, shared by all scans. Reading 32 bytes
//! that were just written one by one is slow, so scans come here only after some
//! steps of their own. Strides that do not divide 32 bytes have no routine.

use super::abi::TAPE;
use super::{Cells, Options};
use crate::asm::*;

/// A routine: takes the address of a cell in RAX and gives, in RAX, the first
/// cell from there on, in its direction and stride, that is zero or not on the
/// tape. Destroys RCX, RDX, RSI, RDI and vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner {
    /// In bytes.
    stride: i32,
    pub(super) entry: Label,
}

/// The routines that a program needs.
#[derive(Debug, Default)]
pub(super) struct Scanners {
    known: [Option<Scanner>; 12],
}

impl Scanners {
    /// The routine for a stride of so many bytes, if there can be one.
    pub(super) fn find(&mut self, a: &mut Asm<'_>, stride: i32) -> Option<Label> {
        if !matches!(stride.unsigned_abs(), 1 | 2 | 4 | 8 | 16 | 32) {
            return None;
        }
        let place = stride.unsigned_abs().trailing_zeros() as usize * 2 + (stride < 0) as usize;
        let scanner = self.known.get_mut(place)?;
        Some(scanner.get_or_insert_with(|| Scanner { stride, entry: a.label() }).entry)
    }

    /// Emits the routines that were asked for.
    pub(super) fn emit(&self, a: &mut Asm<'_>, options: &Options) {
        for scanner in self.known.iter().flatten() {
            emit(a, scanner, options);
        }
    }
}

fn emit(a: &mut Asm<'_>, scanner: &Scanner, options: &Options) {
    let period = scanner.stride.unsigned_abs();
    let right = scanner.stride > 0;
    // One bit for each cell of the stride in 32 bytes.
    let mut pattern = 0u32;
    let mut bit = 0;
    while bit < 32 {
        pattern |= 1 << bit;
        bit += period;
    }
    let (next, found, out) = (a.label(), a.label(), a.label());
    a.bind(scanner.entry);
    // rdx = the tape's first byte, or the one behind it; rsp is 8 off the frame.
    a.mov_rm(RDX, qword(RSP).disp(8)).mov_rm(RDX, qword(RDX).disp(TAPE));
    if right {
        let bytes = (options.tape << options.cells as u32) as i64;
        a.mov_ri(RCX, bytes).add_rr(RDX, RCX);
    }
    // esi = the cells of the stride in every block; edi = those from here on.
    a.mov_rr(ECX, EAX).and_ri(ECX, period as i32 - 1).mov_ri(ESI, pattern as i64).shl_rcl(ESI);
    a.mov_rr(ECX, EAX).mov_ri(EDI, 0xFFFF_FFFF);
    if right {
        a.shl_rcl(EDI);
    } else {
        a.not_r(ECX).shr_rcl(EDI);
    }
    a.and_rr(EDI, ESI).and_ri(RAX, -32).vpxor_yyy(YMM0, YMM0, YMM0);
    a.align_code(16).bind(next);
    a.cmp_rr(RAX, RDX).jcc_short(if right { Cond::Ae } else { Cond::B }, out);
    let block = ymmword(RAX);
    match options.cells {
        Cells::Eight => a.vpcmpeqb_yym(YMM1, YMM0, block),
        Cells::Sixteen => a.vpcmpeqw_yym(YMM1, YMM0, block),
        Cells::ThirtyTwo => a.vpcmpeqd_yym(YMM1, YMM0, block),
    };
    a.vpmovmskb(ECX, YMM1).and_rr(ECX, EDI).jcc_short(Cond::Ne, found);
    a.mov_rr(EDI, ESI).add_ri(RAX, if right { 32 } else { -32 }).jmp(next);
    // Beyond the tape every cell of the stride is as good as any: the first.
    a.bind(out).mov_rr(ECX, ESI).bind(found);
    if right {
        a.bsf_rr(ECX, ECX);
    } else {
        a.bsr_rr(ECX, ECX);
    }
    a.add_rr(RAX, RCX).vzeroupper().ret();
}
