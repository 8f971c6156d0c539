//! How fast an emitter is that a compiler's loop drives: each operation is one of
//! sixteen, picked at random, with registers picked at random, next to dynasm-rs. All
//! must make the same bytes, each into buffers that grow from nothing.

use barejit_asm::{Alu, Asm, Gpr64, Growing, Scale, Shift, address};
use dynasmrt::{DynasmApi, VecAssembler, dynasm, x64::X64Relocation};

/// Operations in a shot.
pub const OPERATIONS: usize = 4096;

/// An operation of sixteen and two registers that may be index and base.
#[derive(Clone, Copy)]
pub struct Operation {
    code: u8,
    dst: Gpr64,
    src: Gpr64,
}

/// The operations, the same in every run.
pub fn operations() -> Vec<Operation> {
    // SplitMix64 (Steele, Lea, Flood, 2014).
    let mut state = 2026_u64;
    let mut below = |bound: u64| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound) as u8
    };
    // RSP is no index.
    let registers = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map(Gpr64::new);
    (0..OPERATIONS)
        .map(|_| Operation {
            code: below(16),
            dst: registers[usize::from(below(15))],
            src: registers[usize::from(below(15))],
        })
        .collect()
}

const ALU: [Alu; 8] = [Alu::Add, Alu::Or, Alu::Adc, Alu::Sbb, Alu::And, Alu::Sub, Alu::Xor, Alu::Cmp];

#[inline(always)]
fn put(a: &mut Asm<'_>, Operation { code, dst, src }: Operation) {
    match code {
        0..8 => a.alu_rr(ALU[usize::from(code)], dst, src),
        8 => a.mov_rr(dst, src),
        9 => a.test_rr(dst, src),
        10 => a.imul_rr(dst, src),
        11 => a.shift_rcl(Shift::Shl, dst),
        12 => a.shift_rcl(Shift::Shr, dst),
        13 => a.neg_r(dst),
        14 => a.not_r(dst),
        _ => a.lea(dst, address(src).index(dst, Scale::X4).disp(0x1234)),
    };
}

/// Emits all by barejit's growing assembler.
pub fn barejit(operations: &[Operation]) -> Vec<u8> {
    let mut g = Growing::new();
    for chunk in operations.chunks(64) {
        let mut a = g.asm();
        for operation in chunk {
            put(&mut a, *operation);
        }
    }
    g.finish().expect("assembles").bytes().to_vec()
}

/// Emits all by dynasm-rs.
pub fn dynasm(operations: &[Operation]) -> Vec<u8> {
    let mut ops: VecAssembler<X64Relocation> = VecAssembler::new(0);
    for Operation { code, dst, src } in operations {
        let (d, s) = (dst.number(), src.number());
        match code {
            0 => dynasm!(ops ; .arch x64 ; add Rq(d), Rq(s)),
            1 => dynasm!(ops ; .arch x64 ; or Rq(d), Rq(s)),
            2 => dynasm!(ops ; .arch x64 ; adc Rq(d), Rq(s)),
            3 => dynasm!(ops ; .arch x64 ; sbb Rq(d), Rq(s)),
            4 => dynasm!(ops ; .arch x64 ; and Rq(d), Rq(s)),
            5 => dynasm!(ops ; .arch x64 ; sub Rq(d), Rq(s)),
            6 => dynasm!(ops ; .arch x64 ; xor Rq(d), Rq(s)),
            7 => dynasm!(ops ; .arch x64 ; cmp Rq(d), Rq(s)),
            8 => dynasm!(ops ; .arch x64 ; mov Rq(d), Rq(s)),
            9 => dynasm!(ops ; .arch x64 ; test Rq(d), Rq(s)),
            10 => dynasm!(ops ; .arch x64 ; imul Rq(d), Rq(s)),
            11 => dynasm!(ops ; .arch x64 ; shl Rq(d), cl),
            12 => dynasm!(ops ; .arch x64 ; shr Rq(d), cl),
            13 => dynasm!(ops ; .arch x64 ; neg Rq(d)),
            14 => dynasm!(ops ; .arch x64 ; not Rq(d)),
            _ => dynasm!(ops ; .arch x64 ; lea Rq(d), [Rq(s) + Rq(d) * 4 + 0x1234]),
        }
    }
    ops.finalize().expect("assembles")
}
