//! The instructions: one line a form, and that line is all there is of it.
//!
//! A line reads: method, the widths it exists in, operands by kind, what an
//! implicit operand prints as, mnemonic, encoding. From it come the method, its
//! documentation, its text in a listing and, in tests, the generator that holds
//! it against an independent disassembler. Opcodes are in hexadecimal as in SDM
//! vol. 2; a register pair is encoded in the store form (`r/m, r`) where both
//! exist.

use super::encode::{
    Bytes, Fault, Imm, Opcode, fits_i8, fits_i32, modrm, op, op_0f, op_0f3a, op_0f38, plain, raw, signed, vex,
};
use super::operand::*;
use super::{Asm, Cond};
use crate::code::{Base, Operand, Scale};

/// The type of an operand kind. `r` and `m` are as wide as the instruction.
macro_rules! ty {
    (r) => { Gpr<W> };
    (m) => { Mem<W> };
    (r8) => { Gpr8 };
    (r16) => { Gpr16 };
    (r32) => { Gpr32 };
    (r64) => { Gpr64 };
    (m0) => { Mem<0> };
    (m8) => { Mem<8> };
    (m16) => { Mem<16> };
    (m32) => { Mem<32> };
    (m64) => { Mem<64> };
    (m128) => { Mem<128> };
    (m256) => { Mem<256> };
    (x) => { Xmm };
    (y) => { Ymm };
    (cc) => { Cond };
    (disp32) => { i32 };
    (quad) => { i64 };
    ($number:ident) => { $number };
}

/// What an operand of a kind looks like. Immediates `i32` and `i64` are read
/// as signed numbers of the instruction's width.
macro_rules! operand {
    (cc, $arg:ident) => {
        Operand::Cond($arg)
    };
    (i32, $arg:ident) => {
        immediate($arg as i64, W)
    };
    (i64, $arg:ident) => {
        immediate($arg, W)
    };
    (u8, $arg:ident) => {
        Operand::Imm($arg as i64)
    };
    (disp32, $arg:ident) => {
        Operand::Imm($arg as i64)
    };
    (quad, $arg:ident) => {
        Operand::Imm($arg)
    };
    ($kind:ident, $arg:ident) => {
        $arg.operand()
    };
}

macro_rules! four {
    () => {
        four!(Operand::None, Operand::None, Operand::None, Operand::None)
    };
    ($a:expr $(,)?) => {
        four!($a, Operand::None, Operand::None, Operand::None)
    };
    ($a:expr, $b:expr $(,)?) => {
        four!($a, $b, Operand::None, Operand::None)
    };
    ($a:expr, $b:expr, $c:expr $(,)?) => {
        four!($a, $b, $c, Operand::None)
    };
    ($a:expr, $b:expr, $c:expr, $d:expr $(,)?) => {
        [$a, $b, $c, $d]
    };
}

macro_rules! method {
    ([] $name:ident ($($arg:ident: $kind:ident),*) $({$implicit:expr})? $text:literal = $encoding:expr) => {
        #[doc = concat!("`", $text, $(" ", stringify!($kind),)* "`")]
        #[inline]
        pub const fn $name(&mut self, $($arg: ty!($kind)),*) -> &mut Self {
            self.put($encoding, $text, four!($(operand!($kind, $arg),)* $($implicit)?))
        }
    };
    ([$($width:literal)+] $name:ident ($($arg:ident: $kind:ident),*) $({$implicit:expr})? $text:literal = $encoding:expr) => {
        #[doc = concat!("`", $text, $(" ", stringify!($kind),)* "`, in widths of", $(" ", $width,)+ " bits.")]
        #[inline]
        pub const fn $name<const W: u16>(&mut self, $($arg: ty!($kind)),*) -> &mut Self {
            const { assert!(matches!(W, $($width)|+), "the instruction does not exist at this width") }
            self.put($encoding, $text, four!($(operand!($kind, $arg),)* $($implicit)?))
        }
    };
}

/// For the tests: every form at every width, with operands picked at random.
#[cfg(test)]
macro_rules! exercises {
    ([] $name:ident ($($arg:ident: $kind:ident),*)) => {{
        #[allow(dead_code, reason = "only the kinds that are as wide as the instruction read it")]
        const W: u16 = 64;
        &[(stringify!($name), W, |a, _source| { a.$name($(<ty!($kind)>::pick(_source, W)),*); })]
    }};
    ([$($width:literal)+] $name:ident $arguments:tt) => {
        &[$(exercises!(@ $width $name $arguments)),+]
    };
    (@ $width:literal $name:ident ($($arg:ident: $kind:ident),*)) => {{
        const W: u16 = $width;
        (stringify!($name), W, |a, source| { a.$name::<W>($(<ty!($kind)>::pick(source, W)),*); })
    }};
}

macro_rules! instructions {
    ($($name:ident $widths:tt $arguments:tt $({$implicit:expr})? $text:literal = $encoding:expr;)*) => {
        impl Asm<'_> {
            $(method! { $widths $name $arguments $({$implicit})? $text = $encoding })*
        }

        /// Name, width and an emitter for every form.
        #[cfg(test)]
        pub(super) const FORMS: &[&[super::tests::Form]] = {
            use super::tests::Pick;
            &[$(exercises!($widths $name $arguments)),*]
        };
    };
}

