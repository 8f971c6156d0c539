//! Instruction forms and addresses as plain numbers.
//!
//! A [`Form`] says all there is to say about one form of one instruction, in
//! 32 bits and a packed name; an [`Address`] is a memory operand in 64 bits.
//! Both travel in registers, so describing an instruction costs its caller a few
//! bytes, and a record of it is small. The assembler reads a form to encode, a
//! listing reads the same form to print; neither is done here.

use super::{Label, Scale};

/// One form of one instruction: how it is encoded and how it reads.
///
/// ```text
/// bits   0..8   opcode
///        8..10  map: one byte, 0F, 0F 38, 0F 3A (VEX.mmmmm)
///       10..12  mandatory prefix: none, 66, F3, F2 (VEX.pp)
///       12      66 for 16-bit operands
///       13      W, a 64-bit operand
///       14      VEX instead of REX
///       15..18  digit in ModRM.reg, /0 to /7
///       18      +r: the register of `rm` is in the opcode, and no ModRM follows
///       19      +cc: a condition is in the opcode and ends the mnemonic
///       20      store: `rm` is written before `reg`
///       21..24  width of the register in ModRM.reg
///       24..28  width of what is in ModRM.rm; bit 27: it is memory
///       28..32  the third operand, and how the encoding depends on it
/// ```
/// Widths count 8, 16, 32, 64, 128 and 256 bits from 1; 0 is none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Form {
    bits: u32,
    /// Five bits a letter, the first one lowest.
    name: u64,
}

/// The operand that is neither in ModRM.reg nor in ModRM.rm.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Third(u8);

impl Third {
    /// There is none.
    pub(crate) const NONE: Self = Self(0);
    /// The register CL, which is printed and not encoded.
    pub(crate) const CL: Self = Self(1);
    /// A register in VEX.vvvv, written between the two others.
    pub(crate) const MIDDLE: Self = Self(2);
    /// A register in VEX.vvvv, written last.
    pub(crate) const LAST: Self = Self(3);
    /// An unsigned byte.
    pub(crate) const BYTE: Self = Self(4);
    /// A count, which has an opcode of its own for 1.
    pub(crate) const COUNT: Self = Self(5);
    /// An immediate as wide as the operand, up to 32 bits.
    pub(crate) const FULL: Self = Self(6);
    /// The same, or a byte that is sign-extended, or without ModRM for the
    /// accumulator.
    pub(crate) const ALU: Self = Self(7);
    /// The same without the byte.
    pub(crate) const TEST: Self = Self(8);
    /// The same without the accumulator.
    pub(crate) const IMUL: Self = Self(9);
    /// As wide as the operand without ModRM, or 32 bits that are sign-extended.
    pub(crate) const MOV: Self = Self(10);
    /// 64 bits.
    pub(crate) const QUAD: Self = Self(11);
    /// A jump target, or 64 bits with the address of a label.
    pub(crate) const LABEL: Self = Self(12);
}

const W16: u32 = 1 << 12;
const W64: u32 = 1 << 13;
const VEX: u32 = 1 << 14;
const PLUS_R: u32 = 1 << 18;
const PLUS_CC: u32 = 1 << 19;
const STORE: u32 = 1 << 20;
const MEMORY: u32 = 1 << 27;

/// Added to the number of a width: it is in memory.
pub(crate) const MEMORY_KIND: u8 = 8;

/// The number of a width in bits.
pub(crate) const fn width(bits: u16) -> u8 {
    match bits {
        8 => 1,
        16 => 2,
        32 => 3,
        64 => 4,
        128 => 5,
        256 => 6,
        _ => 0,
    }
}

/// The letters that mnemonics are written in, from 1.
const LETTERS: &[u8; 30] = b"abcdefghijklmnopqrstuvwxyz2346";

/// How the assembler describes forms.
impl Form {
    /// An opcode of the one-byte map.
    pub(crate) const fn op(opcode: u8) -> Self {
        Self { bits: opcode as u32, name: 0 }
    }

    const fn with(self, bits: u32) -> Self {
        Self { bits: self.bits | bits, ..self }
    }

    /// Chooses the map: 1 is `0F`, 2 `0F 38`, 3 `0F 3A`.
    pub(crate) const fn map(self, map: u8) -> Self {
        self.with((map as u32) << 8)
    }

    /// Puts 66, F2 or F3 in front, which makes it another instruction.
    pub(crate) const fn prefix(self, prefix: u8) -> Self {
        let pp = match prefix {
            0x66 => 1,
            0xF3 => 2,
            0xF2 => 3,
            _ => panic!("no mandatory prefix"),
        };
        self.with(pp << 10)
    }

