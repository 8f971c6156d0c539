//! From operands to bytes: prefixes, opcode, ModRM, SIB, displacement and
//! immediate (SDM vol. 2A, chapter 2). Pure arithmetic on constants or
//! variables; no buffer, no labels, no mnemonics.
//!
//! An instruction is built in two 64-bit halves, because it always splits there:
//!
//! ```text
//! head, at most 7 bytes:  66/F2/F3  REX  0F  38/3A  opcode  ModRM  SIB
//!         or               C4  ..  ..  opcode  ModRM  SIB
//! tail, at most 8 bytes:  disp8/32  imm8/16/32    or    imm64
//! ```

use super::operand::{Field, Mem, Rm};
use crate::code::{Base, Label};

/// The fixed part of an instruction form.
#[derive(Clone, Copy)]
pub(super) struct Opcode {
    /// 66, F2 or F3, or 0 for none.
    prefix: u8,
    /// Opcode map: 0 one byte, 1 `0F`, 2 `0F 38`, 3 `0F 3A` (VEX.mmmmm).
    map: u8,
    byte: u8,
    /// REX.W or VEX.W: a 64-bit operand.
    w: bool,
    /// F3 behind `prefix`.
    repeat: bool,
}

/// An opcode of the one-byte map.
pub(super) const fn op(byte: u8) -> Opcode {
    Opcode { prefix: 0, map: 0, byte, w: false, repeat: false }
}

/// An opcode behind `0F`.
pub(super) const fn op_0f(byte: u8) -> Opcode {
    Opcode { map: 1, ..op(byte) }
}

/// An opcode behind `0F 38`.
pub(super) const fn op_0f38(byte: u8) -> Opcode {
    Opcode { map: 2, ..op(byte) }
}

/// An opcode behind `0F 3A`.
pub(super) const fn op_0f3a(byte: u8) -> Opcode {
    Opcode { map: 3, ..op(byte) }
}

impl Opcode {
    /// Puts 66, F2 or F3 in front.
    pub(super) const fn prefix(self, prefix: u8) -> Self {
        Self { prefix, ..self }
    }

    /// Sets REX.W.
    pub(super) const fn w(self) -> Self {
        Self { w: true, ..self }
    }

    /// Operand size by width: 66 for 16 bits, REX.W for 64.
    pub(super) const fn wide(self, bits: u16) -> Self {
        match bits {
            16 => Self { prefix: 0x66, ..self },
            64 => self.w(),
            _ => self,
        }
    }

    /// F3 in front, which makes another instruction of `bsf`, `bsr` and the like;
    /// a 16-bit operand size stands before it, as 66 F3.
    pub(super) const fn repeat(self) -> Self {
        Self { repeat: true, ..self }
    }

    /// REX.W or VEX.W by width, for forms whose mandatory prefix tells another size.
    pub(super) const fn rex_w(self, bits: u16) -> Self {
        Self { w: bits == 64, ..self }
    }

    /// Operand size by width where bit 0 of the opcode tells bytes from larger.
    pub(super) const fn sized(self, bits: u16) -> Self {
        let wide = self.wide(bits);
        if bits == 8 { wide } else { Self { byte: wide.byte | 1, ..wide } }
    }
}

/// An immediate of 0, 1, 2, 4 or 8 bytes.
#[derive(Clone, Copy)]
pub(super) struct Imm {
    value: i64,
    size: u8,
}

impl Imm {
    pub(super) const NONE: Self = Self { value: 0, size: 0 };

    pub(super) const fn new(value: i64, size: u8) -> Self {
        Self { value, size }
    }
}

/// An encoded instruction.
#[derive(Clone, Copy)]
pub(super) struct Bytes {
    /// The bytes, first byte lowest; those past `size` are zero.
    pub(super) word: u128,
    /// 1 to 15.
    pub(super) size: u8,
    /// Size of the immediate: what stands between a 32-bit displacement and
    /// the end of the instruction.
    pub(super) after: u8,
    /// An operand cannot be encoded: RSP as an index, or a VEX or immediate
    /// out of range.
    pub(super) fault: Fault,
    /// The label that a RIP-relative operand reaches for.
    pub(super) label: Option<Label>,
}

