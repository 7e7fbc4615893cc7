//! How many operations are in flight, averaged over time: one side of Little's law.
//!
//! Two figures of the same operations, those that are due in the measured window: how many were in
//! flight while it lasted, and how many it comes to if each is followed until it leaves, for as long
//! as that takes. Only the second is held against throughput x response: a service that falls behind
//! answers much of what was due in the window when it is over, and a figure that is cut there differs
//! from one that is not, whoever counted. Never looks at latencies, so it can contradict them. Reads
//! no clock. Called by the worker at every intended instant and every outcome; read by the report.

use std::time::Duration;

/// The integral of the number in flight, over the measured window and until the last has left.
#[derive(Clone, Debug)]
pub struct Occupancy {
    from: Duration,
    to: Duration,
    last: Duration,
    in_flight: u64,
    /// Within the window.
    area_ns: u128,
    /// Until each has left.
    stayed_ns: u128,
}

impl Occupancy {
    /// Averages over `from..to`, counted from the start of the run.
    #[must_use]
    pub fn over(from: Duration, to: Duration) -> Self {
        Self { from, to, last: Duration::ZERO, in_flight: 0, area_ns: 0, stayed_ns: 0 }
    }

    /// One more is in flight, since `at`: before the last call if the generator was late.
    pub fn enter(&mut self, at: Duration) {
        if at < self.last {
            self.area_ns += self.overlap(at, self.last).as_nanos();
            self.stayed_ns += (self.last - at).as_nanos();
        }
        self.advance(at);
        self.in_flight += 1;
    }

    /// One less is in flight; none, if none was.
    pub fn leave(&mut self, at: Duration) {
        self.advance(at);
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// One that entered at `entered` has no outcome and never will: it was in flight while it was, and
    /// has no part in [`Self::stayed`].
    pub fn forget(&mut self, entered: Duration, at: Duration) {
        self.leave(at);
        let stayed = self.last.saturating_sub(entered).as_nanos();
        self.stayed_ns = self.stayed_ns.saturating_sub(stayed);
    }

    /// The window ends at `at`, if that is earlier than it was to: no later call may have been
    /// before it.
    pub fn end(&mut self, at: Duration) {
        self.to = self.to.min(at);
    }

    /// How many are in flight now.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// The mean number in flight over the window, which ends at the last call if that came
    /// earlier than its end. 0 for an empty window.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let length = self.last.min(self.to).saturating_sub(self.from).as_nanos();
        if length == 0 { 0.0 } else { self.area_ns as f64 / length as f64 }
    }

    /// The mean number in flight if everything that had an outcome by the last call had stayed within
    /// the window: rate x mean time in flight of the same operations, exactly. 0 for an empty window.
    #[must_use]
    pub fn stayed(&self) -> f64 {
        let length = self.to.saturating_sub(self.from).as_nanos();
        if length == 0 { 0.0 } else { self.stayed_ns as f64 / length as f64 }
    }

    fn advance(&mut self, at: Duration) {
        let at = at.max(self.last);
        let overlap = self.overlap(self.last, at);
        self.area_ns += overlap.as_nanos() * u128::from(self.in_flight);
        self.stayed_ns += (at - self.last).as_nanos() * u128::from(self.in_flight);
        self.last = at;
    }

