//! Least power: a seccomp filter that leaves this process what the rest of a run
//! needs, and nothing else, for good (seccomp(2)).
//!
//! ```text
//!   another architecture ──▶ trap
//!   a call that is FREE ──▶ allow
//!   a call that is BOUND ──▶ its argument decides
//!   any other ──▶ trap, which is SIGSYS at the instruction
//! ```

use super::bpf::{ALLOW, Instruction, JUMP_ANY, JUMP_EQUAL, X86_64, answer, data, jump, load};
use super::{Error, Prot, linux};
use syscalls::Sysno;

/// Allowed whatever the arguments: to read and print, to have a heap, to come back
/// from a signal and to end.
const FREE: [Sysno; 12] = [
    Sysno::write,
    Sysno::read,
    Sysno::poll,
    Sysno::brk,
    Sysno::mremap,
    Sysno::munmap,
    Sysno::rt_sigreturn,
    Sysno::rt_sigaction,
    Sysno::getpid,
    Sysno::close,
    Sysno::exit,
    Sysno::exit_group,
];

/// Allowed if an argument is right.
struct Bound {
    call: Sysno,
    argument: u32,
    test: Test,
}

enum Test {
    /// Equal to this.
    Equal(u32),
    /// None of these bits.
    Without(u32),
}

const SIZE: usize = 3 + FREE.len() + 3 * 3 + 2;

/// Where the filter compares the number of the process.
const PROCESS: usize = 3 + FREE.len() + 3 + 2;

/// The filter, but for the number of the process.
const PROGRAM: [Instruction; SIZE] = {
    const RETURN_TRAP: u32 = 0x0003_0000;
    const TCGETS: u32 = 0x5401;
    const TRAP: usize = SIZE - 2;
    const PASS: usize = SIZE - 1;
    const BOUND: [Bound; 3] = [
        Bound { call: Sysno::mmap, argument: 2, test: Test::Without(Prot::EXEC.bits()) },
        Bound { call: Sysno::kill, argument: 0, test: Test::Equal(0) },
        Bound { call: Sysno::ioctl, argument: 1, test: Test::Equal(TCGETS) },
    ];
    let mut program = [answer(RETURN_TRAP); SIZE];
    program[0] = load(data::ARCHITECTURE);
    program[1] = jump(JUMP_EQUAL, X86_64, 1, 2, TRAP);
    program[2] = load(data::NUMBER);
    let mut at = 3;
    while at < 3 + FREE.len() {
        program[at] = jump(JUMP_EQUAL, FREE[at - 3] as u32, at, PASS, at + 1);
        at += 1;
    }
    while at < TRAP {
        let Bound { call, argument, test } = &BOUND[(at - 3 - FREE.len()) / 3];
        program[at] = jump(JUMP_EQUAL, *call as u32, at, at + 1, at + 3);
        program[at + 1] = load(data::argument(*argument));
        program[at + 2] = match *test {
            Test::Equal(value) => jump(JUMP_EQUAL, value, at + 2, PASS, TRAP),
            Test::Without(bits) => jump(JUMP_ANY, bits, at + 2, TRAP, PASS),
        };
        at += 3;
    }
    program[PASS] = answer(ALLOW);
    program
};

const _: () = assert!(PROGRAM[PROCESS - 2].operand() == Sysno::kill as u32);

/// Gives up every right that the rest of a run does not need. There is no way
/// back.
///
/// # Errors
/// The syscall that refused.
#[inline(never)]
pub fn enter() -> Result<(), Error> {
    const PR_SET_NO_NEW_PRIVS: u32 = 38;
    let mut program = PROGRAM;
    program[PROCESS] = program[PROCESS].with_operand(linux::getpid()? as u32);
    // SAFETY: (1) it takes a number.
    unsafe { linux::prctl(PR_SET_NO_NEW_PRIVS, 1) }?;
    linux::seccomp(&program)
}
