//! The output of the prompt: for people, and as JSON, one object a line (RFC 8259).

use super::{
    change::{self, Bytes},
    line::{Crash, Outcome, Stop},
    session::{Done, Session},
};
use crate::run::step::Number;
use alloc::string::String;
use barejit_asm::Hexadecimal;
use barejit_exec::{State, fault::Place};
use core::fmt::{self, Display, Write};

/// Stretches of memory that are shown, and bytes of each.
const STRETCHES: usize = 4;
const STRETCH: usize = 16;

/// Writes text that takes everything.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        // A string takes everything.
        let _ = write!($out, $($arg)*);
    }};
}

/// Writes the effect of a line for people: its bytes and text, how it ended if not at its end,
/// and the registers and memory that changed.
pub fn done(out: &mut String, session: &Session, done: &Done) {
    listing(out, done);
    if let Some(outcome) = &done.outcome {
        ending(out, done, outcome);
    }
    let Some(memory) = &done.memory else { return };
    let (old, new) = (&session.previous, &session.state);
    for (name, old, new) in change::numbers(old, new) {
        put!(out, "  {name} {} -> {}\n", Number(old), Number(new));
    }
    let flags = change::flags(old, new);
    if !flags.is_empty() {
        put!(out, " ");
        for (name, set) in flags {
            put!(out, " {name} {} -> {}", u64::from(!set), u64::from(set));
        }
        put!(out, "\n");
    }
    for n in change::vectors(old, new) {
        let (old, new) = (old.vector(n), new.vector(n));
        let wide = old[16..] != new[16..];
        put!(out, "  {} {} -> {}\n", Vector(n, wide), Wide(&old, wide), Wide(&new, wide));
    }
    for n in change::stack_registers(old, new) {
        put!(out, "  st{n} {} -> {}\n", Hexadecimal(&old.st(n)), Hexadecimal(&new.st(n)));
    }
    for bytes in memory.iter().take(STRETCHES) {
        put!(out, "  [{}] {} -> {}\n", Symbolic(session, bytes.address), Cut(&bytes.old), Cut(&bytes.new));
    }
    if memory.len() > STRETCHES {
        put!(out, "  and memory in {} more places\n", memory.len() - STRETCHES);
    }
}

/// The bytes and the text of each instruction.
pub fn listing(out: &mut String, done: &Done) {
    for line in &done.assembled.listing {
        let bytes = &done.assembled.bytes[line.offset..line.offset + line.size];
        put!(out, "  {:<30} {}\n", Hexadecimal(bytes), line.text);
    }
}

fn ending(out: &mut String, done: &Done, outcome: &Outcome) {
    match outcome {
        Outcome::Stopped { stop, lost_mappings } => {
            match stop {
                Stop::End => {}
                Stop::Returned => put!(out, "  returned from the outermost frame\n"),
                Stop::Fault(crash) => {
                    put!(out, "  {}; the line is undone\n", Fault(done, crash));
                }
            }
            if *lost_mappings {
                put!(out, "  mappings that the line has made or removed are as before it\n");
            }
        }
        Outcome::Exited(status) => {
            put!(out, "  the process of the line exited with status {status}; the line is undone\n");
        }
        Outcome::Killed(signal) => {
            put!(out, "  the process of the line was ended by SIG{}; the line is undone\n", signal.name());
        }
        Outcome::Stopping(signal) => {
            put!(out, "  the line has stopped itself by SIG{}; it is ended and undone\n", signal.name());
        }
        Outcome::TimedOut => put!(out, "  the line took too long; it is undone\n"),
    }
}

/// A signal in one clause.
struct Fault<'a>(&'a Done, &'a Crash);

impl Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(done, crash) = self;
        write!(f, "SIG{}", crash.signal.name())?;
        match crash.place {
            Place::Code(offset) => {
                let at = done.assembled.listing.iter().find(|line| line.offset == offset as usize);
                match at {
                    Some(line) => write!(f, " at {}", line.text)?,
                    None => write!(f, " at byte {offset} of the line")?,
                }
            }
            Place::Wild(address) => write!(f, " at {address:#x}, outside of the line")?,
        }
        let (access, signal) = (if crash.store { "store to" } else { "access to" }, crash.signal.number());
        // SIGBUS and SIGSEGV have an address, but for general protection faults.
        if matches!(signal, 7 | 11) && crash.reason > 0 && crash.reason != barejit_sys::signal::KERNEL {
            write!(f, ", {access} {:#x}", crash.address)?;
        }
        Ok(())
    }
}

/// All general-purpose registers, three in a row, and RIP of none: lines have no place.
pub fn registers(out: &mut String, state: &State) {
    for (n, (name, value)) in State::GENERAL.iter().zip(&state.general).enumerate() {
        put!(out, "  {name:<4}{value:#018x}{}", if n % 3 == 2 { "\n" } else { "" });
    }
    put!(out, "\n");
}

/// The flags that programs change.
pub fn flags(out: &mut String, state: &State) {
    for (name, bit) in State::FLAGS {
        put!(out, "  {name} {}", state.flags >> bit & 1);
    }
    put!(out, "\n");
}

/// The vector registers that are not zero.
pub fn vectors(out: &mut String, state: &State) {
    let mut any = false;
    for n in 0..16 {
        let vector = state.vector(n);
        if vector != [0; 32] {
            any = true;
            let wide = vector[16..] != [0; 16];
            put!(out, "  {:<6}{}\n", Vector(n, wide), Wide(&vector, wide));
        }
    }
    if !any {
        put!(out, "  all vector registers are zero\n");
    }
    put!(out, "  mxcsr {:#x}\n", state.mxcsr());
}

