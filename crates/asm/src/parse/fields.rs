//! The operands of a statement in the fields of one form, and the bytes that these make.

use super::Place;
use super::operand::{Memory, Operand, Operands, TOP};
use super::register::{Class, Register};
use crate::assembler::encode::{Bytes, Fault, encode, fits_i8, fits_i32};
use crate::code::address::Address;
use crate::code::form::{Form, Third};
use crate::code::spec::{fixed, kind, order_letters};
use crate::table::Row;

/// An encoding that fits.
#[derive(Clone, Copy)]
pub(super) struct Choice {
    pub(super) bytes: Bytes,
    /// Whether it is a branch with eight bits.
    pub(super) short: bool,
}

/// Why rows did not fit that have the kinds of operands.
#[derive(Clone, Copy, Default)]
pub(super) struct Misses {
    pub(super) range: bool,
    pub(super) distance: bool,
    pub(super) prefix: bool,
}

/// The operands where a form has them.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    reg: u64,
    pub(super) rm: u64,
    third: u64,
    immediates: u32,
    memory: Option<Memory>,
    /// Whether there is memory whose size was not told.
    pub(super) untold: bool,
    /// The number in an immediate or branch, for the test of its range.
    number: Option<i64>,
}

impl Fields {
    /// The operands in the fields of `form`, if they are of its kinds.
    pub(super) fn fill(form: Form, row: &Row, operands: &Operands) -> Option<Self> {
        let letters = order_letters(form.operand_order());
        let mut fields =
            Self { reg: 0, rm: 0, third: 0, immediates: 0, memory: None, untold: false, number: None };
        let implied = letters.iter().all(|letter| *letter == b'F');
        // String operations may do without their operands.
        if operands.all().is_empty() && implied && !row.has_widths() {
            return Some(fields);
        }
        if letters.len() != operands.all().len() {
            return None;
        }
        let mut fixed = 0;
        for (letter, operand) in letters.iter().zip(operands.all()) {
            match letter {
                b'F' => {
                    fields.is_fixed(form.fixed_operand(fixed), operand, form)?;
                    fixed += 1;
                }
                b'I' => fields.immediate(form, operand)?,
                b'D' => match operand {
                    Operand::Number(target) => fields.number = Some(*target),
                    _ => return None,
                },
                b'T' => fields.offset(form, operand)?,
                _ => fields.encoded(*letter, form, operand)?,
            }
        }
        Some(fields)
    }

    fn encoded(&mut self, letter: u8, form: Form, operand: &Operand) -> Option<()> {
        match (letter, operand) {
            (b'M', Operand::Memory(memory)) if form.is_memory() => {
                if u64::from(memory.index) != form.index_kind() {
                    return None;
                }
                self.sized(memory, form.rm_kind())?;
                self.memory = Some(*memory);
                self.rm = memory.address.packed();
            }
            (b'M', _) if form.is_memory() => return None,
            (b'M' | b'O', Operand::Register(register)) => self.rm = number(register, form.rm_kind())?,
            (b'R', Operand::Register(register)) => self.reg = number(register, form.reg_kind())?,
            (b'V', Operand::Register(register)) => self.third |= number(register, form.reg_kind())? << 8,
            (b'S', Operand::Register(register)) => self.third |= number(register, form.reg_kind())? << 4,
            _ => return None,
        }
        Some(())
    }

    /// Whether memory may have the size with this number.
    fn sized(&mut self, memory: &Memory, size: u64) -> Option<()> {
        match memory.size {
            // Some forms say nothing of their size: `lea`, `fxsave`.
            Some(told) if u64::from(told) != size && has_a_word(size) => None,
            Some(_) => Some(()),
            None => {
                self.untold = true;
                Some(())
            }
        }
    }

