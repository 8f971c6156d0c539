//! The outer loop of a relation: terms go into memory in batches, and a call-back takes
//! each batch.
//!
//! ```text
//! words of 8 bytes:   history │ a batch of terms │ scratch
//!                             ▲
//!                            RDI
//! ```
//!
//! The last terms of a batch become the history of the next. The function is
//! `fn(terms, count, index, call_back, cookie) -> status`: it computes `count` ≥ 1 terms
//! from number `index` on and calls `call_back(cookie, n)` for each batch of `n` terms. A
//! call-back that returns anything but 0 ends the series; its answer is the status.

use barejit_asm::{
    Asm, Cond, Gpr64, R8, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, Scale, address, qword,
};

/// The terms of a full batch: 32 KiB stay in the first-level cache.
const BATCH: usize = 4096;

/// How the memory of a series is divided, in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Terms before the first one computed.
    pub history: usize,
    /// Terms of a batch; no fewer than the history has.
    pub batch: usize,
    /// Words that the relation itself needs.
    pub scratch: usize,
}

impl Layout {
    /// The layout for this much history and scratch.
    pub(super) fn new(history: usize, scratch: usize) -> Self {
        Self { history, batch: BATCH.max(history), scratch }
    }

    /// All the words.
    pub fn words(&self) -> usize {
        self.history + self.batch + self.scratch
    }

    /// Whether every displacement has 32 bits.
    pub(super) fn is_addressable(&self) -> bool {
        self.words() < (i32::MAX / 8) as usize
    }

    /// Distance from the terms to word `n` of the scratch, in bytes.
    pub(super) fn scratch(&self, n: usize) -> i32 {
        ((self.batch + n) * 8) as i32
    }
}

/// The terms, and so the base of every address.
pub(super) const TERMS: Gpr64 = R12;
/// How many terms the batch has.
pub(super) const COUNT: Gpr64 = R15;
/// The index of the first of them.
pub(super) const INDEX: Gpr64 = RBP;

const SAVED: [Gpr64; 6] = [RBX, RBP, R12, R13, R14, R15];

/// Emits the loop. `batch` emits code that fills COUNT terms; it may use every register
/// that is not saved here.
pub(super) fn series(a: &mut Asm<'_>, layout: Layout, batch: &mut dyn FnMut(&mut Asm<'_>)) {
    // rbx terms left, rbp index, r12 terms, r13 call-back, r14 cookie, r15 count
    a.endbr64();
    for register in SAVED {
        a.push_r(register);
    }
    a.mov_rr(TERMS, RDI).mov_rr(RBX, RSI).mov_rr(INDEX, RDX).mov_rr(R13, RCX).mov_rr(R14, R8);
    let done = a.label();
    let outer = a.here();
    a.mov_ri(COUNT, layout.batch as i64).cmp_rr(RBX, COUNT).cmovcc_rr(Cond::B, COUNT, RBX);
    batch(a);
    // Six registers and the return address: the stack is off by 8.
    a.mov_rr(RDI, R14).mov_rr(RSI, COUNT).sub_ri(RSP, 8).call_r(R13).add_ri(RSP, 8);
    a.test_rr(RAX, RAX).jcc(Cond::Ne, done);
    // The last terms become history, the oldest first.
    if layout.history > 0 {
        let history = layout.history as i32;
        a.lea(RSI, address(TERMS).index(COUNT, Scale::X8)).mov_ri(RCX, -i64::from(history));
        let top = a.here();
        a.mov_rm(RAX, qword(RSI).index(RCX, Scale::X8)).mov_mr(qword(TERMS).index(RCX, Scale::X8), RAX);
        a.inc_r(RCX).jcc(Cond::Ne, top);
    }
    a.add_rr(INDEX, COUNT).sub_rr(RBX, COUNT).jcc(Cond::Ne, outer);
    a.mov_ri(RAX, 0).bind(done);
    for register in SAVED.iter().rev() {
        a.pop_r(*register);
    }
    a.ret();
}
