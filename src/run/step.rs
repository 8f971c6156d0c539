//! Each executed instruction with what it changed: `--step`, and `:step` at the prompt.
//!
//! The processor runs a copy of each instruction, or traps behind it while the trap flag is
//! set (SDM vol. 3B, 17.3.1.4). Registers and memory are seen before and after, so nothing is
//! simulated. Instructions that the trap flag shows through are looked after here:
//!
//! - `syscall` saves RFLAGS in R11 and traps one instruction late: the stepper makes the
//!   call itself, and shows it with its arguments and its answer.
//! - `pushf` stores the flag: it is cleared where it was stored.
//! - `popf` and `iret` clear it: it is set again after each instruction.
//! - `rep` traps in each iteration: it is shown as one instruction.
//! - `mov ss` holds the trap back by one instruction: it is said.
//! - Functions outside of the code, call-backs, run at full speed up to their return.

use super::instruction::{Kind, Seen, look};
use alloc::{boxed::Box, string::String};
use barejit_asm::Store;
use barejit_exec::{
    State,
    fault::{Next, Stepper, peek},
};
use barejit_sys::{self as sys, Fd, Sysno, linux, signal::Context};
use core::{
    fmt::{self, Write},
    ops::Range,
};

/// Lines leave in pieces this large.
const BUFFER: usize = 32 * 1024;

/// More than a line takes.
const LINE: usize = 4096;

/// Bytes of a store that are shown.
const SHOWN: usize = 16;

/// Which instructions to print, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Steps {
    /// At most so many instructions; the rest runs at full speed.
    pub most: u64,
    /// The symbol with whose first instruction to begin.
    pub from: Option<&'static [u8]>,
    /// Objects of JSON in place of lines for people.
    pub json: bool,
}

impl Steps {
    /// Everything, for people.
    pub const ALL: Self = Self { most: u64::MAX, from: None, json: false };
}

/// Prints instructions as they run.
#[derive(Debug)]
pub struct Printer {
    fd: Fd<'static>,
    steps: Steps,
    /// Where the code lies; offsets count from its start.
    code: Range<usize>,
    shown: u64,
    /// The instruction to begin with, until it is reached.
    begin: Option<usize>,
    /// The instruction that runs.
    running: Option<Box<Running>>,
    text: String,
}

/// An instruction that runs, with the state before it.
#[derive(Debug)]
struct Running {
    seen: Seen,
    rip: usize,
    general: [u64; 16],
    flags: u64,
    /// All of the state, if the instruction uses more than the above.
    state: Option<State>,
    /// The arguments and the answer of a syscall.
    note: String,
}

impl Printer {
    /// A printer to `fd` of the steps of `code`, from that at the address `begin` on, or
    /// from the first one.
    pub fn new(fd: Fd<'static>, code: Range<usize>, steps: Steps, begin: Option<usize>) -> Self {
        Self { fd, steps, code, shown: 0, begin, running: None, text: String::with_capacity(BUFFER) }
    }

    /// The same printer for code that lies elsewhere.
    pub fn place(&mut self, code: Range<usize>) {
        self.code = code;
    }

    /// Writes out what is held. Nobody is left to tell if that fails.
    pub fn flush(&mut self) {
        let _ = sys::write_all(self.fd, self.text.as_bytes());
        self.text.clear();
    }

    /// Shows the instruction that did not end because of a signal, and writes everything
    /// out.
    pub fn finish(&mut self, signal: Option<&str>) {
        match (self.running.take(), signal) {
            (Some(running), Some(signal)) => {
                self.begin(&running);
                let _ = match self.steps.json {
                    true => writeln!(self.text, ",\"signal\":\"SIG{signal}\"}}"),
                    false => writeln!(self.text, "  SIG{signal}"),
                };
            }
            // The trap behind the code was held back, too, and nothing else has come behind it.
            (Some(running), None) if running.seen.kind == Kind::LoadsStackSegment => {
                self.begin(&running);
                let _ = match self.steps.json {
                    true => writeln!(self.text, ",\"note\":\"and the end, as one step\"}}"),
                    false => writeln!(self.text, " and the end, as one step"),
                };
            }
            _ => {}
        }
        self.flush();
    }