instructions! {
    // Data movement. 88 /r and 8A /r; B0+r ib, B8+r id, C6 /0 ib, C7 /0 id; 89 /r for register to register.
    mov_rr [8 16 32 64] (dst: r, src: r) "mov" = mr(op(0x88).sized(W), src.field(), dst.rm());
    mov_rm [8 16 32 64] (dst: r, src: m) "mov" = mr(op(0x8A).sized(W), dst.field(), src.rm());
    mov_mr [8 16 32 64] (dst: m, src: r) "mov" = mr(op(0x88).sized(W), src.field(), dst.rm());
    mov_ri [8 16 32 64] (dst: r, imm: i64) "mov" = mov_imm(W, dst.field(), imm);
    mov_mi [8 16 32 64] (dst: m, imm: i32) "mov" = imm_full(op(0xC6).sized(W), W, 0, dst.rm(), imm as i64);
    mov_r64_imm32 [] (dst: r64, imm: disp32) "mov" = imm_full(op(0xC7).w(), 64, 0, dst.rm(), imm as i64);
    mov_r64_imm64 [] (dst: r64, imm: quad) "mov" = plain(op(0xB8).w(), dst.field(), Imm::new(imm, 8));
    xchg_rr [8 16 32 64] (dst: r, src: r) "xchg" = mr(op(0x86).sized(W), src.field(), dst.rm());
    xchg_mr [8 16 32 64] (dst: m, src: r) "xchg" = mr(op(0x86).sized(W), src.field(), dst.rm());
    movzx_r8 [16 32 64] (dst: r, src: r8) "movzx" = mr(op_0f(0xB6).wide(W), dst.field(), src.rm());
    movzx_m8 [16 32 64] (dst: r, src: m8) "movzx" = mr(op_0f(0xB6).wide(W), dst.field(), src.rm());
    movzx_r16 [32 64] (dst: r, src: r16) "movzx" = mr(op_0f(0xB7).wide(W), dst.field(), src.rm());
    movzx_m16 [32 64] (dst: r, src: m16) "movzx" = mr(op_0f(0xB7).wide(W), dst.field(), src.rm());
    movsx_r8 [16 32 64] (dst: r, src: r8) "movsx" = mr(op_0f(0xBE).wide(W), dst.field(), src.rm());
    movsx_m8 [16 32 64] (dst: r, src: m8) "movsx" = mr(op_0f(0xBE).wide(W), dst.field(), src.rm());
    movsx_r16 [32 64] (dst: r, src: r16) "movsx" = mr(op_0f(0xBF).wide(W), dst.field(), src.rm());
    movsx_m16 [32 64] (dst: r, src: m16) "movsx" = mr(op_0f(0xBF).wide(W), dst.field(), src.rm());
    movsxd_rr [] (dst: r64, src: r32) "movsxd" = mr(op(0x63).w(), dst.field(), src.rm());
    movsxd_rm [] (dst: r64, src: m32) "movsxd" = mr(op(0x63).w(), dst.field(), src.rm());
    lea [16 32 64] (dst: r, src: m0) "lea" = mr(op(0x8D).wide(W), dst.field(), src.rm());
    push_r [] (src: r64) "push" = plain(op(0x50), src.field(), Imm::NONE);
    push_m [] (src: m64) "push" = ext(op(0xFF), 6, src.rm());
    pop_r [] (dst: r64) "pop" = plain(op(0x58), dst.field(), Imm::NONE);
    pop_m [] (dst: m64) "pop" = ext(op(0x8F), 0, dst.rm());

    // The eight old operations: 00+8n /r and 02+8n /r; 83 /n ib, 81 /n id, 80 /n ib; 04+8n and 05+8n for the accumulator.
    add_rr [8 16 32 64] (dst: r, src: r) "add" = mr(op(0x00).sized(W), src.field(), dst.rm());
    add_rm [8 16 32 64] (dst: r, src: m) "add" = mr(op(0x02).sized(W), dst.field(), src.rm());
    add_mr [8 16 32 64] (dst: m, src: r) "add" = mr(op(0x00).sized(W), src.field(), dst.rm());
    add_ri [8 16 32 64] (dst: r, imm: i32) "add" = alu_imm(W, 0, dst.rm(), imm as i64);
    add_mi [8 16 32 64] (dst: m, imm: i32) "add" = alu_imm(W, 0, dst.rm(), imm as i64);
    or_rr [8 16 32 64] (dst: r, src: r) "or" = mr(op(0x08).sized(W), src.field(), dst.rm());
    or_rm [8 16 32 64] (dst: r, src: m) "or" = mr(op(0x0A).sized(W), dst.field(), src.rm());
    or_mr [8 16 32 64] (dst: m, src: r) "or" = mr(op(0x08).sized(W), src.field(), dst.rm());
    or_ri [8 16 32 64] (dst: r, imm: i32) "or" = alu_imm(W, 1, dst.rm(), imm as i64);
    or_mi [8 16 32 64] (dst: m, imm: i32) "or" = alu_imm(W, 1, dst.rm(), imm as i64);
    adc_rr [8 16 32 64] (dst: r, src: r) "adc" = mr(op(0x10).sized(W), src.field(), dst.rm());
    adc_rm [8 16 32 64] (dst: r, src: m) "adc" = mr(op(0x12).sized(W), dst.field(), src.rm());
    adc_mr [8 16 32 64] (dst: m, src: r) "adc" = mr(op(0x10).sized(W), src.field(), dst.rm());
    adc_ri [8 16 32 64] (dst: r, imm: i32) "adc" = alu_imm(W, 2, dst.rm(), imm as i64);
    adc_mi [8 16 32 64] (dst: m, imm: i32) "adc" = alu_imm(W, 2, dst.rm(), imm as i64);
    sbb_rr [8 16 32 64] (dst: r, src: r) "sbb" = mr(op(0x18).sized(W), src.field(), dst.rm());
    sbb_rm [8 16 32 64] (dst: r, src: m) "sbb" = mr(op(0x1A).sized(W), dst.field(), src.rm());
    sbb_mr [8 16 32 64] (dst: m, src: r) "sbb" = mr(op(0x18).sized(W), src.field(), dst.rm());
    sbb_ri [8 16 32 64] (dst: r, imm: i32) "sbb" = alu_imm(W, 3, dst.rm(), imm as i64);
    sbb_mi [8 16 32 64] (dst: m, imm: i32) "sbb" = alu_imm(W, 3, dst.rm(), imm as i64);
    and_rr [8 16 32 64] (dst: r, src: r) "and" = mr(op(0x20).sized(W), src.field(), dst.rm());
    and_rm [8 16 32 64] (dst: r, src: m) "and" = mr(op(0x22).sized(W), dst.field(), src.rm());
    and_mr [8 16 32 64] (dst: m, src: r) "and" = mr(op(0x20).sized(W), src.field(), dst.rm());
    and_ri [8 16 32 64] (dst: r, imm: i32) "and" = alu_imm(W, 4, dst.rm(), imm as i64);
    and_mi [8 16 32 64] (dst: m, imm: i32) "and" = alu_imm(W, 4, dst.rm(), imm as i64);
    sub_rr [8 16 32 64] (dst: r, src: r) "sub" = mr(op(0x28).sized(W), src.field(), dst.rm());
    sub_rm [8 16 32 64] (dst: r, src: m) "sub" = mr(op(0x2A).sized(W), dst.field(), src.rm());
    sub_mr [8 16 32 64] (dst: m, src: r) "sub" = mr(op(0x28).sized(W), src.field(), dst.rm());
    sub_ri [8 16 32 64] (dst: r, imm: i32) "sub" = alu_imm(W, 5, dst.rm(), imm as i64);
    sub_mi [8 16 32 64] (dst: m, imm: i32) "sub" = alu_imm(W, 5, dst.rm(), imm as i64);
    xor_rr [8 16 32 64] (dst: r, src: r) "xor" = mr(op(0x30).sized(W), src.field(), dst.rm());
    xor_rm [8 16 32 64] (dst: r, src: m) "xor" = mr(op(0x32).sized(W), dst.field(), src.rm());
    xor_mr [8 16 32 64] (dst: m, src: r) "xor" = mr(op(0x30).sized(W), src.field(), dst.rm());
    xor_ri [8 16 32 64] (dst: r, imm: i32) "xor" = alu_imm(W, 6, dst.rm(), imm as i64);
    xor_mi [8 16 32 64] (dst: m, imm: i32) "xor" = alu_imm(W, 6, dst.rm(), imm as i64);
    cmp_rr [8 16 32 64] (dst: r, src: r) "cmp" = mr(op(0x38).sized(W), src.field(), dst.rm());
    cmp_rm [8 16 32 64] (dst: r, src: m) "cmp" = mr(op(0x3A).sized(W), dst.field(), src.rm());
    cmp_mr [8 16 32 64] (dst: m, src: r) "cmp" = mr(op(0x38).sized(W), src.field(), dst.rm());
    cmp_ri [8 16 32 64] (dst: r, imm: i32) "cmp" = alu_imm(W, 7, dst.rm(), imm as i64);
    cmp_mi [8 16 32 64] (dst: m, imm: i32) "cmp" = alu_imm(W, 7, dst.rm(), imm as i64);
    test_rr [8 16 32 64] (dst: r, src: r) "test" = mr(op(0x84).sized(W), src.field(), dst.rm());
    test_mr [8 16 32 64] (dst: m, src: r) "test" = mr(op(0x84).sized(W), src.field(), dst.rm());
    test_ri [8 16 32 64] (dst: r, imm: i32) "test" = test_imm(W, dst.rm(), imm as i64);
    test_mi [8 16 32 64] (dst: m, imm: i32) "test" = test_imm(W, dst.rm(), imm as i64);

    // One operand: FE /0 and /1 for increment and decrement, F6 /2 to /7 for the others.
    inc_r [8 16 32 64] (dst: r) "inc" = ext(op(0xFE).sized(W), 0, dst.rm());
    inc_m [8 16 32 64] (dst: m) "inc" = ext(op(0xFE).sized(W), 0, dst.rm());
    dec_r [8 16 32 64] (dst: r) "dec" = ext(op(0xFE).sized(W), 1, dst.rm());
    dec_m [8 16 32 64] (dst: m) "dec" = ext(op(0xFE).sized(W), 1, dst.rm());
    not_r [8 16 32 64] (dst: r) "not" = ext(op(0xF6).sized(W), 2, dst.rm());
    not_m [8 16 32 64] (dst: m) "not" = ext(op(0xF6).sized(W), 2, dst.rm());
    neg_r [8 16 32 64] (dst: r) "neg" = ext(op(0xF6).sized(W), 3, dst.rm());
    neg_m [8 16 32 64] (dst: m) "neg" = ext(op(0xF6).sized(W), 3, dst.rm());
    mul_r [8 16 32 64] (dst: r) "mul" = ext(op(0xF6).sized(W), 4, dst.rm());
    mul_m [8 16 32 64] (dst: m) "mul" = ext(op(0xF6).sized(W), 4, dst.rm());
    imul1_r [8 16 32 64] (dst: r) "imul" = ext(op(0xF6).sized(W), 5, dst.rm());
    imul1_m [8 16 32 64] (dst: m) "imul" = ext(op(0xF6).sized(W), 5, dst.rm());
    div_r [8 16 32 64] (dst: r) "div" = ext(op(0xF6).sized(W), 6, dst.rm());
    div_m [8 16 32 64] (dst: m) "div" = ext(op(0xF6).sized(W), 6, dst.rm());
    idiv_r [8 16 32 64] (dst: r) "idiv" = ext(op(0xF6).sized(W), 7, dst.rm());
    idiv_m [8 16 32 64] (dst: m) "idiv" = ext(op(0xF6).sized(W), 7, dst.rm());

    // Signed multiplication: 0F AF /r; 6B /r ib and 69 /r id.
    imul_rr [16 32 64] (dst: r, src: r) "imul" = mr(op_0f(0xAF).wide(W), dst.field(), src.rm());
    imul_rm [16 32 64] (dst: r, src: m) "imul" = mr(op_0f(0xAF).wide(W), dst.field(), src.rm());
    imul_rri [16 32 64] (dst: r, src: r, imm: i32) "imul" = imul_imm(W, dst.field(), src.rm(), imm as i64);
    imul_rmi [16 32 64] (dst: r, src: m, imm: i32) "imul" = imul_imm(W, dst.field(), src.rm(), imm as i64);
    mulx [32 64] (high: r, low: r, src: r) "mulx" = vex(op_0f38(0xF6).prefix(0xF2).rex_w(W), false, high.field(), low.number(), src.rm(), Imm::NONE);

    // Shifts and rotates: D0 /n by one, C0 /n ib, D2 /n by CL. The count is taken modulo 32, or 64.
    rol_ri [8 16 32 64] (dst: r, count: u8) "rol" = shift_imm(W, 0, dst.rm(), count);
    rol_rcl [8 16 32 64] (dst: r) {CL.operand()} "rol" = ext(op(0xD2).sized(W), 0, dst.rm());
    rol_mi [8 16 32 64] (dst: m, count: u8) "rol" = shift_imm(W, 0, dst.rm(), count);
    rol_mcl [8 16 32 64] (dst: m) {CL.operand()} "rol" = ext(op(0xD2).sized(W), 0, dst.rm());
    ror_ri [8 16 32 64] (dst: r, count: u8) "ror" = shift_imm(W, 1, dst.rm(), count);
    ror_rcl [8 16 32 64] (dst: r) {CL.operand()} "ror" = ext(op(0xD2).sized(W), 1, dst.rm());
    ror_mi [8 16 32 64] (dst: m, count: u8) "ror" = shift_imm(W, 1, dst.rm(), count);
    ror_mcl [8 16 32 64] (dst: m) {CL.operand()} "ror" = ext(op(0xD2).sized(W), 1, dst.rm());
    shl_ri [8 16 32 64] (dst: r, count: u8) "shl" = shift_imm(W, 4, dst.rm(), count);
    shl_rcl [8 16 32 64] (dst: r) {CL.operand()} "shl" = ext(op(0xD2).sized(W), 4, dst.rm());
    shl_mi [8 16 32 64] (dst: m, count: u8) "shl" = shift_imm(W, 4, dst.rm(), count);
    shl_mcl [8 16 32 64] (dst: m) {CL.operand()} "shl" = ext(op(0xD2).sized(W), 4, dst.rm());
    shr_ri [8 16 32 64] (dst: r, count: u8) "shr" = shift_imm(W, 5, dst.rm(), count);
    shr_rcl [8 16 32 64] (dst: r) {CL.operand()} "shr" = ext(op(0xD2).sized(W), 5, dst.rm());
    shr_mi [8 16 32 64] (dst: m, count: u8) "shr" = shift_imm(W, 5, dst.rm(), count);
    shr_mcl [8 16 32 64] (dst: m) {CL.operand()} "shr" = ext(op(0xD2).sized(W), 5, dst.rm());
    sar_ri [8 16 32 64] (dst: r, count: u8) "sar" = shift_imm(W, 7, dst.rm(), count);
    sar_rcl [8 16 32 64] (dst: r) {CL.operand()} "sar" = ext(op(0xD2).sized(W), 7, dst.rm());
    sar_mi [8 16 32 64] (dst: m, count: u8) "sar" = shift_imm(W, 7, dst.rm(), count);
    sar_mcl [8 16 32 64] (dst: m) {CL.operand()} "sar" = ext(op(0xD2).sized(W), 7, dst.rm());

    // BMI2 shifts by a register, flags untouched: VEX.LZ.66/F2/F3.0F38 F7 /r; rorx VEX.LZ.F2.0F3A F0 /r ib.
    shlx_rr [32 64] (dst: r, src: r, count: r) "shlx" = vex(op_0f38(0xF7).prefix(0x66).rex_w(W), false, dst.field(), count.number(), src.rm(), Imm::NONE);
    shlx_mr [32 64] (dst: r, src: m, count: r) "shlx" = vex(op_0f38(0xF7).prefix(0x66).rex_w(W), false, dst.field(), count.number(), src.rm(), Imm::NONE);
    shrx_rr [32 64] (dst: r, src: r, count: r) "shrx" = vex(op_0f38(0xF7).prefix(0xF2).rex_w(W), false, dst.field(), count.number(), src.rm(), Imm::NONE);
    shrx_mr [32 64] (dst: r, src: m, count: r) "shrx" = vex(op_0f38(0xF7).prefix(0xF2).rex_w(W), false, dst.field(), count.number(), src.rm(), Imm::NONE);
    sarx_rr [32 64] (dst: r, src: r, count: r) "sarx" = vex(op_0f38(0xF7).prefix(0xF3).rex_w(W), false, dst.field(), count.number(), src.rm(), Imm::NONE);
    sarx_mr [32 64] (dst: r, src: m, count: r) "sarx" = vex(op_0f38(0xF7).prefix(0xF3).rex_w(W), false, dst.field(), count.number(), src.rm(), Imm::NONE);
    rorx [32 64] (dst: r, src: r, count: u8) "rorx" = vex(op_0f3a(0xF0).prefix(0xF2).rex_w(W), false, dst.field(), 0, src.rm(), Imm::new(count as i64, 1));

    // Bits: 0F A3 /r and 0F BA /4 ib to test; 0F BC, 0F BD; F3 0F BC, F3 0F BD, F3 0F B8 (BMI1, LZCNT, POPCNT).
    bt_rr [16 32 64] (dst: r, src: r) "bt" = mr(op_0f(0xA3).wide(W), src.field(), dst.rm());
    bt_ri [16 32 64] (dst: r, bit: u8) "bt" = modrm(op_0f(0xBA).wide(W), Field::digit(4), dst.rm(), Imm::new(bit as i64, 1));
    bsf_rr [16 32 64] (dst: r, src: r) "bsf" = mr(op_0f(0xBC).wide(W), dst.field(), src.rm());
    bsr_rr [16 32 64] (dst: r, src: r) "bsr" = mr(op_0f(0xBD).wide(W), dst.field(), src.rm());
    tzcnt_rr [16 32 64] (dst: r, src: r) "tzcnt" = mr(op_0f(0xBC).repeat().wide(W), dst.field(), src.rm());
    lzcnt_rr [16 32 64] (dst: r, src: r) "lzcnt" = mr(op_0f(0xBD).repeat().wide(W), dst.field(), src.rm());
    popcnt_rr [16 32 64] (dst: r, src: r) "popcnt" = mr(op_0f(0xB8).repeat().wide(W), dst.field(), src.rm());

    // By condition: 0F 90+cc, 0F 40+cc /r.
    setcc_r [] (cond: cc, dst: r8) "set" = ext(op_0f(0x90 | cond as u8), 0, dst.rm());
    setcc_m [] (cond: cc, dst: m8) "set" = ext(op_0f(0x90 | cond as u8), 0, dst.rm());
    cmovcc_rr [16 32 64] (cond: cc, dst: r, src: r) "cmov" = mr(op_0f(0x40 | cond as u8).wide(W), dst.field(), src.rm());
    cmovcc_rm [16 32 64] (cond: cc, dst: r, src: m) "cmov" = mr(op_0f(0x40 | cond as u8).wide(W), dst.field(), src.rm());

    // Control, and what has no operand.
    jmp_r [] (target: r64) "jmp" = ext(op(0xFF), 4, target.rm());
    jmp_m [] (target: m64) "jmp" = ext(op(0xFF), 4, target.rm());
    call_r [] (target: r64) "call" = ext(op(0xFF), 2, target.rm());
    call_m [] (target: m64) "call" = ext(op(0xFF), 2, target.rm());
    ret [] () "ret" = plain(op(0xC3), Field::digit(0), Imm::NONE);
    leave [] () "leave" = plain(op(0xC9), Field::digit(0), Imm::NONE);
    syscall [] () "syscall" = plain(op_0f(0x05), Field::digit(0), Imm::NONE);
    int3 [] () "int3" = plain(op(0xCC), Field::digit(0), Imm::NONE);
    ud2 [] () "ud2" = plain(op_0f(0x0B), Field::digit(0), Imm::NONE);
    endbr64 [] () "endbr64" = modrm(op_0f(0x1E).prefix(0xF3), RDI.field(), RDX.rm(), Imm::NONE);
    cdq [] () "cdq" = plain(op(0x99), Field::digit(0), Imm::NONE);
    cqo [] () "cqo" = plain(op(0x99).w(), Field::digit(0), Imm::NONE);
    vzeroupper [] () "vzeroupper" = raw(0x77F8C5, 3);

    // SSE2 moves. 0F 10/11, 0F 28/29, 0F 6F/7F, 0F 12/13, 0F 6E/7E.
    movsd_xx [] (dst: x, src: x) "movsd" = mr(op_0f(0x10).prefix(0xF2), dst.field(), src.rm());
    movsd_xm [] (dst: x, src: m64) "movsd" = mr(op_0f(0x10).prefix(0xF2), dst.field(), src.rm());
    movsd_mx [] (dst: m64, src: x) "movsd" = mr(op_0f(0x11).prefix(0xF2), src.field(), dst.rm());
    movss_xx [] (dst: x, src: x) "movss" = mr(op_0f(0x10).prefix(0xF3), dst.field(), src.rm());
    movss_xm [] (dst: x, src: m32) "movss" = mr(op_0f(0x10).prefix(0xF3), dst.field(), src.rm());
    movss_mx [] (dst: m32, src: x) "movss" = mr(op_0f(0x11).prefix(0xF3), src.field(), dst.rm());
    movlpd_xm [] (dst: x, src: m64) "movlpd" = mr(op_0f(0x12).prefix(0x66), dst.field(), src.rm());
    movlpd_mx [] (dst: m64, src: x) "movlpd" = mr(op_0f(0x13).prefix(0x66), src.field(), dst.rm());
    movhpd_xm [] (dst: x, src: m64) "movhpd" = mr(op_0f(0x16).prefix(0x66), dst.field(), src.rm());
    movhpd_mx [] (dst: m64, src: x) "movhpd" = mr(op_0f(0x17).prefix(0x66), src.field(), dst.rm());
    movaps_xx [] (dst: x, src: x) "movaps" = mr(op_0f(0x28), dst.field(), src.rm());
    movaps_xm [] (dst: x, src: m128) "movaps" = mr(op_0f(0x28), dst.field(), src.rm());
    movaps_mx [] (dst: m128, src: x) "movaps" = mr(op_0f(0x29), src.field(), dst.rm());
    movapd_xx [] (dst: x, src: x) "movapd" = mr(op_0f(0x28).prefix(0x66), dst.field(), src.rm());
    movapd_xm [] (dst: x, src: m128) "movapd" = mr(op_0f(0x28).prefix(0x66), dst.field(), src.rm());
    movapd_mx [] (dst: m128, src: x) "movapd" = mr(op_0f(0x29).prefix(0x66), src.field(), dst.rm());
    movups_xx [] (dst: x, src: x) "movups" = mr(op_0f(0x10), dst.field(), src.rm());
    movups_xm [] (dst: x, src: m128) "movups" = mr(op_0f(0x10), dst.field(), src.rm());
    movups_mx [] (dst: m128, src: x) "movups" = mr(op_0f(0x11), src.field(), dst.rm());
    movupd_xx [] (dst: x, src: x) "movupd" = mr(op_0f(0x10).prefix(0x66), dst.field(), src.rm());
    movupd_xm [] (dst: x, src: m128) "movupd" = mr(op_0f(0x10).prefix(0x66), dst.field(), src.rm());
    movupd_mx [] (dst: m128, src: x) "movupd" = mr(op_0f(0x11).prefix(0x66), src.field(), dst.rm());
    movdqa_xx [] (dst: x, src: x) "movdqa" = mr(op_0f(0x6F).prefix(0x66), dst.field(), src.rm());
    movdqa_xm [] (dst: x, src: m128) "movdqa" = mr(op_0f(0x6F).prefix(0x66), dst.field(), src.rm());
    movdqa_mx [] (dst: m128, src: x) "movdqa" = mr(op_0f(0x7F).prefix(0x66), src.field(), dst.rm());
    movdqu_xx [] (dst: x, src: x) "movdqu" = mr(op_0f(0x6F).prefix(0xF3), dst.field(), src.rm());
    movdqu_xm [] (dst: x, src: m128) "movdqu" = mr(op_0f(0x6F).prefix(0xF3), dst.field(), src.rm());
    movdqu_mx [] (dst: m128, src: x) "movdqu" = mr(op_0f(0x7F).prefix(0xF3), src.field(), dst.rm());
    movd_xr [] (dst: x, src: r32) "movd" = mr(op_0f(0x6E).prefix(0x66), dst.field(), src.rm());
    movd_rx [] (dst: r32, src: x) "movd" = mr(op_0f(0x7E).prefix(0x66), src.field(), dst.rm());
    movq_xr [] (dst: x, src: r64) "movq" = mr(op_0f(0x6E).prefix(0x66).w(), dst.field(), src.rm());
    movq_rx [] (dst: r64, src: x) "movq" = mr(op_0f(0x7E).prefix(0x66).w(), src.field(), dst.rm());

    // SSE2 floating point: F2 scalar, 66 packed double precision.
    addsd_xx [] (dst: x, src: x) "addsd" = mr(op_0f(0x58).prefix(0xF2), dst.field(), src.rm());
    addsd_xm [] (dst: x, src: m64) "addsd" = mr(op_0f(0x58).prefix(0xF2), dst.field(), src.rm());
    addpd_xx [] (dst: x, src: x) "addpd" = mr(op_0f(0x58).prefix(0x66), dst.field(), src.rm());
    addpd_xm [] (dst: x, src: m128) "addpd" = mr(op_0f(0x58).prefix(0x66), dst.field(), src.rm());
    mulsd_xx [] (dst: x, src: x) "mulsd" = mr(op_0f(0x59).prefix(0xF2), dst.field(), src.rm());
    mulsd_xm [] (dst: x, src: m64) "mulsd" = mr(op_0f(0x59).prefix(0xF2), dst.field(), src.rm());
    mulpd_xx [] (dst: x, src: x) "mulpd" = mr(op_0f(0x59).prefix(0x66), dst.field(), src.rm());
    mulpd_xm [] (dst: x, src: m128) "mulpd" = mr(op_0f(0x59).prefix(0x66), dst.field(), src.rm());
    subsd_xx [] (dst: x, src: x) "subsd" = mr(op_0f(0x5C).prefix(0xF2), dst.field(), src.rm());
    subsd_xm [] (dst: x, src: m64) "subsd" = mr(op_0f(0x5C).prefix(0xF2), dst.field(), src.rm());
    subpd_xx [] (dst: x, src: x) "subpd" = mr(op_0f(0x5C).prefix(0x66), dst.field(), src.rm());
    subpd_xm [] (dst: x, src: m128) "subpd" = mr(op_0f(0x5C).prefix(0x66), dst.field(), src.rm());
    minsd_xx [] (dst: x, src: x) "minsd" = mr(op_0f(0x5D).prefix(0xF2), dst.field(), src.rm());
    minsd_xm [] (dst: x, src: m64) "minsd" = mr(op_0f(0x5D).prefix(0xF2), dst.field(), src.rm());
    minpd_xx [] (dst: x, src: x) "minpd" = mr(op_0f(0x5D).prefix(0x66), dst.field(), src.rm());
    minpd_xm [] (dst: x, src: m128) "minpd" = mr(op_0f(0x5D).prefix(0x66), dst.field(), src.rm());
    divsd_xx [] (dst: x, src: x) "divsd" = mr(op_0f(0x5E).prefix(0xF2), dst.field(), src.rm());
    divsd_xm [] (dst: x, src: m64) "divsd" = mr(op_0f(0x5E).prefix(0xF2), dst.field(), src.rm());
    divpd_xx [] (dst: x, src: x) "divpd" = mr(op_0f(0x5E).prefix(0x66), dst.field(), src.rm());
    divpd_xm [] (dst: x, src: m128) "divpd" = mr(op_0f(0x5E).prefix(0x66), dst.field(), src.rm());
    maxsd_xx [] (dst: x, src: x) "maxsd" = mr(op_0f(0x5F).prefix(0xF2), dst.field(), src.rm());
    maxsd_xm [] (dst: x, src: m64) "maxsd" = mr(op_0f(0x5F).prefix(0xF2), dst.field(), src.rm());
    maxpd_xx [] (dst: x, src: x) "maxpd" = mr(op_0f(0x5F).prefix(0x66), dst.field(), src.rm());
    maxpd_xm [] (dst: x, src: m128) "maxpd" = mr(op_0f(0x5F).prefix(0x66), dst.field(), src.rm());
    sqrtsd_xx [] (dst: x, src: x) "sqrtsd" = mr(op_0f(0x51).prefix(0xF2), dst.field(), src.rm());
    sqrtsd_xm [] (dst: x, src: m64) "sqrtsd" = mr(op_0f(0x51).prefix(0xF2), dst.field(), src.rm());
    sqrtpd_xx [] (dst: x, src: x) "sqrtpd" = mr(op_0f(0x51).prefix(0x66), dst.field(), src.rm());
    sqrtpd_xm [] (dst: x, src: m128) "sqrtpd" = mr(op_0f(0x51).prefix(0x66), dst.field(), src.rm());
    andpd_xx [] (dst: x, src: x) "andpd" = mr(op_0f(0x54).prefix(0x66), dst.field(), src.rm());
    andpd_xm [] (dst: x, src: m128) "andpd" = mr(op_0f(0x54).prefix(0x66), dst.field(), src.rm());
    andnpd_xx [] (dst: x, src: x) "andnpd" = mr(op_0f(0x55).prefix(0x66), dst.field(), src.rm());
    andnpd_xm [] (dst: x, src: m128) "andnpd" = mr(op_0f(0x55).prefix(0x66), dst.field(), src.rm());
    orpd_xx [] (dst: x, src: x) "orpd" = mr(op_0f(0x56).prefix(0x66), dst.field(), src.rm());
    orpd_xm [] (dst: x, src: m128) "orpd" = mr(op_0f(0x56).prefix(0x66), dst.field(), src.rm());
    xorpd_xx [] (dst: x, src: x) "xorpd" = mr(op_0f(0x57).prefix(0x66), dst.field(), src.rm());
    xorpd_xm [] (dst: x, src: m128) "xorpd" = mr(op_0f(0x57).prefix(0x66), dst.field(), src.rm());
    unpcklpd_xx [] (dst: x, src: x) "unpcklpd" = mr(op_0f(0x14).prefix(0x66), dst.field(), src.rm());
    unpcklpd_xm [] (dst: x, src: m128) "unpcklpd" = mr(op_0f(0x14).prefix(0x66), dst.field(), src.rm());
    unpckhpd_xx [] (dst: x, src: x) "unpckhpd" = mr(op_0f(0x15).prefix(0x66), dst.field(), src.rm());
    unpckhpd_xm [] (dst: x, src: m128) "unpckhpd" = mr(op_0f(0x15).prefix(0x66), dst.field(), src.rm());
    ucomisd_xx [] (dst: x, src: x) "ucomisd" = mr(op_0f(0x2E).prefix(0x66), dst.field(), src.rm());
    ucomisd_xm [] (dst: x, src: m64) "ucomisd" = mr(op_0f(0x2E).prefix(0x66), dst.field(), src.rm());
    cvtsi2sd_xr [32 64] (dst: x, src: r) "cvtsi2sd" = mr(op_0f(0x2A).prefix(0xF2).rex_w(W), dst.field(), src.rm());
    cvtsi2sd_xm [32 64] (dst: x, src: m) "cvtsi2sd" = mr(op_0f(0x2A).prefix(0xF2).rex_w(W), dst.field(), src.rm());
    cvttsd2si_rx [32 64] (dst: r, src: x) "cvttsd2si" = mr(op_0f(0x2C).prefix(0xF2).rex_w(W), dst.field(), src.rm());
    cvtsd2si_rx [32 64] (dst: r, src: x) "cvtsd2si" = mr(op_0f(0x2D).prefix(0xF2).rex_w(W), dst.field(), src.rm());

    // SSE2 integers, and SSSE3 pshufb: 66 0F and 66 0F38.
    pcmpeqb_xx [] (dst: x, src: x) "pcmpeqb" = mr(op_0f(0x74).prefix(0x66), dst.field(), src.rm());
    pcmpeqb_xm [] (dst: x, src: m128) "pcmpeqb" = mr(op_0f(0x74).prefix(0x66), dst.field(), src.rm());
    pcmpeqw_xx [] (dst: x, src: x) "pcmpeqw" = mr(op_0f(0x75).prefix(0x66), dst.field(), src.rm());
    pcmpeqw_xm [] (dst: x, src: m128) "pcmpeqw" = mr(op_0f(0x75).prefix(0x66), dst.field(), src.rm());
    pcmpeqd_xx [] (dst: x, src: x) "pcmpeqd" = mr(op_0f(0x76).prefix(0x66), dst.field(), src.rm());
    pcmpeqd_xm [] (dst: x, src: m128) "pcmpeqd" = mr(op_0f(0x76).prefix(0x66), dst.field(), src.rm());
    pand_xx [] (dst: x, src: x) "pand" = mr(op_0f(0xDB).prefix(0x66), dst.field(), src.rm());
    pand_xm [] (dst: x, src: m128) "pand" = mr(op_0f(0xDB).prefix(0x66), dst.field(), src.rm());
    pandn_xx [] (dst: x, src: x) "pandn" = mr(op_0f(0xDF).prefix(0x66), dst.field(), src.rm());
    pandn_xm [] (dst: x, src: m128) "pandn" = mr(op_0f(0xDF).prefix(0x66), dst.field(), src.rm());
    por_xx [] (dst: x, src: x) "por" = mr(op_0f(0xEB).prefix(0x66), dst.field(), src.rm());
    por_xm [] (dst: x, src: m128) "por" = mr(op_0f(0xEB).prefix(0x66), dst.field(), src.rm());
    pxor_xx [] (dst: x, src: x) "pxor" = mr(op_0f(0xEF).prefix(0x66), dst.field(), src.rm());
    pxor_xm [] (dst: x, src: m128) "pxor" = mr(op_0f(0xEF).prefix(0x66), dst.field(), src.rm());
    paddb_xx [] (dst: x, src: x) "paddb" = mr(op_0f(0xFC).prefix(0x66), dst.field(), src.rm());
    paddb_xm [] (dst: x, src: m128) "paddb" = mr(op_0f(0xFC).prefix(0x66), dst.field(), src.rm());
    paddw_xx [] (dst: x, src: x) "paddw" = mr(op_0f(0xFD).prefix(0x66), dst.field(), src.rm());
    paddw_xm [] (dst: x, src: m128) "paddw" = mr(op_0f(0xFD).prefix(0x66), dst.field(), src.rm());
    paddd_xx [] (dst: x, src: x) "paddd" = mr(op_0f(0xFE).prefix(0x66), dst.field(), src.rm());
    paddd_xm [] (dst: x, src: m128) "paddd" = mr(op_0f(0xFE).prefix(0x66), dst.field(), src.rm());
    paddq_xx [] (dst: x, src: x) "paddq" = mr(op_0f(0xD4).prefix(0x66), dst.field(), src.rm());
    paddq_xm [] (dst: x, src: m128) "paddq" = mr(op_0f(0xD4).prefix(0x66), dst.field(), src.rm());
    psubb_xx [] (dst: x, src: x) "psubb" = mr(op_0f(0xF8).prefix(0x66), dst.field(), src.rm());
    psubb_xm [] (dst: x, src: m128) "psubb" = mr(op_0f(0xF8).prefix(0x66), dst.field(), src.rm());
    psubw_xx [] (dst: x, src: x) "psubw" = mr(op_0f(0xF9).prefix(0x66), dst.field(), src.rm());
    psubw_xm [] (dst: x, src: m128) "psubw" = mr(op_0f(0xF9).prefix(0x66), dst.field(), src.rm());
    psubd_xx [] (dst: x, src: x) "psubd" = mr(op_0f(0xFA).prefix(0x66), dst.field(), src.rm());
    psubd_xm [] (dst: x, src: m128) "psubd" = mr(op_0f(0xFA).prefix(0x66), dst.field(), src.rm());
    psubq_xx [] (dst: x, src: x) "psubq" = mr(op_0f(0xFB).prefix(0x66), dst.field(), src.rm());
    psubq_xm [] (dst: x, src: m128) "psubq" = mr(op_0f(0xFB).prefix(0x66), dst.field(), src.rm());
    pminub_xx [] (dst: x, src: x) "pminub" = mr(op_0f(0xDA).prefix(0x66), dst.field(), src.rm());
    pminub_xm [] (dst: x, src: m128) "pminub" = mr(op_0f(0xDA).prefix(0x66), dst.field(), src.rm());
    pmaxub_xx [] (dst: x, src: x) "pmaxub" = mr(op_0f(0xDE).prefix(0x66), dst.field(), src.rm());
    pmaxub_xm [] (dst: x, src: m128) "pmaxub" = mr(op_0f(0xDE).prefix(0x66), dst.field(), src.rm());
    punpcklbw_xx [] (dst: x, src: x) "punpcklbw" = mr(op_0f(0x60).prefix(0x66), dst.field(), src.rm());
    punpcklbw_xm [] (dst: x, src: m128) "punpcklbw" = mr(op_0f(0x60).prefix(0x66), dst.field(), src.rm());
    punpcklwd_xx [] (dst: x, src: x) "punpcklwd" = mr(op_0f(0x61).prefix(0x66), dst.field(), src.rm());
    punpcklwd_xm [] (dst: x, src: m128) "punpcklwd" = mr(op_0f(0x61).prefix(0x66), dst.field(), src.rm());
    punpckldq_xx [] (dst: x, src: x) "punpckldq" = mr(op_0f(0x62).prefix(0x66), dst.field(), src.rm());
    punpckldq_xm [] (dst: x, src: m128) "punpckldq" = mr(op_0f(0x62).prefix(0x66), dst.field(), src.rm());
    punpcklqdq_xx [] (dst: x, src: x) "punpcklqdq" = mr(op_0f(0x6C).prefix(0x66), dst.field(), src.rm());
    punpcklqdq_xm [] (dst: x, src: m128) "punpcklqdq" = mr(op_0f(0x6C).prefix(0x66), dst.field(), src.rm());
    pshufb_xx [] (dst: x, src: x) "pshufb" = mr(op_0f38(0x00).prefix(0x66), dst.field(), src.rm());
    pshufb_xm [] (dst: x, src: m128) "pshufb" = mr(op_0f38(0x00).prefix(0x66), dst.field(), src.rm());
    pshufd [] (dst: x, src: x, order: u8) "pshufd" = modrm(op_0f(0x70).prefix(0x66), dst.field(), src.rm(), Imm::new(order as i64, 1));
    pmovmskb [] (dst: r32, src: x) "pmovmskb" = mr(op_0f(0xD7).prefix(0x66), dst.field(), src.rm());

    // AVX and AVX2, 256 bits: VEX.256.66.0F and VEX.256.66.0F38; vmovdqu with F3.
    vmovdqu_ym [] (dst: y, src: m256) "vmovdqu" = vex(op_0f(0x6F).prefix(0xF3), true, dst.field(), 0, src.rm(), Imm::NONE);
    vmovdqu_my [] (dst: m256, src: y) "vmovdqu" = vex(op_0f(0x7F).prefix(0xF3), true, src.field(), 0, dst.rm(), Imm::NONE);
    vmovdqa_yy [] (dst: y, src: y) "vmovdqa" = vex(op_0f(0x6F).prefix(0x66), true, dst.field(), 0, src.rm(), Imm::NONE);
    vpcmpeqb_yyy [] (dst: y, a: y, b: y) "vpcmpeqb" = vex(op_0f(0x74).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpcmpeqb_yym [] (dst: y, a: y, b: m256) "vpcmpeqb" = vex(op_0f(0x74).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpcmpeqw_yyy [] (dst: y, a: y, b: y) "vpcmpeqw" = vex(op_0f(0x75).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpcmpeqw_yym [] (dst: y, a: y, b: m256) "vpcmpeqw" = vex(op_0f(0x75).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpcmpeqd_yyy [] (dst: y, a: y, b: y) "vpcmpeqd" = vex(op_0f(0x76).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpcmpeqd_yym [] (dst: y, a: y, b: m256) "vpcmpeqd" = vex(op_0f(0x76).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpand_yyy [] (dst: y, a: y, b: y) "vpand" = vex(op_0f(0xDB).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpand_yym [] (dst: y, a: y, b: m256) "vpand" = vex(op_0f(0xDB).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpandn_yyy [] (dst: y, a: y, b: y) "vpandn" = vex(op_0f(0xDF).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpandn_yym [] (dst: y, a: y, b: m256) "vpandn" = vex(op_0f(0xDF).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpor_yyy [] (dst: y, a: y, b: y) "vpor" = vex(op_0f(0xEB).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpor_yym [] (dst: y, a: y, b: m256) "vpor" = vex(op_0f(0xEB).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpxor_yyy [] (dst: y, a: y, b: y) "vpxor" = vex(op_0f(0xEF).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpxor_yym [] (dst: y, a: y, b: m256) "vpxor" = vex(op_0f(0xEF).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpaddb_yyy [] (dst: y, a: y, b: y) "vpaddb" = vex(op_0f(0xFC).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpaddb_yym [] (dst: y, a: y, b: m256) "vpaddb" = vex(op_0f(0xFC).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpsubb_yyy [] (dst: y, a: y, b: y) "vpsubb" = vex(op_0f(0xF8).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpsubb_yym [] (dst: y, a: y, b: m256) "vpsubb" = vex(op_0f(0xF8).prefix(0x66), true, dst.field(), a.number(), b.rm(), Imm::NONE);
    vpmovmskb [] (dst: r32, src: y) "vpmovmskb" = vex(op_0f(0xD7).prefix(0x66), true, dst.field(), 0, src.rm(), Imm::NONE);
    vptest_yy [] (dst: y, src: y) "vptest" = vex(op_0f38(0x17).prefix(0x66), true, dst.field(), 0, src.rm(), Imm::NONE);
    vpbroadcastb_yx [] (dst: y, src: x) "vpbroadcastb" = vex(op_0f38(0x78).prefix(0x66), true, dst.field(), 0, src.rm(), Imm::NONE);
    vpbroadcastb_ym [] (dst: y, src: m8) "vpbroadcastb" = vex(op_0f38(0x78).prefix(0x66), true, dst.field(), 0, src.rm(), Imm::NONE);
    vpbroadcastw_yx [] (dst: y, src: x) "vpbroadcastw" = vex(op_0f38(0x79).prefix(0x66), true, dst.field(), 0, src.rm(), Imm::NONE);
    vpbroadcastw_ym [] (dst: y, src: m16) "vpbroadcastw" = vex(op_0f38(0x79).prefix(0x66), true, dst.field(), 0, src.rm(), Imm::NONE);
    vpbroadcastd_yx [] (dst: y, src: x) "vpbroadcastd" = vex(op_0f38(0x58).prefix(0x66), true, dst.field(), 0, src.rm(), Imm::NONE);
    vpbroadcastd_ym [] (dst: y, src: m32) "vpbroadcastd" = vex(op_0f38(0x58).prefix(0x66), true, dst.field(), 0, src.rm(), Imm::NONE);
}

impl Asm<'_> {
    /// The recommended no-operation of `size` bytes, 1 to 9 (SDM vol. 2B, NOP,
    /// table 4-12); nothing for 0, and 9 for more.
    pub const fn nop(&mut self, size: u8) -> &mut Self {
        let nop: u128 = match size {
            0 => return self,
            1 => 0x90,
            2 => 0x90_66,
            3 => 0x00_1F_0F,
            4 => 0x00_40_1F_0F,
            5 => 0x00_00_44_1F_0F,
            6 => 0x00_00_44_1F_0F_66,
            7 => 0x00_00_00_00_80_1F_0F,
            8 => 0x00_00_00_00_00_84_1F_0F,
            _ => 0x00_00_00_00_00_84_1F_0F_66,
        };
        // What the bytes say: the longer ones have an operand that nobody reads.
        let index = match size {
            3 | 4 | 7 => None,
            _ => Some((0, Scale::X1)),
        };
        let bits = if size == 6 || size > 8 { 16 } else { 32 };
        let operand = match size {
            1 | 2 => Operand::None,
            _ => Operand::Mem { bits, base: Base::Gpr(0), index, disp: 0 },
        };
        self.put(raw(nop, if size > 9 { 9 } else { size }), "nop", four!(operand))
    }
}

const fn mr(op: Opcode, reg: Field, rm: Rm) -> Bytes {
    modrm(op, reg, rm, Imm::NONE)
}

/// An opcode that is extended by a digit in ModRM.reg.
const fn ext(op: Opcode, digit: u8, rm: Rm) -> Bytes {
    mr(op, Field::digit(digit), rm)
}

/// The same with an immediate as wide as the operand, up to 32 bits.
const fn imm_full(op: Opcode, bits: u16, digit: u8, rm: Rm, imm: i64) -> Bytes {
    let size = if bits == 64 { 4 } else { bits as u8 / 8 };
    ranged(modrm(op, Field::digit(digit), rm, Imm::new(imm, size)), imm, bits)
}

/// Refuses an immediate that is no number of this width.
const fn ranged(bytes: Bytes, imm: i64, bits: u16) -> Bytes {
    match signed(imm, bits) {
        Some(_) => bytes,
        None => Bytes { fault: Fault::Immediate, ..bytes },
    }
}

const fn immediate(imm: i64, bits: u16) -> Operand {
    match signed(imm, bits) {
        Some(imm) => Operand::Imm(imm),
        None => Operand::Imm(imm),
    }
}

/// Whether the operand is AL, AX, EAX or RAX, which have opcodes of their own.
const fn is_accumulator(rm: Rm) -> bool {
    matches!(rm, Rm::Reg(Field { number: 0, .. }))
}

/// Operation `n` of the eight with an immediate, in the shortest form: a
/// sign-extended byte, then the accumulator's opcode, then the full width.
const fn alu_imm(bits: u16, n: u8, rm: Rm, imm: i64) -> Bytes {
    let short = match signed(imm, bits) {
        Some(imm) => fits_i8(imm),
        None => false,
    };
    if short && bits != 8 {
        modrm(op(0x83).wide(bits), Field::digit(n), rm, Imm::new(imm, 1))
    } else if is_accumulator(rm) {
        accumulator(op(0x04 | n << 3), bits, imm)
    } else {
        imm_full(op(0x80).sized(bits), bits, n, rm, imm)
    }
}

const fn accumulator(op: Opcode, bits: u16, imm: i64) -> Bytes {
    let size = if bits == 64 { 4 } else { bits as u8 / 8 };
    ranged(plain(op.sized(bits), Field::digit(0), Imm::new(imm, size)), imm, bits)
}

const fn test_imm(bits: u16, rm: Rm, imm: i64) -> Bytes {
    if is_accumulator(rm) {
        accumulator(op(0xA8), bits, imm)
    } else {
        imm_full(op(0xF6).sized(bits), bits, 0, rm, imm)
    }
}

const fn mov_imm(bits: u16, dst: Field, imm: i64) -> Bytes {
    let bytes = match bits {
        8 => plain(op(0xB0), dst, Imm::new(imm, 1)),
        64 if fits_i32(imm) => return imm_full(op(0xC7).w(), 64, 0, Rm::Reg(dst), imm),
        _ => plain(op(0xB8).wide(bits), dst, Imm::new(imm, bits as u8 / 8)),
    };
    ranged(bytes, imm, bits)
}

const fn imul_imm(bits: u16, dst: Field, src: Rm, imm: i64) -> Bytes {
    let short = match signed(imm, bits) {
        Some(imm) => fits_i8(imm),
        None => false,
    };
    let size = if bits == 16 { 2 } else { 4 };
    let (opcode, size) = if short { (0x6B, 1) } else { (0x69, size) };
    ranged(modrm(op(opcode).wide(bits), dst, src, Imm::new(imm, size)), imm, bits)
}

const fn shift_imm(bits: u16, n: u8, rm: Rm, count: u8) -> Bytes {
    if count == 1 {
        ext(op(0xD0).sized(bits), n, rm)
    } else {
        modrm(op(0xC0).sized(bits), Field::digit(n), rm, Imm::new(count as i64, 1))
    }
}
