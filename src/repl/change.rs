//! The difference between two states of a session: registers, flags, vectors, memory.

use super::memory::{OldPage, PAGE, PAGES, Space};
use alloc::{boxed::Box, vec::Vec};
use barejit_exec::State;

/// A stretch of memory that has changed.
#[derive(Clone, Debug)]
pub struct Bytes {
    /// The address of the first byte.
    pub address: usize,
    /// What was there.
    pub old: Vec<u8>,
    /// What is there now, as many bytes.
    pub new: Vec<u8>,
}

/// A session at one moment: enough to compare with and to go back to.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The processor's state.
    pub state: Box<State>,
    /// The pages that the line after it has changed, as they were.
    pub pages: Vec<OldPage>,
}

impl Snapshot {
    /// Makes `state` and `space` what they were at this moment, and gives what they are
    /// now in return.
    pub fn exchange(mut self, state: &mut State, space: &mut Space) -> Self {
        core::mem::swap(&mut *self.state, state);
        for (n, page) in &mut self.pages {
            core::mem::swap(&mut **page, space.page_mut(*n));
        }
        self
    }

    /// The stretches of memory that differ from `space`, ascending; gaps shorter than
    /// eight bytes are not told apart.
    pub fn memory(&self, space: &Space) -> Vec<Bytes> {
        const GAP: usize = 8;
        let now: Vec<&[u8; PAGE]> = space.pages().collect();
        let mut found: Vec<Bytes> = Vec::new();
        for (n, old) in self.pages.iter().filter(|(n, _)| *n < PAGES) {
            let new = now[*n];
            let base = space.address_of_page(*n);
            let mut at = 0;
            while let Some(start) = (at..PAGE).find(|i| old[*i] != new[*i]) {
                let mut end = start + 1;
                while let Some(next) = (end..PAGE.min(end + GAP)).find(|i| old[*i] != new[*i]) {
                    end = next + 1;
                }
                found.push(Bytes {
                    address: base + start,
                    old: old[start..end].to_vec(),
                    new: new[start..end].to_vec(),
                });
                at = end;
            }
        }
        found
    }
}

/// The registers and flags that differ: name, old and new value.
pub fn numbers(old: &State, new: &State) -> Vec<(&'static str, u64, u64)> {
    let general =
        State::GENERAL.iter().zip(old.general.iter().zip(&new.general)).map(|(n, (o, w))| (*n, *o, *w));
    general.chain([("mxcsr", old.mxcsr().into(), new.mxcsr().into())]).filter(|(_, o, w)| o != w).collect()
}

/// The flags that differ: name and new value.
pub fn flags(old: &State, new: &State) -> Vec<(&'static str, bool)> {
    let bit = |state: &State, bit: u32| state.flags >> bit & 1 != 0;
    let differs = |(_, n): &&(&str, u32)| bit(old, *n) != bit(new, *n);
    State::FLAGS.iter().filter(differs).map(|(name, n)| (*name, bit(new, *n))).collect()
}

/// The numbers of the vector registers that differ.
pub fn vectors(old: &State, new: &State) -> Vec<usize> {
    (0..16).filter(|n| old.vector(*n) != new.vector(*n)).collect()
}

/// The numbers of the x87 or MMX registers that differ.
pub fn stack_registers(old: &State, new: &State) -> Vec<usize> {
    (0..8).filter(|n| old.st(*n) != new.st(*n)).collect()
}