    /// Shows the instruction that has just run. Whether it goes on instead, with its next
    /// iteration.
    fn end(&mut self, context: &Context) -> bool {
        let Some(running) = self.running.take() else { return false };
        if matches!(running.seen.kind, Kind::Repeated { .. }) && context.rip as usize == running.rip {
            self.running = Some(running);
            return true;
        }
        self.shown += 1;
        self.begin(&running);
        self.changes(&running, context);
        self.text.push_str(if self.steps.json { "}\n" } else { "\n" });
        if self.text.len() > BUFFER - LINE {
            self.flush();
        }
        false
    }

    /// Writes where the instruction is, and its text.
    fn begin(&mut self, running: &Running) {
        let (offset, text) = (running.rip.wrapping_sub(self.code.start), &running.seen.text);
        let _ = if self.steps.json {
            write!(self.text, "{{\"offset\":{offset},\"address\":\"{:#x}\",\"text\":\"{text}\"", running.rip)
        } else {
            write!(self.text, "{offset:6x}  {text:<36}")
        };
    }

    /// Writes what it changed.
    fn changes(&mut self, running: &Running, context: &Context) {
        if self.steps.json {
            self.changes_json(running, context)
        } else {
            self.changes_text(running, context)
        }
    }

    fn changes_text(&mut self, running: &Running, context: &Context) {
        let out = &mut self.text;
        let new = context.general();
        for (name, (old, new)) in State::GENERAL.iter().zip(running.general.iter().zip(&new)) {
            if old != new {
                let _ = write!(out, " {name} {} -> {}", Number(*old), Number(*new));
            }
        }
        for (name, bit) in State::FLAGS {
            let set = context.rflags >> bit & 1;
            if running.flags >> bit & 1 != set {
                let _ = write!(out, " {name}={set}");
            }
        }
        if let Some(old) = &running.state {
            let new = captured(context);
            for n in (0..16).filter(|n| old.vector(*n) != new.vector(*n)) {
                let _ = write!(out, " ymm{n} -> {}", Bits(&new.vector(n)));
            }
            for n in (0..8).filter(|n| old.st(*n) != new.st(*n)) {
                let _ = write!(out, " st{n} -> {}", Bits(&new.st(n)));
            }
            if old.mxcsr() != new.mxcsr() {
                let [old, new] = [old, &new].map(|state| Number(state.mxcsr().into()));
                let _ = write!(out, " mxcsr {old} -> {new}");
            }
        }
        for (address, size) in stores(running, &new) {
            let mut bytes = [0; SHOWN];
            let shown = &mut bytes[..size.min(SHOWN)];
            peek(address, shown);
            let cut = if size > SHOWN { "…" } else { "" };
            let _ = write!(out, " [{address:#x}] = {}{cut}", Bits(shown));
        }
        match running.seen.kind {
            Kind::Conditional => {
                let next = running.rip + running.seen.size;
                out.push_str(if context.rip as usize == next { " not taken" } else { " taken" });
            }
            Kind::Repeated { narrow } => {
                let _ = write!(out, " {} times", iterations(narrow, running, &new));
            }
            Kind::LoadsStackSegment => out.push_str(" and the instruction behind it, as one step"),
            _ => {}
        }
        out.push_str(&running.note);
    }

