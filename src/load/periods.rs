//! The parts of a run in which members go away and come back: what the others feel in each.
//!
//! An operation belongs to the period in which it was due, whatever came of it later. Pure, and
//! reads no clock. Called by the recorder; read by the report.

use std::time::Duration;

use super::recorder::Series;
use super::scenario::Scenario;

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Nobody has gone yet.
    Before,
    /// Some are away, and nobody is to come back yet.
    Away,
    /// Some are coming back, or getting what they missed.
    Returning,
    /// Everybody who was not lost on the way is back and has everything.
    After,
}

impl Period {
    /// Every period, in the order of a run.
    pub const ALL: [Self; 4] = [Self::Before, Self::Away, Self::Returning, Self::After];

    /// Its name in records: `before`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Away => "away",
            Self::Returning => "returning",
            Self::After => "after",
        }
    }
}

/// When a run's periods begin, since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    leaving: Duration,
    coming: Duration,
    /// Not known before it is so.
    complete: Option<Duration>,
}

/// What a class felt in one period.
#[derive(Clone, Debug, Default)]
pub struct PeriodSeries {
    /// From the intended instant to the acceptance.
    pub response: Series,
    /// From the intended instant to the last member that was present and has it.
    pub fanout_last: Series,
}

impl Periods {
    /// Of a scenario; `None` when nobody goes away in it. The first who goes and the first who
    /// comes back set the marks.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Option<Self> {
        let away = || scenario.groups.iter().flat_map(|class| &class.away);
        let warm = scenario.window().start;
        let leaving = warm + away().map(|away| away.from).min()?;
        let coming = warm + away().map(|away| away.from + away.lasting).min()?;
        Some(Self { leaving, coming, complete: None })
    }

    /// Everybody is back and has everything, as of `at`.
    pub fn completed(&mut self, at: Duration) {
        self.complete.get_or_insert(at);
    }

    /// The period of what was due at `intended`.
    #[must_use]
    pub fn at(&self, intended: Duration) -> Period {
        if intended < self.leaving {
            Period::Before
        } else if intended < self.coming {
            Period::Away
        } else if self.complete.is_none_or(|complete| intended < complete) {
            Period::Returning
        } else {
            Period::After
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_four_periods_of_which_the_last_begins_when_everybody_has_everything() {
        let secs = Duration::from_secs;
        let mut periods = Periods { leaving: secs(2), coming: secs(5), complete: None };
        let at = |periods: &Periods| [1, 2, 4, 5, 9].map(|second| periods.at(secs(second)));
        use Period::{After, Away, Before, Returning};
        assert_eq!(at(&periods), [Before, Away, Away, Returning, Returning]);
        periods.completed(secs(6));
        periods.completed(secs(20));
        assert_eq!(at(&periods), [Before, Away, Away, Returning, After]);
    }
}
