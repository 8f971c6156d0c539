//! The behaviour of common engines on this host, derived from the outcomes of the
//! strategies.
//!
//! An engine tries its ways in order. A way that works ends the search. If what a way asks
//! for first is refused with an errno, the engine goes on to the next way; once that is
//! granted, a later refusal ends the engine. A kill or a false success ends it at once.
//! The table is in `table`; docs/engines.md has the runs that it was checked against.

mod table;

use super::outcome::{Step, Verdict};
use super::outcomes::Outcomes;
use super::strategies::Strategy;
use barejit_sys::{Errno, Error};
pub use table::{COUNT, engine};

/// A need that a way has of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// That code runs by this strategy. The engine does not go on to old code: it brings a
    /// rewrite about where the processor sees it, or makes none.
    Runs(Strategy),
    /// That what this strategy obtains first is granted, whatever happens then.
    Obtains(Strategy),
    /// That the calls of this strategy claim success, whether they have an effect or not.
    Claims(Strategy),
    /// That the calls of this strategy do not kill; whether they are refused does not matter.
    Survives(Strategy),
    /// That memfd_create(2) answers ENOSYS.
    NoMemfd,
}
use Need::{Claims, NoMemfd, Obtains, Runs, Survives};

/// How a need is answered here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is met.
    Granted,
    /// It is refused, and the engine learns that.
    Refused,
    /// A signal ends the engine, or a false success does.
    Fatal,
}

impl Need {
    /// The strategy that stands for it.
    pub fn strategy(self) -> Strategy {
        match self {
            Runs(strategy) | Obtains(strategy) | Claims(strategy) | Survives(strategy) => strategy,
            NoMemfd => Strategy::MemfdDual,
        }
    }

    /// How it is answered; `None` if its strategy was not tried, though it can be.
    pub fn answer(self, outcomes: &Outcomes) -> Option<Answer> {
        let strategy = self.strategy();
        let Some(outcome) = outcomes.of(strategy) else {
            return if strategy.is_applicable() { None } else { Some(Answer::Refused) };
        };
        let begun = outcome.step.is_none_or(|step| step > Step::Obtain);
        Some(match (self, outcome.verdict) {
            (NoMemfd, _) if outcome.is_refused_with(Errno::ENOSYS) => Answer::Granted,
            (NoMemfd, _) => Answer::Refused,
            (Obtains(_), _) if begun => Answer::Granted,
            (Survives(_), Verdict::Killed) => Answer::Fatal,
            (Survives(_), _) => Answer::Granted,
            (Claims(_), Verdict::Lied) if outcome.error.is_none() => Answer::Granted,
            (_, Verdict::Works | Verdict::Stale) => Answer::Granted,
            (_, Verdict::Denied | Verdict::Unavailable) => Answer::Refused,
            (_, Verdict::Killed | Verdict::Lied) => Answer::Fatal,
        })
    }
}

/// How many needs a way has at most.
const NEEDS: usize = 5;

/// One way of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    needs: [Option<Need>; NEEDS],
}

impl Way {
    /// Its needs, in order.
    pub fn needs(&self) -> impl Iterator<Item = Need> {
        self.needs.into_iter().flatten()
    }
}

/// How an engine ends when no way is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Otherwise {
    /// It stops with this message.
    Fails(&'static str),
    /// It goes on without its JIT; by this sign one sees it.
    Degrades(&'static str),
}

/// A setting under which an engine asks for something else.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The option or variable.
    pub name: &'static str,
    /// Its price.
    pub price: &'static str,
    /// Its needs then.
    needs: [Option<Need>; NEEDS],
}

/// How many ways and settings an engine has at most.
const WAYS: usize = 8;
const SETTINGS: usize = 2;
/// How many needs have an end of their own.
const EXCEPTIONS: usize = 3;

/// An engine and what it asks for.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// Its name in reports.
    pub name: &'static str,
    /// The version that was measured, or what it was taken from.
    pub version: &'static str,
    ways: [Option<Way>; WAYS],
    /// How it ends when no way is left.
    pub otherwise: Otherwise,
    /// How it ends if one of these needs is what is refused.
    refused: [Option<(Need, Otherwise)>; EXCEPTIONS],
    /// Its message when a false success ends it, if it handles the fault.
    lied: Option<&'static str>,
    /// The visible symptom when a filter kills one of its processes for this strategy's calls
    /// and its other processes go on.
    killed: Option<(Strategy, &'static str)>,
    /// How it ends under QEMU's user mode, whatever that grants.
    qemu: Option<Otherwise>,
    settings: [Option<Setting>; SETTINGS],
}

