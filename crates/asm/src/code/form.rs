//! Instruction forms as plain numbers.
//!
//! A [`Form`] says all that is needed to encode one form of one instruction and
//! to print it: 64 bits and a packed mnemonic. It travels in two registers, so
//! describing an instruction costs its caller a few bytes, and a record of it is
//! small. The assembler reads a form to encode, a listing reads the same form to
//! print; neither is done here. [`spec`](super::spec) makes forms from text.

use core::fmt::{self, Write};

/// One form of one instruction: how it is encoded and how it reads.
///
/// ```text
/// bits   0..8   opcode
///        8..11  map: one byte, 0F, 0F 38, 0F 3A (VEX.mmmmm)
///       11..13  mandatory prefix: none, 66, F3, F2 (VEX.pp)
///       13..15  encoding: legacy or VEX
///       15      66 for 16-bit operands
///       16      W, a 64-bit operand
///       17      VEX.L
///       18      ModRM.reg is an opcode extension
///       19..22  that extension, /0 to /7
///       22      ModRM is part of the opcode
///       23..26  the rm field of that ModRM
///       26      +r: the register of `rm` is in the opcode, and no ModRM follows
///       27      +cc: a condition is in the opcode and ends the mnemonic
///       28      67 for 32-bit addresses
///       29..32  prefix: lock, rep, repe, repne, bnd, notrack
///       32..38  operands in Intel order, by where they are encoded
///       38..42  kind of the register in ModRM.reg, or in VEX.vvvv
///       42..46  kind of the register in ModRM.rm, or size of the memory there
///       46      ModRM.rm is memory
///       47..49  the index of that memory is XMM or YMM
///       49..54  what is encoded behind ModRM, and how the encoding depends on it
///       54..59  first operand that is not encoded
///       59..64  second operand that is not encoded
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Form {
    bits: u64,
    /// Base 38, the first letter lowest; from [`LONG_FROM`] on an index.
    name: u64,
}

/// The operand that is neither in ModRM.reg nor in ModRM.rm. A register in
/// VEX.vvvv is in bits 8 to 11 of its value, an immediate byte below it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Third(pub(crate) u8);

impl Third {
    /// There is none.
    pub(crate) const NONE: Self = Self(0);
    /// A register in VEX.vvvv.
    pub(crate) const VVVV: Self = Self(1);
    /// A register in VEX.vvvv, and an unsigned byte.
    pub(crate) const VVVV_BYTE: Self = Self(2);
    /// A register in VEX.vvvv, and one in bits 4 to 7 of a byte.
    pub(crate) const VVVV_IS4: Self = Self(3);
    /// An unsigned byte.
    pub(crate) const BYTE: Self = Self(4);
    /// A byte that is sign-extended to the width of the operand.
    pub(crate) const SIGNED_BYTE: Self = Self(5);
    /// Two unsigned bytes, the first one lowest.
    pub(crate) const TWO_BYTES: Self = Self(6);
    /// A count, which has an opcode of its own for 1.
    pub(crate) const COUNT: Self = Self(7);
    /// An immediate as wide as the operand, up to 32 bits.
    pub(crate) const FULL: Self = Self(8);
    /// The same, or a byte that is sign-extended, or without ModRM for the
    /// accumulator.
    pub(crate) const ALU: Self = Self(9);
    /// The same without the byte.
    pub(crate) const TEST: Self = Self(10);
    /// The same without the accumulator.
    pub(crate) const IMUL: Self = Self(11);
    /// As wide as the operand without ModRM, or 32 bits that are sign-extended.
    pub(crate) const MOV: Self = Self(12);
    /// 64 bits.
    pub(crate) const QUAD: Self = Self(13);
    /// A jump target, or 64 bits with the address of a label.
    pub(crate) const LABEL: Self = Self(14);
    /// An unsigned word.
    pub(crate) const WORD: Self = Self(15);
    /// A word, then a byte, from bit 16 on.
    pub(crate) const WORD_BYTE: Self = Self(16);
    /// A 64-bit address in place of ModRM.
    pub(crate) const OFFSET: Self = Self(17);
    /// A displacement of 8 bits from the end of the instruction.
    pub(crate) const REL8: Self = Self(18);
    /// The same with 32 bits.
    pub(crate) const REL32: Self = Self(19);
    /// 32 bits that are sign-extended, or a byte: `push`.
    pub(crate) const PUSH: Self = Self(20);
}

