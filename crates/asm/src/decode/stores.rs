//! Where an instruction is going to store, for registers that are known.

use super::Instruction;
use crate::code::address::{Address, Base};
use crate::code::spec::{fixed, order_letters, size};
use crate::table::OperandKind;

/// Memory that an instruction writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Store {
    /// So many bytes at this address, without the base of FS or GS.
    At(u64, usize),
    /// So many bytes at RSP, as it is after the instruction.
    Pushed(usize),
}

impl Instruction {
    /// Whether it has to do with more than general-purpose registers, flags and memory: x87,
    /// MMX, vectors, opmasks.
    pub fn uses_extended_state(&self) -> bool {
        const GENERAL: [&str; 22] = [
            "",
            "CMPXCHG16B",
            "POPCNT",
            "LZCNT",
            "MOVBE",
            "BMI1",
            "BMI2",
            "ADX",
            "RDRAND",
            "RDSEED",
            "RDPID",
            "RDTSCP",
            "FSGSBASE",
            "CLFLUSHOPT",
            "CLWB",
            "CLDEMOTE",
            "PREFETCHW",
            "MOVDIRI",
            "CET_IBT",
            "CET_SS",
            "SERIALIZE",
            "RTM",
        ];
        let [first, _] = self.row().features(self.width);
        !GENERAL.contains(&first.name())
    }

    /// The memory that the instruction writes if it runs at `address` with these
    /// general-purpose registers, in the order of their encoding. The stores of a scatter,
    /// whose index is a vector, and of XSAVE, whose size the processor decides, are left out.
    pub fn stores(&self, general: &[u64; 16], address: u64) -> [Option<Store>; 2] {
        let mut stores = [None; 2];
        let mut add = |store| {
            if let Some(place) = stores.iter_mut().find(|place| place.is_none()) {
                *place = Some(store);
            }
        };
        let form = self.form;
        let mut fixed = 0;
        let letters = order_letters(form.operand_order());
        for (operand, letter) in self.row().operands().zip(letters) {
            let which = fixed;
            fixed += u32::from(*letter == b'F');
            if !operand.access.writes() {
                continue;
            }
            match operand.kind {
                OperandKind::Rm if form.is_memory() && form.index_kind() == 0 => {
                    let bytes = bytes_of(form.rm_kind() as u8);
                    let end = address.wrapping_add(self.size() as u64);
                    if bytes > 0 {
                        add(Store::At(effective(Address::unpack(self.operands[1]), general, end), bytes));
                    }
                }
                OperandKind::Offset => add(Store::At(self.operands[2], bytes_of(form.width() as u8))),
                OperandKind::Fixed => {
                    let number = form.fixed_operand(which) as u8;
                    if (fixed::RDI..fixed::RSI).contains(&number) {
                        let narrow = form.has_address_32();
                        let rdi = if narrow { general[7] & 0xFFFF_FFFF } else { general[7] };
                        add(Store::At(rdi, bytes_of(number - fixed::RDI + 1)));
                    }
                }
                _ => {}
            }
        }
        for (base, access, bytes) in self.row().effects().memory {
            const RSP: u8 = 4;
            let writes = access >> 2 != 0;
            match base {
                RSP if writes => add(Store::Pushed(usize::from(bytes))),
                0..16 if writes && bytes > 0 => add(Store::At(general[usize::from(base)], bytes.into())),
                _ => {}
            }
        }
        stores
    }
}

/// How many bytes memory has whose size is this number; 0 if no more is known.
fn bytes_of(number: u8) -> usize {
    match number {
        1..=6 => 1 << (number - 1),
        size::TBYTE => 10,
        size::FWORD => 6,
        size::ENV_14 => 14,
        size::ENV_28 => 28,
        size::STATE_94 => 94,
        size::STATE_108 => 108,
        size::ZMMWORD => 64,
        size::FXSAVE => 512,
        _ => 0,
    }
}

/// The effective address (SDM vol. 1, 3.7.5); `end` is that of the instruction.
fn effective(address: Address, general: &[u64; 16], end: u64) -> u64 {
    let base = match address.relative_to() {
        Base::Gpr => general[address.base_number() as usize],
        Base::Rip => end,
        Base::None | Base::Label => 0,
    };
    let index =
        if address.is_indexed() { general[address.index_number() as usize] << address.scale() } else { 0 };
    let sum = base.wrapping_add(index).wrapping_add_signed(address.displacement().into());
    if address.is_narrow() { sum & 0xFFFF_FFFF } else { sum }
}
