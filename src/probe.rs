//! The probe: every way into executable memory, tried for real, and what follows
//! from that for this host.
//!
//! ```text
//! rows ──▶ trial (one process each) ──▶ Outcome ─┐
//! host (facts, read in a process too) ───────────┴─▶ causes ──▶ engines, advice
//!                                                       │
//!                                        report · json · summary
//! ```
//!
//! A [`Report`] is a value of fixed size: nothing here needs the heap, which a
//! limit may have taken away, but the summary of many hosts. The ways that barejit
//! itself uses are exec's, tried in `ours`; the others are in `ways` and `elsewhere`.
//! Whether a host *should* allow any of it is not asked here.

mod causes;
mod elsewhere;
mod engines;
mod host;
pub mod json;
mod ours;
mod out;
pub mod report;
mod rows;
pub mod summary;
mod trial;
mod ways;

use causes::advice;
pub use causes::{Cause, Causes, remedy};
pub use engines::{ENGINES, Engine, Prospect, cure};
pub use host::{Answer, Fact, Host, Name};
pub use out::{Out, Text};
pub use rows::{ROWS, Row, Use, find};
pub use trial::Area;

use barejit_exec::Callable;
use barejit_sys::{Error, linux::nanoseconds};
use core::mem::MaybeUninit;
use rows::{Try, set};
use trial::{Lab, Orphan, Record};
use ways::{Machine, Place, TOKENS};

/// A part of a trial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    #[inline(never)]
    pub fn name(self) -> &'static str {
        out::word("obtain write protect run rewrite rerun", self as usize)
    }
}

/// What a trial came to.
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
    #[inline(never)]
    pub fn name(self) -> &'static str {
        out::word("works stale denied killed lied unavailable", self as usize)
    }
}

/// What makes a stale rewrite visible, the cheapest first.
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
    #[inline(never)]
    pub fn name(self) -> &'static str {
        out::word(" rx-r-rx remap new-view", self as usize)
    }
}

/// What came of one row.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// What was tried.
    pub row: &'static Row,
    /// In a word.
    pub verdict: Verdict,
    /// Where it ended; `None` if it works.
    pub step: Option<Step>,
    /// The refusal; errno 0 is a success without effect.
    pub error: Option<Error>,
    /// The signal that ended it.
    pub signal: Option<u8>,
    /// What makes a rewrite visible, if it was not at once.
    pub fresh_after: Option<Fresh>,
    /// What one rewrite costs, in nanoseconds, if that was asked.
    pub repatch_ns: Option<u64>,
}

impl Outcome {
    /// Whether code can be run this way, and be replaced.
    pub fn works(&self) -> bool {
        self.verdict == Verdict::Works
    }
}

/// What to find out.
#[derive(Clone, Copy, Default, Debug)]
pub struct Request {
    /// This row alone.
    pub only: Option<usize>,
    /// What a rewrite costs, too.
    pub bench: bool,
}

/// Everything that was found out.
#[derive(Debug)]
pub struct Report<'a> {
    /// About the machine, the kernel and what limits this process.
    pub host: &'a Host,
    /// One outcome a row; `None` if it was not tried.
    pub outcomes: [Option<Outcome>; ROWS.len()],
    /// Why rows fail.
    pub causes: Causes,
}

impl Report<'_> {
    /// The rows that were tried, and those of them that work, a bit each.
    pub fn sets(&self) -> (u32, u32) {
        let (mut tried, mut works) = (0, 0);
        for (row, outcome) in self.outcomes.iter().enumerate() {
            tried |= u32::from(outcome.is_some()) << row;
            works |= u32::from(outcome.is_some_and(|outcome| outcome.works())) << row;
        }
        (tried, works)
    }

    /// Whether every row was tried.
    pub fn is_complete(&self) -> bool {
        self.outcomes.iter().all(Option::is_some)
    }

    /// What came of the rows that were tried.
    pub fn tried(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().flatten()
    }

    /// Whether a JIT can work here without giving up W^X. Of a single row: whether
    /// that works.
    pub fn is_usable(&self, request: Request) -> bool {
        let counts = |row: &Row| request.only.is_some() || row.purpose == Use::Wx;
        self.tried().any(|outcome| outcome.works() && counts(outcome.row))
    }
}