const W16: u64 = 1 << 15;
const W64: u64 = 1 << 16;
const LONG: u64 = 1 << 17;
const DIGIT: u64 = 1 << 18;
const FIXED_MODRM: u64 = 1 << 22;
const PLUS_R: u64 = 1 << 26;
const PLUS_CC: u64 = 1 << 27;
const ADDRESS_32: u64 = 1 << 28;
const MEMORY: u64 = 1 << 46;

/// The encoding with VEX; 0 is legacy.
const VEX: u64 = 1;

/// A prefix that changes an instruction without making it another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Prefix {
    /// None.
    None = 0,
    /// F0: the access to memory is atomic.
    Lock = 1,
    /// F3: repeats RCX times.
    Rep = 2,
    /// F3: repeats RCX times while equal.
    Repe = 3,
    /// F2: repeats RCX times while not equal.
    Repne = 4,
    /// F2: keeps the bounds registers of MPX.
    Bnd = 5,
    /// 3E: the target needs no `endbr64`.
    Notrack = 6,
}

impl Prefix {
    /// By the numbers in a form.
    pub(crate) const ALL: [Self; 7] =
        [Self::None, Self::Lock, Self::Rep, Self::Repe, Self::Repne, Self::Bnd, Self::Notrack];

    /// Its text, with a space behind it.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Lock => "lock ",
            Self::Rep => "rep ",
            Self::Repe => "repe ",
            Self::Repne => "repne ",
            Self::Bnd => "bnd ",
            Self::Notrack => "notrack ",
        }
    }
}

/// The letters that mnemonics are written in, from 1.
const LETTERS: &[u8; 37] = b"abcdefghijklmnopqrstuvwxyz0123456789 ";

/// Twelve letters at base 38 are below this, and numbers from here on are
/// indices into [`LONG_NAMES`].
const LONG_FROM: u64 = 38u64.pow(12);

/// The mnemonics of more than twelve letters, with a dash for a space. New ones go to
/// the end.
const LONG_NAMES: &str = "aeskeygenassist gf2p8affineqb gf2p8affineinvqb vaeskeygenassist \
    vgf2p8affineqb vgf2p8affineinvqb vbroadcastf128 vbroadcasti128 vfmaddsub132pd vfmaddsub132ps \
    vfmaddsub213pd vfmaddsub213ps vfmaddsub231pd vfmaddsub231ps vfmsubadd132pd vfmsubadd132ps \
    vfmsubadd213pd vfmsubadd213ps vfmsubadd231pd vfmsubadd231ps vbcstnebf162ps vcvtneebf162ps \
    vcvtneobf162ps vcvtneps2bf16 prefetch_exclusive prefetch_reserved \
    data16-ret-far data64-ret-far addr32-monitor addr32-monitorx addr32-loopne";

/// The number of a mnemonic, as [`Form`] keeps it.
pub(crate) const fn pack_name(text: &str) -> u64 {
    let text = text.as_bytes();
    if text.len() > 12 {
        return LONG_FROM + long_index(text);
    }
    let mut name = 0;
    let mut i = text.len();
    while i > 0 {
        i -= 1;
        let letter = match text[i] {
            letter @ b'a'..=b'z' => letter - b'a',
            digit @ b'0'..=b'9' => digit - b'0' + 26,
            b' ' => 36,
            _ => panic!("a mnemonic is written in lower-case letters, digits and spaces"),
        };
        name = name * 38 + (letter + 1) as u64;
    }
    name
}

impl Form {
    /// The number of a mnemonic, if it can be one: lower-case letters, digits, spaces and
    /// underscores.
    pub(crate) fn name_number(text: &str) -> Option<u64> {
        if text.len() > 12 {
            let long = LONG_NAMES.split(' ').position(|name| name.bytes().eq(text.bytes().map(dash)))?;
            return Some(LONG_FROM + long as u64);
        }
        text.bytes().all(|byte| LETTERS.contains(&byte)).then(|| pack_name(text))
    }
}

