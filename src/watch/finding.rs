//! The findings: refused calls, each once however often it was made, restrictions that
//! the program put upon itself, and differences from a run without a tracer.

use super::calls::{self, Call};
use super::cause::{self, Answer, Case, Cause};
use super::engine;
use super::proc::{self, Mapping, Maps};
use super::stack::{self, Asker};
use crate::probe::{self, Strategy};
use alloc::{format, string::String, vec::Vec};
use barejit_sys::{
    Sysno,
    linux::tracing::{self, Registers, Tid},
};

/// The most refusals that are told apart; later ones are only counted.
const MOST: usize = 64;

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
    /// The strategy that the call is a part of.
    pub(super) strategy: Option<Strategy>,
    pub(super) cause: Cause,
    /// The engine, and the file that shows it.
    pub(super) engine: Option<(&'static str, String)>,
    /// Where the thread stood. A loop makes its calls from one place, and each of them need
    /// not be looked into.
    site: Registers,
    /// How often it was refused.
    pub(super) count: u64,
    /// The strategy by which the process got executable memory afterwards.
    pub(super) then: Option<Strategy>,
    /// How the process ended.
    pub(super) end: Option<End>,
}

impl Refusal {
    /// A setting of the engine that helps, and its price.
    pub(super) fn cure(&self) -> Option<(&'static str, &'static str)> {
        let (engine, _) = self.engine.as_ref()?;
        probe::cure(engine, self.cause.name == "limits")
    }

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
            then: None,
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
        let waits = |refusal: &Refusal| refusal.process == process && refusal.then.is_none();
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

/// The strategy of the probe that a call is a part of.
fn strategy(process: i32, call: &Call, maps: &Maps) -> Option<Strategy> {
    let is = |calls: &[Sysno]| calls.iter().any(|other| call.is(*other));
    Some(if is(&[Sysno::mmap]) {
        return mapped(process, call);
    } else if is(&[Sysno::mprotect]) {
        return protected(call, maps);
    } else if is(&[Sysno::pkey_mprotect]) {
        Strategy::PkeyMprotect
    } else if is(&[Sysno::memfd_create, Sysno::ftruncate, Sysno::fallocate]) {
        const MFD_NOEXEC_SEAL: u64 = 8;
        const MFD_EXEC: u64 = 16;
        match call.arguments[1] {
            flags if is(&[Sysno::memfd_create]) && flags & MFD_EXEC != 0 => Strategy::MemfdDualExec,
            flags if is(&[Sysno::memfd_create]) && flags & MFD_NOEXEC_SEAL != 0 => {
                Strategy::MemfdDualNoexecSeal
            }
            _ => Strategy::MemfdDual,
        }
    } else if is(&[Sysno::fcntl]) {
        Strategy::MemfdSealed
    } else if is(&[Sysno::shmat]) {
        Strategy::SysvShm
    } else if is(&[Sysno::mremap]) {
        Strategy::MremapRxToRw
    } else if is(&[Sysno::personality]) {
        Strategy::ReadImpliesExec
    } else if is(&[Sysno::open, Sysno::openat]) {
        Strategy::OtmpfileDual
    } else if is(&[Sysno::execveat]) {
        Strategy::ExecveatMemfd
    } else {
        return None;
    })
}

/// The same of mmap(2), by its size, its protection and its file.
fn mapped(process: i32, call: &Call) -> Option<Strategy> {
    const MIB: u64 = 1 << 20;
    let protection = call.protection().unwrap_or(0);
    let Some(descriptor) = call.descriptor() else {
        return Some(match call.arguments[1] {
            _ if protection & calls::PROT_WRITE != 0 => Strategy::AnonRwx,
            _ if protection != 0 => Strategy::SelfMem,
            size if size < 512 * MIB => Strategy::ReserveCommit,
            size if size < 1024 * MIB => Strategy::Reserve512,
            size if size < 4096 * MIB => Strategy::Reserve1024,
            _ => Strategy::Reserve4096,
        });
    };
    let path = proc::link(process, &format!("fd/{}", i64::from(descriptor)));
    let starts = |prefix: &str| path.starts_with(prefix.as_bytes());
    match call.arguments[3] & calls::MAP_SHARED != 0 {
        true if starts("/memfd:") => Some(Strategy::MemfdDual),
        true if starts("/tmp/") => Some(Strategy::TmpDual),
        true if starts("/dev/shm/") => Some(Strategy::ShmDual),
        true if starts("/var/tmp/") => Some(Strategy::VartmpDual),
        true => Some(Strategy::OtmpfileDual),
        false if starts("/memfd:") => Some(Strategy::MemfdPrivate),
        false => None,
    }
}

/// The same of mprotect(2), by the mapping there.
fn protected(call: &Call, maps: &Maps) -> Option<Strategy> {
    let mapping = maps.at(call.arguments[0])?;
    let writable = call.protection().is_some_and(|bits| bits & calls::PROT_WRITE != 0);
    let is = |name: &str| mapping.path.starts_with(name.as_bytes());
    // Data without a value in the file follows the data that has one.
    let data =
        mapping.path.is_empty() && maps.at(mapping.start.wrapping_sub(1)).is_some_and(Mapping::is_file);
    Some(match writable {
        _ if is("[stack") => Strategy::Stack,
        _ if is("[heap]") => Strategy::Brk,
        _ if is("/memfd:") => Strategy::MemfdMprotect,
        _ if mapping.is_file() && mapping.is_executable() => Strategy::Text,
        _ if mapping.is_file() || data => Strategy::Bss,
        true if mapping.is_reserved() => Strategy::ReserveRwx,
        true => Strategy::AnonMprotectRwx,
        false if mapping.is_reserved() => Strategy::ReserveCommit,
        false => Strategy::AnonWx,
    })
}

/// Whether a mapping that was granted is code of a library, which the dynamic linker
/// loads, and no memory for new code.
pub(super) fn is_library(call: &Call) -> bool {
    let private_file = call.descriptor().is_some() && call.arguments[3] & calls::MAP_SHARED == 0;
    call.is(Sysno::mmap) && private_file && call.protection().is_none_or(|bits| bits & calls::PROT_WRITE == 0)
}
