//! The operands of instructions: registers, memory, conditions.
//!
//! Widths are types. A [`Gpr<64>`](Gpr) and a `Gpr<8>` never meet in one
//! instruction by accident, and a [`Mem<64>`](Mem) prints itself as `qword ptr`.
//! This file refuses to know any opcode.

use crate::code::address::Address;
use crate::code::{Label, Scale};

/// A general-purpose register seen at a width of 8, 16, 32 or 64 bits
/// (SDM vol. 1, 3.4.1). The number is always 0 to 15.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gpr<const BITS: u16>(u8);

/// A 64-bit general-purpose register.
pub type Gpr64 = Gpr<64>;
/// A 32-bit general-purpose register; writing it clears the upper half.
pub type Gpr32 = Gpr<32>;
/// A 16-bit general-purpose register.
pub type Gpr16 = Gpr<16>;
/// The low byte of a general-purpose register. AH, BH, CH and DH cannot be named.
pub type Gpr8 = Gpr<8>;

impl<const BITS: u16> Gpr<BITS> {
    /// The register with this number, 0 (RAX) to 15 (R15).
    ///
    /// # Panics
    /// If `number` is over 15; in a constant, that is a compile error.
    #[inline]
    pub const fn new(number: u8) -> Self {
        const { assert!(matches!(BITS, 8 | 16 | 32 | 64), "no such register width") }
        assert!(number < 16, "general-purpose registers are numbered from 0 to 15");
        Self(number)
    }

    /// The register's number, 0 (RAX) to 15 (R15).
    #[inline]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The same register at another width.
    #[inline]
    pub const fn resize<const TO: u16>(self) -> Gpr<TO> {
        const { assert!(matches!(TO, 8 | 16 | 32 | 64), "no such register width") }
        Gpr(self.0)
    }

    /// The operand as [`Asm::inst`](super::Asm::inst) takes it.
    #[inline(always)]
    pub const fn packed(self) -> u64 {
        self.0 as u64
    }
}

/// A segment register (SDM vol. 1, 3.4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Segment {
    /// Extra data.
    Es = 0,
    /// Code.
    Cs = 1,
    /// Stack.
    Ss = 2,
    /// Data.
    Ds = 3,
    /// Thread-local data, by convention of Linux programs.
    Fs = 4,
    /// Per-CPU data, by convention of the Linux kernel.
    Gs = 5,
}

impl Segment {
    /// The operand as [`Asm::inst`](super::Asm::inst) takes it.
    #[inline(always)]
    pub const fn packed(self) -> u64 {
        self as u64
    }
}