/// The prospect of an engine on this host.
#[derive(Clone, Copy, Debug)]
pub enum Prospect {
    /// It works as it comes.
    Works,
    /// It works without its JIT; by this sign one sees it.
    Degrades(&'static str),
    /// It fails as it comes with this message, and works with this setting.
    Needs(Setting, &'static str),
    /// It fails with this message.
    Fails(&'static str),
}

impl Prospect {
    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Degrades(_) => "degrades",
            Self::Needs(..) => "needs",
            Self::Fails(_) => "fails",
        }
    }
}

/// Where a search of ways ended.
enum End {
    Found,
    /// The last refusal.
    Refused(Need),
    /// The strategy that stands for what ended the engine.
    Fatal(Strategy),
}

impl Engine {
    /// No engine yet.
    const NONE: Self = Self {
        name: "",
        version: "",
        ways: [None; WAYS],
        otherwise: Otherwise::Fails(""),
        refused: [None; EXCEPTIONS],
        lied: None,
        killed: None,
        qemu: None,
        settings: [None; SETTINGS],
    };

    /// Says which engine it is, and in what version.
    fn is(&mut self, name: &'static str, version: &'static str) -> &mut Self {
        (self.name, self.version) = (name, version);
        self
    }

    /// Adds the next way.
    #[inline(never)] // Called some hundred times: each copy is 150 bytes.
    fn way(&mut self, needs: &[Need]) -> &mut Self {
        *free(&mut self.ways) = Some(Way { needs: several(needs) });
        self
    }

    /// Adds a way for each.
    fn each(&mut self, strategies: &[Strategy]) -> &mut Self {
        for strategy in strategies {
            self.way(&[Runs(*strategy)]);
        }
        self
    }

    /// It stops with this message.
    fn fails(&mut self, message: &'static str) -> &mut Self {
        self.otherwise = Otherwise::Fails(message);
        self
    }

    /// It goes on without its JIT.
    fn degrades(&mut self, sign: &'static str) -> &mut Self {
        self.otherwise = Otherwise::Degrades(sign);
        self
    }

    /// If this need is what is refused, it stops with another message.
    fn without(&mut self, need: Need, message: &'static str) -> &mut Self {
        *free(&mut self.refused) = Some((need, Otherwise::Fails(message)));
        self
    }

    /// It handles the fault that a false success leads to, and prints this.
    fn lied(&mut self, message: &'static str) -> &mut Self {
        self.lied = Some(message);
        self
    }

    /// It is not its first process that a kill for what this strategy does ends.
    fn killed(&mut self, strategy: Strategy, message: &'static str) -> &mut Self {
        self.killed = Some((strategy, message));
        self
    }

    /// Under QEMU's user mode it ends so.
    fn under_qemu(&mut self, otherwise: Otherwise) -> &mut Self {
        self.qemu = Some(otherwise);
        self
    }

    /// Adds a setting.
    #[inline(never)] // Called some hundred times: each copy is 150 bytes.
    fn setting(&mut self, name: &'static str, price: &'static str, needs: &[Need]) -> &mut Self {
        *free(&mut self.settings) = Some(Setting { name, price, needs: several(needs) });
        self
    }

    /// Its ways, in the order in which it tries them.
    pub fn ways(&self) -> impl Iterator<Item = Way> {
        self.ways.into_iter().flatten()
    }

    /// The settings that there are.
    pub fn settings(&self) -> impl Iterator<Item = Setting> {
        self.settings.into_iter().flatten()
    }