    fn changes_json(&mut self, running: &Running, context: &Context) {
        let out = &mut self.text;
        out.push_str(",\"registers\":{");
        let new = context.general();
        let mut comma = "";
        for (name, (old, new)) in State::GENERAL.iter().zip(running.general.iter().zip(&new)) {
            if old != new {
                let _ = write!(out, "{comma}\"{name}\":[\"{old:#x}\",\"{new:#x}\"]");
                comma = ",";
            }
        }
        out.push_str("},\"flags\":{");
        comma = "";
        for (name, bit) in State::FLAGS {
            let set = context.rflags >> bit & 1;
            if running.flags >> bit & 1 != set {
                let _ = write!(out, "{comma}\"{name}\":{set}");
                comma = ",";
            }
        }
        out.push_str("},\"vectors\":{");
        comma = "";
        if let Some(old) = &running.state {
            let new = captured(context);
            for n in (0..16).filter(|n| old.vector(*n) != new.vector(*n)) {
                let _ = write!(out, "{comma}\"ymm{n}\":\"{}\"", Bits(&new.vector(n)));
                comma = ",";
            }
        }
        out.push_str("},\"memory\":[");
        comma = "";
        for (address, size) in stores(running, &new) {
            let mut bytes = [0; SHOWN];
            let shown = &mut bytes[..size.min(SHOWN)];
            peek(address, shown);
            let _ = write!(
                out,
                "{comma}{{\"address\":\"{address:#x}\",\"size\":{size},\"value\":\"{}\"}}",
                Bits(shown)
            );
            comma = ",";
        }
        out.push(']');
        match running.seen.kind {
            Kind::Conditional => {
                let taken = context.rip as usize != running.rip + running.seen.size;
                let _ = write!(out, ",\"taken\":{taken}");
            }
            Kind::Repeated { narrow } => {
                let _ = write!(out, ",\"iterations\":{}", iterations(narrow, running, &new));
            }
            _ => {}
        }
        if !running.note.is_empty() {
            let _ = write!(out, ",\"note\":\"{}\"", running.note.trim());
        }
    }
}

impl Stepper for Printer {
    fn step(&mut self, context: &mut Context, inside: bool) -> Next {
        let before =
            self.running.as_ref().map(|running| (running.seen.kind, running.rip + running.seen.size));
        if let Some((Kind::PushesFlags, _)) = before {
            hide_trap_flag(context.rsp as usize);
        }
        if self.end(context) {
            return Next::Step;
        }
        let rip = context.rip as usize;
        if !inside {
            // The output of the called function comes behind the output
            // here.
            self.flush();
            return match before {
                // A call has left the address behind it on the stack.
                Some((Kind::Call, back)) if word(context.rsp as usize) == Some(back) => Next::Over(back),
                _ => Next::Run,
            };
        }
        if self.begin == Some(rip) {
            self.begin = None;
        }
        if self.shown >= self.steps.most {
            self.flush();
            return Next::Run;
        }
        if self.begin.is_some() {
            return Next::Step;
        }
        self.start(context)
    }
}

impl Printer {
    /// Looks at the next instruction, and at the state before it. Syscalls are done at
    /// once, as many as stand there in a row.
    fn start(&mut self, context: &mut Context) -> Next {
        loop {
            let rip = context.rip as usize;
            // SAFETY: the next instruction is in the code, which can be read.
            let bytes =
                unsafe { core::slice::from_raw_parts(rip as *const u8, (self.code.end - rip).min(15)) };
            let general = context.general();
            let seen = look(bytes, rip, &general);
            let state = seen.uses_vectors.then(|| captured(context));
            let kind = seen.kind;
            let flags = context.rflags;
            let running = Running { seen, rip, general, flags, state, note: String::new() };
            self.running = Some(Box::new(running));
            match kind {
                Kind::Syscall => {}
                // Its trap is the code's own.
                Kind::Trap => return Next::Run,
                _ => return Next::Step,
            }
            if let Some(next) = self.make_call(context) {
                return next;
            }
            if !self.code.contains(&(context.rip as usize)) || self.shown >= self.steps.most {
                self.flush();
                return Next::Run;
            }
        }
    }

