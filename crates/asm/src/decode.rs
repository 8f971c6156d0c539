//! Bytes to instructions: the instruction table read from its other end (SDM vol. 2A,
//! chapter 2).
//!
//! An instruction is prefixes, an opcode of one of seven maps, ModRM with its SIB and
//! displacement, and immediates. The rows with an opcode are found by an index that the
//! compiler makes of the table ([`index`]); the first of them whose prefixes, ModRM and
//! width fit is the instruction. Nothing is allocated, and no input panics.
//!
//! Prefixes that an instruction ignores belong to it and are not printed, as in
//! iced-x86, which judges every text and every length. EVEX, XOP, 3DNow!, AMX, MPX and
//! Key Locker are not decoded.

mod index;
mod operands;
mod stores;

use crate::code::form::{Form, Third};
use crate::code::notation;
use crate::code::spec::kind;
use crate::table::{Row, TABLE};
use core::fmt;
use operands::Cursor;

pub use stores::Store;

/// Why bytes are no instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoInstruction {
    /// They end before the instruction does.
    Truncated,
    /// No instruction of the table begins so, or it is longer than 15 bytes.
    Invalid,
}

impl fmt::Display for NoInstruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the bytes end within an instruction",
            Self::Invalid => "no instruction begins so",
        })
    }
}

/// The longest instruction (SDM vol. 2A, 2.3.11).
pub const MAX_SIZE: usize = 15;

/// An instruction that bytes stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    form: Form,
    /// As the assembler has them: in ModRM.reg, in ModRM.rm, and elsewhere. A branch has
    /// its distance there.
    operands: [u64; 3],
    row: u16,
    width: u16,
    prefixes: Prefixes,
    opcode_at: u8,
    distance_at: u8,
    size: u8,
}

impl Instruction {
    /// How many bytes it takes, 1 to 15.
    pub const fn size(&self) -> usize {
        self.size as usize
    }

    /// How many bytes stand before its opcode, or before VEX: prefixes.
    pub const fn opcode_at(&self) -> usize {
        self.opcode_at as usize
    }

    /// Its row of the table.
    pub fn row(&self) -> &'static Row {
        TABLE.get(usize::from(self.row)).expect("the index leads to rows")
    }

    /// The width in bits at which the row is used, one of [`Row::widths`].
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Its form.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The distance from its end to where it branches, if it does so directly.
    pub const fn distance(&self) -> Option<i64> {
        match self.form.third_operand() {
            Third::REL8 | Third::REL32 => Some(self.operands[2].cast_signed()),
            _ => None,
        }
    }

    /// The distance from its end to the memory that it names relative to RIP.
    pub const fn rip_distance(&self) -> Option<i32> {
        self.address_relative_to_rip()
    }

    /// The offset of the four bytes of [`rip_distance`](Self::rip_distance), if there are.
    pub const fn rip_distance_at(&self) -> usize {
        self.distance_at as usize
    }

    /// Its text in Intel notation if it stands at `address`, which targets of branches
    /// are printed from.
    pub const fn at(&self, address: u64) -> At<'_> {
        At { instruction: self, address }
    }
}

/// The text of an instruction at an address.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    instruction: &'a Instruction,
    address: u64,
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instruction { form, mut operands, prefixes, size, .. } = *self.instruction;
        if let Some(distance) = self.instruction.distance() {
            operands[2] = self.address.wrapping_add(u64::from(size)).wrapping_add_signed(distance);
        }
        // MASKMOVQ and MASKMOVDQU print a segment as an operand.
        let segments = prefixes.0 & (Prefixes::FS | Prefixes::GS);
        if !form.is_masked_move() {
            prefixes.fmt(f)?;
            return notation::inst(f, form, operands);
        }
        Prefixes(prefixes.0 & !segments).fmt(f)?;
        notation::inst(f, form, operands)?;
        f.write_str(match segments {
            Prefixes::FS => ", fs",
            Prefixes::GS => ", gs",
            _ => "",
        })
    }
}

