//! The executable: argv to command to exit status. No machine knowledge here.
#![no_std]
#![no_main]

extern crate alloc;

mod cli;
mod command;
mod rt;

use cli::{Cli, Status};

/// Runs the command that the arguments name and gives the exit status.
fn main(mut args: rt::Args) -> u8 {
    let _program = args.next();
    let result = match args.clone().next() {
        None => command::hello::run(Cli::new("hello", args)),
        Some(b"--help" | b"-h" | b"help") => cli::print(HELP),
        Some(b"--version" | b"-V") => cli::print(concat!("barejit ", env!("CARGO_PKG_VERSION"), "\n")),
        Some(word) => {
            args.next();
            match word {
                b"hello" => command::hello::run(Cli::new("hello", args)),
                b"ret" => command::ret::run(Cli::new("ret", args)),
                b"call" => command::call::run(Cli::new("call", args)),
                b"bf" => command::watched(Cli::new("bf", args), command::bf::run),
                b"chain" => command::watched(Cli::new("chain", args), command::chain::run),
                b"rpn" => command::watched(Cli::new("rpn", args), command::rpn::run),
                b"run" => command::watched(Cli::new("run", args), command::run::run),
                b"probe" => command::probe::run(Cli::new("probe", args)),
                _ => Err(cli::unknown("command", HELP, word)),
            }
        }
    };
    match result {
        Ok(()) => Status::Success as u8,
        Err(status) => status,
    }
}

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
  run          run machine code of your own, in hexadecimal or from a file
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
