//! The implicit effects of an instruction: flags, and registers and memory that are no
//! operands. They are read from the text of a line at compile time.

use super::access::access_number;
use crate::code::spec::word;

/// A register that an instruction uses without naming it, or what it stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are those of the manual")]
pub enum Register {
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    Es,
    Cs,
    Ss,
    Ds,
    Fs,
    Gs,
    Xmm0,
    /// The top of the x87 stack, and the one below.
    St0,
    St1,
    /// The whole x87 state and, since they are the same, the MMX registers.
    X87,
    Cr0,
    /// Other control registers.
    Cr,
    /// Debug registers.
    Dr,
    /// All XMM and YMM registers.
    Vectors,
    /// The address in the first operand, as the base of implied memory.
    First,
}

/// Flags in bits: 0 OF, 1 SF, 2 ZF, 3 AF, 4 PF, 5 CF, 6 DF, 7 IF, 8 AC, 9 UIF, 10 to
/// 13 the condition codes C0 to C3 of x87.
const FLAGS: &[u8] = b"oszapcdiku0123";

/// The effects of an instruction besides those on its operands. Sets of flags have a
/// bit a flag, in the order OF SF ZF AF PF CF DF IF AC UIF C0 C1 C2 C3; sets of
/// registers a bit a [`Register`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effects {
    /// Flags that are read. [`Effects::CONDITION`] is for those of the condition.
    pub flags_read: u16,
    /// Flags that are written with a value that depends on the operands.
    pub flags_written: u16,
    /// Flags that are cleared.
    pub flags_cleared: u16,
    /// Flags that are set.
    pub flags_set: u16,
    /// Flags that have no defined value afterwards.
    pub flags_undefined: u16,
    /// Registers that are read.
    pub reads: u32,
    /// Registers that are written.
    pub writes: u32,
    /// Registers that are read under a condition.
    pub may_read: u32,
    /// Registers that are written under a condition.
    pub may_write: u32,
    /// Memory that is no operand: two of base register, access as in
    /// [`Access`](super::Access), and number of bytes, 0 if it is not known; a base of
    /// 255 is none.
    pub memory: [(u8, u8, u16); 2],
}

impl Effects {
    /// In [`Effects::flags_read`]: the flags that the condition in the opcode reads.
    pub const CONDITION: u16 = 1 << 15;

    /// No effects.
    pub(super) const NONE: Self = Self {
        flags_read: 0,
        flags_written: 0,
        flags_cleared: 0,
        flags_set: 0,
        flags_undefined: 0,
        reads: 0,
        writes: 0,
        may_read: 0,
        may_write: 0,
        memory: [(255, 0, 0); 2],
    };

    /// Reads the effects from the words of a line; prefixes are none.
    pub(super) const fn parse(text: &str) -> Self {
        let mut effects = Self::NONE;
        let mut rest = text.as_bytes();
        loop {
            let (next, after) = word(rest);
            rest = after;
            effects = match next {
                [] => return effects,
                b"r=cc" => Self { flags_read: Self::CONDITION, ..effects },
                [b'r', b'=', set @ ..] => Self { flags_read: flags(set), ..effects },
                [b'w', b'=', set @ ..] => Self { flags_written: flags(set), ..effects },
                [b'0', b'=', set @ ..] => Self { flags_cleared: flags(set), ..effects },
                [b'1', b'=', set @ ..] => Self { flags_set: flags(set), ..effects },
                [b'u', b'=', set @ ..] => Self { flags_undefined: flags(set), ..effects },
                [b'[', memory @ ..] => effects.with_memory(memory),
                word if position(word, b':') < word.len() => effects.with_register(word),
                // A prefix, or cpl0, which the row reads.
                _ => effects,
            };
        }
    }

    /// Takes `rax:rw`.
    const fn with_register(self, word: &[u8]) -> Self {
        let (name, access) = word.split_at(position(word, b':'));
        let bit = 1 << register(name);
        let access = access_number(access.split_at(1).1);
        let mut effects = self;
        match access & 3 {
            0 => {}
            1 => effects.may_read |= bit,
            _ => effects.reads |= bit,
        }
        match access >> 2 {
            0 => {}
            1 => effects.may_write |= bit,
            _ => effects.writes |= bit,
        }
        effects
    }

