//! Running code: load, seal, call, release, in that order and nowhere else.
//!
//! Every command comes through [`run`], and every option that changes how code is
//! run is handled here. What the result means is the command's business.

use crate::code::{Code, Mark, Page};
use crate::exec::{InPlace, Memory, NotExecutable, PageSize, Unprotected};
use crate::fault::{self, Ending, Entry, Fault, Place};
use crate::host::Output;
use crate::sys::{Errno, Error, signal, signal::Signal};
use core::{fmt, ptr::NonNull};

pub use crate::fault::Args;

/// How code gets into executable memory.
#[derive(Clone, Copy, Debug)]
pub enum Map {
    /// Written, then sealed: never writable and executable at once.
    WriteThenExecute,
    /// One mapping of 128 bytes for everything, as the articles have it.
    Unprotected,
    /// The code is at this offset in a static page, which becomes executable.
    InPlace(&'static Page, u32),
    /// The code is at this offset in a static page, which stays as it is.
    NotExecutable(&'static Page, u32),
}

/// How to run code.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The way into executable memory; without one, the first that works.
    pub map: Option<Map>,
    /// Whether signals that the code raises come back as [`Outcome::Faulted`].
    pub guarded: bool,
    /// Output that the code or its call-backs write to, to be flushed if the
    /// process is asked to end meanwhile; see [`rescuing`](Self::rescuing).
    pub output: Option<NonNull<Output<'static>>>,
}

impl Options {
    /// The fewest syscalls: no handlers, no guards. For code that cannot fault.
    pub const BARE: Self = Self { map: None, guarded: false, output: None };

    /// What every other command does unless it is told otherwise.
    pub const GUARDED: Self = Self { guarded: true, ..Self::BARE };

    /// The same with `output` flushed if INT, TERM or HUP arrive while the code
    /// runs. It must live until [`run`] is done.
    pub fn rescuing(self, output: &mut Output<'_>) -> Self {
        Self { output: Some(NonNull::from(output).cast()), ..self }
    }
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Outcome {
    /// The code returned and left this in RAX.
    Returned(u64),
    /// A signal stopped it.
    Faulted(Fault),
    /// A call-back panicked; the panic handler has said so.
    Panicked,
}

/// Runs `code` with `args`.
///
/// # Safety
/// 1. The code keeps to the System V ABI as a function of integer arguments; with
///    `guarded` it may instead raise a signal.
/// 2. Called with `args` it does nothing undefined.
/// 3. Call-backs that panic own nothing that must be dropped.
/// 4. The output in `options`, if any, lives until this returns.
///
/// # Errors
/// The syscall that refused to give, seal or take back the memory.
pub unsafe fn run(code: &Code<'_>, args: Args, options: &Options) -> Result<Outcome, Error> {
    if options.guarded {
        fault::install()?;
    }
    let size = code.bytes().len();
    match options.map.unwrap_or(Map::WriteThenExecute) {
        Map::WriteThenExecute => {
            let pages = PageSize::covering(size).ok_or(Error { call: "mmap", errno: Errno::ENOMEM })?;
            let mut memory = Memory::map(pages)?;
            memory.load(code);
            let memory = memory.seal()?;
            // SAFETY: (1, 2) the caller's duties 1 and 2.
            let entry = unsafe { memory.function(code.entry()) };
            // SAFETY: (1 to 4) the caller's.
            let outcome = unsafe { call(*entry, memory.address(), size, &args, options) }?;
            memory.release()?;
            Ok(outcome)
        }
        Map::Unprotected => {
            // SAFETY: (1) nothing else learns the address.
            let mut memory = unsafe { Unprotected::map(size.next_multiple_of(128)) }?;
            memory.load(code);
            // SAFETY: (1, 2) the caller's duties 1 and 2.
            let entry = unsafe { memory.function(code.entry()) };
            // SAFETY: (1 to 4) the caller's.
            unsafe { call(*entry, memory.address(), size, &args, options) }
        }
        Map::InPlace(page, offset) => {
            let memory = InPlace::seal(page)?;
            // SAFETY: (1, 2) the caller's duties 1 and 2.
            let entry = unsafe { memory.function(offset + code.entry()) };
            let start = memory.address() + offset as usize;
            // SAFETY: (1 to 4) the caller's.
            unsafe { call(*entry, start, size, &args, options) }
        }
        Map::NotExecutable(page, offset) => {
            let memory = NotExecutable(page);
            fault::install()?;
            // SAFETY: (1) the signal that this raises is handled.
            let entry = unsafe { memory.function(offset + code.entry()) };
            let start = memory.address() + offset as usize;
            // SAFETY: (1 to 4) the caller's.
            unsafe { call(*entry, start, size, &args, options) }
        }
    }
}

/// Calls the code, whose `size` bytes are at `start`.
///
/// # Safety
/// 1 to 4. As [`run`].
unsafe fn call(
    entry: Entry,
    start: usize,
    size: usize,
    args: &Args,
    options: &Options,
) -> Result<Outcome, Error> {
    // SAFETY: (1 to 3) the caller's.
    let body = || unsafe { fault::call(entry, args, start..start + size) };
    let ending = match options.output {
        None => body(),
        // SAFETY: (1) the caller's duty 4; flushing twice at once is held off.
        Some(output) => unsafe { fault::rescuing(output.as_ptr().cast(), rescue, body) }?,
    };
    Ok(match ending {
        Ending::Returned(value) => Outcome::Returned(value),
        Ending::Faulted(fault) => Outcome::Faulted(fault),
        Ending::Panicked => Outcome::Panicked,
    })
}

/// # Safety
/// 1. `output` points at an [`Output`].
unsafe fn rescue(output: *mut ()) {
    // SAFETY: duty 1 of the caller.
    let output = unsafe { &mut *output.cast::<Output<'_>>() };
    // The process is about to die; nobody is left to tell.
    let _ = output.flush();
}

/// A fault and the code it happened in, as one line says it:
/// `generated code at 0x5 [F7 F9 C3]: SIGFPE (integer division error)`.
#[derive(Clone, Copy, Debug)]
pub struct Diagnosis<'a> {
    /// What happened.
    pub fault: Fault,
    /// In what.
    pub code: &'a Code<'a>,
}

impl Diagnosis<'_> {
    /// The front end's mark of the instruction.
    pub fn mark(&self) -> Option<Mark> {
        match self.fault.place {
            Place::Code(offset) => self.code.mark_at(offset),
            Place::Wild(_) => None,
        }
    }

