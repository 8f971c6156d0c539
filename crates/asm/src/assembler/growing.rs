//! An assembler that owns its buffers and grows them: code is emitted in one pass,
//! without measuring first. Methods of [`Asm`] are `const fn` and cannot allocate, so
//! room is made before they are called, and lent with an `Asm` in it.

use super::tables::Slot;
use super::{Asm, Error, Tables};
use crate::code::{Code, Mark, Relocation};
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

/// The room that each call of [`Growing::asm`] guarantees.
const BYTES: usize = 1024;
const SLOTS: usize = 64;

/// An assembler that owns its buffers and grows them.
///
/// ```
/// use barejit_asm::{Cond, Growing, RAX, RDI};
///
/// let mut g = Growing::new();
/// let end = g.asm().label();
/// g.asm().mov_imm(RAX, 0).cmp_ri(RDI, 10).jcc(Cond::A, end);
/// for i in 0..1000 {
///     g.asm().add_ri(RAX, i);
/// }
/// g.asm().bind(end).ret();
/// let code = g.finish().unwrap();
/// assert_eq!(code.bytes()[..5], [0xB8, 0, 0, 0, 0]);
/// ```
#[derive(Debug, Default)]
pub struct Growing {
    /// The code up to the position, then zeros that the next instructions overwrite.
    bytes: Vec<u8>,
    /// Labels from the front, fixups from the back.
    slots: Vec<Slot>,
    marks: Vec<Mark>,
    relocations: Vec<Relocation>,
    state: State,
}

/// How far an assembler has come.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    pos: u32,
    labels: usize,
    fixups: usize,
    marks: usize,
    relocations: usize,
    error: Option<Error>,
}

impl Growing {
    /// An assembler without any buffer yet.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            slots: Vec::new(),
            marks: Vec::new(),
            relocations: Vec::new(),
            state: State { pos: 0, labels: 0, fixups: 0, marks: 0, relocations: 0, error: None },
        }
    }

    /// Lends an assembler with room for 1024 bytes and 64 labels and fixups, which is
    /// enough for any 64 instructions. More than that through one loan is
    /// [`Error::Full`] at the end.
    #[inline]
    pub fn asm(&mut self) -> Room<'_> {
        self.room(BYTES, SLOTS)
    }

    /// Lends an assembler with room for so many bytes, and so many labels and fixups. An
    /// instruction has 15 bytes at most, and two fixups at most.
    #[inline]
    pub fn room(&mut self, bytes: usize, slots: usize) -> Room<'_> {
        let state = self.state;
        // The assembler writes windows of 16 bytes.
        let enough = state.pos as usize + bytes + 16 <= self.bytes.len()
            && state.labels + state.fixups + slots <= self.slots.len()
            && state.marks + slots <= self.marks.len();
        if !enough {
            self.grow(bytes, slots);
        }
        let tables = Tables {
            slots: &mut self.slots,
            marks: &mut self.marks,
            symbols: &mut [],
            relocations: &mut self.relocations,
            records: &mut [],
        };
        Room { asm: Asm::resume(&mut self.bytes, tables, self.state), state: &mut self.state }
    }

    /// Doubles what is too small, or more.
    #[cold]
    fn grow(&mut self, bytes: usize, slots: usize) {
        let State { pos, labels, fixups, marks, .. } = self.state;
        let overflowed = pos as usize > self.bytes.len() || labels + fixups > self.slots.len();
        if overflowed && self.state.error.is_none() {
            // Something was counted and not written, and cannot be written again.
            self.state.error = Some(Error::Full(self.needs()));
        }
        let wanted = pos as usize + bytes + 16;
        if wanted > self.bytes.len() {
            self.bytes.resize(wanted.max(2 * self.bytes.len()), 0);
        }
        let wanted = labels + fixups + slots;
        if wanted > self.slots.len() {
            let old = self.slots.len();
            let kept = fixups.min(old);
            self.slots.resize(wanted.max(2 * old), Slot::EMPTY);
            let end = self.slots.len();
            self.slots.copy_within(old - kept..old, end - kept);
        }
        let wanted = marks + slots;
        if wanted > self.marks.len() {
            self.marks.resize(wanted.max(2 * self.marks.len()), Mark::EMPTY);
        }
        if self.relocations.len() < self.slots.len() {
            self.relocations.resize(self.slots.len(), Relocation { at: 0 });
        }
    }

    fn needs(&self) -> super::Needs {
        let State { pos, labels, fixups, marks, relocations, .. } = self.state;
        super::Needs {
            bytes: pos as usize,
            slots: labels + fixups,
            marks,
            symbols: 0,
            relocations,
            records: 0,
        }
    }

    /// Resolves every label and gives the finished code, which borrows from here.
    ///
    /// # Errors
    /// As [`Asm::finish`].
    pub fn finish(&mut self) -> Result<Code<'_>, Error> {
        if self.relocations.len() < self.state.fixups {
            self.relocations.resize(self.state.fixups, Relocation { at: 0 });
        }
        let tables = Tables {
            slots: &mut self.slots,
            marks: &mut self.marks,
            symbols: &mut [],
            relocations: &mut self.relocations,
            records: &mut [],
        };
        Asm::resume(&mut self.bytes, tables, self.state).finish()
    }

    /// Forgets the code and keeps the buffers, for the next piece.
    pub fn clear(&mut self) {
        self.state = State::default();
    }
}

/// An [`Asm`] in the buffers of a [`Growing`], which goes on where the last one ended.
#[derive(Debug)]
pub struct Room<'a> {
    asm: Asm<'a>,
    state: &'a mut State,
}

impl<'a> Deref for Room<'a> {
    type Target = Asm<'a>;

    #[inline]
    fn deref(&self) -> &Asm<'a> {
        &self.asm
    }
}

impl<'a> DerefMut for Room<'a> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Asm<'a> {
        &mut self.asm
    }
}

impl Drop for Room<'_> {
    #[inline]
    fn drop(&mut self) {
        *self.state = self.asm.state();
    }
}

impl<'a> Asm<'a> {
    /// An assembler that goes on from a state.
    #[inline]
    fn resume(bytes: &'a mut [u8], tables: Tables<'a>, state: State) -> Self {
        let mut asm = Self::new(bytes, tables);
        asm.pos = state.pos;
        asm.labels = state.labels;
        asm.fixups = state.fixups;
        asm.error = state.error;
        asm.marks.used = state.marks;
        asm.relocations.used = state.relocations;
        asm
    }

    #[inline]
    fn state(&self) -> State {
        State {
            pos: self.pos,
            labels: self.labels,
            fixups: self.fixups,
            marks: self.marks.used,
            relocations: self.relocations.used,
            error: self.error,
        }
    }
}
