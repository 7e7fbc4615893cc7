//! What a class's operation mix, its joiners and the suite that they join by must say together.
//!
//! Called by `check`, once each field is in range by itself.

use super::check::Found;
use super::scenario::{Class, Source};
use crate::delivery::Level;
use crate::limits::ROSTER_MAX;
use crate::mls::size::pattern::check_init;

/// The first contradiction.
pub(super) fn of_mix(class: &Class) -> Found {
    of_welcome(class).or_else(|| of_changes(class))
}

/// What is said of a Welcome wants traffic that is made up, a suite that keeps it, and somebody who
/// gets one.
fn of_welcome(class: &Class) -> Found {
    let init = class.welcome?;
    let found = |message: String| Some(("welcome", message));
    if class.source != Source::Synthetic {
        return found(
            "no stack here makes a KeyPackage whose init key is of another suite: only source = \
             \"synthetic\" has a choice"
                .to_owned(),
        );
    }
    if let Err(why) = check_init(class.suite, init) {
        return found(why);
    }
    (class.mix.adds.is_zero() && class.mix.proposals.is_zero()).then(|| {
        let message = "nobody joins by a Welcome unless `mix` has adds or proposals; leave it out";
        ("welcome", message.to_owned())
    })
}

fn of_changes(class: &Class) -> Found {
    let Class { mix, joiners, members, .. } = *class;
    if mix.is_empty() && joiners == 0 {
        return None;
    }
    if class.source == Source::Live {
        let message = "a live class does nothing but race for commits; leave it out";
        return Some((if joiners > 0 { "joiners" } else { "mix" }, message.to_owned()));
    }
    if !class.away.is_empty() {
        let message = "members that go away are not in a class whose groups change; leave it out";
        return Some(("away", message.to_owned()));
    }
    if class.devices() as usize > ROSTER_MAX {
        let message =
            format!("{members} members and {joiners} joiners; a group has at most {ROSTER_MAX}");
        return Some(("joiners", message));
    }
    of_shares(class).or_else(|| of_those_who_come_and_go(class))
}

fn of_shares(class: &Class) -> Found {
    let mix = class.mix;
    let shares = [mix.adds, mix.removes, mix.proposals, mix.leaves, mix.external_joins];
    let counted = 1_000_000;
    let total: u64 = shares.iter().map(|share| share.of_first(counted)).sum();
    if total + class.commits.of_first(counted) > counted {
        let message = "its shares and `commits` are together more than 100%";
        return Some(("mix", message.to_owned()));
    }
    if !mix.proposals.is_zero() && class.senders < 2 {
        let message = "whoever proposes an update does not commit to it: at least 2 senders";
        return Some(("mix.proposals", message.to_owned()));
    }
    if !mix.external_joins.is_zero() && class.validation != Level::Public {
        let message = "the service takes external commits only of groups that it validates: \
                       validation is to be \"public\"";
        return Some(("mix.external_joins", message.to_owned()));
    }
    None
}

fn of_those_who_come_and_go(class: &Class) -> Found {
    let Class { mix, joiners, members, .. } = *class;
    if mix.lets_in() && joiners == 0 && !mix.lets_go() {
        let message = "nobody is there to come in: the class needs joiners";
        return Some(("mix", message.to_owned()));
    }
    if joiners > 0 && !mix.lets_in() && mix.proposals.is_zero() {
        let message = "joiners never come in unless `mix` has adds, external joins or proposals";
        return Some(("joiners", message.to_owned()));
    }
    let stay = class.real_members().end.max(class.senders);
    let passing = joiners as usize > class.real_joiners().len() && mix.lets_in();
    if mix.lets_go() && stay >= members && !passing {
        let message = format!(
            "senders and real members stay, and all {members} members are that: nobody can go"
        );
        return Some(("mix", message));
    }
    None
}
