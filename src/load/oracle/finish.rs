//! The end of a run: what can only be said once nothing more will come.

use super::account::{Counts, Judgement};
use super::group::Group;
use super::judge::{Open, Oracle, State};
use super::violations::{Example, ViolationKind, Violations};

impl Oracle {
    /// Closes the books. `called_for` is everything that the schedule and the retry rule asked
    /// of this worker, sent or not. Costs a pass over groups and members.
    #[must_use]
    pub fn finish(mut self, called_for: u64) -> Judgement {
        let mut missing = 0;
        for (index, group) in (0_u32..).zip(&self.groups) {
            if let Some(group) = group {
                missing += missing_in(group, index, &mut self.violations);
                self.counts.cut_off +=
                    group.cut_off.iter().map(|member| ahead(group, *member)).sum::<u64>();
                untold_in(group, index, &mut self.violations);
            }
        }
        self.counts.deliveries_expected = self.counts.deliveries + missing;
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

/// Counts what members still lack: what lies ahead of each, and the holes behind it.
fn missing_in(group: &Group, index: u32, violations: &mut Violations) -> u64 {
    let attempt_at = |seq: u64| {
        let place = usize::try_from(seq.checked_sub(group.base)?).ok()?;
        group.entries.get(place)?.attempt
    };
    let about = |member, seq| {
        let example = Example::new(ViolationKind::Missing, "not delivered by the end");
        example.group(index).member(member).seq(seq).attempt(attempt_at(seq))
    };
    let mut missing = 0;
    for (number, member) in (0_u32..).zip(&group.members) {
        let ahead = if group.cut_off.contains(&number) { 0 } else { ahead(group, number) };
        violations.add_many(ahead, about(number, member.next));
        missing += ahead;
    }
    for (member, seq) in &group.skipped {
        violations.add(about(*member, *seq));
        missing += 1;
    }
    let example = Example::new(ViolationKind::Missing, "skipped, and never delivered");
    violations.add_many(group.skips_forgotten, example.group(index));
    missing + group.skips_forgotten
}

/// Counts the losers whose winner never turned up, and epochs that were never reached.
fn untold_in(group: &Group, index: u32, violations: &mut Violations) {
    let mut reached = 0;
    for fact in group.epochs.iter() {
        if fact.1.winner.is_some() {
            reached = reached.max(fact.0.saturating_add(1));
        } else {
            let what = "the winner that losers were told was never seen";
            let example = Example::new(ViolationKind::WinnerNotTold, what).group(index);
            violations.add_many(fact.1.losers, example.seq(fact.1.told.unwrap_or_default()));
        }
    }
    if group.told_current.is_some_and(|told| told > reached) {
        let what = "a loser was told an epoch that no commit opened";
        violations.add(Example::new(ViolationKind::WinnerNotTold, what).group(index));
    }
}
