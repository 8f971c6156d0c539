//! The calls that are watched: one table, from which the filter is made and by which
//! entries of other calls are passed over. How a call is written out, in the notation of
//! strace. No judgement of answers.

use alloc::string::String;
use barejit_sys::{Errno, Error, Sysno, bpf, linux, piece};
use core::fmt::{self, Write};

/// A call at its entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) arguments: [u64; 6],
}

/// The condition on half of an argument under which a call is watched.
#[derive(Clone, Copy)]
enum Test {
    /// It has one of these bits.
    Any(u32),
    /// It is this.
    Equal(u32),
    /// It is at least this, as an unsigned number.
    AtLeast(u32),
}

/// Holds of any argument.
const ALWAYS: Test = Test::AtLeast(0);

/// One reason to watch a call.
struct Rule {
    call: Sysno,
    /// Which of the twelve halves of the arguments, the low half of each first.
    half: u32,
    test: Test,
}

/// A rule about the low half of an argument, which are counted from 0.
const fn rule(call: Sysno, argument: u32, test: Test) -> Rule {
    Rule { call, half: 2 * argument, test }
}

/// A rule about the high half.
const fn high(call: Sysno, argument: u32, test: Test) -> Rule {
    Rule { call, half: 2 * argument + 1, test }
}

pub(super) const PROT_WRITE: u64 = 2;
pub(super) const PROT_EXEC: u64 = 4;
pub(super) const MAP_SHARED: u64 = 1;
pub(super) const MAP_ANONYMOUS: u64 = 0x20;
pub(super) const SHM_EXEC: u64 = 0o100_000;
pub(super) const READ_IMPLIES_EXEC: u64 = 0x0040_0000;
const TMPFILE: u32 = 0o20_000_000;
pub(super) const PR_SET_SECCOMP: u64 = 22;
pub(super) const PR_SET_MDWE: u64 = 65;
const PR_SET_NO_NEW_PRIVS: u32 = 38;
pub(super) const ADD_SEALS: u64 = 1033;
pub(super) const RLIMIT_AS: u64 = 9;
const PTRACE_TRACEME: u32 = 0;
const PTRACE_ATTACH: u32 = 16;
const PTRACE_SEIZE: u32 = 0x4206;

/// Mappings from this size on are watched whatever they are for: engines reserve
/// addresses for code, which a limit refuses.
pub(super) const RESERVATION: u64 = 16 << 20;

macro_rules! rules {
    ($($call:ident $shape:literal $half:ident $argument:literal $test:expr;)*) => {
        /// Everything that has to do with executable memory.
        const RULES: [Rule; 25] = [$($half(Sysno::$call, $argument, $test)),*];
        /// The names of the calls, in the order of the rules, a space behind each.
        const NAMES: &str = concat!($(stringify!($call), " "),*);
        /// How their arguments are written, by a letter each: d a signed int, u a size, p a
        /// protection, m the flags of mmap(2), x hexadecimal.
        const SHAPES: &str = concat!($($shape, " "),*);
    };
}
rules! {
    mmap "xupmdx" rule 2 Test::Any(PROT_EXEC as u32);
    mmap "xupmdx" rule 1 Test::AtLeast(RESERVATION as u32);
    mmap "xupmdx" high 1 Test::AtLeast(1);
    mprotect "xup" rule 2 Test::Any(PROT_EXEC as u32);
    pkey_mprotect "xupd" rule 2 Test::Any(PROT_EXEC as u32);
    memfd_create "xx" rule 0 ALWAYS;
    ftruncate "du" rule 0 ALWAYS;
    fallocate "dxuu" rule 0 ALWAYS;
    fcntl "dux" rule 1 Test::Equal(ADD_SEALS as u32);
    shmat "dxx" rule 2 Test::Any(SHM_EXEC as u32);
    mremap "xuux" rule 1 Test::Equal(0);
    personality "x" rule 0 Test::Any(READ_IMPLIES_EXEC as u32);
    open "xxx" rule 1 Test::Any(TMPFILE);
    openat "dxxx" rule 2 Test::Any(TMPFILE);
    execve "xxx" rule 0 ALWAYS;
    execveat "dxxxx" rule 0 ALWAYS;
    prctl "dux" rule 0 Test::Equal(PR_SET_SECCOMP as u32);
    prctl "dux" rule 0 Test::Equal(PR_SET_MDWE as u32);
    seccomp "uxx" rule 0 ALWAYS;
    landlock_restrict_self "dx" rule 0 ALWAYS;
    prlimit64 "dux" rule 1 Test::Equal(RLIMIT_AS as u32);
    setrlimit "ux" rule 0 Test::Equal(RLIMIT_AS as u32);
    ptrace "xd" rule 0 Test::Equal(PTRACE_TRACEME);
    ptrace "xd" rule 0 Test::Equal(PTRACE_ATTACH);
    ptrace "xd" rule 0 Test::Equal(PTRACE_SEIZE);
}

