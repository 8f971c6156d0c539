//! Classic BPF as seccomp(2) takes it: the instructions that filters here are made of,
//! and where they find a syscall. It holds no filter: the files that install filters have them.

/// An instruction (linux/filter.h).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Instruction {
    code: u16,
    yes: u8,
    no: u8,
    operand: u32,
}

impl Instruction {
    /// Its operand: the offset, the value to compare with, or the answer.
    pub const fn operand(&self) -> u32 {
        self.operand
    }

    /// The same instruction with another operand.
    #[must_use]
    pub const fn with_operand(self, operand: u32) -> Self {
        Self { operand, ..self }
    }
}

/// Offsets into what a filter is shown, struct seccomp_data.
pub mod data {
    /// The number of the call.
    pub const NUMBER: u32 = 0;
    /// The architecture whose number that is.
    pub const ARCHITECTURE: u32 = 4;

    /// The low half of an argument.
    pub const fn argument(index: u32) -> u32 {
        16 + 8 * index
    }
}

/// AUDIT_ARCH_X86_64.
pub const X86_64: u32 = 0xC000_003E;

/// The answer SECCOMP_RET_ALLOW.
pub const ALLOW: u32 = 0x7FFF_0000;

/// The answer SECCOMP_RET_TRACE.
pub const TRACE: u32 = 0x7FF0_0000;

/// Loads a word of what the filter is shown.
pub const fn load(offset: u32) -> Instruction {
    const LD_W_ABS: u16 = 0x20;
    Instruction { code: LD_W_ABS, yes: 0, no: 0, operand: offset }
}

/// [`jump`] if the word is equal to the operand.
pub const JUMP_EQUAL: u16 = 0x15;
/// [`jump`] if the word is at least the operand.
pub const JUMP_AT_LEAST: u16 = 0x35;
/// [`jump`] if the word has a bit of the operand.
pub const JUMP_ANY: u16 = 0x45;

/// A conditional jump. `here`, `yes` and `no` are places in the program, not distances.
///
/// # Panics
/// If a place is not behind `here` or farther than 255 instructions, which fails the
/// build of a filter that is a constant.
pub const fn jump(code: u16, operand: u32, here: usize, yes: usize, no: usize) -> Instruction {
    let (yes, no) = (yes - here - 1, no - here - 1);
    assert!(yes < 256 && no < 256, "a jump that BPF cannot encode");
    Instruction { code, yes: yes as u8, no: no as u8, operand }
}

/// Ends the filter with this answer.
pub const fn answer(operand: u32) -> Instruction {
    const RET_K: u16 = 0x06;
    Instruction { code: RET_K, yes: 0, no: 0, operand }
}