/// How [`LONG_NAMES`] has a letter.
fn dash(byte: u8) -> u8 {
    if byte == b' ' { b'-' } else { byte }
}

/// The number of the word `text` in [`LONG_NAMES`].
const fn long_index(text: &[u8]) -> u64 {
    let names = LONG_NAMES.as_bytes();
    let (mut start, mut index) = (0, 0);
    while start < names.len() {
        let mut i = 0;
        while start + i < names.len() && names[start + i] != b' ' {
            i += 1;
        }
        if i == text.len() {
            let mut same = 0;
            while same < i && names[start + same] == if text[same] == b' ' { b'-' } else { text[same] } {
                same += 1;
            }
            if same == i {
                return index;
            }
        }
        start += i + 1;
        index += 1;
    }
    panic!("a mnemonic of more than twelve letters must be among LONG_NAMES")
}

/// How the assembler describes forms.
impl Form {
    /// An opcode of the one-byte map.
    pub(crate) const fn op(opcode: u8) -> Self {
        Self { bits: opcode as u64, name: 0 }
    }

    /// A form from its two words.
    pub(crate) const fn from_words(bits: u64, name: u64) -> Self {
        Self { bits, name }
    }

    /// The two words of a form.
    pub(crate) const fn words(self) -> (u64, u64) {
        (self.bits, self.name)
    }

    const fn with(self, bits: u64) -> Self {
        Self { bits: self.bits | bits, ..self }
    }

    /// Chooses the map: 1 is `0F`, 2 `0F 38`, 3 `0F 3A`.
    pub(crate) const fn map(self, map: u8) -> Self {
        Self { bits: self.bits & !(7 << 8) | (map as u64) << 8, ..self }
    }

    /// Puts 66, F3 or F2 in front, which makes it another instruction: 1, 2, 3.
    pub(crate) const fn mandatory(self, pp: u8) -> Self {
        self.with((pp as u64) << 11)
    }

    /// Sets REX.W or VEX.W.
    pub(crate) const fn w(self) -> Self {
        self.with(W64)
    }

    /// Puts 66 in front for 16-bit operands.
    pub(crate) const fn w16(self) -> Self {
        self.with(W16)
    }

    /// Encodes with VEX.
    pub(crate) const fn vex(self) -> Self {
        self.with(VEX << 13)
    }

    /// Sets VEX.L.
    pub(crate) const fn long(self) -> Self {
        self.with(LONG)
    }

    /// Has 32-bit addresses.
    pub(crate) const fn address_32(self) -> Self {
        self.with(ADDRESS_32)
    }

    /// Extends the opcode by `/digit`.
    pub(crate) const fn digit(self, digit: u8) -> Self {
        self.with(DIGIT | (digit as u64) << 19)
    }

    /// Makes a whole ModRM byte of two registers part of the opcode.
    pub(crate) const fn modrm(self, modrm: u8) -> Self {
        self.digit(modrm >> 3 & 7).with(FIXED_MODRM | ((modrm & 7) as u64) << 23)
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
        self.with((third.0 as u64) << 49)
    }

    /// Has a label as its third operand.
    pub(crate) const fn to_label(self) -> Self {
        Self { bits: self.bits & !(31 << 49), ..self }.third(Third::LABEL)
    }

    /// Has its operands in this order, a number of
    /// [`ORDERS`](super::spec::ORDERS).
    pub(crate) const fn order(self, order: u8) -> Self {
        self.with((order as u64) << 32)
    }

    /// Has a register of this kind in ModRM.reg.
    pub(crate) const fn reg(self, kind: u8) -> Self {
        self.with((kind as u64) << 38)
    }

    /// Has a register of this kind in ModRM.rm.
    pub(crate) const fn rm(self, kind: u8) -> Self {
        self.with((kind as u64) << 42)
    }

    /// Has memory of this size in ModRM.rm.
    pub(crate) const fn memory(self, size: u8) -> Self {
        self.with((size as u64) << 42 | MEMORY)
    }

