//! Who is in a group, as its schedule has it: who may be added, removed or leave.
//!
//! A model of the roster alone, walked before the run, so that nothing inside a run turns out to be
//! impossible. It obeys what MLS says of proposals and commits (RFC 9420 §12), and one rule of the
//! engine: senders stay, and so do real members and joiners, who are to see everything. Pure. Called
//! by the schedule.

use super::scenario::Class;
use super::schedule::OperationKind;

/// One group between two of its operations.
#[derive(Clone, Debug)]
pub(super) struct Roster {
    senders: u32,
    /// The joiners that stay once they are in: from `members` up.
    staying: std::ops::Range<u32>,
    /// Members that may go and are not proposed to.
    inside: Vec<u32>,
    /// Who is no member and not proposed as one.
    outside: Vec<u32>,
    /// Members now, and those proposed to go among them.
    count: u32,
    /// Whose turn it is to commit.
    committer: u32,
    proposed: Vec<Proposed>,
    /// How many proposals there were: their kinds take turns.
    proposals: u32,
}

/// A proposal that no commit has taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proposed {
    Update(u32),
    Add(u32),
    Remove(u32),
}

type Draw<'a> = &'a mut dyn FnMut(u32) -> u32;

impl Roster {
    /// A group of `class` before its first operation. Costs 4 bytes for each device that may come or
    /// go, and nothing where nobody does.
    pub(super) fn of(class: &Class) -> Self {
        let fixed = class.mix.is_empty();
        let first = class.real_members().end.max(class.senders);
        let joiners = class.members..class.members + class.joiners;
        Self {
            senders: class.senders,
            staying: class.real_joiners(),
            inside: if fixed { Vec::new() } else { (first..class.members).collect() },
            outside: if fixed { Vec::new() } else { joiners.collect() },
            count: class.members,
            committer: 0,
            proposed: Vec::new(),
            proposals: 0,
        }
    }

    /// Whether the group's next operation has to be a commit, or one more proposal.
    pub(super) fn has_proposals(&self) -> bool {
        !self.proposed.is_empty()
    }

    /// A commit by the next sender in turn. It takes in what is proposed.
    pub(super) fn commit(&mut self) -> (OperationKind, u32) {
        let sender = self.next_committer();
        self.take_in();
        (OperationKind::Commit, sender)
    }

    /// Somebody comes in, added by the next sender in turn.
    pub(super) fn add(&mut self, draw: Draw<'_>) -> Option<(OperationKind, u32)> {
        let member = take(&mut self.outside, draw)?;
        let sender = self.next_committer();
        self.let_in(member);
        Some((OperationKind::Add { member }, sender))
    }

    /// Somebody comes in by itself.
    pub(super) fn join(&mut self, draw: Draw<'_>) -> Option<(OperationKind, u32)> {
        let member = take(&mut self.outside, draw)?;
        self.let_in(member);
        Some((OperationKind::ExternalJoin, member))
    }

    /// Somebody is removed by the next sender in turn.
    pub(super) fn remove(&mut self, draw: Draw<'_>) -> Option<(OperationKind, u32)> {
        let member = self.somebody_to_go(draw)?;
        let sender = self.next_committer();
        self.outside.push(member);
        self.count -= 1;
        Some((OperationKind::Remove { member }, sender))
    }

    /// Somebody proposes its own removal.
    pub(super) fn leave(&mut self, draw: Draw<'_>) -> Option<(OperationKind, u32)> {
        let member = self.somebody_to_go(draw)?;
        self.proposed.push(Proposed::Remove(member));
        Some((OperationKind::Leave, member))
    }

    /// A sender proposes something: an update, an add or a removal, in turn as far as possible; only
    /// updates where nobody is there to come in.
    pub(super) fn propose(&mut self, draw: Draw<'_>) -> Option<(OperationKind, u32)> {
        let turn = self.proposals;
        self.proposals = turn.wrapping_add(1);
        let sender = draw(self.senders);
        (0..3).find_map(|later| match (turn + later) % 3 {
            0 => self.propose_update(sender),
            1 => self.propose_add(sender, draw),
            _ => self.propose_remove(sender, draw),
        })
    }

    fn propose_update(&mut self, from: u32) -> Option<(OperationKind, u32)> {
        // RFC 9420 §12.2: nobody commits to its own update, so somebody must be left who can.
        let updating = (0..self.senders).filter(|sender| self.is_updating(*sender)).count();
        if updating + 1 >= self.senders as usize {
            return None;
        }
        let mut senders = (from..self.senders).chain(0..from);
        let sender = senders.find(|sender| !self.is_updating(*sender))?;
        self.proposed.push(Proposed::Update(sender));
        Some((OperationKind::ProposeUpdate, sender))
    }

    fn propose_add(&mut self, sender: u32, draw: Draw<'_>) -> Option<(OperationKind, u32)> {
        // One in each epoch: who of several takes which leaf is the order of a list.
        if self.proposed.iter().any(|proposed| matches!(proposed, Proposed::Add(_))) {
            return None;
        }
        let member = take(&mut self.outside, draw)?;
        self.proposed.push(Proposed::Add(member));
        Some((OperationKind::ProposeAdd { member }, sender))
    }

