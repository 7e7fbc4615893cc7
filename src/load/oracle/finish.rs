//! The end of a run: what can only be said once nothing more will come.

use super::account::{Counts, Judgement};
use super::group::Group;
use super::judge::{Open, Oracle, State};
use super::violations::{Example, ViolationKind, Violations};

impl Oracle {
    /// The run ends while the service still delivers or answers: what lies ahead of a member then may
    /// be on its way. What later messages have overtaken is lost all the same.
    pub fn cut_short(&mut self) {
        self.cut_short = true;
    }

    /// Closes the books. `called_for` is everything that the schedule and the retry rule asked
    /// of this worker, sent or not. Costs a pass over groups and members.
    #[must_use]
    pub fn finish(mut self, called_for: u64) -> Judgement {
        let (mut missing, mut undelivered) = (0, 0);
        for (index, group) in (0_u32..).zip(&self.groups) {
            if let Some(group) = group {
                if self.cut_short {
                    undelivered += ahead_in(group).map(|(_, _, ahead)| ahead).sum::<u64>();
                } else {
                    missing += missing_ahead(group, index, &mut self.violations);
                }
                missing += missing_behind(group, index, &mut self.violations);
                self.counts.cut_off +=
                    group.cut_off.iter().map(|member| ahead(group, *member)).sum::<u64>();
                untold_in(group, index, self.cut_short, &mut self.violations);
            }
        }
        self.counts.undelivered = undelivered;
        self.counts.deliveries_expected = self.counts.deliveries + missing + undelivered;
        self.conserve(called_for);
        Judgement { counts: self.counts, violations: self.violations }
    }

    fn conserve(&mut self, called_for: u64) {
        let Counts { accepted, rejected, timed_out, not_issued, .. } = self.counts;
        let accounted = accepted + rejected + timed_out + not_issued;
        let pending = |open: &&Open| self.state(open.submitted.attempt) == State::Pending;
        let unresolved = self.open.values().find(pending).map(|open| open.submitted.attempt);
        let what = "called for is not accepted + rejected + timed out + not issued";
        let example = Example::new(ViolationKind::Conservation, what).attempt(unresolved);
        self.violations.add_many(called_for.abs_diff(accounted), example);
    }
}

/// How many messages lie ahead of a member.
fn ahead(group: &Group, member: u32) -> u64 {
    let found = group.members.get(member as usize);
    found.map_or(0, |found| group.head.min(found.last).saturating_add(1).saturating_sub(found.next))
}

/// How many messages lie ahead of each member whose session the service has not ended, with the first
/// of them.
fn ahead_in(group: &Group) -> impl Iterator<Item = (u32, u64, u64)> + '_ {
    let members = (0_u32..).zip(&group.members);
    let there = members.filter(|(number, _)| !group.cut_off.contains(number));
    there.map(|(number, member)| (number, member.next, ahead(group, number)))
}

fn not_delivered(group: &Group, (index, member): (u32, u32), seq: u64) -> Example {
    let entry = || {
        let place = usize::try_from(seq.checked_sub(group.base)?).ok()?;
        group.entries.get(place)?.attempt
    };
    let example = Example::new(ViolationKind::Missing, "not delivered by the end");
    example.group(index).member(member).seq(seq).attempt(entry())
}

/// Counts what lies ahead of members.
fn missing_ahead(group: &Group, index: u32, violations: &mut Violations) -> u64 {
    let mut missing = 0;
    for (member, next, ahead) in ahead_in(group) {
        violations.add_many(ahead, not_delivered(group, (index, member), next));
        missing += ahead;
    }
    missing
}

/// Counts the holes behind members.
fn missing_behind(group: &Group, index: u32, violations: &mut Violations) -> u64 {
    for (member, seq) in &group.skipped {
        violations.add(not_delivered(group, (index, *member), *seq));
    }
    let example = Example::new(ViolationKind::Missing, "skipped, and never delivered");
    violations.add_many(group.skips_forgotten, example.group(index));
    group.skipped.len() as u64 + group.skips_forgotten
}

/// Counts the losers whose winner never turned up, and epochs that were never reached. Of a run that
/// was cut short only those before the last epoch that was: later winners may be on their way.
fn untold_in(group: &Group, index: u32, cut_short: bool, violations: &mut Violations) {
    let won = group.epochs.iter().filter(|fact| fact.1.winner.is_some());
    let reached = won.map(|fact| fact.0.saturating_add(1)).max().unwrap_or(0);
    for fact in group.epochs.iter().filter(|fact| fact.1.winner.is_none()) {
        if !cut_short || *fact.0 < reached {
            let what = "the winner that losers were told was never seen";
            let example = Example::new(ViolationKind::WinnerNotTold, what).group(index);
            violations.add_many(fact.1.losers, example.seq(fact.1.told.unwrap_or_default()));
        }
    }
    if !cut_short && group.told_current.is_some_and(|told| told > reached) {
        let what = "a loser was told an epoch that no commit opened";
        violations.add(Example::new(ViolationKind::WinnerNotTold, what).group(index));
    }
}