    /// How much of `start..end` lies in the window.
    fn overlap(&self, start: Duration, end: Duration) -> Duration {
        end.min(self.to).saturating_sub(start.max(self.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn only_the_window_counts() {
        let mut occupancy = Occupancy::over(ms(100), ms(200));
        occupancy.enter(ms(0));
        occupancy.enter(ms(150));
        occupancy.leave(ms(250));
        occupancy.leave(ms(900));
        assert!((occupancy.mean() - 1.5).abs() < 1e-12, "{}", occupancy.mean());
        assert_eq!(occupancy.in_flight(), 0);
    }

    #[test]
    fn one_that_is_noticed_late_counts_from_when_it_was_due() {
        let mut occupancy = Occupancy::over(ms(0), ms(10));
        occupancy.enter(ms(1));
        occupancy.leave(ms(5));
        occupancy.enter(ms(3));
        occupancy.leave(ms(10));
        assert!((occupancy.mean() - 1.1).abs() < 1e-12, "{}", occupancy.mean());
    }

    #[test]
    fn leaving_when_nobody_is_there_does_no_harm() {
        let mut occupancy = Occupancy::over(ms(0), ms(10));
        occupancy.leave(ms(5));
        occupancy.enter(ms(5));
        occupancy.leave(ms(10));
        assert!((occupancy.mean() - 0.5).abs() < 1e-12);
        assert_eq!(Occupancy::over(ms(1), ms(1)).mean(), 0.0);
    }

    #[test]
    fn what_leaves_after_the_window_is_followed_until_it_does() {
        let mut occupancy = Occupancy::over(ms(100), ms(200));
        occupancy.enter(ms(150));
        occupancy.enter(ms(190));
        occupancy.leave(ms(250));
        occupancy.leave(ms(900));
        assert!((occupancy.stayed() - 8.1).abs() < 1e-12, "{}", occupancy.stayed());
        assert!((occupancy.mean() - 0.6).abs() < 1e-12, "{}", occupancy.mean());
        assert_eq!(Occupancy::over(ms(1), ms(1)).stayed(), 0.0);
    }

    proptest! {
        /// Whatever a service does: what stayed is the sum of the times of those with an outcome.
        #[test]
        fn little_s_law_holds_of_every_order_of_outcomes_and_of_those_that_have_none(
            stays in prop::collection::vec((0_u64..1000, 0_u64..4000, any::<bool>()), 1..40),
            late in 0_u64..50, length in 1_u64..1000,
        ) {
            // Each is noticed up to `late` after it was due, and those without an outcome at the end.
            let end = 10_000;
            let mut events: Vec<(u64, usize, bool)> = Vec::new();
            for (number, (start, stay, served)) in stays.iter().enumerate() {
                let noticed = start + late.min(*stay);
                events.push((noticed, number, true));
                events.push((if *served { start + stay } else { end }, number, false));
            }
            events.sort_by_key(|(at, _, entering)| (*at, !entering));
            let mut occupancy = Occupancy::over(ms(0), ms(length));
            for (at, number, entering) in events {
                let (start, _, served) = stays[number];
                match (entering, served) {
                    (true, _) => occupancy.enter(ms(start)),
                    (false, true) => occupancy.leave(ms(at)),
                    (false, false) => occupancy.forget(ms(start), ms(at)),
                }
            }
            let served = stays.iter().filter(|(_, _, served)| *served);
            let total: u64 = served.map(|(_, stay, _)| stay).sum();
            prop_assert!((occupancy.stayed() - total as f64 / length as f64).abs() < 1e-9);
            prop_assert_eq!(occupancy.in_flight(), 0);
        }

        #[test]
        fn the_area_is_the_sum_of_what_each_stayed_within_the_window(
            stays in prop::collection::vec((0_u64..1000, 0_u64..400), 1..40),
            from in 0_u64..500, length in 1_u64..500,
        ) {
            let mut events: Vec<(u64, bool)> = stays
                .iter()
                .flat_map(|(start, stay)| [(*start, true), (start + stay, false)])
                .collect();
            events.push((2000, true));
            events.sort_by_key(|(at, entering)| (*at, !entering));
            let mut occupancy = Occupancy::over(ms(from), ms(from + length));
            for (at, entering) in events {
                if entering { occupancy.enter(ms(at)) } else { occupancy.leave(ms(at)) }
            }
            let stayed: u64 = stays
                .iter()
                .map(|(start, stay)| {
                    (start + stay).min(from + length).saturating_sub(*start.max(&from))
                })
                .sum();
            let mean = stayed as f64 / length as f64;
            prop_assert!((occupancy.mean() - mean).abs() < 1e-9);
        }
    }
}
