//! What members were told, held against what they are told: the judge of survival.
//!
//! A service may be killed at any moment, so a request may have no answer; but whatever was answered
//! or delivered is so for ever. Pure: it hears what happened and knows no time and no socket. Each
//! rule is a [`Violation`]. Told by `crowd`. Costs some 100 bytes for each message.

use std::collections::{BTreeMap, HashMap};

use crate::delivery::{Epoch, Kind, MessageId, Seq};
use crate::limits::VIOLATION_EXAMPLES_MAX;

/// A rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// A message that was acknowledged or delivered is gone, or a member never gets it.
    Lost,
    /// Two messages have one place in a group's order.
    Fork,
    /// A message has two places in its group's order.
    Twice,
    /// A message says what nobody submitted, or not what its submitter did.
    Altered,
    /// A member missed a message, or got one again that it had not asked for.
    Gap,
    /// A retry was answered otherwise than before.
    Answer,
    /// Two commits won one epoch, or one won out of turn.
    Winners,
    /// A member was told to resynchronise within the retention, or refused what is its own.
    Refused,
    /// The service did not come back, or ended by itself.
    Fallen,
}

/// How often each rule was broken, and by what at first.
#[derive(Clone, Debug, Default)]
pub struct Violations {
    /// By rule.
    pub counts: BTreeMap<Violation, u64>,
    /// The first ones, at most [`VIOLATION_EXAMPLES_MAX`].
    pub examples: Vec<String>,
}

impl Violations {
    /// Notes one.
    pub fn note(&mut self, violation: Violation, what: String) {
        *self.counts.entry(violation).or_default() += 1;
        if self.examples.len() < VIOLATION_EXAMPLES_MAX {
            self.examples.push(format!("{violation:?}: {what}"));
        }
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// What was looked at: an oracle that saw nothing proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages submitted, each once.
    pub submitted: u64,
    /// Messages acknowledged, each once.
    pub accepted: u64,
    /// Commits among them.
    pub commits: u64,
    /// Commits that lost their epoch to another, or had to wait for others.
    pub races_lost: u64,
    /// Acknowledgements that came again, alike.
    pub answered_again: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// Deliveries of a message that the same member had before, asked for by its cursor.
    pub redeliveries: u64,
    /// Attachments, after each of which the order went on without a gap.
    pub attachments: u64,
}

/// A message as it was submitted.
#[derive(Clone, Copy, Debug)]
struct Submitted {
    epoch: Epoch,
    kind: Kind,
    /// A hash of its bytes.
    body: u128,
    place: Option<Seq>,
    /// The epoch that the acknowledgement named.
    answer: Option<Epoch>,
}

#[derive(Clone, Debug, Default)]
struct Member {
    /// The last message of the order that it has.
    got: u64,
    /// The most that it ever had.
    most: u64,
    /// The last message that it said it needs no more.
    acknowledged: u64,
    /// The first message since it last attached; none until it is known.
    began: Option<u64>,
    /// The highest place known when it asked to attach.
    known: u64,
}

#[derive(Clone, Debug, Default)]
struct Group {
    submitted: HashMap<MessageId, Submitted>,
    order: BTreeMap<u64, MessageId>,
    winners: BTreeMap<Epoch, MessageId>,
    members: Vec<Member>,
}

/// The judge.
#[derive(Clone, Debug)]
pub struct Oracle {
    groups: Vec<Group>,
    counts: Counts,
    violations: Violations,
}

impl Oracle {
    /// Before anything was submitted.
    #[must_use]
    pub fn new(groups: usize, members: usize) -> Self {
        let group = Group { members: vec![Member::default(); members], ..Group::default() };
        let (counts, violations) = (Counts::default(), Violations::default());
        Self { groups: vec![group; groups], counts, violations }
    }

    /// What was looked at so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What was found so far.
    #[must_use]
    pub fn violations(&self) -> &Violations {
        &self.violations
    }