    /// Sets REX.W or VEX.W.
    pub(crate) const fn w(self) -> Self {
        self.with(W64)
    }

    /// W by width, where a prefix or nothing tells the other sizes.
    pub(crate) const fn rex_w(self, bits: u16) -> Self {
        if bits == 64 { self.w() } else { self }
    }

    /// Operand size by width: 66 for 16 bits, W for 64.
    pub(crate) const fn wide(self, bits: u16) -> Self {
        if bits == 16 { self.with(W16) } else { self.rex_w(bits) }
    }

    /// The same where bit 0 of the opcode tells bytes from larger.
    pub(crate) const fn sized(self, bits: u16) -> Self {
        if bits == 8 { self } else { self.with(1).wide(bits) }
    }

    /// Encodes with VEX.
    pub(crate) const fn vex(self) -> Self {
        self.with(VEX)
    }

    /// Extends the opcode by `/digit`.
    pub(crate) const fn digit(self, digit: u8) -> Self {
        self.with((digit as u32) << 15)
    }

    /// Puts the register of `rm` into the opcode.
    pub(crate) const fn plus_r(self) -> Self {
        self.with(PLUS_R)
    }

    /// Puts a condition into the opcode, by [`Form::on`].
    pub(crate) const fn plus_cc(self) -> Self {
        self.with(PLUS_CC)
    }

    /// Has a third operand.
    pub(crate) const fn third(self, third: Third) -> Self {
        self.with((third.0 as u32) << 28)
    }

    /// Writes `rm` before `reg`.
    pub(crate) const fn store(self) -> Self {
        self.with(STORE)
    }

    /// Has a register of this width number in ModRM.reg.
    pub(crate) const fn reg(self, kind: u8) -> Self {
        self.with((kind as u32) << 21)
    }

    /// Has an operand of this kind in ModRM.rm: a width number, plus 8 for memory.
    pub(crate) const fn rm(self, kind: u8) -> Self {
        self.with((kind as u32) << 24)
    }

    /// Has this mnemonic, of at most twelve letters.
    pub(crate) const fn named(self, text: &str) -> Self {
        let text = text.as_bytes();
        assert!(text.len() <= 12, "a mnemonic has at most twelve letters");
        let mut name = 0;
        let mut i = text.len();
        while i > 0 {
            i -= 1;
            let mut letter = 0;
            while LETTERS[letter] != text[i] {
                letter += 1;
            }
            name = name << 5 | (letter + 1) as u64;
        }
        Self { name, ..self }
    }

    /// The form for the condition with this code.
    #[inline(always)]
    pub(crate) const fn on(self, condition: u8) -> Self {
        self.with(condition as u32)
    }
}

/// How a form is read again.
impl Form {
    #[inline(always)]
    const fn field(self, at: u32, mask: u32) -> u64 {
        (self.bits >> at & mask) as u64
    }

    #[inline(always)]
    const fn has(self, bits: u32) -> bool {
        self.bits & bits != 0
    }

    #[inline(always)]
    pub(crate) const fn opcode(self) -> u64 {
        self.bits as u8 as u64
    }

    #[inline(always)]
    pub(crate) const fn opcode_map(self) -> u64 {
        self.field(8, 3)
    }

    #[inline(always)]
    pub(crate) const fn pp(self) -> u64 {
        self.field(10, 3)
    }

    #[inline(always)]
    pub(crate) const fn is_16(self) -> bool {
        self.has(W16)
    }

    #[inline(always)]
    pub(crate) const fn is_64(self) -> bool {
        self.has(W64)
    }

    #[inline(always)]
    pub(crate) const fn is_vex(self) -> bool {
        self.has(VEX)
    }

    #[inline(always)]
    pub(crate) const fn extension(self) -> u64 {
        self.field(15, 7)
    }

    #[inline(always)]
    pub(crate) const fn has_plus_r(self) -> bool {
        self.has(PLUS_R)
    }

    /// Whether a condition ends the mnemonic: the low four bits of the opcode.
    pub(crate) const fn has_condition(self) -> bool {
        self.has(PLUS_CC)
    }

    pub(crate) const fn is_store(self) -> bool {
        self.has(STORE)
    }

    /// Number of the width in ModRM.reg.
    #[inline(always)]
    pub(crate) const fn reg_width(self) -> u64 {
        self.field(21, 7)
    }

    /// Number of the width in ModRM.rm.
    #[inline(always)]
    pub(crate) const fn rm_width(self) -> u64 {
        self.field(24, 7)
    }