    /// Its prospect, with `in_qemu` under QEMU's user mode; `None` if strategies that
    /// matter were not tried.
    pub fn prospect(&self, outcomes: &Outcomes, in_qemu: bool) -> Option<Prospect> {
        if let Some(message) = no_program_is_loaded(outcomes) {
            return Some(Prospect::Fails(message));
        }
        let otherwise = match (search(self.ways(), outcomes)?, self.qemu) {
            (_, Some(otherwise)) if in_qemu => otherwise,
            (End::Found, _) => return Some(Prospect::Works),
            (End::Fatal(strategy), _) => Otherwise::Fails(self.epitaph(strategy, outcomes)),
            (End::Refused(need), _) => {
                let own = self.refused.iter().flatten().find(|(other, _)| *other == need);
                own.map_or(self.otherwise, |(_, otherwise)| *otherwise)
            }
        };
        let message = match otherwise {
            Otherwise::Degrades(sign) => return Some(Prospect::Degrades(sign)),
            Otherwise::Fails(message) => message,
        };
        for setting in self.settings() {
            let way = Way { needs: setting.needs };
            if matches!(search([way].into_iter(), outcomes)?, End::Found) {
                return Some(Prospect::Needs(setting, message));
            }
        }
        Some(Prospect::Fails(message))
    }

    /// The message of an engine that is ended by the cause that ended the trial of this strategy:
    /// mostly what a shell says of the signal.
    fn epitaph(&self, strategy: Strategy, outcomes: &Outcomes) -> &'static str {
        let own = self.killed.filter(|(killed, _)| *killed == strategy);
        match outcomes.of(strategy).map(|outcome| outcome.verdict) {
            Some(Verdict::Killed) => own.map_or("Bad system call", |(_, message)| message),
            _ => self.lied.unwrap_or("Segmentation fault"),
        }
    }
}

/// The message where mprotect(2) is denied even without PROT_EXEC. ld.so(8) then cannot load
/// libraries, which all engines have: it prints the message, or the shell names the signal.
fn no_program_is_loaded(outcomes: &Outcomes) -> Option<&'static str> {
    // This strategy makes reserved pages writable by mprotect(2) before it writes code.
    let outcome = outcomes.of(Strategy::ReserveCommit)?;
    let at_once = outcome.step == Some(Step::Obtain);
    match outcome.verdict {
        // A limit on data refuses with ENOMEM what is to become writable, and nothing else.
        Verdict::Denied | Verdict::Unavailable if at_once => {
            let denied = |error: Error| error.name() == "mprotect" && !error.is(Errno::ENOMEM);
            let message = "cannot apply additional memory protection after relocation";
            outcome.error.is_some_and(denied).then_some(message)
        }
        Verdict::Killed if at_once => Some("Bad system call"),
        _ => None,
    }
}

/// Tries the ways in order; `None` if a strategy that matters was not tried.
fn search(ways: impl Iterator<Item = Way>, outcomes: &Outcomes) -> Option<End> {
    let mut end = End::Refused(NoMemfd);
    for way in ways {
        let mut met = true;
        for (place, need) in way.needs().enumerate() {
            match need.answer(outcomes)? {
                Answer::Granted => {}
                Answer::Fatal => return Some(End::Fatal(need.strategy())),
                Answer::Refused => {
                    end = End::Refused(need);
                    if place > 0 {
                        return Some(end);
                    }
                    met = false;
                    break;
                }
            }
        }
        if met {
            return Some(End::Found);
        }
    }
    Some(end)
}

/// The first free place.
fn free<T>(places: &mut [Option<T>]) -> &mut Option<T> {
    places.iter_mut().find(|place| place.is_none()).expect("room in the engine's table")
}

/// The needs as a way has them.
fn several(needs: &[Need]) -> [Option<Need>; NEEDS] {
    core::array::from_fn(|i| needs.get(i).copied())
}

/// The engine whose name begins with `name`, however that is capitalised.
pub fn find(name: &[u8]) -> Option<Engine> {
    let is = |engine: &Engine| {
        let start = engine.name.as_bytes().get(..name.len());
        !name.is_empty() && start.is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    (0..COUNT).map(engine).find(is)
}

/// The setting by which the engine of this name does without what was refused, and its
/// price: without running code in new memory, or if that is `too_large`, without
/// reservations.
pub fn cure(name: &str, too_large: bool) -> Option<(&'static str, &'static str)> {
    let engine = (0..COUNT).map(engine).find(|engine| engine.name == name)?;
    let refused = |need: &Need| if too_large { matches!(need, Obtains(_)) } else { matches!(need, Runs(_)) };
    let setting = engine.settings().find(|setting| !setting.needs.iter().flatten().any(refused))?;
    Some((setting.name, setting.price))
}