    fn propose_remove(&mut self, sender: u32, draw: Draw<'_>) -> Option<(OperationKind, u32)> {
        let member = self.somebody_to_go(draw)?;
        self.proposed.push(Proposed::Remove(member));
        Some((OperationKind::ProposeRemove { member }, sender))
    }

    /// A member that may go; a group of two stays as it is.
    fn somebody_to_go(&mut self, draw: Draw<'_>) -> Option<u32> {
        let going = self.proposed.iter().filter(|it| matches!(it, Proposed::Remove(_))).count();
        if (self.count as usize) < going + 3 {
            return None;
        }
        take(&mut self.inside, draw)
    }

    fn take_in(&mut self) {
        for proposed in std::mem::take(&mut self.proposed) {
            match proposed {
                Proposed::Update(_) => {}
                Proposed::Add(member) => self.let_in(member),
                Proposed::Remove(member) => {
                    self.outside.push(member);
                    self.count -= 1;
                }
            }
        }
    }

    fn let_in(&mut self, member: u32) {
        self.count += 1;
        if !self.staying.contains(&member) {
            self.inside.push(member);
        }
    }

    /// Senders commit in turn, but for one whose update is proposed.
    fn next_committer(&mut self) -> u32 {
        loop {
            let committer = self.committer;
            self.committer = (committer + 1) % self.senders;
            if !self.is_updating(committer) {
                return committer;
            }
        }
    }

    fn is_updating(&self, sender: u32) -> bool {
        self.proposed.contains(&Proposed::Update(sender))
    }
}

