//! `barejit call [TEXT]`: generated code that calls back into Rust.

use crate::cli::{Arg, Cli, Outcome};
use crate::command;
use alloc::vec;
use barejit::front::call::Greeting;
use barejit::host::callback::{self, answer};
use barejit::run;

const HELP: &str = "\
Usage: barejit call [OPTION…] [TEXT]

Generated code calls a Rust function that prints TEXT (\"Hello, JIT!\") and a
newline.

Options:
  --as-documented   the tutorial's 42 bytes, which call with a stack that is off by
                    8; the called function aligns it
  --panic           the called function panics: the call ends with status 3
";

pub(crate) fn run(mut cli: Cli) -> Outcome {
    let (mut text, mut as_documented, mut panic) = (None, false, false);
    let mut options = cli.bare();
    command::arguments(&mut cli, HELP, &mut options, |_, argument| {
        match argument {
            Arg::Long(b"as-documented") => as_documented = true,
            Arg::Long(b"panic") => panic = true,
            Arg::Positional(word) if text.is_none() => text = Some(word),
            _ => return false,
        }
        true
    });
    let print = match (panic, as_documented) {
        (true, _) => callback::panicking as *const () as u64,
        (false, true) => callback::print_unaligned as *const () as u64,
        (false, false) => callback::print as *const () as u64,
    };
    if as_documented && text.is_some() {
        cli.usage(format_args!("--as-documented has a text of its own"));
    }
    // The default makes no syscall to get memory for itself.
    let (mut stack, mut heap) = ([0; Greeting::room(None)], vec![]);
    let room = match text {
        None => &mut stack[..],
        Some(_) => {
            heap.resize(Greeting::room(text), 0);
            &mut heap
        }
    };
    let greeting = Greeting::new(text, !as_documented, print, room);
    let mut code = greeting.code();
    let recorded;
    if options.tools.explain() {
        recorded = greeting.recorded();
        recorded.annotate(&mut code);
    }
    // SAFETY: (1) the code takes nothing and returns the answer of the call-back;
    // (2) it hands its own text to a call-back that reads it, on a stack that is
    // aligned or that the call-back aligns; (3) which owns nothing; (4) no output.
    let result = unsafe { run::run(&code, [0; 6], &options) };
    match (cli.returned(&code, result)? as u8, callback::refusal()) {
        (answer::REFUSED, Some(error)) => cli.refused(error),
        _ => Ok(()),
    }
}
