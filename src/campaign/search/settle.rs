//! The end of a search: whether its bounds can be stated, and which load to try until they can.
//!
//! Of two trials that contradict each other one was luck, and nobody knows which. Near capacity a load
//! whose trials say the same by chance is easily found, since loads are tried there until one is. So
//! a bound has to stand more trials, of itself and against those of its neighbours, and gives way to
//! the next load further out if it does not.

use super::{Class, Length, Load, Search};

impl Search {
    /// The next load to try; `None` when the bounds are as good as they become.
    pub(super) fn settle(&mut self) -> Option<f64> {
        self.settle_lower().or_else(|| self.settle_upper())
    }

    /// The highest load that long trials have found to meet the goal, with every load below it, and
    /// below what the generator can offer.
    pub(super) fn stated_lower(&self) -> Option<f64> {
        let missed = self.long().filter(|load| !load.long.missed.is_zero());
        let limited = self.long().filter(|load| self.class(load, Length::Long) == Class::Limited);
        let ceiling = missed.chain(limited).map(|load| load.factor).reduce(f64::min);
        let met = self.long().filter(|load| !load.long.met.is_zero()).map(|load| load.factor);
        met.filter(|factor| ceiling.is_none_or(|ceiling| *factor < ceiling)).reduce(f64::max)
    }

    /// The lowest load that long trials have found to miss the goal, with every load above it.
    pub(super) fn stated_upper(&self) -> Option<f64> {
        let met = self.long().filter(|load| !load.long.met.is_zero());
        let floor = met.map(|load| load.factor).reduce(f64::max);
        let missed = self.long().filter(|load| !load.long.missed.is_zero());
        let missed = missed.map(|load| load.factor);
        missed.filter(|factor| floor.is_none_or(|floor| *factor > floor)).reduce(f64::min)
    }

    fn settle_lower(&mut self) -> Option<f64> {
        let (least, _) = self.goal.range;
        if let Some(lower) = self.stated_lower() {
            return self.is_unsettled(lower).then_some(lower);
        }
        let lowest = self.long().map(|load| load.factor).reduce(f64::min)?;
        if lowest <= least {
            return self.is_unsettled(lowest).then_some(lowest);
        }
        Some((lowest * self.widen(0)).max(least))
    }

    fn settle_upper(&mut self) -> Option<f64> {
        let (_, most) = self.goal.range;
        let limited = self.bounds(Length::Long).limited;
        if let Some(upper) = self.stated_upper() {
            // Above what the generator can offer it is of no interest.
            let counts = limited.is_none_or(|limited| upper < limited);
            return (counts && self.is_unsettled(upper)).then_some(upper);
        }
        let misses = self.long().any(|load| !load.long.missed.is_zero());
        let highest = self.long().map(|load| load.factor).reduce(f64::max)?;
        if !misses || limited.is_some() || highest >= most {
            return None;
        }
        Some((highest / self.widen(1)).min(most))
    }

    fn widen(&mut self, side: usize) -> f64 {
        let nth = self.widened[side];
        self.widened[side] += 1;
        self.widths(usize::try_from(nth).unwrap_or(usize::MAX))
    }

    /// Whether a load that a bound is to be has had too few long trials to be one. One with both kinds
    /// is no bound whatever more of them say.
    fn is_unsettled(&self, factor: f64) -> bool {
        let Some(load) = self.long().find(|load| super::same(load.factor, factor)) else {
            return true;
        };
        let (met, missed) = (load.long.met, load.long.missed);
        if !met.is_zero() && !missed.is_zero() {
            return false;
        }
        let needed = self.goal.trials + u32::from(self.is_contradicted());
        let had = (met + missed).as_secs_f64() / self.goal.long.as_secs_f64();
        load.long.said_nothing < needed && had + 0.5 < f64::from(needed)
    }

    /// Whether trials of one length have contradicted each other: at one load, or one that missed the
    /// goal at a load below one that met it.
    fn is_contradicted(&self) -> bool {
        [Length::Short, Length::Long].into_iter().any(|length| {
            let times = |load: &Load| load.times(length).copied().unwrap_or_default();
            let met = self.loads.iter().filter(|load| !times(load).met.is_zero());
            let missed = self.loads.iter().filter(|load| !times(load).missed.is_zero());
            let highest = met.map(|load| load.factor).reduce(f64::max);
            let lowest = missed.map(|load| load.factor).reduce(f64::min);
            highest.zip(lowest).is_some_and(|(met, missed)| missed <= met)
        })
    }

    /// The loads that long trials have been made of.
    fn long(&self) -> impl Iterator<Item = &Load> {
        self.loads.iter().filter(|load| load.times(Length::Long).is_some())
    }
}
