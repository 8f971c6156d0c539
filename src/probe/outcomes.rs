//! The outcome of each strategy.

use super::outcome::Outcome;
use super::strategies::Strategy;

/// The outcome of each strategy; `None` if it was not tried.
#[derive(Debug)]
pub struct Outcomes([Option<Outcome>; Strategy::ALL.len()]);

impl Outcomes {
    /// Nothing was tried.
    pub const NONE: Self = Self([None; Strategy::ALL.len()]);

    /// The outcome of this one.
    pub fn of(&self, strategy: Strategy) -> Option<&Outcome> {
        self.0[strategy as usize].as_ref()
    }

    /// Whether this one works.
    pub fn works(&self, strategy: Strategy) -> bool {
        self.of(strategy).is_some_and(Outcome::works)
    }

    /// Keeps what came of one.
    pub(super) fn keep(&mut self, strategy: Strategy, outcome: Outcome) {
        self.0[strategy as usize] = Some(outcome);
    }

    /// Those that were tried, in the order of the table.
    pub fn tried(&self) -> impl Iterator<Item = (Strategy, &Outcome)> {
        Strategy::ALL.into_iter().filter_map(|strategy| Some((strategy, self.of(strategy)?)))
    }
}