    /// The same form with memory of this size in place of the register in ModRM.rm.
    pub(crate) const fn with_memory(self, size: u8) -> Self {
        Self { bits: self.bits & !(15 << 42), ..self }.memory(size)
    }

    /// The same form for operands of this width: 66 for 16 bits, W for 64, VEX.L for
    /// 256.
    pub(crate) const fn at_width(self, bits: u16) -> Self {
        let form = Self { bits: self.bits & !(W16 | if bits < 128 { W64 } else { 0 }), ..self };
        match bits {
            16 => form.w16(),
            64 => form.w(),
            256 => form.long(),
            _ => form,
        }
    }

    /// Has memory with an index of this kind: 1 XMM, 2 YMM.
    pub(crate) const fn vector_index(self, kind: u8) -> Self {
        self.with((kind as u64) << 47)
    }

    /// Has an operand that is not encoded, the first or the second such.
    pub(crate) const fn fixed(self, which: u8, fixed: u8) -> Self {
        self.with((fixed as u64) << (54 + 5 * which as u32))
    }

    /// Has this mnemonic, of at most twelve letters, or of more if it is known.
    pub(crate) const fn named(self, text: &str) -> Self {
        Self { name: pack_name(text), ..self }
    }

    /// The form of a conditional instruction for the condition with this code.
    #[inline(always)]
    pub const fn on(self, condition: u8) -> Self {
        self.with(condition as u64)
    }

    /// The same form behind a prefix.
    pub const fn behind(self, prefix: Prefix) -> Self {
        self.with((prefix as u64) << 29)
    }
}

/// How a form is read again.
impl Form {
    #[inline(always)]
    const fn field(self, at: u32, mask: u64) -> u64 {
        self.bits >> at & mask
    }

    #[inline(always)]
    const fn has(self, bits: u64) -> bool {
        self.bits & bits != 0
    }

    #[inline(always)]
    pub(crate) const fn opcode(self) -> u64 {
        self.bits as u8 as u64
    }

    #[inline(always)]
    pub(crate) const fn opcode_map(self) -> u64 {
        self.field(8, 7)
    }

    #[inline(always)]
    pub(crate) const fn pp(self) -> u64 {
        self.field(11, 3)
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
        self.field(13, 3) == VEX
    }

    #[inline(always)]
    pub(crate) const fn is_long(self) -> bool {
        self.has(LONG)
    }

    #[inline(always)]
    pub(crate) const fn has_address_32(self) -> bool {
        self.has(ADDRESS_32)
    }

    #[inline(always)]
    pub(crate) const fn extension(self) -> u64 {
        self.field(19, 7)
    }

    /// Whether ModRM.reg is an opcode extension.
    #[inline(always)]
    pub(crate) const fn has_digit(self) -> bool {
        self.has(DIGIT)
    }

    /// Whether it is MASKMOVQ or MASKMOVDQU, whose memory is no operand.
    pub(crate) const fn is_masked_move(self) -> bool {
        self.opcode_map() == 1 && self.opcode() == 0xF7
    }

    /// The rm field of a ModRM byte that is part of the opcode.
    #[inline(always)]
    pub(crate) const fn fixed_rm(self) -> u64 {
        self.field(23, 7)
    }

    /// Whether ModRM is part of the opcode.
    #[inline(always)]
    pub(crate) const fn has_fixed_modrm(self) -> bool {
        self.has(FIXED_MODRM)
    }

    #[inline(always)]
    pub(crate) const fn has_plus_r(self) -> bool {
        self.has(PLUS_R)
    }

    /// Whether a condition ends the mnemonic: the low four bits of the opcode.
    pub(crate) const fn has_condition(self) -> bool {
        self.has(PLUS_CC)
    }

