//! The commands: each reads its options, asks a front end for code, has it run
//! and says what came of it.

use crate::cli::{Cli, Word};
use barejit::run::{Map, Options};
use getargs::Arg;

/// What `--help` says of the options that every command shares which runs code.
macro_rules! running_help {
    () => {
        "  --map wx|rwx|dual|sealed|file
                    how code gets into executable memory; without it, the first
                    of these that this host grants, rwx left out: written, then
                    sealed; writable and executable at once; two views of a
                    memory file; a sealed memory file; a nameless file
  --sandbox         before running, give up every right that is not needed any
                    more: most syscalls, and any change to the code
  --verbose         tell which of them were refused, and why
"
    };
}

pub(crate) mod call;
pub(crate) mod hello;
pub(crate) mod ret;
pub(crate) mod run;

/// Whether `argument` is an option that every command shares which runs code;
/// then `options` has it.
pub(crate) fn shared(cli: &mut Cli, argument: &Arg<Word>, options: &mut Options) -> Result<bool, u8> {
    match argument {
        Arg::Long(Word(b"map")) => {
            let place = cli.choice("--map", Map::names(None))?;
            options.map = Some(Map::chosen(place, None));
        }
        Arg::Long(Word(b"sandbox")) => options.sandbox = true,
        Arg::Long(Word(b"verbose")) => options.verbose = Some(cli.command()),
        _ => return Ok(false),
    }
    Ok(true)
}
