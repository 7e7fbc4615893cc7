//! What a scenario's fields must say together, once each is in range by itself.
//!
//! Never changes a scenario and never reports more than the first fault. Called by
//! `Scenario::parse`.

use super::arrivals::Together;
use super::check_away::{moves, of_absences};
use super::check_mix::of_mix;
use super::check_phases::of_phases;
use super::scenario::{Arrivals, Class, Connections, Scenario, Source};
use crate::delivery::Level;
use crate::limits::{
    CLASSES_MAX, CONNECTIONS_MAX, GROUPS_MAX, MEMBERS_MAX, MOVES_MAX, OPERATIONS_MAX,
    RATE_PER_SECOND_MAX, REAL_MEMBERS_MAX, RESERVATION_SETTING_MAX, THRESHOLDS_MAX,
};
use crate::mls::{Handshake, TreeState};

/// A contradiction, and the field to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Such as `groups[0].senders`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// The first contradiction, `None` when there is none. Costs a pass over the classes, and
/// over the groups of those whose groups vary.
#[must_use]
pub fn first_fault(scenario: &Scenario) -> Option<Fault> {
    of_phases(scenario)
        .or_else(|| of_server(scenario))
        .or_else(|| of_counts(scenario))
        .or_else(|| {
            scenario.groups.iter().enumerate().find_map(|(index, class)| {
                of_name(scenario, index)
                    .or_else(|| of_members(scenario, index))
                    .or_else(|| of_source(class))
                    .or_else(|| of_level(class))
                    .or_else(|| of_mix(class))
                    .or_else(|| of_arrivals(scenario, class))
                    .map(|(field, message)| (field.to_owned(), message))
                    .or_else(|| of_absences(scenario, class))
                    .map(|(field, message)| Fault { field: name(index, &field), message })
            })
        })
        .or_else(|| of_totals(scenario))
        .or_else(|| of_thresholds(scenario))
}

/// What a name is.
pub(super) const NAME: &str = "1 to 40 letters, digits, '-', '_' and '.'";

fn of_thresholds(scenario: &Scenario) -> Option<Fault> {
    let count = scenario.thresholds.len();
    if count > THRESHOLDS_MAX {
        let message = format!("{count} thresholds; at most {THRESHOLDS_MAX} are allowed");
        return Some(Fault { field: "thresholds".to_owned(), message });
    }
    scenario.thresholds.iter().enumerate().find_map(|(index, threshold)| {
        let message = threshold.fits(scenario).err()?;
        Some(Fault { field: format!("thresholds[{index}]"), message })
    })
}

fn of_server(scenario: &Scenario) -> Option<Fault> {
    let reservation = scenario.reservation.filter(|asked| *asked > RESERVATION_SETTING_MAX)?;
    Some(Fault {
        field: "server.reservation".to_owned(),
        message: format!("{reservation:?}; a server takes at most {RESERVATION_SETTING_MAX:?}"),
    })
}

pub(super) type Found = Option<(&'static str, String)>;

fn name(index: usize, field: &str) -> String {
    format!("groups[{index}].{field}")
}

fn of_counts(scenario: &Scenario) -> Option<Fault> {
    let classes = scenario.groups.len();
    (classes == 0 || classes > CLASSES_MAX).then(|| Fault {
        field: "groups".to_owned(),
        message: format!("{classes} classes of groups; 1 to {CLASSES_MAX} are allowed"),
    })
}

/// Whether it can be a class's or a phase's name.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=40).contains(&name.len()) && name.chars().all(plain)
}

fn of_name(scenario: &Scenario, index: usize) -> Found {
    let name = &scenario.groups[index].name;
    if !is_name(name) {
        return Some(("name", format!("{name:?} is not a class's name: {NAME}")));
    }
    let taken = scenario.groups[..index].iter().any(|earlier| earlier.name == *name);
    taken.then(|| ("name", format!("{name:?} is taken; every class has its own name")))
}

fn of_members(scenario: &Scenario, index: usize) -> Found {
    let class = &scenario.groups[index];
    let Class { members, senders, real, racers, .. } = *class;
    if senders > members {
        return Some(("senders", format!("{senders} senders; the group has {members} members")));
    }
    if real > members {
        return Some(("real", format!("{real} real members; the group has {members} members")));
    }
    if racers > members {
        return Some(("racers", format!("{racers} racers; the group has {members} members")));
    }
    if let Connections::Shared(share) = class.connections {
        let total = class_devices(scenario, index);
        if u64::from(share) > total {
            let message = format!("{share} members share a connection; the class has {total}");
            return Some(("connections", message));
        }
    }
    None
}

fn of_source(class: &Class) -> Found {
    let Class { members, senders, real, racers, .. } = *class;
    match class.source {
        Source::Tape if senders + real > members => Some((
            if real > 0 { "real" } else { "senders" },
            format!(
                "{senders} senders and {real} real members of {members}: a tape's senders were \
                 minted, so the real members must be others"
            ),
        )),
        Source::Live if racers > real => Some((
            "racers",
            format!("{racers} racers but {real} real members: every racer makes its own commits"),
        )),
        Source::Live if !class.commits.is_zero() => Some((
            "commits",
            "a live class does nothing but race for commits; leave it out".to_owned(),
        )),
        Source::Synthetic if real > 0 => {
            Some(("real", "a real member cannot decrypt synthetic bytes; leave it out".to_owned()))
        }
        Source::Tape | Source::Live if class.tree == TreeState::Fresh => Some((
            "tree",
            "a minted tree is what its commits make it; only source = \"synthetic\" has a choice"
                .to_owned(),
        )),
        Source::Tape | Source::Synthetic if racers > 0 => {
            Some(("racers", "only source = \"live\" has racers; leave it out".to_owned()))
        }
        Source::Tape | Source::Synthetic if class.contention.is_some() => Some((
            "contention",
            "only the racers of source = \"live\" contend; leave it out".to_owned(),
        )),
        _ => None,
    }
}

