//! Rewrites into another instruction of the same effect: those of the page of [`super`].
//!
//! A write to 32 bits of a register clears the upper half. Flags are the same: a result that
//! has no bit above its narrower width set has the same zero, parity and, being below the
//! sign bit of both widths, the same sign.

use super::mnemonic::Mnemonic;
use super::operand::{Operand, Operands};
use super::register::{Class, Register};

/// The operands that may stand in place of `operands`, the most wanted first.
pub(super) fn rewritten(mnemonic: Mnemonic, operands: &Operands) -> impl Iterator<Item = Operands> {
    let narrowed = |class| match operands.all() {
        [Operand::Register(first), rest @ ..] => {
            let narrow = |register: &Register| Operand::Register(Register { class, number: register.number });
            match rest {
                [Operand::Number(_)] => Some(operands.with(0, narrow(first))),
                [Operand::Register(second)] => Some(operands.with(0, narrow(first)).with(1, narrow(second))),
                _ => None,
            }
        }
        _ => None,
    };
    let (byte, dword) = match operands.all() {
        [Operand::Register(Register { class, .. }), Operand::Number(value)] => {
            let wide = *class == Class::Qword;
            let below = |bits: u32| value.cast_unsigned() >> bits == 0;
            let test = mnemonic.is("test");
            (
                test && below(7) && (wide || *class == Class::Dword || *class == Class::Word),
                wide && (mnemonic.is("mov") && below(32) || (test || mnemonic.is("and")) && below(31)),
            )
        }
        [Operand::Register(first), Operand::Register(second)] => {
            let zeroes = first == second && first.class == Class::Qword;
            (false, zeroes && (mnemonic.is("xor") || mnemonic.is("sub")))
        }
        _ => (false, false),
    };
    let doubled = operands.all().iter().enumerate().find_map(|(place, operand)| match operand {
        Operand::Memory(memory) if memory.index == 0 => {
            let address = memory.address.doubled()?;
            Some(operands.with(place, Operand::Memory(super::operand::Memory { address, ..*memory })))
        }
        _ => None,
    });
    let byte = if byte { narrowed(Class::Byte) } else { None };
    let dword = if dword { narrowed(Class::Dword) } else { None };
    byte.into_iter().chain(dword).chain(doubled)
}
