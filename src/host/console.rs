//! Input, output and a tape for code that computes on cells.

use super::{Input, Output};
use barejit_exec::fault;
use barejit_sys::{Error, Guard, PageSize, Region};

/// Zeroed memory between pages that fault when touched. Only touched pages take
/// memory.
#[derive(Debug)]
pub struct Tape(Region);

impl Tape {
    /// At least `bytes` bytes, a whole number of pages, between `guard` bytes.
    ///
    /// # Errors
    /// What mmap(2) answers.
    pub fn map(bytes: PageSize, guard: PageSize) -> Result<Self, Error> {
        Region::zeroed(bytes, Guard::Pages(guard)).map(Self)
    }

    /// Where it begins.
    pub fn address(&self) -> u64 {
        self.0.address() as u64
    }
}

/// What generated code is given: where bytes go and come from, whom to call when
/// they do not, and where the tape is. The first six fields are its business.
#[derive(Debug)]
#[repr(C)]
pub struct Console<'a, 'b> {
    output: &'a mut Output<'b>,
    input: &'a mut Input<'b>,
    flush: extern "sysv64" fn(&mut Console<'_, '_>) -> u64,
    fill: extern "sysv64" fn(&mut Console<'_, '_>) -> u64,
    tape: u64,
    /// Where the pointer was when the code left early.
    pub pointer: u64,
    error: Option<Error>,
}

/// What [`Console`]'s call-backs answer.
pub mod answer {
    /// It did what it should.
    pub const DONE: u64 = 0;
    /// There is no more input.
    pub const ENDED: u64 = 1;
    /// The system refused; [`Console::refusal`](super::Console::refusal) says why.
    pub const REFUSED: u64 = 2;
}

impl<'a, 'b> Console<'a, 'b> {
    /// Offsets of the six fields, for generated code: output, input, flush, fill,
    /// tape, pointer.
    pub const OFFSETS: [usize; 6] = [
        core::mem::offset_of!(Console<'_, '_>, output),
        core::mem::offset_of!(Console<'_, '_>, input),
        core::mem::offset_of!(Console<'_, '_>, flush),
        core::mem::offset_of!(Console<'_, '_>, fill),
        core::mem::offset_of!(Console<'_, '_>, tape),
        core::mem::offset_of!(Console<'_, '_>, pointer),
    ];

    /// A console with these parts. The output must have a buffer.
    pub fn new(output: &'a mut Output<'b>, input: &'a mut Input<'b>, tape: &Tape) -> Self {
        Self { output, input, flush, fill, tape: tape.address(), pointer: 0, error: None }
    }

    /// Why a call-back answered [`answer::REFUSED`].
    pub fn refusal(&self) -> Option<Error> {
        self.error
    }

    fn answer(&mut self, result: Result<u64, Error>) -> u64 {
        result.unwrap_or_else(|error| {
            self.error = Some(error);
            answer::REFUSED
        })
    }
}

extern "sysv64" fn flush(console: &mut Console<'_, '_>) -> u64 {
    fault::call_back(|| {
        let result = console.output.flush().map(|()| answer::DONE);
        console.answer(result)
    })
}

/// Reading may block, so what was written must be seen before. Behind the end of the
/// input nothing is read.
extern "sysv64" fn fill(console: &mut Console<'_, '_>) -> u64 {
    if console.input.has_ended() {
        return answer::ENDED;
    }
    fault::call_back(|| {
        let result = console.output.flush().and_then(|()| console.input.fill());
        let result = result.map(|size| if size == 0 { answer::ENDED } else { answer::DONE });
        console.answer(result)
    })
}
