//! Who goes away and comes back when: the moves of a run, fixed before it as the schedule is.
//!
//! Nothing that happens can move it. Pure, and reads no clock. Called by the worker, which only walks
//! it, and by the forecast.

use std::time::Duration;

use super::away::Away;
use super::population::Population;
use super::scenario::Scenario;

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
    /// Whether it comes back with a session ticket.
    pub resumption: bool,
}

/// Everybody's moves, by instant.
#[derive(Clone, Debug, Default)]
pub struct Timetable {
    moves: Vec<Move>,
}

impl Timetable {
    /// Of a scenario. Costs 72 bytes for each time that a member goes, and a sort.
    #[must_use]
    pub fn of(scenario: &Scenario, population: &Population) -> Self {
        let mut moves = Vec::new();
        for (index, class) in (0_u32..).zip(&scenario.groups) {
            for away in &class.away {
                let who = Who::of(away, index, population);
                match away.every {
                    None => once(scenario, away, &who, &mut moves),
                    Some(every) => again(scenario, (away, every), &who, &mut moves),
                }
            }
        }
        // Stable: whoever is first in the scenario goes and comes first.
        moves.sort_by_key(|step| step.at);
        Self { moves }
    }

    #[cfg(test)]
    pub(in crate::load) fn with(moves: Vec<Move>) -> Self {
        Self { moves }
    }

    /// The moves, by instant.
    #[must_use]
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }
}

/// The members of an absence, group after group.
struct Who {
    groups: u32,
    /// Each member, with the place of its group among those of the class, its own place among the
    /// members of that group that go, and how many those are.
    members: Vec<(u32, u32, Place)>,
}

struct Place {
    group: u32,
    own: u32,
    of: u32,
}

impl Who {
    fn of(away: &Away, class: u32, population: &Population) -> Self {
        let groups = (0_u32..).zip(population.groups());
        let own = groups.filter(|(_, group)| group.class == class);
        let (mut groups, mut members) = (0, Vec::new());
        for (index, group) in own {
            let going = away.part.of(group.members);
            let of = going.end - going.start;
            for (own, member) in (0_u32..).zip(going) {
                members.push((index, member, Place { group: groups, own, of }));
            }
            groups += 1;
        }
        Self { groups, members }
    }
}

fn once(scenario: &Scenario, away: &Away, who: &Who, moves: &mut Vec<Move>) {
    let start = scenario.window().start + away.from;
    let steps = u32::try_from(who.members.len()).unwrap_or(u32::MAX).saturating_sub(1).max(1);
    for (place, (group, member, _)) in (0_u32..).zip(&who.members) {
        // Exact for every place: the last comes at the end, and nothing is added up.
        let later = part_of(away.over.unwrap_or_default(), place.into(), steps.into());
        add(away, (*group, *member), start, later, moves);
    }
}

/// Those of each group go one after the other, at even distances, and so that no two groups keep step:
/// at any time nearly as many are away as at any other.
fn again(scenario: &Scenario, (away, every): (&Away, Duration), who: &Who, moves: &mut Vec<Move>) {
    let window = scenario.window();
    let groups = u64::from(who.groups);
    for (group, member, place) in &who.members {
        let steps = u64::from(place.of) * groups;
        let shift = u64::from(place.own) * groups + u64::from(place.group);
        let mut start = window.start + away.from + part_of(every, shift, steps);
        while start + away.lasting <= window.end {
            add(away, (*group, *member), start, Duration::ZERO, moves);
            start += every;
        }
    }
}

fn add(
    away: &Away,
    (group, member): (u32, u32),
    start: Duration,
    later: Duration,
    moves: &mut Vec<Move>,
) {
    let resumption = away.resumption;
    let back = start + away.lasting + later;
    moves.push(Move { at: start, group, member, back: false, resumption });
    moves.push(Move { at: back, group, member, back: true, resumption });
}

fn part_of(whole: Duration, place: u64, steps: u64) -> Duration {
    let nanos = whole.as_nanos() * u128::from(place) / u128::from(steps.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
