//! The ways into executable memory that barejit itself uses, tried through exec's
//! own states: what works here is what `--map` can rely on.

use super::trial::Record;
use super::ways::{Place, address, code};
use super::{Step, trial};
use barejit_asm::Code;
use barejit_exec::{DIRECTORIES, Guard, Memory, PageSize, Patchable, Strategy, Writable};
use barejit_sys::{Error, Fd};

/// What exec is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ours {
    /// Memory that is given back and obtained again for a rewrite.
    Once(Strategy),
    /// Memory that is opened again for a rewrite.
    Again(Strategy),
    /// The same with a file in one of [`DIRECTORIES`].
    In(u8),
}

impl Ours {
    fn obtain(self) -> Result<Memory<Writable>, Error> {
        let size = PageSize::needed(1)?;
        match self {
            Self::Once(strategy) | Self::Again(strategy) => Memory::obtain(strategy, size, Guard::None),
            Self::In(directory) => Memory::obtain_in(&DIRECTORIES[usize::from(directory)], size, Guard::None),
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
        let enter = |step| {
            if first {
                record.enter(step);
            }
        };
        let memory = match (held.take(), self) {
            (Some(old), Self::Once(_)) => {
                // The next mapping of that size goes to the same address.
                old.release()?;
                self.obtain()
            }
            (Some(old), _) => old.make_writable(),
            (None, _) => self.obtain(),
        };
        let mut memory = memory?;
        let bytes = code(token);
        let code = Code::new(&bytes);
        enter(Step::Write);
        memory.load(&code);
        enter(Step::Protect);
        let memory = memory.make_executable()?;
        // SAFETY: (1) it is mapped once more at most.
        let file = unsafe { memory.file() };
        // SAFETY: (1) the memory is held until the process ends.
        let file = file.map(|file| unsafe { file.extend() });
        let place = Place { run: address(memory.address()), file: file.unwrap_or(Fd::NONE) };
        core::mem::forget(held.replace(memory));
        Ok(place)
    }

    /// The whole trial. In the trial's process.
    pub(super) fn attempt(self, record: &Record, bench: bool) {
        let mut held = None;
        trial(record, bench, &mut |token| record.need(self.write(record, &mut held, token)));
        core::mem::forget(held);
    }
}
