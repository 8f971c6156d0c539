//! The function that everyone emits, once for each.

use barejit_asm::{self as asm, Asm, Cond, Gpr64, Scale, address, byte, qword};
use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler, dynasm, x64::X64Relocation};
use iced_x86::{
    Code, IcedError, Instruction, Register,
    code_asm::{self as iced, AsmRegister64, CodeAssembler},
};

/// Instructions in the function.
pub const INSTRUCTIONS: usize = 28;
/// Its bytes.
pub const SIZE: usize = 123;

/// Registers, displacements and immediates. They are wide, so that nobody
/// profits from not looking for shorter encodings.
#[derive(Clone, Copy)]
pub struct Operands {
    /// Sum, pointers in and out, index, term, key, scratch.
    pub sum: Gpr64,
    pub input: Gpr64,
    pub output: Gpr64,
    pub index: Gpr64,
    pub term: Gpr64,
    pub key: Gpr64,
    pub scratch: Gpr64,
    pub disp: i32,
    pub imm: i32,
}

/// The operands of the function with constant operands.
pub const CONSTANT: Operands = Operands {
    sum: asm::RAX,
    input: asm::RDI,
    output: asm::RSI,
    index: asm::R10,
    term: asm::RDX,
    key: asm::R8,
    scratch: asm::R9,
    disp: 0x1234,
    imm: 100_003,
};

#[inline(always)]
pub const fn barejit(a: &mut Asm<'_>, o: &Operands) {
    let Operands { sum, input, output, index, term, key, scratch, disp, imm } = *o;
    let skip = a.label();
    a.push_r(asm::RBX).mov_rm(key, qword(input).disp(disp)).mov_rr(sum, key).mov_ri(index, imm as i64);
    let top = a.here();
    a.movzx_m8(term, byte(input).index(index, Scale::X1).disp(disp))
        .add_rr(term, key)
        .imul_rri(term, term, imm)
        .xor_rr(sum, term)
        .mov_mr(qword(output).index(index, Scale::X8).disp(disp), sum)
        .mov_rr(scratch, sum)
        .shr_ri(scratch, 7)
        .add_rr(sum, scratch)
        .cmp_ri(term, imm)
        .jcc_short(Cond::L, skip)
        .lea(sum, address(sum).index(term, Scale::X4).disp(disp))
        .neg_r(sum)
        .sub_rr(key, term)
        .bind(skip)
        .sub_ri(index, 1)
        .jcc_short(Cond::Ne, top)
        .mov_mr(qword(output).disp(disp), sum)
        .add_mi(qword(input).disp(disp), imm)
        .and_rr(term, sum)
        .or_rr(sum, term)
        .test_rr(sum, sum)
        .setcc_r(Cond::E, asm::CL)
        .movzx_r8(asm::RCX, asm::CL)
        .pop_r(asm::RBX)
        .ret();
}

pub fn iced(a: &mut CodeAssembler, o: &Operands) -> Result<(), IcedError> {
    const REGISTERS: [AsmRegister64; 16] = {
        use iced::*;
        [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15]
    };
    let register = |register: Gpr64| REGISTERS[usize::from(register.number())];
    let (sum, input, output) = (register(o.sum), register(o.input), register(o.output));
    let (index, term) = (register(o.index), register(o.term));
    let (key, scratch) = (register(o.key), register(o.scratch));
    let Operands { disp, imm, .. } = *o;
    let (mut top, mut skip) = (a.create_label(), a.create_label());
    a.push(iced::rbx)?;
    a.mov(key, iced::qword_ptr(input + disp))?;
    a.mov(sum, key)?;
    // Its `mov` would take ten bytes.
    a.add_instruction(Instruction::with2(Code::Mov_rm64_imm32, Register::from(index), imm)?)?;
    a.set_label(&mut top)?;
    a.movzx(term, iced::byte_ptr(input + index + disp))?;
    a.add(term, key)?;
    a.imul_3(term, term, imm)?;
    a.xor(sum, term)?;
    a.mov(iced::qword_ptr(output + index * 8 + disp), sum)?;
    a.mov(scratch, sum)?;
    a.shr(scratch, 7)?;
    a.add(sum, scratch)?;
    a.cmp(term, imm)?;
    a.jl(skip)?;
    a.lea(sum, iced::ptr(sum + term * 4 + disp))?;
    a.neg(sum)?;
    a.sub(key, term)?;
    a.set_label(&mut skip)?;
    a.sub(index, 1)?;
    a.jne(top)?;
    a.mov(iced::qword_ptr(output + disp), sum)?;
    a.add(iced::qword_ptr(input + disp), imm)?;
    a.and(term, sum)?;
    a.or(sum, term)?;
    a.test(sum, sum)?;
    a.sete(iced::cl)?;
    a.movzx(iced::rcx, iced::cl)?;
    a.pop(iced::rbx)?;
    a.ret()
}

