//! `barejit hello`: the stub, and a caller that checks its result and completes a short
//! write.

use crate::cli::{Arg, Cli, Outcome};
use crate::command;
use barejit::front::hello::{self, Layout, Stages, TEXT};
use barejit::run::{self, Map};
use barejit_sys::{self as sys, Errno, Error, Fd, Sysno};

const HELP: &str = "\
Usage: barejit hello [OPTION…]

Runs machine code that writes \"Hello World!\" by a syscall of its own.

Options:
  --layout listing|words
                    listing: 43 bytes, the text right behind the code; words:
                    46 bytes, as 23 words of 16 bits
  --map inplace|none
                    inplace: make the static page that holds the code executable;
                    none: call it as it is, which must fail
";

pub(crate) fn run(mut cli: Cli) -> Outcome {
    let mut layout = Layout::Listing;
    let (mut map, mut options) = (None, cli.bare());
    command::arguments(&mut cli, HELP, &mut options, |cli, argument| {
        match argument {
            Arg::Long(b"layout") => {
                layout = match cli.choice("--layout", "listing words") {
                    b"listing" => Layout::Listing,
                    _ => Layout::Words,
                };
            }
            Arg::Long(b"map") => map = Some(cli.choice("--map", Map::NAMES_WITH_PAGE)),
            _ => return false,
        }
        true
    });
    let page = Some((&hello::PAGE, hello::offset(layout)));
    options.map = map.map(|name| Map::named(name, page));
    command::consistent(&cli, &options);
    let mut code = hello::code(layout);
    let stages;
    if options.tools.explain() {
        stages = Stages::of(layout);
        stages.annotate(&mut code);
    }
    // SAFETY: (1) the stub takes nothing and returns in RAX; (2) it writes 12 of
    // its own bytes to standard output and clobbers only registers that the ABI lets it; (3) no
    // call-backs; (4) no output.
    let result = unsafe { run::run(&code, [0; 6], &options) };
    let returned = cli.returned(&code, result)?;
    complete(returned as isize).unwrap_or_else(|error| cli.refused(error));
    Ok(())
}

/// Writes the bytes that the stub's write(2), which returned `returned`, did not write.
fn complete(returned: isize) -> Result<(), Error> {
    let written = match usize::try_from(returned) {
        Ok(written) => written,
        Err(_) => match Errno::new(-returned as i32) {
            // write_all tries again, and waits if it must.
            Errno::EINTR | Errno::EAGAIN => 0,
            errno => return Err(Error::new(Sysno::write, errno)),
        },
    };
    sys::write_all(Fd::STDOUT, TEXT.get(written..).unwrap_or_default())
}
