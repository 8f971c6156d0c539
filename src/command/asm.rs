//! `barejit asm TEXT|FILE|-`: assembly text to bytes.

use crate::cli::{self, Arg, Cli, Lossy, Outcome, Status};
use alloc::{string::String, vec::Vec};
use barejit::{
    front::assembly::{self, Assembled, Semicolon},
    host,
    run::{Disassembly, Extent},
};
use barejit_asm::Hexadecimal;
use barejit_sys::{self as sys, Fd, linux};
use core::fmt::Write;

const HELP: &str = "\
Usage: barejit asm [OPTION…] TEXT|FILE|-

Assembles Intel syntax and lists it: offset, bytes, text. TEXT has statements with ;
between them; in a FILE, and in standard input, each has a line and ; begins a comment.
Each instruction gets its shortest encoding, and without --optimise is never rewritten
into another one. Labels, numeric ones (1: … 1b), rip-relative addresses, db dw dd dq, align and equ are
known; addresses begin at 0.

Options:
  --hex             print the bytes in hexadecimal, and nothing else
  --c               print a C array
  --rust            print a Rust array
  --raw FILE        write the bytes to FILE; - is standard output
  --optimise        where it is shorter, assemble mov, and, test rax, N as mov, and,
                    test eax, N; test eax, N as test al, N; xor, sub rax, rax as xor,
                    sub eax, eax; and [rax*2] as [rax+rax]
";

/// The most text that is read.
const LIMIT: usize = 1 << 28;

/// How the bytes are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Listing,
    Hex,
    C,
    Rust,
}

pub(crate) fn run(mut cli: Cli) -> Outcome {
    let (mut source, mut shape, mut raw, mut optimise) = (None, Shape::Listing, None, false);
    while let Some(argument) = cli.next() {
        match argument {
            Arg::Long(b"help") | Arg::Short(b'h') => return cli.print(HELP),
            Arg::Long(b"hex") => shape = Shape::Hex,
            Arg::Long(b"c") => shape = Shape::C,
            Arg::Long(b"rust") => shape = Shape::Rust,
            Arg::Long(b"optimise") => optimise = true,
            Arg::Long(b"raw") => raw = Some(cli.value()),
            Arg::Positional(word) if source.is_none() => source = Some(word),
            argument => cli.unexpected(argument, &[HELP]),
        }
    }
    let source = source.unwrap_or_else(|| cli::complain("Usage: barejit asm TEXT|FILE|-\n"));
    let assembled = read(&cli, source, optimise)?;
    let Some(path) = raw else { return show(&cli, &assembled, shape) };
    let written = if path == b"-" {
        sys::write_all(Fd::STDOUT, &assembled.bytes)
    } else {
        sys::at(path, &linux::create).and_then(|file| {
            sys::write_all(file.fd(), &assembled.bytes)?;
            file.close()
        })
    };
    written.map_err(|error| cli.fail(Status::Refused, format_args!("{}: {error}", Lossy(path))))
}

/// Assembles the text that `word` is, or that the file of this name holds.
pub(super) fn read(cli: &Cli, word: &'static [u8], optimise: bool) -> Result<Assembled, u8> {
    let file = match word {
        b"-" => Some(cli.read(word, LIMIT)),
        // A file's name has neither, and seldom stands alone where text could.
        _ if word.iter().any(|byte| matches!(byte, b' ' | b';' | b'\n')) => None,
        _ => host::read_file(word, LIMIT).ok(),
    };
    let (bytes, semicolon) = match &file {
        Some(bytes) => (bytes.as_slice(), Semicolon::Comments),
        None => (word, Semicolon::Separates),
    };
    let name = if file.is_some() { word } else { b"TEXT" };
    let text = match sys::utf8(bytes) {
        Some(text) => text,
        None if bytes.is_empty() => "",
        None => return Err(cli.fail(Status::Usage, format_args!("{}: not UTF-8", Lossy(name)))),
    };
    let assembled = if optimise {
        assembly::optimise(text, semicolon)
    } else {
        assembly::assemble(text, semicolon, 0, &|_| None)
    };
    let assembled = assembled.map_err(|mistake| {
        let (line, column) = (mistake.line + 1, mistake.column + 1);
        cli.fail(Status::Usage, format_args!("{}:{line}:{column}: {}", Lossy(name), mistake.message))
    })?;
    if assembled.bytes.is_empty() {
        return Err(cli.fail(Status::Usage, format_args!("{}: no instruction and no data", Lossy(name))));
    }
    Ok(assembled)
}

fn show(cli: &Cli, assembled: &Assembled, shape: Shape) -> Outcome {
    let (mut out, bytes) = (String::new(), &assembled.bytes);
    // A string takes everything.
    let _ = match shape {
        Shape::Listing => return list(cli, assembled),
        Shape::Hex => writeln!(out, "{}", Hexadecimal(bytes)),
        Shape::C => {
            let _ = writeln!(out, "static const unsigned char code[{}] = {{", bytes.len());
            rows(&mut out, bytes);
            writeln!(out, "}};")
        }
        Shape::Rust => {
            let _ = writeln!(out, "const CODE: [u8; {}] = [", bytes.len());
            rows(&mut out, bytes);
            writeln!(out, "];")
        }
    };
    cli.print(&out)
}

fn rows(out: &mut String, bytes: &[u8]) {
    for row in bytes.chunks(12) {
        out.push_str("   ");
        for byte in row {
            let _ = write!(out, " 0x{byte:02x},");
        }
        out.push('\n');
    }
}

fn list(cli: &Cli, assembled: &Assembled) -> Outcome {
    let extent = |line: &assembly::Listed| Extent { size: line.size, is_data: line.is_data };
    let extents: Vec<Extent> = assembled.listing.iter().map(extent).collect();
    let code = Disassembly::of_extents(&assembled.bytes, 0, &extents).with_names(&|each| {
        assembled.labels.iter().for_each(|(name, offset)| each(*offset as u64, name.as_bytes()));
    });
    code.print(Fd::STDOUT, false).map_err(|error| cli.fail(Status::Refused, format_args!("{error}")))
}