macro_rules! numbered {
    ($($(#[$doc:meta])* $ty:ident: $count:literal $what:literal;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $ty(u8);

        impl $ty {
            /// The register with this number.
            ///
            /// # Panics
            /// If there is none; in a constant, that is a compile error.
            #[inline]
            pub const fn new(number: u8) -> Self {
                assert!(
                    number < $count,
                    concat!("there are ", $count, " ", $what, " registers, numbered from 0")
                );
                Self(number)
            }

            /// The register's number, from 0.
            #[inline]
            pub const fn number(self) -> u8 {
                self.0
            }

            /// The operand as [`Asm::inst`](super::Asm::inst) takes it.
            #[inline(always)]
            pub const fn packed(self) -> u64 {
                self.0 as u64
            }
        })*
    };
}
numbered! {
    /// An SSE register, 128 bits.
    Xmm: 16 "XMM";
    /// An AVX register, 256 bits.
    Ymm: 16 "YMM";
    /// An MMX register, 64 bits, numbered 0 to 7.
    Mmx: 8 "MMX";
    /// An opmask register of AVX-512, 64 bits, numbered 0 to 7.
    Opmask: 8 "opmask";
    /// A register of the x87 stack, numbered from its top, 0 to 7.
    St: 8 "x87";
    /// A control register, numbered 0 to 15 (SDM vol. 3A, 2.5).
    Control: 16 "control";
    /// A debug register, numbered 0 to 15 (SDM vol. 3B, 19.2).
    Debug: 16 "debug";
}

macro_rules! registers {
    ($($ty:ty: $($name:ident = $number:literal)*;)*) => {
        $($(#[doc = concat!("Register ", stringify!($name), ".")]
        pub const $name: $ty = <$ty>::numbered($number);)*)*
    };
}

impl<const BITS: u16> Gpr<BITS> {
    const fn numbered(number: u8) -> Self {
        Self(number)
    }

    /// The sixteen registers of this width, in encoding order.
    pub const ALL: [Self; 16] = {
        let mut all = [Self(0); 16];
        let mut i = 0;
        while i < 16 {
            all[i] = Self(i as u8);
            i += 1;
        }
        all
    };
}

registers! {
    Gpr64: RAX = 0 RCX = 1 RDX = 2 RBX = 3 RSP = 4 RBP = 5 RSI = 6 RDI = 7
           R8 = 8 R9 = 9 R10 = 10 R11 = 11 R12 = 12 R13 = 13 R14 = 14 R15 = 15;
    Gpr32: EAX = 0 ECX = 1 EDX = 2 EBX = 3 ESP = 4 EBP = 5 ESI = 6 EDI = 7
           R8D = 8 R9D = 9 R10D = 10 R11D = 11 R12D = 12 R13D = 13 R14D = 14 R15D = 15;
    Gpr16: AX = 0 CX = 1 DX = 2 BX = 3 SP = 4 BP = 5 SI = 6 DI = 7
           R8W = 8 R9W = 9 R10W = 10 R11W = 11 R12W = 12 R13W = 13 R14W = 14 R15W = 15;
    Gpr8: AL = 0 CL = 1 DL = 2 BL = 3 SPL = 4 BPL = 5 SIL = 6 DIL = 7
          R8B = 8 R9B = 9 R10B = 10 R11B = 11 R12B = 12 R13B = 13 R14B = 14 R15B = 15;
}

macro_rules! vectors {
    ($($x:ident $y:ident $number:literal)*) => {
        $(#[doc = concat!("Register ", stringify!($x), ".")] pub const $x: Xmm = Xmm($number);
        #[doc = concat!("Register ", stringify!($y), ".")] pub const $y: Ymm = Ymm($number);)*
    };
}
vectors! {
    XMM0 YMM0 0 XMM1 YMM1 1 XMM2 YMM2 2 XMM3 YMM3 3 XMM4 YMM4 4 XMM5 YMM5 5
    XMM6 YMM6 6 XMM7 YMM7 7 XMM8 YMM8 8 XMM9 YMM9 9 XMM10 YMM10 10 XMM11 YMM11 11
    XMM12 YMM12 12 XMM13 YMM13 13 XMM14 YMM14 14 XMM15 YMM15 15
}

/// A condition of `jcc`, `setcc` and `cmovcc`, by its code (SDM vol. 1,
/// appendix B).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Cond {
    /// Overflow.
    O = 0,
    /// No overflow.
    No = 1,
    /// Below, carry.
    B = 2,
    /// Above or equal, no carry.
    Ae = 3,
    /// Equal, zero.
    E = 4,
    /// Not equal, not zero.
    Ne = 5,
    /// Below or equal.
    Be = 6,
    /// Above.
    A = 7,
    /// Negative.
    S = 8,
    /// Not negative.
    Ns = 9,
    /// Parity even; unordered after `ucomisd`.
    P = 10,
    /// Parity odd.
    Np = 11,
    /// Less, signed.
    L = 12,
    /// Greater or equal, signed.
    Ge = 13,
    /// Less or equal, signed.
    Le = 14,
    /// Greater, signed.
    G = 15,
}

impl Cond {
    /// The sixteen conditions in the order of their codes.
    pub const ALL: [Self; 16] = {
        use Cond::*;
        [O, No, B, Ae, E, Ne, Be, A, S, Ns, P, Np, L, Ge, Le, G]
    };

    /// The opposite condition: codes come in pairs that differ in bit 0.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self::ALL[(self as u8 ^ 1) as usize]
    }
}

