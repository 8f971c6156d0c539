//! What `chain` and `rpn` have in common: where the relation comes from, and how
//! its terms get out.

use crate::cli::{self, Cli, Lossy, Outcome, integer};
use alloc::{borrow::Cow, ffi::CString, vec};
use barejit::{
    code::Code,
    front::text::Position,
    host::{
        self, Output,
        series::{self, Series},
    },
    run::{self, Diagnosis, Options},
    sys::Fd,
};
use core::fmt;

/// The longest text that is read: offsets into it have 32 bits.
const LIMIT: usize = (1 << 32) - 1;

/// Lines leave in pieces this large.
const BUFFER: usize = 256 * 1024;

/// Where the relation is.
#[derive(Default)]
pub(super) struct Source {
    pub(super) expression: Option<&'static [u8]>,
    pub(super) file: Option<&'static [u8]>,
    pub(super) terms: Option<u64>,
    /// Whether `--start` was given.
    pub(super) started: bool,
}

impl Source {
    /// The text of the relation, or of all the lines.
    pub(super) fn text(&self, cli: &Cli) -> Result<Cow<'static, [u8]>, u8> {
        match (self.expression, self.file) {
            (Some(_), Some(file)) => {
                Err(cli.usage(format_args!("'{}' is a second source besides -e", Lossy(file))))
            }
            (Some(_), None) if self.terms.is_none() => {
                Err(cli.usage(format_args!("-e needs --terms, the number of the last term")))
            }
            (Some(expression), None) => Ok(Cow::Borrowed(expression)),
            (None, _) if self.started || self.terms.is_some() => {
                Err(cli.usage(format_args!("--start and --terms go with -e; a file has its own")))
            }
            (None, None | Some(b"-")) => {
                host::read_to_end(Fd::STDIN, LIMIT).map(Cow::Owned).map_err(|error| cli.refused(error))
            }
            (None, Some(file)) => {
                let path = CString::new(file);
                let path = path.map_err(|_| cli.usage(format_args!("a path with a NUL byte")))?;
                let text = host::read_file(&path, LIMIT);
                text.map(Cow::Owned).map_err(|error| cli.refused_for(file, error))
            }
        }
    }

    /// Says what is wrong with the text, and where.
    pub(super) fn complain(&self, cli: &Cli, text: &[u8], at: usize, error: &dyn fmt::Display) -> u8 {
        let place = Position::of(text, at);
        match self.file {
            Some(file) => cli.usage(format_args!("{}: {place}: {error}", Lossy(file))),
            None => cli.usage(format_args!("{place}: {error}")),
        }
    }
}

/// The value of `--terms`.
pub(super) fn terms(cli: &mut Cli) -> Result<u64, u8> {
    let value = cli.value()?;
    let terms = integer(value, 64).and_then(|terms| u64::try_from(terms).ok());
    terms.ok_or_else(|| cli.usage(format_args!("--terms: '{}' is not a natural number", Lossy(value))))
}

/// Gives `body` standard output to write to, and flushes that whatever happened.
/// Of two failures the first is told.
pub(super) fn with_output(cli: &Cli, body: impl FnOnce(&mut Output<'_>) -> Outcome) -> Outcome {
    let mut buffer = vec![0; BUFFER];
    let mut output = Output::new(Fd::STDOUT, &mut buffer);
    let outcome = body(&mut output);
    let flushed = output.flush();
    outcome?;
    flushed.map_err(|error| cli.refused(error))
}

/// Whether the code is shown and not run.
pub(super) fn shows(options: &Options) -> bool {
    options.tools.listing || options.tools.raw.is_some()
}

/// Runs `code` for `count` terms from `index` on.
///
/// # Safety
/// 1. The code is a series (`front::series`) in the layout that `series` has.
pub(super) unsafe fn run(
    code: &Code<'_>,
    series: &mut Series<'_, '_>,
    index: u64,
    count: u64,
    options: &Options,
) -> Result<run::Outcome, run::Error> {
    if count == 0 && !shows(options) {
        return Ok(run::Outcome::Returned(0));
    }
    let options = options.rescuing(series.output());
    let terms = series.address();
    let cookie = core::ptr::from_mut(series) as u64;
    let args = [terms, index, count, series::call_back as *const () as u64, cookie, 0];
    // SAFETY: (1) a series is such a function; (2) it stays in the layout and
    // calls back with its cookie; (3) the call-back owns nothing; (4) the output
    // outlives the series.
    unsafe { run::run(code, args, &options) }
}

/// What a run came to, in a line if it failed, behind the terms that it printed.
pub(super) fn ended(
    cli: &Cli,
    code: &Code<'_>,
    series: &mut Series<'_, '_>,
    result: Result<run::Outcome, run::Error>,
    describe: &dyn Fn(&Diagnosis<'_>, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> Outcome {
    series.output().flush().map_err(|error| cli.refused(error))?;
    let status = cli.returned_from(code, result, describe)?;
    match series.refusal() {
        Some(error) if status != 0 => Err(cli.refused(error)),
        _ => Ok(()),
    }
}

/// Prints the one line that `--last` asks for.
pub(super) fn print_last(label: &str, index: u64, value: fmt::Arguments<'_>) -> Outcome {
    let mut text = cli::Text::new();
    let _ = fmt::Write::write_fmt(&mut text, format_args!("{label}{index}: {value}\n"));
    cli::print(text.as_str())
}
