//! Who is a member of a tape's group, at which leaf, and what is proposed: step by step.
//!
//! It knows no key and no byte. What it refuses, MLS would refuse: it is how a tape's specification
//! is checked, and how those who make its messages know whose leaf is whose. Called by `tape`,
//! `press` and `synthetic`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::tape::TapeOperation;
use super::tape::TapeSpec;

/// A group between two operations of its tape.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    senders: u32,
    /// Everybody who can ever be a member: numbers below.
    devices: u32,
    leaves: BTreeMap<u32, u32>,
    /// Leaves below `width` that nobody has.
    blank: BTreeSet<u32>,
    width: u32,
    proposed: Vec<Proposed>,
}

/// A proposal of the current epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proposed {
    /// That this member gets a new leaf node.
    Update(u32),
    /// That this one comes in.
    Add(u32),
    /// That this member goes.
    Remove(u32),
}

/// What a commit does, by member number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Who comes in.
    pub(super) added: Vec<u32>,
    /// Who goes, and from which leaf.
    pub(super) removed: Vec<(u32, u32)>,
    /// The leaves of those whose proposed update it takes in.
    pub(super) updated: Vec<u32>,
    /// How many proposals it takes in by reference.
    pub(super) referred: u32,
}

impl Membership {
    /// The group of `spec` before its first operation. Cost: linear in the members.
    pub(super) fn of(spec: &TapeSpec) -> Self {
        let by_leaf = spec.by_leaf();
        Self {
            senders: spec.senders,
            devices: spec.members + spec.joiners,
            leaves: by_leaf.into_iter().zip(0..).collect(),
            blank: BTreeSet::new(),
            width: spec.members,
            proposed: Vec::new(),
        }
    }

    /// Where a member sits.
    pub(super) fn leaf(&self, member: u32) -> Option<u32> {
        self.leaves.get(&member).copied()
    }

    /// One more than the last leaf that is taken.
    pub(super) fn width(&self) -> u32 {
        self.width
    }

    /// Does one operation, or says why it cannot be done. What a commit did; nothing for all else.
    pub(super) fn apply(&mut self, operation: TapeOperation) -> Result<Option<Done>, &'static str> {
        self.check_sender(operation)?;
        match operation {
            // RFC 9420 §12.4: who has seen a proposal commits before it sends application data.
            TapeOperation::Application { .. } if !self.proposed.is_empty() => {
                Err("an application message comes between a proposal and its commit")
            }
            TapeOperation::Application { .. } => Ok(None),
            TapeOperation::Commit { sender } => self.commit(sender, None),
            TapeOperation::Add { sender, member } => {
                self.commit(sender, Some(Proposed::Add(member)))
            }
            TapeOperation::Remove { sender, member } => {
                self.commit(sender, Some(Proposed::Remove(member)))
            }
            TapeOperation::ProposeUpdate { sender } => self.propose(Proposed::Update(sender)),
            TapeOperation::ProposeAdd { member, .. } => self.propose(Proposed::Add(member)),
            TapeOperation::ProposeRemove { member, .. } | TapeOperation::Leave { member } => {
                self.propose(Proposed::Remove(member))
            }
            TapeOperation::ExternalJoin { member } => {
                self.check(Proposed::Add(member))?;
                if !self.proposed.is_empty() {
                    return Err("an external join would lose what is proposed");
                }
                Ok(Some(self.change(&[Proposed::Add(member)], 0)))
            }
        }
    }

    /// Senders stay: whoever makes a tape counts on them.
    fn check_sender(&self, operation: TapeOperation) -> Result<(), &'static str> {
        let sender = operation.sender();
        let may = match operation {
            TapeOperation::ExternalJoin { .. } => true,
            TapeOperation::Leave { member } => self.leaves.contains_key(&member),
            _ => sender < self.senders && self.leaves.contains_key(&sender),
        };
        if may { Ok(()) } else { Err("an operation's sender is not one of the senders") }
    }

    fn propose(&mut self, proposed: Proposed) -> Result<Option<Done>, &'static str> {
        self.check(proposed)?;
        self.proposed.push(proposed);
        Ok(None)
    }

    /// RFC 9420 §12.2, beside what is proposed already.
    fn check(&self, new: Proposed) -> Result<(), &'static str> {
        if self.proposed.iter().any(|other| other.whom() == new.whom()) {
            return Err("two proposals of one epoch are about one member");
        }
        match new {
            Proposed::Add(member) if member >= self.devices => {
                Err("who is added is neither a member nor a joiner")
            }
            Proposed::Add(member) if self.leaves.contains_key(&member) => {
                Err("who is added is a member")
            }
            Proposed::Remove(member) if !self.leaves.contains_key(&member) => {
                Err("who is removed is no member")
            }
            Proposed::Remove(member) if member < self.senders => Err("a sender is removed"),
            _ => Ok(()),
        }
    }

    fn commit(
        &mut self,
        committer: u32,
        own: Option<Proposed>,
    ) -> Result<Option<Done>, &'static str> {
        if let Some(own) = own {
            self.check(own)?;
        }
        let proposals: Vec<Proposed> = self.proposed.iter().copied().chain(own).collect();
        let not_adds = |it: &&Proposed| !matches!(it, Proposed::Add(_));
        if proposals.iter().filter(not_adds).any(|it| it.whom() == committer) {
            return Err("a committer commits to its own update or removal");
        }
        let referred = u32::try_from(self.proposed.len()).expect("operations are bounded");
        Ok(Some(self.change(&proposals, referred)))
    }

    /// RFC 9420 §12.3, §7.7: removals first; who comes in takes the leftmost blank leaf.
    fn change(&mut self, proposals: &[Proposed], referred: u32) -> Done {
        let mut done = Done { referred, ..Done::default() };
        for proposed in proposals {
            match *proposed {
                Proposed::Remove(member) => {
                    let leaf = self.leaves.remove(&member).expect("checked to be a member");
                    self.blank.insert(leaf);
                    done.removed.push((member, leaf));
                }
                Proposed::Update(member) => done.updated.extend(self.leaf(member)),
                Proposed::Add(_) => {}
            }
        }
        for proposed in proposals {
            if let Proposed::Add(member) = *proposed {
                let leaf = self.blank.pop_first().unwrap_or_else(|| {
                    self.width += 1;
                    self.width - 1
                });
                self.leaves.insert(member, leaf);
                done.added.push(member);
            }
        }
        self.truncate();
        self.proposed.clear();
        done
    }

    /// RFC 9420 §7.8: blank leaves at the right end are gone; a new one takes them all the same.
    fn truncate(&mut self) {
        while self.width > 0 && self.blank.contains(&(self.width - 1)) {
            self.width -= 1;
            self.blank.remove(&self.width);
        }
    }
}

impl Proposed {
    /// The member that it is about.
    fn whom(self) -> u32 {
        match self {
            Self::Update(member) | Self::Add(member) | Self::Remove(member) => member,
        }
    }
}