fn of_level(class: &Class) -> Found {
    let level = class.validation;
    if level == Level::Opaque {
        return None;
    }
    let name = level.name();
    if class.handshake == Handshake::Private {
        let message = format!("{name:?} looks at handshakes, so they are to be public");
        return Some(("handshake", message));
    }
    (level == Level::Public && class.source == Source::Synthetic).then(|| {
        let message = "synthetic handshakes are signed by nobody; the level is to be \"opaque\" or \
                       \"header\"";
        ("validation", message.to_owned())
    })
}

/// What a process would cost that never ends, or one that plays groups which are not there.
fn of_arrivals(scenario: &Scenario, class: &Class) -> Found {
    match &class.arrivals {
        Arrivals::Poisson | Arrivals::Even => None,
        Arrivals::Bursts(bursts) => {
            let peak = class.rate.as_per_second() * bursts.peak() * scenario.course().peak();
            if peak > RATE_PER_SECOND_MAX as f64 {
                let message = format!(
                    "{peak:.0}/s within a burst; a class has at most {RATE_PER_SECOND_MAX}/s"
                );
                return Some(("arrivals", message));
            }
            let processes = if bursts.of == Together::Group { class.count } else { 1 };
            let cycles = scenario.offered().as_secs_f64() / (bursts.on + bursts.off).as_secs_f64()
                * f64::from(processes);
            (cycles > OPERATIONS_MAX as f64).then(|| {
                let message =
                    format!("{cycles:.0} bursts of all its groups; at most {OPERATIONS_MAX}");
                ("arrivals", message)
            })
        }
        Arrivals::Trace(trace) => {
            let last = trace.last_group().filter(|last| *last >= class.count)?;
            let message = format!(
                "the trace has an operation in group {last}; the class has groups 0 to {}",
                class.count - 1
            );
            Some(("count", message))
        }
    }
}

/// Members of all groups of a class.
fn class_members(scenario: &Scenario, index: usize) -> u64 {
    let class = &scenario.groups[index];
    let number = u32::try_from(index).unwrap_or(u32::MAX);
    class.group_sizes(scenario.seed, number).map(u64::from).sum()
}

/// Members of all groups of a class, and those who may join them.
fn class_devices(scenario: &Scenario, index: usize) -> u64 {
    let class = &scenario.groups[index];
    class_members(scenario, index) + u64::from(class.count) * u64::from(class.joiners)
}

/// Members and joiners of all groups of a class that run OpenMLS.
fn class_real(scenario: &Scenario, index: usize) -> u64 {
    let real = |class: &Class| u64::from(class.real) + class.real_joiners().len() as u64;
    let class = &scenario.groups[index];
    if class.spread.is_none() {
        return u64::from(class.count) * real(class);
    }
    let number = u32::try_from(index).unwrap_or(u32::MAX);
    let sizes = class.group_sizes(scenario.seed, number);
    sizes.map(|members| real(&class.of_size(members))).sum()
}

fn of_totals(scenario: &Scenario) -> Option<Fault> {
    let (mut groups, mut members, mut connections) = (0_u64, 0_u64, 0_u64);
    let (mut real, mut operations, mut walked) = (0_u64, 0_u64, 0_u64);
    let course = scenario.course();
    for (index, class) in scenario.groups.iter().enumerate() {
        let count = u64::from(class.count);
        let joined = class_devices(scenario, index);
        groups += count;
        members += joined;
        connections += match class.connections {
            Connections::Own => joined,
            Connections::Shared(share) => joined.div_ceil(u64::from(share)),
        };
        real += class_real(scenario, index);
        operations = operations.saturating_add(class.operations_bound(&course));
        walked = walked.saturating_add(moves(scenario, class, class_members(scenario, index)));
        let bounds = [
            ("count", "groups", groups, u64::from(GROUPS_MAX)),
            ("members", "members", members, u64::from(MEMBERS_MAX)),
            ("connections", "connections", connections, CONNECTIONS_MAX as u64),
            ("real", "real members", real, u64::from(REAL_MEMBERS_MAX)),
            ("rate", "operations", operations, OPERATIONS_MAX),
            ("away", "moves of members that go away", walked, MOVES_MAX),
        ];
        for (field, what, total, most) in bounds {
            if total > most {
                let note = match (field, &class.arrivals) {
                    ("rate", Arrivals::Poisson) => " (what Poisson arrivals may come to)",
                    ("rate", Arrivals::Bursts(_)) => " (what bursts may come to)",
                    _ => "",
                };
                let message =
                    format!("{total} {what} up to this class{note}; a scenario has at most {most}");
                return Some(Fault { field: name(index, field), message });
            }
        }
    }
    None
}