impl Rule {
    fn holds(&self, call: &Call) -> bool {
        let argument = call.arguments[self.half as usize / 2];
        let half = (argument >> (self.half % 2 * 32)) as u32;
        call.number == self.call as u64
            && match self.test {
                Test::Any(bits) => half & bits != 0,
                Test::Equal(value) => half == value,
                Test::AtLeast(value) => half >= value,
            }
    }
}

/// The instructions before those of the rules, of each rule, and behind.
const HEAD: usize = 2;
const EACH: usize = 4;
const TAIL: usize = 2;
const SIZE: usize = HEAD + EACH * RULES.len() + TAIL;

/// The filter that answers SECCOMP_RET_TRACE to the watched calls:
///
/// ```text
///   another architecture ──▶ allow
///   for each rule:  load the number; another call ──▶ next rule
///                   load the half of the argument; it holds ──▶ trace, else next rule
///   allow
///   trace
/// ```
///
/// A call without a rule is allowed by its number alone, so the kernel caches that answer
/// and does not run the filter (Linux 5.11).
static PROGRAM: [bpf::Instruction; SIZE] = {
    const ALLOW: usize = SIZE - 2;
    const TRACE: usize = SIZE - 1;
    let mut program = [bpf::answer(bpf::ALLOW); SIZE];
    program[0] = bpf::load(bpf::data::ARCHITECTURE);
    program[1] = bpf::jump(bpf::JUMP_EQUAL, bpf::X86_64, 1, HEAD, ALLOW);
    let mut i = 0;
    while i < RULES.len() {
        let at = HEAD + EACH * i;
        let Rule { call, half, test } = &RULES[i];
        let (code, operand) = match *test {
            Test::Any(bits) => (bpf::JUMP_ANY, bits),
            Test::Equal(value) => (bpf::JUMP_EQUAL, value),
            Test::AtLeast(value) => (bpf::JUMP_AT_LEAST, value),
        };
        program[at] = bpf::load(bpf::data::NUMBER);
        program[at + 1] = bpf::jump(bpf::JUMP_EQUAL, *call as u32, at + 1, at + 2, at + EACH);
        program[at + 2] = bpf::load(bpf::data::argument(0) + 4 * *half);
        program[at + 3] = bpf::jump(code, operand, at + 3, TRACE, at + EACH);
        i += 1;
    }
    program[TRACE] = bpf::answer(bpf::TRACE);
    program
};

/// Has the filter answer this process and those that it makes. Without privileges that
/// needs no_new_privs, which is set then; says whether it was.
///
/// # Errors
/// The errno of seccomp(2) or prctl(2).
pub(super) fn install() -> Result<bool, Error> {
    match linux::seccomp(&PROGRAM) {
        Err(error) if error.is(Errno::EACCES) => {
            // SAFETY: (1) it takes a number.
            unsafe { linux::prctl(PR_SET_NO_NEW_PRIVS, 1) }?;
            linux::seccomp(&PROGRAM).map(|()| true)
        }
        result => result.map(|()| false),
    }
}

impl Call {
    /// Whether a rule wants it.
    pub(super) fn is_watched(&self) -> bool {
        RULES.iter().any(|rule| rule.holds(self))
    }

