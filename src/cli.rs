//! The command line: options and values, help, and what to say when it is wrong.
//!
//! Every message is one line on standard error, `barejit: COMMAND: what: why`, or how to
//! use a command that was not told what to do.

use alloc::vec::Vec;
use barejit::front::text;
use barejit::host;
use barejit::repl::line::OwnMemory;
use barejit::run::{self, Diagnosis, Ending};
use barejit_asm::{Code, parse};
use barejit_sys::{self as sys, Error, Fd, linux, process::Arguments};
use core::{fmt, ops::Range};
use getargs::{Argument, Options};

pub(crate) use barejit_sys::Lossy;

/// Exit statuses, as `--help` lists them.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Status {
    Success = 0,
    Refused = 1,
    Usage = 2,
    Faulted = 3,
    Unusable = 4,
}

/// The result of a command: nothing, or the status to exit with after the reason has been
/// reported.
pub(crate) type Outcome = Result<(), u8>;

/// An argument of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arg {
    /// `--name`.
    Long(&'static [u8]),
    /// `-n`, alone or among others.
    Short(u8),
    /// Neither, or behind `--`.
    Positional(&'static [u8]),
}

/// The arguments of one command.
pub(crate) struct Cli {
    command: &'static [u8],
    options: Options<Word, WordIter>,
    runtime: Runtime,
    /// Where the stack lies that the command runs on; empty if it is the kernel's.
    stack: Range<usize>,
}

/// The parts of the run-time that commands use.
#[derive(Clone, Copy)]
pub(crate) struct Runtime {
    /// Relocates the image, which a plain command does only if it fails.
    pub(crate) relocate: fn(),
    /// Where the heap lies that grows with the program break.
    pub(crate) heap: fn() -> Range<usize>,
}

type WordIter = core::iter::Map<Arguments, fn(&'static [u8]) -> Word>;

/// An argument as the parser sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Word(&'static [u8]);

impl Argument for Word {
    type ShortOpt = u8;

    fn ends_opts(self) -> bool {
        self.0.ends_opts()
    }

    fn parse_long_opt(self) -> Option<(Self, Option<Self>)> {
        let (name, value) = self.0.parse_long_opt()?;
        Some((Self(name), value.map(Self)))
    }

    /// A negative number is no option.
    fn parse_short_cluster(self) -> Option<Self> {
        let cluster = self.0.parse_short_cluster()?;
        if cluster.first()?.is_ascii_digit() { None } else { Some(Self(cluster)) }
    }

    fn consume_short_opt(self) -> (u8, Option<Self>) {
        let (option, rest) = self.0.consume_short_opt();
        (option, rest.map(Self))
    }

    fn consume_short_val(self) -> Self {
        self
    }
}

impl Cli {
    /// The arguments after the name of `command`.
    pub(crate) fn new(command: &'static [u8], args: Arguments, runtime: Runtime) -> Self {
        Self { command, options: Options::new(args.map(Word as fn(_) -> _)), runtime, stack: 0..0 }
    }

    /// Relocates the image: before anything that reads tables of functions or texts.
    pub(crate) fn relocate(&self) {
        (self.runtime.relocate)();
    }

    /// The same on a stack that lies there.
    pub(crate) fn on_stack(self, stack: Range<usize>) -> Self {
        Self { stack, ..self }
    }

    /// The memory that a process of a line typed at the prompt can do without.
    pub(crate) fn own_memory(&self) -> OwnMemory {
        OwnMemory { stack: self.stack.clone(), heap: self.runtime.heap }
    }

    /// How commands run code that are there to show which syscalls it takes.
    pub(crate) fn bare(&self) -> run::Options<'static> {
        run::Options { before_fallback: Some(self.runtime.relocate), ..run::Options::BARE }
    }

    /// The name of the command.
    pub(crate) fn command(&self) -> &'static str {
        sys::utf8(self.command).expect("the commands have names in ASCII")
    }

    /// The next option or positional argument.
    pub(crate) fn next(&mut self) -> Option<Arg> {
        Some(match self.options.next_arg().unwrap_or_else(|error| self.malformed(error))? {
            getargs::Arg::Long(Word(name)) => Arg::Long(name),
            getargs::Arg::Short(letter) => Arg::Short(letter),
            getargs::Arg::Positional(Word(word)) => Arg::Positional(word),
        })
    }

    /// Whether the positional argument just read stands behind `--`.
    pub(crate) fn is_behind_dashes(&self) -> bool {
        self.options.opts_ended()
    }

    /// The value of the option just read; it may begin with `-`.
    pub(crate) fn value(&mut self) -> &'static [u8] {
        self.options.value().unwrap_or_else(|error| self.malformed(error)).0
    }

    /// The same as an integer from `least` to `most`; `why` says what else it is not.
    pub(crate) fn number(&mut self, option: &str, least: i64, most: i64, why: &str) -> i64 {
        let value = self.value();
        match integer(value, 64) {
            Some(number) if least <= number && number <= most => number,
            _ => self.invalid(option, value, why),
        }
    }

    /// The value behind the `=` of the option just read, if there is one, as a number.
    pub(crate) fn optional_number(&mut self, option: &str, why: &str) -> Option<u64> {
        let Word(value) = self.options.value_opt()?;
        match integer(value, 64) {
            Some(number) if number >= 0 => Some(number as u64),
            _ => self.invalid(option, value, why),
        }
    }

    #[cold]
    fn malformed(&self, error: getargs::Error<Word>) -> ! {
        use getargs::Error::{DoesNotRequireValue, RequiresValue};
        let (option, what) = match error {
            RequiresValue(option) => (option, "needs a value"),
            DoesNotRequireValue(option) => (option, "takes no value"),
            _ => self.usage(format_args!("arguments that make no sense")),
        };
        match option {
            getargs::Opt::Long(Word(name)) => self.usage(format_args!("--{} {what}", Lossy(name))),
            getargs::Opt::Short(name) => self.usage(format_args!("-{} {what}", Lossy(&[name]))),
        }
    }

    /// The value of `option`, which is one of the words in `choices`, one space between them.
    pub(crate) fn choice(&mut self, option: &str, choices: &'static str) -> &'static [u8] {
        let value = self.value();
        if !choices.as_bytes().split(|byte| *byte == b' ').any(|choice| choice == value) {
            self.usage(format_args!("{option}: '{}' is none of {choices}", Lossy(value)));
        }
        value
    }

    /// Prints `text` to standard output.
    pub(crate) fn print(&self, text: &str) -> Outcome {
        sys::write_all(Fd::STDOUT, text.as_bytes())
            .map_err(|error| self.fail(Status::Refused, format_args!("{error}")))
    }

    /// Reports an error in one line and gives its status.
    #[cold]
    pub(crate) fn fail(&self, status: Status, what: fmt::Arguments<'_>) -> u8 {
        (self.runtime.relocate)();
        // A file that may not grow takes no message, and the status tells.
        let _ = sys::ignore_sigxfsz();
        sys::report(format_args!("{}: {what}", self.command()));
        status as u8
    }

    /// Reports an error and exits. The kernel frees memory and closes files.
    #[cold]
    fn end(&self, status: Status, what: fmt::Arguments<'_>) -> ! {
        linux::exit(self.fail(status, what).into())
    }

    /// Reports wrong usage and exits.
    #[cold]
    pub(crate) fn usage(&self, what: fmt::Arguments<'_>) -> ! {
        self.end(Status::Usage, what)
    }

    /// Reports a second source and exits.
    #[cold]
    pub(crate) fn second_source(&self, source: &[u8]) -> ! {
        self.usage(format_args!("'{}' is a second source", Lossy(source)))
    }

    /// Reports an invalid `value` and exits: `what` is its option, `why` what it is not.
    #[cold]
    pub(crate) fn invalid(&self, what: &str, value: &[u8], why: &str) -> ! {
        self.usage(format_args!("{what}'{}' is {why}", Lossy(value)))
    }

    /// Reports an argument that is not in the command's `help`, which comes in parts, and exits.
    #[cold]
    pub(crate) fn unexpected(&self, argument: Arg, help: &[&'static str]) -> ! {
        match argument {
            Arg::Long(name) => {
                let near = Nearest::to(name, "--", help);
                self.usage(format_args!("unknown option '--{}'{near}", Lossy(name)))
            }
            Arg::Short(letter) => self.usage(format_args!("unknown option '-{}'", Lossy(&[letter]))),
            Arg::Positional(word) => self.usage(format_args!("unexpected argument '{}'", Lossy(word))),
        }
    }

    /// Reports a command that is not in `help` and exits.
    pub(crate) fn unknown(&self, help: &'static str) -> ! {
        let near = match self.command.strip_prefix(b"--") {
            Some(option) => Nearest::to(option, "--", &[help]),
            None => Nearest::to(self.command, "\n  ", &[help]),
        };
        sys::report(format_args!("unknown command '{}'{near}", Lossy(self.command)));
        linux::exit(Status::Usage as i32)
    }

    /// Reports a refused syscall with its errno and exits.
    #[cold]
    pub(crate) fn refused(&self, error: Error) -> ! {
        self.end(Status::Refused, format_args!("{error}"))
    }

    /// The value that `code` returned; if it did not return, one line says why.
    pub(crate) fn returned(
        &self,
        code: &Code<'_>,
        result: Result<Option<Ending>, run::Error>,
    ) -> Result<u64, u8> {
        self.returned_from(code, result, &|_, _| Ok(()))
    }

    /// As [`returned`](Self::returned); `describe` writes the place in the source before the
    /// diagnosis, with a colon and a space.
    pub(crate) fn returned_from(
        &self,
        code: &Code<'_>,
        result: Result<Option<Ending>, run::Error>,
        describe: &dyn Fn(&Diagnosis<'_>, &mut fmt::Formatter<'_>) -> fmt::Result,
    ) -> Result<u64, u8> {
        let fault = match result.map_err(|error| self.fail(Status::Refused, format_args!("{error}")))? {
            Some(Ending::Returned(value)) => return Ok(value),
            Some(Ending::Faulted(fault)) => fault,
            Some(Ending::Panicked) => return Err(Status::Faulted as u8),
            None => return Err(Status::Success as u8),
        };
        let diagnosis = Diagnosis { fault, code };
        let place = fmt::from_fn(|f| describe(&diagnosis, f));
        Err(self.fail(Status::Faulted, format_args!("{place}{diagnosis}")))
    }

    /// Everything in the file `name`, at most `limit` bytes; `-` is standard input.
    pub(crate) fn read(&self, name: &[u8], limit: usize) -> Vec<u8> {
        match name {
            b"-" => host::read_to_end(Fd::STDIN, limit).unwrap_or_else(|error| self.refused(error)),
            _ => host::read_file(name, limit).unwrap_or_else(|error| self.refused_for(name, error)),
        }
    }

    /// Reports a refused syscall on a file and exits.
    #[cold]
    pub(crate) fn refused_for(&self, path: &[u8], error: Error) -> ! {
        self.end(Status::Refused, format_args!("{}: {error}", Lossy(path)))
    }
}

/// Prints the usage of a command that lacks its argument, and exits.
#[cold]
pub(crate) fn complain(usage: &str) -> ! {
    // As above.
    let _ = sys::ignore_sigxfsz();
    let _ = sys::write_all(Fd::STDERR, usage.as_bytes());
    linux::exit(Status::Usage as i32)
}

/// An integer of so many bits: decimal with an optional sign, or hexadecimal
/// behind 0x up to the full width as a bit pattern.
pub(crate) fn integer(word: &[u8], bits: u32) -> Option<i64> {
    match text::integer(word, bits) {
        Ok((value, size)) if size == word.len() => Some(value),
        _ => None,
    }
}

/// The suggestion for a mistaken word: the first name in a help text that begins with it, or
/// else the nearest by edit distance, or else `--help`.
struct Nearest {
    /// The text before each name.
    before: &'static str,
    name: Option<&'static [u8]>,
    distance: u8,
}

impl Nearest {
    fn to(word: &[u8], before: &'static str, help: &[&'static str]) -> Self {
        let mut nearest = Self { before, name: None, distance: u8::MAX };
        for help in help {
            let mut text = help.as_bytes();
            while let [_, later @ ..] = text {
                let here = text.strip_prefix(before.as_bytes());
                text = later;
                let Some(rest) = here else { continue };
                let end = rest.iter().position(|byte| !byte.is_ascii_lowercase() && *byte != b'-');
                let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                let distance = match !word.is_empty() && name.starts_with(word) {
                    true => Some(0),
                    false => parse::distance(word, name),
                };
                if let Some(distance) = distance.filter(|distance| *distance < nearest.distance)
                    && !name.is_empty()
                {
                    (nearest.name, nearest.distance) = (Some(name), distance);
                }
            }
        }
        nearest
    }
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, ", did you mean '{}{}'?", self.before.trim_ascii_start(), Lossy(name)),
            None => f.write_str(", try --help"),
        }
    }
}
