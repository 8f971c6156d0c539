//! All that a probe has found out, before it is worded.

use super::causes::Causes;
use super::host::Host;
use super::outcome::Outcome;
use super::outcomes::Outcomes;
use super::strategies::{Purpose, Strategy};

/// The questions of a run.
#[derive(Clone, Copy, Default, Debug)]
pub struct Request {
    /// This strategy alone.
    pub only: Option<Strategy>,
    /// The price of a rewrite, too.
    pub bench: bool,
}

/// Everything that was found out.
#[derive(Debug)]
pub struct Report<'a> {
    /// About the machine, the kernel and what limits this process.
    pub host: &'a Host,
    /// The outcome of each strategy.
    pub outcomes: Outcomes,
    /// Why strategies fail.
    pub causes: Causes<'a>,
}

impl Report<'_> {
    /// Whether every strategy was tried that can be.
    pub fn is_complete(&self) -> bool {
        Strategy::ALL
            .into_iter()
            .all(|strategy| !strategy.is_applicable() || self.outcomes.of(strategy).is_some())
    }

    /// Whether a JIT can work here without giving W^X up. Of a single strategy: whether
    /// that works.
    pub fn is_usable(&self, request: Request) -> bool {
        let counts = |strategy: Strategy| request.only.is_some() || strategy.purpose() == Purpose::Wx;
        self.outcomes.tried().any(|(strategy, outcome)| outcome.works() && counts(strategy))
    }

    /// Whether nothing fails: every strategy that was tried works, and the control does not.
    pub fn is_plain(&self) -> bool {
        let well = |(strategy, outcome): (Strategy, &Outcome)| {
            outcome.works() != (strategy.purpose() == Purpose::Control)
        };
        self.outcomes.tried().all(well)
    }
}