/// Prefixes that are printed before an instruction, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Prefixes(u16);

impl Prefixes {
    const ADDR32: u16 = 1 << 0;
    const FS: u16 = 1 << 1;
    const GS: u16 = 1 << 2;
    const XACQUIRE: u16 = 1 << 3;
    const XRELEASE: u16 = 1 << 4;
    const LOCK: u16 = 1 << 5;
    const TAKEN: u16 = 1 << 6;
    const NOT_TAKEN: u16 = 1 << 7;
    const NOTRACK: u16 = 1 << 8;
    const BND: u16 = 1 << 9;
    const REPE: u16 = 1 << 10;
    const REP: u16 = 1 << 11;
    const REPNE: u16 = 1 << 12;
}

impl fmt::Display for Prefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In the order of the bits; a string is no relocation.
        const NAMES: &str = "addr32 fs gs xacquire xrelease lock \
            hint-taken hint-not-taken notrack bnd repe rep repne";
        let mut bits = self.0;
        for name in NAMES.split(' ') {
            if bits & 1 != 0 {
                write!(f, "{name} ")?;
            }
            bits >>= 1;
            if bits == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// The prefixes of an opcode.
#[derive(Clone, Copy, Default)]
struct Before {
    /// How many there are.
    count: u8,
    /// 66: 16-bit operands, or another instruction.
    word: bool,
    /// 67: 32-bit addresses.
    narrow: bool,
    lock: bool,
    /// The last of F3 (2) and F2 (3), as VEX.pp has them; or 0.
    repeat: u8,
    /// Number of the segment override, as in an address; or 0.
    segment: u8,
    /// The last prefix, if it is REX; or 0. With VEX the same bits.
    rex: u8,
    vex: Option<Vex>,
}

/// The fields that VEX has and REX has not.
#[derive(Clone, Copy)]
struct Vex {
    long: bool,
    /// Of prefix 66, F3 or F2: 1, 2, 3.
    pp: u8,
    vvvv: u8,
}

impl Before {
    fn wide(&self) -> bool {
        self.rex & 8 != 0
    }

    /// Bit 3 of the register in ModRM.reg.
    fn reg(&self) -> u8 {
        self.rex << 1 & 8
    }

    /// Bit 3 of an index.
    fn index(&self) -> u8 {
        self.rex << 2 & 8
    }

    /// Bit 3 of a base, of the register in ModRM.rm or in the opcode.
    fn base(&self) -> u8 {
        self.rex << 3 & 8
    }

    /// The segment that memory is in if it is not the usual one: only FS and GS have a
    /// base in 64-bit mode.
    fn seen_segment(&self) -> u8 {
        if self.segment >= 5 { self.segment } else { 0 }
    }

    /// The mandatory prefix that the opcode sees: VEX.pp, or F3 and F2 before 66.
    fn mandatory(&self) -> u8 {
        match self.vex {
            Some(vex) => vex.pp,
            None if self.repeat != 0 => self.repeat,
            None => u8::from(self.word),
        }
    }
}

/// The instruction at the beginning of `bytes`.
///
/// # Errors
/// If there is none.
///
/// # Examples
/// ```
/// use barejit_asm::decode;
/// let instruction = decode(&[0x48, 0x8D, 0x04, 0x37, 0xC3])?;
/// assert_eq!(instruction.size(), 4);
/// assert_eq!(instruction.at(0).to_string(), "lea rax, [rdi+rsi*1]");
/// # Ok::<(), barejit_asm::NoInstruction>(())
/// ```
pub fn decode(bytes: &[u8]) -> Result<Instruction, NoInstruction> {
    let bytes = bytes.get(..MAX_SIZE).unwrap_or(bytes);
    let mut cursor = Cursor::new(bytes);
    let decoded = instruction(&mut cursor);
    match decoded {
        // Fifteen bytes are never too few.
        Err(NoInstruction::Truncated) if bytes.len() == MAX_SIZE => Err(NoInstruction::Invalid),
        other => other,
    }
}

fn instruction(cursor: &mut Cursor<'_>) -> Result<Instruction, NoInstruction> {
    let mut before = Before::default();
    let first = prefixes(cursor, &mut before)?;
    let (map, opcode) = match first {
        0x0F => match cursor.byte()? {
            0x38 => (2, cursor.byte()?),
            0x3A => (3, cursor.byte()?),
            opcode => (1, opcode),
        },
        0xC4 | 0xC5 => vex(cursor, first, &mut before)?,
        // EVEX, and XOP, which begins as a POP without a register.
        0x62 => return Err(NoInstruction::Invalid),
        0x8F if cursor.peek()? & 0x1F >= 8 => return Err(NoInstruction::Invalid),
        opcode => (0, opcode),
    };
    let rows = index::rows(map, before.vex.is_some(), opcode);
    let modrm = match rows.first() {
        None => return Err(NoInstruction::Invalid),
        Some(row) if has_modrm(TABLE[usize::from(*row)].first_form()) => Some(cursor.peek()?),
        Some(_) => None,
    };
    for number in rows {
        let row = &TABLE[usize::from(*number)];
        if let Some(width) = fits(row, &before, opcode, modrm) {
            let memory = modrm.is_some_and(|modrm| modrm < 0xC0) && row.has_memory();
            let form = row.form(width, memory);
            let form = if form.has_condition() { form.on(opcode & 15) } else { form };
            let mut found = operands::read(cursor, form, row, &before, opcode)?;
            found.row = *number;
            found.width = width;
            return Ok(found);
        }
    }
    Err(NoInstruction::Invalid)
}

/// Whether a ModRM byte follows the opcode of a form.
fn has_modrm(form: Form) -> bool {
    form.is_memory() || form.has_fixed_modrm() || form.rm_kind() != 0 && !form.has_plus_r()
}

/// Whether ModRM has a register whatever its first two bits say: MOV to and from control
/// and debug registers.
fn ignores_mode(form: Form) -> bool {
    [kind::CONTROL, kind::DEBUG].contains(&(form.reg_kind() as u8))
}

/// Reads prefixes up to the opcode, or its first byte, which it gives.
fn prefixes(cursor: &mut Cursor<'_>, before: &mut Before) -> Result<u8, NoInstruction> {
    loop {
        let byte = cursor.byte()?;
        let rex = match byte {
            0x40..=0x4F => byte,
            _ => 0,
        };
        match byte {
            0x40..=0x4F => {}
            0x66 => before.word = true,
            0x67 => before.narrow = true,
            0xF0 => before.lock = true,
            0xF3 => before.repeat = 2,
            0xF2 => before.repeat = 3,
            // In 64-bit mode only FS and GS have a base; the others give way to them.
            0x26 | 0x2E | 0x36 | 0x3E if before.segment < 5 => before.segment = 1 + (byte >> 3 & 3),
            0x26 | 0x2E | 0x36 | 0x3E => {}
            0x64 | 0x65 => before.segment = 5 + (byte & 1),
            opcode => return Ok(opcode),
        }
        before.count += 1;
        // REX counts only right before the opcode.
        before.rex = rex;
    }
}

/// Reads the rest of a VEX prefix and the opcode; gives the map, too.
fn vex(cursor: &mut Cursor<'_>, first: u8, before: &mut Before) -> Result<(u8, u8), NoInstruction> {
    if before.word || before.repeat != 0 || before.lock || before.rex != 0 {
        return Err(NoInstruction::Invalid);
    }
    let second = cursor.byte()?;
    // R, X, B and vvvv are inverted.
    let (map, last) = match first {
        0xC5 => {
            before.rex = !second >> 5 & 4;
            (1, second)
        }
        _ => {
            let last = cursor.byte()?;
            before.rex = !second >> 5 & 7 | last >> 4 & 8;
            (second & 0x1F, last)
        }
    };
    before.vex = Some(Vex { long: last & 4 != 0, pp: last & 3, vvvv: !last >> 3 & 15 });
    if !(1..=3).contains(&map) {
        return Err(NoInstruction::Invalid);
    }
    Ok((map, cursor.byte()?))
}

/// The width at which `row` is the instruction with these prefixes, opcode and ModRM; 0
/// if it has one only, nothing if it is not the instruction.
fn fits(row: &Row, before: &Before, opcode: u8, modrm: Option<u8>) -> Option<u16> {
    use crate::table::Marks;
    let (form, marks) = (row.first_form(), row.marks());
    let mandatory = before.mandatory();
    let pp = form.pp() as u8;
    if pp != mandatory && (pp != 0 || form.is_vex()) {
        return None;
    }
    let repeats = pp < 2 && before.repeat != 0;
    if marks.has(Marks::NO_PREFIX) && (repeats || pp != 1 && before.word)
        || marks.has(Marks::NO_REPEAT) && repeats
    {
        return None;
    }
    if let Some(modrm) = modrm {
        let register = modrm >= 0xC0 || ignores_mode(form);
        if form.has_fixed_modrm() {
            if !register || modrm & 7 != form.fixed_rm() as u8 {
                return None;
            }
        } else if register && !row.has_register() || !register && !row.has_memory() {
            return None;
        }
        if form.has_digit() && u64::from(modrm >> 3 & 7) != form.extension() {
            return None;
        }
    }
    // Of MONITOR and MONITORX the other row serves, with 67 as a prefix of its text.
    if form.has_address_32() && (!before.narrow || operands::is_monitor(form)) {
        return None;
    }
    if let Some(vex) = before.vex {
        return vex_width(row, before, &vex);
    }
    // 66 that is a mandatory prefix tells no width.
    let word = before.word && pp != 1;
    if row.has_widths() {
        let wanted = match (before.wide(), word) {
            _ if row.has_opcode_width() && opcode & 1 == 0 => 8,
            (true, _) => 64,
            (false, true) => 16,
            (false, false) => 32,
        };
        return row.has_width(wanted).then_some(wanted).or_else(|| row.has_width(32).then_some(32));
    }
    let fits = !(form.is_64() && !before.wide() || form.is_16() && (!word || before.wide()));
    // XCHG of EAX with itself is NOP; REX.B makes R8 of one of them, 66 and W another
    // width.
    let nop = opcode == 0x90 && form.opcode_map() == 0 && !form.has_plus_r();
    let exchanges = pp == 0 && (before.base() != 0 || word || before.wide());
    (fits && !(nop && exchanges) && !(form.is_16() && is_near_branch(form))).then_some(0)
}

/// RET, and CALL and JMP through a register or memory: on processors of Intel they ignore
/// 66 in 64-bit mode.
fn is_near_branch(form: Form) -> bool {
    form.opcode_map() == 0
        && match form.opcode() {
            0xC2 | 0xC3 => true,
            0xFF => matches!(form.extension(), 2 | 4),
            _ => false,
        }
}

/// The same for VEX.W, VEX.L and VEX.vvvv.
fn vex_width(row: &Row, before: &Before, vex: &Vex) -> Option<u16> {
    use crate::table::Marks;
    let (form, marks) = (row.first_form(), row.marks());
    let (w, l) = (before.wide(), vex.long);
    let vvvv_free = !matches!(form.third_operand(), Third::VVVV | Third::VVVV_BYTE | Third::VVVV_IS4);
    if vvvv_free && vex.vvvv != 0 {
        return None;
    }
    let by_length = row.has_width(128) || row.has_width(256);
    let by_w = row.has_widths() && !by_length;
    if !by_w && !marks.has(Marks::W_IGNORED) && form.is_64() != w {
        return None;
    }
    if !by_length && !marks.has(Marks::L_IGNORED) && form.is_long() != l {
        return None;
    }
    let width = match (by_length, by_w) {
        (true, _) => {
            if l {
                256
            } else {
                128
            }
        }
        (_, true) => {
            if w {
                64
            } else {
                32
            }
        }
        _ => return Some(0),
    };
    row.has_width(width).then_some(width)
}