    /// Makes the syscall that the code is about to make. `None` if the code goes on
    /// behind it.
    fn make_call(&mut self, context: &mut Context) -> Option<Next> {
        const CLONE_VM: u64 = 0x100;
        const ENOSYS: i64 = -38;
        let [rax, _, rdx, _, _, _, rsi, rdi, r8, r9, r10, ..] = context.general();
        let arguments = [rdi, rsi, rdx, r10, r8, r9];
        let mut note = String::from(" ");
        let _ = match sys::call_name(rax as usize) {
            "" => write!(note, "syscall {rax}("),
            name => write!(note, "{name}("),
        };
        for (n, argument) in arguments.iter().enumerate() {
            let _ = write!(note, "{}{argument:#x}", if n > 0 { ", " } else { "" });
        }
        note.push(')');
        let call = Sysno::new(rax as usize);
        if let Some(Sysno::rt_sigreturn) = call {
            note.push_str(" restores all registers: not stepped from here");
            self.show_call(note, context);
            return Some(Next::Run);
        }
        // The output of the call comes behind the output here.
        let leaves = matches!(
            call,
            Some(
                Sysno::exit
                    | Sysno::exit_group
                    | Sysno::execve
                    | Sysno::execveat
                    | Sysno::fork
                    | Sysno::clone
            )
        );
        if leaves {
            self.show_call(note.clone(), context);
        }
        self.flush();
        let answer = match call {
            // A child in the same memory would run on this stack.
            Some(Sysno::vfork | Sysno::clone3) => ENOSYS,
            Some(Sysno::clone) if rdi & CLONE_VM != 0 => ENOSYS,
            // SAFETY: (1) the code asks for it, and would do it by itself.
            _ => unsafe { linux::raw(rax as usize, &arguments) },
        };
        if let (Some(Sysno::fork | Sysno::clone), 0) = (call, answer) {
            // The child runs at full speed, and shows nothing.
            complete(context, answer);
            self.running = None;
            return Some(Next::Run);
        }
        complete(context, answer);
        if !leaves {
            let _ = write!(note, " = {answer}");
            self.show_call(note, context);
        }
        None
    }

    /// Shows the syscall that runs.
    fn show_call(&mut self, note: String, context: &Context) {
        if let Some(running) = &mut self.running {
            running.note = note;
        }
        self.end(context);
        self.flush();
    }
}

/// How often a string operation was repeated: it counts in RCX, or in ECX if it is narrow.
fn iterations(narrow: bool, running: &Running, after: &[u64; 16]) -> u64 {
    let count = running.general[1].wrapping_sub(after[1]);
    if narrow { count & 0xFFFF_FFFF } else { count }
}

/// Where an instruction has stored, and how many bytes.
fn stores(running: &Running, after: &[u64; 16]) -> impl Iterator<Item = (usize, usize)> {
    let rsp = after[4] as usize;
    running.seen.stores.into_iter().flatten().map(move |store| match store {
        Store::At(address, size) => (address as usize, size),
        Store::Pushed(size) => (rsp, size),
    })
}

/// The effect of `syscall` on registers (SDM vol. 2B): RAX has the answer, RCX the address
/// behind it, R11 the flags.
fn complete(context: &mut Context, answer: i64) {
    const SIZE: u64 = 2;
    let mut general = context.general();
    context.rip = context.rip.wrapping_add(SIZE);
    general[0] = answer as u64;
    general[1] = context.rip;
    general[11] = context.rflags & !State::TRAP;
    context.set_general(&general);
}

/// The word at `address`, if there is one.
fn word(address: usize) -> Option<usize> {
    let mut bytes = [0; 8];
    (peek(address, &mut bytes) == bytes.len()).then(|| usize::from_le_bytes(bytes))
}

/// Clears TF in the flags that `pushf` has just put at `address`.
fn hide_trap_flag(address: usize) {
    // SAFETY: the instruction has just written there.
    let flags = unsafe { &mut *(address as *mut u16) };
    *flags &= !(State::TRAP as u16);
}

/// All of the state in `context`.
fn captured(context: &Context) -> State {
    let mut state = State::INITIAL;
    // SAFETY: (1) a stepper is called with such.
    unsafe { state.capture(context) };
    state
}

/// A number as people read it: small ones in decimal, others in hexadecimal; those that
/// are negative numbers of 64 bits close to zero, as such too.
pub struct Number(pub u64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SMALL: u64 = 10;
        match (self.0, self.0.cast_signed()) {
            (value @ 0..SMALL, _) => write!(f, "{value}"),
            (value, signed @ -0x1_0000..0) => write!(f, "{value:#x} ({signed})"),
            (value, _) => write!(f, "{value:#x}"),
        }
    }
}

/// Bytes as one number, the highest first.
struct Bits<'a>(&'a [u8]);

impl fmt::Display for Bits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
