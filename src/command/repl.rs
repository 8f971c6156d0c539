//! `barejit repl`: instructions typed at a prompt, run one line at a time.

use crate::cli::{Arg, Cli, Lossy, Outcome, Status, integer};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use barejit::{
    front::assembly,
    host::{self, Input},
    repl::{
        editor::{Complete, Editor, Typed},
        expression::{self, Value},
        line::{Kind, Runner},
        memory::peek,
        session::{Refusal, Session},
        show::{self, Quoted},
    },
    run::step::{Number, Printer, Steps},
};
use barejit_asm::Hexadecimal;
use barejit_sys::{self as sys, Errno, Error, Fd, Sysno, linux, linux::job};
use core::fmt::Write;

const HELP: &str = "\
Usage: barejit repl [OPTION…] [FILE]

Assembles each line that is typed, shows its bytes, runs it and tells what it has
changed. Several instructions stand in a line with ; between them. A line that begins
with a label begins a block, which an empty line ends. Data behind a label goes to the
session's memory: 'text: db \"Hi\",0'. A line without a mnemonic is an expression:
'rax+8', 'qword [rsp]', 'xmm0'. Every line runs in a process of its own: a fault, an
endless loop (^C ends it) or wrecked memory costs that line and nothing of the session.
With FILE the lines come from there.

Options:
  --json            print one JSON object a line
  --timeout MS      end lines that run longer; 0 is never (0 at a terminal, else
                    10000)
  --unprotected     run lines in the session's own process, for places that allow no
                    other: a line can then end or wreck the session

Commands:
  :regs :flags :xmm             registers
  :mem ADDRESS [COUNT] :stack   memory
  :bytes LINE                   the bytes of a line that is not run
  :step LINE                    run a line and show each instruction
  :undo :redo :reset            go back and forth, or to the start
  :list                         the lines that count
  :save FILE :load FILE         write them to a new file, run lines from one
  :help :quit

Keys at a terminal, as in a shell: Tab completes, the arrows or ^P ^N and ^R go through
the lines before, ^A ^E ^B ^F Alt-B Alt-F move, ^U ^K ^W remove, ^L clears the screen, ^C
gives a line up or ends one that runs, ^Z stops, ^D ends the session. With TERM=dumb
lines are typed as the terminal has it. Nothing is coloured.

Exit status, where the input is no terminal: 0; 2 if a line was not understood, 3 if
one failed, 1 if the system refused something.
";

/// The first line at a terminal.
const WELCOME: &str = "barejit: type an instruction, or :help\n";

/// The way out where no process can be made.
const ADVICE: &str = "; --unprotected runs lines without processes of their own";

/// The most that one line or block may have, in bytes.
const LIMIT: usize = 1 << 20;

/// How long a line may take where nobody can interrupt it, in milliseconds.
const PATIENCE: i64 = 10_000;

/// Bytes that `:stack` shows.
const STACK: usize = 64;

/// Bytes that `:mem` shows at most.
const MEMORY: usize = 65_536;

