//! No-operations of any size.

use super::Asm;
use crate::code::address::Address;
use crate::code::spec::order_number;
use crate::code::{Form, Scale};

impl Asm<'_> {
    /// The recommended no-operation of `size` bytes, 1 to 9 (SDM vol. 2B, NOP,
    /// table 4-12); nothing for 0, and 9 for more.
    pub const fn nop(&mut self, size: u8) -> &mut Self {
        let nop: u128 = match size {
            0 => return self,
            1 => 0x90,
            2 => 0x90_66,
            3 => 0x00_1F_0F,
            4 => 0x00_40_1F_0F,
            5 => 0x00_00_44_1F_0F,
            6 => 0x00_00_44_1F_0F_66,
            7 => 0x00_00_00_00_80_1F_0F,
            8 => 0x00_00_00_00_00_84_1F_0F,
            _ => 0x00_00_00_00_00_84_1F_0F_66,
        };
        // The form for the listing: the longer ones have a memory operand that is not read.
        let plain = const { Form::op(0x90).named("nop") };
        let form = match size {
            1 | 2 => plain,
            6 | 9.. => plain.order(order_number("M")).memory(2),
            _ => plain.order(order_number("M")).memory(3),
        };
        let base = Address::base(0);
        let operand = match size {
            3 | 4 | 7 => base,
            _ => base.index(0, Scale::X1),
        };
        let size = if size > 9 { 9 } else { size as u32 };
        self.put(nop, size, form, [0, operand.packed(), 0])
    }
}
