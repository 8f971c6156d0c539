//! `barejit probe`: can a JIT work here, how, and if not, why?

use crate::cli::{self, Arg, Cli, Lossy, Outcome, Status};
use alloc::ffi::CString;
use barejit::{
    host::{self, Output},
    probe::{self, Out, Request, json, report, summary::Summary},
    sys::{self, Error, Fd, linux::trial::terminal_width},
};

const HELP: &str = "\
Usage: barejit probe [OPTION…] [FILE…]

Tries every way into executable memory, each in a process of its own: obtains it,
runs code, rewrites the code and runs it again. Tells what came of it, why, what to
do, and what that means for engines that people run. Leaves nothing behind. The
status is 0 if a JIT can work here without giving W^X up, or with --strategy if that
one works, and 4 if not.

Options:
  --json             one line of JSON instead of a table
  --strategy NAME    try this one alone
  --list             tell what can be tried, and try nothing
  --bench            measure what a rewrite costs, too
  --quiet            print nothing
  --summary          what the --json lines in the FILEs, of many hosts, say
                     together; - is standard input
";

/// What to print.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Table,
    Json,
    List,
    Quiet,
    Summary,
}

pub(crate) fn run(mut cli: Cli) -> Outcome {
    let (mut form, mut request, mut summary) = (Form::Table, Request::default(), Summary::default());
    let mut files = false;
    while let Some(argument) = cli.next()? {
        match argument {
            Arg::Long("help") => return cli::print(HELP),
            Arg::Long("json") => form = Form::Json,
            Arg::Long("list") => form = Form::List,
            Arg::Long("quiet") => form = Form::Quiet,
            Arg::Long("summary") => form = Form::Summary,
            Arg::Long("bench") => request.bench = true,
            Arg::Long("strategy") => {
                let name = cli.value()?;
                let row = probe::find(name);
                request.only = Some(row.ok_or_else(|| {
                    cli.usage(format_args!("--strategy: '{}' is in no row of --list", Lossy(name)))
                })?);
            }
            Arg::Positional(file) if form == Form::Summary => {
                files = true;
                let reports = contents(file).map_err(|error| cli.refused_for(file, error))?;
                summary.read(&reports);
            }
            _ => return Err(cli.unexpected(argument, &[HELP])),
        }
    }
    if form == Form::Summary && summary.hosts() == 0 {
        let what = if files { "--summary: no report in there" } else { "--summary needs a FILE" };
        return Err(cli.usage(format_args!("{what}")));
    }
    let probes = !matches!(form, Form::List | Form::Summary);
    let report = if probes { Some(probe::run(request)) } else { None };
    if form != Form::Quiet {
        print(&cli, &|out| match &report {
            Some(report) if form == Form::Json => {
                json::print(report, out);
                out.put("\n");
            }
            Some(report) => report::print(report, style(), out),
            None if form == Form::List => report::list(out),
            None => summary.print(out),
        })?;
    }
    match report {
        Some(report) if !report.is_usable(request) => Err(Status::Unusable as u8),
        _ => Ok(()),
    }
}

/// As the terminal and the person behind it want it; <https://no-color.org>.
fn style() -> report::Style {
    let terminal = sys::linux::is_terminal(Fd::STDOUT);
    let set = |name: &[u8]| sys::process::variable(name).is_some_and(|value| !value.is_empty());
    let dumb = sys::process::variable(b"TERM") == Some(b"dumb");
    report::Style {
        colour: terminal && !set(b"NO_COLOR") && !dumb,
        width: if terminal { terminal_width(Fd::STDOUT) } else { None },
    }
}

/// Prints through a buffer.
#[inline(never)]
fn print(cli: &Cli, body: &dyn Fn(&mut dyn Out)) -> Outcome {
    let mut buffer = [0; 4096];
    let mut sink = Sink { output: Output::new(Fd::STDOUT, &mut buffer), result: Ok(()) };
    body(&mut sink);
    sink.result.and_then(|()| sink.output.flush()).map_err(|error| cli.refused(error))
}

/// Output that keeps the first refusal, and then nothing.
struct Sink<'a> {
    output: Output<'a>,
    result: Result<(), Error>,
}

impl Out for Sink<'_> {
    fn put(&mut self, text: &str) {
        if self.result.is_ok() {
            self.result = self.output.write(text.as_bytes());
        }
    }
}

/// The reports in a file.
fn contents(file: &[u8]) -> Result<alloc::vec::Vec<u8>, Error> {
    const LIMIT: usize = 256 << 20;
    if file == b"-" {
        return host::read_to_end(Fd::STDIN, LIMIT);
    }
    let path = CString::new(file).map_err(|_| Error::new(sys::Sysno::open, sys::Errno::ENOENT))?;
    host::read_file(&path, LIMIT)
}
