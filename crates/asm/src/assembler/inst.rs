//! The instructions: one line a form, and that line is all there is of it.
//!
//! A line reads: method, the widths it exists in, operands by kind, mnemonic,
//! where the operands are encoded, opcode. From it come the method, its
//! documentation, its text in a listing and, in tests, the generator that holds
//! it against an independent disassembler. Opcodes are in hexadecimal as in SDM
//! vol. 2, and so are the letters for where operands go: R is ModRM.reg, M is
//! ModRM.rm, V is VEX.vvvv, O is in the opcode, I is immediate; C is CL behind
//! other operands, a condition before them. A register pair is encoded in the
//! store form, MR, where both exist.

use super::operand::*;
use super::{Asm, Cond, Scale};
use crate::code::form::{Address, Form, Third};

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

/// Emits a form whose operands go where the letters say.
macro_rules! emit {
    ($a:ident, $form:expr, ZO ()) => {
        $a.emit(const { $form }, 0, 0, 0)
    };
    ($a:ident, $form:expr, M ($rm:ident: $m:ident)) => {
        $a.emit(const { $form.rm(<ty!($m)>::KIND) }, 0, $rm.packed(), 0)
    };
    ($a:ident, $form:expr, MC ($rm:ident: $m:ident)) => {
        $a.emit(const { $form.rm(<ty!($m)>::KIND).third(Third::CL) }, 0, $rm.packed(), 0)
    };
    ($a:ident, $form:expr, MI ($rm:ident: $m:ident, $imm:ident: $i:ident)) => {
        $a.emit(const { $form.rm(<ty!($m)>::KIND) }, 0, $rm.packed(), $imm as i64 as u64)
    };
    ($a:ident, $form:expr, O ($rm:ident: $m:ident)) => {
        $a.emit(const { $form.rm(<ty!($m)>::KIND).plus_r() }, 0, $rm.packed(), 0)
    };
    ($a:ident, $form:expr, OI ($rm:ident: $m:ident, $imm:ident: $i:ident)) => {
        $a.emit(const { $form.rm(<ty!($m)>::KIND).plus_r() }, 0, $rm.packed(), $imm as i64 as u64)
    };
    ($a:ident, $form:expr, MR ($rm:ident: $m:ident, $reg:ident: $r:ident)) => {
        $a.emit(
            const { $form.reg(<ty!($r)>::KIND).rm(<ty!($m)>::KIND).store() },
            $reg.packed(),
            $rm.packed(),
            0,
        )
    };
    ($a:ident, $form:expr, RM ($reg:ident: $r:ident, $rm:ident: $m:ident)) => {
        $a.emit(const { $form.reg(<ty!($r)>::KIND).rm(<ty!($m)>::KIND) }, $reg.packed(), $rm.packed(), 0)
    };
    ($a:ident, $form:expr, RMI ($reg:ident: $r:ident, $rm:ident: $m:ident, $imm:ident: $i:ident)) => {
        $a.emit(
            const { $form.reg(<ty!($r)>::KIND).rm(<ty!($m)>::KIND) },
            $reg.packed(),
            $rm.packed(),
            $imm as i64 as u64,
        )
    };
    ($a:ident, $form:expr, RVM ($reg:ident: $r:ident, $vvvv:ident: $v:ident, $rm:ident: $m:ident)) => {
        $a.emit(
            const { $form.reg(<ty!($r)>::KIND).rm(<ty!($m)>::KIND).third(Third::MIDDLE) },
            $reg.packed(),
            $rm.packed(),
            $vvvv.packed(),
        )
    };
    ($a:ident, $form:expr, RMV ($reg:ident: $r:ident, $rm:ident: $m:ident, $vvvv:ident: $v:ident)) => {
        $a.emit(
            const { $form.reg(<ty!($r)>::KIND).rm(<ty!($m)>::KIND).third(Third::LAST) },
            $reg.packed(),
            $rm.packed(),
            $vvvv.packed(),
        )
    };
    ($a:ident, $form:expr, CM ($cond:ident: cc, $rm:ident: $m:ident)) => {
        $a.emit(const { $form.rm(<ty!($m)>::KIND).plus_cc() }.on($cond as u8), 0, $rm.packed(), 0)
    };
    ($a:ident, $form:expr, CRM ($cond:ident: cc, $reg:ident: $r:ident, $rm:ident: $m:ident)) => {
        $a.emit(
            const { $form.reg(<ty!($r)>::KIND).rm(<ty!($m)>::KIND).plus_cc() }.on($cond as u8),
            $reg.packed(),
            $rm.packed(),
            0,
        )
    };
}