/// An operand in memory, `BITS` wide: base + index × scale + displacement, or
/// relative to the end of the instruction (SDM vol. 1, 3.7.5). `BITS` is 0
/// where only the address counts (`lea`).
///
/// ```
/// use barejit_asm::{Mem, RCX, RDI, Scale, qword};
/// let term: Mem<64> = qword(RDI).index(RCX, Scale::X8).disp(-16);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mem<const BITS: u16>(Address);

impl<const BITS: u16> Mem<BITS> {
    /// `[base]`.
    #[inline]
    pub const fn base(base: Gpr64) -> Self {
        Self(Address::base(base.0))
    }

    /// `[address]`, a 32-bit address that is sign-extended to 64 bits.
    #[inline]
    pub const fn absolute(address: i32) -> Self {
        Self(Address::absolute().disp(address))
    }

    /// `[rip+disp]`, counted from the end of the instruction.
    #[inline]
    pub const fn rip(disp: i32) -> Self {
        Self(Address::rip().disp(disp))
    }

    /// `[rip+…]`, reaching `label`, wherever it is bound.
    #[inline]
    pub const fn label(label: Label) -> Self {
        Self(Address::label(label))
    }

    /// Adds `index × scale`. RSP cannot be an index: the assembler answers
    /// [`Error::Index`](super::Error::Index).
    #[inline]
    pub const fn index(self, index: Gpr64, scale: Scale) -> Self {
        Self(self.0.index(index.0, scale))
    }

    /// Sets the displacement, in bytes.
    #[inline]
    pub const fn disp(self, disp: i32) -> Self {
        Self(self.0.disp(disp))
    }

    /// Has `segment` in place of the one that the base register implies. In 64-bit
    /// mode only FS and GS add anything to an address (SDM vol. 1, 3.4.2.1).
    #[inline]
    pub const fn segment(self, segment: Segment) -> Self {
        Self(self.0.segment(segment as u8 + 1))
    }

    /// The same address at another operand width.
    #[inline]
    pub const fn resize<const TO: u16>(self) -> Mem<TO> {
        Mem(self.0)
    }

    /// The operand as [`Asm::inst`](super::Asm::inst) takes it.
    #[inline(always)]
    pub const fn packed(self) -> u64 {
        self.0.packed()
    }
}

/// Memory with a vector of indices, for the gathers of AVX2: each element is at
/// base + its index × scale + displacement (SDM vol. 2A, 2.3.12). `INDEX` is 128
/// or 256, the width of the vector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vsib<const INDEX: u16>(Address);

impl Vsib<128> {
    /// `[base + index × scale]` with an XMM register of indices.
    #[inline]
    pub const fn xmm(base: Gpr64, index: Xmm, scale: Scale) -> Self {
        Self(Address::base(base.0).index(index.0, scale))
    }
}

impl Vsib<256> {
    /// `[base + index × scale]` with a YMM register of indices.
    #[inline]
    pub const fn ymm(base: Gpr64, index: Ymm, scale: Scale) -> Self {
        Self(Address::base(base.0).index(index.0, scale))
    }
}

impl<const INDEX: u16> Vsib<INDEX> {
    /// Sets the displacement, in bytes.
    #[inline]
    pub const fn disp(self, disp: i32) -> Self {
        Self(self.0.disp(disp))
    }

    /// Has this segment.
    #[inline]
    pub const fn segment(self, segment: Segment) -> Self {
        Self(self.0.segment(segment as u8 + 1))
    }

    /// The operand as [`Asm::inst`](super::Asm::inst) takes it.
    #[inline(always)]
    pub const fn packed(self) -> u64 {
        self.0.packed()
    }
}

macro_rules! pointers {
    ($($name:ident $bits:literal $what:literal)*) => {
        $(#[doc = concat!("The ", $what, " at `[base]`.")]
        #[inline]
        pub const fn $name(base: Gpr64) -> Mem<$bits> {
            Mem::base(base)
        })*
    };
}
pointers! {
    byte 8 "byte"
    word 16 "word (2 bytes)"
    dword 32 "doubleword (4 bytes)"
    qword 64 "quadword (8 bytes)"
    xmmword 128 "16 bytes"
    ymmword 256 "32 bytes"
}

/// The address `[base]`, for `lea`.
#[inline]
pub const fn address(base: Gpr64) -> Mem<0> {
    Mem::base(base)
}
