//! The ways into executable memory that barejit itself uses, tried through exec's
//! own states: what works here is what `--map` can rely on.

use super::Step;
use super::trial::Record;
use super::ways::{Patch, Place, TOKENS, code};
use crate::code::Code;
use crate::exec::{DIRECTORIES, Guard, Memory, PageSize, Patchable, Strategy, Writable};
use crate::sys::Error;
use core::ptr::NonNull;

/// What exec is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ours {
    /// Memory that is given back and obtained again for a rewrite.
    Once(Strategy),
    /// Memory that is opened again for a rewrite.
    Again(Strategy),
    /// The same with a file in one of [`DIRECTORIES`].
    In(usize),
}

impl Ours {
    fn obtain(self) -> Result<Memory<Writable>, Error> {
        let size = PageSize::needed(1)?;
        match self {
            Self::Once(strategy) | Self::Again(strategy) => Memory::obtain(strategy, size, Guard::None),
            Self::In(directory) => Memory::obtain_in(&DIRECTORIES[directory], size, Guard::None),
        }
    }

    /// Obtains memory and puts the code there.
    pub(super) fn take(self, record: &Record) -> Place {
        let mut memory = record.need(self.obtain());
        record.enter(Step::Write);
        memory.load(&Code::new(&code(TOKENS[0])));
        record.enter(Step::Protect);
        let memory = record.need(memory.pause());
        Place::new(address(&memory), Patch::Ours(self, Some(memory)))
    }

    /// Replaces the code; it may be elsewhere then.
    pub(super) fn rewrite(
        self,
        record: &Record,
        held: &mut Option<Memory<Patchable>>,
        token: u32,
    ) -> NonNull<u8> {
        let old = held.take();
        let mut memory = record.need(match (self, old) {
            (Self::Once(_), Some(old)) => {
                // The next mapping of that size goes to the same address.
                old.release().and_then(|()| self.obtain())
            }
            (_, Some(old)) => old.reopen(),
            (_, None) => self.obtain(),
        });
        memory.load(&Code::new(&code(token)));
        address(held.insert(record.need(memory.pause())))
    }
}

fn address(memory: &Memory<Patchable>) -> NonNull<u8> {
    NonNull::new(memory.address() as *mut u8).unwrap_or(NonNull::dangling())
}
