//! From operands to bytes: prefixes, opcode, ModRM, SIB, displacement and
//! immediate (SDM vol. 2A, chapter 2). Pure arithmetic on constants or
//! variables; no buffer, no labels, no mnemonics.
//!
//! An instruction is built in two 64-bit halves, because it always splits there:
//!
//! ```text
//! head, at most 7 bytes:  66  F2/F3  REX  0F  38/3A  opcode  ModRM  SIB
//!         or              C4  ..  ..  opcode  ModRM  SIB
//! tail, at most 8 bytes:  disp8/32  imm8/16/32    or    imm64
//! ```

use crate::code::address::{Address, Base};
use crate::code::form::{Form, Prefix, Third};

/// An encoded instruction. Numbers are as wide as the machine likes them.
#[derive(Clone, Copy)]
pub(crate) struct Bytes {
    /// The bytes, first byte lowest; those past `size` have no meaning.
    pub(crate) word: u128,
    /// 1 to 15.
    pub(crate) size: u32,
    /// Size of the immediate, which stands between a 32-bit displacement and the end of the
    /// instruction.
    pub(crate) after: u32,
    /// Whether the operands can be encoded.
    pub(crate) fault: Fault,
}

/// Why an instruction cannot be encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// RSP as an index, or any index with RIP.
    Index,
    /// An immediate that is no number of its operand's width.
    Immediate,
    /// A segment override behind `notrack`, which is one.
    Segment,
    /// AH, CH, DH or BH in an instruction with a REX prefix.
    HighByte,
}

/// Up to eight bytes under construction.
#[derive(Clone, Copy)]
struct Half {
    bytes: u64,
    size: u32,
}

impl Half {
    const EMPTY: Self = Self { bytes: 0, size: 0 };

    #[inline(always)]
    const fn push(self, byte: u64) -> Self {
        Self { bytes: self.bytes | byte << (8 * self.size), size: self.size + 1 }
    }

    #[inline(always)]
    const fn push_if(self, is: bool, byte: u64) -> Self {
        if is { self.push(byte) } else { self }
    }
}

/// Encodes `form` with these operands: in ModRM.reg, in ModRM.rm (a register's
/// number or an [`Address`]), and elsewhere.
#[inline(always)]
pub(crate) const fn encode(form: Form, reg: u64, rm: u64, third: u64) -> Bytes {
    let variant = Variant::choose(form, rm, third);
    let place = if form.is_memory() {
        Place::memory(Address::unpack(rm), form.index_kind() != 0)
    } else if form.may_override() || matches!(form.third_operand(), Third::OFFSET) {
        // Of memory that is not encoded there is a segment only.
        Place::register(form.fixed_rm())
    } else {
        Place::register(rm | form.fixed_rm())
    };
    // A form has a register or a digit there, and the other one is 0.
    let reg = reg | form.extension();
    let (head, high_byte) = if form.is_vex() {
        let vvvv = match form.third_operand() {
            Third::VVVV | Third::VVVV_BYTE | Third::VVVV_IS4 => third >> 8,
            _ => 0,
        };
        (vex(form, reg, vvvv, place.xb), false)
    } else {
        // SPL, BPL, SIL and DIL are AH, CH, DH and BH without a REX prefix
        // (SDM vol. 2A, table 3-1), which are numbered 20 to 23 here.
        let reg_is_byte = form.reg_kind() == 1;
        let rm_is_byte = form.rm_kind() == 1 && !form.is_memory();
        let low_byte = reg_is_byte && reg & !3 == 4 || rm_is_byte && rm & !3 == 4;
        let high_byte = reg_is_byte && reg >= 16 || rm_is_byte && rm >= 16;
        let rex = low_byte || form.is_64() || reg & 8 | place.xb != 0;
        (legacy(form, low_byte, (reg >> 3 & 1) << 2 | place.xb), rex && high_byte)
    };
    let head = if variant.bare {
        head.push(variant.opcode | rm & 7)
    } else if form.rm_kind() == 0 && !form.is_memory() && !form.has_fixed_modrm() {
        head.push(variant.opcode)
    } else {
        let head = head.push(variant.opcode).push(place.modrm | (reg & 7) << 3);
        head.push_if(place.has_sib, place.sib)
    };
    // disp and imm64 never meet, so the shift stays below 64.
    let tail = place.disp.bytes | variant.imm << (8 * place.disp.size);
    let word = head.bytes as u128 | (tail as u128) << (8 * head.size);
    let before = prefixes(form, rm);
    Bytes {
        word: before.bytes as u128 | word << (8 * before.size),
        size: before.size + head.size + place.disp.size + variant.size,
        after: variant.size,
        fault: if variant.fault {
            Fault::Immediate
        } else if place.fault {
            Fault::Index
        } else if high_byte {
            Fault::HighByte
        } else if form.is_memory() && form.prefix() == Prefix::Notrack as u64 && before.size > 1 {
            Fault::Segment
        } else {
            Fault::None
        },
    }
}

