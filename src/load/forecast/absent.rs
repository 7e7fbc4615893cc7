//! What members will miss that go away, and what slow ones will be behind with.
//!
//! Counts what is due while each is away, and lets a slow member's backlog fill and drain over the
//! schedule as a tank does. Both are of operations as they are due: what a service needs to answer is
//! on top. Pure. Called by the forecast.

use std::collections::HashMap;
use std::time::Duration;

use super::OfClass;
use crate::limits::RING_ENTRIES_MAX;
use crate::load::population::Population;
use crate::load::scenario::{Class, Scenario};
use crate::load::schedule::Operation;
use crate::load::slow::Slow;
use crate::load::timetable::Timetable;

/// What comes of a class's members that are not always there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Absent {
    /// Times that a member goes, and comes back with a handshake.
    pub departures: u64,
    /// Messages that are due while one is away, over all of them: what they catch up with.
    pub missed: u64,
    /// Most that one misses at once which must not be let off anything.
    pub missed_most: u64,
    /// Slow members.
    pub slow: u64,
    /// Bytes of deliveries, with their frames, that one of them is behind with at the most.
    pub behind_bytes: f64,
    /// Messages that wait at the service for one which must not be let off anything, at the most.
    pub waiting: f64,
}

impl Absent {
    /// Whether a group keeps all that members miss which must have it.
    #[must_use]
    pub fn are_kept(&self) -> (bool, bool) {
        let kept = RING_ENTRIES_MAX as u64;
        (self.missed_most <= kept, self.waiting <= kept as f64)
    }
}

/// Fills in what each class's absent and slow members come to, once all else of it is known. Costs two
/// searches for each absence, and a pass over the operations of groups with slow members.
pub(super) fn fill_in(
    classes: &mut [OfClass],
    scenario: &Scenario,
    population: &Population,
    operations: &[Operation],
) {
    let timetable = Timetable::of(scenario, population);
    let special = |class: &Class| !class.away.is_empty() || class.slow.is_some();
    if !scenario.groups.iter().any(special) {
        return;
    }
    let mut due: Vec<Vec<Duration>> = vec![Vec::new(); population.groups().len()];
    for operation in operations {
        due[operation.group as usize].push(operation.intended);
    }
    // A member's moves alternate, whatever is between them.
    let mut gone = HashMap::new();
    for step in timetable.moves() {
        let of = &mut classes[population.groups()[step.group as usize].class as usize].absent;
        if !step.back {
            of.departures += 1;
            gone.insert((step.group, step.member), step.at);
        } else if let Some(from) = gone.remove(&(step.group, step.member)) {
            let due = &due[step.group as usize];
            let before = |at: Duration| due.partition_point(|intended| *intended < at);
            let missed = (before(step.at) - before(from)) as u64;
            of.missed += missed;
            let class = population.class(step.group as usize);
            if !class.is_let_off(step.member) {
                of.missed_most = of.missed_most.max(missed);
            }
        }
    }
    for (index, group) in population.groups().iter().enumerate() {
        let class = population.class(index);
        let slow = class.slow.filter(|_| !class.slow_members().is_empty());
        let Some(slow) = slow else { continue };
        let of = &mut classes[group.class as usize];
        let behind = behind(slow, of.mean_frame, &due[index]);
        let waiting = (behind - f64::from(slow.window)).max(0.0) / of.mean_frame.max(1.0);
        let absent = &mut of.absent;
        absent.slow += class.slow_members().len() as u64;
        absent.behind_bytes = absent.behind_bytes.max(behind);
        if !slow.may_resync {
            absent.waiting = absent.waiting.max(waiting);
        }
    }
}

/// Most bytes that one is behind with which reads as it says, where each message has so many.
fn behind(slow: Slow, frame: f64, due: &[Duration]) -> f64 {
    let (mut behind, mut most, mut last) = (0.0_f64, 0.0_f64, Duration::ZERO);
    for at in due {
        let read = f64::from(slow.bytes_per_second) * (*at - last).as_secs_f64();
        behind = (behind - read).max(0.0) + frame;
        most = most.max(behind);
        last = *at;
    }
    most
}

#[cfg(test)]
mod tests {
    use super::super::Forecast;
    use super::*;
    use crate::load::traffic::Draft;

    fn absent(lines: &str) -> (Absent, f64) {
        let text = format!(
            "why = \"\"\nexpect = \"\"\nseed = 11\n\
             durations = {{ warm_up = \"1s\", measure = \"4s\", drain = \"1s\" }}\n\
             [[groups]]\nname = \"a\"\ncount = 1\nmembers = 10\nrate = \"20/s\"\n\
             arrivals = \"even\"\nsource = \"synthetic\"\nsenders = 2\n{lines}\n"
        );
        let forecast = Forecast::of(&Draft::of(Scenario::parse(&text, "t").unwrap()));
        (forecast.classes[0].absent, forecast.classes[0].mean_frame)
    }

    #[test]
    fn who_is_away_misses_what_is_due_meanwhile() {
        assert_eq!(absent("").0, Absent::default());
        // Two for a second each, then three of another part for two and a half.
        let list = "away = [{ members = \"20%\", from = \"0s\", for = \"1s\" },\n\
                    { members = \"30%\", before = \"20%\", from = \"0s\", for = \"2.5s\" }]";
        let (found, _) = absent(list);
        assert_eq!((found.departures, found.missed, found.missed_most), (5, 40 + 150, 50));
        let cycle = "away = { members = \"20%\", every = \"2s\", for = \"500ms\" }";
        let (found, _) = absent(cycle);
        // At 0 and 2 s, and at 1 and 3 s.
        assert_eq!((found.departures, found.missed, found.missed_most), (4, 40, 10));
        let (found, _) = absent(&cycle.replace(" }", ", may_resync = true }"));
        assert_eq!((found.missed, found.missed_most, found.are_kept()), (40, 0, (true, true)));
    }

    #[test]
    fn who_is_slow_is_behind_with_what_it_has_not_read_and_beyond_its_window_that_waits() {
        let slow = "payload = \"4KiB\"\nslow = { members = \"20%\", rate = \"16KiB/s\", \
                    window = \"4KiB\" }";
        let (found, frame) = absent(slow);
        // The hundredth of a hundred messages is due 4.95 s after the first.
        let behind = 100.0 * frame - 4.95 * f64::from(16 << 10);
        assert_eq!(found.slow, 2);
        assert!((found.behind_bytes - behind).abs() < 1.0, "{found:?} {behind}");
        assert!((found.waiting - (behind - 4096.0) / frame).abs() < 0.01, "{found:?}");
        let (found, _) = absent(&slow.replace("\" }", "\", may_resync = true }"));
        assert_eq!(found.waiting, 0.0);
        let (found, frame) = absent(&slow.replace("16KiB/s", "1MiB/s"));
        assert_eq!((found.behind_bytes, found.waiting > 0.0), (frame, frame > 4096.0));
    }
}
