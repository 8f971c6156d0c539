//! `barejit bf FILE`: Brainfuck, compiled and run.

mod context;

use crate::cli::{self, Arg, Cli, Outcome, Status};
use crate::command;
use alloc::{format, vec};
use barejit::{
    front::{
        bf::{
            Called, Cells, End, Eof, Error, Machine, Options, Passes, Program, Runner, Snapshot, SourceMap,
        },
        text::Position,
    },
    host::{self, Input, Output},
    run::{self, Ending, Fault, Place},
};
use barejit_sys::{self as sys, Fd, Lossy, PageSize, linux, processor};
use context::{ProcessContext, Tape, context};
use core::fmt;

const HELP: &str = "\
Usage: barejit bf [OPTION…] FILE|-|-e SOURCE

Compiles a Brainfuck program and runs it. - is standard input up to the first !
outside loops; what follows is the program's input.

Options:
  -e SOURCE         the program itself
  --cells 8|16|32   bits of a cell; arithmetic wraps (8)
  --eof unchanged|zero|minus-one
                    the cell after a , at the end of the input (unchanged)
  --tape CELLS      cells of the tape, rounded up to whole pages (4194304)
  --opt 0|1|2       optimisation: none, cheap passes, all passes (2). --sandbox
                    implies 0; a program of more than 1048576 operations gets 1
                    at most
  --stats           report sizes and times on standard error
  --ir              print the program after each pass of the compiler instead of
                    running it
";

/// Bytes of a program that are looked at.
const LIMIT: usize = i32::MAX as usize;

/// Room for bytes on their way out, and in.
const BUFFER: usize = 16 * 1024;

/// A program's text, and its name in messages.
struct Source {
    name: &'static [u8],
    program: &'static [u8],
    /// The beginning of its input, if that stood behind it.
    input: &'static [u8],
}