/// Memory as hexadecimal and text, 16 bytes a row.
pub fn memory(out: &mut String, address: usize, bytes: &[u8]) {
    for (row, bytes) in bytes.chunks(16).enumerate() {
        put!(out, "  {:#x}  {:<48} ", address.wrapping_add(16 * row), Hexadecimal(bytes));
        for byte in bytes {
            out.push(if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' });
        }
        out.push('\n');
    }
}

/// The name of a vector register; the wide one has 256 bits.
struct Vector(usize, bool);

impl Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = [
            if self.1 { "ymm" } else { "xmm" },
            match self.0 {
                0 => "0",
                1 => "1",
                2 => "2",
                3 => "3",
                4 => "4",
                5 => "5",
                6 => "6",
                7 => "7",
                8 => "8",
                9 => "9",
                10 => "10",
                11 => "11",
                12 => "12",
                13 => "13",
                14 => "14",
                _ => "15",
            },
        ]
        .concat();
        f.pad(&name)
    }
}

/// A vector as one number, the highest byte first.
struct Wide<'a>(&'a [u8; 32], bool);

impl Display for Wide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = &self.0[..if self.1 { 32 } else { 16 }];
        if bytes.iter().all(|byte| *byte == 0) {
            return f.write_str("0");
        }
        f.write_str("0x")?;
        bytes.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first bytes of a stretch.
struct Cut<'a>(&'a [u8]);

impl Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Hexadecimal(&self.0[..self.0.len().min(STRETCH)]))?;
        if self.0.len() > STRETCH { write!(f, " … {} bytes", self.0.len()) } else { Ok(()) }
    }
}

/// An address as label or RSP plus a distance if it is near one, else as a number.
struct Symbolic<'a>(&'a Session, usize);

impl Display for Symbolic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(session, address) = self;
        let near = session.labels().iter().filter(|label| label.address <= *address);
        if let Some(label) = near.max_by_key(|label| label.address)
            && address - label.address < session.space.data_size()
        {
            return match address - label.address {
                0 => write!(f, "{}", label.name),
                distance => write!(f, "{}+{distance:#x}", label.name),
            };
        }
        let rsp = session.state.general[4] as usize;
        match address.checked_sub(rsp) {
            Some(0) => f.write_str("rsp"),
            Some(distance @ 1..4096) => write!(f, "rsp+{distance:#x}"),
            _ => write!(f, "{address:#x}"),
        }
    }
}

/// Text between quotes, escaped.
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_str("\"")
    }
}

/// Writes the effect of a line as members of a JSON object.
pub fn done_json(out: &mut String, session: &Session, done: &Done) {
    put!(out, ",\"bytes\":\"{}\",\"listing\":[", Hexadecimal(&done.assembled.bytes));
    for (n, line) in done.assembled.listing.iter().enumerate() {
        put!(out, "{}{}", if n > 0 { "," } else { "" }, Quoted(&line.text));
    }
    put!(out, "]");
    match &done.outcome {
        None => put!(out, ",\"end\":\"data\""),
        Some(Outcome::Stopped { stop: Stop::End, .. }) => put!(out, ",\"end\":\"end\""),
        Some(Outcome::Stopped { stop: Stop::Returned, .. }) => put!(out, ",\"end\":\"returned\""),
        Some(Outcome::Stopped { stop: Stop::Fault(crash), .. }) => {
            let text = alloc::format!("{}", Fault(done, crash));
            put!(
                out,
                ",\"end\":\"fault\",\"signal\":\"SIG{}\",\"message\":{}",
                crash.signal.name(),
                Quoted(&text)
            );
        }
        Some(Outcome::Exited(status)) => put!(out, ",\"end\":\"exit\",\"status\":{status}"),
        Some(Outcome::Killed(signal)) => put!(out, ",\"end\":\"killed\",\"signal\":\"SIG{}\"", signal.name()),
        Some(Outcome::Stopping(signal)) => {
            put!(out, ",\"end\":\"stopped\",\"signal\":\"SIG{}\"", signal.name());
        }
        Some(Outcome::TimedOut) => put!(out, ",\"end\":\"timeout\""),
    }
    let Some(memory) = &done.memory else { return };
    let (old, new) = (&session.previous, &session.state);
    put!(out, ",\"registers\":{{");
    for (n, (name, old, new)) in change::numbers(old, new).into_iter().enumerate() {
        put!(out, "{}\"{name}\":[\"{old:#x}\",\"{new:#x}\"]", if n > 0 { "," } else { "" });
    }
    put!(out, "}},\"flags\":{{");
    for (n, (name, set)) in change::flags(old, new).into_iter().enumerate() {
        put!(out, "{}\"{name}\":[{},{}]", if n > 0 { "," } else { "" }, u64::from(!set), u64::from(set));
    }
    put!(out, "}},\"vectors\":{{");
    for (n, vector) in change::vectors(old, new).into_iter().enumerate() {
        let (old, new) = (old.vector(vector), new.vector(vector));
        put!(
            out,
            "{}\"ymm{vector}\":[\"{}\",\"{}\"]",
            if n > 0 { "," } else { "" },
            Wide(&old, true),
            Wide(&new, true)
        );
    }
    put!(out, "}},\"memory\":[");
    for (n, Bytes { address, old, new }) in memory.iter().enumerate() {
        let comma = if n > 0 { "," } else { "" };
        put!(
            out,
            "{comma}{{\"address\":\"{address:#x}\",\"old\":\"{}\",\"new\":\"{}\"}}",
            Hexadecimal(old),
            Hexadecimal(new)
        );
    }
    put!(out, "]");
}
