//! `barejit run HEX|FILE [ARG…]`: the user's own machine code.

use crate::cli::{self, Arg, Cli, Lossy, Outcome, integer};
use crate::command::{
    self,
    source::{self, Source},
};
use alloc::{string::String, vec::Vec};
use barejit::front::hex;
use barejit::run::{self, Options};
use barejit_asm::Code;
use barejit_sys::Fd;
use core::fmt::Write;

const HELP: &str = "\
Usage: barejit run [OPTION…] HEX|FILE [ARG…]
       barejit run [OPTION…] -a TEXT [ARG…]

Calls machine code as a function (System V ABI) and prints its result, the value of RAX:
signed decimal, then hexadecimal. Up to six ARGs are passed in rdi, rsi, rdx, rcx, r8 and
r9; the others of these are 0. An ARG has 64 bits, in decimal with an optional sign or as a
bit pattern behind 0x.

HEX is the code as pairs of hexadecimal digits, with or without spaces, 0x, \\x, commas,
braces or quotes: an array of C or Rust, or a dump of xxd, od, hexdump, objdump or gdb,
whose offsets and mnemonics are dropped. A word that is no HEX names a FILE, which holds
such text or the bare bytes; - is standard input.

Exit status: 0 if the code returned, whatever its result; 1 if the system refused memory,
input or output; 2 if an option, the code's text or an ARG is wrong; 3 if the code faulted.
Code that ends the process chooses the status itself.

Options:
  -a TEXT           assemble TEXT, instructions in Intel syntax with ; between them,
                    as `barejit asm` does, and call the result
";

pub(crate) fn run(mut cli: Cli) -> Outcome {
    // The code may read standard input.
    let mut assembly = false;
    let (mut source, mut options) = (None, Options { input: Some(Fd::STDIN), ..Options::GUARDED });
    let mut args = [0; 6];
    let mut given = 0;
    command::arguments(&mut cli, HELP, &mut options, |cli, argument| {
        match argument {
            Arg::Short(b'a') if source.is_none() => {
                source = Some(cli.value());
                assembly = true;
            }
            Arg::Positional(word) if source.is_none() => source = Some(word),
            Arg::Positional(word) => {
                let place =
                    args.get_mut(given).unwrap_or_else(|| cli.usage(format_args!("more than six arguments")));
                let value = integer(word, 64);
                *place =
                    value.unwrap_or_else(|| not_an_integer(cli, source.unwrap_or_default(), word)) as u64;
                given += 1;
            }
            _ => return false,
        }
        true
    });
    let source = source.unwrap_or_else(|| cli::complain("Usage: barejit run HEX|FILE|-a TEXT [ARG…]\n"));
    let bytes = if assembly { super::asm::read(&cli, source, false)?.bytes } else { read(&cli, source) };
    let code = Code::new(&bytes).named("barejit_run");
    // SAFETY: (1, 2) nobody can know; whoever passes machine code to this command
    // vouches for it, as with any executable; (3) no call-backs; (4) no output.
    let result = unsafe { run::run(&code, args, &options) };
    let value = cli.returned(&code, result)?;
    let mut text = String::new();
    // A string takes everything.
    let _ = writeln!(text, "{} {value:#x}", value as i64);
    cli.print(&text)
}

/// The bytes that `word` spells, or names.
fn read(cli: &Cli, word: &'static [u8]) -> Vec<u8> {
    match source::read(cli, word) {
        Source::Spelled(bytes) | Source::Raw(bytes) => bytes,
        Source::Image(_) => cli.usage(format_args!(
            "{}: an ELF file; run takes the bare bytes, as objcopy -O binary -j .text makes them",
            Lossy(word)
        )),
    }
}

/// Says that an argument is no integer. Where source and arguments are all bytes, or the
/// source is a mnemonic, the shell has taken apart what should have been one argument.
fn not_an_integer(cli: &Cli, source: &[u8], word: &[u8]) -> ! {
    if !source.contains(&b' ') && source::mnemonic(source).is_some() {
        cli.usage(format_args!(
            "'{}' is not an integer of 64 bits; if it is assembly text, quote all of it: \
             barejit run -a '{} …'",
            Lossy(word),
            Lossy(source)
        ))
    }
    match (hex::parse(source), hex::parse(word)) {
        (Ok(_), Ok(_)) => cli.usage(format_args!(
            "'{}' is not an integer of 64 bits; if it is code, quote all of it: barejit run '{} …'",
            Lossy(word),
            Lossy(source)
        )),
        _ => cli.invalid("", word, "not an integer of 64 bits"),
    }
}
