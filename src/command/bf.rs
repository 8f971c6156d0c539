//! `barejit bf FILE`: Brainfuck, compiled and run.

use crate::cli::{self, Arg, Cli, Outcome, Status};
use crate::command;
use alloc::{vec, vec::Vec};
use barejit::{
    front::bf::{Cells, Draft, Eof, Explained, Options, Passes, Position, Program, Unmatched, Verdict, abi},
    host::{
        Input, Output,
        console::{Console, Tape, answer},
    },
    run::{self, Diagnosis, Ending},
    sys::{self, Fd, Lossy, PageSize, linux, processor},
};
use core::fmt;

const HELP: &str = "\
Usage: barejit bf [OPTION…] FILE|-|-e SOURCE

Compiles a Brainfuck program and runs it. - is standard input up to the first !
outside loops; what follows is the program's input.

Options:
  -e SOURCE         the program itself
  --cells 8|16|32   width of a cell; arithmetic wraps (8)
  --eof unchanged|zero|minus-one
                    what , makes of the cell at the end of the input (unchanged)
  --tape CELLS      how many cells there are, rounded up to whole pages (4194304)
  --opt 0|1|2       command by command, with cheap passes, with everything (2)
  --stats           tell sizes and times on standard error
";

/// Bytes of a program that are looked at.
const LIMIT: usize = i32::MAX as usize;

/// Room for bytes on their way out, and in.
const BUFFER: usize = 16 * 1024;

const _: () = {
    let [output, input, flush, fill, tape, pointer] = Console::OFFSETS;
    assert!(output == abi::OUTPUT as usize && input == abi::INPUT as usize);
    assert!(flush == abi::FLUSH as usize && fill == abi::FILL as usize);
    assert!(tape == abi::TAPE as usize && pointer == abi::POINTER as usize);
    assert!(answer::DONE == abi::FILLED && answer::ENDED == abi::ENDED && answer::REFUSED == abi::FAILED);
    assert!(Output::NEXT == 0 && Output::END == 8 && Input::NEXT == 0 && Input::END == 8);
};

/// A program's text and what messages call it.
struct Source {
    name: &'static [u8],
    bytes: Vec<u8>,
    /// Where the program ends and its input begins.
    end: usize,
}