pub fn dynasm_constant(ops: &mut VecAssembler<X64Relocation>) {
    let (top, skip) = (ops.new_dynamic_label(), ops.new_dynamic_label());
    dynasm!(ops
        ; .arch x64
        ; push rbx
        ; mov r8, [rdi + 0x1234]
        ; mov rax, r8
        ; mov r10, 100_003
        ; =>top
        ; movzx rdx, BYTE [rdi + r10 + 0x1234]
        ; add rdx, r8
        ; imul rdx, rdx, 100_003
        ; xor rax, rdx
        ; mov [rsi + r10 * 8 + 0x1234], rax
        ; mov r9, rax
        ; shr r9, 7
        ; add rax, r9
        ; cmp rdx, 100_003
        ; jl BYTE =>skip
        ; lea rax, [rax + rdx * 4 + 0x1234]
        ; neg rax
        ; sub r8, rdx
        ; =>skip
        ; sub r10, BYTE 1
        ; jne BYTE =>top
        ; mov [rsi + 0x1234], rax
        ; add QWORD [rdi + 0x1234], 100_003
        ; and rdx, rax
        ; or rax, rdx
        ; test rax, rax
        ; sete cl
        ; movzx rcx, cl
        ; pop rbx
        ; ret
    );
}

#[allow(clippy::useless_conversion, reason = "the macro's own")]
pub fn dynasm(ops: &mut VecAssembler<X64Relocation>, o: &Operands) {
    let (top, skip) = (ops.new_dynamic_label(), ops.new_dynamic_label());
    let (sum, input, output) = (o.sum.number(), o.input.number(), o.output.number());
    let (index, term) = (o.index.number(), o.term.number());
    let (key, scratch) = (o.key.number(), o.scratch.number());
    let Operands { disp, imm, .. } = *o;
    dynasm!(ops
        ; .arch x64
        ; push rbx
        ; mov Rq(key), [Rq(input) + disp]
        ; mov Rq(sum), Rq(key)
        ; mov Rq(index), imm
        ; =>top
        ; movzx Rq(term), BYTE [Rq(input) + Rq(index) + disp]
        ; add Rq(term), Rq(key)
        ; imul Rq(term), Rq(term), imm
        ; xor Rq(sum), Rq(term)
        ; mov [Rq(output) + Rq(index) * 8 + disp], Rq(sum)
        ; mov Rq(scratch), Rq(sum)
        ; shr Rq(scratch), 7
        ; add Rq(sum), Rq(scratch)
        ; cmp Rq(term), imm
        ; jl BYTE =>skip
        ; lea Rq(sum), [Rq(sum) + Rq(term) * 4 + disp]
        ; neg Rq(sum)
        ; sub Rq(key), Rq(term)
        ; =>skip
        ; sub Rq(index), BYTE 1
        ; jne BYTE =>top
        ; mov [Rq(output) + disp], Rq(sum)
        ; add QWORD [Rq(input) + disp], imm
        ; and Rq(term), Rq(sum)
        ; or Rq(sum), Rq(term)
        ; test Rq(sum), Rq(sum)
        ; sete cl
        ; movzx rcx, cl
        ; pop rbx
        ; ret
    );
}