    #[inline(always)]
    pub(crate) const fn is_memory(self) -> bool {
        self.has(MEMORY)
    }

    #[inline(always)]
    pub(crate) const fn third_operand(self) -> Third {
        Third((self.bits >> 28) as u8)
    }

    /// Whether its instructions have at most eight bytes: 66 F3 REX 0F opcode
    /// ModRM imm8 is the longest without memory and a larger immediate.
    #[inline(always)]
    pub(crate) const fn is_brief(self) -> bool {
        !self.is_memory() && self.bits >> 28 <= Third::COUNT.0 as u32
    }

    /// `value` as a signed number of the width in ModRM.rm, unless it is neither
    /// a signed nor an unsigned number of that width.
    #[inline(always)]
    pub(crate) const fn signed(self, value: i64) -> Option<i64> {
        let bits = 4 << self.rm_width();
        let shift = 64 - bits;
        let signed = value << shift >> shift;
        if signed == value || shift != 0 && (value as u64) >> bits == 0 { Some(signed) } else { None }
    }

    /// The letters of the mnemonic, without a condition.
    pub(crate) fn letters(self) -> impl Iterator<Item = char> {
        let mut name = self.name;
        core::iter::from_fn(move || {
            let letter = LETTERS.get((name & 31).wrapping_sub(1) as usize)?;
            name >>= 5;
            Some(char::from(*letter))
        })
    }
}

/// What an address is relative to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// A register, in the SIB byte.
    Gpr,
    /// Nothing: a 32-bit address, or an index alone.
    None,
    /// The end of the instruction.
    Rip,
    /// The end of the instruction, with the distance to a label to be added.
    Label,
}

/// A memory operand without its width.
///
/// ```text
/// bits   0..2   what it is relative to
///        2      it has an index
///        3..7   base register    ┐
///        7..11  index register   │ or, 3..32, the label
///       11..13  scale            ┘
///       32..64  displacement
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address(u64);

const INDEXED: u64 = 1 << 2;

impl Address {
    /// More labels than this cannot be told apart.
    pub(crate) const MAX_LABELS: usize = 1 << 29;

    #[inline(always)]
    pub(crate) const fn base(number: u8) -> Self {
        Self((number as u64) << 3)
    }

    /// No base is encoded as RBP.
    pub(crate) const fn absolute() -> Self {
        Self(Base::None as u64 | 5 << 3)
    }

    pub(crate) const fn rip() -> Self {
        Self(Base::Rip as u64)
    }

    #[inline(always)]
    pub(crate) const fn label(label: Label) -> Self {
        Self((label.0 as u64) << 3 | Base::Label as u64)
    }

    #[inline(always)]
    pub(crate) const fn index(self, number: u8, scale: Scale) -> Self {
        match self.relative_to() {
            Base::Gpr | Base::None => {
                let bare = self.0 & !(0x3F << 7);
                Self(bare | (number as u64) << 7 | (scale as u64) << 11 | INDEXED)
            }
            // Nothing to encode, and no room for it beside a label.
            Base::Rip | Base::Label => Self(self.0 | INDEXED),
        }
    }

    #[inline(always)]
    pub(crate) const fn disp(self, disp: i32) -> Self {
        Self(self.0 as u32 as u64 | (disp as u32 as u64) << 32)
    }

    /// The operand as an instruction carries it.
    #[inline(always)]
    pub(crate) const fn packed(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub(crate) const fn unpack(packed: u64) -> Self {
        Self(packed)
    }

    #[inline(always)]
    pub(crate) const fn relative_to(self) -> Base {
        match self.0 & 3 {
            0 => Base::Gpr,
            1 => Base::None,
            2 => Base::Rip,
            _ => Base::Label,
        }
    }

    #[inline(always)]
    pub(crate) const fn displacement(self) -> i32 {
        (self.0 >> 32) as i32
    }

    #[inline(always)]
    pub(crate) const fn is_indexed(self) -> bool {
        self.0 & INDEXED != 0
    }

    #[inline(always)]
    const fn field(self, at: u32, mask: u64) -> u64 {
        self.0 >> at & mask
    }

    #[inline(always)]
    pub(crate) const fn base_number(self) -> u64 {
        self.field(3, 15)
    }

    #[inline(always)]
    pub(crate) const fn index_number(self) -> u64 {
        self.field(7, 15)
    }

    #[inline(always)]
    pub(crate) const fn scale(self) -> u64 {
        self.field(11, 3)
    }

    /// The label, where it is relative to one.
    #[inline(always)]
    pub(crate) const fn target(self) -> Label {
        Label(self.0 as u32 >> 3)
    }
}
