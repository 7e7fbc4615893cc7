//! Members that go away and come back: which, when, and what a scenario grants them.
//!
//! The timetable is fixed before the run, as the schedule is; nothing that happens can move it.
//! Pure, and reads no clock. Called by `scenario`, which parses it, and by the worker, which only
//! walks it.

use std::time::Duration;

use serde::Deserialize;

use super::population::Population;
use super::scenario::Scenario;
use crate::units::{Phase, Share};

/// Members of a class that are away for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub struct Away {
    /// Which share of each group: its last members.
    pub members: Share,
    /// When they go, all at once, since the start of the measured window.
    pub from: Duration,
    /// For how long.
    pub lasting: Duration,
    /// Over how long they come back, evenly; zero is all at once.
    pub over: Duration,
    /// Whether they come back with a session ticket, at the price of a cheaper handshake.
    pub resumption: bool,
    /// Whether they may have been away for longer than the service keeps messages.
    pub may_resync: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    members: Share,
    from: Phase<0>,
    r#for: Phase<1>,
    over: Option<Phase<0>>,
    resumption: Option<bool>,
    may_resync: Option<bool>,
}

impl From<Written> for Away {
    fn from(written: Written) -> Self {
        Self {
            members: written.members,
            from: written.from.get(),
            lasting: written.r#for.get(),
            over: written.over.map_or(Duration::ZERO, Phase::get),
            resumption: written.resumption.unwrap_or(true),
            may_resync: written.may_resync.unwrap_or(false),
        }
    }
}

impl Away {
    /// When the last of them comes back, since the start of the measured window.
    #[must_use]
    pub fn ends(&self) -> Duration {
        self.from.saturating_add(self.lasting).saturating_add(self.over)
    }

    /// The same within a window that is `to` instead of `from` long.
    pub(super) fn scale(&mut self, from: Duration, to: Duration) {
        let scaled = |time: Duration| {
            let nanos = time.as_nanos() * to.as_nanos() / from.as_nanos().max(1);
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let [start, lasting, over] = [self.from, self.lasting, self.over].map(scaled);
        (self.from, self.lasting, self.over) = (start, lasting, over);
    }
}

/// One member that goes or comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// When, since the start of the run.
    pub at: Duration,
    /// Index of its group in the population.
    pub group: u32,
    /// Index in the group.
    pub member: u32,
    /// Whether it comes back.
    pub back: bool,
}

/// Everybody's moves, by instant.
#[derive(Clone, Debug, Default)]
pub struct Timetable {
    moves: Vec<Move>,
}

impl Timetable {
    /// Of a scenario. Costs 56 bytes for each member that goes, and a sort.
    #[must_use]
    pub fn of(scenario: &Scenario, population: &Population) -> Self {
        let mut moves = Vec::new();
        for (index, class) in (0_u32..).zip(&scenario.groups) {
            let Some(away) = class.away else { continue };
            let groups = (0_u32..).zip(population.groups());
            let own = groups.filter(|(_, group)| group.class == index);
            let who: Vec<(u32, u32)> = own
                .flat_map(|(group, _)| {
                    let members = population.class(group as usize).away_members();
                    members.map(move |member| (group, member))
                })
                .collect();
            let start = scenario.window().start + away.from;
            let steps = u32::try_from(who.len()).unwrap_or(u32::MAX).saturating_sub(1).max(1);
            for (place, (group, member)) in (0_u32..).zip(who) {
                // Exact for every place: the last comes at the end, and nothing is added up.
                let nanos = away.over.as_nanos() * u128::from(place) / u128::from(steps);
                let later = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
                let back = start + away.lasting + later;
                moves.push(Move { at: start, group, member, back: false });
                moves.push(Move { at: back, group, member, back: true });
            }
        }
        // Stable: whoever is first in the scenario goes and comes first.
        moves.sort_by_key(|step| step.at);
        Self { moves }
    }

    /// The moves, by instant.
    #[must_use]
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn scenario(over: &str) -> Scenario {
        let text = format!(
            "why = \"\"\nexpect = \"\"\nseed = 1\n\
             durations = {{ warm_up = \"1s\", measure = \"10s\", drain = \"1s\" }}\n\
             [[groups]]\nname = \"here\"\ncount = 2\nmembers = 4\nrate = \"1/s\"\n\
             [[groups]]\nname = \"away\"\ncount = 2\nmembers = 10\nsenders = 2\nrate = \"1/s\"\n\
             away = {{ members = \"30%\", from = \"2s\", for = \"4s\", over = \"{over}\" }}\n"
        );
        Scenario::parse(&text, "t").unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_last_members_go_at_once_and_come_back_evenly_and_in_order() {
        let scenario = scenario("500ms");
        let timetable = Timetable::of(&scenario, &Population::of(&scenario));
        let moves = timetable.moves();
        assert!(moves.is_sorted_by_key(|step| step.at));
        let who = |back| moves.iter().filter(move |step| step.back == back);
        let expected = [(2, 7), (2, 8), (2, 9), (3, 7), (3, 8), (3, 9)];
        for back in [false, true] {
            let found: Vec<_> = who(back).map(|step| (step.group, step.member)).collect();
            assert_eq!(found, expected);
        }
        assert!(who(false).all(|step| step.at == Duration::from_secs(3)));
        let back: Vec<_> = who(true).map(|step| step.at.as_millis()).collect();
        assert_eq!(back, [7000, 7100, 7200, 7300, 7400, 7500]);
    }

    #[test]
    fn a_storm_comes_back_at_one_instant() {
        let scenario = scenario("0s");
        let timetable = Timetable::of(&scenario, &Population::of(&scenario));
        let mut times: HashMap<Duration, usize> = HashMap::new();
        timetable.moves().iter().for_each(|step| *times.entry(step.at).or_default() += 1);
        assert_eq!(times.len(), 2);
        assert!(times.values().all(|count| *count == 6));
    }

    #[test]
    fn times_keep_their_places_in_a_shorter_window() {
        let mut away = scenario("500ms").groups[1].away.unwrap();
        away.scale(Duration::from_secs(10), Duration::from_secs(1));
        let millis = [away.from, away.lasting, away.over, away.ends()].map(|time| time.as_millis());
        assert_eq!(millis, [200, 400, 50, 650]);
    }
}
