//! The command line of `chain` and `rpn`: options, the text of the relation, and running
//! its code.
//!
//! It knows neither language: a front end gives it a [`Recurrence`].

use crate::cli::{Arg, Cli, Lossy, Outcome};
use crate::command;
use alloc::{format, vec};
use barejit::{
    front::{
        Recorded,
        relation::{Explained, Function, Recurrence},
        text::{Error, Position},
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

/// The options, and the text that they name.
pub(super) struct Request {
    pub(super) cli: Cli,
    file: Option<&'static [u8]>,
    /// The relation, or all the lines, as long as the process lives.
    pub(super) text: &'static [u8],
    pub(super) start: Option<&'static [u8]>,
    /// The number of the last term; without one, the lines have it.
    pub(super) terms: Option<u64>,
    only_last: bool,
    ir: bool,
    options: Options<'static>,
}

/// Reads an argument that only one of both commands has; the answer is whether it has.
type Special<'a> = dyn FnMut(&mut Cli, Arg) -> bool + 'a;

impl Request {
    /// Reads the options, of which `special` knows those of one command, and the
    /// text.
    pub(super) fn read(mut cli: Cli, help: &'static str, special: &mut Special<'_>) -> Self {
        let (mut expression, mut file, mut start, mut terms) = (None, None, None, None);
        let (mut only_last, mut ir, mut options) = (false, false, Options::GUARDED);
        command::arguments(&mut cli, help, &mut options, |cli, argument| {
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
                Arg::Long(b"ir") => ir = true,
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
        Self { cli, file, text, start, terms, only_last, ir, options }
    }

    /// Reports an error in the text with its place, and ends the process.
    pub(super) fn complain(&self, error: Error) -> ! {
        let place = Position::of(self.text, error.at);
        match self.file {
            Some(file) => self.cli.usage(format_args!("{}: {place}: {error}", Lossy(file))),
            None => self.cli.usage(format_args!("{place}: {error}")),
        }
    }

    /// Prints the terms of `relation` up to number `last`, each behind `label` and
    /// its index, or the last alone; or shows the code or how it is compiled.
    pub(super) fn print(&self, relation: &dyn Recurrence, last: u64, label: &str, format: Format) -> Outcome {
        let mut buffer = vec![0; BUFFER];
        let mut output = Output::new(Fd::STDOUT, &mut buffer);
        if self.ir {
            return self.print_ir(relation, &mut output);
        }
        let layout = relation.layout();
        let counter = Counter::new(label, if self.only_last { last } else { 0 });
        let series =
            Series::new(&mut output, layout.words(), layout.history, counter, format, self.only_last);
        let mut series = series.unwrap_or_else(|error| self.cli.refused(error));
        let outcome = self.run(relation, last, &mut series);
        let flushed = output.flush();
        // The first of two failures is reported.
        outcome?;
        flushed.unwrap_or_else(|error| self.cli.refused(error));
        Ok(())
    }

    /// Prints the intermediate representation after each pass.
    fn print_ir(&self, relation: &dyn Recurrence, output: &mut Output<'_>) -> Outcome {
        let mut separator = "";
        let refused = |error| self.cli.refused(error);
        relation.passes(self.function(relation), &mut |pass, body| {
            let text = format!("{separator}; after {pass}\n{body}");
            output.write(text.as_bytes()).unwrap_or_else(refused);
            separator = "\n";
        });
        output.flush().unwrap_or_else(refused);
        Ok(())
    }

    /// Compiles the relation and runs the code for the terms that are not given.
    fn run(&self, relation: &dyn Recurrence, last: u64, series: &mut Series<'_, '_>) -> Outcome {
        let tools = &self.options.tools;
        let refused = |error| self.cli.refused(error);
        let shows = tools.listing || tools.raw.is_some();
        let given = relation.given();
        // The given terms up to number `last`; the others are computed.
        let given = &given[..given.len().min(usize::try_from(last).unwrap_or(usize::MAX).saturating_add(1))];
        let index = given.len() as u64;
        let count = last + 1 - index;
        for (word, term) in series.history().iter_mut().rev().zip(given.iter().rev()) {
            *word = *term;
        }
        // Nothing is printed before the code is there: a relation can be too long for it.
        let compiled = (count > 0 || shows).then(|| {
            let code = relation.code(self.function(relation), tools.explain());
            code.unwrap_or_else(|error| self.complain(error))
        });
        if !self.only_last && !shows {
            given.iter().try_for_each(|term| series.line(*term)).unwrap_or_else(refused);
        }
        let mut term = given.last().copied();
        if let Some(compiled) = &compiled {
            term = self.call(relation, compiled, series, count, index)?.or(term);
        }
        if self.only_last
            && let Some(term) = term
        {
            series.line(term).unwrap_or_else(refused);
        }
        Ok(())
    }

    /// The function for the terms that are printed.
    fn function(&self, relation: &dyn Recurrence) -> Function {
        match self.only_last && relation.has_last_term() {
            true => Function::LastTerm,
            false => Function::Series,
        }
    }

    /// Calls the code for `count` terms from number `index` on, and gives the last of them
    /// if there is one.
    fn call(
        &self,
        relation: &dyn Recurrence,
        compiled: &Recorded,
        series: &mut Series<'_, '_>,
        count: u64,
        index: u64,
    ) -> Result<Option<u64>, u8> {
        let refused = |error| self.cli.refused(error);
        let code = compiled.code();
        let name = sys::utf8(self.file.unwrap_or(b"-")).unwrap_or("-");
        let explained = Explained::new(self.text, name, code.marks());
        let code = code.with_source(&explained);
        let address = series.address();
        let cookie = core::ptr::from_mut(series) as u64;
        let options = self.options.flushing(series.output());
        let args = [address, count, index, series::call_back as *const () as u64, cookie, 0];
        // SAFETY: (1) a relation gives such functions; (2) they stay in the layout,
        // which the series has too, and call back with its cookie; (3) the
        // call-back owns nothing; (4) the output outlives the series.
        let result = unsafe { run::run(&code, args, &options) };
        if let (Ok(Some(Ending::Faulted(_))), Some(slot)) = (&result, relation.completed_slot()) {
            // The batch has this many terms before the fault.
            let completed = series.batch()[relation.layout().batch + slot];
            series.take(completed as usize).unwrap_or_else(refused);
        }
        // Terms are printed before the message about the fault behind them.
        series.output().flush().unwrap_or_else(refused);
        let next = series.taken() + index;
        let returned = self.cli.returned_from(&code, result, &|diagnosis, f| {
            let piece = diagnosis.mark().and_then(|mark| explained.piece(mark));
            match (relation.completed_slot(), piece) {
                (Some(_), Some((position, text))) => {
                    write!(f, "term {next}: {position}, '{}': ", Lossy(text))
                }
                _ => Ok(()),
            }
        })?;
        if let Some(error) = series.refusal() {
            refused(error)
        }
        Ok(match self.function(relation) {
            Function::LastTerm => Some(returned),
            Function::Series => series.history().last().copied(),
        })
    }
}
