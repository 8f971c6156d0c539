//! `barejit chain`: a relation over 64-bit integers, term by term.

use super::relation::{self, Source};
use crate::cli::{Arg, Cli, Lossy, Outcome, integer};
use crate::command;
use barejit::{
    front::{
        assembled::Assembled,
        chain::{Error, Relation},
        text::Position,
    },
    host::{
        Output,
        number::{Counter, Format},
        series::Series,
    },
    run::{self, Options},
};

const HELP: &str = "\
Usage: barejit chain [OPTION…] [FILE]

Prints terms 0 to N of a relation that makes each term from the one before by a
chain of operators: '+2 *3 -5' is u(n+1) = (u(n)+2)*3-5. Integers have 64 bits
and wrap; operands are decimal or 0x hexadecimal, with an optional sign. The
operators are + - * / % ^ & | and, for shifts by 0 to 63, < and >; / and % round
towards zero, > keeps the sign. Without -e, FILE or standard input has the
relation on its first line and 'START N' on its second.

Options:
  -e RELATION       the relation; then --start and --terms are needed
  --start N         term 0
  --terms N         the number of the last term
  --last            print the last term only
  --as-documented   the article's bytes: + - * / only, and wrong quotients or
                    SIGFPE for negative dividends
";

pub(crate) fn run(mut cli: Cli) -> Outcome {
    let (mut source, mut options) = (Source::default(), Options::GUARDED);
    let (mut start, mut only_last, mut as_documented) = (None, false, false);
    while let Some(argument) = cli.next()? {
        match argument {
            Arg::Long("help") => return command::help(HELP),
            Arg::Short(b'e') => source.expression = Some(cli.value()?),
            Arg::Long("start") => {
                let value = cli.value()?;
                start = Some(integer(value, 64).ok_or_else(|| {
                    cli.usage(format_args!("--start: '{}' is not an integer of 64 bits", Lossy(value)))
                })?);
            }
            Arg::Long("terms") => source.terms = Some(relation::terms(&mut cli)?),
            Arg::Long("last") => only_last = true,
            Arg::Long("as-documented") => as_documented = true,
            Arg::Positional(word) if source.file.is_none() => source.file = Some(word),
            _ if command::shared(&mut cli, &argument, &mut options)? => {}
            _ => return Err(command::unexpected(&cli, argument, HELP)),
        }
    }
    source.started = start.is_some();
    let text = source.text(&cli)?;
    let refuse = |error: Error| source.complain(&cli, &text, error.at, &error);
    let (relation, start, last) = match (source.terms, start) {
        (None, _) => Relation::parse_lines(&text).map_err(refuse)?,
        (Some(last), Some(start)) => (Relation::parse(&text).map_err(refuse)?, start, last),
        (Some(_), None) => return Err(cli.usage(format_args!("-e needs --start, the value of term 0"))),
    };
    let job = Job { cli: &cli, relation: &relation, text: &text, start, last, options: &options };
    let record = options.tools.explain();
    match (as_documented, only_last) {
        (true, _) => job.documented(&relation.documented(record).map_err(refuse)?, only_last),
        (false, true) => job.last(&relation.last(start, record).map_err(refuse)?),
        (false, false) => job.all(&relation.series(start, record).map_err(refuse)?),
    }
}

struct Job<'a> {
    cli: &'a Cli,
    relation: &'a Relation,
    text: &'a [u8],
    start: i64,
    last: u64,
    options: &'a Options,
}

impl Job<'_> {
    /// The last term only.
    fn last(&self, code: &Assembled) -> Outcome {
        let args = [self.start as u64, self.last, 0, 0, 0, 0];
        // SAFETY: (1, 2) a function of two integers that touches nothing else;
        // (3) there are no call-backs; (4) nor output.
        let result = unsafe { run::run(&code.code(), args, self.options) };
        self.print_last(self.cli.returned(&code.code(), result)?)
    }

    fn print_last(&self, term: u64) -> Outcome {
        relation::print_last("Term ", self.last, format_args!("{}", term as i64))
    }

    fn series<'a, 'b>(&self, output: &'a mut Output<'b>) -> Result<Series<'a, 'b>, u8> {
        let layout = self.relation.layout();
        let series =
            Series::new(output, layout.words(), layout.history, Counter::new("Term ", 0), Format::Integer);
        let mut series = series.map_err(|error| self.cli.refused(error))?;
        series.history()[0] = self.start as u64;
        Ok(series)
    }

    /// Term 0.
    fn first(&self, series: &mut Series<'_, '_>) -> Outcome {
        if relation::shows(self.options) {
            return Ok(());
        }
        series.line(self.start as u64).map_err(|error| self.cli.refused(error))
    }

    /// All terms.
    fn all(&self, code: &Assembled) -> Outcome {
        relation::with_output(self.cli, |output| {
            let mut series = self.series(output)?;
            self.first(&mut series)?;
            // SAFETY: (1) the relation gave both the code and the layout.
            let result = unsafe { relation::run(&code.code(), &mut series, 1, self.last, self.options) };
            relation::ended(self.cli, &code.code(), &series, result, &|_, _| Ok(()))
        })
    }

    /// The documented bytes, whose divisions can fault.
    fn documented(&self, code: &Assembled, only_last: bool) -> Outcome {
        let mut term = 0;
        relation::with_output(self.cli, |output| {
            let mut series = self.series(output)?;
            if only_last {
                series = series.silent();
            } else {
                self.first(&mut series)?;
            }
            // SAFETY: (1) the relation gave both the code and the layout.
            let result = unsafe { relation::run(&code.code(), &mut series, 1, self.last, self.options) };
            if let Ok(run::Outcome::Faulted(_)) = result {
                // The terms that the batch has so far.
                let done = series.batch()[self.relation.layout().batch + Relation::DONE];
                series.take(done as usize).map_err(|error| self.cli.refused(error))?;
            }
            term = series.history()[0];
            let next = series.taken() + 1;
            relation::ended(self.cli, &code.code(), &series, result, &|diagnosis, f| {
                write!(f, "term {next}: ")?;
                match diagnosis.mark().and_then(|mark| self.relation.describe(mark.source)) {
                    Some(step) => {
                        let place = Position::of(self.text, step.at as usize);
                        write!(f, "{place}, '{}{}': ", char::from(step.operator as u8), step.operand)
                    }
                    None => Ok(()),
                }
            })
        })?;
        if only_last { self.print_last(term) } else { Ok(()) }
    }
}