pub(crate) fn run(mut cli: Cli) -> Outcome {
    let (mut json, mut kind, mut timeout, mut file) = (false, Kind::Protected, None, None);
    while let Some(argument) = cli.next() {
        match argument {
            Arg::Long(b"json") => json = true,
            Arg::Long(b"unprotected") => kind = Kind::Unprotected,
            Arg::Long(b"timeout") => {
                timeout = Some(cli.number("--timeout: ", 0, 86_400_000, "not a number of milliseconds"));
            }
            Arg::Long(b"help") | Arg::Short(b'h') => return cli.print(HELP),
            Arg::Positional(word) if file.is_none() => file = Some(word),
            argument => cli.unexpected(argument, &[HELP]),
        }
    }
    let modes = if file.is_none() { job::modes(Fd::STDIN) } else { None };
    let terminal = modes.map(|modes| (Fd::STDIN, modes));
    let patience = timeout.unwrap_or(if terminal.is_some() { 0 } else { PATIENCE }) as u64;
    let session = Runner::new(terminal, patience, kind, cli.own_memory()).and_then(Session::new);
    let session = session.map_err(|error| cli.fail(Status::Refused, format_args!("{error}")))?;
    let mut prompt = Prompt { cli: &cli, session, json, worst: 0, number: 0, at: None, ended: false };
    if kind == Kind::Protected
        && let Err(error) = job::try_fork()
    {
        prompt.cannot_run(terminal.is_some(), error)?;
    }
    let is_dumb = sys::process::variable(b"TERM") == Some(b"dumb");
    match (terminal, file) {
        (Some((input, modes)), None) if !is_dumb => prompt.converse(Editor::new(input, Fd::STDOUT, modes)),
        (_, Some(path)) => prompt.read_file(path),
        (terminal, None) => prompt.read_input(terminal.is_some()),
    }?;
    let worst = prompt.worst;
    // The process ends, and the kernel takes back all at once.
    core::mem::forget(prompt);
    match worst {
        0 => Ok(()),
        status => Err(status),
    }
}

/// The sign in front of a line that is typed: of a first one, or one more of a block.
const fn sign(block: &str) -> &'static str {
    if block.is_empty() { "> " } else { ". " }
}

/// The prompt: a session, and what was said in it.
struct Prompt<'a> {
    cli: &'a Cli,
    session: Session,
    json: bool,
    /// The status to exit with.
    worst: u8,
    /// The number of the line in the input, from 1.
    number: usize,
    /// The file that lines come from, if they do.
    at: Option<String>,
    /// Whether `:quit` was said.
    ended: bool,
}

