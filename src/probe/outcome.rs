//! The outcome of a trial: its parts, its verdicts, and the words for both.
//!
//! It does not know which strategy was tried.

use super::out::{Out, Text, fill};
use barejit_sys::{Errno, Error, described, signal::Signal};

/// A part of a trial.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub enum Step {
    /// Memory, or what it is made from, is asked for.
    Obtain,
    /// The first code is written.
    Write,
    /// The memory is made executable.
    Protect,
    /// The first code is called.
    Run,
    /// Other code is written in its place.
    Rewrite,
    /// That code is called.
    Rerun,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Self; 6] =
        [Self::Obtain, Self::Write, Self::Protect, Self::Run, Self::Rewrite, Self::Rerun];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Obtain => "obtain",
            Self::Write => "write",
            Self::Protect => "protect",
            Self::Run => "run",
            Self::Rewrite => "rewrite",
            Self::Rerun => "rerun",
        }
    }
}

/// The verdict of a trial, in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The code ran, and so did its rewrite.
    Works,
    /// After a rewrite the old code still ran.
    Stale,
    /// A call was refused.
    Denied,
    /// A signal ended the trial.
    Killed,
    /// A call claimed success without effect.
    Lied,
    /// This kernel does not know how.
    Unavailable,
}

impl Verdict {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Stale => "stale",
            Self::Denied => "denied",
            Self::Killed => "killed",
            Self::Lied => "lied",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The remedies that make a stale rewrite visible, the cheapest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fresh {
    /// RX → R → RX on the executable mapping.
    Reprotect = 1,
    /// The executable view mapped again at its address.
    Remap,
    /// One more executable view.
    NewView,
}

impl Fresh {
    /// All of them, in the order tried.
    pub const ALL: [Self; 3] = [Self::Reprotect, Self::Remap, Self::NewView];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reprotect => "rx-r-rx",
            Self::Remap => "remap",
            Self::NewView => "new-view",
        }
    }
}

/// The outcome of one strategy.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// In a word.
    pub verdict: Verdict,
    /// Where it ended; `None` if it works.
    pub step: Option<Step>,
    /// The refusal; errno 0 is a success without effect.
    pub error: Option<Error>,
    /// The signal that ended it.
    pub signal: Option<u8>,
    /// The remedy that makes a rewrite visible, if it was not at once.
    pub fresh_after: Option<Fresh>,
    /// The price of one rewrite in nanoseconds, if that was asked.
    pub repatch_ns: Option<u64>,
}

impl Outcome {
    /// Whether code can be run this way, and be replaced.
    pub fn works(&self) -> bool {
        self.verdict == Verdict::Works
    }

    /// Whether this errno was the answer.
    pub fn is_refused_with(&self, errno: Errno) -> bool {
        self.error.is_some_and(|error| error.is(errno))
    }

    /// Errno, signal or verdict, the step and the call.
    pub fn describe(&self, out: &mut dyn Out) {
        match (self.error, self.signal) {
            (Some(error), _) if error.errno().into_raw() == 0 => out.put("no effect"),
            (Some(error), _) => out.put(errno_name(error.errno())),
            (_, Some(signal)) => out.put(signal_name(signal).text()),
            _ => out.put(self.verdict.name()),
        }
        if let Some(step) = self.step {
            fill(out, " at ~", &[step.name()]);
        }
        if let Some(error) = self.error {
            fill(out, " (~)", &[error.name()]);
        }
    }
}

/// The name of an errno; 0, a success without effect, has none.
pub(super) fn errno_name(errno: Errno) -> &'static str {
    described(errno).split(' ').next().unwrap_or_default()
}

/// The name of a signal, with SIG.
pub(super) fn signal_name(signal: u8) -> Text<12> {
    let mut name = Text::EMPTY;
    name.append(b"SIG");
    name.append(Signal::new(signal).name().as_bytes());
    name
}
