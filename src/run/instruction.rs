//! The next instruction as a stepper needs to know it: its text, its size, where it
//! stores, and whether the trap flag shows through it.

use alloc::string::{String, ToString};
use barejit_asm::{Data, Store, decode};

/// The kind of an instruction, by what its step needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Nothing.
    Plain,
    /// It jumps or not.
    Conditional,
    /// It calls a function.
    Call,
    /// A string operation with a repeat prefix, which counts in RCX, or in ECX if it is narrow.
    Repeated { narrow: bool },
    /// `syscall`.
    Syscall,
    /// `pushf`.
    PushesFlags,
    /// `mov ss` or `pop ss`.
    LoadsStackSegment,
    /// INT1, INT3 and INT n, whose traps are their own.
    Trap,
}

/// An instruction that is about to run.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// In Intel notation.
    pub(super) text: String,
    /// How many bytes it has.
    pub(super) size: usize,
    /// Its kind.
    pub(super) kind: Kind,
    /// Where it is going to store.
    pub(super) stores: [Option<Store>; 2],
    /// Whether it uses vectors, x87 or MMX registers, or is not known.
    pub(super) uses_vectors: bool,
}

/// Looks at the instruction that `bytes` begin with, at `address`, before it runs with
/// these registers.
pub(super) fn look(bytes: &[u8], address: usize, general: &[u64; 16]) -> Seen {
    let Ok(instruction) = decode(bytes) else {
        let first = bytes.get(..1).unwrap_or_default();
        let text = Data(first).to_string();
        return Seen { text, size: 1, kind: Kind::Plain, stores: [None; 2], uses_vectors: true };
    };
    let size = instruction.size();
    Seen {
        text: instruction.at(address as u64).to_string(),
        size,
        kind: kind(bytes[..size].split_at(instruction.opcode_at())),
        stores: instruction.stores(general, address as u64),
        uses_vectors: instruction.uses_extended_state(),
    }
}

/// The kind of the instruction that has these prefixes, by its opcode (SDM vol. 2D,
/// appendix A) behind them.
fn kind((prefixes, opcode): (&[u8], &[u8])) -> Kind {
    let repeated = prefixes.iter().any(|byte| matches!(byte, 0xF2 | 0xF3));
    let narrow = prefixes.contains(&0x67);
    // ModRM.reg of the byte behind the opcode.
    let digit = opcode.get(1).map(|modrm| modrm >> 3 & 7);
    match opcode {
        [0x0F, 0x05, ..] => Kind::Syscall,
        [0x0F, 0x80..=0x8F, ..] | [0x70..=0x7F | 0xE0..=0xE3, ..] => Kind::Conditional,
        [0xE8, ..] => Kind::Call,
        [0xFF, ..] if digit == Some(2) => Kind::Call,
        [0x6C..=0x6F | 0xA4..=0xA7 | 0xAA..=0xAF, ..] if repeated => Kind::Repeated { narrow },
        [0x9C, ..] => Kind::PushesFlags,
        [0x8E, ..] if digit == Some(2) => Kind::LoadsStackSegment,
        [0xCC | 0xCD | 0xF1, ..] => Kind::Trap,
        _ => Kind::Plain,
    }
}
