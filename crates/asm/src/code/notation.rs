//! Instructions as text, in Intel notation.
//!
//! The assembler describes each instruction once; from that description come
//! its bytes and, when a record is kept, the lines of this file. Nothing here
//! decodes bytes.

use super::address::{Address, Base, Label};
use super::form::{Form, Prefix, Third};
use super::spec::{fixed, kind, order_letters, size};
use core::fmt::{self, Write};

/// The instruction or data at one place of the code.
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
    /// Its kind.
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

    /// The kind of the line.
    pub const fn kind(&self) -> RecordKind {
        self.record.kind
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.record.kind {
            RecordKind::Inst(form, operands) => inst(f, form, operands),
            RecordKind::Data => Data(self.bytes).fmt(f),
            RecordKind::Bind(label) => write!(f, "{label}:"),
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

/// Bytes in hexadecimal, in lower case and with a space between two, as objdump and gdb
/// print them.
#[derive(Clone, Copy, Debug)]
pub struct Hexadecimal<'a>(pub &'a [u8]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for byte in self.0 {
            write!(f, "{before}{:02x}", u64::from(*byte))?;
            before = " ";
        }
        let written = (3 * self.0.len()).saturating_sub(1);
        (written..f.width().unwrap_or(0)).try_for_each(|_| f.write_char(' '))
    }
}

pub(crate) fn inst(f: &mut fmt::Formatter<'_>, form: Form, operands: [u64; 3]) -> fmt::Result {
    f.write_str(Prefix::ALL.get(form.prefix() as usize).map_or("", |prefix| prefix.text()))?;
    form.write_name(f)?;
    if form.has_condition() {
        f.write_str(column(CONDITIONS, form.opcode() as usize & 15))?;
    }
    let mut separator = " ";
    let (mut fixed, mut immediates) = (0, 0);
    for letter in order_letters(form.operand_order()) {
        let operand = match letter {
            b'F' => {
                fixed += 1;
                Operand::fixed(form.fixed_operand(fixed - 1), form, operands[1])
            }
            b'I' => {
                immediates += 1;
                Operand::immediate(form, operands[2], immediates)
            }
            _ => Operand::encoded(*letter, form, operands),
        };
        f.write_str(separator)?;
        fmt::Display::fmt(&operand, f)?;
        separator = ", ";
    }
    Ok(())
}

/// An operand on its way to paper. Widths are numbered as in [`Form`].
#[derive(Clone, Copy)]
enum Operand {
    Register(u64, u64),
    /// Size, address, and what kind of register its index is.
    Memory(u64, Address, u64),
    Immediate(i64),
    /// The top of the x87 stack, where nothing else can be.
    Top,
    /// An offset into the code.
    Target(u64),
    /// Memory at an offset in a segment.
    Offset(u64, u64, u64),
}

impl Operand {
    /// The operand that a letter of an order stands for.
    fn encoded(letter: u8, form: Form, [reg, rm, third]: [u64; 3]) -> Self {
        match letter {
            b'R' => Self::Register(form.reg_kind(), reg),
            b'V' => Self::Register(form.reg_kind(), third >> 8 & 15),
            b'S' => Self::Register(form.reg_kind(), third >> 4 & 15),
            b'D' => Self::Target(third),
            b'T' => Self::Offset(form.width(), Address::unpack(rm).segment_number(), third),
            _ if form.is_memory() => {
                let address = Address::unpack(rm);
                let address = if form.has_address_32() { address.narrow() } else { address };
                Self::Memory(form.rm_kind(), address, form.index_kind())
            }
            _ => Self::Register(form.rm_kind(), rm),
        }
    }

    /// The first or second immediate of a form.
    fn immediate(form: Form, third: u64, which: u32) -> Self {
        let signed = third.cast_signed();
        match form.third_operand() {
            Third::LABEL => Self::Target(third),
            Third::BYTE | Third::VVVV_BYTE => Self::Immediate(i64::from(third as u8)),
            Third::TWO_BYTES => Self::Immediate(i64::from((third >> (8 * (which - 1))) as u8)),
            Third::WORD_BYTE => Self::Immediate(signed >> (16 * (which - 1)) & 0xFFFF),
            Third::SIGNED_BYTE => Self::Immediate(i64::from(third as i8)),
            Third::COUNT | Third::QUAD | Third::WORD | Third::PUSH => Self::Immediate(signed),
            _ => Self::Immediate(form.signed(signed).unwrap_or(0)),
        }
    }