impl Prompt<'_> {
    /// Talks with a person at a terminal.
    fn converse(&mut self, mut editor: Editor) -> Outcome {
        self.say(WELCOME)?;
        let mut block = String::new();
        while !self.ended {
            match editor.read(sign(&block), &Words(&self.session)).map_err(|error| self.refused(error))? {
                Typed::End => break,
                Typed::Cancelled => block.clear(),
                Typed::Line(line) => self.take(line, &mut block)?,
            }
        }
        self.worst = 0;
        Ok(())
    }

    /// Takes lines from standard input as they come; from a terminal that has no editor,
    /// with a prompt for each.
    fn read_input(&mut self, at_terminal: bool) -> Outcome {
        let mut buffer = alloc::vec![0; 4096];
        let mut input = Input::new(Fd::STDIN, &mut buffer);
        let (mut line, mut block) = (Vec::new(), String::new());
        if at_terminal {
            self.say(WELCOME)?;
        }
        loop {
            if at_terminal && line.is_empty() {
                self.say(sign(&block))?;
            }
            let byte = input.byte().map_err(|error| self.refused(error))?;
            match byte {
                Some(byte) if byte != b'\n' => {
                    if line.len() <= LIMIT {
                        line.push(byte);
                    }
                    continue;
                }
                None if line.is_empty() => break,
                _ => {}
            }
            self.number += usize::from(!at_terminal);
            self.take_bytes(&line, &mut block)?;
            line.clear();
            if byte.is_none() || self.ended {
                break;
            }
        }
        self.finish(&mut block)?;
        if at_terminal {
            self.worst = 0;
        }
        Ok(())
    }

    /// Takes the lines of a file.
    fn read_file(&mut self, path: &[u8]) -> Outcome {
        match host::read_file(path, 64 * LIMIT) {
            Ok(text) => self.take_text(path, &text),
            Err(error) => Err(self.cli.fail(Status::Refused, format_args!("{}: {error}", Lossy(path)))),
        }
    }

    /// Takes the lines of a text from a file.
    fn take_text(&mut self, path: &[u8], text: &[u8]) -> Outcome {
        let (before, number) = (self.at.replace(Lossy(path).to_string()), core::mem::take(&mut self.number));
        let mut block = String::new();
        for line in text.split(|byte| *byte == b'\n') {
            self.number += 1;
            self.take_bytes(line, &mut block)?;
            if self.ended {
                break;
            }
        }
        let outcome = self.finish(&mut block);
        (self.at, self.number) = (before, number);
        outcome
    }

    /// Takes a line of bytes from anywhere.
    fn take_bytes(&mut self, line: &[u8], block: &mut String) -> Outcome {
        match sys::utf8(line).or(line.is_empty().then_some("")) {
            _ if line.len() > LIMIT => self.mistake("longer than a mebibyte"),
            None => self.mistake("not UTF-8"),
            Some(line) => self.take(line.trim_end_matches('\r').into(), block),
        }
    }

    /// Ends a block that has no empty line behind it.
    fn finish(&mut self, block: &mut String) -> Outcome {
        if block.is_empty() { Ok(()) } else { self.enter(&core::mem::take(block)) }
    }

    /// Takes a line: more of a block, or one of its own.
    fn take(&mut self, line: String, block: &mut String) -> Outcome {
        if block.is_empty() && !assembly::begins_block(&line) || line.contains('\n') {
            return self.enter(&line);
        }
        if line.trim().is_empty() {
            return self.finish(block);
        }
        if block.len() + line.len() > LIMIT {
            block.clear();
            return self.mistake("a block longer than a mebibyte");
        }
        block.push_str(&line);
        block.push('\n');
        Ok(())
    }

    /// Does what a line or a block says.
    fn enter(&mut self, text: &str) -> Outcome {
        let line = text.trim();
        if line.is_empty() {
            return Ok(());
        }
        if let Some(command) = line.strip_prefix(':') {
            return self.command(command);
        }
        if expression::is_expression(line, &self.session) {
            return self.evaluate(line);
        }
        self.execute(text, false)
    }

    /// Runs code, or places data.
    fn execute(&mut self, text: &str, step: bool) -> Outcome {
        let steps = Steps { json: self.json, ..Steps::ALL };
        let mut printer = step.then(|| Printer::new(Fd::STDOUT, 0..0, steps, None));
        // SAFETY: (1) the user has typed it, for this.
        let done = unsafe { self.session.enter(text, printer.as_mut()) };
        let mut out = String::new();
        match done {
            Err(Refusal::Mistake(mistake)) => {
                let line = if text.trim_end().contains('\n') {
                    format!("line {}, ", mistake.line + 1)
                } else {
                    String::new()
                };
                return self.mistake(&format!("{line}column {}: {}", mistake.column + 1, mistake.message));
            }
            Err(Refusal::NoRoom) => return self.mistake("no room left in the session's memory"),
            Err(Refusal::System(error)) => {
                self.worst = Status::Refused as u8;
                let fork = error == Error::new(Sysno::fork, error.errno());
                return self.mistake(&format!("{error}{}", if fork { ADVICE } else { "" }));
            }
            Ok(done) => {
                if done.memory.is_none() {
                    self.worst = self.worst.max(Status::Faulted as u8);
                }
                if self.json {
                    let _ = write!(out, "{{\"input\":{}", Quoted(text.trim_end()));
                    show::done_json(&mut out, &self.session, &done);
                    out.push_str("}\n");
                } else {
                    show::done(&mut out, &self.session, &done);
                }
            }
        }
        self.say(&out)
    }

    /// Prints the value of an expression.
    fn evaluate(&mut self, text: &str) -> Outcome {
        let value = match expression::evaluate(text, &self.session) {
            Ok(value) => value,
            Err(mistake) => {
                return self.mistake(&format!("column {}: {}", mistake.column + 1, mistake.message));
            }
        };
        let mut shown = String::new();
        match value {
            Value::Number(number) => {
                let _ = write!(shown, "{}", Number(number));
            }
            Value::Vector(bytes, size) => {
                shown.push_str("0x");
                for byte in bytes[..size].iter().rev() {
                    let _ = write!(shown, "{byte:02x}");
                }
            }
            Value::Memory { address, size } => {
                let mut bytes = alloc::vec![0; size];
                if peek(address, &mut bytes) < size {
                    return self.mistake(&format!("no memory at {address:#x}"));
                }
                if size <= 8 {
                    let mut word = [0; 8];
                    word[..size].copy_from_slice(&bytes);
                    let _ = write!(shown, "{}", Number(u64::from_le_bytes(word)));
                } else {
                    let _ = write!(shown, "{}", Hexadecimal(&bytes));
                }
            }
        }
        if self.json {
            self.say(&format!("{{\"input\":{},\"value\":{}}}\n", Quoted(text), Quoted(&shown)))
        } else {
            self.say(&format!("  {shown}\n"))
        }
    }

    /// A line that begins with a colon.
    fn command(&mut self, command: &str) -> Outcome {
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        let mut out = String::new();
        match name {
            "regs" => show::registers(&mut out, &self.session.state),
            "flags" => show::flags(&mut out, &self.session.state),
            "xmm" => show::vectors(&mut out, &self.session.state),
            "mem" => return self.memory(command, rest),
            "stack" => {
                let rsp = self.session.state.general[4] as usize;
                return self.dump(command, rsp, STACK.min(self.session.space.stack_end().wrapping_sub(rsp)));
            }
            "bytes" => match self.session.assemble(rest, self.session.space.data()) {
                Ok(assembled) => {
                    let _ = writeln!(out, "  {}", Hexadecimal(&assembled.bytes));
                }
                Err(mistake) => {
                    return self.mistake(&format!("column {}: {}", mistake.column + 1, mistake.message));
                }
            },
            "step" if !rest.is_empty() => return self.execute(rest, true),
            "undo" if self.session.undo() => {}
            "redo" if self.session.redo() => {}
            "undo" | "redo" => return self.mistake("there is nothing to go to"),
            "reset" => self.session.reset(),
            "list" => self.session.lines().iter().for_each(|line| {
                let _ = writeln!(out, "{}", line.trim_end());
            }),
            "save" if !rest.is_empty() => match self.save(rest.as_bytes()) {
                Ok(()) => {}
                Err(error) if error.is(Errno::EEXIST) => {
                    return self.mistake(&format!("{rest} exists, and is left as it is"));
                }
                Err(error) => {
                    self.worst = Status::Refused as u8;
                    return self.mistake(&format!("{rest}: {error}"));
                }
            },
            "load" if !rest.is_empty() => {
                if self.at.is_some() {
                    return self.mistake("a file that is loaded cannot load another");
                }
                return match host::read_file(rest.as_bytes(), 64 * LIMIT) {
                    Ok(text) => self.take_text(rest.as_bytes(), &text),
                    Err(error) => {
                        self.worst = Status::Refused as u8;
                        self.mistake(&format!("{rest}: {error}"))
                    }
                };
            }
            "help" => out.push_str(HELP),
            "quit" | "q" => self.ended = true,
            "step" | "save" | "load" => return self.mistake(&format!(":{name} needs more, see :help")),
            _ => return self.mistake(&format!("unknown command ':{name}', see :help")),
        }
        if self.json {
            out = format!("{{\"input\":{},\"text\":{}}}\n", Quoted(&format!(":{command}")), Quoted(&out));
        }
        self.say(&out)
    }

    fn memory(&mut self, command: &str, rest: &str) -> Outcome {
        let (address, count) = match rest.rsplit_once(char::is_whitespace) {
            Some((address, count)) if integer(count.as_bytes(), 64).is_some() => (address, count),
            _ => (rest, "64"),
        };
        let count = integer(count.as_bytes(), 64).unwrap_or(0).clamp(1, MEMORY as i64) as usize;
        match expression::evaluate(address, &self.session) {
            Ok(Value::Number(address)) => self.dump(command, address as usize, count),
            Ok(Value::Memory { address, .. }) => self.dump(command, address, count),
            Ok(Value::Vector(..)) => self.mistake("a vector is no address"),
            Err(mistake) => self.mistake(&format!("column {}: {}", mistake.column + 6, mistake.message)),
        }
    }

    fn dump(&mut self, command: &str, address: usize, count: usize) -> Outcome {
        let mut bytes = alloc::vec![0; count];
        let got = peek(address, &mut bytes);
        if got == 0 {
            return self.mistake(&format!("no memory at {address:#x}"));
        }
        let mut out = String::new();
        show::memory(&mut out, address, &bytes[..got]);
        if self.json {
            let (input, bytes) = (format!(":{command}"), Hexadecimal(&bytes[..got]));
            out = format!(
                "{{\"input\":{},\"address\":\"{address:#x}\",\"bytes\":\"{bytes}\"}}\n",
                Quoted(&input)
            );
        }
        self.say(&out)
    }

    /// Writes the lines that count to a file that does not exist yet.
    fn save(&self, path: &[u8]) -> Result<(), Error> {
        let mut text = self.session.lines().join("\n");
        text.push('\n');
        sys::at(path, &linux::open_new).and_then(|file| {
            let written = sys::write_all(file.fd(), text.as_bytes()).and_then(|()| file.close());
            if written.is_err() {
                // A part of the lines is no use, and would stand in the way of the next try.
                let _ = sys::at(path, &linux::unlink);
            }
            written
        })
    }

    /// Tells, before the first line, that none will run.
    fn cannot_run(&self, at_terminal: bool, error: Error) -> Outcome {
        let message = format!("no line can run: {error}{ADVICE}");
        if self.json {
            return self.say(&format!("{{\"error\":{},\"line\":0}}\n", Quoted(&message)));
        }
        if at_terminal {
            return self.say(&format!("  {message}\n"));
        }
        sys::report(format_args!("repl: {message}"));
        Ok(())
    }

    /// Tells of a line that did nothing.
    fn mistake(&mut self, message: &str) -> Outcome {
        self.worst = match self.worst {
            0 | 3 => Status::Usage as u8,
            worst => worst,
        };
        if self.json {
            return self.say(&format!("{{\"error\":{},\"line\":{}}}\n", Quoted(message), self.number));
        }
        match &self.at {
            Some(file) => sys::report(format_args!("repl: {file}:{}: {message}", self.number)),
            None if self.number > 0 => sys::report(format_args!("repl: line {}: {message}", self.number)),
            None => return self.say(&format!("  {message}\n")),
        }
        Ok(())
    }

    fn say(&self, text: &str) -> Outcome {
        sys::write_all(Fd::STDOUT, text.as_bytes()).map_err(|error| self.refused(error))
    }

    fn refused(&self, error: Error) -> u8 {
        self.cli.fail(Status::Refused, format_args!("{error}"))
    }
}

/// The words that Tab completes: commands, mnemonics, registers and labels.
struct Words<'a>(&'a Session);

impl Complete for Words<'_> {
    fn complete(&self, prefix: &str, first: bool, found: &mut dyn FnMut(&str)) {
        const COMMANDS: [&str; 17] = [
            ":bytes", ":flags", ":help", ":list", ":load", ":mem", ":quit", ":redo", ":regs", ":reset",
            ":save", ":stack", ":step", ":undo", ":xmm", ":q", ":mem",
        ];
        let mut offer = |word: &str| {
            if word.starts_with(prefix) {
                found(word);
            }
        };
        if first {
            COMMANDS.into_iter().for_each(&mut offer);
            barejit_asm::parse::mnemonics(&mut offer);
        } else {
            expression::registers(&mut offer);
        }
        self.0.labels().iter().for_each(|label| offer(&label.name));
    }
}