/// Why an instruction cannot be encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Index,
    Immediate,
}

/// Up to eight bytes under construction.
#[derive(Clone, Copy)]
struct Half {
    bytes: u64,
    size: u8,
}

impl Half {
    const EMPTY: Self = Self { bytes: 0, size: 0 };

    #[inline(always)]
    const fn push(self, byte: u8) -> Self {
        Self { bytes: self.bytes | (byte as u64) << (8 * self.size as u32), size: self.size + 1 }
    }
}

#[inline(always)]
const fn join(head: Half, disp: Half, imm: Imm, fault: Fault, label: Option<Label>) -> Bytes {
    let value = match imm.size {
        0 => 0,
        8 => imm.value as u64,
        size => imm.value as u64 & ((1 << (8 * size as u32)) - 1),
    };
    // disp and imm64 never meet, so the shift stays below 64.
    let tail = disp.bytes | value << (8 * disp.size as u32);
    Bytes {
        word: head.bytes as u128 | (tail as u128) << (8 * head.size as u32),
        size: head.size + disp.size + imm.size,
        after: imm.size,
        fault,
        label,
    }
}

/// A form without ModRM whose register, if any, is in the low opcode bits.
#[inline(always)]
pub(super) const fn plain(op: Opcode, reg: Field, imm: Imm) -> Bytes {
    let head = head(op, reg.rex, 0, 0, reg.number >> 3).push(op.byte | reg.number & 7);
    join(head, Half::EMPTY, imm, Fault::None, None)
}

/// Prefixes and escape bytes. REX is `0100WRXB` and stands right before the
/// escape bytes; it is left out when it would say nothing.
#[inline(always)]
const fn head(op: Opcode, rex: bool, r: u8, x: u8, b: u8) -> Half {
    let mut head = Half::EMPTY;
    if op.prefix != 0 {
        head = head.push(op.prefix);
    }
    if op.repeat {
        head = head.push(0xF3);
    }
    let bits = (op.w as u8) << 3 | r << 2 | x << 1 | b;
    if bits != 0 || rex {
        head = head.push(0x40 | bits);
    }
    if op.map != 0 {
        head = head.push(0x0F);
    }
    match op.map {
        2 => head.push(0x38),
        3 => head.push(0x3A),
        _ => head,
    }
}

/// A form with ModRM: `reg` goes to ModRM.reg, `rm` to ModRM.rm.
#[inline(always)]
pub(super) const fn modrm(op: Opcode, reg: Field, rm: Rm, imm: Imm) -> Bytes {
    let place = Place::new(rm);
    let head = head(op, reg.rex || place.rex, reg.number >> 3, place.x, place.b);
    let head = place.put(head.push(op.byte), reg);
    join(head, place.disp, imm, place.fault, place.label)
}

/// A VEX form: `vvvv` is the additional register, `l` is set for 256 bits
/// (SDM vol. 2A, 2.3.5). The two-byte prefix serves where it can.
#[inline(always)]
pub(super) const fn vex(op: Opcode, l: bool, reg: Field, vvvv: u8, rm: Rm, imm: Imm) -> Bytes {
    let place = Place::new(rm);
    let pp = match op.prefix {
        0x66 => 1,
        0xF3 => 2,
        0xF2 => 3,
        _ => 0,
    };
    // R, X, B and vvvv are stored inverted.
    let last = (!vvvv & 15) << 3 | (l as u8) << 2 | pp;
    let r = (!reg.number >> 3 & 1) << 7;
    let head = if op.map == 1 && !op.w && place.x | place.b == 0 {
        Half::EMPTY.push(0xC5).push(r | last)
    } else {
        let xb = (place.x ^ 1) << 6 | (place.b ^ 1) << 5;
        Half::EMPTY.push(0xC4).push(r | xb | op.map).push((op.w as u8) << 7 | last)
    };
    let head = place.put(head.push(op.byte), reg);
    join(head, place.disp, imm, place.fault, place.label)
}

