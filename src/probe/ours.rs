//! The ways into executable memory that barejit itself uses, tried through exec's
//! own states: what works here is what `--map` can rely on.

use super::trial::Record;
use super::ways::{TOKENS, code};
use super::{Fresh, Step, timed};
use crate::code::Code;
use crate::exec::{
    DIRECTORIES, Guard, Memory, PageSize, Patchable, Runs, Strategy, Symbol, Unprotected, Writable,
};
use crate::sys::{Error, Prot, linux};
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
    /// Memory for everything.
    Unprotected,
}

type Token = extern "sysv64" fn() -> u32;

impl Ours {
    fn obtain(self) -> Result<Memory<Writable>, Error> {
        let size = PageSize::needed(1)?;
        match self {
            Self::Once(strategy) | Self::Again(strategy) => Memory::obtain(strategy, size, Guard::None),
            Self::In(directory) => Memory::obtain_in(&DIRECTORIES[directory], size, Guard::None),
            Self::Unprotected => unreachable!(),
        }
    }

    /// Replaces the code.
    fn rewrite(self, memory: Memory<Patchable>, token: u32) -> Result<Memory<Patchable>, Error> {
        let mut memory = match self {
            Self::Once(_) => {
                // The next mapping of that size goes to the same address.
                memory.release()?;
                self.obtain()?
            }
            _ => memory.reopen()?,
        };
        memory.load(&Code::new(&code(token)));
        memory.pause()
    }

    /// The whole trial. In the trial's process.
    pub(super) fn attempt(self, record: &Record, bench: bool) {
        if let Self::Unprotected = self {
            return unprotected(record, bench);
        }
        record.enter(Step::Obtain);
        let mut memory = record.need(self.obtain());
        record.enter(Step::Write);
        memory.load(&Code::new(&code(TOKENS[0])));
        record.enter(Step::Protect);
        let memory = record.need(memory.pause());
        record.enter(Step::Run);
        record.token(0, call(&memory));
        record.enter(Step::Rewrite);
        let memory = record.need(self.rewrite(memory, TOKENS[1]));
        record.enter(Step::Rerun);
        let token = call(&memory);
        record.token(1, token);
        record.finish();
        if token == TOKENS[0] && reprotect(memory.address()).is_ok() && call(&memory) == TOKENS[1] {
            record.freshened(Fresh::Reprotect);
        }
        let mut memory = Some(memory);
        timed(record, bench, &mut |token| {
            if let Some(old) = memory.take() {
                memory = Some(record.need(self.rewrite(old, token)));
            }
        });
        core::mem::forget(memory);
    }
}

/// Calls the stub.
fn call<Phase: Runs>(memory: &Memory<Phase>) -> u32 {
    // SAFETY: (1) the stub is at the beginning; (2) it returns a number.
    let function: Symbol<'_, Token> = unsafe { memory.function(0) };
    function()
}

fn reprotect(address: usize) -> Result<(), Error> {
    let Some(page) = NonNull::new(address as *mut u8) else { return Ok(()) };
    for prot in [Prot::READ, Prot::READ.union(Prot::EXEC)] {
        // SAFETY: (1) the page is executed only, and by this thread.
        unsafe { linux::mprotect(page, PageSize::PAGE, prot) }?;
    }
    Ok(())
}

/// The trial of memory for everything.
fn unprotected(record: &Record, bench: bool) {
    record.enter(Step::Obtain);
    // SAFETY: (1) nothing else learns the address.
    let mut memory = record.need(unsafe { Unprotected::map(PageSize::PAGE) });
    let steps = [[Step::Write, Step::Run], [Step::Rewrite, Step::Rerun]];
    for (run, [write, start]) in steps.into_iter().enumerate() {
        record.enter(write);
        memory.load(&Code::new(&code(TOKENS[run])));
        record.enter(start);
        // SAFETY: (1) the stub is at the beginning; (2) it returns a number.
        let function: Symbol<'_, Token> = unsafe { memory.function(0) };
        record.token(run, function());
    }
    record.finish();
    timed(record, bench, &mut |token| memory.load(&Code::new(&code(token))));
}
