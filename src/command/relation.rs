//! What `chain` and `rpn` have in common: what the command line says, where the
//! relation comes from, and how its terms get out.

use crate::cli::{Arg, Cli, Lossy, Outcome};
use crate::command;
use alloc::vec;
use barejit::{
    front::{
        relation::{Error, Explained, Recurrence},
        text::Position,
    },
    host::{
        Output,
        number::{Counter, Format},
        series::{self, Series},
    },
    run::{self, Ending, Options},
};
use barejit_sys::{self as sys, Fd};

/// The longest text that is read: offsets into it have 32 bits.
const LIMIT: usize = (1 << 32) - 1;

/// Lines leave in pieces this large.
const BUFFER: usize = 256 * 1024;

/// What the command line says, and the text that it names.
pub(super) struct Request {
    pub(super) cli: Cli,
    file: Option<&'static [u8]>,
    /// The relation, or all the lines, as long as the process lives.
    pub(super) text: &'static [u8],
    pub(super) start: Option<&'static [u8]>,
    /// The number of the last term; without one, the lines have it.
    pub(super) terms: Option<u64>,
    only_last: bool,
    options: Options,
}

/// What is done with an argument that not both commands know, if it is known.
type Special<'a> = dyn FnMut(&mut Cli, Arg) -> bool + 'a;

impl Request {
    /// Reads the options, of which `special` knows those of one command, and the
    /// text.
    pub(super) fn read(mut cli: Cli, help: &'static str, special: &mut Special<'_>) -> Self {
        let (mut expression, mut file, mut start, mut terms) = (None, None, None, None);
        let (mut only_last, mut options) = (false, Options::GUARDED);
        command::arguments(&mut cli, help, &mut options, &mut |cli, argument| {
            match argument {
                Arg::Short(b'e') => {
                    let value = cli.value();
                    if expression.replace(value).is_some() {
                        cli.second_source(value);
                    }
                }
                Arg::Long(b"start") => start = Some(cli.value()),
                Arg::Long(b"terms") => {
                    terms = Some(cli.number("--terms: ", 0, i64::MAX, "not a natural number") as u64)
                }
                Arg::Long(b"last") => only_last = true,
                Arg::Positional(word) if file.is_some() => cli.second_source(word),
                Arg::Positional(word) => file = Some(word),
                _ => return special(cli, argument),
            }
            true
        });
        let text = match (expression, file) {
            (Some(_), Some(file)) => cli.second_source(file),
            (Some(_), None) if terms.is_none() => {
                cli.usage(format_args!("-e needs --terms, the number of the last term"))
            }
            (Some(expression), None) => expression,
            (None, _) if start.is_some() || terms.is_some() => {
                cli.usage(format_args!("--start and --terms go with -e; a file has its own"))
            }
            (None, file) => cli.read(file.unwrap_or(b"-"), LIMIT).leak(),
        };
        Self { cli, file, text, start, terms, only_last, options }
    }

    /// Says what is wrong with the text, and where.
    pub(super) fn complain(&self, error: Error) -> ! {
        let place = Position::of(self.text, error.at);
        match self.file {
            Some(file) => self.cli.usage(format_args!("{}: {place}: {error}", Lossy(file))),
            None => self.cli.usage(format_args!("{place}: {error}")),
        }
    }

    /// Prints the terms of `relation` up to number `last`, each behind `label` and
    /// its index, or the last alone; or shows the code.
    pub(super) fn print(&self, relation: &dyn Recurrence, last: u64, label: &str, format: Format) -> Outcome {
        let mut buffer = vec![0; BUFFER];
        let mut output = Output::new(Fd::STDOUT, &mut buffer);
        let layout = relation.layout();
        let counter = Counter::new(label, if self.only_last { last } else { 0 });
        let series =
            Series::new(&mut output, layout.words(), layout.history, counter, format, self.only_last);
        let mut series = series.unwrap_or_else(|error| self.cli.refused(error));
        let outcome = self.run(relation, last, &mut series);
        let flushed = output.flush();
        // Of two failures the first is told.
        outcome?;
        flushed.unwrap_or_else(|error| self.cli.refused(error));
        Ok(())
    }

    fn run(&self, relation: &dyn Recurrence, last: u64, series: &mut Series<'_, '_>) -> Outcome {
        let (cli, tools) = (&self.cli, &self.options.tools);
        let refused = |error| cli.refused(error);
        let shows = tools.listing || tools.raw.is_some();
        let given = relation.given();
        // The terms given before term `last` + 1; the others are computed.
        let given = &given[..given.len().min(usize::try_from(last).unwrap_or(usize::MAX).saturating_add(1))];
        let index = given.len() as u64;
        let count = last + 1 - index;
        for (word, term) in series.history().iter_mut().rev().zip(given.iter().rev()) {
            *word = *term;
        }
        // Before anything is printed: a relation can be too long for code.
        let direct = self.only_last && relation.is_direct();
        let compiled = match count > 0 || shows {
            true => Some(relation.code(direct, tools.explain()).unwrap_or_else(|error| self.complain(error))),
            false => None,
        };
        if !self.only_last && !shows {
            given.iter().try_for_each(|term| series.line(*term)).unwrap_or_else(refused);
        }
        let mut term = given.last().copied().unwrap_or(0);
        if let Some(compiled) = &compiled {
            let code = compiled.code();
            let name = sys::utf8(self.file.unwrap_or(b"-")).unwrap_or("-");
            let explained = Explained::new(self.text, name, code.marks());
            let code = code.with_source(&explained);
            let address = series.address();
            let options = self.options.rescuing(series.output());
            let cookie = core::ptr::from_mut(series) as u64;
            let args = [address, count, index, series::call_back as *const () as u64, cookie, 0];
            // SAFETY: (1) a relation gives such functions; (2) they stay in the layout,
            // which the series has too, and call back with its cookie; (3) the
            // call-back owns nothing; (4) the output outlives the series.
            let result = unsafe { run::run(&code, args, &options) };
            if let (Ok(Some(Ending::Faulted(_))), Some(word)) = (&result, relation.done()) {
                // The terms that the batch has so far.
                let done = series.batch().get(relation.layout().batch + word).copied().unwrap_or(0);
                series.take(done as usize).unwrap_or_else(refused);
            }
            // Terms are printed before what ended them is told.
            series.output().flush().unwrap_or_else(refused);
            let next = series.taken() + index;
            let returned = cli.returned_from(&code, result, &|diagnosis, f| match (
                relation.done(),
                diagnosis.mark().and_then(|mark| explained.piece(mark)),
            ) {
                (Some(_), Some((place, text))) => write!(f, "term {next}: {place}, '{}': ", Lossy(text)),
                _ => Ok(()),
            })?;
            if let Some(error) = series.refusal() {
                refused(error)
            }
            term = if direct { returned } else { series.history().last().copied().unwrap_or(term) };
        }
        if self.only_last {
            series.line(term).unwrap_or_else(refused);
        }
        Ok(())
    }
}
