//! Operands from ModRM, SIB, displacement and immediates, and which prefixes are seen.

use super::{Before, Instruction, NoInstruction, Prefixes, has_modrm};
use crate::code::Scale;
use crate::code::address::{Address, Base};
use crate::code::form::{Form, Third};
use crate::code::spec::{fixed, kind, order_letters};
use crate::table::{Marks, OperandKind, Row};

/// Bytes that are read from the first one on.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next byte, which stays.
    pub(super) fn peek(&self) -> Result<u8, NoInstruction> {
        self.bytes.get(self.at).copied().ok_or(NoInstruction::Truncated)
    }

    pub(super) fn byte(&mut self) -> Result<u8, NoInstruction> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    /// A number of `size` bytes, at most 8, without a sign.
    fn number(&mut self, size: usize) -> Result<u64, NoInstruction> {
        let bytes = self.bytes.get(self.at..self.at + size).ok_or(NoInstruction::Truncated)?;
        self.at += size;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The same with a sign.
    fn signed(&mut self, size: usize) -> Result<i64, NoInstruction> {
        let shift = 64 - 8 * size as u32;
        Ok(self.number(size)?.cast_signed() << shift >> shift)
    }
}

/// Reads the operands of `form`, whose opcode has just been read.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    form: Form,
    row: &Row,
    before: &Before,
    opcode: u8,
) -> Result<Instruction, NoInstruction> {
    let mut form = form;
    // XBEGIN with a distance of 16 bits is left out.
    if form.has_fixed_modrm() && form.third_operand() == Third::REL32 && before.word && !before.wide() {
        return Err(NoInstruction::Invalid);
    }
    let (mut reg, mut rm, mut distance_at) = (0, 0, 0);
    if has_modrm(form) {
        let modrm = cursor.byte()?;
        if form.is_memory() {
            let address = address(cursor, before, modrm, form.index_kind() != 0)?;
            if address.relative_to() == Base::Rip {
                distance_at = cursor.at as u8 - 4;
            }
            // LEA computes an address, which has no segment.
            let computes = form.opcode_map() == 0 && form.opcode() == 0x8D;
            rm = if computes { address.segment(0) } else { address }.packed();
        } else if !form.has_fixed_modrm() {
            // Opmask registers are 8, and B is ignored.
            let base = if form.rm_kind() == u64::from(kind::OPMASK) { 0 } else { before.base() };
            rm = register(form.rm_kind(), modrm & 7 | base, before)?;
        }
        let letters = order_letters(form.operand_order());
        if letters.contains(&b'R') {
            reg = register(form.reg_kind(), modrm >> 3 & 7 | before.reg(), before)?;
        }
    } else if form.has_plus_r() {
        rm = register(form.rm_kind(), opcode & 7 | before.base(), before)?;
    } else if has_string(form) || form.third_operand() == Third::OFFSET {
        rm = Address::base(0).segment(before.seen_segment()).packed();
    }
    if before.narrow && has_string(form) {
        form = form.address_32();
    }
    let third = third(cursor, form, before)?;
    let prefixes = printed(form, row, before)?;
    let found = Instruction {
        form,
        operands: [reg, rm, third],
        row: 0,
        width: 0,
        prefixes,
        opcode_at: before.count,
        distance_at,
        size: cursor.at as u8,
    };
    found.check(before).map(|()| found)
}

/// The number of a register as forms have it, if there is such a register.
fn register(class: u64, number: u8, before: &Before) -> Result<u64, NoInstruction> {
    let number = match class as u8 {
        // Without REX, 4 to 7 are AH to BH (SDM vol. 2A, table 3-1).
        kind::R8 if before.rex == 0 && (4..8).contains(&number) => number + 16,
        kind::MMX | kind::X87 => number & 7,
        kind::SEGMENT => match number & 7 {
            number @ 0..6 => number,
            _ => return Err(NoInstruction::Invalid),
        },
        kind::CONTROL => match number {
            0 | 2..=4 | 8 => number,
            _ => return Err(NoInstruction::Invalid),
        },
        kind::DEBUG | kind::OPMASK if number > 7 => return Err(NoInstruction::Invalid),
        _ => number,
    };
    Ok(number.into())
}

