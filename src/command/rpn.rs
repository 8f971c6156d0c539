//! `barejit rpn`: a relation over f64 in reverse Polish notation, term by term.

use super::relation::{self, Source};
use crate::cli::{Arg, Cli, Lossy, Outcome, integer};
use crate::command;
use barejit::{
    front::rpn::{Error, Relation},
    host::{
        number::{Counter, DECIMALS, Format},
        series::Series,
    },
    run::{self, Options},
};

const HELP: &str = "\
Usage: barejit rpn [OPTION…] [FILE]

Prints terms 0 to N of a relation over floating-point numbers in reverse Polish
notation: '(1) (2) +' is u(n) = u(n-1)+u(n-2). Tokens are numbers with sign and
exponent as you like; (k), the term k before; n, the index of the term; + - * /;
Q, the square root; and ~, which negates. A sign right before a number and not
right behind another token is the number's. Without -e, FILE or standard input has
the relation on its first line, 'INDEX:VALUE' on a line for each initial term, and
N on the last. Numbers print as the shortest text that reads back the same.

Options:
  -e RELATION       the relation; then --terms is needed
  --start X,X…      the initial terms, from term 0 on
  --terms N         the number of the last term
  --last            print the last term only
  --precision P     print P decimals, 0 to 22, as printf does
";

pub(crate) fn run(mut cli: Cli) -> Outcome {
    let (mut source, mut options) = (Source::default(), Options::GUARDED);
    let (mut start, mut only_last, mut format) = (None, false, Format::Shortest);
    while let Some(argument) = cli.next()? {
        match argument {
            Arg::Long("help") => return command::help(HELP),
            Arg::Short(b'e') => source.expression = Some(cli.value()?),
            Arg::Long("start") => start = Some(cli.value()?),
            Arg::Long("terms") => source.terms = Some(relation::terms(&mut cli)?),
            Arg::Long("last") => only_last = true,
            Arg::Long("precision") => {
                let value = cli.value()?;
                let decimals = integer(value, 64).and_then(|value| u32::try_from(value).ok());
                let decimals = decimals.filter(|decimals| *decimals <= DECIMALS);
                format = Format::Fixed(decimals.ok_or_else(|| {
                    cli.usage(format_args!("--precision: '{}' is not in 0 to {DECIMALS}", Lossy(value)))
                })?);
            }
            Arg::Positional(word) if source.file.is_none() => source.file = Some(word),
            _ if command::shared(&mut cli, &argument, &mut options)? => {}
            _ => return Err(command::unexpected(&cli, argument, HELP)),
        }
    }
    source.started = start.is_some();
    let text = source.text(&cli)?;
    let refuse = |error: Error| source.complain(&cli, &text, error.at, &error);
    let (relation, last) = match source.terms {
        None => Relation::parse_lines(&text).map_err(refuse)?,
        Some(last) => {
            let start = start.unwrap_or_default();
            let relation = Relation::parse(&text, start).map_err(|(in_start, error)| {
                if in_start {
                    cli.usage(format_args!("--start: byte {}: {error}", error.at + 1))
                } else {
                    refuse(error)
                }
            })?;
            (relation, last)
        }
    };
    // Given terms before term `last` + 1; the others are computed.
    let given = relation.initial();
    let given = &given[..given.len().min(usize::try_from(last).unwrap_or(usize::MAX).saturating_add(1))];
    let index = given.len() as u64;
    let count = last + 1 - index;
    let layout = relation.layout();
    let record = options.tools.explain();
    let last_code = if only_last && (count > 0 || relation::shows(&options)) {
        Some(relation.last(record).map_err(refuse)?)
    } else {
        None
    };
    let code = if only_last { None } else { Some(relation.series(record).map_err(refuse)?) };
    relation::with_output(&cli, |output| {
        let counter = Counter::new("", if only_last { last } else { 0 });
        let series = Series::new(output, layout.words(), layout.history, counter, format);
        let mut series = series.map_err(|error| cli.refused(error))?;
        for (word, term) in series.history().iter_mut().rev().zip(given.iter().rev()) {
            *word = term.to_bits();
        }
        let Some(code) = code else {
            let term = match (last_code, given.last()) {
                (Some(code), _) => {
                    let args = [series.address(), index, count, 0, 0, 0];
                    // SAFETY: (1, 2) the relation gave both the code and the layout of
                    // the memory, which alone it touches; (3) there are no call-backs;
                    // (4) nor output.
                    let result = unsafe { run::run(&code.code(), args, &options) };
                    cli.returned(&code.code(), result)?
                }
                (None, term) => term.map_or(0, |term| term.to_bits()),
            };
            return series.line(term).map_err(|error| cli.refused(error));
        };
        for term in given.iter().filter(|_| !relation::shows(&options)) {
            series.line(term.to_bits()).map_err(|error| cli.refused(error))?;
        }
        // SAFETY: (1) the relation gave both the code and the layout.
        let result = unsafe { relation::run(&code.code(), &mut series, index, count, &options) };
        relation::ended(&cli, &code.code(), &series, result, &|_, _| Ok(()))
    })
}