/// Tries everything that `request` asks for. What was found out about the host is in
/// `area` afterwards, or in memory like it.
#[inline(never)]
pub fn run(request: Request, area: &mut Area) -> Report<'_> {
    let (mut lab, host) = Lab::new(area);
    host::gather(&mut lab, host);
    let mut outcomes = [None; ROWS.len()];
    for (i, (outcome, row)) in outcomes.iter_mut().zip(&ROWS).enumerate() {
        if request.only.is_none_or(|only| only == i) {
            *outcome = Some(attempt(&mut lab, row, request.bench));
        }
    }
    host.confined = lab.confined();
    let mut report = Report { host, outcomes, causes: Causes::default() };
    causes::infer(&mut report);
    report
}

fn attempt(lab: &mut Lab<'_>, row: &'static Row, bench: bool) -> Outcome {
    // What has a name for a moment must live to take it back.
    const NAMED: u32 = set(&["tmp-dual", "shm-dual", "vartmp-dual", "sysv-shm"]);
    let orphan = if NAMED >> row.place & 1 != 0 { Orphan::Finishes } else { Orphan::Dies };
    let (record, end) = lab.run(orphan, &mut |record| match &row.way {
        Try::Ours(ours) => ours.attempt(record, bench),
        Try::Here(way) => {
            let mut scratch = MaybeUninit::uninit();
            let mut machine = Machine::new(record, &mut scratch);
            trial(record, bench, &mut |token| machine.write(way, token));
        }
        Try::Elsewhere(way) => way.attempt(record),
    });
    let mut outcome = record.judge(row, end, TOKENS);
    if row.purpose == Use::Control && outcome.verdict == Verdict::Lied && outcome.step == Some(Step::Run) {
        // A page that nobody made executable promised nothing.
        outcome.verdict = Verdict::Denied;
    }
    outcome
}

/// The whole of a trial whose code runs in its process; `write` puts code there, and
/// then other code in its place.
#[inline(never)]
fn trial(record: &Record, bench: bool, write: &mut dyn FnMut(u32) -> Place) {
    record.enter(Step::Obtain);
    let place = write(TOKENS[0]);
    record.enter(Step::Run);
    record.token(0, call(place));
    record.enter(Step::Rewrite);
    let mut place = write(TOKENS[1]);
    record.enter(Step::Rerun);
    let token = call(place);
    record.token(1, token);
    record.finish();
    if token == TOKENS[0] {
        for fresh in Fresh::ALL {
            if place.refresh(fresh) && call(place) == TOKENS[1] {
                record.freshened(fresh);
                break;
            }
        }
    }
    if !bench {
        return;
    }
    // Rewrites are timed until there are enough of them or a millisecond is over.
    const BATCH: u64 = 64;
    let start = nanoseconds();
    let (mut done, mut elapsed) = (0, 0);
    while elapsed < 1_000_000 && done < 64 * BATCH {
        for i in 0..BATCH {
            write(TOKENS[i as usize % 2]);
        }
        done += BATCH;
        elapsed = nanoseconds().wrapping_sub(start);
    }
    // A clock that stands still tells nothing.
    if elapsed > 0 {
        record.cost((elapsed / done).max(1));
    }
}

/// Calls the stub.
#[inline(never)]
fn call(place: Place) -> u32 {
    // SAFETY: (1) the stub is there, or memory that faults, which ends the trial.
    let function = unsafe { Callable::<extern "sysv64" fn() -> u32>::at(place.run.as_ptr() as usize) };
    function.call()
}