/// Memory by ModRM, SIB and displacement (SDM vol. 2A, tables 2-2 and 2-3).
fn address(
    cursor: &mut Cursor<'_>,
    before: &Before,
    modrm: u8,
    vector: bool,
) -> Result<Address, NoInstruction> {
    let (mode, rm) = (modrm >> 6, modrm & 7);
    let mut disp_size = [0, 1, 4][usize::from(mode)];
    let mut address = if rm == 4 {
        let sib = cursor.byte()?;
        let (index, base) = (sib >> 3 & 7 | before.index(), sib & 7);
        let address = if base == 5 && mode == 0 {
            disp_size = 4;
            Address::absolute()
        } else {
            Address::base(base | before.base())
        };
        let scale = [Scale::X1, Scale::X2, Scale::X4, Scale::X8][usize::from(sib >> 6)];
        // RSP is no index.
        if index == 4 && !vector { address } else { address.index(index, scale) }
    } else if vector {
        return Err(NoInstruction::Invalid);
    } else if rm == 5 && mode == 0 {
        disp_size = 4;
        Address::rip()
    } else {
        Address::base(rm | before.base())
    };
    if disp_size != 0 {
        address = address.disp(cursor.signed(disp_size)? as i32);
    }
    address = address.segment(before.seen_segment());
    Ok(if before.narrow { address.narrow() } else { address })
}

/// Reads the operands behind ModRM, and takes VEX.vvvv from the prefix.
fn third(cursor: &mut Cursor<'_>, form: Form, before: &Before) -> Result<u64, NoInstruction> {
    let vvvv = match before.vex {
        Some(vex) => u64::from(vex.vvvv) << 8,
        None => 0,
    };
    Ok(match form.third_operand() {
        Third::BYTE => cursor.number(1)?,
        Third::SIGNED_BYTE | Third::REL8 => cursor.signed(1)?.cast_unsigned(),
        Third::VVVV => vvvv,
        Third::VVVV_BYTE => vvvv | cursor.number(1)?,
        Third::VVVV_IS4 => vvvv | cursor.number(1)? & 0xF0,
        Third::TWO_BYTES | Third::WORD => cursor.number(2)?,
        Third::WORD_BYTE => cursor.number(3)?,
        Third::REL32 => cursor.signed(4)?.cast_unsigned(),
        Third::QUAD => cursor.number(8)?,
        // 67 makes it 32 bits.
        Third::OFFSET => cursor.number(if before.narrow { 4 } else { 8 })?,
        Third::FULL => {
            let size = match form.width() {
                1 => 1,
                2 => 2,
                _ => 4,
            };
            cursor.signed(size)?.cast_unsigned()
        }
        _ => 0,
    })
}

/// Whether an operand is memory at RDI, RSI or RBX that is not encoded.
fn has_string(form: Form) -> bool {
    (0..2).any(|which| form.fixed_operand(which) >= u64::from(fixed::RDI))
}

/// XCHG with ModRM, which is atomic without LOCK.
fn is_xchg(form: Form) -> bool {
    form.opcode_map() == 0 && form.opcode() & 0xFE == 0x86
}

/// Instructions whose 32-bit addresses neither an operand nor the mnemonic tells: MOV with
/// an offset, MASKMOVQ and MASKMOVDQU.
fn is_narrow(form: Form) -> bool {
    form.third_operand() == Third::OFFSET || form.is_masked_move()
}

/// MONITOR and MONITORX, whose memory is at RAX, or EAX with 67.
pub(super) fn is_monitor(form: Form) -> bool {
    form.opcode_map() == 1
        && form.opcode() == 0x01
        && form.pp() == 0
        && form.has_fixed_modrm()
        && matches!((form.extension(), form.fixed_rm()), (1, 0) | (7, 2))
}

