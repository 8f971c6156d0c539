//! Instructions as text, in Intel notation.
//!
//! The assembler describes each instruction once; from that description come
//! its bytes and, when a record is kept, the lines of this file. Nothing here
//! decodes bytes.

use core::fmt;

/// A place in code that instructions can refer to before it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label(pub(crate) u32);

/// What an address is relative to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// Nothing: a 32-bit address, or an index alone.
    None,
    /// A 64-bit general-purpose register, by number.
    Gpr(u8),
    /// The end of the instruction.
    Rip,
    /// The end of the instruction, with the displacement still to be computed.
    Label(Label),
}

/// What an index register is multiplied by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Scale {
    /// × 1
    X1 = 0,
    /// × 2
    X2 = 1,
    /// × 4
    X4 = 2,
    /// × 8
    X8 = 3,
}

/// A condition of `jcc`, `setcc` and `cmovcc`, by its code (SDM vol. 1,
/// appendix B).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Cond {
    /// Overflow.
    O = 0,
    /// No overflow.
    No = 1,
    /// Below, carry.
    B = 2,
    /// Above or equal, no carry.
    Ae = 3,
    /// Equal, zero.
    E = 4,
    /// Not equal, not zero.
    Ne = 5,
    /// Below or equal.
    Be = 6,
    /// Above.
    A = 7,
    /// Negative.
    S = 8,
    /// Not negative.
    Ns = 9,
    /// Parity even; unordered after `ucomisd`.
    P = 10,
    /// Parity odd.
    Np = 11,
    /// Less, signed.
    L = 12,
    /// Greater or equal, signed.
    Ge = 13,
    /// Less or equal, signed.
    Le = 14,
    /// Greater, signed.
    G = 15,
}

impl Cond {
    /// The sixteen conditions in the order of their codes.
    pub const ALL: [Self; 16] = {
        use Cond::*;
        [O, No, B, Ae, E, Ne, Be, A, S, Ns, P, Np, L, Ge, Le, G]
    };

    /// The opposite condition: codes come in pairs that differ in bit 0.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self::ALL[(self as u8 ^ 1) as usize]
    }

    fn suffix(self) -> &'static str {
        columns("o no b ae e ne be a s ns p np l ge le g", self as usize)
    }
}

/// One operand of a described instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operand {
    /// Absent.
    None,
    /// Not an operand of its own: the condition that ends the mnemonic.
    Cond(Cond),
    /// A general-purpose register.
    Gpr {
        /// 8, 16, 32 or 64.
        bits: u16,
        /// 0 to 15.
        number: u8,
    },
    /// An SSE or AVX register.
    Vector {
        /// 128 or 256.
        bits: u16,
        /// 0 to 15.
        number: u8,
    },
    /// Memory.
    Mem {
        /// Width of what is accessed; 0 where only the address counts.
        bits: u16,
        /// What the address is relative to.
        base: Base,
        /// Index register, by number, and its scale.
        index: Option<(u8, Scale)>,
        /// Displacement in bytes.
        disp: i32,
    },
    /// An immediate.
    Imm(i64),
    /// A jump target that is yet to be bound.
    Label(Label),
    /// A jump target: an offset into the code.
    Target(u32),
}

/// What stands at one place of the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordKind {
    /// An instruction: mnemonic and operands.
    Inst(&'static str, [Operand; 4]),
    /// Bytes that are not instructions.
    Data,
    /// A label is bound here.
    Bind(Label),
    /// Something worth saying about what follows.
    Comment(&'static str),
}

/// The assembler's note of one thing it put into the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Offset into the code, in bytes.
    pub offset: u32,
    /// How many bytes; 0 for a label or comment.
    pub size: u32,
    /// What it is.
    pub kind: RecordKind,
}

impl Record {
    /// A filler for slices of records that are yet to be written.
    pub const EMPTY: Self = Self { offset: 0, size: 0, kind: RecordKind::Data };
}

/// One line of a listing: offset, bytes and, by [`fmt::Display`], the text.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    record: &'a Record,
    bytes: &'a [u8],
}

