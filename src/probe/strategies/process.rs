//! Strategies whose code runs in another process. They serve no JIT, but they show what a
//! host lets pass.

use super::stub::{Place, RX, TOKENS, Trial, code};
use crate::probe::outcome::Step;
use crate::probe::runner::{self, Record};
use barejit_asm::{Asm, Baked, EAX, EDI, Hole, bake};
use barejit_sys::{
    linux as base,
    linux::trial::{self as linux, Wait},
    signal::Signal,
};
use core::ptr::NonNull;

/// The steps, before and after the rewrite.
static WRITES: [Step; 2] = [Step::Write, Step::Rewrite];
static RUNS: [Step; 2] = [Step::Run, Step::Rerun];

const PTRACE_TRACEME: u32 = 0;
const PTRACE_POKEDATA: u32 = 5;
const PTRACE_CONT: u32 = 7;
const SIGSTOP: i32 = 19;

/// A debugger's way: a process of the trial's own has an executable page and
/// the trial pokes code into it.
pub(super) fn ptrace_poke(trial: &Trial<'_>) {
    let record = trial.record;
    let page = trial.page(RX);
    let Some(tracee) = record.need(runner::helper(record)) else { traced(record, page) };
    for run in 0..2 {
        match record.need(linux::wait(tracee)) {
            Wait::Stopped(SIGSTOP) => {}
            other => return ended(record, other),
        }
        record.enter(WRITES[run]);
        let code = u128::from_le_bytes(code(TOKENS[run]));
        for (i, word) in [code as u64, (code >> 64) as u64].into_iter().enumerate() {
            // SAFETY: (1) the child is stopped for the trial, and the page is
            // its own copy.
            let poked =
                unsafe { linux::ptrace(PTRACE_POKEDATA, Some(tracee), page.as_ptr() as usize + 8 * i, word) };
            record.need(poked);
        }
        // SAFETY: (1) as above.
        record.need(unsafe { linux::ptrace(PTRACE_CONT, Some(tracee), 0, 0) });
    }
    ended(record, record.need(linux::wait(tracee)));
}

/// The process that is poked.
fn traced(record: &Record, page: NonNull<u8>) -> ! {
    // SAFETY: (1) TRACEME takes nothing.
    record.need(unsafe { linux::ptrace(PTRACE_TRACEME, None, 0, 0) });
    for (run, step) in RUNS.iter().enumerate() {
        record.need(base::kill_self(Signal::new(SIGSTOP as u8)));
        record.enter(*step);
        // The trial has put the stub there by now.
        record.token(run, Place::anonymous(page).call());
    }
    runner::end()
}

/// The end of a process of the trial's own. If it was refused, the record has it
/// and the trial does not claim to be through.
fn ended(record: &Record, how: Wait) {
    match how {
        Wait::Exited(0) if !record.is_refused() && !record.is_signalled() => {}
        Wait::Exited(_) => runner::end(),
        Wait::Killed(signal) | Wait::Stopped(signal) => {
            record.signal(signal, 0);
            runner::end()
        }
    }
}

const SYS_EXIT_GROUP: i64 = 231;

/// A whole executable, one segment of code behind its headers (elf(5)), that
/// exits with a token's low byte.
const fn image(a: &mut Asm<'_>) -> Hole<4> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    const SIZE: u64 = HEADERS + 12;
    // e_ident, e_type EXEC and e_machine x86-64 with e_version, e_entry,
    // e_phoff, e_shoff, e_flags with e_ehsize and e_phentsize, e_phnum; then
    // p_type LOAD with p_flags R X, p_offset, p_vaddr, p_paddr, p_filesz,
    // p_memsz, p_align.
    let words: [u64; 15] = [
        0x0001_0102_464C_457F,
        0,
        0x1_003E_0002,
        BASE + HEADERS,
        64,
        0,
        64 << 32 | 56 << 48,
        1,
        5 << 32 | 1,
        0,
        BASE,
        BASE,
        SIZE,
        SIZE,
        4096,
    ];
    let mut i = 0;
    while i < words.len() {
        a.bytes(&words[i].to_le_bytes());
        i += 1;
    }
    a.mov_ri(EDI, 0);
    let hole = a.hole();
    a.mov_ri(EAX, SYS_EXIT_GROUP).syscall();
    hole
}

const IMAGE: Baked<132, Hole<4>> = bake!(image);

/// A file in memory run as a program of its own.
pub(super) fn execveat_memfd(trial: &Trial<'_>) {
    let record = trial.record;
    let file = trial.keep(base::memfd_create(c"barejit-probe", 0));
    let mut image = IMAGE.bytes;
    for run in 0..2 {
        record.enter(WRITES[run]);
        IMAGE.with.fill(&mut image, (TOKENS[run] & 0xFF).to_le_bytes());
        record.need(linux::pwrite(file, &image, 0));
        record.enter(RUNS[run]);
        let Some(program) = record.need(runner::helper(record)) else { record.refuse(linux::execveat(file)) };
        match record.need(linux::wait(program)) {
            Wait::Exited(status) if !record.is_refused() && !record.is_signalled() => {
                // The status is the token's low byte; the rest is as it should be.
                record.token(run, TOKENS[0] & !0xFF | status as u32);
            }
            other => {
                ended(record, other);
                runner::end()
            }
        }
    }
}
