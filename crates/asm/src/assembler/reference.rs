//! References beyond jumps, calls and operands: blocks of labels, differences of
//! labels for jump tables, calls of addresses outside, short branches on RCX.

use super::tables::{FixupKind, Slot};
use super::{Asm, Error, target};
use crate::code::{Form, Hole, Label};

/// A block of labels that were made together, such as one for each instruction of a
/// program that is compiled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Labels {
    first: u32,
    count: u32,
}

impl Labels {
    /// How many there are.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The label with this number, from 0.
    ///
    /// # Panics
    /// If there is none.
    pub const fn get(self, number: u32) -> Label {
        assert!(number < self.count, "a label outside its block");
        Label(self.first + number)
    }
}

impl Asm<'_> {
    /// Makes `count` labels that are not bound yet; each takes a slot.
    pub const fn labels(&mut self, count: u32) -> Labels {
        let first = self.labels;
        let end = first + count as usize;
        if end + self.fixups <= self.slots.len() {
            let mut i = first;
            while i < end {
                *self.slot_at(i) = Slot::EMPTY;
                i += 1;
            }
        }
        self.labels = end;
        Labels { first: first as u32, count }
    }

    /// Four bytes of data with the distance from `base` to `target`: an entry of a jump
    /// table, to which the code that jumps adds the address of `base`. `base` must be
    /// bound already, else the error is [`Error::Unbound`].
    pub const fn difference(&mut self, target: Label, base: Label) -> &mut Self {
        let from = match self.bound(base) {
            Some(from) => from,
            None => {
                // Without slots nothing is bound, and the size is all that counts.
                if self.slot(base).is_some() {
                    self.fail(Error::Unbound(base));
                }
                0
            }
        };
        // A fixup adds the distance from the end of the hole.
        let end = self.offset().wrapping_add(4);
        self.bytes(&end.wrapping_sub(from).to_le_bytes());
        self.fix(target, FixupKind::Rel32, 0, 4);
        self
    }

    /// `call` of an address outside of the code (E8 cd), to be given by [`Hole::reach`]
    /// when the address of the code is known.
    pub const fn call_hole(&mut self) -> Hole<4> {
        self.emit(const { Form::new("call", "E8 cd", "D", "rel32", 0, false) }, 0, 0, 0);
        self.hole()
    }

    /// `jmp` to an address outside of the code (E9 cd) likewise.
    pub const fn jmp_hole(&mut self) -> Hole<4> {
        self.emit(const { Form::new("jmp", "E9 cd", "D", "rel32", 0, false) }, 0, 0, 0);
        self.hole()
    }

    /// `jrcxz label`: jumps if RCX is 0 (E3 cb); a label out of reach is
    /// [`Error::OutOfReach`].
    pub const fn jrcxz(&mut self, label: Label) -> &mut Self {
        self.branch_short(const { target(Form::op(0xE3).named("jrcxz")) }, 0xE3, label)
    }

    /// `loop label`: counts RCX down and jumps unless it is 0 (E2 cb).
    pub const fn loop_(&mut self, label: Label) -> &mut Self {
        self.branch_short(const { target(Form::op(0xE2).named("loop")) }, 0xE2, label)
    }

    /// `loope label`: the same while ZF is set (E1 cb).
    pub const fn loope(&mut self, label: Label) -> &mut Self {
        self.branch_short(const { target(Form::op(0xE1).named("loope")) }, 0xE1, label)
    }

    /// `loopne label`: the same while ZF is clear (E0 cb).
    pub const fn loopne(&mut self, label: Label) -> &mut Self {
        self.branch_short(const { target(Form::op(0xE0).named("loopne")) }, 0xE0, label)
    }

    /// `xbegin label`: begins a transaction; one that is aborted goes on at the label
    /// (C7 F8 cd).
    pub const fn xbegin(&mut self, label: Label) -> &mut Self {
        self.put(0xF8C7, 6, const { target(Form::op(0xC7).named("xbegin")) }, [0, 0, label.0 as u64]);
        self.fix(label, FixupKind::Rel32, 0, 4);
        self
    }
}