impl<'a> Line<'a> {
    pub(super) fn new(record: &'a Record, code: &'a [u8]) -> Self {
        let start = record.offset as usize;
        Self { record, bytes: &code[start..start + record.size as usize] }
    }

    /// Offset of the first byte.
    pub const fn offset(&self) -> u32 {
        self.record.offset
    }

    /// The bytes; none for a label or comment.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What the line is.
    pub const fn kind(&self) -> RecordKind {
        self.record.kind
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.record.kind {
            RecordKind::Inst(mnemonic, operands) => inst(f, mnemonic, &operands),
            RecordKind::Data => {
                f.write_str("db ")?;
                for (i, byte) in self.bytes.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "0x{byte:02x}")?;
                }
                Ok(())
            }
            RecordKind::Bind(label) => write!(f, "L{}:", label.0),
            RecordKind::Comment(text) => write!(f, "; {text}"),
        }
    }
}

fn inst(f: &mut fmt::Formatter<'_>, mnemonic: &str, operands: &[Operand]) -> fmt::Result {
    f.write_str(mnemonic)?;
    let mut operands = operands;
    if let [Operand::Cond(cond), rest @ ..] = operands {
        f.write_str(cond.suffix())?;
        operands = rest;
    }
    let mut separator = " ";
    for operand in operands.iter().filter(|operand| **operand != Operand::None) {
        f.write_str(separator)?;
        fmt::Display::fmt(operand, f)?;
        separator = ", ";
    }
    Ok(())
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::None => Ok(()),
            Self::Cond(cond) => f.write_str(cond.suffix()),
            Self::Gpr { bits, number } => gpr(f, bits, number),
            Self::Vector { bits: 256, number } => write!(f, "ymm{number}"),
            Self::Vector { number, .. } => write!(f, "xmm{number}"),
            Self::Imm(value) => write!(f, "{value}"),
            Self::Label(label) => write!(f, "L{}", label.0),
            Self::Target(offset) => write!(f, "0x{offset:x}"),
            Self::Mem { bits, base, index, disp } => {
                f.write_str(pointer(bits))?;
                f.write_str("[")?;
                let mut empty = false;
                match base {
                    Base::None => empty = true,
                    Base::Gpr(number) => gpr(f, 64, number)?,
                    Base::Rip => f.write_str("rip")?,
                    Base::Label(label) => write!(f, "rip+L{}", label.0)?,
                }
                if let Some((number, scale)) = index {
                    f.write_str(if empty { "" } else { "+" })?;
                    gpr(f, 64, number)?;
                    f.write_str(columns("*1 *2 *4 *8", scale as usize))?;
                    empty = false;
                }
                match disp {
                    _ if empty => write!(f, "{}", i64::from(disp) as u64)?,
                    0 => {}
                    _ => write!(f, "{disp:+}")?,
                }
                f.write_str("]")
            }
        }
    }
}

fn pointer(bits: u16) -> &'static str {
    match bits {
        8 => "byte ptr ",
        16 => "word ptr ",
        32 => "dword ptr ",
        64 => "qword ptr ",
        128 => "xmmword ptr ",
        256 => "ymmword ptr ",
        _ => "",
    }
}

/// Registers 0 to 7 have names of their own, the others are numbered.
fn gpr(f: &mut fmt::Formatter<'_>, bits: u16, number: u8) -> fmt::Result {
    let old = usize::from(number);
    match (bits, number) {
        (8, 0..8) => f.write_str(columns("al cl dl bl spl bpl sil dil", old)),
        (16, 0..8) => f.write_str(columns("ax cx dx bx sp bp si di", old)),
        (32, 0..8) => f.write_str(columns("eax ecx edx ebx esp ebp esi edi", old)),
        (_, 0..8) => f.write_str(columns("rax rcx rdx rbx rsp rbp rsi rdi", old)),
        (8, _) => write!(f, "r{number}b"),
        (16, _) => write!(f, "r{number}w"),
        (32, _) => write!(f, "r{number}d"),
        (_, _) => write!(f, "r{number}"),
    }
}

/// Word `n` of `words`. One string, because a table of strings would be a
/// relocation an entry in a position-independent executable.
fn columns(words: &'static str, n: usize) -> &'static str {
    words.split(' ').nth(n).unwrap_or("?")
}