/// Takes anybody out of a list.
fn take(from: &mut Vec<u32>, draw: Draw<'_>) -> Option<u32> {
    let count = u32::try_from(from.len()).ok().filter(|count| *count > 0)?;
    Some(from.swap_remove(draw(count) as usize))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::scenario::Scenario;
    use super::super::schedule::{Operation, Schedule};
    use super::*;
    use crate::delivery::Kind;

    fn scenario(class: &str, measure: &str) -> Scenario {
        let text = format!(
            "why = \"\"\nexpect = \"\"\nseed = 3\n\
             durations = {{ warm_up = \"0s\", measure = \"{measure}\", drain = \"1s\" }}\n\
             [[groups]]\nname = \"a\"\nrate = \"500/s\"\n{class}\n"
        );
        Scenario::parse(&text, "t").unwrap()
    }

    /// What RFC 9420 and the engine say of a group, in sets.
    struct Naive {
        senders: u32,
        stay: BTreeSet<u32>,
        members: BTreeSet<u32>,
        devices: u32,
        proposed: Vec<OperationKind>,
        updating: BTreeSet<u32>,
        going: BTreeSet<u32>,
        coming: BTreeSet<u32>,
    }

    impl Naive {
        fn of(class: &Class) -> Self {
            let stay = (0..class.senders).chain(class.real_members()).chain(class.real_joiners());
            Self {
                senders: class.senders,
                stay: stay.collect(),
                members: (0..class.members).collect(),
                devices: class.devices(),
                proposed: Vec::new(),
                updating: BTreeSet::new(),
                going: BTreeSet::new(),
                coming: BTreeSet::new(),
            }
        }

        fn check(&mut self, operation: &Operation) {
            let Operation { kind, sender, .. } = *operation;
            if !self.proposed.is_empty() {
                let first =
                    matches!(kind, OperationKind::Commit) || kind.message() == Kind::Proposal;
                assert!(first, "{kind:?} before the commit");
            }
            match kind {
                OperationKind::Leave | OperationKind::ExternalJoin => {}
                _ => assert!(sender < self.senders),
            }
            match kind {
                OperationKind::Application { .. } => {}
                OperationKind::Commit => self.commit(sender),
                OperationKind::Add { member } => self.add(member),
                OperationKind::ExternalJoin => self.add(sender),
                OperationKind::Remove { member } => self.remove(member),
                OperationKind::ProposeUpdate => assert!(self.updating.insert(sender)),
                OperationKind::ProposeAdd { member } => {
                    assert!(member < self.devices && !self.members.contains(&member));
                    assert!(self.coming.insert(member));
                }
                OperationKind::ProposeRemove { member } => self.propose_to_remove(member),
                OperationKind::Leave => self.propose_to_remove(sender),
                OperationKind::Race => panic!("nobody races"),
            }
            if kind.message() == Kind::Proposal {
                self.proposed.push(kind);
            }
            assert!(self.members.len() >= self.going.len() + 2);
        }

        fn propose_to_remove(&mut self, member: u32) {
            assert!(self.members.contains(&member) && !self.stay.contains(&member));
            assert!(self.going.insert(member));
        }

        fn add(&mut self, member: u32) {
            assert!(member < self.devices && self.members.insert(member));
        }

        fn remove(&mut self, member: u32) {
            assert!(!self.stay.contains(&member) && self.members.remove(&member));
        }

        fn commit(&mut self, sender: u32) {
            assert!(!self.updating.contains(&sender), "a commit to its own update");
            self.proposed.clear();
            self.updating.clear();
            for member in std::mem::take(&mut self.going) {
                self.remove(member);
            }
            for member in std::mem::take(&mut self.coming) {
                self.add(member);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_operation_of_a_schedule_is_impossible_when_its_turn_comes(
            (members, senders, real, joiners) in (2_u32..12, 1_u32..4, 0_u32..3, 1_u32..6),
            shares in prop::collection::vec(0_u32..25, 6), public: bool, count in 1_u32..4,
        ) {
            let senders = senders.min(members);
            let real = real.min(members - senders);
            let proposals = if senders > 1 { shares[2] } else { 0 };
            let joins = if public { shares[4] } else { 0 };
            let level = if public { "public" } else { "opaque" };
            let class = format!(
                "count = {count}\nmembers = {members}\nsenders = {senders}\nreal = {real}\n\
                 joiners = {joiners}\nvalidation = \"{level}\"\ncommits = \"{}%\"\n\
                 mix = {{ adds = \"{}%\", removes = \"{}%\", proposals = \"{proposals}%\", \
                 leaves = \"{}%\", external_joins = \"{joins}%\" }}",
                shares[5].min(5), shares[0].max(1), shares[1].min(20), shares[3].min(20),
            );
            // A class in which nobody could ever go is refused, and is no case.
            let text = format!(
                "why = \"\"\nexpect = \"\"\nseed = 3\n\
                 durations = {{ warm_up = \"0s\", measure = \"2s\", drain = \"1s\" }}\n\
                 [[groups]]\nname = \"a\"\nrate = \"500/s\"\n{class}\n"
            );
            let Ok(scenario) = Scenario::parse(&text, "t") else { return Ok(()) };
            let class = &scenario.groups[0];
            let mut groups: Vec<Naive> = (0..class.count).map(|_| Naive::of(class)).collect();
            for operation in Schedule::plan(&scenario).operations() {
                groups[operation.group as usize].check(operation);
            }
        }
    }

    fn count(schedule: &Schedule, is: impl Fn(OperationKind) -> bool) -> usize {
        schedule.operations().iter().filter(|operation| is(operation.kind)).count()
    }

    #[test]
    fn shares_are_met_where_everything_is_possible_and_a_proposals_commit_counts() {
        let class = "count = 2\nmembers = 60\nsenders = 3\nreal = 2\njoiners = 60\n\
                     commits = \"5%\"\n\
                     mix = { adds = \"3%\", removes = \"3%\", proposals = \"2%\", leaves = \"1%\" }";
        let schedule = Schedule::plan(&scenario(class, "10s"));
        let all = schedule.operations().len();
        let part = |percent: usize| all * percent / 100;
        let near =
            |got: usize, percent| assert!(got.abs_diff(part(percent)) <= 1, "{got} {percent}");
        near(count(&schedule, |kind| matches!(kind, OperationKind::Add { .. })), 3);
        near(count(&schedule, |kind| matches!(kind, OperationKind::Remove { .. })), 3);
        near(count(&schedule, |kind| kind == OperationKind::Leave), 1);
        near(count(&schedule, |kind| kind == OperationKind::Commit), 5);
        let proposals = count(&schedule, |kind| kind.message() == Kind::Proposal);
        near(proposals, 3);
        for kind in [
            |kind| kind == OperationKind::ProposeUpdate,
            |kind| matches!(kind, OperationKind::ProposeAdd { .. }),
            |kind| matches!(kind, OperationKind::ProposeRemove { .. }),
        ] as [fn(OperationKind) -> bool; 3]
        {
            assert!(count(&schedule, kind).abs_diff(part(2) / 3) <= 3, "they take turns");
        }
    }

    #[test]
    fn who_is_gone_comes_back_and_when_nobody_is_left_messages_are_sent_instead() {
        let class = "count = 1\nmembers = 4\nsenders = 2\nreal = 0\njoiners = 2\n\
                     arrivals = \"even\"\n\
                     mix = { adds = \"20%\", removes = \"10%\" }";
        let schedule = Schedule::plan(&scenario(class, "4s"));
        let adds = count(&schedule, |kind| matches!(kind, OperationKind::Add { .. }));
        let removes = count(&schedule, |kind| matches!(kind, OperationKind::Remove { .. }));
        assert!(adds > 100 && removes.abs_diff(adds) <= 4, "{adds} {removes}");
        let class = "count = 1\nmembers = 4\njoiners = 2\narrivals = \"even\"\n\
                     mix = { adds = \"20%\" }";
        let schedule = Schedule::plan(&scenario(class, "4s"));
        assert_eq!(count(&schedule, |kind| matches!(kind, OperationKind::Add { .. })), 2);
        assert_eq!(count(&schedule, |kind| kind.message() == Kind::Application), 1998);
    }
}
