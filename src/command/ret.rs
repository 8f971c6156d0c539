//! `barejit ret N`: the smallest JIT. The process exits with the result of its code.

use crate::cli::{self, Arg, Cli, Outcome, integer};
use crate::command;
use barejit::front::ret;
use barejit::run;

const HELP: &str = "\
Usage: barejit ret [OPTION…] <integer>

Makes a function of two instructions, mov eax, <integer> and ret, calls it and exits with
the low 8 bits of its result: 300 gives 44. The integer has 32 bits: in decimal -2147483648
to 2147483647, or a bit pattern behind 0x.

Exit status: the integer modulo 256. If the code could not be made or called, a message on
standard error says why, and the status is one of those that `barejit --help` lists.

Options:
";

pub(crate) fn run(mut cli: Cli) -> Outcome {
    let (mut number, mut options) = (None, cli.bare());
    command::arguments(&mut cli, HELP, &mut options, |cli, argument| {
        match argument {
            Arg::Positional(word) if number.is_none() => {
                let value = integer(word, 32);
                number =
                    Some(value.unwrap_or_else(|| cli.invalid("", word, "not an integer of 32 bits")) as i32);
            }
            _ => return false,
        }
        true
    });
    let number = number.unwrap_or_else(|| cli::complain("Usage: barejit ret <integer>\n"));
    let constant = ret::Constant::new(number);
    let mut code = constant.code();
    let recorded;
    if options.tools.explain() {
        recorded = constant.recorded();
        recorded.annotate(&mut code);
    }
    // SAFETY: (1) the code takes nothing and returns in EAX; (2) it does nothing
    // else; (3) no call-backs; (4) no output.
    let result = unsafe { run::run(&code, [0; 6], &options) };
    match cli.returned(&code, result)? as u8 {
        0 => Ok(()),
        status => Err(status),
    }
}