    fn immediate(&mut self, form: Form, operand: &Operand) -> Option<()> {
        let Operand::Number(value) = *operand else { return None };
        self.immediates += 1;
        let shift = match form.third_operand() {
            Third::TWO_BYTES => 8 * (self.immediates - 1),
            Third::WORD_BYTE => 16 * (self.immediates - 1),
            _ => 0,
        };
        let masked = match form.third_operand() {
            Third::VVVV_BYTE | Third::VVVV_IS4 | Third::TWO_BYTES => value.cast_unsigned() & 0xFF,
            Third::WORD_BYTE => value.cast_unsigned() & 0xFFFF,
            _ => value.cast_unsigned(),
        };
        self.third |= masked << shift;
        // The second of two is a byte.
        self.number = Some(match self.number {
            Some(first) if !(-128..256).contains(&value) => first | i64::MIN,
            Some(first) => first,
            None => value,
        });
        Some(())
    }

    fn offset(&mut self, form: Form, operand: &Operand) -> Option<()> {
        let Operand::Memory(memory) = operand else { return None };
        self.sized(memory, form.width())?;
        self.third = memory.absolute?.cast_unsigned();
        self.rm = Address::absolute().segment(memory.address.segment_number() as u8).packed();
        // Its size is that of the accumulator.
        self.untold = false;
        Some(())
    }

    /// Whether `operand` is the one that is not encoded.
    fn is_fixed(&mut self, expected: u64, operand: &Operand, form: Form) -> Option<()> {
        let register = |class, number| *operand == Operand::Register(Register { class, number });
        let accumulator = [Class::Byte, Class::Word, Class::Dword, Class::Qword];
        let is = match expected as u8 {
            fixed::CL => register(Class::Byte, 1),
            fixed::DX => register(Class::Word, 2),
            fixed::ONE => *operand == Operand::Number(1),
            fixed::ECX => register(Class::Dword, 1),
            fixed::ST0 => register(Class::X87, TOP),
            fixed::FS => register(Class::Segment, 4),
            fixed::GS => register(Class::Segment, 5),
            n @ fixed::RDI..fixed::RSI => self.implied_memory(operand, 7, n - fixed::RDI, form)?,
            n @ fixed::RSI..fixed::RBX => self.implied_memory(operand, 6, n - fixed::RSI, form)?,
            fixed::RBX => self.implied_memory(operand, 3, 0, form)?,
            n => register(*accumulator.get(usize::from(n.wrapping_sub(fixed::AL)))?, 0),
        };
        is.then_some(())
    }

    fn implied_memory(&mut self, operand: &Operand, base: u8, size: u8, form: Form) -> Option<bool> {
        let Operand::Memory(memory) = operand else { return Some(false) };
        let segment = memory.address.segment_number() as u8;
        let address = if form.has_address_32() { Address::base(base).narrow() } else { Address::base(base) };
        let plain = memory.address.segment(0) == address;
        let told = memory.size.is_none_or(|told| told == size + 1);
        // ES of RDI cannot be another one.
        if segment != 0 && !(base == 7 && segment == 1) {
            self.rm = Address::base(0).segment(segment).packed();
        }
        Some(plain && told && !(base == 7 && segment > 1))
    }

    /// The bytes, if the numbers fit.
    pub(super) fn encode(
        &self,
        form: Form,
        place: &Place<'_>,
        operands: &Operands,
        can_be_long: &dyn Fn() -> bool,
        misses: &mut Misses,
    ) -> Option<Choice> {
        let third = form.third_operand();
        if let Some(number) = self.number
            && !matches!(third, Third::REL8 | Third::REL32)
            && !in_range(form, number)
        {
            misses.range = true;
            return None;
        }
        let bytes = match third {
            Third::REL8 | Third::REL32 => return self.branch(form, place, operands, can_be_long, misses),
            _ => encode(form, self.reg, self.rm, self.third),
        };
        let bytes = match self.memory.and_then(|memory| Some((memory, memory.target?))) {
            None => bytes,
            Some((memory, target)) => {
                let end = place.address.wrapping_add(bytes.size.into());
                let Ok(distance) = i32::try_from(target.wrapping_sub(end).cast_signed()) else {
                    misses.distance = true;
                    return None;
                };
                encode(form, self.reg, memory.address.disp(distance).packed(), self.third)
            }
        };
        if let Some(Memory { absolute: Some(address), .. }) = self.memory
            && !fits_i32(address)
        {
            misses.range = true;
            return None;
        }
        match bytes.fault {
            Fault::None => Some(Choice { bytes, short: false }),
            Fault::Immediate => {
                misses.range = true;
                None
            }
            Fault::Index | Fault::HighByte | Fault::Segment => None,
        }
    }

