//! `barejit probe`: can a JIT work here, how, and if not, why?

use crate::cli::{self, Arg, Cli, Outcome, Status};
use alloc::vec::Vec;
use barejit::host::Output;
use barejit::probe::{self, Area, Out, Request, json, report, summary::Summary};
use barejit_sys::{self as sys, Error, Fd, linux};

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

/// The longest file of reports that is read.
const LIMIT: usize = 256 << 20;

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
    let (mut form, mut request, mut files) = (None, Request::default(), Vec::new());
    while let Some(argument) = cli.next() {
        match argument {
            Arg::Long(b"help") => return cli::print(HELP),
            Arg::Long(b"json") => choose(&cli, &mut form, Form::Json),
            Arg::Long(b"list") => choose(&cli, &mut form, Form::List),
            Arg::Long(b"quiet") => choose(&cli, &mut form, Form::Quiet),
            Arg::Long(b"summary") => choose(&cli, &mut form, Form::Summary),
            Arg::Long(b"bench") => request.bench = true,
            Arg::Long(b"strategy") => {
                let name = cli.value();
                let row = probe::find(name);
                request.only =
                    Some(row.unwrap_or_else(|| cli.invalid("--strategy: ", name, "in no row of --list")));
            }
            Arg::Positional(file) => files.push(file),
            _ => cli.unexpected(argument, &[HELP]),
        }
    }
    let form = form.unwrap_or(Form::Table);
    let mut summary = Summary::default();
    match (form, &files[..]) {
        (Form::Summary, []) => cli.usage(format_args!("--summary needs a FILE")),
        (Form::Summary, files) => {
            for file in files {
                summary.read(&cli.read(file, LIMIT));
            }
            if summary.hosts() == 0 {
                cli.usage(format_args!("--summary: no report in there"));
            }
        }
        (_, [file, ..]) => cli.unexpected(Arg::Positional(file), &[]),
        (_, []) => {}
    }
    let mut area = Area::default();
    let probes = !matches!(form, Form::List | Form::Summary);
    let report = if probes { Some(probe::run(request, &mut area)) } else { None };
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
    match &report {
        Some(report) if !report.is_usable(request) => Err(Status::Unusable as u8),
        _ => Ok(()),
    }
}

/// Has `form` printed, unless it was to be another.
fn choose(cli: &Cli, chosen: &mut Option<Form>, form: Form) {
    if chosen.replace(form).is_some_and(|other| other != form) {
        cli.usage(format_args!("--json, --list, --quiet and --summary exclude each other"));
    }
}

/// As the terminal and the person behind it want it; <https://no-color.org>.
fn style() -> report::Style {
    let terminal = linux::is_terminal(Fd::STDOUT);
    let set = |name: &[u8]| sys::process::variable(name).is_some_and(|value| !value.is_empty());
    let dumb = sys::process::variable(b"TERM") == Some(b"dumb");
    report::Style { colour: terminal && !set(b"NO_COLOR") && !dumb, width: linux::terminal_width(Fd::STDOUT) }
}

/// Prints through a buffer.
#[inline(never)]
fn print(cli: &Cli, body: &dyn Fn(&mut dyn Out)) -> Outcome {
    // A trial in this process has taken it back.
    sys::ignore_sigxfsz().unwrap_or_else(|error| cli.refused(error));
    let mut buffer = [0; 4096];
    let mut sink = Sink { output: Output::new(Fd::STDOUT, &mut buffer), result: Ok(()) };
    body(&mut sink);
    sink.result.and_then(|()| sink.output.flush()).unwrap_or_else(|error| cli.refused(error));
    Ok(())
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