/// Instructions whose memory is no operand, so that its segment is a prefix: the same,
/// CLZERO, UMONITOR, MASKMOVQ and MASKMOVDQU.
fn has_implied_memory(form: Form) -> bool {
    is_monitor(form)
        || form.is_masked_move()
        || form.opcode_map() == 1
            && match form.opcode() {
                0x01 => form.has_fixed_modrm() && (form.extension(), form.fixed_rm(), form.pp()) == (7, 4, 0),
                0xAE => !form.is_memory() && form.pp() == 2 && form.extension() == 6,
                _ => false,
            }
}

/// `rep ret` is a way around a branch predictor, and printed.
fn is_near_return(form: Form) -> bool {
    form.opcode_map() == 0 && form.opcode() == 0xC3
}

/// The prefixes that are printed; an error if LOCK may not stand here.
fn printed(form: Form, row: &Row, before: &Before) -> Result<Prefixes, NoInstruction> {
    let marks = row.marks();
    let mut bits = 0;
    let writes = row.operands().next().is_some_and(|first| first.kind == OperandKind::Rm);
    let locked = before.lock && marks.has(Marks::LOCK) && form.is_memory() && writes;
    if before.lock && !locked {
        return Err(NoInstruction::Invalid);
    }
    let mut put = |is: bool, bit: u16| bits |= if is { bit } else { 0 };
    let elided = form.is_memory() && form.pp() == 0 && before.vex.is_none();
    // XCHG needs no LOCK.
    let atomic = locked || is_xchg(form);
    put(elided && before.repeat == 3 && atomic && marks.has(Marks::XACQUIRE), Prefixes::XACQUIRE);
    let released = atomic || !marks.has(Marks::LOCK);
    put(elided && before.repeat == 2 && released && marks.has(Marks::XRELEASE), Prefixes::XRELEASE);
    put(locked, Prefixes::LOCK);
    put(before.segment == 4 && marks.has(Marks::NOTRACK), Prefixes::NOTRACK);
    put(before.repeat == 3 && marks.has(Marks::BND), Prefixes::BND);
    let compares = marks.has(Marks::REPNE);
    put(before.repeat == 2 && compares, Prefixes::REPE);
    put(before.repeat == 2 && !compares && (marks.has(Marks::REP) || is_near_return(form)), Prefixes::REP);
    put(before.repeat == 3 && (compares || marks.has(Marks::REP)), Prefixes::REPNE);
    let conditional =
        form.has_condition() && row.operands().any(|operand| operand.kind == OperandKind::Distance);
    put(conditional && before.segment == 4, Prefixes::TAKEN);
    put(conditional && before.segment == 2, Prefixes::NOT_TAKEN);
    put(before.narrow && (is_narrow(form) || is_monitor(form)), Prefixes::ADDR32);
    let implied = has_implied_memory(form);
    put(implied && before.segment == 5, Prefixes::FS);
    put(implied && before.segment == 6, Prefixes::GS);
    Ok(Prefixes(bits))
}

impl Instruction {
    /// See [`Instruction::rip_distance`].
    pub(super) const fn address_relative_to_rip(&self) -> Option<i32> {
        if !self.form.is_memory() {
            return None;
        }
        let address = Address::unpack(self.operands[1]);
        match address.relative_to() {
            Base::Rip => Some(address.displacement()),
            _ => None,
        }
    }

    /// Refuses combinations of operands that the processor refuses.
    fn check(&self, before: &Before) -> Result<(), NoInstruction> {
        let [reg, rm, third] = self.operands;
        // MOV to CS.
        if reg == 1 && self.form.reg_kind() == u64::from(kind::SEGMENT) && self.form.opcode() == 0x8E {
            return Err(NoInstruction::Invalid);
        }
        // Gathers: destination, index and mask must differ.
        if before.vex.is_some() && self.form.index_kind() != 0 {
            let index = Address::unpack(rm).index_number();
            let mask = third >> 8;
            if reg == index || reg == mask || index == mask {
                return Err(NoInstruction::Invalid);
            }
        }
        if self.form.reg_kind() == u64::from(kind::OPMASK) && third >> 8 > 7 {
            return Err(NoInstruction::Invalid);
        }
        Ok(())
    }
}
