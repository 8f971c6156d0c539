//! Least power: a seccomp filter that leaves this process what the rest of a run
//! needs, and nothing else, for good (seccomp(2)).
//!
//! ```text
//!   another architecture ──▶ trap
//!   a call that is FREE ──▶ allow
//!   a call that is bound ──▶ its arguments decide
//!   any other ──▶ trap, which is SIGSYS at the instruction
//! ```

use super::bpf::{ALLOW, Instruction, JUMP_ANY, JUMP_EQUAL, X86_64, answer, data, jump, load};
use super::{Error, Fd, MapFlags, Prot, linux};
use syscalls::Sysno;

/// Allowed whatever the arguments: to wait, to have a heap, to come back from a signal
/// and to end. None of them takes a descriptor or opens one.
const FREE: [Sysno; 8] = [
    Sysno::poll,
    Sysno::brk,
    Sysno::munmap,
    Sysno::rt_sigreturn,
    Sysno::rt_sigaction,
    Sysno::getpid,
    Sysno::exit,
    Sysno::exit_group,
];

/// Allowed if the low half of an argument is right. Rows of the same call belong
/// together, and all of them must hold.
struct Bound {
    call: Sysno,
    argument: u32,
    test: Test,
}

#[derive(Clone, Copy)]
enum Test {
    /// One of the two.
    Either(u32, u32),
    /// None of these bits.
    Without(u32),
}

/// How many arguments are looked at.
const BOUNDS: usize = 8;

/// The calls left to `process`, which reads from `input`: its own output, that input, the
/// heap's mappings, a signal to itself, and the question whether something is a
/// terminal.
const fn bounds(process: u32, input: u32) -> [Bound; BOUNDS] {
    const TCGETS: u32 = 0x5401;
    const MAYMOVE: u32 = 1;
    const PRIVATE: u32 = MapFlags::PRIVATE_ANONYMOUS.bits();
    const fn equal(value: u32) -> Test {
        Test::Either(value, value)
    }
    [
        Bound { call: Sysno::write, argument: 0, test: Test::Either(1, 2) },
        Bound { call: Sysno::read, argument: 0, test: equal(input) },
        Bound { call: Sysno::mmap, argument: 2, test: Test::Without(Prot::EXEC.bits()) },
        Bound { call: Sysno::mmap, argument: 3, test: equal(PRIVATE) },
        Bound { call: Sysno::mremap, argument: 3, test: equal(MAYMOVE) },
        Bound { call: Sysno::kill, argument: 0, test: equal(process) },
        Bound { call: Sysno::ioctl, argument: 1, test: equal(TCGETS) },
        // Asked for by what resumes code instruction by instruction.
        Bound { call: Sysno::sigaltstack, argument: 0, test: equal(0) },
    ]
}

/// Instructions for one bound: the call, the argument, two comparisons.
const EACH: usize = 4;

const SIZE: usize = 3 + FREE.len() + EACH * BOUNDS + 2;

/// The filter.
const fn program(process: u32, input: u32) -> [Instruction; SIZE] {
    const RETURN_TRAP: u32 = 0x0003_0000;
    const TRAP: usize = SIZE - 2;
    const PASS: usize = SIZE - 1;
    let mut program = [answer(RETURN_TRAP); SIZE];
    program[0] = load(data::ARCHITECTURE);
    program[1] = jump(JUMP_EQUAL, X86_64, 1, 2, TRAP);
    program[2] = load(data::NUMBER);
    let mut at = 3;
    while at < 3 + FREE.len() {
        program[at] = jump(JUMP_EQUAL, FREE[at - 3] as u32, at, PASS, at + 1);
        at += 1;
    }
    let bounds = bounds(process, input);
    let mut i = 0;
    while i < BOUNDS {
        let call = bounds[i].call as u32;
        // A second argument of the same call: only who has passed the first comes here, so
        // the call, which is no longer loaded, is not compared.
        let again = i > 0 && bounds[i - 1].call as u32 == call;
        let last = i + 1 == BOUNDS || bounds[i + 1].call as u32 != call;
        let next = at + EACH;
        let mut other = next;
        let mut j = i + 1;
        while j < BOUNDS && bounds[j].call as u32 == call {
            other += EACH;
            j += 1;
        }
        program[at] = if again {
            load(data::argument(bounds[i].argument))
        } else {
            jump(JUMP_EQUAL, call, at, at + 1, other)
        };
        program[at + 1] = load(data::argument(bounds[i].argument));
        let pass = if last { PASS } else { next };
        (program[at + 2], program[at + 3]) = match bounds[i].test {
            Test::Either(one, two) => {
                (jump(JUMP_EQUAL, one, at + 2, pass, at + 3), jump(JUMP_EQUAL, two, at + 3, pass, TRAP))
            }
            Test::Without(bits) => {
                (jump(JUMP_ANY, bits, at + 2, TRAP, at + 3), jump(JUMP_ANY, bits, at + 3, TRAP, pass))
            }
        };
        at = next;
        i += 1;
    }
    program[PASS] = answer(ALLOW);
    program
}

/// Gives up every right that the rest of a run does not need; `input` is what it still
/// reads from, if anything. There is no way back.
///
/// # Errors
/// The syscall that refused.
pub fn enter(input: Option<Fd>) -> Result<(), Error> {
    const PR_SET_NO_NEW_PRIVS: u32 = 38;
    // No descriptor has the number that stands for none.
    let input = input.unwrap_or(Fd::NONE);
    let program = program(linux::getpid()? as u32, input.0 as u32);
    // SAFETY: (1) it takes a number.
    unsafe { linux::prctl(PR_SET_NO_NEW_PRIVS, 1) }?;
    linux::seccomp(&program)
}
