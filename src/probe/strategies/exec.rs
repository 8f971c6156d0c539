//! The strategies that barejit itself uses, tried through the states of `barejit-exec`:
//! what works here is what `--map` can rely on.

use super::stub::{Place, Trial, address, code};
use crate::probe::outcome::Step;
use barejit_asm::Code;
use barejit_exec::{DIRECTORIES, Guard, Memory, PageSize, Patchable, Strategy, Writable};
use barejit_sys::{Error, Fd};

/// Memory that is given back, and obtained again for a rewrite.
pub(super) fn once(trial: &Trial<'_>, strategy: Strategy) {
    rewritten(trial, &obtained(strategy), &|old| {
        // The next mapping of that size goes to the same address.
        old.release()?;
        obtained(strategy)()
    });
}

/// Memory that is opened again for a rewrite.
pub(super) fn again(trial: &Trial<'_>, strategy: Strategy) {
    rewritten(trial, &obtained(strategy), &Memory::make_writable);
}

/// The same with a file in one of [`DIRECTORIES`].
pub(super) fn in_directory(trial: &Trial<'_>, directory: usize) {
    let obtain = || Memory::obtain_in(&DIRECTORIES[directory], PageSize::needed(1)?, Guard::None);
    rewritten(trial, &obtain, &Memory::make_writable);
}

fn obtained(strategy: Strategy) -> impl Fn() -> Result<Memory<Writable>, Error> {
    move || Memory::obtain(strategy, PageSize::needed(1)?, Guard::None)
}

/// The whole course, in memory that `obtain` gives and `reopen` makes writable again.
fn rewritten(
    trial: &Trial<'_>,
    obtain: &dyn Fn() -> Result<Memory<Writable>, Error>,
    reopen: &dyn Fn(Memory<Patchable>) -> Result<Memory<Writable>, Error>,
) {
    let mut held: Option<Memory<Patchable>> = None;
    trial.course(&mut |token| {
        let mut memory = trial.need(match held.take() {
            Some(old) => reopen(old),
            None => obtain(),
        });
        trial.enter(Step::Write);
        let bytes = code(token);
        memory.load(&Code::new(&bytes));
        trial.enter(Step::Protect);
        let memory = trial.need(memory.make_executable());
        // SAFETY: (1) it is mapped once more at most.
        let file = unsafe { memory.file() };
        // SAFETY: (1) the memory is held until the process ends.
        let file = file.map(|file| unsafe { file.extend() });
        let place = Place { run: address(memory.address()), file: file.unwrap_or(Fd::NONE) };
        core::mem::forget(held.replace(memory));
        place
    });
    core::mem::forget(held);
}
