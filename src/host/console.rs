//! Input, output and a tape for code that computes on cells.

use super::{Input, Output};
use crate::fault;
use crate::sys::{Error, Guard, PageSize, Prot, Region, Source};

/// Whether the processor does AVX2 and the kernel saves its registers.
pub fn has_avx2() -> bool {
    use core::arch::x86_64::__cpuid_count;
    const AVX: u32 = 1 << 28 | 1 << 27;
    const AVX2: u32 = 1 << 5;
    const SSE_AND_AVX_STATE: u32 = 0b110;
    if __cpuid_count(0, 0).eax < 7 || __cpuid_count(1, 0).ecx & AVX != AVX {
        return false;
    }
    let state: u32;
    // SAFETY: the bit for OSXSAVE says that XGETBV exists (SDM vol. 1, 13.2).
    unsafe {
        core::arch::asm!("xgetbv", in("ecx") 0, out("eax") state, out("edx") _, options(nomem, nostack));
    }
    state & SSE_AND_AVX_STATE == SSE_AND_AVX_STATE && __cpuid_count(7, 0).ebx & AVX2 != 0
}

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
        let prot = Prot::READ.union(Prot::WRITE);
        Region::map(bytes, Guard::Pages(guard), Source::Anonymous, prot).map(Self)
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

/// Reading may block, so what was written must be seen before.
extern "sysv64" fn fill(console: &mut Console<'_, '_>) -> u64 {
    fault::call_back(|| {
        let result = console.output.flush().and_then(|()| console.input.fill());
        let result = result.map(|size| if size == 0 { answer::ENDED } else { answer::DONE });
        console.answer(result)
    })
}