    /// An operand that is not encoded; `rm` has the segment of one in memory.
    fn fixed(number: u64, form: Form, rm: u64) -> Self {
        let width = |first: u8| number - u64::from(first) + 1;
        let segment = Address::unpack(rm).segment_number() as u8;
        let at = |base: u8| {
            let address = Address::base(base).segment(segment);
            if form.has_address_32() { address.narrow() } else { address }
        };
        match number as u8 {
            fixed::CL => Self::Register(1, 1),
            fixed::DX => Self::Register(2, 2),
            fixed::ONE => Self::Immediate(1),
            fixed::ECX => Self::Register(3, 1),
            fixed::ST0 => Self::Top,
            fixed::FS => Self::Register(u64::from(kind::SEGMENT), 4),
            fixed::GS => Self::Register(u64::from(kind::SEGMENT), 5),
            fixed::RDI..fixed::RSI => {
                Self::Memory(width(fixed::RDI), at(7).segment(u8::from(segment != 0)), 0)
            }
            fixed::RSI..fixed::RBX => Self::Memory(width(fixed::RSI), at(6), 0),
            fixed::RBX => Self::Memory(1, at(3), 0),
            _ => Self::Register(number, 0),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Register(width, number) => register(f, width, number),
            Self::Memory(width, address, index) => {
                f.write_str(pointer(width))?;
                memory(f, address, index)
            }
            Self::Immediate(value) => write!(f, "{value}"),
            Self::Top => f.write_str("st"),
            Self::Target(offset) => write!(f, "0x{offset:x}"),
            Self::Offset(width, number, offset) => {
                write!(f, "{}{}[{offset}]", pointer(width), segment(number))
            }
        }
    }
}

/// Writes an address whose index is a vector of this kind: 1 XMM, 2 YMM.
fn memory(f: &mut fmt::Formatter<'_>, address: Address, vector: u64) -> fmt::Result {
    let width = if address.is_narrow() { QUAD - 1 } else { QUAD };
    write!(f, "{}[", segment(address.segment_number()))?;
    let mut empty = false;
    match address.relative_to() {
        Base::Gpr => register(f, width, address.base_number())?,
        Base::None => empty = true,
        Base::Rip => f.write_str(if address.is_narrow() { "eip" } else { "rip" })?,
        Base::Label => write!(f, "rip+{}", address.target())?,
    }
    if address.is_indexed() {
        f.write_str(if empty { "" } else { "+" })?;
        let kind = if vector == 0 { width } else { u64::from(kind::XMM) + vector - 1 };
        register(f, kind, address.index_number())?;
        f.write_str(column("*1  *2  *4  *8  ", address.scale() as usize))?;
        empty = false;
    }
    match i64::from(address.displacement()) {
        disp if empty && address.is_narrow() => write!(f, "{}", u64::from(disp as u32))?,
        disp if empty => write!(f, "{}", disp.cast_unsigned())?,
        0 => {}
        disp => write!(f, "{disp:+}")?,
    }
    f.write_str("]")
}

/// The override of the segment with this number.
fn segment(number: u64) -> &'static str {
    match number {
        1 => "es:",
        2 => "cs:",
        3 => "ss:",
        4 => "ds:",
        5 => "fs:",
        6 => "gs:",
        _ => "",
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}", u64::from(self.0))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        memory(f, *self, 0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn pointer(width: u64) -> &'static str {
    match width as u8 {
        1 => "byte ptr ",
        2 => "word ptr ",
        3 => "dword ptr ",
        4 => "qword ptr ",
        5 => "xmmword ptr ",
        6 => "ymmword ptr ",
        size::TBYTE => "tbyte ptr ",
        size::FWORD => "fword ptr ",
        size::ENV_14 => "fpuenv14 ptr ",
        size::STATE_94 => "fpustate94 ptr ",
        size::ZMMWORD => "zmmword ptr ",
        _ => "",
    }
}

/// Number of the width of an address.
const QUAD: u64 = 4;

/// By their codes (SDM vol. 1, appendix B).
const CONDITIONS: &str = "o   no  b   ae  e   ne  be  a   s   ns  p   np  l   ge  le  g   ";

/// General-purpose registers 0 to 7 have names of their own, and so have segment
/// registers and, as 20 to 23, AH, CH, DH and BH; all others are numbered.
fn register(f: &mut fmt::Formatter<'_>, width: u64, number: u64) -> fmt::Result {
    let names = match width as u8 {
        kind::R8 if number >= 20 => "                ah  ch  dh  bh  ",
        kind::R8 => "al  cl  dl  bl  spl bpl sil dil ",
        kind::R16 => "ax  cx  dx  bx  sp  bp  si  di  ",
        kind::R32 => "eax ecx edx ebx esp ebp esi edi ",
        kind::R64 => "rax rcx rdx rbx rsp rbp rsi rdi ",
        kind::SEGMENT => "es  cs  ss  ds  fs  gs  ",
        kind::X87 => return write!(f, "st({number})"),
        _ => {
            let name = column("xmm ymm mm  k       cr  dr  ", width as usize - kind::XMM as usize);
            return write!(f, "{name}{number}");
        }
    };
    match number {
        0..8 | 20..24 => f.write_str(column(names, number as usize & 7)),
        _ => write!(f, "r{number}{}", column("    b   w   d       ", width as usize)),
    }
}

/// Word `n` of `words`, which stand in columns of four. One string, because a table of
/// strings would be a relocation an entry in a position-independent executable.
fn column(words: &'static str, n: usize) -> &'static str {
    words.get(4 * n..4 * n + 4).unwrap_or("?").trim_ascii_end()
}
