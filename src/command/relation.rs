//! What `chain` and `rpn` have in common: what the command line says, where the
//! relation comes from, and how its terms get out.

use crate::cli::{Arg, Cli, Lossy, Outcome, integer};
use crate::command;
use alloc::vec;
use barejit::{
    front::{
        relation::{Error, Explained, Relation},
        text::Position,
    },
    host::{
        Output,
        number::{Counter, Format},
        series::{self, Series},
    },
    run::{self, Ending, Options},
    sys::Fd,
};

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
type Special<'a> = dyn FnMut(&mut Cli, Arg) -> Result<bool, u8> + 'a;

impl Request {
    /// Reads the options, of which `special` knows those of one command, and the
    /// text.
    pub(super) fn read(mut cli: Cli, help: &'static str, special: &mut Special<'_>) -> Result<Self, u8> {
        let (mut expression, mut file, mut start, mut terms) = (None, None, None, None);
        let (mut only_last, mut options) = (false, Options::GUARDED);
        while let Some(argument) = cli.next()? {
            match argument {
                Arg::Long("help") => return command::help(help).and(Err(0)),
                Arg::Short(b'e') => expression = Some(cli.value()?),
                Arg::Long("start") => start = Some(cli.value()?),
                Arg::Long("terms") => {
                    let value = cli.value()?;
                    let number = integer(value, 64).and_then(|number| u64::try_from(number).ok());
                    if number.is_none() {
                        let what = format_args!("--terms: '{}' is not a natural number", Lossy(value));
                        return Err(cli.usage(what));
                    }
                    terms = number;
                }
                Arg::Long("last") => only_last = true,
                Arg::Positional(word) if file.is_none() => file = Some(word),
                _ if special(&mut cli, argument)? || command::shared(&mut cli, &argument, &mut options)? => {}
                _ => return Err(command::unexpected(&cli, argument, help)),
            }
        }
        let text = match (expression, file) {
            (Some(_), Some(file)) => {
                return Err(cli.usage(format_args!("'{}' is a second source besides -e", Lossy(file))));
            }
            (Some(_), None) if terms.is_none() => {
                return Err(cli.usage(format_args!("-e needs --terms, the number of the last term")));
            }
            (Some(expression), None) => expression,
            (None, _) if start.is_some() || terms.is_some() => {
                let what = format_args!("--start and --terms go with -e; a file has its own");
                return Err(cli.usage(what));
            }
            (None, file) => cli.read(file.unwrap_or(b"-"), LIMIT)?.leak(),
        };
        Ok(Self { cli, file, text, start, terms, only_last, options })
    }

    /// Says what is wrong with the text, and where.
    pub(super) fn complain(&self, error: Error) -> u8 {
        let place = Position::of(self.text, error.at);
        match self.file {
            Some(file) => self.cli.usage(format_args!("{}: {place}: {error}", Lossy(file))),
            None => self.cli.usage(format_args!("{place}: {error}")),
        }
    }

    /// Prints the terms of `relation` up to number `last`, each behind `label` and
    /// its index, or the last alone; or shows the code.
    pub(super) fn print(&self, relation: &dyn Relation, last: u64, label: &str, format: Format) -> Outcome {
        let mut buffer = vec![0; BUFFER];
        let mut output = Output::new(Fd::STDOUT, &mut buffer);
        let layout = relation.layout();
        let counter = Counter::new(label, if self.only_last { last } else { 0 });
        let series = Series::new(&mut output, layout.words(), layout.history, counter, format);
        let mut series = series.map_err(|error| self.cli.refused(error))?;
        let outcome = self.run(relation, last, &mut series);
        let flushed = output.flush();
        // Of two failures the first is told.
        outcome?;
        flushed.map_err(|error| self.cli.refused(error))
    }

    fn run(&self, relation: &dyn Relation, last: u64, series: &mut Series<'_, '_>) -> Outcome {
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
            true => Some(relation.code(direct, tools.explain()).map_err(|error| self.complain(error))?),
            false => None,
        };
        if !self.only_last && !shows {
            given.iter().try_for_each(|term| series.line(*term)).map_err(refused)?;
        }
        let mut term = given.last().copied().unwrap_or(0);
        if let Some(compiled) = &compiled {
            series.silence(self.only_last);
            let code = compiled.code();
            let name = core::str::from_utf8(self.file.unwrap_or(b"-")).unwrap_or("-");
            let explained = Explained::new(self.text, name, code.marks());
            let code = code.with_source(&explained);
            let address = series.address();
            let first = if direct { relation.argument(address) } else { address };
            let options = self.options.rescuing(series.output());
            let cookie = core::ptr::from_mut(series) as u64;
            let args = [first, count, index, series::call_back as *const () as u64, cookie, 0];
            // SAFETY: (1) a relation gives such functions; (2) they stay in the layout,
            // which the series has too, and call back with its cookie; (3) the
            // call-back owns nothing; (4) the output outlives the series.
            let result = unsafe { run::run(&code, args, &options) };
            if let (Ok(Some(Ending::Faulted(_))), Some(word)) = (&result, relation.done()) {
                // The terms that the batch has so far.
                let done = series.batch()[relation.layout().batch + word];
                series.take(done as usize).map_err(refused)?;
            }
            // Terms are printed before what ended them is told.
            series.output().flush().map_err(refused)?;
            let next = series.taken() + index;
            let returned = cli.returned_from(&code, result, &|diagnosis, f| match (
                relation.done(),
                diagnosis.mark().and_then(|mark| explained.piece(mark)),
            ) {
                (Some(_), Some((place, text))) => write!(f, "term {next}: {place}, '{}': ", Lossy(text)),
                _ => Ok(()),
            })?;
            if let Some(error) = series.refusal() {
                return Err(refused(error));
            }
            term = if direct { returned } else { series.history().last().copied().unwrap_or(term) };
        }
        if self.only_last { series.line(term).map_err(refused) } else { Ok(()) }
    }
}
