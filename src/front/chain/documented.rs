//! The function of the article, byte for byte.
//!
//! It divides behind `xor rdx, rdx`, which is right for non-negative dividends only. A
//! negative dividend gets a wrong quotient, or one that does not fit a register, for which
//! the processor raises #DE (SDM, IDIV). `cqo` is the right instruction there.

use super::parse::Step;
use crate::front::documented::same_bytes;
use barejit_asm::{Asm, Baked, RAX, RDI, RDX, bake};

/// Whether the article has this operator.
pub(super) const fn knows(operator: u8) -> bool {
    matches!(operator, b'+' | b'-' | b'*' | b'/')
}

/// `fn(x) -> x`, with a mark for each step.
pub(super) fn function(a: &mut Asm<'_>, steps: &[Step]) {
    prologue(a);
    for step in steps {
        a.mark(step.end);
        one(a, step.operator, step.operand);
    }
    epilogue(a);
}

const fn prologue(a: &mut Asm<'_>) {
    a.mov_rr(RAX, RDI);
}

const fn one(a: &mut Asm<'_>, operator: u8, operand: i64) {
    a.mov_r64_imm64(RDI, operand);
    match operator {
        b'+' => a.add_rr(RAX, RDI),
        b'-' => a.sub_rr(RAX, RDI),
        b'*' => a.imul_rr(RAX, RDI),
        _ => a.xor_rr(RDX, RDX).idiv_r(RDI),
    };
}

const fn epilogue(a: &mut Asm<'_>) {
    a.ret();
}

const fn all(a: &mut Asm<'_>) {
    prologue(a);
    one(a, b'+', 2);
    one(a, b'-', 5);
    one(a, b'*', 3);
    one(a, b'/', 7);
    epilogue(a);
}

#[rustfmt::skip]
const DOCUMENTED: [u8; 60] = [
    0x48, 0x89, 0xF8,                                           // mov rax, rdi
    0x48, 0xBF, 2, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x01, 0xF8,       // mov rdi, 2; add rax, rdi
    0x48, 0xBF, 5, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x29, 0xF8,       // mov rdi, 5; sub rax, rdi
    0x48, 0xBF, 3, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x0F, 0xAF, 0xC7, // mov rdi, 3; imul rax, rdi
    0x48, 0xBF, 7, 0, 0, 0, 0, 0, 0, 0,                         // mov rdi, 7
    0x48, 0x31, 0xD2, 0x48, 0xF7, 0xFF,                         // xor rdx, rdx; idiv rdi
    0xC3,                                                       // ret
];

// One wrong byte above, or in the assembler, is a build that fails here.
const _: () = {
    const BAKED: Baked<60, ()> = bake!(all);
    assert!(same_bytes(&BAKED.bytes, &DOCUMENTED), "not the documented bytes");
};
