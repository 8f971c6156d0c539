//! The frame of generated code, and the two routines that all of it shares.
//!
//! ```text
//! rbx            the base
//! rax rcx rdx    scratch
//! the others     cells, or nothing
//!
//! rsp      context                 rsp is a multiple of 16 here
//! rsp+8    address of cell 0
//! rsp+16   unused
//! rsp+24   r15 r14 r13 r12 rbx rbp, return address
//! ```

use super::abi::{BROKEN, ENDED, FILL, FLUSH, INPUT, OUTPUT, TAPE};
use super::{Eof, Options};
use barejit_asm::*;

/// Where generated code finds its shared parts.
#[derive(Clone, Copy)]
pub(super) struct Stubs {
    /// Puts AL; keeps all registers but the scratch ones, and of these RAX.
    pub(super) put: Label,
    /// Gets a byte into EAX, which must hold the cell; keeps the others likewise.
    pub(super) get: Label,
    /// Ends the program with the status in RAX.
    pub(super) leave: Label,
}

/// What a call may destroy and the stubs must keep.
const SAVED: [Gpr64; 7] = [RSI, RDI, R8, R9, R10, R11, RAX];
const KEPT: [Gpr64; 6] = [RBP, RBX, R12, R13, R14, R15];
const FRAME: i32 = 24;
/// Offset from RSP of the address of cell 0.
pub(super) const TAPE_START: i32 = 8;

/// Emits the entry and the shared routines; what comes next is the program.
#[inline(never)]
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
    // Both stubs come here with their return address on the stack.
    let fail = a.here();
    a.add_ri(RSP, 8).mov_ri(EAX, BROKEN as i64).jmp(leave);
    let put = put(a, options, fail);
    let get = get(a, options, fail);
    a.bind(program);
    Stubs { put, get, leave }
}

fn put(a: &mut Asm<'_>, options: &Options, fail: Label) -> Label {
    let flush = a.label();
    let put = a.here();
    a.mov_rm(RCX, qword(RSP).disp(8)).mov_rm(RCX, qword(RCX).disp(OUTPUT));
    a.mov_rm(RDX, qword(RCX)).mov_mr(byte(RDX), AL).add_ri(RDX, 1).mov_mr(qword(RCX), RDX);
    a.cmp_rm(RDX, qword(RCX).disp(8)).jcc_short(Cond::E, flush);
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
    a.mov_rm(RDX, qword(RCX)).cmp_rm(RDX, qword(RCX).disp(8)).jcc_short(Cond::E, fill);
    a.movzx_m8(EAX, byte(RDX)).add_ri(RDX, 1).mov_mr(qword(RCX), RDX).ret();
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

/// Calls back from a stub: the answer is in ECX and tested.
#[inline(never)]
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
