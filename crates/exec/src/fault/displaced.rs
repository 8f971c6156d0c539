//! Displaced stepping: each instruction is copied into a slot of its own, which ends with a
//! jump to the stepper. (So do GDB, whose word this is, and Linux's uprobes; DynamoRIO does
//! it by basic block.)
//!
//! ```text
//!   code     add eax, [rip+8]   jnz 1b    call 1b               ret               call rcx
//!   slot     add eax, [rip+…]   jnz 1f    push [rip+2f]         mov rax, [rsp]    mov rax, rcx
//!            jmp NEXT           jmp NEXT  jmp TAKEN             lea rsp, [rsp+8]  push [rip+2f]
//!                            1: jmp TAKEN                       jmp INDIRECT      jmp INDIRECT
//!                                      2: address behind the call              2: the same
//! ```
//!
//! NEXT, TAKEN and INDIRECT are exits of the stepper, which gives RAX back to the code. A
//! copy raises the signals that its instruction does, before anything has changed but RAX.
//! Every byte of the code has a slot, since a jump can lead between instructions. Owns slots;
//! it runs nothing.

use crate::memory::{Error, Executable, Guard, Memory, PageSize, Strategy};
use alloc::vec::Vec;
use barejit_asm::{Asm, Mem, RAX, RSP, Tables, address, decode, qword};

/// The exits of slots, by their places in the first slot, which has their addresses.
pub(super) mod exit {
    /// Behind the instruction.
    pub(in super::super) const NEXT: u8 = 0;
    /// To the target of a direct branch or call.
    pub(in super::super) const TAKEN: u8 = 1;
    /// To the address in RAX.
    pub(in super::super) const INDIRECT: u8 = 2;
}

/// How many bytes a slot has, and where the address behind a call is in it.
const SLOT: usize = 32;
const BEHIND: usize = 24;

/// How much of the code has slots, so that they take 16 MiB at most.
const COPIED: usize = 256 * 1024;

/// Executable copies of the instructions of code.
#[derive(Debug)]
pub struct Displaced {
    memory: Memory<Executable>,
    /// Where the code lies.
    start: usize,
    /// By the offset of their first byte in the code; `None` where the step needs more than a
    /// copy.
    originals: Vec<Option<Original>>,
}

/// An instruction that has a copy.
#[derive(Debug)]
pub(super) struct Original {
    bytes: [u8; 15],
    size: u8,
    /// The target, if it is a direct branch.
    pub(super) target: u64,
}

impl Displaced {
    /// Copies the instructions of `code`, which lies at `start`.
    ///
    /// # Errors
    /// The syscall that refused.
    pub(super) fn new(
        strategy: Strategy,
        code: &[u8],
        start: usize,
        exits: [usize; 3],
    ) -> Result<Self, Error> {
        let count = code.len().min(COPIED);
        let mut memory = Memory::obtain(strategy, PageSize::needed(SLOT * (1 + count))?, Guard::PAGE)?;
        let head = memory.address() as u64;
        let (first, slots) = memory.bytes().split_at_mut(SLOT);
        for (place, exit) in first.chunks_exact_mut(8).zip(exits) {
            place.copy_from_slice(&exit.to_le_bytes());
        }
        let originals = slots.chunks_exact_mut(SLOT).take(count).enumerate().map(|(n, slot)| {
            let at = head + (SLOT * (1 + n)) as u64;
            Original::copy(&code[n..], (start + n) as u64, slot, at, head)
        });
        let originals = originals.collect();
        Ok(Self { memory: memory.seal()?, start, originals })
    }

    /// The instruction at `rip`, if it has a copy, and the address of that. `None` if the
    /// code has changed there.
    ///
    /// # Safety
    /// 1. The code can be read.
    pub(super) unsafe fn find(&self, rip: u64) -> Option<(&Original, u64)> {
        let n = (rip as usize).wrapping_sub(self.start);
        let original = self.originals.get(n)?.as_ref()?;
        // SAFETY: duty 1 of the caller: it was decoded there.
        let now = unsafe { core::slice::from_raw_parts(rip as *const u8, original.size.into()) };
        let slot = self.memory.address() + SLOT * (1 + n);
        (original.bytes[..now.len()] == *now).then_some((original, slot as u64))
    }
}

