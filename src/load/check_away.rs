//! What a class's absences and its slow members must be, by themselves and together.
//!
//! Called by `check`, for each class.

use std::time::Duration;

use super::away::Away;
use super::part::Part;
use super::scenario::{Class, Connections, Scenario};
use super::slow::Slow;
use crate::limits::{ABSENCES_MAX, SLOW_WINDOW_BYTES_MIN, STREAM_WINDOW_BYTES};

type Found = Option<(String, String)>;

/// The first contradiction among those of a class.
pub(super) fn of_absences(scenario: &Scenario, class: &Class) -> Found {
    let window = scenario.window();
    let measured = window.end - window.start;
    let count = class.away.len();
    if count > ABSENCES_MAX {
        let message = format!("{count} absences; a class has at most {ABSENCES_MAX}");
        return Some(("away".to_owned(), message));
    }
    let absences = class.away.iter().enumerate().find_map(|(index, away)| {
        // Written as one table, it has no number.
        let path = if count == 1 { "away".to_owned() } else { format!("away[{index}]") };
        of_part(class, &path, away.part, "go away")
            .or_else(|| of_times(&path, away, measured))
            .or_else(|| of_overlap(class, index, measured).map(|message| (path.clone(), message)))
            .or_else(|| of_real(class, &path, away.part, away.may_resync))
    });
    absences.or_else(|| of_slow(class, class.slow?))
}

/// Moves that members of a class make, if it has so many: at most.
pub(super) fn moves(scenario: &Scenario, class: &Class, members: u64) -> u64 {
    let window = scenario.window();
    let of = |away: &Away| {
        let turns = away.turns(window.end - window.start);
        away.part.members.of_first(members).saturating_mul(turns).saturating_mul(2)
    };
    class.away.iter().map(of).fold(0, u64::saturating_add)
}

/// Those who are away or slow, and those who may not be.
fn of_part(class: &Class, path: &str, part: Part, what: &str) -> Found {
    let found = |field: &str, message| Some((format!("{path}.{field}"), message));
    if part.is_too_much() {
        let message = "`members` and the `before` that come after them are more than a group has";
        return found("before", message.to_owned());
    }
    let (who, stay) = (part.of(class.members), class.sending_members().end);
    let members = class.members;
    if who.is_empty() {
        return found("members", format!("of {members} members that is nobody"));
    }
    if who.start < stay {
        let last = who.len();
        let which = match members - who.end {
            0 => format!("the last {last}"),
            after => format!("the last {last} but {after}"),
        };
        let message = format!(
            "{which} of {members} members {what}, but the first {stay} send, and have to stay"
        );
        return found("members", message);
    }
    (class.connections != Connections::Own).then(|| {
        let message = format!("only members with connections of their own {what}; leave it out");
        ("connections".to_owned(), message)
    })
}

fn of_times(path: &str, away: &Away, measured: Duration) -> Found {
    let found = |field: &str, message| Some((format!("{path}.{field}"), message));
    if let Some(every) = away.every {
        if away.over.is_some() {
            let message = "who goes `every` so often comes back one by one already; leave it out";
            return found("over", message.to_owned());
        }
        if away.lasting >= every {
            let message = format!(
                "{:?} of every {every:?}: nobody would be back before it goes again",
                away.lasting
            );
            return found("for", message);
        }
    }
    let ends = away.ends();
    if ends <= measured {
        return None;
    }
    let message = match away.every {
        Some(_) => format!(
            "everybody has gone once, and is back, {ends:?} into the measured window, which is \
             {measured:?} long"
        ),
        None => format!(
            "the last are to be back {ends:?} into the measured window, which is {measured:?} long"
        ),
    };
    Some((path.to_owned(), message))
}

/// The same members cannot go while they are away already.
fn of_overlap(class: &Class, index: usize, measured: Duration) -> Option<String> {
    let away = &class.away[index];
    let (from, to) = away.span(measured);
    let earlier = class.away[..index].iter().enumerate();
    let other = earlier.filter(|(_, other)| other.part.meets(away.part)).find(|(_, other)| {
        let (other_from, other_to) = other.span(measured);
        from < other_to && other_from < to
    });
    let (number, other) = other?;
    let (other_from, other_to) = other.span(measured);
    Some(format!(
        "some of its members are away already, by away[{number}], from {other_from:?} to \
         {other_to:?}: name others with `before`, or another time"
    ))
}

fn of_real(class: &Class, path: &str, part: Part, may_resync: bool) -> Found {
    let (who, real) = (part.of(class.members), class.real_members());
    let both = who.start < real.end && real.start < who.end;
    (may_resync && both).then(|| {
        let message = "a real member among them could not do without a message";
        (format!("{path}.may_resync"), message.to_owned())
    })
}

fn of_slow(class: &Class, slow: Slow) -> Found {
    if !class.mix.is_empty() {
        let message = "slow members are not in a class whose groups change; leave it out";
        return Some(("slow".to_owned(), message.to_owned()));
    }
    let sizes = SLOW_WINDOW_BYTES_MIN..=STREAM_WINDOW_BYTES;
    if !sizes.contains(&slow.window) {
        let message = format!(
            "{} bytes; a slow member's window has {SLOW_WINDOW_BYTES_MIN} to {STREAM_WINDOW_BYTES}",
            slow.window
        );
        return Some(("slow.window".to_owned(), message));
    }
    if class.away.iter().any(|away| away.part.meets(slow.part)) {
        let message = "some of them go away too; name others with `before`";
        return Some(("slow.members".to_owned(), message.to_owned()));
    }
    of_part(class, "slow", slow.part, "read slowly")
        .or_else(|| of_real(class, "slow", slow.part, slow.may_resync))
}
