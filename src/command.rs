//! The commands: each reads its options, asks a front end for code, has it run
//! and says what came of it.

use crate::cli::{self, Arg, Cli, Outcome};
use barejit::run::{Map, Options, Perf, handle_faults};
use barejit_sys::{self as sys, PageSize, linux, process::arguments as words};

pub(crate) mod bf;
pub(crate) mod call;
pub(crate) mod chain;
pub(crate) mod disasm;
pub(crate) mod hello;
pub(crate) mod probe;
mod relation;
pub(crate) mod ret;
pub(crate) mod rpn;
pub(crate) mod run;
mod source;

/// What `--help` says of the options that every command shares which runs code.
const RUNNING: &str = "  --map wx|rwx|dual|sealed|file
                    how code gets into executable memory; without it, the first
                    of these that this host grants, rwx left out: written, then
                    sealed; writable and executable at once; two views of a
                    memory file; a sealed memory file; a nameless file
  --sandbox         before running, give up every right that is not needed any
                    more: most syscalls, and any change to the code
  --verbose         tell which ways into executable memory were refused, and why
  --listing         print the code instead of running it: offset, bytes, Intel
                    notation, comments
  --trace           tell on standard error what happens to the memory of the code,
                    with its line of /proc/self/maps, and what --verbose tells
  --perf map|jitdump
                    tell perf about the code: names in /tmp/perf-PID.map, which
                    perf reads for wx and rwx only, or all of it in jit-PID.dump
  --gdb             register the code with debuggers, as barejit_COMMAND
  --raw FILE        write the bare bytes to FILE instead; - is standard output
";

/// Prints the `help` of a command that runs code, which ends among its options.
fn help(help: &str) -> ! {
    let printed = cli::print(help).and_then(|()| cli::print(RUNNING));
    linux::exit(printed.err().unwrap_or(0).into())
}

/// Reads the arguments: of those that not every command shares which runs code, `own`
/// says whether it knows them, and then has them.
pub(crate) fn arguments(
    cli: &mut Cli,
    help: &'static str,
    options: &mut Options<'_>,
    own: &mut dyn FnMut(&mut Cli, Arg) -> bool,
) {
    while let Some(argument) = cli.next() {
        match argument {
            Arg::Long(b"help") => self::help(help),
            _ if own(cli, argument) || shared(cli, &argument, options) => {}
            _ => cli.unexpected(argument, &[help, RUNNING]),
        }
    }
    consistent(cli, options);
}

/// Refuses what would break a promise: a sandbox allows no change to the code, and a
/// mapping for everything can be written by the code itself.
pub(crate) fn consistent(cli: &Cli, options: &Options) {
    if options.sandbox && matches!(options.map, Some(Map::Unprotected)) {
        cli.usage(format_args!("--sandbox and --map rwx exclude each other: the code could change itself"));
    }
}

/// Runs a command whose faults are told from the start, before there is any code:
/// its own too.
pub(crate) fn watched(cli: Cli, command: fn(Cli) -> Outcome) -> Outcome {
    handle_faults().unwrap_or_else(|error| cli.refused(error));
    on_own_stack(cli, command)
}

/// Runs a command that writes: a limit on the size of files is an answer and no signal.
pub(crate) fn prepared(cli: Cli, command: fn(Cli) -> Outcome) -> Outcome {
    sys::ignore_sigxfsz().unwrap_or_else(|error| cli.refused(error));
    on_own_stack(cli, command)
}

/// Runs one of the commands that are there to show which syscalls it takes to run code:
/// as it is, or prepared if it is told to do more.
pub(crate) fn shown(cli: Cli, command: fn(Cli) -> Outcome) -> Outcome {
    /// They choose the code and its mapping, and nothing else.
    const CHOICES: [&[u8]; 4] = [b"--map", b"--layout", b"--as-documented", b"--panic"];
    let more = words().skip(2).any(|word| {
        let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.starts_with(b"--") && !CHOICES.contains(&name)
    });
    if more { prepared(cli, command) } else { command(cli) }
}

/// Runs a command on a stack that is as large wherever it runs. Where memory for one is
/// refused, the kernel's must do.
#[inline(never)]
fn on_own_stack(cli: Cli, command: fn(Cli) -> Outcome) -> Outcome {
    /// Only touched pages take memory.
    const SIZE: usize = 1 << 20;
    let (mut cli, mut outcome) = (Some(cli), Ok(()));
    let mut body = || {
        if let Some(cli) = cli.take() {
            outcome = command(cli);
        }
    };
    if PageSize::needed(SIZE).and_then(|size| sys::with_stack(size, &mut body)).is_err() {
        body();
    }
    outcome
}

/// Whether `argument` is an option that every command shares which runs code;
/// then `options` has it.
fn shared(cli: &mut Cli, argument: &Arg, options: &mut Options<'_>) -> bool {
    match argument {
        Arg::Long(b"map") => {
            let place = cli.choice("--map", Map::names(None));
            options.map = Some(Map::chosen(place, None));
        }
        Arg::Long(b"sandbox") => options.sandbox = true,
        Arg::Long(b"verbose") => options.verbose = Some(cli.command()),
        Arg::Long(b"listing") => options.tools.listing = true,
        Arg::Long(b"trace") => {
            options.tools.trace = true;
            options.verbose = Some(cli.command());
        }
        Arg::Long(b"perf") => {
            options.tools.perf = Some(match cli.choice("--perf", "map jitdump") {
                0 => Perf::Map,
                _ => Perf::Jitdump,
            });
        }
        Arg::Long(b"gdb") => options.tools.gdb = true,
        Arg::Long(b"raw") => options.tools.raw = Some(cli.value()),
        _ => return false,
    }
    true
}
