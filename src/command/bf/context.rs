//! The context of generated Brainfuck code in this process: standard output and input, a
//! tape between guards, and the call-backs.

use barejit::front::bf::abi::{self, Cursor, ENDED, FAILED, FILLED};
use barejit::host::{Input, Output, call_back};
use barejit_sys::{Error, Guard, PageSize, Region};
use core::mem::offset_of;

/// Zeroed memory between pages that fault when accessed. Only accessed pages take memory.
#[derive(Debug)]
pub(super) struct Tape(Region);

impl Tape {
    /// At least `bytes` bytes, a whole number of pages, between guards of [`abi::GUARD`].
    pub(super) fn map(bytes: PageSize) -> Result<Self, Error> {
        let guard = PageSize::needed(abi::GUARD)?;
        Region::zeroed(bytes, Guard::Pages(guard)).map(Self)
    }

    /// The address of cell 0.
    pub(super) fn address(&self) -> u64 {
        self.0.address() as u64
    }
}

/// The state is the error of the call-back that failed.
pub(super) type ProcessContext<'a, 'b> = abi::Context<'a, Output<'b>, Input<'b>, Option<Error>>;

const _: () = {
    let (next, end) = (offset_of!(Cursor, next) as i32, offset_of!(Cursor, end) as i32);
    assert!(Output::NEXT == next && Output::END == end && Input::NEXT == next && Input::END == end);
};

/// A context of these parts. The output must have a buffer.
pub(super) fn context<'a, 'b>(
    output: &'a mut Output<'b>,
    input: &'a mut Input<'b>,
    tape: &Tape,
) -> ProcessContext<'a, 'b> {
    ProcessContext::new(output, input, flush, fill, tape.address(), None)
}

fn answer(context: &mut ProcessContext<'_, '_>, result: Result<u64, Error>) -> u64 {
    result.unwrap_or_else(|error| {
        context.state = Some(error);
        FAILED
    })
}

extern "sysv64" fn flush(context: &mut ProcessContext<'_, '_>) -> u64 {
    call_back(|| {
        let result = context.output.flush().map(|()| FILLED);
        answer(context, result)
    })
}

/// Reading may block, so the output has to be seen before. Behind the end of the input
/// nothing is read.
extern "sysv64" fn fill(context: &mut ProcessContext<'_, '_>) -> u64 {
    if context.input.has_ended() {
        return ENDED;
    }
    call_back(|| {
        let result = context.output.flush().and_then(|()| context.input.fill());
        let result = result.map(|size| if size == 0 { ENDED } else { FILLED });
        answer(context, result)
    })
}