    /// Whether it is this call.
    pub(super) fn is(&self, call: Sysno) -> bool {
        self.number == call as u64
    }

    /// Where in the table it stands first.
    fn row(&self) -> usize {
        RULES.iter().position(|rule| self.is(rule.call)).unwrap_or(RULES.len())
    }

    /// Its name in section 2 of the manual.
    pub(super) fn name(&self) -> &'static str {
        piece(NAMES, b' ', self.row())
    }

    /// The file descriptor that it is about, if it is about one.
    pub(super) fn descriptor(&self) -> Option<i32> {
        let [first, .., fifth, _] = self.arguments;
        if self.is(Sysno::mmap) {
            return Some(fifth as i32).filter(|_| self.arguments[3] & MAP_ANONYMOUS == 0);
        }
        let about = [Sysno::ftruncate, Sysno::fallocate, Sysno::fcntl, Sysno::execveat];
        about.iter().any(|call| self.is(*call)).then_some(first as i32)
    }

    /// The address and the size of the memory that it is about; 0 is wherever there is
    /// room.
    pub(super) fn memory(&self) -> Option<[u64; 2]> {
        let [first, second, third, ..] = self.arguments;
        if self.is(Sysno::mremap) {
            return Some([first, third]);
        }
        let about = [Sysno::mmap, Sysno::mprotect, Sysno::pkey_mprotect];
        about.iter().any(|call| self.is(*call)).then_some([first, second])
    }

    /// The protection that it asks for.
    pub(super) fn protection(&self) -> Option<u64> {
        let about = [Sysno::mmap, Sysno::mprotect, Sysno::pkey_mprotect];
        about.iter().any(|call| self.is(*call)).then_some(self.arguments[2])
    }

    /// Whether it asks for memory that can be executed.
    pub(super) fn asks_for_execution(&self) -> bool {
        self.protection().is_some_and(|protection| protection & PROT_EXEC != 0)
            || self.is(Sysno::shmat) && self.arguments[2] & SHM_EXEC != 0
    }

    /// Writes it as strace does. Pointers to strings are left as numbers.
    pub(super) fn print(&self, text: &mut String) {
        let shape = piece(SHAPES, b' ', self.row());
        text.push_str(self.name());
        text.push('(');
        for (i, (kind, argument)) in shape.bytes().zip(self.arguments).enumerate() {
            if i > 0 {
                text.push_str(", ");
            }
            // Writing to a string cannot fail.
            let _ = match kind {
                b'd' => write!(text, "{}", i64::from(argument as i32)),
                b'u' => write!(text, "{argument}"),
                b'p' => flags(text, argument, "PROT_NONE", "PROT_READ PROT_WRITE PROT_EXEC"),
                b'm' => flags(text, argument, "0", MAPPING_FLAGS),
                _ if argument == 0 => write!(text, "0"),
                _ => write!(text, "{argument:#x}"),
            };
        }
        text.push(')');
    }
}

const MAPPING_FLAGS: &str = "MAP_SHARED MAP_PRIVATE - - MAP_FIXED MAP_ANONYMOUS MAP_32BIT - MAP_GROWSDOWN \
    - - MAP_DENYWRITE MAP_EXECUTABLE MAP_LOCKED MAP_NORESERVE MAP_POPULATE MAP_NONBLOCK MAP_STACK \
    MAP_HUGETLB MAP_SYNC MAP_FIXED_NOREPLACE";

/// Writes the names of the bits of `value`, the lowest first, with a bar between each
/// two, and of those whose name is - the number.
fn flags(text: &mut String, value: u64, none: &str, names: &str) -> fmt::Result {
    if value == 0 {
        return text.write_str(none);
    }
    let mut bar = "";
    let mut rest = value;
    for bit in 0..32 {
        let name = piece(names, b' ', bit);
        if value >> bit & 1 != 0 && name.len() > 1 {
            text.write_str(bar)?;
            text.write_str(name)?;
            bar = "|";
            rest &= !(1 << bit);
        }
    }
    if rest == 0 { Ok(()) } else { write!(text, "{bar}{rest:#x}") }
}