    /// A message is on its way for the first time; `body` is a hash of its bytes.
    pub fn submitted(&mut self, group: usize, id: MessageId, epoch: Epoch, kind: Kind, body: u128) {
        self.counts.submitted += 1;
        let submitted = Submitted { epoch, kind, body, place: None, answer: None };
        let before = self.groups[group].submitted.insert(id, submitted);
        assert!(before.is_none(), "an id is of one message");
    }

    /// A message was acknowledged, for the first time or again.
    pub fn accepted(&mut self, group: usize, id: MessageId, seq: Seq, epoch: Epoch) {
        let what = |rest: &str| format!("group {group}, {id:?} at {}: {rest}", seq.0);
        let Some(submitted) = self.groups[group].submitted.get_mut(&id) else {
            return self.violations.note(Violation::Altered, what("nobody submitted it"));
        };
        let Submitted { kind, epoch: of, answer, .. } = *submitted;
        submitted.answer = Some(epoch);
        match answer {
            Some(before) if before == epoch => self.counts.answered_again += 1,
            Some(before) => {
                let rest = what(&format!("epoch {} was {} before", epoch.0, before.0));
                self.violations.note(Violation::Answer, rest);
            }
            None => {
                self.counts.accepted += 1;
                self.counts.commits += u64::from(kind == Kind::Commit);
                let expected = if kind == Kind::Commit { of.next() } else { of };
                if epoch < expected || (kind != Kind::Application && epoch != expected) {
                    let rest = what(&format!("sent in {}, answered {}", of.0, epoch.0));
                    self.violations.note(Violation::Winners, rest);
                }
            }
        }
        self.place(group, id, seq);
    }

    /// A commit was refused since another had won.
    pub fn lost_race(&mut self, group: usize, id: MessageId) {
        self.counts.races_lost += 1;
        let place = self.groups[group].submitted.get(&id).and_then(|submitted| submitted.place);
        if let Some(place) = place {
            let what = format!("group {group}, {id:?} is refused and was at {}", place.0);
            self.violations.note(Violation::Answer, what);
        }
    }

    /// A member asks for what comes after `after`; `None` for what its cursor says.
    pub fn attaching(&mut self, group: usize, member: usize, after: Option<Seq>) {
        let known = self.groups[group].order.keys().next_back().copied().unwrap_or_default();
        let member = &mut self.groups[group].members[member];
        (member.known, member.began) = (known, after.map(|after| after.0 + 1));
        if let Some(after) = after {
            member.got = after.0;
        }
    }

    /// A member is attached; `head` is the last message that the service has.
    pub fn attached(&mut self, group: usize, member: usize, next: Seq, head: Seq, resync: bool) {
        self.counts.attachments += 1;
        let what = format!("group {group}, member {member}: from {} of {}", next.0, head.0);
        let known = self.groups[group].members[member].known;
        if resync {
            return self.violations.note(Violation::Refused, format!("{what}, told to resync"));
        }
        if head.0 < known {
            self.violations.note(Violation::Lost, format!("{what}, known up to {known}"));
        }
        self.begins(group, member, next.0);
        if self.groups[group].members[member].began != Some(next.0) {
            self.violations.note(Violation::Gap, what);
        }
    }

    /// A member was delivered a message; `body` is a hash of its bytes.
    pub fn delivered(&mut self, group: usize, member: usize, seq: Seq, id: MessageId, body: u128) {
        self.counts.deliveries += 1;
        let what = format!("group {group}, member {member}, {id:?} at {}", seq.0);
        self.begins(group, member, seq.0);
        let heard = &mut self.groups[group].members[member];
        self.counts.redeliveries += u64::from(seq.0 <= heard.most);
        if seq.0 != heard.got + 1 {
            let got = heard.got;
            self.violations.note(Violation::Gap, format!("{what}, after {got}"));
        }
        heard.got = seq.0;
        heard.most = heard.most.max(seq.0);
        match self.groups[group].submitted.get(&id) {
            Some(submitted) if submitted.body == body => self.place(group, id, seq),
            Some(_) => self.violations.note(Violation::Altered, what),
            None => self.violations.note(Violation::Altered, format!("{what}: nobody's")),
        }
    }

