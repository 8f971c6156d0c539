//! Cycle detection in the loop of a last term, by Brent's algorithm (BIT 20, 1980).
//!
//! A phase of 16, 32, 64 and so on iterations keeps the state where it begins, the
//! checkpoint, and compares the state after every iteration with it. On a match, the
//! iterations since the checkpoint are the period, and only the remainder of those left by
//! the period is run. The phases have 131,056 iterations together, in a loop of their own,
//! because a compare takes up to 0.18 of the time of a short body. The loop for all later
//! iterations, which the caller puts behind this, has none.
//!
//! ```text
//! phase    checkpoint ← state;  length ← min(next, rsi);  rdi ← length
//!          rsi ← rsi − length;  next ← 2·next
//! search   state ← body(state);  on state = checkpoint to cycle;  rdi ← rdi − 1;  until 0 to search
//!          on rsi = 0 to done;  on next < 2¹⁷ to phase;  to run
//! cycle    rsi ← (rsi + rdi − 1) mod (length − rdi + 1);  on rsi = 0 to done
//! run
//! ```
//!
//! Invariant: the state is all that the body reads, so equal states have equal successors.

use super::relation::LOOP_OVERHEAD;
use barejit_asm::{Asm, Cond, Label, Mem, R9, RAX, RDI, RDX, RSI, RSP, Scale, address, qword};

/// The iterations of the first phase.
const FIRST_PHASE: i64 = 16;

/// The iterations of the phase that does not run any more.
const LAST_PHASE: i32 = 1 << 17;

/// The words of a checkpoint in memory, at most.
pub(super) const CHECKPOINT: usize = 8;

/// A word of the red zone below the stack pointer, which has the phase's length, the next
/// one, and what the body keeps of a checkpoint in memory.
fn red_zone(word: usize) -> Mem<64> {
    const { assert!((2 + CHECKPOINT) * 8 <= 128) }
    qword(RSP).disp(-8 * (word as i32 + 1))
}

/// Memory for this word of a checkpoint.
pub(super) fn checkpoint(word: usize) -> Mem<64> {
    red_zone(2 + word)
}

/// The body of a loop, with the state that goes from one iteration to the next. RSI and RDI
/// are preserved by all of these.
pub(super) trait Body<'a> {
    /// The assembler that all code goes to.
    fn assembler(&mut self) -> &mut Asm<'a>;

    /// Emits an iteration.
    fn iterate(&mut self);

    /// Emits a copy of the state to the checkpoint.
    fn keep(&mut self);

    /// Emits a compare of the state with the checkpoint, and a jump to `equal`.
    fn compare(&mut self, equal: Label);

    /// Emits a copy of the checkpoint to that part of the state which RAX and RDX have.
    fn restore(&mut self);
}

/// Emits a search in the RSI ≥ 1 iterations of `body`. RSI becomes the iterations that are
/// left for the code behind this; if there are none, it goes to `done`.
pub(super) fn search<'a>(body: &mut dyn Body<'a>, done: Label) {
    // rdi iterations left in the phase, rsi those behind it.
    let (length, next) = (red_zone(0), red_zone(1));
    let a = body.assembler();
    let [cycle, run] = [a.label(), a.label()];
    a.mark(LOOP_OVERHEAD).mov_ri(RDI, FIRST_PHASE);
    let phase = a.here();
    body.keep();
    let a = body.assembler();
    a.lea(R9, address(RDI).index(RDI, Scale::X1)).mov_mr(next, R9);
    a.cmp_rr(RDI, RSI).cmovcc_rr(Cond::A, RDI, RSI).mov_mr(length, RDI).sub_rr(RSI, RDI);
    let search = a.align_code(32).here();
    body.iterate();
    body.compare(cycle);
    let a = body.assembler();
    a.dec_r(RDI).jcc(Cond::Ne, search);
    a.test_rr(RSI, RSI).jcc(Cond::E, done);
    a.mov_rm(RDI, next).cmp_ri(RDI, LAST_PHASE).jcc(Cond::Ne, phase).jmp(run);
    a.bind(cycle).mov_rm(R9, length).sub_rr(R9, RDI).add_ri(R9, 1);
    a.lea(RAX, address(RSI).index(RDI, Scale::X1).disp(-1)).mov_ri(RDX, 0).div_r(R9);
    a.mov_rr(RSI, RDX);
    body.restore();
    body.assembler().test_rr(RSI, RSI).jcc(Cond::E, done).bind(run);
}
