//! `barejit disasm HEX|FILE|-`: bytes as instructions.

use crate::cli::{self, Arg, Cli, Lossy, Outcome, Status, integer};
use crate::command::source::{self, Source};
use barejit::{
    front::image::{Error, Image, Piece},
    run::{Disassembly, Names},
};
use barejit_sys::Fd;

const HELP: &str = "\
Usage: barejit disasm [OPTION…] HEX|FILE|-

Prints the instructions that bytes mean, in Intel notation, with labels where they
branch to. HEX is what `barejit run` takes; FILE has such text, bare bytes, or is an
ELF file, of which the code from its start address is printed, or .text if it has
none. Bytes that are no instruction are printed as db; EVEX, XOP and 3DNow! are not
decoded.

Options:
  --at ADDRESS      the address of the first byte; without it 0, or what the ELF file
                    says
  --section NAME    of an ELF file, this section
  --symbol NAME     of an ELF file, this function
  --json            an array with an object an instruction: address, bytes, text, and
                    label, target and data where they apply
";

/// The request of the command line.
#[derive(Default)]
struct Request {
    source: Option<&'static [u8]>,
    at: Option<u64>,
    section: Option<&'static [u8]>,
    symbol: Option<&'static [u8]>,
    json: bool,
}

pub(crate) fn run(mut cli: Cli) -> Outcome {
    let request = arguments(&mut cli);
    let word =
        request.source.unwrap_or_else(|| cli::complain("Usage: barejit disasm [OPTION…] HEX|FILE|-\n"));
    let named = request.section.or(request.symbol);
    match source::read(&cli, word) {
        Source::Image(file) => {
            let refuse = |error: Error| -> ! {
                match named {
                    Some(name) => cli.usage(format_args!("{}: {}: {error}", Lossy(word), Lossy(name))),
                    None => cli.usage(format_args!("{}: {error}", Lossy(word))),
                }
            };
            // As long as the process lives.
            let file: &'static [u8] = file.leak();
            let image = Image::new(file).unwrap_or_else(|error| refuse(error));
            let piece = find(&image, &request).unwrap_or_else(|error| refuse(error));
            // Checked once: the second and third time they answer the same.
            image.names(&piece, &mut |_, _| ()).unwrap_or_else(|error| refuse(error));
            let moved = request.at.map_or(0, |at| at.wrapping_sub(piece.address));
            let names = |each: &mut dyn FnMut(u64, &'static [u8])| {
                let _ = image.names(&piece, &mut |address, name| each(address.wrapping_add(moved), name));
            };
            print(&cli, &piece, Some(&names), &request)
        }
        _ if named.is_some() => {
            cli.usage(format_args!("{}: not an ELF file, so it has no names", Lossy(word)))
        }
        Source::Spelled(bytes) | Source::Raw(bytes) => {
            print(&cli, &Piece::loose(bytes.leak()), None, &request)
        }
    }
}

fn arguments(cli: &mut Cli) -> Request {
    let mut request = Request::default();
    while let Some(argument) = cli.next() {
        match argument {
            Arg::Long(b"help") => barejit_sys::linux::exit(cli.print(HELP).err().unwrap_or(0).into()),
            Arg::Long(b"at") => {
                let value = cli.value();
                let address = integer(value, 64);
                request.at =
                    Some(address.unwrap_or_else(|| cli.invalid("--at: ", value, "not an address")) as u64);
            }
            Arg::Long(b"section") => request.section = Some(cli.value()),
            Arg::Long(b"symbol") => request.symbol = Some(cli.value()),
            Arg::Long(b"json") => request.json = true,
            Arg::Positional(word) if request.source.is_none() => request.source = Some(word),
            Arg::Positional(word) => cli.second_source(word),
            _ => cli.unexpected(argument, &[HELP]),
        }
    }
    if request.section.is_some() && request.symbol.is_some() {
        cli.usage(format_args!("--section and --symbol exclude each other"))
    }
    request
}

/// The code that was asked for.
fn find(image: &Image<'static>, request: &Request) -> Result<Piece<'static>, Error> {
    match (request.section, request.symbol) {
        (Some(name), _) => image.section(name),
        (None, Some(name)) => image.symbol(name),
        (None, None) => image.entry_code(),
    }
}

fn print(cli: &Cli, piece: &Piece<'static>, names: Option<Names<'_, 'static>>, request: &Request) -> Outcome {
    let mut code = Disassembly::new(piece.bytes, request.at.unwrap_or(piece.address));
    if let Some(names) = names {
        code = code.with_names(names);
    }
    code.print(Fd::STDOUT, request.json).map_err(|error| cli.fail(Status::Refused, format_args!("{error}")))
}
