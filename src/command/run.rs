//! `barejit run HEX|FILE [ARG…]`: the user's own machine code.

use crate::cli::{self, Arg, Cli, Lossy, Outcome, integer};
use crate::command;
use alloc::{string::String, vec::Vec};
use barejit::front::raw;
use barejit::run::{self, Options};
use barejit_asm::Code;
use barejit_sys::Fd;
use core::fmt::Write;

const HELP: &str = "\
Usage: barejit run [OPTION…] HEX|FILE [ARG…]

Runs machine code as a function of the System V ABI and prints what it leaves in
RAX, in decimal and in hexadecimal. HEX is pairs of digits, spaces allowed; FILE
has the bare bytes, as `objdump -D -b binary -m i386:x86-64` reads them, and - is
standard input. Up to six ARGs go to rdi, rsi, rdx, rcx, r8 and r9: 64 bits each,
in decimal with a sign or as a bit pattern with 0x.

Options:
";

/// The most code that is read from a file, lest an endless one fill the memory.
const LIMIT: usize = 1 << 28;

pub(crate) fn run(mut cli: Cli) -> Outcome {
    // The code may read standard input.
    let (mut source, mut options) = (None, Options { input: Some(Fd::STDIN), ..Options::GUARDED });
    let mut args = [0; 6];
    let mut given = 0;
    command::arguments(&mut cli, HELP, &mut options, &mut |cli, argument| {
        match argument {
            Arg::Positional(word) if source.is_none() => source = Some(word),
            Arg::Positional(word) => {
                let place =
                    args.get_mut(given).unwrap_or_else(|| cli.usage(format_args!("more than six arguments")));
                let value = integer(word, 64);
                *place = value.unwrap_or_else(|| cli.invalid("", word, "not an integer of 64 bits")) as u64;
                given += 1;
            }
            _ => return false,
        }
        true
    });
    let source = source.unwrap_or_else(|| cli::complain("Usage: barejit run HEX|FILE [ARG…]\n"));
    let bytes = read(&cli, source);
    let code = Code::new(&bytes).named("barejit_run");
    // SAFETY: (1, 2) nobody can know; whoever passes machine code to this command
    // vouches for it, as with any executable; (3) no call-backs; (4) no output.
    let result = unsafe { run::run(&code, args, &options) };
    let value = cli.returned(&code, result)?;
    let mut text = String::new();
    // A string takes everything.
    let _ = writeln!(text, "{} {value:#x}", value as i64);
    cli::print(&text)
}

/// The bytes that `source` spells, or names.
fn read(cli: &Cli, source: &'static [u8]) -> Vec<u8> {
    match raw::parse(source) {
        Ok(bytes) => return bytes,
        Err(raw::Error::Empty) => cli.usage(format_args!("no machine code")),
        Err(raw::Error::OddDigits) => cli.usage(format_args!("the last byte has one digit only")),
        Err(raw::Error::NotHexadecimal(_)) => {}
    }
    let bytes = cli.read(source, LIMIT);
    if bytes.is_empty() {
        cli.usage(format_args!("{}: no machine code", Lossy(source)))
    }
    bytes
}
