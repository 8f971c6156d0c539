//! The executable: from argv to a command to the exit status. It knows nothing of the
//! machine.
#![no_std]
#![no_main]

extern crate alloc;

mod cli;
mod command;
mod rt;

use barejit_sys::process::arguments;
use cli::{Cli, Outcome, Runtime};

// These three are functions and no closures because linker.ld places them by name.

fn hello(cli: Cli) -> Outcome {
    command::plain(cli, command::hello::run)
}

fn ret(cli: Cli) -> Outcome {
    command::plain(cli, command::ret::run)
}

fn call(cli: Cli) -> Outcome {
    command::plain(cli, command::call::run)
}

/// Runs the command that the arguments name and gives the exit status. `relocate`, in
/// `runtime`, relocates what not every start needs.
fn main(runtime: Runtime) -> u8 {
    let mut args = arguments();
    let _program = args.next();
    let word = args.next();
    let run: fn(Cli) -> Outcome = match word {
        // Without a word there is none to compare, which would read a page of constants.
        None | Some(b"hello") => hello,
        Some(b"ret") => ret,
        Some(b"call") => call,
        Some(b"bf") => |cli| command::guarded(cli, command::bf::run),
        Some(b"chain") => |cli| command::guarded(cli, command::chain::run),
        Some(b"rpn") => |cli| command::guarded(cli, command::rpn::run),
        Some(b"run") => |cli| command::guarded(cli, command::run::run),
        Some(b"repl") => |cli| command::prepared(cli, command::repl::run),
        Some(b"asm") => |cli| command::prepared(cli, command::asm::run),
        Some(b"disasm") => |cli| command::prepared(cli, command::disasm::run),
        Some(b"probe") => |cli| command::probing(cli, command::probe::run),
        Some(b"--help" | b"-h" | b"help") => |cli| command::prepared(cli, |cli| cli.print(HELP)),
        Some(b"--version" | b"-V") => |cli| command::prepared(cli, |cli| cli.print(VERSION)),
        _ => |cli| command::prepared(cli, |cli| cli.unknown(HELP)),
    };
    run(Cli::new(word.unwrap_or(b"hello"), args, runtime)).err().unwrap_or(0)
}

const VERSION: &str = concat!("barejit ", env!("CARGO_PKG_VERSION"), "\n");

const HELP: &str = "\
Usage: barejit COMMAND [OPTION…] [ARGUMENT…]

A JIT with nothing underneath it: machine code in executable memory, with raw
syscalls only.

Commands:
  hello        run the \"Hello World!\" stub (also without any command)
  ret          return a number from two instructions
  call         call back into Rust from generated code
  chain        print the terms of a relation over integers
  rpn          print the terms of a relation over floating-point numbers
  run          run machine code of your own, in hexadecimal, as text or from a file
  repl         a prompt: run instructions line by line, see what each changes
  asm          assemble Intel syntax
  disasm       disassemble bytes or an ELF file
  bf           compile and run a Brainfuck program
  probe        tell whether a JIT can work here, how, and if not, why

  COMMAND --help    tells about a command
  --help            tells this
  --version         tells the version

Exit status:
  0  success
  1  the system refused something: memory, input or output
  2  usage or bad input
  3  generated code or its call-back failed
  4  probe found no usable strategy
  5  barejit itself panicked, which is a bug
";
