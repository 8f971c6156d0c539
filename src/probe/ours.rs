//! The ways into executable memory that barejit itself uses, tried through exec's
//! own states: what works here is what `--map` can rely on.

use super::trial::Record;
use super::ways::{Place, address, code};
use super::{Step, trial};
use crate::code::Code;
use crate::exec::{DIRECTORIES, Guard, Memory, PageSize, Patchable, Strategy, Unprotected, Writable};
use crate::sys::{Error, Fd};

/// What exec is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ours {
    /// Memory that is given back and obtained again for a rewrite.
    Once(Strategy),
    /// Memory that is opened again for a rewrite.
    Again(Strategy),
    /// The same with a file in one of [`DIRECTORIES`].
    In(usize),
    /// Memory for everything.
    Unprotected,
}

impl Ours {
    fn obtain(self) -> Result<Memory<Writable>, Error> {
        let size = PageSize::needed(1)?;
        match self {
            Self::Once(strategy) | Self::Again(strategy) => Memory::obtain(strategy, size, Guard::None),
            Self::In(directory) => Memory::obtain_in(&DIRECTORIES[directory], size, Guard::None),
            Self::Unprotected => unreachable!(),
        }
    }

    /// Writes code to memory, or other code if some is `held`.
    fn write(
        self,
        record: &Record,
        held: &mut Option<Memory<Patchable>>,
        token: u32,
    ) -> Result<Place, Error> {
        let first = held.is_none();
        let mut memory = match (held.take(), self) {
            (None, _) => self.obtain()?,
            (Some(old), Self::Once(_)) => {
                // The next mapping of that size goes to the same address.
                old.release()?;
                self.obtain()?
            }
            (Some(old), _) => old.reopen()?,
        };
        if first {
            record.enter(Step::Write);
        }
        memory.load(&Code::new(&code(token)));
        if first {
            record.enter(Step::Protect);
        }
        let memory = memory.pause()?;
        let place = Place { run: address(memory.address()), file: memory.file().unwrap_or(Fd::NONE) };
        *held = Some(memory);
        Ok(place)
    }

    /// The whole trial. In the trial's process.
    pub(super) fn attempt(self, record: &Record, bench: bool) {
        if let Self::Unprotected = self {
            return unprotected(record, bench);
        }
        let mut held = None;
        trial(record, bench, &mut |token| record.need(self.write(record, &mut held, token)));
        core::mem::forget(held);
    }
}

/// The trial of memory for everything.
fn unprotected(record: &Record, bench: bool) {
    let mut held = None;
    trial(record, bench, &mut |token| {
        let memory = held.get_or_insert_with(|| {
            // SAFETY: (1) nothing else learns the address but to run what is there.
            let memory = record.need(unsafe { Unprotected::map(PageSize::PAGE) });
            record.enter(Step::Write);
            memory
        });
        memory.load(&Code::new(&code(token)));
        Place { run: address(memory.address()), file: Fd::NONE }
    });
}
