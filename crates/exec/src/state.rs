//! The processor's state as a program sees it: what a signal frame holds, as a value.
//!
//! Registers stand in the order of their encoding. The extended state is an XSAVE area in
//! the standard format (SDM vol. 1, 13.4), as the kernel writes it into a frame.

use barejit_sys::signal::Context;

/// More than the area takes with AVX-512 and protection keys, 2,700 bytes. The area with
/// AMX tiles is larger; a process has those only if it asks for them (arch_prctl(2)).
const AREA: usize = 4096;

/// The part of the area that FXSAVE has.
const LEGACY: usize = 512;

/// Offset of XSTATE_BV in the area: the components that are not in their initial state.
const XSTATE_BV: usize = LEGACY;

/// The bit of the upper halves of YMM0 to YMM15 in XSTATE_BV, and where they stand (CPUID
/// leaf 0DH, sub-leaf 2: 576 on every processor that has them).
const AVX: (u8, usize) = (1 << 2, 576);

/// General-purpose registers, RIP, RFLAGS and the extended state.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct State {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    pub general: [u64; 16],
    /// The next instruction.
    pub rip: u64,
    /// RFLAGS
    pub flags: u64,
    /// Bytes of the area that hold something: 0 (everything is initial), 512 (x87 and
    /// SSE) or more.
    used: usize,
    /// Fills the alignment, so that all bytes are words.
    reserved: [u64; 5],
    /// Behind the rest, so that all that is in use stands together.
    area: [u8; AREA],
}

const _: () = assert!(size_of::<State>() == 8 * State::WORDS);

impl State {
    /// The names of the general-purpose registers in the order of their encoding.
    pub const GENERAL: [&str; 16] = [
        "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
        "r14", "r15",
    ];

    /// The flags that programs change, with their bits in RFLAGS (SDM vol. 1, 3.4.3).
    pub const FLAGS: [(&str, u32); 7] =
        [("cf", 0), ("pf", 2), ("af", 4), ("zf", 6), ("sf", 7), ("df", 10), ("of", 11)];

    /// All registers zero, the extended state initial. That is told by FXSAVE's part: where a
    /// frame has none, QEMU's user mode leaves the registers as they are.
    pub const INITIAL: Self = {
        let mut area = [0; AREA];
        // The control word of x87, and MXCSR (SDM vol. 1, 8.1.5 and 10.2.3).
        [area[0], area[1]] = 0x037F_u16.to_le_bytes();
        [area[24], area[25]] = 0x1F80_u16.to_le_bytes();
        Self { area, used: LEGACY, general: [0; 16], rip: 0, flags: Self::ALWAYS, reserved: [0; 5] }
    };

    /// How many words a state has.
    pub const WORDS: usize = AREA / 8 + 24;

    /// The bit of RFLAGS that is always set, and the one that lets interrupts in.
    pub const ALWAYS: u64 = 0x202;

    /// The bits of [`FLAGS`](Self::FLAGS).
    pub const STATUS: u64 = 0x0CD5;

    /// TF, the trap flag.
    pub const TRAP: u64 = 0x100;

    /// The state in a signal frame. An area larger than this holds loses its end.
    ///
    /// # Safety
    /// 1. The kernel has given `context` to a handler that still runs.
    pub unsafe fn capture(&mut self, context: &Context) {
        self.general = context.general();
        self.rip = context.rip;
        self.flags = context.rflags;
        // SAFETY: (1) the caller's.
        let area = unsafe { context.extended() };
        self.used = if area.len() <= AREA { area.len() } else { LEGACY };
        self.area[..self.used].copy_from_slice(&area[..self.used]);
        if area.len() > AREA {
            // FXSAVE's part alone: no extended size follows.
            self.area[464..LEGACY].fill(0);
        }
    }

    /// All of the state as words, to compare it and to keep what differs.
    pub fn words(&self) -> &[u64; Self::WORDS] {
        // SAFETY: the fields are integers without padding, as many words as asserted, and
        // aligned.
        unsafe { &*core::ptr::from_ref(self).cast() }
    }

    /// The same, to put back what differed. [`distrust`](Self::distrust) makes any words a
    /// state.
    pub fn words_mut(&mut self) -> &mut [u64; Self::WORDS] {
        // SAFETY: as above; every pattern of bits is an integer.
        unsafe { &mut *core::ptr::from_mut(self).cast() }
    }

    /// The area for a signal frame, null for the initial state.
    pub(crate) fn extended(&self) -> *const u8 {
        if self.used == 0 { core::ptr::null() } else { self.area.as_ptr() }
    }

    /// Makes the state safe to use after it was in memory that others could write: any bytes
    /// in it are then defined. The kernel refuses an area that makes no sense.
    pub fn distrust(&mut self) {
        if self.used > AREA || (1..LEGACY).contains(&self.used) {
            self.used = 0;
        }
        self.flags = self.flags & Self::STATUS | Self::ALWAYS;
    }

    /// MXCSR.
    pub fn mxcsr(&self) -> u32 {
        const INITIAL: u32 = 0x1F80;
        if self.used == 0 { INITIAL } else { u32::from_le_bytes(self.bytes(24)) }
    }

    /// XMM register `n` in the low half and the upper half of its YMM in the other, 0 to
    /// 15.
    pub fn vector(&self, n: usize) -> [u8; 32] {
        let mut vector = [0; 32];
        if self.used >= LEGACY {
            vector[..16].copy_from_slice(&self.bytes::<16>(160 + 16 * n));
        }
        let (bit, at) = AVX;
        if self.used >= at + 256 && self.area[XSTATE_BV] & bit != 0 {
            vector[16..].copy_from_slice(&self.bytes::<16>(at + 16 * n));
        }
        vector
    }

    /// The x87 control, status and tag words; a bit of the tag is set where a register
    /// is in use (FXSAVE's abridged tag).
    pub fn x87(&self) -> (u16, u16, u8) {
        if self.used == 0 {
            return (0x037F, 0, 0);
        }
        (u16::from_le_bytes(self.bytes(0)), u16::from_le_bytes(self.bytes(2)), self.area[4])
    }

    /// ST(`n`), 0 to 7: 80 bits, or the MMX register in the low 64.
    pub fn st(&self, n: usize) -> [u8; 10] {
        if self.used == 0 { [0; 10] } else { self.bytes(32 + 16 * n) }
    }

    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.area[at..].first_chunk().copied().expect("inside the area")
    }
}
