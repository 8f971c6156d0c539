//! `barejit probe`: can a JIT work here, how, and if not, why?

use crate::cli::{Arg, Cli, Outcome, Status};
use alloc::vec::Vec;
use barejit::host::Output;
use barejit::probe::{self, Area, Out, Request, Strategy, engines, json, report, summary::Summary};
use barejit::watch::{self, Ended};
use barejit_sys::{self as sys, Error, Fd, linux};

const HELP: &str = "\
Usage: barejit probe [OPTION…] [FILE…]
       barejit probe [OPTION…] -- COMMAND [ARGUMENT…]

Tries every way into executable memory, each in a process of its own: obtains it,
runs code, rewrites the code and runs it again. Reports which ways fail, why, and what
helps; which engines need them, what each will print, and the setting that cures it.
Leaves nothing behind. The status is 0 if a JIT can work here without giving W^X up,
or with --strategy if that one works, and 4 if not.

With a COMMAND, runs it and traces it with all processes that it starts. Reports each
refused call for executable memory: which function made it, why it was refused, and how
the program went on. The status is the command's. The report goes to standard error;
there is none if nothing was refused.

Options:
  --all              report every strategy and every engine, not failures alone
  --engine NAME      report on this engine: its calls, their answers here, how it
                     ends, its settings and their price
  --json             one line of JSON instead
  --strategy NAME    try this one alone
  --list             list the strategies and try none
  --bench            measure the time of a rewrite, too
  --quiet            print nothing
  --summary          sum up the --json lines of many hosts in the FILEs; - is
                     standard input
  --first            with a COMMAND: report at the first refusal
  --verbose          with a COMMAND: report even if nothing was refused
  --slow             with a COMMAND: stop it at every call, by no filter, so that
                     it runs without no_new_privs
  --output FILE      with a COMMAND: write the report to FILE
  --pid NUMBER       report on a running process, from outside
";

/// The longest file of reports that is read.
const LIMIT: usize = 256 << 20;

/// The form of the report.
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
    let (mut engine, mut everything) = (None, false);
    let mut watched = Watched::default();
    while let Some(argument) = cli.next() {
        match argument {
            Arg::Long(b"help") => return cli.print(HELP),
            Arg::Long(b"json") => choose(&cli, &mut form, Form::Json),
            Arg::Long(b"list") => choose(&cli, &mut form, Form::List),
            Arg::Long(b"quiet") => choose(&cli, &mut form, Form::Quiet),
            Arg::Long(b"summary") => choose(&cli, &mut form, Form::Summary),
            Arg::Long(b"all") => everything = true,
            Arg::Long(b"bench") => request.bench = true,
            Arg::Long(b"first") => watched.first = true,
            Arg::Long(b"verbose") => watched.verbose = true,
            Arg::Long(b"slow") => watched.slow = true,
            Arg::Long(b"output") => watched.output = Some(cli.value()),
            Arg::Long(b"pid") => {
                watched.pid = Some(cli.number("--pid: ", 1, i32::MAX.into(), "no process number") as i32);
            }
            Arg::Long(b"engine") => {
                let name = cli.value();
                let found = engines::find(name);
                engine =
                    Some(found.unwrap_or_else(|| cli.invalid("--engine: ", name, "in no line of --all")));
            }
            Arg::Long(b"strategy") => {
                let name = cli.value();
                let found = Strategy::find(name);
                request.only =
                    Some(found.unwrap_or_else(|| cli.invalid("--strategy: ", name, "in no row of --list")));
            }
            Arg::Positional(word) if cli.is_behind_dashes() => watched.command.push(word),
            Arg::Positional(file) => files.push(file),
            _ => cli.unexpected(argument, &[HELP]),
        }
    }
    if watched.is_asked_for() {
        let plain = request.only.is_none() && !request.bench && engine.is_none() && !everything;
        if !plain || !files.is_empty() || !matches!(form, None | Some(Form::Json)) {
            cli.usage(format_args!("options for the host do not go with a COMMAND or --pid"));
        }
        return watch(&cli, &watched, form == Some(Form::Json));
    }
    let form = form.unwrap_or(Form::Table);
    if engine.is_some() && (request.only.is_some() || form != Form::Table) {
        cli.usage(format_args!("--engine goes with no other form and with no --strategy"));
    }
    match (form, &files[..]) {
        (Form::Summary, files) => return summarise(&cli, files),
        (_, [file, ..]) => cli.unexpected(Arg::Positional(file), &[]),
        (Form::List, []) => return print(&cli, &mut |sink| report::list(sink)),
        (_, []) => {}
    }
    let mut area = Area::default();
    let mut usable = false;
    // A measurement is for those who look at all of it.
    let style = style(everything || request.bench);
    print(&cli, &mut |sink| {
        if form == Form::Json {
            json::begin(sink);
        }
        let mut first = true;
        let report = probe::run(request, &mut area, &mut |call| {
            let first = core::mem::take(&mut first);
            match form {
                Form::Quiet => return,
                Form::Json => json::announce(first, call, sink),
                _ => report::announce(first, call, sink),
            }
            sink.flush();
        });
        if !matches!(form, Form::Quiet | Form::Json) {
            sink.put(".\n");
        }
        usable = report.is_usable(request);
        match (form, &engine) {
            (Form::Json, _) => {
                json::print(&report, sink);
                sink.put("\n");
            }
            (Form::Quiet, _) => {}
            (_, Some(engine)) => report::print_engine(&report, engine, style, sink),
            _ => report::print(&report, style, sink),
        }
    })?;
    if usable { Ok(()) } else { Err(Status::Unusable as u8) }
}

/// Prints the summary of the reports in `files`.
fn summarise(cli: &Cli, files: &[&[u8]]) -> Outcome {
    let mut summary = Summary::default();
    if files.is_empty() {
        cli.usage(format_args!("--summary needs a FILE"));
    }
    for file in files {
        summary.read(&cli.read(file, LIMIT));
    }
    if summary.hosts() == 0 {
        cli.usage(format_args!("--summary: no report in there"));
    }
    print(cli, &mut |sink| summary.print(sink))
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
        return cli.print(&text);
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
fn style(everything: bool) -> report::Style {
    let terminal = linux::is_terminal(Fd::STDOUT);
    let set = |name: &[u8]| sys::process::variable(name).is_some_and(|value| !value.is_empty());
    let dumb = sys::process::variable(b"TERM") == Some(b"dumb");
    let colour = terminal && !set(b"NO_COLOR") && !dumb;
    report::Style { colour, width: linux::terminal_width(Fd::STDOUT), everything }
}

/// Prints through a buffer.
fn print(cli: &Cli, body: &mut dyn FnMut(&mut Sink<'_>)) -> Outcome {
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

impl Sink<'_> {
    /// Writes out what there is.
    fn flush(&mut self) {
        if self.result.is_ok() {
            self.result = self.output.flush();
        }
    }
}

impl Out for Sink<'_> {
    fn put(&mut self, text: &str) {
        if self.result.is_ok() {
            self.result = self.output.write(text.as_bytes());
        }
    }
}