/// Where ModRM.rm points: the bits it spreads over REX, ModRM, SIB and the
/// displacement.
#[derive(Clone, Copy)]
struct Place {
    rex: bool,
    x: u8,
    b: u8,
    /// ModRM without its reg field.
    modrm: u8,
    sib: Option<u8>,
    disp: Half,
    fault: Fault,
    label: Option<Label>,
}

impl Place {
    #[inline(always)]
    const fn new(rm: Rm) -> Self {
        match rm {
            Rm::Reg(reg) => Self {
                rex: reg.rex,
                x: 0,
                b: reg.number >> 3,
                modrm: 0b11 << 6 | reg.number & 7,
                sib: None,
                disp: Half::EMPTY,
                fault: Fault::None,
                label: None,
            },
            Rm::Mem(mem) => Self::memory(mem),
        }
    }

    #[inline(always)]
    const fn memory(mem: Mem<0>) -> Self {
        // SDM vol. 2A, tables 2-2 and 2-3. rm = 100 announces a SIB byte, so
        // RSP and R12 need one; mod = 00 with rm = 101 means RIP, and with SIB
        // base = 101 no base, so RBP and R13 need a displacement.
        let (b, rm, mode, disp) = match mem.base {
            Base::Gpr(base) => {
                let (mode, size) = if mem.disp == 0 && base & 7 != 5 {
                    (0b00, 0)
                } else if mem.disp as i8 as i32 == mem.disp {
                    (0b01, 1)
                } else {
                    (0b10, 4)
                };
                let kept = match size {
                    0 => 0,
                    1 => mem.disp as u8 as u64,
                    _ => mem.disp as u32 as u64,
                };
                (base >> 3, base & 7, mode, Half { bytes: kept, size })
            }
            _ => (0, 0b101, 0b00, Half { bytes: mem.disp as u32 as u64, size: 4 }),
        };
        let (x, sib) = match (mem.index, mem.base) {
            (Some((index, scale)), _) => (index >> 3, Some((scale as u8) << 6 | (index & 7) << 3 | rm)),
            (None, Base::Gpr(base)) if base & 7 == 4 => (0, Some(0b100 << 3 | rm)),
            (None, Base::None) => (0, Some(0b100 << 3 | rm)),
            (None, _) => (0, None),
        };
        let fault = match (mem.index, mem.base) {
            // No index is written as RSP, and RIP takes none.
            (Some((0b100, _)), _) | (Some(_), Base::Rip | Base::Label(_)) => Fault::Index,
            _ => Fault::None,
        };
        let label = match mem.base {
            Base::Label(label) => Some(label),
            _ => None,
        };
        let low = if sib.is_some() { 0b100 } else { rm };
        Self { rex: false, x, b, modrm: mode << 6 | low, sib, disp, fault, label }
    }

    #[inline(always)]
    const fn put(self, head: Half, reg: Field) -> Half {
        let head = head.push(self.modrm | (reg.number & 7) << 3);
        match self.sib {
            Some(sib) => head.push(sib),
            None => head,
        }
    }
}

/// Bytes that have no fields.
pub(super) const fn raw(word: u128, size: u8) -> Bytes {
    Bytes { word, size, after: 0, fault: Fault::None, label: None }
}

/// A two-byte branch; the displacement counts from its end.
pub(super) const fn branch8(opcode: u8, disp: i64) -> Bytes {
    plain(op(opcode), Field::digit(0), Imm::new(disp, 1))
}

/// Whether `value` survives as a sign-extended byte.
pub(super) const fn fits_i8(value: i64) -> bool {
    value as i8 as i64 == value
}

/// Whether `value` survives as a sign-extended doubleword.
pub(super) const fn fits_i32(value: i64) -> bool {
    value as i32 as i64 == value
}

/// Brings `value` to the signed reading of a `bits` wide operand, or says that
/// it is neither a signed nor an unsigned number of that width.
pub(super) const fn signed(value: i64, bits: u16) -> Option<i64> {
    let shift = 64 - bits as u32;
    let signed = value << shift >> shift;
    let unsigned = ((value as u64) << shift >> shift) as i64;
    if signed == value || unsigned == value && bits < 64 { Some(signed) } else { None }
}
