//! The findings: refused calls, each once however often it was made, restrictions that
//! the program put upon itself, and differences from a run without a tracer.

use super::calls::{self, Call};
use super::cause::{self, Case, Cause};
use super::engine;
use super::proc::{self, Mapping, Maps};
use super::stack::{self, Asker};
use alloc::{format, string::String, vec::Vec};
use barejit_sys::{
    Errno, Sysno,
    linux::tracing::{self, Registers, Tid},
};

/// The most refusals that are told apart; later ones are only counted.
const MOST: usize = 64;

/// How a watched call was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// It answered this errno.
    Errno(Errno),
    /// This signal came in its place, or ended the process.
    Signal(u8),
    /// It claimed success, and the mapping is not executable.
    NoEffect,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// With this status.
    Exited(u8),
    /// By this signal.
    Killed(u8),
}

/// A refused call.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) tid: Tid,
    pub(super) process: Tid,
    /// The file that the process runs.
    pub(super) program: String,
    pub(super) call: Call,
    pub(super) answer: Answer,
    pub(super) asker: Option<Asker>,
    /// The strategy that the call is a part of; empty if it is of none.
    pub(super) strategy: &'static str,
    pub(super) cause: Cause,
    /// The engine, and the file that shows it.
    pub(super) engine: Option<(&'static str, String)>,
    /// Where the thread stood. A loop makes its calls from one place, and each of them need
    /// not be looked into.
    site: Registers,
    /// How often it was refused.
    pub(super) count: u64,
    /// The strategy by which the process got executable memory afterwards.
    pub(super) then: &'static str,
    /// How the process ended.
    pub(super) end: Option<End>,
}

impl Refusal {
    /// Whether this was such a call with this answer.
    fn is_answered_like(&self, call: &Call, answer: Answer) -> bool {
        self.call.number == call.number
            && cause::kind(&self.call) == cause::kind(call)
            && self.answer == answer
    }

    /// Whether another refusal is the same again.
    fn is_like(&self, other: &Self) -> bool {
        self.is_answered_like(&other.call, other.answer)
            && self.asker == other.asker
            && self.program == other.program
            && self.cause == other.cause
    }
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) refusals: Vec<Refusal>,
    /// Refusals beyond the most that are told apart.
    pub(super) more: u64,
    /// Restrictions that programs put upon themselves, in sentences.
    pub(super) restrictions: Vec<String>,
    /// Differences from a run without a tracer, in sentences.
    pub(super) caveats: Vec<String>,
    /// How many threads there were, in all processes.
    pub(super) threads: u64,
    /// How many watched calls.
    pub(super) calls: u64,
}

impl Findings {
    /// Notes a restriction, once.
    pub(super) fn restricts(&mut self, text: String) {
        once(&mut self.restrictions, text);
    }

    /// Notes a difference, once.
    pub(super) fn differs(&mut self, text: String) {
        once(&mut self.caveats, text);
    }

    /// Whether the process was refused something before.
    pub(super) fn was_refused(&self, process: Tid) -> bool {
        self.refusals.iter().any(|refusal| refusal.process == process)
    }

    /// Counts a refused call that was made from the same place before; says whether it was.
    pub(super) fn repeats(&mut self, tid: Tid, process: Tid, call: &Call, answer: Answer) -> bool {
        let Ok(site) = tracing::registers(tid) else { return false };
        let again = |refusal: &&mut Refusal| {
            refusal.process == process && refusal.site == site && refusal.is_answered_like(call, answer)
        };
        let same = self.refusals.iter_mut().find(again);
        same.map(|refusal| refusal.count += 1).is_some()
    }

    /// Takes a refused call of a stopped thread.
    pub(super) fn refuse(&mut self, case: &Case<'_>) {
        let process = Tid::new(case.process);
        if !cause::matters(case, self.was_refused(process)) {
            return;
        }
        let asker = stack::asker(case.tid, case.process, case.call.name(), case.maps);
        // A library or a program that may not be loaded is nobody's generated code.
        let generated = !is_library(case.call) && !case.call.is(Sysno::execve);
        let engine = generated.then(|| engine::recognise(asker.as_ref(), case.maps)).flatten();
        let engine = engine.map(|(name, file)| (name, proc::clean(file)));
        let refusal = Refusal {
            tid: case.tid,
            process,
            program: proc::clean(&proc::link(case.process, "exe")),
            call: *case.call,
            answer: case.answer,
            strategy: strategy(case.process, case.call, case.maps),
            cause: cause::infer(case),
            asker,
            engine,
            site: tracing::registers(case.tid).unwrap_or_default(),
            count: 1,
            then: "",
            end: None,
        };
        if let Some(same) = self.refusals.iter_mut().find(|other| other.is_like(&refusal)) {
            same.count += 1;
        } else if self.refusals.len() < MOST {
            self.refusals.push(refusal);
        } else {
            self.more += 1;
        }
    }

