//! The probe: every strategy for executable memory, tried for real, and what follows from
//! that for this host.
//!
//! ```text
//! strategies ──▶ runner (one process each) ──▶ outcomes ─┐
//! host (facts, read in a process too) ────────────────────┴─▶ causes ──▶ findings
//!                                                                           │
//!                                    advice, engines ──▶ report · json · summary
//! ```
//!
//! A [`Report`] is a value of fixed size: nothing here needs the heap, which a
//! limit may have taken away, but the summary of many hosts. Whether a host *should*
//! allow any of it is not asked here.

mod advice;
mod causes;
pub mod engines;
mod findings;
mod host;
pub mod json;
mod out;
mod outcome;
mod outcomes;
pub mod report;
mod runner;
mod strategies;
pub mod summary;

pub use causes::{Cause, Causes, Filter, Found, remedy};
pub use engines::cure;
pub use findings::{Report, Request};
pub use host::{Answer, Fact, Host, Name};
pub use out::{Out, Text};
pub use outcome::{Fresh, Outcome, Step, Verdict};
pub use outcomes::Outcomes;
pub use strategies::{Purpose, Set, Strategy};

use runner::{Orphan, Record, Runner};

/// The records of trials, and the facts about the host that they find.
#[derive(Debug)]
pub struct Area {
    record: Record,
    host: Host,
}

impl Default for Area {
    /// Nothing has been tried and nothing found out.
    fn default() -> Self {
        Self { record: Record::default(), host: Host::UNKNOWN }
    }
}

/// Tries everything that `request` asks for. What was found out about the host is in
/// `area` afterwards, or in memory like it. Three calls are named to `announce` before they
/// are made for the first time: trials need them, and a filter may kill for them.
pub fn run<'a>(request: Request, area: &'a mut Area, announce: &mut dyn FnMut(&str)) -> Report<'a> {
    let Area { record: own, host } = area;
    let (shared, host) = match runner::shared(Area::default()) {
        Ok(Area { record, host }) => (Ok(&*record), host),
        Err(error) => (Err(error), host),
    };
    let mut runner = Runner::new(shared, own, announce);
    host::gather(&mut runner, host);
    let mut outcomes = Outcomes::NONE;
    for strategy in Strategy::ALL {
        let wanted = request.only.map_or(strategy.is_applicable(), |only| only == strategy);
        if wanted {
            outcomes.keep(strategy, attempt(&mut runner, strategy, request.bench));
        }
    }
    host.no_fork = runner.no_fork();
    let causes = causes::infer(host, &outcomes);
    Report { host, outcomes, causes }
}

fn attempt(runner: &mut Runner<'_>, strategy: Strategy, bench: bool) -> Outcome {
    // A file or a segment that has a name for a moment must live to take it back.
    let orphan = if strategy.leaves_something() { Orphan::Finishes } else { Orphan::Dies };
    let (record, end) = runner.run(orphan, &mut |record| strategy.attempt(record, bench));
    let mut outcome = record.judge(end, strategies::TOKENS);
    let faulted = outcome.verdict == Verdict::Lied && outcome.step == Some(Step::Run);
    if strategy.purpose() == Purpose::Control && faulted {
        // A page that nobody made executable promised nothing.
        outcome.verdict = Verdict::Denied;
    }
    outcome
}
