//! Labels, and memory operands as plain numbers.
//!
//! An [`Address`] is a memory operand in 64 bits, without its width, so that it
//! travels in one register. The assembler reads it to encode, a listing to print.

/// A place in code that instructions can refer to before it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label(pub(crate) u32);

/// The factor of an index register in an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Scale {
    /// × 1
    X1 = 0,
    /// × 2
    X2 = 1,
    /// × 4
    X4 = 2,
    /// × 8
    X8 = 3,
}

/// The base of an address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// A register, in the SIB byte.
    Gpr,
    /// Nothing: a 32-bit address, or an index alone.
    None,
    /// The end of the instruction.
    Rip,
    /// The end of the instruction, with the distance to a label to be added.
    Label,
}

/// A memory operand without its width.
///
/// ```text
/// bits   0..2   what it is relative to
///        2..5   segment override: none, ES, CS, SS, DS, FS, GS
///        5      it has an index
///        6      registers are used with 32 bits ┐
///        8..12  base register                   │ or, 6..32, the label
///       12..16  index register                  │
///       16..18  scale                           ┘
///       32..64  displacement
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address(u64);

const INDEXED: u64 = 1 << 5;
const NARROW: u64 = 1 << 6;

impl Address {
    /// More labels than this cannot be told apart.
    pub(crate) const MAX_LABELS: usize = 1 << 26;

    #[inline(always)]
    pub(crate) const fn base(number: u8) -> Self {
        Self((number as u64) << 8)
    }

    /// No base is encoded as RBP.
    pub(crate) const fn absolute() -> Self {
        Self(Base::None as u64 | 5 << 8)
    }

    pub(crate) const fn rip() -> Self {
        Self(Base::Rip as u64)
    }

    #[inline(always)]
    pub(crate) const fn label(label: Label) -> Self {
        Self((label.0 as u64) << 6 | Base::Label as u64)
    }

    #[inline(always)]
    pub(crate) const fn index(self, number: u8, scale: Scale) -> Self {
        match self.relative_to() {
            Base::Gpr | Base::None => {
                let bare = self.0 & !(0x3F << 12);
                Self(bare | (number as u64) << 12 | (scale as u64) << 16 | INDEXED)
            }
            // Nothing to encode, and no room for it beside a label.
            Base::Rip | Base::Label => Self(self.0 | INDEXED),
        }
    }

    #[inline(always)]
    pub(crate) const fn disp(self, disp: i32) -> Self {
        Self(self.0 as u32 as u64 | (disp as u32 as u64) << 32)
    }

    /// The same address in this segment: 1 ES, 2 CS, 3 SS, 4 DS, 5 FS, 6 GS.
    #[inline(always)]
    pub(crate) const fn segment(self, segment: u8) -> Self {
        Self(self.0 & !(7 << 2) | (segment as u64) << 2)
    }

    /// The same address from 32-bit registers.
    #[inline(always)]
    pub(crate) const fn narrow(self) -> Self {
        Self(self.0 | NARROW)
    }

    /// Number of the segment override, or 0.
    #[inline(always)]
    pub(crate) const fn segment_number(self) -> u64 {
        self.field(2, 7)
    }

    /// Whether its registers are used with 32 bits.
    #[inline(always)]
    pub(crate) const fn is_narrow(self) -> bool {
        !matches!(self.relative_to(), Base::Label) && self.0 & NARROW != 0
    }

    /// The same address with the index once more as its base, if it is an index with the
    /// factor 2 and no base.
    pub(crate) const fn doubled(self) -> Option<Self> {
        if !matches!(self.relative_to(), Base::None) || !self.is_indexed() || self.scale() != 1 {
            return None;
        }
        let kept = self.0 & (!0 << 32 | 7 << 2 | INDEXED | NARROW);
        Some(Self(kept | Base::Gpr as u64 | self.index_number() << 8 | self.index_number() << 12))
    }

    /// The operand as an instruction carries it.
    #[inline(always)]
    pub(crate) const fn packed(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub(crate) const fn unpack(packed: u64) -> Self {
        Self(packed)
    }

    /// The same address, if it is a base register and a displacement.
    #[inline(always)]
    pub(crate) const fn based(self) -> Option<Self> {
        const BASE: u64 = 15 << 8;
        if self.0 as u32 as u64 & !BASE == 0 { Some(Self(self.0 & (!0 << 32 | BASE))) } else { None }
    }

    #[inline(always)]
    pub(crate) const fn relative_to(self) -> Base {
        match self.0 & 3 {
            0 => Base::Gpr,
            1 => Base::None,
            2 => Base::Rip,
            _ => Base::Label,
        }
    }

    #[inline(always)]
    pub(crate) const fn displacement(self) -> i32 {
        (self.0 >> 32) as i32
    }

    #[inline(always)]
    pub(crate) const fn is_indexed(self) -> bool {
        self.0 & INDEXED != 0
    }

    #[inline(always)]
    const fn field(self, at: u32, mask: u64) -> u64 {
        self.0 >> at & mask
    }

    #[inline(always)]
    pub(crate) const fn base_number(self) -> u64 {
        self.field(8, 15)
    }

    #[inline(always)]
    pub(crate) const fn index_number(self) -> u64 {
        self.field(12, 15)
    }

    #[inline(always)]
    pub(crate) const fn scale(self) -> u64 {
        self.field(16, 3)
    }

    /// The label, where it is relative to one.
    #[inline(always)]
    pub(crate) const fn target(self) -> Label {
        Label(self.0 as u32 >> 6)
    }
}