    /// A branch to an address: with eight bits if that is allowed and reaches.
    fn branch(
        &self,
        form: Form,
        place: &Place<'_>,
        operands: &Operands,
        can_be_long: &dyn Fn() -> bool,
        misses: &mut Misses,
    ) -> Option<Choice> {
        let target = self.number?.cast_unsigned();
        let size = encode(form, self.reg, self.rm, 0).size;
        let distance = target.wrapping_sub(place.address.wrapping_add(size.into())).cast_signed();
        let short = form.third_operand() == Third::REL8;
        let reaches = if short { fits_i8(distance) } else { fits_i32(distance) };
        let wanted = if short {
            (place.short || operands.manner.short || !can_be_long()) && !operands.manner.near
        } else {
            !operands.manner.short
        };
        misses.distance |= wanted && !reaches;
        (wanted && reaches).then(|| Choice {
            bytes: encode(form, self.reg, self.rm, distance.cast_unsigned()),
            short: short && can_be_long(),
        })
    }
}

/// Whether there is a word for memory of the size with this number.
pub(super) fn has_a_word(size: u64) -> bool {
    use crate::code::spec::size::{ENV_14, ENV_28, FXSAVE, NONE, STATE_94, STATE_108};
    ![NONE, FXSAVE, ENV_14, ENV_28, STATE_94, STATE_108].contains(&(size as u8))
}

/// Whether an immediate can be `value`.
fn in_range(form: Form, value: i64) -> bool {
    match form.third_operand() {
        Third::BYTE | Third::VVVV_BYTE | Third::COUNT | Third::TWO_BYTES | Third::VVVV_IS4 => {
            (-128..256).contains(&value)
        }
        Third::SIGNED_BYTE => fits_i8(value),
        Third::WORD | Third::WORD_BYTE => (-32768..65536).contains(&value),
        Third::PUSH => fits_i32(value),
        // REX.W extends the sign of 32 bits.
        Third::FULL | Third::ALU | Third::TEST | Third::IMUL if form.is_64() => fits_i32(value),
        _ => true,
    }
}

/// The number that forms have for the kind of a register; none has one for bounds and
/// instruction pointers.
pub(super) fn kind_of(register: &Register) -> Option<u8> {
    Some(match register.class {
        Class::Byte | Class::High => kind::R8,
        Class::Word => kind::R16,
        Class::Dword => kind::R32,
        Class::Qword => kind::R64,
        Class::Segment => kind::SEGMENT,
        Class::Control => kind::CONTROL,
        Class::Debug => kind::DEBUG,
        Class::X87 => kind::X87,
        Class::Mmx => kind::MMX,
        Class::Xmm => kind::XMM,
        Class::Ymm => kind::YMM,
        Class::Mask => kind::OPMASK,
        Class::Bound | Class::Pointer => return None,
    })
}

/// The number of a register of the kind that a form has.
fn number(register: &Register, wanted: u64) -> Option<u64> {
    let is_top = register.class == Class::X87 && register.number == TOP;
    // AH, CH, DH and BH are 20 to 23.
    let high = if register.class == Class::High { 16 } else { 0 };
    (u64::from(kind_of(register)?) == wanted && !is_top).then_some(u64::from(register.number) + high)
}