/// [`encode`], by copies of it for the commonest kinds of form. The compiler knows which bits of
/// the form and of the address are 0 in each, and leaves out what they stand for (procedure
/// cloning; Cooper, Hall, Kennedy, 1992).
#[inline(always)]
pub(crate) const fn encode_specialised(form: Form, reg: u64, rm: u64, third: u64) -> Bytes {
    if let Some(common) = form.common() {
        if !form.is_memory() {
            match form.third_operand() {
                Third::NONE => return encode(common, reg, rm, 0),
                Third::ALU => return encode(common.third(Third::ALU), reg, rm, third),
                _ => {}
            }
        } else if let Some(address) = Address::unpack(rm).based() {
            let (common, rm) = (common.memory(0), address.packed());
            match form.third_operand() {
                Third::NONE => return encode(common, reg, rm, 0),
                Third::ALU => return encode(common.third(Third::ALU), reg, rm, third),
                Third::FULL => return encode(common.third(Third::FULL), reg, rm, third),
                _ => {}
            }
        }
    }
    encode(form, reg, rm, third)
}

/// Prefixes that stand before all others: that of the form, a segment override,
/// 67. Most instructions have none.
#[inline(always)]
const fn prefixes(form: Form, rm: u64) -> Half {
    // By the numbers of `Prefix`.
    const BYTES: u64 = 0x3E_F2_F2_F3_F3_F0_00;
    let half = Half::EMPTY.push_if(form.prefix() != 0, BYTES >> (8 * form.prefix()) & 0xFF);
    let offset = matches!(form.third_operand(), Third::OFFSET);
    if !form.is_memory() && !form.may_override() && !offset {
        return half.push_if(form.has_address_32(), 0x67);
    }
    let address = Address::unpack(rm);
    // By the numbers of `Address::segment`.
    const SEGMENTS: u64 = 0x65_64_3E_36_2E_26_00;
    let segment = address.segment_number();
    half.push_if(segment != 0, SEGMENTS >> (8 * segment) & 0xFF)
        .push_if(form.has_address_32() || address.is_narrow(), 0x67)
}

/// A form with its third operand: the opcode and the immediate that encode it.
#[derive(Clone, Copy)]
struct Variant {
    opcode: u64,
    /// The register of `rm` is in the opcode, and no ModRM follows.
    bare: bool,
    imm: u64,
    size: u32,
    fault: bool,
}

impl Variant {
    #[inline(always)]
    const fn choose(form: Form, rm: u64, third: u64) -> Self {
        let opcode = form.opcode();
        let plain = Self { opcode, bare: form.has_plus_r(), imm: third, size: 0, fault: false };
        match form.third_operand() {
            Third::BYTE | Third::SIGNED_BYTE | Third::REL8 => Self { size: 1, imm: third & 0xFF, ..plain },
            Third::VVVV_BYTE | Third::VVVV_IS4 => Self { size: 1, imm: third & 0xFF, ..plain },
            Third::COUNT if third == 1 => Self { opcode: opcode | 0x10, ..plain },
            Third::COUNT => Self { size: 1, ..plain },
            Third::TWO_BYTES | Third::WORD => Self { size: 2, ..plain },
            Third::WORD_BYTE => Self { size: 3, ..plain },
            Third::QUAD | Third::LABEL | Third::OFFSET => Self { size: 8, ..plain },
            Third::REL32 => Self { size: 4, imm: third as u32 as u64, ..plain },
            Third::PUSH if fits_i8(third as i64) => {
                Self { opcode: opcode | 2, size: 1, imm: third & 0xFF, ..plain }
            }
            Third::PUSH => Self { size: 4, imm: third as u32 as u64, ..plain },
            rule @ (Third::FULL | Third::ALU | Third::TEST | Third::IMUL | Third::MOV) => {
                Self::sized(form, rm, third, rule, plain)
            }
            _ => plain,
        }
    }