macro_rules! method {
    ([] $name:ident ($($arg:ident: $kind:ident),*) $text:literal $order:ident $form:expr) => {
        #[doc = concat!("`", $text, $(" ", stringify!($kind),)* "`")]
        #[cfg_attr(compact, inline(never))]
        #[cfg_attr(not(compact), inline)]
        pub const fn $name(&mut self, $($arg: ty!($kind)),*) -> &mut Self {
            emit!(self, $form.named($text), $order ($($arg: $kind),*))
        }
    };
    ([$($width:literal)+] $name:ident ($($arg:ident: $kind:ident),*) $text:literal $order:ident $form:expr) => {
        #[doc = concat!("`", $text, $(" ", stringify!($kind),)* "`, in widths of", $(" ", $width,)+ " bits.")]
        #[cfg_attr(compact, inline(never))]
        #[cfg_attr(not(compact), inline)]
        pub const fn $name<const W: u16>(&mut self, $($arg: ty!($kind)),*) -> &mut Self {
            const { assert!(matches!(W, $($width)|+), "the instruction does not exist at this width") }
            emit!(self, $form.named($text), $order ($($arg: $kind),*))
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
    ($($name:ident $widths:tt $arguments:tt $text:literal = $order:ident $form:expr;)*) => {
        impl Asm<'_> {
            $(method! { $widths $name $arguments $text $order $form })*
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
    mov_rr [8 16 32 64] (dst: r, src: r) "mov" = MR op(0x88).sized(W);
    mov_rm [8 16 32 64] (dst: r, src: m) "mov" = RM op(0x8A).sized(W);
    mov_mr [8 16 32 64] (dst: m, src: r) "mov" = MR op(0x88).sized(W);
    mov_ri [8 16 32 64] (dst: r, imm: i64) "mov" = MI op(0xC6).sized(W).digit(0).third(Third::MOV);
    mov_mi [8 16 32 64] (dst: m, imm: i32) "mov" = MI op(0xC6).sized(W).digit(0).third(Third::FULL);
    mov_r64_imm32 [] (dst: r64, imm: disp32) "mov" = MI op(0xC7).w().digit(0).third(Third::FULL);
    mov_r64_imm64 [] (dst: r64, imm: quad) "mov" = OI op(0xB8).w().third(Third::QUAD);
    xchg_rr [8 16 32 64] (dst: r, src: r) "xchg" = MR op(0x86).sized(W);
    xchg_mr [8 16 32 64] (dst: m, src: r) "xchg" = MR op(0x86).sized(W);
    movzx_r8 [16 32 64] (dst: r, src: r8) "movzx" = RM op_0f(0xB6).wide(W);
    movzx_m8 [16 32 64] (dst: r, src: m8) "movzx" = RM op_0f(0xB6).wide(W);
    movzx_r16 [32 64] (dst: r, src: r16) "movzx" = RM op_0f(0xB7).wide(W);
    movzx_m16 [32 64] (dst: r, src: m16) "movzx" = RM op_0f(0xB7).wide(W);
    movsx_r8 [16 32 64] (dst: r, src: r8) "movsx" = RM op_0f(0xBE).wide(W);
    movsx_m8 [16 32 64] (dst: r, src: m8) "movsx" = RM op_0f(0xBE).wide(W);
    movsx_r16 [32 64] (dst: r, src: r16) "movsx" = RM op_0f(0xBF).wide(W);
    movsx_m16 [32 64] (dst: r, src: m16) "movsx" = RM op_0f(0xBF).wide(W);
    movsxd_rr [] (dst: r64, src: r32) "movsxd" = RM op(0x63).w();
    movsxd_rm [] (dst: r64, src: m32) "movsxd" = RM op(0x63).w();
    lea [16 32 64] (dst: r, src: m0) "lea" = RM op(0x8D).wide(W);
    push_r [] (src: r64) "push" = O op(0x50);
    push_m [] (src: m64) "push" = M op(0xFF).digit(6);
    pop_r [] (dst: r64) "pop" = O op(0x58);
    pop_m [] (dst: m64) "pop" = M op(0x8F).digit(0);

    // The eight old operations: 00+8n /r and 02+8n /r; 83 /n ib, 81 /n id, 80 /n ib; 04+8n and 05+8n for the accumulator.
    add_rr [8 16 32 64] (dst: r, src: r) "add" = MR op(0x00).sized(W);
    add_rm [8 16 32 64] (dst: r, src: m) "add" = RM op(0x02).sized(W);
    add_mr [8 16 32 64] (dst: m, src: r) "add" = MR op(0x00).sized(W);
    add_ri [8 16 32 64] (dst: r, imm: i32) "add" = MI alu(0).sized(W);
    add_mi [8 16 32 64] (dst: m, imm: i32) "add" = MI alu(0).sized(W);
    or_rr [8 16 32 64] (dst: r, src: r) "or" = MR op(0x08).sized(W);
    or_rm [8 16 32 64] (dst: r, src: m) "or" = RM op(0x0A).sized(W);
    or_mr [8 16 32 64] (dst: m, src: r) "or" = MR op(0x08).sized(W);
    or_ri [8 16 32 64] (dst: r, imm: i32) "or" = MI alu(1).sized(W);
    or_mi [8 16 32 64] (dst: m, imm: i32) "or" = MI alu(1).sized(W);
    adc_rr [8 16 32 64] (dst: r, src: r) "adc" = MR op(0x10).sized(W);
    adc_rm [8 16 32 64] (dst: r, src: m) "adc" = RM op(0x12).sized(W);
    adc_mr [8 16 32 64] (dst: m, src: r) "adc" = MR op(0x10).sized(W);
    adc_ri [8 16 32 64] (dst: r, imm: i32) "adc" = MI alu(2).sized(W);
    adc_mi [8 16 32 64] (dst: m, imm: i32) "adc" = MI alu(2).sized(W);
    sbb_rr [8 16 32 64] (dst: r, src: r) "sbb" = MR op(0x18).sized(W);
    sbb_rm [8 16 32 64] (dst: r, src: m) "sbb" = RM op(0x1A).sized(W);
    sbb_mr [8 16 32 64] (dst: m, src: r) "sbb" = MR op(0x18).sized(W);
    sbb_ri [8 16 32 64] (dst: r, imm: i32) "sbb" = MI alu(3).sized(W);
    sbb_mi [8 16 32 64] (dst: m, imm: i32) "sbb" = MI alu(3).sized(W);
    and_rr [8 16 32 64] (dst: r, src: r) "and" = MR op(0x20).sized(W);
    and_rm [8 16 32 64] (dst: r, src: m) "and" = RM op(0x22).sized(W);
    and_mr [8 16 32 64] (dst: m, src: r) "and" = MR op(0x20).sized(W);
    and_ri [8 16 32 64] (dst: r, imm: i32) "and" = MI alu(4).sized(W);
    and_mi [8 16 32 64] (dst: m, imm: i32) "and" = MI alu(4).sized(W);
    sub_rr [8 16 32 64] (dst: r, src: r) "sub" = MR op(0x28).sized(W);
    sub_rm [8 16 32 64] (dst: r, src: m) "sub" = RM op(0x2A).sized(W);
    sub_mr [8 16 32 64] (dst: m, src: r) "sub" = MR op(0x28).sized(W);
    sub_ri [8 16 32 64] (dst: r, imm: i32) "sub" = MI alu(5).sized(W);
    sub_mi [8 16 32 64] (dst: m, imm: i32) "sub" = MI alu(5).sized(W);
    xor_rr [8 16 32 64] (dst: r, src: r) "xor" = MR op(0x30).sized(W);
    xor_rm [8 16 32 64] (dst: r, src: m) "xor" = RM op(0x32).sized(W);
    xor_mr [8 16 32 64] (dst: m, src: r) "xor" = MR op(0x30).sized(W);
    xor_ri [8 16 32 64] (dst: r, imm: i32) "xor" = MI alu(6).sized(W);
    xor_mi [8 16 32 64] (dst: m, imm: i32) "xor" = MI alu(6).sized(W);
    cmp_rr [8 16 32 64] (dst: r, src: r) "cmp" = MR op(0x38).sized(W);
    cmp_rm [8 16 32 64] (dst: r, src: m) "cmp" = RM op(0x3A).sized(W);
    cmp_mr [8 16 32 64] (dst: m, src: r) "cmp" = MR op(0x38).sized(W);
    cmp_ri [8 16 32 64] (dst: r, imm: i32) "cmp" = MI alu(7).sized(W);
    cmp_mi [8 16 32 64] (dst: m, imm: i32) "cmp" = MI alu(7).sized(W);
    test_rr [8 16 32 64] (dst: r, src: r) "test" = MR op(0x84).sized(W);
    test_mr [8 16 32 64] (dst: m, src: r) "test" = MR op(0x84).sized(W);
    test_ri [8 16 32 64] (dst: r, imm: i32) "test" = MI op(0xF6).sized(W).digit(0).third(Third::TEST);
    test_mi [8 16 32 64] (dst: m, imm: i32) "test" = MI op(0xF6).sized(W).digit(0).third(Third::TEST);

    // One operand: FE /0 and /1 for increment and decrement, F6 /2 to /7 for the others.
    inc_r [8 16 32 64] (dst: r) "inc" = M op(0xFE).sized(W).digit(0);
    inc_m [8 16 32 64] (dst: m) "inc" = M op(0xFE).sized(W).digit(0);
    dec_r [8 16 32 64] (dst: r) "dec" = M op(0xFE).sized(W).digit(1);
    dec_m [8 16 32 64] (dst: m) "dec" = M op(0xFE).sized(W).digit(1);
    not_r [8 16 32 64] (dst: r) "not" = M op(0xF6).sized(W).digit(2);
    not_m [8 16 32 64] (dst: m) "not" = M op(0xF6).sized(W).digit(2);
    neg_r [8 16 32 64] (dst: r) "neg" = M op(0xF6).sized(W).digit(3);
    neg_m [8 16 32 64] (dst: m) "neg" = M op(0xF6).sized(W).digit(3);
    mul_r [8 16 32 64] (dst: r) "mul" = M op(0xF6).sized(W).digit(4);
    mul_m [8 16 32 64] (dst: m) "mul" = M op(0xF6).sized(W).digit(4);
    imul1_r [8 16 32 64] (dst: r) "imul" = M op(0xF6).sized(W).digit(5);
    imul1_m [8 16 32 64] (dst: m) "imul" = M op(0xF6).sized(W).digit(5);
    div_r [8 16 32 64] (dst: r) "div" = M op(0xF6).sized(W).digit(6);
    div_m [8 16 32 64] (dst: m) "div" = M op(0xF6).sized(W).digit(6);
    idiv_r [8 16 32 64] (dst: r) "idiv" = M op(0xF6).sized(W).digit(7);
    idiv_m [8 16 32 64] (dst: m) "idiv" = M op(0xF6).sized(W).digit(7);

    // Signed multiplication: 0F AF /r; 6B /r ib and 69 /r id.
    imul_rr [16 32 64] (dst: r, src: r) "imul" = RM op_0f(0xAF).wide(W);
    imul_rm [16 32 64] (dst: r, src: m) "imul" = RM op_0f(0xAF).wide(W);
    imul_rri [16 32 64] (dst: r, src: r, imm: i32) "imul" = RMI op(0x69).wide(W).third(Third::IMUL);
    imul_rmi [16 32 64] (dst: r, src: m, imm: i32) "imul" = RMI op(0x69).wide(W).third(Third::IMUL);
    mulx [32 64] (high: r, low: r, src: r) "mulx" = RVM op_0f38(0xF6).vex().prefix(0xF2).rex_w(W);

    // Shifts and rotates: D0 /n by one, C0 /n ib, D2 /n by CL. The count is taken modulo 32, or 64.
    rol_ri [8 16 32 64] (dst: r, count: u8) "rol" = MI shift(0).sized(W);
    rol_rcl [8 16 32 64] (dst: r) "rol" = MC op(0xD2).sized(W).digit(0);
    rol_mi [8 16 32 64] (dst: m, count: u8) "rol" = MI shift(0).sized(W);
    rol_mcl [8 16 32 64] (dst: m) "rol" = MC op(0xD2).sized(W).digit(0);
    ror_ri [8 16 32 64] (dst: r, count: u8) "ror" = MI shift(1).sized(W);
    ror_rcl [8 16 32 64] (dst: r) "ror" = MC op(0xD2).sized(W).digit(1);
    ror_mi [8 16 32 64] (dst: m, count: u8) "ror" = MI shift(1).sized(W);
    ror_mcl [8 16 32 64] (dst: m) "ror" = MC op(0xD2).sized(W).digit(1);
    shl_ri [8 16 32 64] (dst: r, count: u8) "shl" = MI shift(4).sized(W);
    shl_rcl [8 16 32 64] (dst: r) "shl" = MC op(0xD2).sized(W).digit(4);
    shl_mi [8 16 32 64] (dst: m, count: u8) "shl" = MI shift(4).sized(W);
    shl_mcl [8 16 32 64] (dst: m) "shl" = MC op(0xD2).sized(W).digit(4);
    shr_ri [8 16 32 64] (dst: r, count: u8) "shr" = MI shift(5).sized(W);
    shr_rcl [8 16 32 64] (dst: r) "shr" = MC op(0xD2).sized(W).digit(5);
    shr_mi [8 16 32 64] (dst: m, count: u8) "shr" = MI shift(5).sized(W);
    shr_mcl [8 16 32 64] (dst: m) "shr" = MC op(0xD2).sized(W).digit(5);
    sar_ri [8 16 32 64] (dst: r, count: u8) "sar" = MI shift(7).sized(W);
    sar_rcl [8 16 32 64] (dst: r) "sar" = MC op(0xD2).sized(W).digit(7);
    sar_mi [8 16 32 64] (dst: m, count: u8) "sar" = MI shift(7).sized(W);
    sar_mcl [8 16 32 64] (dst: m) "sar" = MC op(0xD2).sized(W).digit(7);

    // BMI2 shifts by a register, flags untouched: VEX.LZ.66/F2/F3.0F38 F7 /r; rorx VEX.LZ.F2.0F3A F0 /r ib.
    shlx_rr [32 64] (dst: r, src: r, count: r) "shlx" = RMV op_0f38(0xF7).vex().prefix(0x66).rex_w(W);
    shlx_mr [32 64] (dst: r, src: m, count: r) "shlx" = RMV op_0f38(0xF7).vex().prefix(0x66).rex_w(W);
    shrx_rr [32 64] (dst: r, src: r, count: r) "shrx" = RMV op_0f38(0xF7).vex().prefix(0xF2).rex_w(W);
    shrx_mr [32 64] (dst: r, src: m, count: r) "shrx" = RMV op_0f38(0xF7).vex().prefix(0xF2).rex_w(W);
    sarx_rr [32 64] (dst: r, src: r, count: r) "sarx" = RMV op_0f38(0xF7).vex().prefix(0xF3).rex_w(W);
    sarx_mr [32 64] (dst: r, src: m, count: r) "sarx" = RMV op_0f38(0xF7).vex().prefix(0xF3).rex_w(W);
    rorx [32 64] (dst: r, src: r, count: u8) "rorx" = RMI op_0f3a(0xF0).vex().prefix(0xF2).rex_w(W).third(Third::BYTE);

    // Bits: 0F A3 /r and 0F BA /4 ib to test; 0F BC, 0F BD; F3 0F BC, F3 0F BD, F3 0F B8 (BMI1, LZCNT, POPCNT).
    bt_rr [16 32 64] (dst: r, src: r) "bt" = MR op_0f(0xA3).wide(W);
    bt_ri [16 32 64] (dst: r, bit: u8) "bt" = MI op_0f(0xBA).wide(W).digit(4).third(Third::BYTE);
    bsf_rr [16 32 64] (dst: r, src: r) "bsf" = RM op_0f(0xBC).wide(W);
    bsr_rr [16 32 64] (dst: r, src: r) "bsr" = RM op_0f(0xBD).wide(W);
    tzcnt_rr [16 32 64] (dst: r, src: r) "tzcnt" = RM op_0f(0xBC).prefix(0xF3).wide(W);
    lzcnt_rr [16 32 64] (dst: r, src: r) "lzcnt" = RM op_0f(0xBD).prefix(0xF3).wide(W);
    popcnt_rr [16 32 64] (dst: r, src: r) "popcnt" = RM op_0f(0xB8).prefix(0xF3).wide(W);

    // By condition: 0F 90+cc, 0F 40+cc /r.
    setcc_r [] (cond: cc, dst: r8) "set" = CM op_0f(0x90);
    setcc_m [] (cond: cc, dst: m8) "set" = CM op_0f(0x90);
    cmovcc_rr [16 32 64] (cond: cc, dst: r, src: r) "cmov" = CRM op_0f(0x40).wide(W);
    cmovcc_rm [16 32 64] (cond: cc, dst: r, src: m) "cmov" = CRM op_0f(0x40).wide(W);

    // Control, and what has no operand.
    jmp_r [] (target: r64) "jmp" = M op(0xFF).digit(4);
    jmp_m [] (target: m64) "jmp" = M op(0xFF).digit(4);
    call_r [] (target: r64) "call" = M op(0xFF).digit(2);
    call_m [] (target: m64) "call" = M op(0xFF).digit(2);
    ret [] () "ret" = ZO op(0xC3);
    leave [] () "leave" = ZO op(0xC9);
    syscall [] () "syscall" = ZO op_0f(0x05);
    int3 [] () "int3" = ZO op(0xCC);
    ud2 [] () "ud2" = ZO op_0f(0x0B);
    cdq [] () "cdq" = ZO op(0x99);
    cqo [] () "cqo" = ZO op(0x99).w();
    vzeroupper [] () "vzeroupper" = ZO op_0f(0x77).vex();

    // SSE2 moves. 0F 10/11, 0F 28/29, 0F 6F/7F, 0F 12/13, 0F 6E/7E.
    movsd_xx [] (dst: x, src: x) "movsd" = RM op_0f(0x10).prefix(0xF2);
    movsd_xm [] (dst: x, src: m64) "movsd" = RM op_0f(0x10).prefix(0xF2);
    movsd_mx [] (dst: m64, src: x) "movsd" = MR op_0f(0x11).prefix(0xF2);
    movss_xx [] (dst: x, src: x) "movss" = RM op_0f(0x10).prefix(0xF3);
    movss_xm [] (dst: x, src: m32) "movss" = RM op_0f(0x10).prefix(0xF3);
    movss_mx [] (dst: m32, src: x) "movss" = MR op_0f(0x11).prefix(0xF3);
    movlpd_xm [] (dst: x, src: m64) "movlpd" = RM op_0f(0x12).prefix(0x66);
    movlpd_mx [] (dst: m64, src: x) "movlpd" = MR op_0f(0x13).prefix(0x66);
    movhpd_xm [] (dst: x, src: m64) "movhpd" = RM op_0f(0x16).prefix(0x66);
    movhpd_mx [] (dst: m64, src: x) "movhpd" = MR op_0f(0x17).prefix(0x66);
    movaps_xx [] (dst: x, src: x) "movaps" = RM op_0f(0x28);
    movaps_xm [] (dst: x, src: m128) "movaps" = RM op_0f(0x28);
    movaps_mx [] (dst: m128, src: x) "movaps" = MR op_0f(0x29);
    movapd_xx [] (dst: x, src: x) "movapd" = RM op_0f(0x28).prefix(0x66);
    movapd_xm [] (dst: x, src: m128) "movapd" = RM op_0f(0x28).prefix(0x66);
    movapd_mx [] (dst: m128, src: x) "movapd" = MR op_0f(0x29).prefix(0x66);
    movups_xx [] (dst: x, src: x) "movups" = RM op_0f(0x10);
    movups_xm [] (dst: x, src: m128) "movups" = RM op_0f(0x10);
    movups_mx [] (dst: m128, src: x) "movups" = MR op_0f(0x11);
    movupd_xx [] (dst: x, src: x) "movupd" = RM op_0f(0x10).prefix(0x66);
    movupd_xm [] (dst: x, src: m128) "movupd" = RM op_0f(0x10).prefix(0x66);
    movupd_mx [] (dst: m128, src: x) "movupd" = MR op_0f(0x11).prefix(0x66);
    movdqa_xx [] (dst: x, src: x) "movdqa" = RM op_0f(0x6F).prefix(0x66);
    movdqa_xm [] (dst: x, src: m128) "movdqa" = RM op_0f(0x6F).prefix(0x66);
    movdqa_mx [] (dst: m128, src: x) "movdqa" = MR op_0f(0x7F).prefix(0x66);
    movdqu_xx [] (dst: x, src: x) "movdqu" = RM op_0f(0x6F).prefix(0xF3);
    movdqu_xm [] (dst: x, src: m128) "movdqu" = RM op_0f(0x6F).prefix(0xF3);
    movdqu_mx [] (dst: m128, src: x) "movdqu" = MR op_0f(0x7F).prefix(0xF3);
    movd_xr [] (dst: x, src: r32) "movd" = RM op_0f(0x6E).prefix(0x66);
    movd_rx [] (dst: r32, src: x) "movd" = MR op_0f(0x7E).prefix(0x66);
    movq_xr [] (dst: x, src: r64) "movq" = RM op_0f(0x6E).prefix(0x66).w();
    movq_rx [] (dst: r64, src: x) "movq" = MR op_0f(0x7E).prefix(0x66).w();

    // SSE2 floating point: F2 scalar, 66 packed double precision.
    addsd_xx [] (dst: x, src: x) "addsd" = RM op_0f(0x58).prefix(0xF2);
    addsd_xm [] (dst: x, src: m64) "addsd" = RM op_0f(0x58).prefix(0xF2);
    addpd_xx [] (dst: x, src: x) "addpd" = RM op_0f(0x58).prefix(0x66);
    addpd_xm [] (dst: x, src: m128) "addpd" = RM op_0f(0x58).prefix(0x66);
    mulsd_xx [] (dst: x, src: x) "mulsd" = RM op_0f(0x59).prefix(0xF2);
    mulsd_xm [] (dst: x, src: m64) "mulsd" = RM op_0f(0x59).prefix(0xF2);
    mulpd_xx [] (dst: x, src: x) "mulpd" = RM op_0f(0x59).prefix(0x66);
    mulpd_xm [] (dst: x, src: m128) "mulpd" = RM op_0f(0x59).prefix(0x66);
    subsd_xx [] (dst: x, src: x) "subsd" = RM op_0f(0x5C).prefix(0xF2);
    subsd_xm [] (dst: x, src: m64) "subsd" = RM op_0f(0x5C).prefix(0xF2);
    subpd_xx [] (dst: x, src: x) "subpd" = RM op_0f(0x5C).prefix(0x66);
    subpd_xm [] (dst: x, src: m128) "subpd" = RM op_0f(0x5C).prefix(0x66);
    minsd_xx [] (dst: x, src: x) "minsd" = RM op_0f(0x5D).prefix(0xF2);
    minsd_xm [] (dst: x, src: m64) "minsd" = RM op_0f(0x5D).prefix(0xF2);
    minpd_xx [] (dst: x, src: x) "minpd" = RM op_0f(0x5D).prefix(0x66);
    minpd_xm [] (dst: x, src: m128) "minpd" = RM op_0f(0x5D).prefix(0x66);
    divsd_xx [] (dst: x, src: x) "divsd" = RM op_0f(0x5E).prefix(0xF2);
    divsd_xm [] (dst: x, src: m64) "divsd" = RM op_0f(0x5E).prefix(0xF2);
    divpd_xx [] (dst: x, src: x) "divpd" = RM op_0f(0x5E).prefix(0x66);
    divpd_xm [] (dst: x, src: m128) "divpd" = RM op_0f(0x5E).prefix(0x66);
    maxsd_xx [] (dst: x, src: x) "maxsd" = RM op_0f(0x5F).prefix(0xF2);
    maxsd_xm [] (dst: x, src: m64) "maxsd" = RM op_0f(0x5F).prefix(0xF2);
    maxpd_xx [] (dst: x, src: x) "maxpd" = RM op_0f(0x5F).prefix(0x66);
    maxpd_xm [] (dst: x, src: m128) "maxpd" = RM op_0f(0x5F).prefix(0x66);
    sqrtsd_xx [] (dst: x, src: x) "sqrtsd" = RM op_0f(0x51).prefix(0xF2);
    sqrtsd_xm [] (dst: x, src: m64) "sqrtsd" = RM op_0f(0x51).prefix(0xF2);
    sqrtpd_xx [] (dst: x, src: x) "sqrtpd" = RM op_0f(0x51).prefix(0x66);
    sqrtpd_xm [] (dst: x, src: m128) "sqrtpd" = RM op_0f(0x51).prefix(0x66);
    andpd_xx [] (dst: x, src: x) "andpd" = RM op_0f(0x54).prefix(0x66);
    andpd_xm [] (dst: x, src: m128) "andpd" = RM op_0f(0x54).prefix(0x66);
    andnpd_xx [] (dst: x, src: x) "andnpd" = RM op_0f(0x55).prefix(0x66);
    andnpd_xm [] (dst: x, src: m128) "andnpd" = RM op_0f(0x55).prefix(0x66);
    orpd_xx [] (dst: x, src: x) "orpd" = RM op_0f(0x56).prefix(0x66);
    orpd_xm [] (dst: x, src: m128) "orpd" = RM op_0f(0x56).prefix(0x66);
    xorpd_xx [] (dst: x, src: x) "xorpd" = RM op_0f(0x57).prefix(0x66);
    xorpd_xm [] (dst: x, src: m128) "xorpd" = RM op_0f(0x57).prefix(0x66);
    unpcklpd_xx [] (dst: x, src: x) "unpcklpd" = RM op_0f(0x14).prefix(0x66);
    unpcklpd_xm [] (dst: x, src: m128) "unpcklpd" = RM op_0f(0x14).prefix(0x66);
    unpckhpd_xx [] (dst: x, src: x) "unpckhpd" = RM op_0f(0x15).prefix(0x66);
    unpckhpd_xm [] (dst: x, src: m128) "unpckhpd" = RM op_0f(0x15).prefix(0x66);
    ucomisd_xx [] (dst: x, src: x) "ucomisd" = RM op_0f(0x2E).prefix(0x66);
    ucomisd_xm [] (dst: x, src: m64) "ucomisd" = RM op_0f(0x2E).prefix(0x66);
    cvtsi2sd_xr [32 64] (dst: x, src: r) "cvtsi2sd" = RM op_0f(0x2A).prefix(0xF2).rex_w(W);
    cvtsi2sd_xm [32 64] (dst: x, src: m) "cvtsi2sd" = RM op_0f(0x2A).prefix(0xF2).rex_w(W);
    cvttsd2si_rx [32 64] (dst: r, src: x) "cvttsd2si" = RM op_0f(0x2C).prefix(0xF2).rex_w(W);
    cvtsd2si_rx [32 64] (dst: r, src: x) "cvtsd2si" = RM op_0f(0x2D).prefix(0xF2).rex_w(W);

    // SSE2 integers, and SSSE3 pshufb: 66 0F and 66 0F38.
    pcmpeqb_xx [] (dst: x, src: x) "pcmpeqb" = RM op_0f(0x74).prefix(0x66);
    pcmpeqb_xm [] (dst: x, src: m128) "pcmpeqb" = RM op_0f(0x74).prefix(0x66);
    pcmpeqw_xx [] (dst: x, src: x) "pcmpeqw" = RM op_0f(0x75).prefix(0x66);
    pcmpeqw_xm [] (dst: x, src: m128) "pcmpeqw" = RM op_0f(0x75).prefix(0x66);
    pcmpeqd_xx [] (dst: x, src: x) "pcmpeqd" = RM op_0f(0x76).prefix(0x66);
    pcmpeqd_xm [] (dst: x, src: m128) "pcmpeqd" = RM op_0f(0x76).prefix(0x66);
    pand_xx [] (dst: x, src: x) "pand" = RM op_0f(0xDB).prefix(0x66);
    pand_xm [] (dst: x, src: m128) "pand" = RM op_0f(0xDB).prefix(0x66);
    pandn_xx [] (dst: x, src: x) "pandn" = RM op_0f(0xDF).prefix(0x66);
    pandn_xm [] (dst: x, src: m128) "pandn" = RM op_0f(0xDF).prefix(0x66);
    por_xx [] (dst: x, src: x) "por" = RM op_0f(0xEB).prefix(0x66);
    por_xm [] (dst: x, src: m128) "por" = RM op_0f(0xEB).prefix(0x66);
    pxor_xx [] (dst: x, src: x) "pxor" = RM op_0f(0xEF).prefix(0x66);
    pxor_xm [] (dst: x, src: m128) "pxor" = RM op_0f(0xEF).prefix(0x66);
    paddb_xx [] (dst: x, src: x) "paddb" = RM op_0f(0xFC).prefix(0x66);
    paddb_xm [] (dst: x, src: m128) "paddb" = RM op_0f(0xFC).prefix(0x66);
    paddw_xx [] (dst: x, src: x) "paddw" = RM op_0f(0xFD).prefix(0x66);
    paddw_xm [] (dst: x, src: m128) "paddw" = RM op_0f(0xFD).prefix(0x66);
    paddd_xx [] (dst: x, src: x) "paddd" = RM op_0f(0xFE).prefix(0x66);
    paddd_xm [] (dst: x, src: m128) "paddd" = RM op_0f(0xFE).prefix(0x66);
    paddq_xx [] (dst: x, src: x) "paddq" = RM op_0f(0xD4).prefix(0x66);
    paddq_xm [] (dst: x, src: m128) "paddq" = RM op_0f(0xD4).prefix(0x66);
    psubb_xx [] (dst: x, src: x) "psubb" = RM op_0f(0xF8).prefix(0x66);
    psubb_xm [] (dst: x, src: m128) "psubb" = RM op_0f(0xF8).prefix(0x66);
    psubw_xx [] (dst: x, src: x) "psubw" = RM op_0f(0xF9).prefix(0x66);
    psubw_xm [] (dst: x, src: m128) "psubw" = RM op_0f(0xF9).prefix(0x66);
    psubd_xx [] (dst: x, src: x) "psubd" = RM op_0f(0xFA).prefix(0x66);
    psubd_xm [] (dst: x, src: m128) "psubd" = RM op_0f(0xFA).prefix(0x66);
    psubq_xx [] (dst: x, src: x) "psubq" = RM op_0f(0xFB).prefix(0x66);
    psubq_xm [] (dst: x, src: m128) "psubq" = RM op_0f(0xFB).prefix(0x66);
    pminub_xx [] (dst: x, src: x) "pminub" = RM op_0f(0xDA).prefix(0x66);
    pminub_xm [] (dst: x, src: m128) "pminub" = RM op_0f(0xDA).prefix(0x66);
    pmaxub_xx [] (dst: x, src: x) "pmaxub" = RM op_0f(0xDE).prefix(0x66);
    pmaxub_xm [] (dst: x, src: m128) "pmaxub" = RM op_0f(0xDE).prefix(0x66);
    punpcklbw_xx [] (dst: x, src: x) "punpcklbw" = RM op_0f(0x60).prefix(0x66);
    punpcklbw_xm [] (dst: x, src: m128) "punpcklbw" = RM op_0f(0x60).prefix(0x66);
    punpcklwd_xx [] (dst: x, src: x) "punpcklwd" = RM op_0f(0x61).prefix(0x66);
    punpcklwd_xm [] (dst: x, src: m128) "punpcklwd" = RM op_0f(0x61).prefix(0x66);
    punpckldq_xx [] (dst: x, src: x) "punpckldq" = RM op_0f(0x62).prefix(0x66);
    punpckldq_xm [] (dst: x, src: m128) "punpckldq" = RM op_0f(0x62).prefix(0x66);
    punpcklqdq_xx [] (dst: x, src: x) "punpcklqdq" = RM op_0f(0x6C).prefix(0x66);
    punpcklqdq_xm [] (dst: x, src: m128) "punpcklqdq" = RM op_0f(0x6C).prefix(0x66);
    pshufb_xx [] (dst: x, src: x) "pshufb" = RM op_0f38(0x00).prefix(0x66);
    pshufb_xm [] (dst: x, src: m128) "pshufb" = RM op_0f38(0x00).prefix(0x66);
    pshufd [] (dst: x, src: x, order: u8) "pshufd" = RMI op_0f(0x70).prefix(0x66).third(Third::BYTE);
    pmovmskb [] (dst: r32, src: x) "pmovmskb" = RM op_0f(0xD7).prefix(0x66);

    // AVX and AVX2, 256 bits: VEX.256.66.0F and VEX.256.66.0F38; vmovdqu with F3.
    vmovdqu_ym [] (dst: y, src: m256) "vmovdqu" = RM op_0f(0x6F).vex().prefix(0xF3);
    vmovdqu_my [] (dst: m256, src: y) "vmovdqu" = MR op_0f(0x7F).vex().prefix(0xF3);
    vmovdqa_yy [] (dst: y, src: y) "vmovdqa" = RM op_0f(0x6F).vex().prefix(0x66);
    vpcmpeqb_yyy [] (dst: y, a: y, b: y) "vpcmpeqb" = RVM op_0f(0x74).vex().prefix(0x66);
    vpcmpeqb_yym [] (dst: y, a: y, b: m256) "vpcmpeqb" = RVM op_0f(0x74).vex().prefix(0x66);
    vpcmpeqw_yyy [] (dst: y, a: y, b: y) "vpcmpeqw" = RVM op_0f(0x75).vex().prefix(0x66);
    vpcmpeqw_yym [] (dst: y, a: y, b: m256) "vpcmpeqw" = RVM op_0f(0x75).vex().prefix(0x66);
    vpcmpeqd_yyy [] (dst: y, a: y, b: y) "vpcmpeqd" = RVM op_0f(0x76).vex().prefix(0x66);
    vpcmpeqd_yym [] (dst: y, a: y, b: m256) "vpcmpeqd" = RVM op_0f(0x76).vex().prefix(0x66);
    vpand_yyy [] (dst: y, a: y, b: y) "vpand" = RVM op_0f(0xDB).vex().prefix(0x66);
    vpand_yym [] (dst: y, a: y, b: m256) "vpand" = RVM op_0f(0xDB).vex().prefix(0x66);
    vpandn_yyy [] (dst: y, a: y, b: y) "vpandn" = RVM op_0f(0xDF).vex().prefix(0x66);
    vpandn_yym [] (dst: y, a: y, b: m256) "vpandn" = RVM op_0f(0xDF).vex().prefix(0x66);
    vpor_yyy [] (dst: y, a: y, b: y) "vpor" = RVM op_0f(0xEB).vex().prefix(0x66);
    vpor_yym [] (dst: y, a: y, b: m256) "vpor" = RVM op_0f(0xEB).vex().prefix(0x66);
    vpxor_yyy [] (dst: y, a: y, b: y) "vpxor" = RVM op_0f(0xEF).vex().prefix(0x66);
    vpxor_yym [] (dst: y, a: y, b: m256) "vpxor" = RVM op_0f(0xEF).vex().prefix(0x66);
    vpaddb_yyy [] (dst: y, a: y, b: y) "vpaddb" = RVM op_0f(0xFC).vex().prefix(0x66);
    vpaddb_yym [] (dst: y, a: y, b: m256) "vpaddb" = RVM op_0f(0xFC).vex().prefix(0x66);
    vpsubb_yyy [] (dst: y, a: y, b: y) "vpsubb" = RVM op_0f(0xF8).vex().prefix(0x66);
    vpsubb_yym [] (dst: y, a: y, b: m256) "vpsubb" = RVM op_0f(0xF8).vex().prefix(0x66);
    vpmovmskb [] (dst: r32, src: y) "vpmovmskb" = RM op_0f(0xD7).vex().prefix(0x66);
    vptest_yy [] (dst: y, src: y) "vptest" = RM op_0f38(0x17).vex().prefix(0x66);
    vpbroadcastb_yx [] (dst: y, src: x) "vpbroadcastb" = RM op_0f38(0x78).vex().prefix(0x66);
    vpbroadcastb_ym [] (dst: y, src: m8) "vpbroadcastb" = RM op_0f38(0x78).vex().prefix(0x66);
    vpbroadcastw_yx [] (dst: y, src: x) "vpbroadcastw" = RM op_0f38(0x79).vex().prefix(0x66);
    vpbroadcastw_ym [] (dst: y, src: m16) "vpbroadcastw" = RM op_0f38(0x79).vex().prefix(0x66);
    vpbroadcastd_yx [] (dst: y, src: x) "vpbroadcastd" = RM op_0f38(0x58).vex().prefix(0x66);
    vpbroadcastd_ym [] (dst: y, src: m32) "vpbroadcastd" = RM op_0f38(0x58).vex().prefix(0x66);
}

impl Asm<'_> {
    /// `endbr64` (F3 0F 1E FA): where an indirect branch may land.
    pub const fn endbr64(&mut self) -> &mut Self {
        self.put(0xFA_1E_0F_F3, 4, const { op(0x1E).named("endbr64") }, [0; 3])
    }

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
        let plain = const { op(0x90).named("nop") };
        let form = match size {
            1 | 2 => plain,
            6 | 9.. => plain.rm(Mem::<16>::KIND),
            _ => plain.rm(Mem::<32>::KIND),
        };
        let base = Address::base(0);
        let operand = match size {
            3 | 4 | 7 => base,
            _ => base.index(0, Scale::X1),
        };
        let size = if size > 9 { 9 } else { size as u32 };
        self.put(nop, size, form, [0, operand.packed(), 0])
    }
}

/// An opcode of the one-byte map.
const fn op(opcode: u8) -> Form {
    Form::op(opcode)
}

/// An opcode behind `0F`.
const fn op_0f(opcode: u8) -> Form {
    op(opcode).map(1)
}

/// An opcode behind `0F 38`.
const fn op_0f38(opcode: u8) -> Form {
    op(opcode).map(2)
}

/// An opcode behind `0F 3A`.
const fn op_0f3a(opcode: u8) -> Form {
    op(opcode).map(3)
}

/// Operation `n` of the eight with an immediate.
const fn alu(n: u8) -> Form {
    op(0x80).digit(n).third(Third::ALU)
}

/// Shift or rotation `n` of the eight by a count.
const fn shift(n: u8) -> Form {
    op(0xC0).digit(n).third(Third::COUNT)
}
