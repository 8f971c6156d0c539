//! The report as people read it: a paragraph for each refused call.

use super::cause::Answer;
use super::finding::{End, Findings, Refusal};
use crate::probe;
use alloc::{format, string::String};
use barejit_sys::{described, signal::Signal};
use core::fmt::{self, Write};

/// The command that the report is about.
pub(super) struct Subject {
    /// The command as it was named.
    pub(super) command: String,
    /// How it ended; `None` if it runs.
    pub(super) end: Option<End>,
    /// Whether it ran at all.
    pub(super) executed: bool,
}

/// Says how a process ended, in the past.
fn ended(end: End) -> String {
    match end {
        End::Exited(status) => format!("ended with status {}", u64::from(status)),
        End::Killed(signal) => format!("died of SIG{}", Signal::new(signal).name()),
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(errno) => f.write_str(described(*errno)),
            Self::Signal(signal) => write!(f, "SIG{}", Signal::new(*signal).name()),
            Self::NoEffect => f.write_str("success without effect"),
        }
    }
}

/// Prints the report; nothing for a program that is fine, unless `verbose`.
pub(super) fn print(subject: &Subject, findings: &Findings, verbose: bool, text: &mut String) {
    if !subject.executed {
        return;
    }
    // Writing to a string cannot fail.
    let _ = write(subject, findings, verbose, text);
}

fn write(subject: &Subject, findings: &Findings, verbose: bool, text: &mut String) -> fmt::Result {
    let Findings { refusals, more, restrictions, caveats, threads, calls } = findings;
    for sentence in caveats {
        writeln!(text, "barejit: probe: {sentence}")?;
    }
    if refusals.is_empty() {
        if verbose {
            let end = subject.end.map_or_else(|| String::from("runs"), ended);
            writeln!(
                text,
                "barejit: probe: {} {end}; no executable memory was refused ({threads} threads, {calls} \
                 watched calls)",
                subject.command
            )?;
        }
    } else {
        let count: u64 = refusals.iter().map(|refusal| refusal.count).sum();
        let calls = if count == 1 { "call" } else { "calls" };
        let (command, count) = (&subject.command, count + more);
        writeln!(text, "barejit: probe: {command} was refused executable memory by {count} {calls}")?;
        for refusal in refusals {
            write_refusal(refusal, text)?;
        }
        if *more > 0 {
            writeln!(text, "  and {more} more of other kinds")?;
        }
    }
    if verbose || !refusals.is_empty() {
        for sentence in restrictions {
            writeln!(text, "  restriction: {sentence}")?;
        }
    }
    Ok(())
}

fn write_refusal(refusal: &Refusal, text: &mut String) -> fmt::Result {
    let mut call = String::new();
    refusal.call.print(&mut call);
    let times = if refusal.count == 1 { String::new() } else { format!(", {} times", refusal.count) };
    writeln!(text, "  refused:  {call} = {}{times}", refusal.answer)?;
    let [process, tid] = [refusal.process, refusal.tid].map(|tid| i64::from(tid.number()));
    writeln!(text, "    process:  {} ({process}, thread {tid})", refusal.program)?;
    if let Some(asker) = &refusal.asker {
        text.push_str("    asked by: ");
        if let Some(symbol) = &asker.symbol {
            write!(text, "{}+{:#x} in ", symbol.name, symbol.offset)?;
        }
        writeln!(text, "{}+{:#x} (by {})", asker.module, asker.offset, asker.method.name())?;
    }
    if let Some(strategy) = refusal.strategy {
        writeln!(text, "    strategy: {}", strategy.name())?;
    }
    writeln!(text, "    because:  {}: {}", refusal.cause.name, refusal.cause.evidence)?;
    if let Some(remedy) = probe::remedy(refusal.cause.name) {
        writeln!(text, "    to do:    {remedy}")?;
    }
    if let Some((engine, file)) = &refusal.engine {
        write!(text, "    engine:   {engine}, by {file}")?;
        match refusal.cure() {
            Some((setting, price)) => writeln!(text, "; setting: {setting} ({price})")?,
            None => text.push('\n'),
        }
    }
    writeln!(text, "    then:     {}", then(refusal))
}

/// Says what became of the process.
fn then(refusal: &Refusal) -> String {
    let end = refusal.end.map_or_else(|| String::from("runs on"), ended);
    match (refusal.then, refusal.end) {
        (None, Some(End::Exited(0))) => format!("it went on without, and {end}"),
        (None, _) => format!("it {end}"),
        (Some(strategy), _) => format!("it got executable memory by {}, and {end}", strategy.name()),
    }
}
