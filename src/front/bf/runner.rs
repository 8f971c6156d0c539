//! The runner: calls compiled code and deoptimises until the program ends.
//!
//! It owns the loop from optimised code to baseline code, and what a fault or a status
//! means. How code gets into memory, how faults come back as values and where bytes go is
//! the business of a [`Machine`].

use super::abi::{CALL_BACK_FAILED, DEOPT, DONE};
use super::deopt::Stop;
use super::{Error, Options, Passes, Program, Watch, compile_from};

/// Runs generated code, and reads and writes for it.
pub trait Machine {
    /// The address of cell 0. It stays the same during a run.
    fn tape(&self) -> u64;

    /// Calls the code of `program` with its data pointer at the address `pointer`, and with
    /// a context of [`abi`](super::abi). The tape, output and input are as the last call left
    /// them.
    fn call(&mut self, program: &Program, pointer: u64) -> Called;
}

/// How a call of generated code ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Called {
    /// It returned.
    Returned {
        /// The result.
        status: u64,
        /// [`Context::pointer`](super::abi::Context::pointer).
        pointer: u64,
    },
    /// An instruction faulted.
    Faulted {
        /// Its offset in the code.
        code: u32,
        /// The address that it accessed.
        address: u64,
    },
    /// It did not run, or ended in another way; the machine knows why.
    Otherwise,
}

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It ran to its end.
    Done,
    /// The command at byte `position` accesses `cell`, which is not on the tape.
    OutOfBounds {
        /// Byte offset in the source.
        position: u32,
        /// The cell's number; cells left of the tape are negative.
        cell: i64,
    },
    /// Output or input failed; the context knows why.
    CallBackFailed,
    /// [`Called::Otherwise`], or a fault or a status that generated code does not have.
    Otherwise,
}

/// A program that can be run.
#[derive(Debug)]
pub struct Runner<'a> {
    source: &'a [u8],
    options: Options,
    program: Program,
}

impl<'a> Runner<'a> {
    /// Compiles `source`. `watch` sees the program after each pass.
    ///
    /// # Errors
    /// An error in the source.
    pub fn new(source: &'a [u8], options: &Options, watch: &mut Watch<'_>) -> Result<Self, Error> {
        let program = compile_from(source, options, None, watch)?;
        Ok(Self { source, options: *options, program })
    }

    /// The code: of the whole program, or after a deoptimisation the baseline code.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Runs the program to its end. Where optimised code cannot tell whether a cell is
    /// accessed, baseline code is compiled that begins with the same command, and goes on for
    /// the rest of the program.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the baseline code is.
    pub fn run(&mut self, machine: &mut dyn Machine) -> Result<End, Error> {
        let tape = machine.tape();
        let mut first = 0i64;
        loop {
            let offset = (first as u64).wrapping_mul(self.options.cells.bytes() as u64);
            let stop = match machine.call(&self.program, tape.wrapping_add(offset)) {
                Called::Returned { status: DONE, .. } => return Ok(End::Done),
                Called::Returned { status: CALL_BACK_FAILED, .. } => return Ok(End::CallBackFailed),
                Called::Returned { status, pointer } if status & 0xFF == DEOPT => {
                    self.program.explicit(status, pointer, tape)
                }
                Called::Faulted { code, address } => self.program.fault(code, address, tape),
                Called::Returned { .. } | Called::Otherwise => None,
            };
            match stop {
                None => return Ok(End::Otherwise),
                Some(Stop::OutOfBounds { position, cell }) => return Ok(End::OutOfBounds { position, cell }),
                Some(Stop::Deoptimise { position, cell }) => {
                    let baseline = Options { passes: Passes::BASELINE, ..self.options };
                    self.program = compile_from(self.source, &baseline, Some(position), &mut |_, _| {})?;
                    first = cell;
                }
            }
        }
    }
}
