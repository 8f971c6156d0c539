//! `barejit probe`: can a JIT work here, how, and if not, why?

use crate::cli::{self, Arg, Cli, Outcome, Status};
use alloc::vec::Vec;
use barejit::host::Output;
use barejit::probe::{self, Area, Out, Request, json, report, summary::Summary};
use barejit::watch::{self, Ended};
use barejit_sys::{self as sys, Error, Fd, linux};

const HELP: &str = "\
Usage: barejit probe [OPTION…] [FILE…]
       barejit probe [OPTION…] -- COMMAND [ARGUMENT…]

Tries every way into executable memory, each in a process of its own: obtains it,
runs code, rewrites the code and runs it again. Tells what came of it, why, what to
do, and what that means for engines that people run. Leaves nothing behind. The
status is 0 if a JIT can work here without giving W^X up, or with --strategy if that
one works, and 4 if not.

With a COMMAND it is run, and watched with all that it starts: each refused call that
has to do with executable memory, who made it, why it was refused, and what became of
the program. The status is the command's, and the report goes to standard error; there
is none if nothing was refused.

Options:
  --json             one line of JSON instead of a table
  --strategy NAME    try this one alone
  --list             tell what can be tried, and try nothing
  --bench            measure what a rewrite costs, too
  --quiet            print nothing
  --summary          what the --json lines in the FILEs, of many hosts, say
                     together; - is standard input
  --first            with a COMMAND: report at the first refusal
  --verbose          with a COMMAND: tell that nothing was refused, too
  --slow             with a COMMAND: stop it at every call, without a filter that
                     needs no_new_privs
  --output FILE      with a COMMAND: write the report to FILE
  --pid NUMBER       tell what can be known of this process from outside
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
    let mut watched = Watched::default();
    while let Some(argument) = cli.next() {
        match argument {
            Arg::Long(b"help") => return cli::print(HELP),
            Arg::Long(b"json") => choose(&cli, &mut form, Form::Json),
            Arg::Long(b"list") => choose(&cli, &mut form, Form::List),
            Arg::Long(b"quiet") => choose(&cli, &mut form, Form::Quiet),
            Arg::Long(b"summary") => choose(&cli, &mut form, Form::Summary),
            Arg::Long(b"bench") => request.bench = true,
            Arg::Long(b"first") => watched.first = true,
            Arg::Long(b"verbose") => watched.verbose = true,
            Arg::Long(b"slow") => watched.slow = true,
            Arg::Long(b"output") => watched.output = Some(cli.value()),
            Arg::Long(b"pid") => {
                watched.pid = Some(cli.number("--pid: ", 1, i32::MAX.into(), "no process number") as i32);
            }
            Arg::Long(b"strategy") => {
                let name = cli.value();
                let row = probe::find(name);
                request.only =
                    Some(row.unwrap_or_else(|| cli.invalid("--strategy: ", name, "in no row of --list")));
            }
            Arg::Positional(word) if cli.is_behind_dashes() => watched.command.push(word),
            Arg::Positional(file) => files.push(file),
            _ => cli.unexpected(argument, &[HELP]),
        }
    }
    if watched.is_asked_for() {
        let plain = request.only.is_none() && !request.bench && files.is_empty();
        if !plain || !matches!(form, None | Some(Form::Json)) {
            cli.usage(format_args!("options for the host do not go with a COMMAND or --pid"));
        }
        return watch(&cli, &watched, form == Some(Form::Json));
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

/// A program to watch, or a process to describe.
#[derive(Default)]
struct Watched {
    command: Vec<&'static [u8]>,
    first: bool,
    verbose: bool,
    slow: bool,
    output: Option<&'static [u8]>,
    pid: Option<i32>,
}

impl Watched {
    fn is_asked_for(&self) -> bool {
        let options = self.first || self.verbose || self.slow || self.output.is_some();
        options || self.pid.is_some() || !self.command.is_empty()
    }
}

/// Watches the command and ends as it did, or describes the process.
fn watch(cli: &Cli, watched: &Watched, json: bool) -> Outcome {
    let Watched { ref command, first, verbose, slow, output, pid } = *watched;
    if let Some(process) = pid {
        if json || first || verbose || slow || output.is_some() || !command.is_empty() {
            cli.usage(format_args!("--pid goes with no other option and no COMMAND"));
        }
        let text = watch::describe(process).unwrap_or_else(|error| cli.refused(error));
        return cli::print(&text);
    }
    if command.is_empty() {
        cli.usage(format_args!("--first, --verbose, --slow and --output need -- COMMAND"));
    }
    let request = watch::Request { command, first, verbose, slow, json, output };
    match watch::run(&request).unwrap_or_else(|error| cli.refused(error)) {
        Ended::Exited(0) => Ok(()),
        Ended::Exited(status) => Err(status),
        Ended::Killed(signal) => watch::die(signal),
        Ended::Failed => Err(Status::Refused as u8),
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