    /// The same form without memory, third operand and name, if it is of a common kind: legacy,
    /// on the map of one byte or of 0F, without a prefix but 66 and REX, all operands encoded
    /// behind the opcode.
    #[inline(always)]
    pub(crate) const fn common(self) -> Option<Self> {
        // Map 0F 38 and on, mandatory prefix, encoding, L, ModRM or register in the opcode, 67,
        // prefix, index, operands that are not encoded.
        const RARE: u64 = 6 << 8
            | 3 << 11
            | 3 << 13
            | LONG
            | FIXED_MODRM
            | 7 << 23
            | PLUS_R
            | ADDRESS_32
            | 7 << 29
            | 3 << 47
            | 0x3FF << 54;
        // Opcode, map, width, extension, kinds of operands.
        const KEPT: u64 = 0xFF | 1 << 8 | W16 | W64 | DIGIT | 7 << 19 | 0xFF << 38;
        if self.has(RARE) { None } else { Some(Self { bits: self.bits & KEPT, name: 0 }) }
    }

    /// The number of the prefix.
    #[inline(always)]
    pub(crate) const fn prefix(self) -> u64 {
        self.field(29, 7)
    }

    /// Whether an operand that is not encoded is memory at RSI or RBX, which can
    /// be in another segment.
    #[inline(always)]
    pub(crate) const fn may_override(self) -> bool {
        matches!(self.field(54, 31), 15..20) || matches!(self.field(59, 31), 15..20)
    }

    /// Number in [`ORDERS`](super::spec::ORDERS) of the order of the operands.
    pub(crate) const fn operand_order(self) -> usize {
        self.field(32, 63) as usize
    }

    /// Kind of the register in ModRM.reg.
    #[inline(always)]
    pub(crate) const fn reg_kind(self) -> u64 {
        self.field(38, 15)
    }

    /// Kind of the register in ModRM.rm, or size of the memory there.
    #[inline(always)]
    pub(crate) const fn rm_kind(self) -> u64 {
        self.field(42, 15)
    }

    #[inline(always)]
    pub(crate) const fn is_memory(self) -> bool {
        self.has(MEMORY)
    }

    /// Kind of a vector that is the index: 1 XMM, 2 YMM.
    #[inline(always)]
    pub(crate) const fn index_kind(self) -> u64 {
        self.field(47, 3)
    }

    #[inline(always)]
    pub(crate) const fn third_operand(self) -> Third {
        Third(self.field(49, 31) as u8)
    }

    /// An operand that is not encoded, the first or the second such.
    pub(crate) const fn fixed_operand(self, which: u32) -> u64 {
        self.field(54 + 5 * which, 31)
    }

    /// Whether its instructions have at most eight bytes: 66 F3 REX 0F 38 opcode
    /// ModRM imm8 is the longest without memory and a larger immediate.
    #[inline(always)]
    pub(crate) const fn is_brief(self) -> bool {
        !self.is_memory() && self.field(49, 31) <= Third::COUNT.0 as u64
    }

    /// Number of the width of the operands, 1 for 8 bits to 4 for 64: that of
    /// ModRM.rm, or of the accumulator, or 64 bits.
    #[inline(always)]
    pub(crate) const fn width(self) -> u64 {
        match (self.rm_kind(), self.fixed_operand(0) & 7) {
            (0, 0) => 4,
            (0, accumulator) => accumulator,
            (rm, _) => rm,
        }
    }

    /// `value` as a signed number of the operands' width, unless it is neither
    /// a signed nor an unsigned number of that width.
    #[inline(always)]
    pub(crate) const fn signed(self, value: i64) -> Option<i64> {
        let width = self.width();
        // Without an operand that has a width, as for PUSH, there are 32 bits.
        let bits = 4
            << if width == 0 {
                3
            } else if width > 4 {
                4
            } else {
                width
            };
        let shift = 64 - bits;
        let signed = value << shift >> shift;
        if signed == value || shift != 0 && (value as u64) >> bits == 0 { Some(signed) } else { None }
    }
}

impl Form {
    /// Writes the mnemonic, without prefix and condition.
    pub(crate) fn write_name(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name >= LONG_FROM {
            let word = LONG_NAMES.split(' ').nth((self.name - LONG_FROM) as usize);
            let mut word = word.expect("a number that pack_name made").split('-');
            f.write_str(word.next().unwrap_or_default())?;
            return word.try_for_each(|part| write!(f, " {part}"));
        }
        let mut name = self.name;
        while name != 0 {
            f.write_char(char::from(LETTERS[(name % 38) as usize - 1]))?;
            name /= 38;
        }
        Ok(())
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_name(f)
    }
}
