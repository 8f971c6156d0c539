//! The constant pool: constants behind the code that uses them, addressed from RIP. Equal
//! constants that are used near each other are stored once.

use alloc::vec::Vec;
use barejit_asm::{Asm, Label, Mem};

/// The constants of one piece of code.
#[derive(Default)]
pub(super) struct Pool {
    quads: Vec<(u64, Label)>,
    sign: Option<Label>,
}

/// The entries that are searched for an equal constant, so that long code takes linear
/// time.
const REACH: usize = 32;

impl Pool {
    /// `bits` in memory.
    pub(super) fn quad(&mut self, a: &mut Asm<'_>, bits: u64) -> Mem<64> {
        let equal = self.quads.iter().rev().take(REACH).find(|(other, _)| *other == bits);
        let label = match equal {
            Some((_, label)) => *label,
            None => {
                let label = a.label();
                self.quads.push((bits, label));
                label
            }
        };
        Mem::label(label)
    }

    /// The sign bit of the lower of two f64, in aligned memory.
    pub(super) fn sign(&mut self, a: &mut Asm<'_>) -> Mem<128> {
        Mem::label(*self.sign.get_or_insert_with(|| a.label()))
    }

    /// Puts the constants here, behind the last instruction.
    pub(super) fn put(&self, a: &mut Asm<'_>) {
        if let Some(label) = self.sign {
            a.align(16).bind(label).bytes(&(1u128 << 63).to_le_bytes());
        }
        if !self.quads.is_empty() {
            a.align(8);
        }
        for (bits, label) in &self.quads {
            a.bind(*label).bytes(&bits.to_le_bytes());
        }
    }
}