impl Source {
    fn program(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// `FILE:LINE:COLUMN` of a byte.
    fn place(&self, offset: usize) -> impl fmt::Display {
        let Position { line, column } = Position::of(self.program(), offset);
        fmt::from_fn(move |f| write!(f, "{}:{line}:{column}", Lossy(self.name)))
    }
}

pub(crate) fn run(mut cli: Cli) -> Outcome {
    let mut options = Options {
        cells: Cells::Eight,
        eof: Eof::Unchanged,
        passes: Passes::FULL,
        tape: 4 << 20,
        avx2: processor::has_avx2(),
        lines: false,
        explain: false,
    };
    let (mut source, mut stats) = (None, false);
    let mut running = run::Options::GUARDED;
    while let Some(argument) = cli.next()? {
        match argument {
            Arg::Long("help") => return command::help(HELP),
            Arg::Long("cells") => {
                options.cells =
                    [Cells::Eight, Cells::Sixteen, Cells::ThirtyTwo][cli.choice("--cells", "8 16 32")?];
            }
            Arg::Long("eof") => {
                let choices = "unchanged zero minus-one";
                options.eof = [Eof::Unchanged, Eof::Zero, Eof::MinusOne][cli.choice("--eof", choices)?];
            }
            Arg::Long("opt") => {
                options.passes =
                    [Passes::PLAIN, Passes::CHEAP, Passes::FULL][cli.choice("--opt", "0 1 2")?];
            }
            Arg::Long("tape") => options.tape = tape_cells(&mut cli)?,
            Arg::Long("stats") => stats = true,
            Arg::Short(b'e') if source.is_none() => {
                let bytes = cli.value()?.to_vec();
                source = Some(Source { name: b"-e", end: bytes.len(), bytes });
            }
            Arg::Positional(word) if source.is_none() => source = Some(read(&cli, word)?),
            _ if command::shared(&mut cli, &argument, &mut running)? => {}
            _ => return Err(command::unexpected(&cli, argument, HELP)),
        }
    }
    let source = source.ok_or_else(|| cli::complain("Usage: barejit bf [OPTION…] FILE|-|-e SOURCE"))?;
    let tape = (options.tape as usize).checked_mul(options.cells.bytes()).map(PageSize::needed);
    let Some(Ok(tape)) = tape else {
        return Err(cli.usage(format_args!("--tape: {} cells do not fit any memory", options.tape)));
    };
    if running.sandbox {
        // Handing over to plain code needs a second mapping, which a sandbox forbids.
        options.passes = Passes::PLAIN;
    }
    options.explain = running.tools.explain();
    options.tape = (tape.bytes() / options.cells.bytes()) as u64;
    let mut report = stats.then(|| Report::new(&source, &options));
    compile_and_run(&cli, source, options, &running, tape, &mut report)
}

fn tape_cells(cli: &mut Cli) -> Result<u64, u8> {
    let value = cli.value()?;
    match cli::integer(value, 64) {
        Some(cells @ 1..) => Ok(cells as u64),
        _ => Err(cli.usage(format_args!("--tape: '{}' is not a number of cells", Lossy(value)))),
    }
}

/// The program in the file `name`, or in standard input.
fn read(cli: &Cli, name: &'static [u8]) -> Result<Source, u8> {
    if name == b"-" {
        return read_with_input().map_err(|error| cli.refused(error));
    }
    let bytes = cli.read(name, LIMIT)?;
    Ok(Source { name, end: bytes.len(), bytes })
}

/// Reads standard input up to the block with the `!` that ends the program.
fn read_with_input() -> Result<Source, sys::Error> {
    let mut bytes = Vec::new();
    let mut depth = 0u64;
    loop {
        let used = bytes.len();
        if used > LIMIT {
            return Err(sys::Error::new(sys::Sysno::read, sys::Errno::EFBIG));
        }
        bytes.resize(used + BUFFER, 0);
        let size = sys::read_some(Fd::STDIN, &mut bytes[used..])?;
        bytes.truncate(used + size);
        for (i, byte) in bytes[used..].iter().enumerate() {
            match byte {
                b'[' => depth += 1,
                b']' => depth = depth.saturating_sub(1),
                b'!' if depth == 0 => return Ok(Source { name: b"-", end: used + i, bytes }),
                _ => {}
            }
        }
        if size == 0 {
            return Ok(Source { name: b"-", end: used, bytes });
        }
    }
}

fn compile_and_run(
    cli: &Cli,
    source: Source,
    mut options: Options,
    running: &run::Options,
    tape_size: PageSize,
    report: &mut Option<Report>,
) -> Outcome {
    let mut output_buffer = vec![0; BUFFER];
    let mut output = Output::new(Fd::STDOUT, &mut output_buffer);
    options.lines = output.is_terminal();
    let mut program = compile(cli, &source, &options, report)?;

    let mut input_buffer = vec![0; BUFFER];
    let rest = source.bytes.get(source.end + 1..).unwrap_or_default();
    let room = rest.len().max(BUFFER);
    input_buffer.resize(room, 0);
    input_buffer[..rest.len()].copy_from_slice(rest);
    let mut input = Input::continuing(Fd::STDIN, &mut input_buffer, 0..rest.len());

    let guard = PageSize::needed(abi::GUARD).map_err(|error| cli.refused(error))?;
    let tape = Tape::map(tape_size, guard).map_err(|error| cli.refused(error))?;
    let running = running.rescuing(&mut output);
    let mut console = Console::new(&mut output, &mut input, &tape);
    let mut first = 0i64;
    loop {
        let pointer = (first as u64).wrapping_mul(options.cells.bytes() as u64).wrapping_add(tape.address());
        let arguments = [pointer, &raw mut console as u64, 0, 0, 0, 0];
        let name = core::str::from_utf8(source.name).unwrap_or("-");
        let explained = Explained::new(&program, source.program(), name);
        let code = program.code().named("barejit_bf").with_source(&explained);
        // SAFETY: (1) the code is a function of a pointer and a console, which may
        // fault; (2) it touches its tape, whose guards are what it wants, and
        // puts and takes bytes as the console says; (3) the call-backs own
        // nothing; (4) the output lives on.
        let result = unsafe { run::run(&code, arguments, &running) };
        let verdict = match result {
            Ok(Some(Ending::Returned(abi::DONE))) => None,
            Ok(Some(Ending::Returned(status))) if status & 0xFF == abi::LEFT => {
                program.left(status, console.pointer, tape.address())
            }
            Ok(Some(Ending::Returned(_))) => {
                let error = console.refusal();
                return Err(error.map_or(Status::Refused as u8, |error| cli.refused(error)));
            }
            Ok(Some(Ending::Faulted(fault))) => {
                let mark = Diagnosis { fault, code: &code }.mark();
                mark.and_then(|mark| program.fault(mark.source, fault.address as u64, tape.address()))
            }
            _ => None,
        };
        match verdict {
            Some(Verdict::Resume { position, cell }) => {
                let draft = Draft::resuming(source.program(), &options, position);
                let mut draft = draft.map_err(|error| unmatched(cli, &source, error))?;
                draft.optimise(&mut |_, _| {});
                program = draft.emit().ok_or_else(|| too_large(cli, &source))?;
                first = cell;
            }
            Some(Verdict::Outside { position, cell }) => {
                output.flush().map_err(|error| cli.refused(error))?;
                let command = source.program().get(position as usize).map_or('?', |&byte| byte.into());
                let side = if cell < 0 { "left of the tape" } else { "right of the tape" };
                let place = source.place(position as usize);
                let what = format_args!("{place}: '{command}' touches cell {cell}, {side}");
                return Err(cli.fail(Status::Faulted, what));
            }
            None => {
                let flushed = output.flush();
                cli.returned(&code, result)?;
                if let Some(report) = report {
                    report.ran(&program);
                }
                return flushed.map_err(|error| cli.refused(error));
            }
        }
    }
}

fn compile(
    cli: &Cli,
    source: &Source,
    options: &Options,
    report: &mut Option<Report>,
) -> Result<Program, u8> {
    let draft = Draft::parse(source.program(), options);
    let mut draft = draft.map_err(|error| unmatched(cli, source, error))?;
    if let Some(report) = report {
        report.count("parse", &draft);
    }
    draft.optimise(&mut |pass, draft| {
        if let Some(report) = report {
            report.count(pass, draft);
        }
    });
    let program = draft.emit().ok_or_else(|| too_large(cli, source))?;
    if let Some(report) = report {
        report.emitted(&program);
    }
    Ok(program)
}

fn unmatched(cli: &Cli, source: &Source, error: Unmatched) -> u8 {
    let (offset, what) = match error {
        Unmatched::Unclosed(offset) => (offset, "unclosed '['"),
        Unmatched::Unexpected(offset) => (offset, "unexpected ']'"),
    };
    cli.usage(format_args!("{}: {what}", source.place(offset)))
}

fn too_large(cli: &Cli, source: &Source) -> u8 {
    cli.usage(format_args!("{}: more than 2 GiB of code", Lossy(source.name)))
}

/// What `--stats` tells, line by line as it becomes known.
struct Report {
    last: u64,
}

impl Report {
    fn new(source: &Source, options: &Options) -> Self {
        sys::report(format_args!("bf: source {} bytes, tape {} cells", source.end, options.tape));
        Self { last: linux::nanoseconds() }
    }

    /// Microseconds since the last line.
    fn lap(&mut self) -> u64 {
        let now = linux::nanoseconds();
        now.wrapping_sub(core::mem::replace(&mut self.last, now)) / 1000
    }

    fn line(&mut self, what: &str, number: usize, unit: &str) {
        let time = self.lap();
        sys::report(format_args!("bf: {what}: {number} {unit}, {time} µs"));
        self.last = linux::nanoseconds();
    }

    fn count(&mut self, pass: &str, draft: &Draft) {
        self.line(pass, draft.operations(), "operations");
    }

    fn emitted(&mut self, program: &Program) {
        self.line("emit", program.code().bytes().len(), "bytes of code");
    }

    fn ran(&mut self, _: &Program) {
        let time = self.lap();
        sys::report(format_args!("bf: run: {time} µs"));
    }
}
