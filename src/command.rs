//! The commands: each reads its options, asks a front end for code, has it run
//! and says what came of it.

use crate::cli::{self, Arg, Cli, Outcome};
use barejit::{
    code::Code,
    front::Recorded,
    run::{Map, Options, Perf, handle_faults},
};

pub(crate) mod bf;
pub(crate) mod call;
pub(crate) mod chain;
pub(crate) mod hello;
pub(crate) mod probe;
mod relation;
pub(crate) mod ret;
pub(crate) mod rpn;
pub(crate) mod run;

/// What `--help` says of the options that every command shares which runs code.
const RUNNING: &str = "  --map wx|rwx|dual|sealed|file
                    how code gets into executable memory; without it, the first
                    of these that this host grants, rwx left out: written, then
                    sealed; writable and executable at once; two views of a
                    memory file; a sealed memory file; a nameless file
  --sandbox         before running, give up every right that is not needed any
                    more: most syscalls, and any change to the code
  --verbose         tell which of them were refused, and why
  --listing         print the code instead of running it: offset, bytes, Intel
                    notation, comments
  --trace           tell on standard error what happens to the memory of the code,
                    with its line of /proc/self/maps
  --perf map|jitdump
                    tell perf about the code: names in /tmp/perf-PID.map, which
                    perf reads for wx and rwx only, or all of it in jit-PID.dump
  --gdb             register the code with debuggers, as barejit_COMMAND
  --raw FILE        write the bare bytes to FILE instead; - is standard output
";

/// Prints the `help` of a command that runs code, which ends among its options.
pub(crate) fn help(help: &str) -> Outcome {
    cli::print(help)?;
    cli::print(RUNNING)
}

/// An argument that neither such a `help` nor the shared options know.
#[inline(never)]
pub(crate) fn unexpected(cli: &Cli, argument: Arg, help: &'static str) -> u8 {
    cli.unexpected(argument, &[help, RUNNING])
}

/// Runs a command whose faults are told from the start, before there is any code:
/// its own too.
pub(crate) fn watched(cli: Cli, command: fn(Cli) -> Outcome) -> Outcome {
    handle_faults().map_err(|error| cli.refused(error))?;
    command(cli)
}

/// `code` with its record, if somebody wanted one.
pub(crate) fn explained<'a>(code: Code<'a>, recorded: &'a Option<Recorded>) -> Code<'a> {
    match recorded {
        Some(recorded) => recorded.annotate(code),
        None => code,
    }
}

/// Whether `argument` is an option that every command shares which runs code;
/// then `options` has it.
pub(crate) fn shared(cli: &mut Cli, argument: &Arg, options: &mut Options) -> Result<bool, u8> {
    match argument {
        Arg::Long("map") => {
            let place = cli.choice("--map", Map::names(None))?;
            options.map = Some(Map::chosen(place, None));
        }
        Arg::Long("sandbox") => options.sandbox = true,
        Arg::Long("verbose") => options.verbose = Some(cli.command()),
        Arg::Long("listing") => options.tools.listing = true,
        Arg::Long("trace") => {
            options.tools.trace = true;
            options.verbose = Some(cli.command());
        }
        Arg::Long("perf") => {
            options.tools.perf = Some(match cli.choice("--perf", "map jitdump")? {
                0 => Perf::Map,
                _ => Perf::Jitdump,
            });
        }
        Arg::Long("gdb") => options.tools.gdb = true,
        Arg::Long("raw") => options.tools.raw = Some(cli.value()?),
        _ => return Ok(false),
    }
    Ok(true)
}