    /// Takes `rsp]:w8`.
    const fn with_memory(self, word: &[u8]) -> Self {
        let (name, rest) = word.split_at(position(word, b']'));
        let (_, rest) = rest.split_at(2);
        let mut letters = 0;
        while letters < rest.len() && !rest[letters].is_ascii_digit() {
            letters += 1;
        }
        let (access, mut digits) = rest.split_at(letters);
        let mut bytes = 0;
        while let [digit, more @ ..] = digits {
            bytes = bytes * 10 + (*digit - b'0') as u16;
            digits = more;
        }
        let memory = (register(name), access_number(access), bytes);
        let [first, second] = self.memory;
        if first.0 == 255 {
            Self { memory: [memory, second], ..self }
        } else {
            assert!(second.0 == 255, "an instruction implies two places of memory at most");
            Self { memory: [first, memory], ..self }
        }
    }

    /// A number that is the same for the same effects.
    pub(super) const fn hash(&self) -> u32 {
        let flags =
            self.flags_read as u32 ^ (self.flags_written as u32) << 7 ^ (self.flags_undefined as u32) << 15;
        let registers = self.reads ^ self.writes.rotate_left(11) ^ self.may_write.rotate_left(19);
        let memory = self.memory[0].0 as u32 + 32 * self.memory[0].1 as u32 + 1024 * self.memory[0].2 as u32;
        (flags ^ self.flags_cleared as u32 ^ registers ^ memory.rotate_left(5)).wrapping_mul(0x9E37_79B9)
            >> 16
    }

    /// Whether they are the same.
    pub(super) const fn same(&self, other: &Self) -> bool {
        let (mut i, mut same) = (0, true);
        while i < 2 {
            let (a, b) = (self.memory[i], other.memory[i]);
            same = same && a.0 == b.0 && a.1 == b.1 && a.2 == b.2;
            i += 1;
        }
        same && self.flags_read == other.flags_read
            && self.flags_written == other.flags_written
            && self.flags_cleared == other.flags_cleared
            && self.flags_set == other.flags_set
            && self.flags_undefined == other.flags_undefined
            && self.reads == other.reads
            && self.writes == other.writes
            && self.may_read == other.may_read
            && self.may_write == other.may_write
    }
}

/// Where `letter` is in `word`, or its length.
const fn position(word: &[u8], letter: u8) -> usize {
    let mut i = 0;
    while i < word.len() && word[i] != letter {
        i += 1;
    }
    i
}

const fn flags(letters: &[u8]) -> u16 {
    let (mut set, mut i) = (0, 0);
    while i < letters.len() {
        let flag = position(FLAGS, letters[i]);
        assert!(flag < FLAGS.len(), "no such flag");
        set |= 1 << flag;
        i += 1;
    }
    set
}

/// The number of the register with this name.
const fn register(name: &[u8]) -> u8 {
    let register = match name {
        b"rax" => Register::Rax,
        b"rcx" => Register::Rcx,
        b"rdx" => Register::Rdx,
        b"rbx" => Register::Rbx,
        b"rsp" => Register::Rsp,
        b"rbp" => Register::Rbp,
        b"rsi" => Register::Rsi,
        b"rdi" => Register::Rdi,
        b"r8" => Register::R8,
        b"r9" => Register::R9,
        b"r10" => Register::R10,
        b"r11" => Register::R11,
        b"r12" => Register::R12,
        b"r13" => Register::R13,
        b"r14" => Register::R14,
        b"r15" => Register::R15,
        b"es" => Register::Es,
        b"cs" => Register::Cs,
        b"ss" => Register::Ss,
        b"ds" => Register::Ds,
        b"fs" => Register::Fs,
        b"gs" => Register::Gs,
        b"xmm0" => Register::Xmm0,
        b"st0" => Register::St0,
        b"st1" => Register::St1,
        b"x87" => Register::X87,
        b"cr0" => Register::Cr0,
        b"cr" => Register::Cr,
        b"dr" => Register::Dr,
        b"vectors" => Register::Vectors,
        b"first" => Register::First,
        _ => panic!("no such register in the effects"),
    };
    register as u8
}