    fn place(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// As many bytes as show most instructions whole.
        const SHOWN: usize = 8;
        let offset = match self.fault.place {
            Place::Code(offset) => offset,
            Place::Wild(address) => return write!(f, "generated code, gone astray to {address:#x}"),
        };
        write!(f, "generated code at {offset:#x}")?;
        if let Some(symbol) = self.code.symbol_at(offset) {
            write!(f, " in {}", symbol.name)?;
        }
        let mut before = " [";
        for byte in self.code.bytes().iter().skip(offset as usize).take(SHOWN) {
            write!(f, "{before}{byte:02X}")?;
            before = " ";
        }
        f.write_str("]")
    }
}

impl fmt::Display for Diagnosis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAPERR: i32 = 1;
        self.place(f)?;
        let Fault { signal, reason, address, .. } = self.fault;
        write!(f, ": SIG{} (", signal.name())?;
        let at_itself = match self.fault.place {
            Place::Code(offset) => self.fault.start + offset as usize == address,
            Place::Wild(rip) => rip == address,
        };
        match signal {
            _ if reason <= 0 => f.write_str("sent by a process")?,
            Signal::SEGV | Signal::BUS if reason == signal::KERNEL => {
                f.write_str("an address that is not canonical")?;
            }
            Signal::SEGV if reason == MAPERR => write!(f, "nothing is mapped at {address:#x}")?,
            Signal::SEGV if at_itself => f.write_str("the page is not executable")?,
            Signal::SEGV => write!(f, "access to {address:#x} is not permitted")?,
            Signal::BUS => write!(f, "no memory behind {address:#x}")?,
            Signal::ILL => f.write_str("invalid instruction")?,
            Signal::FPE => f.write_str("arithmetic error")?,
            Signal::TRAP => f.write_str("breakpoint or single step")?,
            _ => write!(f, "syscall {} is refused", self.fault.syscall)?,
        }
        f.write_str(")")
    }
}