    /// An immediate as wide as the operand, by a rule that may shorten it.
    #[inline(always)]
    const fn sized(form: Form, rm: u64, third: u64, rule: Third, plain: Self) -> Self {
        let opcode = plain.opcode;
        let (fault, value) = match form.signed(third as i64) {
            Some(value) => (false, value),
            None => (true, i64::MAX),
        };
        let wide = form.width() > 1;
        let size = 1 << form.width().saturating_sub(1);
        // Immediates have 32 bits where operands have 64.
        let plain = Self { size: if size > 4 { 4 } else { size }, fault, ..plain };
        let accumulator = !form.is_memory() && rm == 0;
        match rule {
            Third::ALU | Third::IMUL if wide && fits_i8(value) => {
                Self { opcode: opcode | 2, size: 1, ..plain }
            }
            Third::ALU if accumulator => {
                Self { opcode: form.extension() << 3 | 4 | wide as u64, bare: true, ..plain }
            }
            Third::TEST if accumulator => Self { opcode: 0xA8 | wide as u64, bare: true, ..plain },
            Third::MOV if !(form.is_64() && fits_i32(value)) => {
                Self { opcode: 0xB0 | (wide as u64) << 3, bare: true, size, ..plain }
            }
            _ => plain,
        }
    }
}

/// Prefixes and escape bytes. REX is `0100WRXB` and stands right before the
/// escape bytes; it is left out when it would say nothing.
#[inline(always)]
const fn legacy(form: Form, rex: bool, rxb: u64) -> Half {
    let bits = (form.is_64() as u64) << 3 | rxb;
    let map = form.opcode_map();
    Half::EMPTY
        .push_if(form.is_16(), 0x66)
        .push_if(form.pp() != 0, 0xF2_F3_66_00 >> (8 * form.pp()) & 0xFF)
        .push_if(bits != 0 || rex, 0x40 | bits)
        .push_if(map != 0, 0x0F)
        .push_if(map > 1, if map == 2 { 0x38 } else { 0x3A })
}

/// A VEX prefix: `vvvv` is the additional register (SDM vol. 2A, 2.3.5). The
/// two-byte one serves where it can.
#[inline(always)]
const fn vex(form: Form, reg: u64, vvvv: u64, xb: u64) -> Half {
    // R, X, B and vvvv are stored inverted.
    let last = (vvvv ^ 15) << 3 | (form.is_long() as u64) << 2 | form.pp();
    let r = (reg >> 3 ^ 1) << 7;
    if form.opcode_map() == 1 && !form.is_64() && xb == 0 {
        Half::EMPTY.push(0xC5).push(r | last)
    } else {
        let second = r | (xb ^ 3) << 5 | form.opcode_map();
        Half::EMPTY.push(0xC4).push(second).push((form.is_64() as u64) << 7 | last)
    }
}

/// Where ModRM.rm points: the bits it spreads over REX, ModRM, SIB and the
/// displacement.
#[derive(Clone, Copy)]
struct Place {
    /// REX.X and REX.B.
    xb: u64,
    /// ModRM without its reg field.
    modrm: u64,
    has_sib: bool,
    sib: u64,
    disp: Half,
    fault: bool,
}

impl Place {
    #[inline(always)]
    const fn register(number: u64) -> Self {
        Self {
            xb: number >> 3 & 1,
            modrm: 0b11 << 6 | number & 7,
            has_sib: false,
            sib: 0,
            disp: Half::EMPTY,
            fault: false,
        }
    }

    #[inline(always)]
    const fn memory(address: Address, vector_index: bool) -> Self {
        // SDM vol. 2A, tables 2-2 and 2-3. rm = 100 announces a SIB byte, so
        // RSP and R12 need one; mod = 00 with rm = 101 means RIP, and with SIB
        // base = 101 no base, so RBP and R13 need a displacement.
        let value = address.displacement();
        let relative = matches!(address.relative_to(), Base::Rip | Base::Label);
        let base = if relative { 0b101 } else { address.base_number() };
        let (mode, size) = if !matches!(address.relative_to(), Base::Gpr) {
            (0b00, 4)
        } else if value == 0 && base & 7 != 0b101 {
            (0b00, 0)
        } else if value as i8 as i32 == value {
            (0b01, 1)
        } else {
            (0b10, 4)
        };
        let indexed = address.is_indexed();
        let index = if indexed { address.index_number() } else { 0b100 };
        let based = matches!(address.relative_to(), Base::Gpr);
        let has_sib = !relative && (indexed || !based || base & 7 == 0b100);
        Self {
            xb: if relative { 0 } else { index >> 3 << 1 | base >> 3 },
            modrm: mode << 6 | if has_sib { 0b100 } else { base & 7 },
            has_sib,
            sib: address.scale() << 6 | (index & 7) << 3 | base & 7,
            disp: Half { bytes: if size == 4 { value as u32 as u64 } else { value as u8 as u64 }, size },
            fault: indexed && (relative || index == 0b100 && !vector_index),
        }
    }
}

/// Whether `value` survives as a sign-extended byte.
pub(crate) const fn fits_i8(value: i64) -> bool {
    value as i8 as i64 == value
}

/// Whether `value` survives as a sign-extended doubleword.
pub(crate) const fn fits_i32(value: i64) -> bool {
    value as i32 as i64 == value
}