impl Source {
    /// `FILE:LINE:COLUMN` of a byte.
    fn place(&self, offset: usize) -> impl fmt::Display {
        let Position { line, column } = Position::of(self.program, offset);
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
    let (mut source, mut stats, mut ir) = (None, false, false);
    let mut running = run::Options { input: Some(Fd::STDIN), ..run::Options::GUARDED };
    command::arguments(&mut cli, HELP, &mut running, |cli, argument| {
        match argument {
            Arg::Long(b"cells") => {
                options.cells = match cli.choice("--cells", "8 16 32") {
                    b"8" => Cells::Eight,
                    b"16" => Cells::Sixteen,
                    _ => Cells::ThirtyTwo,
                };
            }
            Arg::Long(b"eof") => {
                options.eof = match cli.choice("--eof", "unchanged zero minus-one") {
                    b"unchanged" => Eof::Unchanged,
                    b"zero" => Eof::Zero,
                    _ => Eof::MinusOne,
                };
            }
            Arg::Long(b"opt") => {
                options.passes = match cli.choice("--opt", "0 1 2") {
                    b"0" => Passes::BASELINE,
                    b"1" => Passes::CHEAP,
                    _ => Passes::FULL,
                };
            }
            Arg::Long(b"tape") => {
                options.tape = cli.number("--tape: ", 1, i64::MAX, "not a number of cells") as u64
            }
            Arg::Long(b"stats") => stats = true,
            Arg::Long(b"ir") => ir = true,
            Arg::Short(b'e') => {
                let program = cli.value();
                if source.replace(Source { name: b"-e", program, input: b"" }).is_some() {
                    cli.second_source(program);
                }
            }
            Arg::Positional(word) if source.is_some() => cli.second_source(word),
            Arg::Positional(word) => source = Some(read(cli, word)),
            _ => return false,
        }
        true
    });
    let source = source.unwrap_or_else(|| cli::complain("Usage: barejit bf [OPTION…] FILE|-|-e SOURCE\n"));
    let tape = (options.tape as usize).checked_mul(options.cells.bytes()).map(PageSize::needed);
    let Some(Ok(tape)) = tape else {
        cli.usage(format_args!("--tape: {} cells do not fit any memory", options.tape));
    };
    if running.sandbox {
        // Deoptimisation needs a second mapping, which a sandbox forbids.
        options.passes = Passes::BASELINE;
    }
    options.explain = running.tools.explain();
    options.tape = (tape.bytes() / options.cells.bytes()) as u64;
    if ir {
        return print_ir(&cli, &source, &options);
    }
    let mut report = stats.then(|| Report::new(&source, &options));
    compile_and_run(&cli, source, options, &running, tape, &mut report)
}

/// Prints the program after each pass, under the pass's name.
fn print_ir(cli: &Cli, source: &Source, options: &Options) -> Outcome {
    let mut buffer = vec![0; BUFFER];
    let mut output = Output::new(Fd::STDOUT, &mut buffer);
    let mut separator = "";
    compile(cli, source, options, &mut |pass, snapshot| {
        let text = format!("{separator}# {pass}\n{snapshot}");
        output.write(text.as_bytes()).unwrap_or_else(|error| cli.refused(error));
        separator = "\n";
    });
    output.flush().unwrap_or_else(|error| cli.refused(error));
    Ok(())
}

/// The program in the file `name`, or in standard input up to the block with the `!`
/// that ends it.
fn read(cli: &Cli, name: &'static [u8]) -> Source {
    if name != b"-" {
        return Source { name, program: cli.read(name, LIMIT).leak(), input: b"" };
    }
    let (mut depth, mut end) = (0u64, 0);
    let bytes = host::read_until(Fd::STDIN, LIMIT, &mut |block| {
        let ends = block.iter().position(|byte| {
            match byte {
                b'[' => depth += 1,
                b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            *byte == b'!' && depth == 0
        });
        end += ends.unwrap_or(block.len());
        ends.is_some()
    });
    let bytes = bytes.unwrap_or_else(|error| cli.refused(error)).leak();
    let (program, input) = bytes.split_at(end);
    Source { name, program, input: input.get(1..).unwrap_or_default() }
}

fn compile_and_run(
    cli: &Cli,
    source: Source,
    mut options: Options,
    running: &run::Options<'_>,
    tape_size: PageSize,
    report: &mut Option<Report>,
) -> Outcome {
    let mut output_buffer = vec![0; BUFFER];
    let mut output = Output::new(Fd::STDOUT, &mut output_buffer);
    options.lines = output.is_terminal();
    let mut runner = compile(cli, &source, &options, &mut |pass, snapshot| {
        if let Some(report) = report {
            report.line(pass, snapshot.operations(), "operations");
        }
    });
    if let Some(report) = report {
        report.line("emit", runner.program().code().bytes().len(), "bytes of code");
    }

    let rest = source.input.len();
    let mut input_buffer = source.input.to_vec();
    input_buffer.resize(rest.max(BUFFER), 0);
    let mut input = Input::continuing(Fd::STDIN, &mut input_buffer, 0..rest);

    let tape = Tape::map(tape_size).unwrap_or_else(|error| cli.refused(error));
    let context = context(&mut output, &mut input, &tape);
    let mut process = Process { source: &source, running, context, result: Ok(None) };
    let end = runner.run(&mut process).unwrap_or_else(|error| cannot_compile(cli, &source, error));
    let Process { result, context: ProcessContext { state: refusal, .. }, .. } = process;
    if let (End::CallBackFailed, Some(error)) = (end, refusal) {
        cli.refused(error);
    }
    let flushed = output.flush();
    if let End::OutOfBounds { position, cell } = end {
        flushed.unwrap_or_else(|error| cli.refused(error));
        return Err(out_of_bounds(cli, &source, position as usize, cell));
    }
    cli.returned(&runner.program().code(), result)?;
    if let Some(report) = report {
        report.ran();
    }
    flushed.unwrap_or_else(|error| cli.refused(error));
    Ok(())
}

/// Says which command accesses a cell that is not on the tape.
fn out_of_bounds(cli: &Cli, source: &Source, position: usize, cell: i64) -> u8 {
    let command = Lossy(&source.program[position..=position]);
    let side = if cell < 0 { "left of the tape" } else { "right of the tape" };
    let place = source.place(position);
    cli.fail(Status::Faulted, format_args!("{place}: '{command}' touches cell {cell}, {side}"))
}

/// Generated code in this process, with the options of the command line.
struct Process<'a, 'b> {
    source: &'a Source,
    running: &'a run::Options<'a>,
    context: ProcessContext<'a, 'b>,
    /// How the last call ended.
    result: Result<Option<Ending>, run::Error>,
}

impl Machine for Process<'_, '_> {
    fn tape(&self) -> u64 {
        self.context.tape()
    }

    fn call(&mut self, program: &Program, pointer: u64) -> Called {
        let arguments = [pointer, &raw mut self.context as u64, 0, 0, 0, 0];
        let running = self.running.flushing(self.context.output);
        let name = sys::utf8(self.source.name).unwrap_or("-");
        let source_map = SourceMap::new(program, self.source.program, name);
        let code = program.code().with_source(&source_map);
        // SAFETY: (1) the code is a function of a data pointer and a context, which may
        // fault; (2) it accesses its tape, whose guards are of the size that it expects, and
        // moves bytes as the context says; (3) the call-backs own nothing; (4) the output
        // outlives the call.
        self.result = unsafe { run::run(&code, arguments, &running) };
        match self.result {
            Ok(Some(Ending::Returned(status))) => {
                Called::Returned { status, pointer: self.context.pointer() }
            }
            Ok(Some(Ending::Faulted(Fault { place: Place::Code(code), address, .. }))) => {
                Called::Faulted { code, address: address as u64 }
            }
            _ => Called::Otherwise,
        }
    }
}

/// Compiles the program. `watch` sees it after each pass.
fn compile(
    cli: &Cli,
    source: &Source,
    options: &Options,
    watch: &mut dyn FnMut(&'static str, Snapshot<'_>),
) -> Runner<'static> {
    Runner::new(source.program, options, watch).unwrap_or_else(|error| cannot_compile(cli, source, error))
}

fn cannot_compile(cli: &Cli, source: &Source, error: Error) -> ! {
    let (offset, what) = match error {
        Error::Unclosed(offset) => (offset, "unclosed '['"),
        Error::Unexpected(offset) => (offset, "unexpected ']'"),
        Error::TooLarge => cli.usage(format_args!("{}: more than 2 GiB", Lossy(source.name))),
    };
    cli.usage(format_args!("{}: {what}", source.place(offset)))
}

/// The report of `--stats`, line by line.
struct Report {
    last: u64,
}

impl Report {
    fn new(source: &Source, options: &Options) -> Self {
        sys::report(format_args!("bf: source {} bytes, tape {} cells", source.program.len(), options.tape));
        Self { last: linux::nanoseconds() }
    }

    /// Microseconds since the last line, if a sandbox lets us know.
    fn lap(&self) -> Option<u64> {
        let now = linux::nanoseconds();
        (now != 0).then(|| now.wrapping_sub(self.last) / 1000)
    }

    fn line(&mut self, what: &str, number: usize, unit: &str) {
        let time = self.lap().unwrap_or(0);
        sys::report(format_args!("bf: {what}: {number} {unit}, {time} µs"));
        self.last = linux::nanoseconds();
    }

    fn ran(&self) {
        if let Some(time) = self.lap() {
            sys::report(format_args!("bf: run: {time} µs"));
        }
    }
}
