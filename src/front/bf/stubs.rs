//! The stack frame of generated code, its prologue and epilogue, and the routines for
//! output and input that all of it calls.
//!
//! ```text
//! rbx            the data pointer
//! rax rcx rdx    scratch
//! the others     cells
//!
//! rsp      context                 rsp is a multiple of 16 here
//! rsp+8    address of cell 0
//! rsp+16   unused
//! rsp+24   r15 r14 r13 r12 rbx rbp, return address
//! ```

use super::abi::{CALL_BACK_FAILED, END, ENDED, FILL, FLUSH, INPUT, NEXT, OUTPUT, TAPE};
use super::{Eof, Options};
use barejit_asm::*;

/// The labels of the shared routines.
#[derive(Clone, Copy)]
pub(super) struct Stubs {
    /// Outputs AL. Keeps all registers but RCX and RDX.
    pub(super) put: Label,
    /// Inputs a byte into EAX, which holds the cell's value before. Keeps all registers but
    /// RCX and RDX.
    pub(super) get: Label,
    /// Ends the program with the status in RAX.
    pub(super) leave: Label,
}

/// Caller-saved registers that the routines keep.
const SAVED: [Gpr64; 7] = [RSI, RDI, R8, R9, R10, R11, RAX];
/// Callee-saved registers.
const KEPT: [Gpr64; 6] = [RBP, RBX, R12, R13, R14, R15];
const FRAME: i32 = 24;
/// Offset from RSP of the address of cell 0.
pub(super) const TAPE_START: i32 = 8;

/// Emits the prologue, the epilogue and the shared routines. The program comes next.
pub(super) fn enter(a: &mut Asm<'_>, options: &Options) -> Stubs {
    a.endbr64();
    for register in KEPT {
        a.push_r(register);
    }
    a.sub_ri(RSP, FRAME).mov_mr(qword(RSP), RSI).mov_rr(RBX, RDI);
    a.mov_rm(RAX, qword(RSI).disp(TAPE)).mov_mr(qword(RSP).disp(TAPE_START), RAX);
    let program = a.label();
    a.jmp(program);
    let leave = a.here();
    a.add_ri(RSP, FRAME);
    for register in KEPT.iter().rev() {
        a.pop_r(*register);
    }
    a.ret();
    // Both routines come here with their return address on the stack.
    let fail = a.here();
    a.add_ri(RSP, 8).mov_ri(EAX, CALL_BACK_FAILED as i64).jmp(leave);
    let put = put(a, options, fail);
    let get = get(a, options, fail);
    a.bind(program);
    Stubs { put, get, leave }
}

fn put(a: &mut Asm<'_>, options: &Options, fail: Label) -> Label {
    let flush = a.label();
    let put = a.here();
    a.mov_rm(RCX, qword(RSP).disp(8)).mov_rm(RCX, qword(RCX).disp(OUTPUT));
    let (next, end) = (qword(RCX).disp(NEXT), qword(RCX).disp(END));
    a.mov_rm(RDX, next).mov_mr(byte(RDX), AL).add_ri(RDX, 1).mov_mr(next, RDX);
    a.cmp_rm(RDX, end).jcc_short(Cond::E, flush);
    if options.lines {
        a.cmp_ri(AL, b'\n' as i32).jcc_short(Cond::E, flush);
    }
    a.ret().bind(flush);
    call_back(a, FLUSH);
    a.jcc(Cond::Ne, fail).ret();
    put
}

fn get(a: &mut Asm<'_>, options: &Options, fail: Label) -> Label {
    let (fill, ended) = (a.label(), a.label());
    let get = a.here();
    a.mov_rm(RCX, qword(RSP).disp(8)).mov_rm(RCX, qword(RCX).disp(INPUT));
    let (next, end) = (qword(RCX).disp(NEXT), qword(RCX).disp(END));
    a.mov_rm(RDX, next).cmp_rm(RDX, end).jcc_short(Cond::E, fill);
    a.movzx_m8(EAX, byte(RDX)).add_ri(RDX, 1).mov_mr(next, RDX).ret();
    a.bind(fill);
    call_back(a, FILL);
    a.jcc(Cond::E, get);
    a.cmp_ri(ECX, ENDED as i32).jcc_short(Cond::E, ended).jmp(fail).bind(ended);
    match options.eof {
        Eof::Unchanged => {}
        Eof::Zero => {
            a.xor_rr(EAX, EAX);
        }
        Eof::MinusOne => {
            a.or_ri(EAX, -1);
        }
    }
    a.ret();
    get
}

/// Calls the call-back in this field of the context; its result is in ECX and tested.
fn call_back(a: &mut Asm<'_>, field: i32) {
    for register in SAVED {
        a.push_r(register);
    }
    // Eight words since the program: rsp is a multiple of 16.
    a.mov_rm(RDI, qword(RSP).disp(64)).call_m(qword(RDI).disp(field)).mov_rr(ECX, EAX);
    for register in SAVED.iter().rev() {
        a.pop_r(*register);
    }
    a.test_rr(ECX, ECX);
}
