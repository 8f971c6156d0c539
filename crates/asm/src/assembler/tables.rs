//! Room that an assembler is given: slices for labels, fixups and what else it notes,
//! and how much of them it takes. Nothing here knows an instruction.

use crate::code::{Label, Mark, Record, Relocation, Symbol};

/// How much room a piece of code takes. As counted by a run with too little
/// room it is an upper bound, because a jump to a forgotten label is long; but of
/// records, which padding has as many as it happens to take, a run may need more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Needs {
    /// Bytes of code.
    pub bytes: usize,
    /// Labels plus fixups.
    pub slots: usize,
    /// Source marks.
    pub marks: usize,
    /// Symbols.
    pub symbols: usize,
    /// Load-time relocations.
    pub relocations: usize,
    /// Records for a listing.
    pub records: usize,
}

/// Room for one label or one fixup.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// A label's offset, or `UNBOUND`; a fixup's hole.
    pub(super) at: u32,
    /// Of a fixup: its label, in 26 bits as [`Error::Size`](super::Error::Size) says, its
    /// kind in 2 and the bytes between the hole and the end of the instruction in 4.
    fixup: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum FixupKind {
    Rel8,
    Rel32,
    Abs64,
}

/// Where a label is that is not bound.
pub(super) const UNBOUND: u32 = u32::MAX;

impl Slot {
    /// A filler for slices of slots.
    pub const EMPTY: Self = Self { at: UNBOUND, fixup: 0 };

    pub(super) const fn fixup(at: u32, label: Label, kind: FixupKind, after: u8) -> Self {
        Self { at, fixup: label.0 << 6 | (kind as u32) << 4 | after as u32 }
    }

    pub(super) const fn label(self) -> Label {
        Label(self.fixup >> 6)
    }

    pub(super) const fn kind(self) -> FixupKind {
        match self.fixup >> 4 & 3 {
            0 => FixupKind::Rel8,
            1 => FixupKind::Rel32,
            _ => FixupKind::Abs64,
        }
    }

    pub(super) const fn after(self) -> u8 {
        self.fixup as u8 & 15
    }
}

/// The slices an assembler keeps its notes in. An empty slice keeps none of
/// that kind, which is an error only for slots and relocations.
#[derive(Debug)]
pub struct Tables<'a> {
    /// Labels grow from the front, fixups from the back.
    pub slots: &'a mut [Slot],
    /// Where source marks go.
    pub marks: &'a mut [Mark],
    /// Where symbols go.
    pub symbols: &'a mut [Symbol<'a>],
    /// Where relocations go.
    pub relocations: &'a mut [Relocation],
    /// Where the record for a listing goes.
    pub records: &'a mut [Record],
}

impl<'a> Tables<'a> {
    /// No room for anything but bytes.
    pub const fn none() -> Self {
        Self { slots: &mut [], marks: &mut [], symbols: &mut [], relocations: &mut [], records: &mut [] }
    }

    /// Room for labels and fixups only.
    pub const fn slots(slots: &'a mut [Slot]) -> Self {
        Self { slots, ..Self::none() }
    }
}

/// A slice that is filled from the front and counts on past its end.
#[derive(Debug)]
pub(super) struct Table<'a, T> {
    pub(super) items: &'a mut [T],
    pub(super) used: usize,
}

impl<'a, T: Copy> Table<'a, T> {
    pub(super) const fn new(items: &'a mut [T]) -> Self {
        Self { items, used: 0 }
    }

    pub(super) const fn push(&mut self, item: T) {
        if self.used < self.items.len() {
            self.items[self.used] = item;
        }
        self.used += 1;
    }

    pub(super) const fn overflowed(&self) -> bool {
        self.used > self.items.len()
    }

    pub(super) const fn finish(self) -> &'a [T] {
        let used = if self.overflowed() { self.items.len() } else { self.used };
        self.items.split_at(used).0
    }
}
