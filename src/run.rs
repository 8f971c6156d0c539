//! Running code: load, seal, call, release, in that order and nowhere else.
//!
//! Every command runs its code by [`run`]. This is the only place that knows the options
//! for it. It does not interpret the result.

mod columns;
mod diagnosis;
mod disassembly;
mod instruction;
mod listing;
pub mod step;
mod tools;
mod trace;

pub use barejit_exec::fault::{Args, Ending, Fault, Place, install as handle_faults};
pub use diagnosis::Diagnosis;
pub use disassembly::{Disassembly, Extent, Names};
pub use tools::{Perf, Tools};

use crate::host::Output;
use barejit_asm::{Code, Page};
use barejit_exec::fault::NotEntered;
use barejit_exec::{
    self as exec, Callable, Executable, Guard, Memory, PageSize, Strategy, Unprotected,
    fault::{self, Busy, Entry, FlushOnTermination},
};
use barejit_sys::{self as sys, Fd, Sysno, sandbox};
use core::ops::Range;
use core::{fmt, marker::PhantomData, ptr::NonNull};
use step::{Printer, Steps};
use trace::Trace;

/// How code gets into executable memory.
#[derive(Clone, Copy, Debug)]
pub enum Map {
    /// Never writable and executable at once.
    Strategy(Strategy),
    /// One mapping for everything, of 128 bytes or a multiple, as the articles have it.
    Unprotected,
    /// The code is at this offset in a static page, which becomes executable.
    InPlace(&'static Page, u32),
    /// The code is at this offset in a static page, which stays as it is.
    NotExecutable(&'static Page, u32),
}

impl Map {
    /// The names that `--map` takes for any code, one space between them.
    pub const NAMES: &str = "wx rwx dual sealed file";

    /// The names that it takes for code that has a static page of its own.
    pub const NAMES_WITH_PAGE: &str = "wx rwx dual sealed file inplace none";

    /// The mapping of this name. `page` is the static page of the code and its offset there.
    ///
    /// # Panics
    /// If the name is not in the list.
    pub fn named(name: &[u8], page: Option<(&'static Page, u32)>) -> Self {
        match (name, page) {
            (b"wx", _) => Self::Strategy(Strategy::WriteThenExecute),
            (b"rwx", _) => Self::Unprotected,
            (b"dual", _) => Self::Strategy(Strategy::TwoViews),
            (b"sealed", _) => Self::Strategy(Strategy::SealedFile),
            (b"file", _) => Self::Strategy(Strategy::UnlinkedFile),
            (b"inplace", Some((page, offset))) => Self::InPlace(page, offset),
            (b"none", Some((page, offset))) => Self::NotExecutable(page, offset),
            _ => unreachable!("a mapping that is in no list"),
        }
    }
}

/// Output that is borrowed for a run: the code and its call-backs write to it, and it is
/// flushed if the process is asked to end meanwhile. It keeps the type's own lifetime to
/// itself.
#[derive(Clone, Copy, Debug)]
pub struct FlushedOutput<'a>(NonNull<Output<'static>>, PhantomData<&'a mut ()>);

/// How to run code.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The way into executable memory; without one, the first strategy that
    /// works.
    pub map: Option<Map>,
    /// Whether signals that the code raises come back as [`Ending::Faulted`],
    /// and guards stand around it.
    pub guarded: bool,
    /// The command in whose name each fall-back is reported; none is without it.
    pub verbose: Option<&'static str>,
    /// Whether to give up every right that the rest of the run does not need,
    /// before the code runs, for good; implies handlers of signals. The code's
    /// pages then stay, where the kernel can have that.
    pub sandbox: bool,
    /// Listings, traces, and the registration with debuggers and profilers.
    pub tools: Tools,
    /// Called before a strategy other than the first is tried.
    pub before_fallback: Option<fn()>,
    /// Output to be flushed if the process is asked to end meanwhile; see
    /// [`flushing`](Self::flushing).
    pub output: Option<FlushedOutput<'a>>,
    /// The descriptor that the code or its call-backs read from, if any. A sandbox leaves
    /// no other to read.
    pub input: Option<Fd<'a>>,
}

impl<'s> Options<'s> {
    /// The fewest syscalls: no handlers, no guards. For code that cannot fault.
    pub const BARE: Self = Self {
        map: None,
        guarded: false,
        verbose: None,
        sandbox: false,
        tools: Tools::NONE,
        before_fallback: None,
        output: None,
        input: None,
    };

    /// The default of the other commands: handlers for faults, and guards.
    pub const GUARDED: Self = Self { guarded: true, ..Self::BARE };

    /// Whether handlers for faults are installed.
    fn handled(&self) -> bool {
        self.guarded || self.sandbox || self.tools.is_stepping()
    }

    fn trace(&self) -> Trace {
        Trace::new(self.tools.trace, self.sandbox)
    }

    /// The same with `output`, which the code and its call-backs write to, flushed if INT,
    /// TERM or HUP arrive while the code runs.
    ///
    /// ```compile_fail,E0515
    /// # use barejit::{host::Output, run::Options};
    /// # fn late(mut output: Output<'_>) -> Options<'_> {
    /// Options::GUARDED.flushing(&mut output)
    /// # }
    /// ```
    pub fn flushing<'a>(&self, output: &'a mut Output<'_>) -> Options<'a>
    where
        's: 'a,
    {
        Options { output: Some(FlushedOutput(NonNull::from(output).cast(), PhantomData)), ..*self }
    }
}

/// Why code could not be run, or its memory not be released.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// A syscall refused.
    Refused(sys::Error),
    /// No strategy works here; these are the reasons, in the order of
    /// [`Strategy::ALL`].
    NoStrategy([sys::Error; Strategy::ALL.len()]),
    /// This file could not be written.
    File(&'static [u8], sys::Error),
    /// The code has no symbol of this name.
    NoSymbol(&'static [u8]),
    /// perf could not be told.
    Perf(sys::Error),
    /// Other code is running, which this would be in the way of.
    Busy,
}

impl core::error::Error for Error {}

impl From<Busy> for Error {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<sys::Error> for Error {
    fn from(error: sys::Error) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::NoSymbol(name) => write!(f, "--step-from: the code has no symbol '{}'", sys::Lossy(name)),
            Self::Perf(error) => write!(f, "--perf: {error}"),
            Self::Busy => Busy.fmt(f),
            Self::File(path, error) => write!(f, "{}: {error}", sys::Lossy(path)),
            Self::NoStrategy(errors) => {
                let mut before = "no executable memory: ";
                for (strategy, error) in Strategy::ALL.iter().zip(errors) {
                    write!(f, "{before}{}: {error}", strategy.name())?;
                    before = "; ";
                }
                Ok(())
            }
        }
    }
}

/// Runs `code` with `args` and says how that ended; nothing if it was only shown, as the
/// options want it.
///
/// # Safety
/// 1. The code keeps to the System V ABI as a function of integer arguments; with
///    `guarded` it may instead raise a signal.
/// 2. Called with `args` it does nothing undefined.
/// 3. Call-backs that panic own nothing that must be dropped.
/// 4. The output in `options`, if any, is what the code and its call-backs write to, and this
///    process has one thread.
///
/// # Errors
/// The syscall that refused to give, seal or take back the memory.
pub unsafe fn run(code: &Code<'_>, args: Args, options: &Options<'_>) -> Result<Option<Ending>, Error> {
    if options.tools.show(code)? {
        return Ok(None);
    }
    if options.handled() || matches!(options.map, Some(Map::NotExecutable(..))) {
        fault::install()?;
    }
    let mut begun = false;
    let Some(map) = options.map else {
        // SAFETY: (1 to 4) the caller's.
        return unsafe { first_that_works(code, &args, options) }.map(Some);
    };
    // SAFETY: (1 to 4) the caller's.
    unsafe { attempt(map, code, &args, options, &mut begun) }.map(Some)
}

/// Runs the code by the first strategy that this host grants.
///
/// # Safety
/// 1 to 4. As [`run`].
unsafe fn first_that_works(code: &Code<'_>, args: &Args, options: &Options<'_>) -> Result<Ending, Error> {
    let mut errors = [sys::Error::without_effect(Sysno::mprotect); Strategy::ALL.len()];
    for (i, strategy) in Strategy::ALL.into_iter().enumerate() {
        let mut begun = false;
        // SAFETY: (1 to 4) the caller's; nothing of the code has run before.
        match unsafe { attempt(Map::Strategy(strategy), code, args, options, &mut begun) } {
            // The kernel claimed to have made the page executable, and has not.
            Ok(Ending::Faulted(fault)) if fault.not_executable(code.entry()) && !options.sandbox => {}
            Err(Error::Refused(error)) if !begun => errors[i] = error,
            result => return result,
        }
        if let Some(prepare) = options.before_fallback {
            prepare();
        }
        if let (Some(command), Some(next)) = (options.verbose, Strategy::ALL.get(i + 1)) {
            let (name, next, error) = (strategy.name(), next.name(), errors[i]);
            sys::report(format_args!("{command}: {name}: {error}; falling back to {next}"));
        }
    }
    Err(Error::NoStrategy(errors))
}

/// Runs the code by one mapping. Once `begun` is set, another must not be tried.
///
/// # Safety
/// 1 to 4. As [`run`].
unsafe fn attempt(
    map: Map,
    code: &Code<'_>,
    args: &Args,
    options: &Options<'_>,
    begun: &mut bool,
) -> Result<Ending, Error> {
    // SAFETY: (1, 2) the caller's.
    let loaded = unsafe { load(map, code, options) }?;
    *begun = true;
    let trace = options.trace();
    trace.jump(loaded.entry as usize, loaded.start);
    let announced = options.tools.announce(code, loaded.start)?;
    // SAFETY: (1 to 4) the caller's.
    let ending = unsafe { call(map, loaded.entry, loaded.start, code, args, options) }?;
    drop(announced);
    trace.ended(&ending, loaded.start);
    if let Some(memory) = loaded.memory {
        let released = memory.release();
        trace.released(loaded.start);
        // Of two failures the first is reported.
        if let Ending::Returned(_) = ending {
            released?;
        }
    }
    Ok(ending)
}

/// Code in executable memory. It can be called as long as this lives.
struct Loaded {
    entry: Entry,
    /// Where the code begins.
    start: usize,
    /// The memory to be released after the call, if any.
    memory: Option<Memory<Executable>>,
}

/// Gets the code into executable memory.
///
/// # Safety
/// 1, 2. As [`run`].
unsafe fn load(map: Map, code: &Code<'_>, options: &Options<'_>) -> Result<Loaded, sys::Error> {
    let bytes = code.bytes().len();
    let trace = options.trace();
    let (start, memory) = match map {
        Map::Strategy(strategy) => {
            let guard = if options.handled() { Guard::PAGE } else { Guard::None };
            let mut memory = Memory::obtain(strategy, PageSize::needed(bytes)?, guard)?;
            let (start, view) = (memory.address(), memory.bytes().as_ptr() as usize);
            trace.reserved(memory.size().bytes(), start, view);
            trace.load(code, start, view, |code| memory.load(code));
            let memory = memory.seal()?;
            trace.sealed(strategy, start);
            (start, if options.sandbox { memory.mseal()? } else { Some(memory) })
        }
        Map::Unprotected => {
            let size = bytes.next_multiple_of(128);
            // SAFETY: (1) nothing else learns the address.
            let mut memory = unsafe { Unprotected::map(size) }?;
            let start = memory.address();
            trace.reserved(size, start, start);
            trace.load(code, start, start, |code| memory.load(code));
            trace.step("seal nothing", start);
            (start, None)
        }
        Map::InPlace(page, offset) => {
            let start = page.address(offset as usize, bytes);
            trace.step("reserve nothing, the code is there", start);
            exec::seal_in_place(page)?;
            trace.step("seal (inplace)", start);
            (start, None)
        }
        Map::NotExecutable(page, offset) => {
            let start = page.address(offset as usize, bytes);
            trace.step("reserve and seal nothing, the code is there", start);
            (start, None)
        }
    };
    // SAFETY: (1) the entry is in the code, which is mapped as long as the result
    // lives, and executable unless the signal that this raises is handled; the
    // rest are the caller's duties 1 and 2.
    let function = unsafe { Callable::<Entry>::at(start + code.entry() as usize) };
    // SAFETY: (1) it is called only while the result lives.
    let entry = unsafe { function.pointer() };
    Ok(Loaded { entry, start, memory })
}

/// Calls the code, which lies at `start` by this mapping.
///
/// # Safety
/// 1 to 4. As [`run`].
unsafe fn call(
    map: Map,
    entry: Entry,
    start: usize,
    code: &Code<'_>,
    args: &Args,
    options: &Options<'_>,
) -> Result<Ending, Error> {
    let _flush = options.output.map(|output| {
        // SAFETY: (1) the caller's duty 4; flushing holds it off.
        unsafe { FlushOnTermination::register(output.0.as_ptr().cast(), flush) }
    });
    let place = start..start + code.bytes().len();
    if let Some(steps) = options.tools.step {
        // SAFETY: (1 to 4) the caller's.
        return unsafe { stepped(map, entry, place, code, args, options, steps) };
    }
    if options.sandbox {
        sandbox::enter(options.input)?;
    }
    // SAFETY: (1 to 3) the caller's; (4) the code is mapped until this returns; (5, 6) the
    // executable has one thread and no C library.
    Ok(unsafe { fault::call(entry, args, place) }?)
}

/// Calls the code, which lies in `place` by this mapping, and shows each instruction.
///
/// # Safety
/// 1 to 4. As [`run`].
// Its printer takes 3 KiB of stack: inlined, each start would touch another page.
#[inline(never)]
unsafe fn stepped(
    map: Map,
    entry: Entry,
    place: Range<usize>,
    code: &Code<'_>,
    args: &Args,
    options: &Options<'_>,
    steps: Steps,
) -> Result<Ending, Error> {
    let begin = match steps.from {
        None => None,
        Some(name) => {
            let symbol = code.names().find(|symbol| symbol.name.as_bytes() == name);
            Some(place.start + symbol.ok_or(Error::NoSymbol(name))?.offset as usize)
        }
    };
    let displaced = match map {
        // Without copies it takes longer.
        Map::Strategy(strategy) => {
            // SAFETY: the code is loaded there, and nothing writes to it.
            let code = unsafe { core::slice::from_raw_parts(place.start as *const u8, place.len()) };
            fault::displace(strategy, code, place.start).ok()
        }
        // It can write to itself, or is not to run.
        _ => None,
    };
    if options.sandbox {
        sandbox::enter(options.input)?;
    }
    let mut printer = Printer::new(Fd::STDERR, place.clone(), steps, begin);
    // SAFETY: (1 to 3) the caller's; (4) the code is mapped until this returns; (5, 6) the
    // executable has one thread and no C library; (7) it was copied from there.
    let ending = unsafe { fault::call_stepped(entry, args, place, &mut printer, displaced.as_ref()) };
    printer.finish(match &ending {
        Ok(Ending::Faulted(fault)) => Some(fault.signal.name()),
        _ => None,
    });
    ending.map_err(|error| match error {
        NotEntered::Refused(error) => error.into(),
        _ => Busy.into(),
    })
}

/// # Safety
/// 1. `output` points at an [`Output`].
unsafe fn flush(output: *mut ()) {
    // SAFETY: duty 1 of the caller.
    let output = unsafe { &mut *output.cast::<Output<'_>>() };
    // The process is about to end, so an error cannot be reported.
    let _ = output.flush();
}
