//! Operands as numbers, held against the form that they are for.

use super::form::{Form, Third};
use super::spec::kind;

impl Form {
    /// Whether these operands, in ModRM.reg, in ModRM.rm and elsewhere, are such as
    /// the form has.
    pub(crate) const fn takes(self, [reg, rm, third]: [u64; 3]) -> bool {
        let rm_fits = self.is_memory() || self.has_memory_elsewhere() || is_register(self.rm_kind(), rm);
        let reg = if self.has_digit() { reg == 0 } else { is_register(self.reg_kind(), reg) };
        reg && rm_fits && self.takes_third(third)
    }

    /// Whether `rm` is an address although ModRM.rm is none.
    const fn has_memory_elsewhere(self) -> bool {
        self.may_override() || matches!(self.third_operand(), Third::OFFSET)
    }

    const fn takes_third(self, third: u64) -> bool {
        let signed = third as i64;
        match self.third_operand() {
            Third::NONE => third == 0,
            Third::VVVV => third & 0xFF == 0 && is_register(self.reg_kind(), third >> 8),
            Third::VVVV_BYTE => is_register(self.reg_kind(), third >> 8),
            Third::VVVV_IS4 => third & 15 == 0 && is_register(self.reg_kind(), third >> 8),
            Third::BYTE | Third::COUNT => third <= 0xFF,
            Third::SIGNED_BYTE | Third::REL8 => signed as i8 as i64 == signed,
            Third::TWO_BYTES | Third::WORD => third <= 0xFFFF,
            Third::WORD_BYTE => third <= 0xFF_FFFF,
            Third::REL32 | Third::PUSH => signed as i32 as i64 == signed,
            Third::FULL | Third::ALU | Third::TEST | Third::IMUL if self.width() == 4 => {
                signed as i32 as i64 == signed
            }
            // The others have 64 bits, or are checked where they are encoded.
            _ => true,
        }
    }

    /// Operation `number` of eight in place of the first: in the opcode, or in the
    /// digit if there is one.
    #[inline(always)]
    pub(crate) const fn operation(self, number: u8, names: &[u64; 8]) -> Self {
        let at = if self.has_digit() { 19 } else { 3 };
        let (bits, _) = self.words();
        Self::from_words(bits + ((number as u64) << at), names[number as usize])
    }
}

/// Whether `number` is that of a register of this kind.
const fn is_register(kind: u64, number: u64) -> bool {
    match kind as u8 {
        0 => number == 0,
        kind::R8 => number < 16 || number >= 20 && number < 24,
        kind::MMX | kind::OPMASK | kind::X87 => number < 8,
        kind::SEGMENT => number < 6,
        _ => number < 16,
    }
}
