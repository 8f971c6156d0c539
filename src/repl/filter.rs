//! The calls that a line cannot make: those that aim at the session (seccomp(2)).
//!
//! ```text
//!   another architecture, x32 ──▶ EPERM, but for a few old calls
//!   a call of DENIED ──▶ EPERM, always or if an argument is the session
//!   any other ──▶ allow
//! ```
//!
//! A line may do to its own process, and to others, what the user may. It cannot signal,
//! trace or write to the session, nor leave the process group that ends with the line. The
//! files of /proc are no calls: a line that root runs can write to /proc/PID/mem.

use barejit_sys::{
    Error, Sysno,
    bpf::{ALLOW, Instruction, JUMP_AT_LEAST, JUMP_EQUAL, X86_64, answer, data, jump, load},
    linux,
};

/// When a call is refused.
#[derive(Clone, Copy)]
enum Denied {
    /// Always.
    Always(Sysno),
    /// If this argument is the session, its group or every process.
    Session(Sysno, u32),
    /// If this argument has that value.
    If(Sysno, u32, u32),
}

const PR_SET_PDEATHSIG: u32 = 1;
const F_SETOWN: u32 = 8;
const F_SETOWN_EX: u32 = 15;
const FIOSETOWN: u32 = 0x8901;
const SIOCSPGRP: u32 = 0x8902;
const TIOCSTI: u32 = 0x5412;

const DENIED: [Denied; 23] = [
    Denied::Session(Sysno::kill, 0),
    Denied::Session(Sysno::tkill, 0),
    Denied::Session(Sysno::tgkill, 0),
    Denied::Session(Sysno::rt_sigqueueinfo, 0),
    Denied::Session(Sysno::rt_tgsigqueueinfo, 0),
    Denied::Session(Sysno::pidfd_open, 0),
    Denied::Always(Sysno::pidfd_send_signal),
    Denied::Always(Sysno::ptrace),
    Denied::Session(Sysno::process_vm_writev, 0),
    Denied::Session(Sysno::prlimit64, 0),
    Denied::Session(Sysno::setpriority, 1),
    Denied::Session(Sysno::sched_setscheduler, 0),
    Denied::Session(Sysno::sched_setattr, 0),
    Denied::Session(Sysno::sched_setaffinity, 0),
    // The group and what belongs to it end with the line.
    Denied::Always(Sysno::setsid),
    Denied::Always(Sysno::setpgid),
    Denied::If(Sysno::prctl, 0, PR_SET_PDEATHSIG),
    // The owner of a descriptor gets its signals.
    Denied::If(Sysno::fcntl, 1, F_SETOWN),
    Denied::If(Sysno::fcntl, 1, F_SETOWN_EX),
    Denied::If(Sysno::ioctl, 1, FIOSETOWN),
    Denied::If(Sysno::ioctl, 1, SIOCSPGRP),
    // Types into the terminal, which the session reads.
    Denied::If(Sysno::ioctl, 1, TIOCSTI),
    Denied::Always(Sysno::io_uring_setup),
];

/// Of the 32-bit calls (`int 0x80`): exit, read, write, getpid, exit_group.
const OLD: [u32; 5] = [1, 3, 4, 20, 252];

/// Instructions for a row: the number, the call, the argument, three comparisons.
const EACH: usize = 6;

/// Where the native calls begin, the rows, and the two answers behind them.
const NATIVE: usize = 3 + OLD.len();
const ROWS: usize = NATIVE + 2;
const REFUSE: usize = ROWS + EACH * DENIED.len();
const PASS: usize = REFUSE + 1;

/// The filter for a session with this number that leads or is in this process group.
fn program(session: u32, group: u32) -> [Instruction; PASS + 1] {
    const RETURN_EPERM: u32 = 0x0005_0001;
    const X32: u32 = 0x4000_0000;
    const ALL: u32 = u32::MAX;
    let mut program = [answer(RETURN_EPERM); PASS + 1];
    program[PASS] = answer(ALLOW);
    program[0] = load(data::ARCHITECTURE);
    program[1] = jump(JUMP_EQUAL, X86_64, 1, NATIVE, 2);
    program[2] = load(data::NUMBER);
    for (at, call) in (3..).zip(OLD) {
        program[at] = jump(JUMP_EQUAL, call, at, PASS, if at + 1 == NATIVE { REFUSE } else { at + 1 });
    }
    program[NATIVE] = load(data::NUMBER);
    program[NATIVE + 1] = jump(JUMP_AT_LEAST, X32, NATIVE + 1, REFUSE, ROWS);
    for (at, denied) in (ROWS..).step_by(EACH).zip(DENIED) {
        let next = if at + EACH == REFUSE { PASS } else { at + EACH };
        let (call, argument, values) = match denied {
            Denied::Always(call) => (call, 0, None),
            Denied::Session(call, argument) => (call, argument, Some([session, group.wrapping_neg(), ALL])),
            Denied::If(call, argument, value) => (call, argument, Some([value; 3])),
        };
        program[at] = load(data::NUMBER);
        let matches = if values.is_some() { at + 2 } else { REFUSE };
        program[at + 1] = jump(JUMP_EQUAL, call as u32, at + 1, matches, next);
        let Some([one, two, three]) = values else { continue };
        program[at + 2] = load(data::argument(argument));
        program[at + 3] = jump(JUMP_EQUAL, one, at + 3, REFUSE, at + 4);
        program[at + 4] = jump(JUMP_EQUAL, two, at + 4, REFUSE, at + 5);
        program[at + 5] = jump(JUMP_EQUAL, three, at + 5, REFUSE, next);
    }
    program
}

/// Holds this process, and all that it starts, back from the session of that number.
///
/// # Errors
/// The syscall that refused.
pub fn protect(session: u32) -> Result<(), Error> {
    const PR_SET_NO_NEW_PRIVS: u32 = 38;
    let group = linux::job::group_of(session)?;
    // SAFETY: (1) it takes a number.
    unsafe { linux::prctl(PR_SET_NO_NEW_PRIVS, 1) }?;
    linux::seccomp(&program(session, group))
}