impl Original {
    /// Copies the instruction at the address `from`, with which `code` begins, to `slot`,
    /// whose address is `at`. `None` if its step needs more than a copy.
    fn copy(code: &[u8], from: u64, slot: &mut [u8], at: u64, head: u64) -> Option<Self> {
        let instruction = decode(code).ok()?;
        let size = instruction.size();
        let code = &code[..size];
        let next = from + size as u64;
        let target = instruction.distance().map_or(0, |distance| next.wrapping_add_signed(distance));
        let mut bytes = [0; 15];
        bytes[..size].copy_from_slice(code);

        let mut a = Asm::new(slot, Tables::none());
        // Memory at `address` for the next instruction, which takes six bytes.
        let word = |a: &Asm<'_>, address: u64| {
            Mem::<64>::rip(address.wrapping_sub(at + u64::from(a.offset()) + 6) as i32)
        };
        let leave = |a: &mut Asm<'_>, exit: u8| _ = a.jmp_m(word(a, head + 8 * u64::from(exit)));
        let push_next = |a: &mut Asm<'_>| _ = a.push_m(word(a, at + BEHIND as u64));
        // Makes what the instruction names relative to RIP reach it from here. Too far is `None`.
        let relocate = |bytes: &mut [u8], distance_at: usize| {
            if let Some(distance) = instruction.rip_distance() {
                let moved = next.wrapping_sub(at + bytes.len() as u64).cast_signed();
                let distance = i32::try_from(i64::from(distance) + moved).ok()?;
                bytes[distance_at..distance_at + 4].copy_from_slice(&distance.to_le_bytes());
            }
            Some(())
        };

        let (prefixes, opcode) = code.split_at(instruction.opcode_at());
        let rex = match *prefixes {
            [] => Some(0),
            [rex @ 0x40..=0x4F] => Some(rex),
            _ => None,
        };
        let mut moved = bytes;
        // By the opcode (SDM vol. 2D, appendix A).
        match (opcode, rex) {
            // MOV to SS holds traps back, and POPF can set TF. The others lead to another
            // segment or to the kernel.
            ([0x8E | 0x9D | 0xCA..=0xCF | 0xF1, ..] | [0x0F, 0x05 | 0x07 | 0x34 | 0x35, ..], _) => {
                return None;
            }
            ([0xE8, ..], Some(_)) => {
                push_next(&mut a);
                leave(&mut a, exit::TAKEN);
            }
            ([0xC3] | [0xC2, ..], Some(_)) => {
                let popped = if let [_, low, high] = *opcode { u16::from_le_bytes([low, high]) } else { 0 };
                a.mov_rm(RAX, qword(RSP)).lea(RSP, address(RSP).disp(8 + i32::from(popped)));
                leave(&mut a, exit::INDIRECT);
            }
            // CALL and JMP by ModRM become MOV, with the same ModRM.rm.
            ([0xFF, modrm, rest @ ..], Some(rex)) if matches!(modrm >> 3 & 7, 2 | 4) => {
                let size = 3 + rest.len();
                moved[..3].copy_from_slice(&[0x48 | rex & 3, 0x8B, modrm & 0xC7]);
                moved[3..size].copy_from_slice(rest);
                relocate(&mut moved[..size], 3)?;
                a.bytes(&moved[..size]);
                if modrm >> 3 & 7 == 2 {
                    push_next(&mut a);
                }
                leave(&mut a, exit::INDIRECT);
            }
            // Processors differ in what prefixes do to these.
            ([0xC2 | 0xC3 | 0xE8, ..], _) => return None,
            ([0xFF, modrm, ..], _) if matches!(modrm >> 3 & 7, 2..=5) => return None,
            _ if instruction.distance().is_some() => {
                if prefixes.contains(&0x66) {
                    return None;
                }
                // Over the first exit.
                let bytes = if matches!(opcode, [0x0F | 0xE9 | 0xC7, ..]) { 4 } else { 1 };
                moved[size - bytes..size].copy_from_slice(&[6, 0, 0, 0][..bytes]);
                a.bytes(&moved[..size]);
                leave(&mut a, exit::NEXT);
                leave(&mut a, exit::TAKEN);
            }
            _ => {
                relocate(&mut moved[..size], instruction.rip_distance_at())?;
                a.bytes(&moved[..size]);
                leave(&mut a, exit::NEXT);
            }
        }
        let length = a.offset() as usize;
        a.finish().ok()?;
        if length <= BEHIND {
            slot[BEHIND..].copy_from_slice(&next.to_le_bytes());
        }
        Some(Self { bytes, size: size as u8, target })
    }

    /// The address behind the instruction, if it is at `rip`.
    pub(super) fn next(&self, rip: u64) -> u64 {
        rip + u64::from(self.size)
    }
}
