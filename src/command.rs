//! The commands. Each reads its options, compiles with a front end, runs the code and
//! reports the result. This file has the options that they share.

use crate::cli::{Arg, Cli, Outcome};
use barejit::run::step::Steps;
use barejit::run::{Map, Options, Perf, handle_faults};
use barejit_sys::{self as sys, PageSize, linux, process::arguments as words};

pub(crate) mod asm;
pub(crate) mod bf;
pub(crate) mod call;
pub(crate) mod chain;
pub(crate) mod disasm;
pub(crate) mod hello;
pub(crate) mod probe;
mod relation;
pub(crate) mod repl;
pub(crate) mod ret;
pub(crate) mod rpn;
pub(crate) mod run;
mod source;

/// The help text for the options of every command that runs code.
const RUNNING: &str = "  --map wx|rwx|dual|sealed|file
                    the way into executable memory. wx: pages that are written,
                    then made executable; rwx: one mapping for both; dual: two
                    views of a memory file; sealed: a sealed memory file; file:
                    two views of a nameless file. By default the first that the
                    host grants, and never rwx
  --sandbox         before the code runs, give up all rights that the rest of the
                    run does not need: most syscalls, and changes to the code
  --verbose         report each refused way into executable memory, and why
  --listing         print the code instead of running it: offset, bytes, Intel
                    notation, comments
  --step[=N]        report on standard error each instruction that runs, at most N, and
                    what it changes: registers, flags, memory
  --step-from NAME  the same from this symbol on
  --json            with --step: one JSON object an instruction
  --trace           report on standard error each step in the life of the code's
                    memory, with its line of /proc/self/maps; implies --verbose
  --perf map|jitdump
                    describe the code to perf. map: names in /tmp/perf-PID.map,
                    for --map wx and rwx only; jitdump: everything in jit-PID.dump
  --gdb             register the code with debuggers, as barejit_COMMAND
  --raw FILE        write the bytes of the code to FILE instead of running it; -
                    is standard output
";

/// Prints the `help` of a command that runs code, then the shared options, and exits.
fn help(cli: &Cli, help: &str) -> ! {
    let printed = cli.print(help).and_then(|()| cli.print(RUNNING));
    linux::exit(printed.err().unwrap_or(0).into())
}

/// Reads the arguments of a command that runs code. `own` takes each first and returns
/// whether it is one of the command's own; the others are the shared options.
pub(crate) fn arguments(
    cli: &mut Cli,
    help: &'static str,
    options: &mut Options<'_>,
    mut own: impl FnMut(&mut Cli, Arg) -> bool,
) {
    while let Some(argument) = cli.next() {
        match argument {
            Arg::Long(b"help") => self::help(cli, help),
            _ if own(cli, argument) || shared(cli, &argument, options) => {}
            _ => cli.unexpected(argument, &[help, RUNNING]),
        }
    }
    consistent(cli, options);
}

/// Refuses `--sandbox` with `--map rwx`: a sandbox allows no change to the code, and code in
/// a writable mapping can change itself.
pub(crate) fn consistent(cli: &Cli, options: &Options) {
    if options.sandbox && matches!(options.map, Some(Map::Unprotected)) {
        cli.usage(format_args!("--sandbox and --map rwx exclude each other: the code could change itself"));
    }
}

/// Runs a command with handlers for faults from its start, so that faults of barejit itself
/// are reported too.
pub(crate) fn guarded(cli: Cli, command: fn(Cli) -> Outcome) -> Outcome {
    cli.relocate();
    handle_faults().unwrap_or_else(|error| cli.refused(error));
    on_own_stack(cli, command)
}

/// Runs a command that writes files: above RLIMIT_FSIZE it gets EFBIG and no SIGXFSZ.
pub(crate) fn prepared(cli: Cli, command: fn(Cli) -> Outcome) -> Outcome {
    cli.relocate();
    sys::ignore_sigxfsz().unwrap_or_else(|error| cli.refused(error));
    on_own_stack(cli, command)
}

/// Runs the probe, which names rt_sigaction(2) before it makes that call: so it is made here
/// only where a limit on the size of files could end the process before.
pub(crate) fn probing(cli: Cli, command: fn(Cli) -> Outcome) -> Outcome {
    cli.relocate();
    const FSIZE: u32 = 1;
    if linux::getrlimit(FSIZE).is_ok_and(|[soft, _]| soft != u64::MAX) {
        return prepared(cli, command);
    }
    on_own_stack(cli, command)
}

/// Runs `hello`, `ret` or `call`, which show the fewest syscalls that run code. With other
/// options than those for the code and its mapping they are [`prepared`].
pub(crate) fn plain(cli: Cli, command: fn(Cli) -> Outcome) -> Outcome {
    if words().skip(2).any(|word| word.starts_with(b"-")) {
        cli.relocate();
    }
    let more = words().skip(2).any(|word| {
        let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
        // These choose the code and its mapping, and nothing else.
        let chooses = matches!(name, b"--map" | b"--layout" | b"--as-documented" | b"--panic");
        name.starts_with(b"--") && !chooses
    });
    if more { prepared(cli, command) } else { command(cli) }
}

/// Runs a command on a stack of its own, whose size does not depend on RLIMIT_STACK. If
/// memory for it is refused, the command runs on the kernel's stack.
fn on_own_stack(cli: Cli, command: fn(Cli) -> Outcome) -> Outcome {
    /// Only touched pages take memory.
    const SIZE: usize = 1 << 20;
    let (mut cli, mut outcome) = (Some(cli), Ok(()));
    let mut body = |stack| {
        if let Some(cli) = cli.take() {
            outcome = command(cli.on_stack(stack));
        }
    };
    if PageSize::needed(SIZE).and_then(|size| sys::with_stack(size, &mut body)).is_err() {
        body(0..0);
    }
    outcome
}

/// Reads one of the shared options into `options`; false if `argument` is none.
fn shared(cli: &mut Cli, argument: &Arg, options: &mut Options<'_>) -> bool {
    match argument {
        Arg::Long(b"map") => {
            options.map = Some(Map::named(cli.choice("--map", Map::NAMES), None));
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
                b"map" => Perf::Map,
                _ => Perf::Jitdump,
            });
        }
        Arg::Long(b"step") => {
            let most = cli.optional_number("--step: ", "not a number of instructions").unwrap_or(u64::MAX);
            options.tools.step = Some(Steps { most, ..options.tools.step.unwrap_or(Steps::ALL) });
        }
        Arg::Long(b"step-from") => {
            let from = Some(cli.value());
            options.tools.step = Some(Steps { from, ..options.tools.step.unwrap_or(Steps::ALL) });
        }
        Arg::Long(b"json") => {
            options.tools.step = Some(Steps { json: true, ..options.tools.step.unwrap_or(Steps::ALL) });
        }
        Arg::Long(b"gdb") => options.tools.gdb = true,
        Arg::Long(b"raw") => options.tools.raw = Some(cli.value()),
        _ => return false,
    }
    true
}
