//! The evidence of a seccomp filter: its mode, what it answers to invalid calls, and answers that
//! no kernel gives.
//!
//! It says what was seen. Whether that is a cause is decided in `causes`.

use crate::probe::host::{Answer, INVALID_CALLS, invalid_call};
use crate::probe::out::{Out, all, fill, number};
use crate::probe::outcome::errno_name;
use barejit_sys::Error;

/// The evidence that a seccomp filter answers.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// `Seccomp:` of the process.
    pub(super) mode: Option<u64>,
    /// The answers to calls that the kernel itself can only call invalid.
    pub(super) answers: &'a [Answer; INVALID_CALLS],
    /// An answer that the kernel never gives to this call.
    pub(super) impossible: Option<Error>,
}

impl Filter<'_> {
    /// The mode, and what the filter answers. Calls with the same answer share a clause.
    pub(super) fn evidence(&self, out: &mut dyn Out) {
        match self.mode {
            Some(mode) => fill(out, "Seccomp: ~", &[number(mode).text()]),
            None => out.put("Seccomp: unknown"),
        }
        let mut told = false;
        for (i, answer) in self.answers.iter().enumerate() {
            let same = |j: usize| self.answers[j] == *answer;
            if matches!(answer, Answer::Unknown | Answer::Kernel) || (0..i).any(same) {
                continue;
            }
            told = true;
            let mut before = "; invalid ";
            for which in (i..INVALID_CALLS).filter(|j| same(*j)) {
                all(out, &[before, invalid_call(which)]);
                before = ", ";
            }
            match *answer {
                Answer::Errno(errno) => fill(out, " answer ~, not EINVAL", &[errno_name(errno)]),
                Answer::Success => out.put(" claim success"),
                Answer::Trap => out.put(" raise SIGSYS"),
                _ => out.put(" are killed by SIGSYS"),
            }
        }
        if let Some(error) = self.impossible {
            fill(
                out,
                "; ~ answers ~, which the kernel never does",
                &[error.name(), errno_name(error.errno())],
            );
        } else if !told {
            out.put("; a filter is active");
        }
    }

    /// The calls that it denies.
    pub(super) fn denied(&self, out: &mut dyn Out) {
        let mut before = "";
        for (which, answer) in self.answers.iter().enumerate() {
            if !matches!(answer, Answer::Unknown | Answer::Kernel) {
                all(out, &[before, invalid_call(which)]);
                before = ", ";
            }
        }
        match self.impossible {
            Some(error) if before.is_empty() => out.put(error.name()),
            _ if before.is_empty() => out.put("the calls that fail"),
            _ => {}
        }
    }
}
