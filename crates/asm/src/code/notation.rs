//! Instructions as text, in Intel notation.
//!
//! The assembler describes each instruction once; from that description come
//! its bytes and, when a record is kept, the lines of this file. Nothing here
//! decodes bytes.

use super::form::{Address, Base, Form, Third};
use core::fmt::{self, Write};

/// A place in code that instructions can refer to before it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label(pub(crate) u32);

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

/// What stands at one place of the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordKind {
    /// An instruction: its form, and its operands as they are encoded: in
    /// ModRM.reg, in ModRM.rm, and elsewhere.
    Inst(Form, [u64; 3]),
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
    /// The line of `record` about `code`.
    pub fn new(record: &'a Record, code: &'a [u8]) -> Self {
        let start = record.offset as usize;
        Self { record, bytes: code.get(start..start + record.size as usize).unwrap_or_default() }
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
            RecordKind::Inst(form, operands) => inst(f, form, operands),
            RecordKind::Data => Data(self.bytes).fmt(f),
            RecordKind::Bind(label) => write!(f, "L{}:", u64::from(label.0)),
            RecordKind::Comment(text) => write!(f, "; {text}"),
        }
    }
}

/// Data as an assembler takes it: text where it is text.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a>(pub &'a [u8]);

impl fmt::Display for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'"';
        let mut before = "db ";
        for run in self.0.chunk_by(|a, b| text(a) && text(b)) {
            f.write_str(before)?;
            before = ", ";
            match run {
                [byte] if !text(byte) => write!(f, "0x{:02x}", u64::from(*byte))?,
                _ => {
                    for byte in b"\"".iter().chain(run).chain(b"\"") {
                        f.write_char(char::from(*byte))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Bytes in hexadecimal, a space between two.
#[derive(Clone, Copy, Debug)]
pub struct Hexadecimal<'a>(pub &'a [u8]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for byte in self.0 {
            write!(f, "{before}{:02X}", u64::from(*byte))?;
            before = " ";
        }
        Ok(())
    }
}

fn inst(f: &mut fmt::Formatter<'_>, form: Form, [reg, rm, third]: [u64; 3]) -> fmt::Result {
    for letter in form.letters() {
        f.write_char(letter)?;
    }
    if form.has_condition() {
        f.write_str(column(CONDITIONS, form.opcode() as usize & 15))?;
    }
    let rm = if form.is_memory() {
        Operand::Memory(form.rm_width(), Address::unpack(rm))
    } else {
        Operand::Register(form.rm_width(), rm)
    };
    let reg = Operand::Register(form.reg_width(), reg);
    let [first, second] = if form.is_store() { [rm, reg] } else { [reg, rm] };
    let extra = match form.third_operand() {
        Third::NONE => Operand::None,
        Third::CL => Operand::Register(1, 1),
        Third::MIDDLE | Third::LAST => Operand::Register(form.reg_width(), third),
        Third::BYTE | Third::COUNT | Third::QUAD => Operand::Immediate(third.cast_signed()),
        Third::LABEL => Operand::Target(third),
        _ => Operand::Immediate(form.signed(third.cast_signed()).unwrap_or(0)),
    };
    let operands =
        if form.third_operand() == Third::MIDDLE { [first, extra, second] } else { [first, second, extra] };
    let mut separator = " ";
    for operand in operands {
        if !matches!(operand, Operand::None | Operand::Register(0, _)) {
            f.write_str(separator)?;
            fmt::Display::fmt(&operand, f)?;
            separator = ", ";
        }
    }
    Ok(())
}

/// An operand on its way to paper. Widths are numbered as in [`Form`].
#[derive(Clone, Copy)]
enum Operand {
    None,
    Register(u64, u64),
    Memory(u64, Address),
    Immediate(i64),
    /// An offset into the code.
    Target(u64),
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::None => Ok(()),
            Self::Register(width, number) => register(f, width, number),
            Self::Memory(width, address) => {
                f.write_str(pointer(width))?;
                fmt::Display::fmt(&address, f)
            }
            Self::Immediate(value) => write!(f, "{value}"),
            Self::Target(offset) => write!(f, "0x{offset:x}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        let mut empty = false;
        match self.relative_to() {
            Base::Gpr => register(f, QUAD, self.base_number())?,
            Base::None => empty = true,
            Base::Rip => f.write_str("rip")?,
            Base::Label => write!(f, "rip+L{}", u64::from(self.target().0))?,
        }
        if self.is_indexed() {
            f.write_str(if empty { "" } else { "+" })?;
            register(f, QUAD, self.index_number())?;
            f.write_str(column("*1  *2  *4  *8  ", self.scale() as usize))?;
            empty = false;
        }
        match i64::from(self.displacement()) {
            disp if empty => write!(f, "{}", disp.cast_unsigned())?,
            0 => {}
            disp => write!(f, "{disp:+}")?,
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.letters().try_for_each(|letter| f.write_char(letter))
    }
}

fn pointer(width: u64) -> &'static str {
    match width {
        1 => "byte ptr ",
        2 => "word ptr ",
        3 => "dword ptr ",
        4 => "qword ptr ",
        5 => "xmmword ptr ",
        6 => "ymmword ptr ",
        _ => "",
    }
}

/// Number of the width of an address.
const QUAD: u64 = 4;

/// By their codes (SDM vol. 1, appendix B).
const CONDITIONS: &str = "o   no  b   ae  e   ne  be  a   s   ns  p   np  l   ge  le  g   ";

/// General-purpose registers 0 to 7 have names of their own, all others are
/// numbered.
fn register(f: &mut fmt::Formatter<'_>, width: u64, number: u64) -> fmt::Result {
    let names = match width {
        1 => "al  cl  dl  bl  spl bpl sil dil ",
        2 => "ax  cx  dx  bx  sp  bp  si  di  ",
        3 => "eax ecx edx ebx esp ebp esi edi ",
        _ => "rax rcx rdx rbx rsp rbp rsi rdi ",
    };
    match (width, number) {
        (5, _) => write!(f, "xmm{number}"),
        (6, _) => write!(f, "ymm{number}"),
        (_, 0..8) => f.write_str(column(names, number as usize)),
        (_, _) => write!(f, "r{number}{}", column("    b   w   d       ", width as usize)),
    }
}

/// Word `n` of `words`, which stand in columns of four. One string, because a table of
/// strings would be a relocation an entry in a position-independent executable.
fn column(words: &'static str, n: usize) -> &'static str {
    words.get(4 * n..4 * n + 4).unwrap_or("?").trim_ascii_end()
}
