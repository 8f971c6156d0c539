//! The advice for this host, in a sentence.

use super::findings::Report;
use super::out::{Out, fill};
use super::outcome::{Fresh, Outcome};
use super::strategies::{Purpose, Strategy};

/// W^X strategies in the order in which a JIT should want them: no mapping writable and
/// executable at once, cheap to rewrite, and coherent everywhere. The others
/// follow in the order of the table.
const PREFERENCE: [Strategy; 9] = [
    Strategy::AnonWx,
    Strategy::MemfdDual,
    Strategy::MemfdDualExec,
    Strategy::MemfdSealed,
    Strategy::TmpDual,
    Strategy::ShmDual,
    Strategy::VartmpDual,
    Strategy::OtmpfileDual,
    Strategy::MremapRxToRw,
];

/// The strategy that a JIT should want most of those for a purpose that are as asked for.
fn first(report: &Report<'_>, purpose: Purpose, is: &dyn Fn(&Outcome) -> bool) -> Option<Strategy> {
    let mut order = PREFERENCE.into_iter().chain(Strategy::ALL);
    order.find(|strategy| strategy.purpose() == purpose && report.outcomes.of(*strategy).is_some_and(is))
}

/// Says what to do, in a sentence.
pub(super) fn advise(report: &Report<'_>, out: &mut dyn Out) {
    let best = first(report, Purpose::Wx, &Outcome::works);
    let stale = first(report, Purpose::Wx, &|outcome| outcome.fresh_after.is_some());
    let fresh = stale.and_then(|strategy| report.outcomes.of(strategy)?.fresh_after).map_or("", Fresh::name);
    match (best, stale, first(report, Purpose::Unprotected, &Outcome::works)) {
        (Some(strategy), ..) => fill(out, "use ~", &[strategy.name()]),
        (_, Some(strategy), _) => {
            fill(out, "use ~ and make every rewrite visible by ~", &[strategy.name(), fresh]);
        }
        (.., Some(strategy)) => fill(out, "only ~ works, which gives W^X up", &[strategy.name()]),
        _ => out.put("no way is left for a JIT: interpret"),
    }
    if let (Some(_), Some(strategy)) = (best, stale) {
        fill(out, "; after a rewrite ~ runs old code until ~", &[strategy.name(), fresh]);
    }
    if report.outcomes.works(Strategy::AnonWx) {
        if report.outcomes.works(Strategy::MemfdDual) {
            fill(out, "; ~ where rewrites must be cheap", &[Strategy::MemfdDual.name()]);
        }
        return;
    }
    let mut before = "; to have more: ";
    for found in report.causes.iter() {
        let mut sentence = Before { out, text: before };
        if found.cause.remedy(&mut sentence) {
            before = ", ";
        }
    }
}

/// Puts a text before the first piece.
struct Before<'a> {
    out: &'a mut dyn Out,
    text: &'static str,
}

impl Out for Before<'_> {
    fn put(&mut self, text: &str) {
        self.out.put(core::mem::take(&mut self.text));
        self.out.put(text);
    }
}