    /// A member says that it needs nothing up to `seq` any more.
    pub fn acknowledged(&mut self, group: usize, member: usize, seq: Seq) {
        let member = &mut self.groups[group].members[member];
        member.acknowledged = member.acknowledged.max(seq.0);
    }

    /// Something that a member is entitled to was refused it.
    pub fn refused(&mut self, what: String) {
        self.violations.note(Violation::Refused, what);
    }

    /// The service fell by itself.
    pub fn fallen(&mut self, what: String) {
        self.violations.note(Violation::Fallen, what);
    }

    /// The last message that a member has.
    #[must_use]
    pub fn got(&self, group: usize, member: usize) -> Seq {
        Seq(self.groups[group].members[member].got)
    }

    /// Whether a message may be asked for again: the service forgets what every member has said it
    /// needs no more.
    #[must_use]
    pub fn may_retry(&self, group: usize, id: MessageId) -> bool {
        let group = &self.groups[group];
        let everybody = group.members.iter().map(|member| member.acknowledged).min();
        let place = group.submitted.get(&id).and_then(|submitted| submitted.place);
        place.is_none_or(|place| Some(place.0) > everybody)
    }

    /// Whether every member has everything that any of them knows of.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.groups.iter().all(|group| {
            let head = group.order.keys().next_back().copied().unwrap_or_default();
            group.members.iter().all(|member| member.got >= head)
        })
    }

    /// Nothing more will come: what is missing now is lost, and each order has to be whole.
    pub fn finish(&mut self) {
        for (number, group) in self.groups.iter().enumerate() {
            let head = group.order.keys().next_back().copied().unwrap_or_default();
            for (index, member) in group.members.iter().enumerate() {
                if member.got < head {
                    let what =
                        format!("group {number}, member {index} has {} of {head}", member.got);
                    self.violations.note(Violation::Lost, what);
                }
            }
            let mut epoch = None;
            for (seq, id) in &group.order {
                let submitted = group.submitted[id];
                let current = *epoch.get_or_insert(submitted.epoch);
                let in_turn = match submitted.kind {
                    Kind::Application => submitted.epoch <= current,
                    Kind::Proposal | Kind::Commit => submitted.epoch == current,
                };
                if !in_turn {
                    let what = format!("group {number}, {id:?} at {seq} in {}", current.0);
                    self.violations.note(Violation::Winners, what);
                }
                if submitted.kind == Kind::Commit {
                    epoch = Some(current.next());
                }
            }
        }
    }

    /// The first that is heard of where a member goes on, whichever stream it came by.
    fn begins(&mut self, group: usize, member: usize, next: u64) {
        let heard = &mut self.groups[group].members[member];
        if heard.began.is_some() {
            return;
        }
        (heard.began, heard.got) = (Some(next), next.saturating_sub(1));
        // Acknowledgements are not answered, so some of the latest may not have come.
        if next > heard.acknowledged + 1 {
            let what = format!("group {group}, member {member}: its cursor is before {next}");
            self.violations.note(Violation::Gap, what);
        }
    }

    fn place(&mut self, number: usize, id: MessageId, seq: Seq) {
        let what = |rest: String| format!("group {number}, {id:?} at {}: {rest}", seq.0);
        let group = &mut self.groups[number];
        let other = *group.order.entry(seq.0).or_insert(id);
        if other != id {
            self.violations.note(Violation::Fork, what(format!("{other:?} is there")));
        }
        let submitted = group.submitted.get_mut(&id).expect("only what was submitted is placed");
        let before = *submitted.place.get_or_insert(seq);
        if before != seq {
            self.violations.note(Violation::Twice, what(format!("it was at {}", before.0)));
        }
        if submitted.kind == Kind::Commit {
            let epoch = submitted.epoch;
            let winner = *group.winners.entry(epoch).or_insert(id);
            if winner != id {
                let rest = what(format!("{winner:?} has won epoch {}", epoch.0));
                self.violations.note(Violation::Winners, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests;