    /// Takes a call by which a process got executable memory.
    pub(super) fn grant(&mut self, process: Tid, call: &Call, maps: &mut dyn FnMut() -> Maps) {
        let waits = |refusal: &Refusal| refusal.process == process && refusal.then.is_empty();
        if self.refusals.iter().any(waits) {
            let strategy = strategy(process.number(), call, &maps());
            for refusal in self.refusals.iter_mut().filter(|refusal| waits(refusal)) {
                refusal.then = strategy;
            }
        }
    }

    /// Takes the end of a process.
    pub(super) fn end(&mut self, process: Tid, end: End) {
        for refusal in &mut self.refusals {
            if refusal.process == process && refusal.end.is_none() {
                refusal.end = Some(end);
            }
        }
    }
}

fn once(sentences: &mut Vec<String>, text: String) {
    if sentences.len() < MOST && !sentences.contains(&text) {
        sentences.push(text);
    }
}

/// The row of the probe's table that a call is a part of.
fn strategy(process: i32, call: &Call, maps: &Maps) -> &'static str {
    let protection = call.protection().unwrap_or(0);
    let writable = protection & calls::PROT_WRITE != 0;
    match call.number {
        number if number == Sysno::mmap as u64 => mapped(process, call, protection, writable),
        number if number == Sysno::mprotect as u64 => protected(call, maps, writable),
        number if number == Sysno::pkey_mprotect as u64 => "pkey-mprotect",
        number if number == Sysno::memfd_create as u64 => match call.arguments[1] & 0x18 {
            0x10 => "memfd-dual-exec",
            0x08 => "memfd-dual-noexec-seal",
            _ => "memfd-dual",
        },
        number if number == Sysno::fcntl as u64 => "memfd-sealed",
        number if [Sysno::ftruncate, Sysno::fallocate].iter().any(|call| number == *call as u64) => {
            "memfd-dual"
        }
        number if number == Sysno::shmat as u64 => "sysv-shm",
        number if number == Sysno::mremap as u64 => "mremap-rx-to-rw",
        number if number == Sysno::personality as u64 => "read-implies-exec",
        number if [Sysno::open, Sysno::openat].iter().any(|call| number == *call as u64) => "otmpfile-dual",
        number if number == Sysno::execveat as u64 => "execveat-memfd",
        _ => "",
    }
}

/// The same of mmap(2).
fn mapped(process: i32, call: &Call, protection: u64, writable: bool) -> &'static str {
    let Some(descriptor) = call.descriptor() else {
        return match protection {
            0 => "reserve-commit",
            _ if writable => "anon-rwx",
            _ => "self-mem",
        };
    };
    let path = proc::link(process, &format!("fd/{}", i64::from(descriptor)));
    let starts = |prefix: &str| path.starts_with(prefix.as_bytes());
    match call.arguments[3] & calls::MAP_SHARED != 0 {
        _ if starts("/memfd:") && call.arguments[3] & calls::MAP_SHARED == 0 => "memfd-private",
        _ if starts("/memfd:") => "memfd-dual",
        false => "",
        true if starts("/tmp/") => "tmp-dual",
        true if starts("/dev/shm/") => "shm-dual",
        true if starts("/var/tmp/") => "vartmp-dual",
        true => "otmpfile-dual",
    }
}

/// The same of mprotect(2), by what is mapped there.
fn protected(call: &Call, maps: &Maps, writable: bool) -> &'static str {
    let Some(mapping) = maps.at(call.arguments[0]) else { return "" };
    let is = |name: &str| mapping.path.starts_with(name.as_bytes());
    // Data without a value in the file follows the data that has one.
    let data =
        mapping.path.is_empty() && maps.at(mapping.start.wrapping_sub(1)).is_some_and(Mapping::is_file);
    match writable {
        _ if is("[stack") => "stack",
        _ if is("[heap]") => "brk",
        _ if is("/memfd:") => "memfd-mprotect",
        _ if mapping.is_file() && mapping.is_executable() => "text",
        _ if mapping.is_file() || data => "bss",
        _ if mapping.is_reserved() => "reserve-commit",
        _ => "anon-wx",
    }
}

/// Whether a mapping that was granted is code of a library, which the dynamic linker
/// loads, and no memory for new code.
pub(super) fn is_library(call: &Call) -> bool {
    let private_file = call.descriptor().is_some() && call.arguments[3] & calls::MAP_SHARED == 0;
    call.is(Sysno::mmap) && private_file && call.protection().is_none_or(|bits| bits & calls::PROT_WRITE == 0)
}
