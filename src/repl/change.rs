//! The difference between two states of a session: registers, flags, vectors, memory.

use super::memory::{OldPage, Space};
use alloc::vec::Vec;
use barejit_exec::State;

/// A stretch of memory that has changed.
#[derive(Clone, Debug)]
pub struct Bytes {
    /// The address of the first byte.
    pub address: usize,
    /// The bytes that were there.
    pub old: Vec<u8>,
    /// The bytes that are there now, as many.
    pub new: Vec<u8>,
}

/// The way from one moment of a session to another: the words of the state and the bytes
/// of memory that differ.
#[derive(Debug)]
pub struct Difference {
    /// Each with its place among [`State::words`].
    words: Vec<(u16, u64)>,
    memory: Vec<(usize, Vec<u8>)>,
}

impl Difference {
    /// The way back to the state `before` from `now`, and to memory before these changes.
    pub fn back(before: &State, now: &State, memory: &[Bytes]) -> Self {
        let pairs = before.words().iter().zip(now.words()).enumerate();
        let differing = pairs.filter(|(_, (old, new))| old != new);
        // Exactly as many: a thousand of these are kept.
        let mut words = Vec::with_capacity(differing.clone().count());
        words.extend(differing.map(|(n, (old, _))| (n as u16, *old)));
        Self { words, memory: memory.iter().map(|bytes| (bytes.address, bytes.old.clone())).collect() }
    }

    /// Goes that way, and becomes the way back.
    pub fn exchange(&mut self, state: &mut State, space: &mut Space) {
        let words = state.words_mut();
        for (n, word) in &mut self.words {
            core::mem::swap(&mut words[usize::from(*n)], word);
        }
        for (address, bytes) in &mut self.memory {
            if let Some(memory) = space.bytes_mut(*address, bytes.len()) {
                memory.swap_with_slice(bytes);
            }
        }
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        16 * self.words.len() + self.memory.iter().map(|(_, bytes)| 64 + bytes.len()).sum::<usize>()
    }
}

/// The stretches of `old` pages that differ from `space`, ascending. Differences with
/// fewer than eight equal bytes between them are one stretch.
pub fn memory(old: &[OldPage], space: &Space) -> Vec<Bytes> {
    const GAP: usize = 8;
    let mut found: Vec<Bytes> = Vec::new();
    for (n, old) in old {
        let new = space.page(*n);
        let base = space.address_of_page(*n);
        let mut add = |start: usize, end: usize| {
            found.push(Bytes {
                address: base + start,
                old: old[start..end].to_vec(),
                new: new[start..end].to_vec(),
            });
        };
        let mut stretch: Option<(usize, usize)> = None;
        for (at, _) in old.iter().zip(new).enumerate().filter(|(_, (old, new))| old != new) {
            stretch = match stretch {
                Some((start, end)) if at < end + GAP => Some((start, at + 1)),
                Some((start, end)) => {
                    add(start, end);
                    Some((at, at + 1))
                }
                None => Some((at, at + 1)),
            };
        }
        if let Some((start, end)) = stretch {
            add(start, end);
        }
    }
    found
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
