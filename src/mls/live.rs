//! Live members: they make their messages while the clock runs, so that commits can really race.
//!
//! It never knows who won; the caller learns that from the service and says so. Called by the
//! load engine for scenarios whose commits contend.

use bytes::Bytes;

use super::form;
use super::form::Formed;
use super::form::Plan;
use super::form::each;
use super::leaf::Leaf;
use super::leaf::MemberError;
use super::leaf::Processed;
use super::leaf::refused;
use super::suite::Suite;
use super::tape::Handshake;
use crate::delivery::DeviceId;
use crate::delivery::Epoch;
use crate::delivery::GroupId;

/// A new group whose every member is live.
#[derive(Debug)]
pub struct LiveGroup {
    /// All of them, in its first epoch, by member number. Member n has leaf n.
    pub members: Vec<LiveMember>,
    /// The ratchet tree of that epoch (RFC 9420 §12.4.3.3).
    pub tree: Bytes,
    /// The GroupInfo of that epoch, an MLSMessage without the tree; empty when the members are not
    /// named by device.
    pub group_info: Bytes,
}

impl LiveGroup {
    /// A new group of `members` (at least 2), named by `devices`, or not if there are none. Cost: a
    /// join each, so quadratic in `members`; meant for tens.
    pub fn form(
        suite: Suite,
        group: GroupId,
        members: u32,
        handshake: Handshake,
        devices: &[DeviceId],
    ) -> Result<Self, MemberError> {
        if members < 2 {
            return Err(refused("form the group")("a group has at least two members"));
        }
        let (senders, joiners) = (members, members);
        let awake = &[];
        let plan = Plan { suite, group, members, senders, joiners, awake, handshake, devices };
        let Formed { creator, joiners, welcome, tree, group_info } =
            form::form(&plan, true, &|_| ())?;
        let joined = each(true, joiners, |newcomer| {
            Leaf::join(suite, &newcomer.pairs(), &welcome, &tree, handshake)
        })?;
        let leaves = [creator].into_iter().chain(joined);
        let members = leaves.map(|leaf| LiveMember { leaf, proposed: None }).collect();
        Ok(Self { members, tree, group_info })
    }
}

/// A member that sends, commits and receives.
#[derive(Debug)]
pub struct LiveMember {
    leaf: Leaf,
    /// The epoch in which it proposed to renew its leaf, and the leaf's key then.
    proposed: Option<(Epoch, Option<Vec<u8>>)>,
}

impl LiveMember {
    /// An update commit for its current epoch, which also commits, by reference, every proposal of
    /// others that it has processed. Its state is unchanged until the commit is known to have won
    /// (RFC 9420 §14); a commit that it made before and that did not win is forgotten.
    pub fn prepare_commit(&mut self) -> Result<Bytes, MemberError> {
        self.leaf.prepare_commit()
    }

    /// A proposal to renew its leaf, which another has to commit in its current epoch. A commit
    /// that it has prepared is forgotten. What becomes of it, [`Self::take_fate`] says.
    pub fn propose(&mut self) -> Result<Bytes, MemberError> {
        let proposal = self.leaf.propose_update()?;
        self.proposed = Some((self.leaf.epoch(), self.leaf.leaf_key()));
        Ok(proposal)
    }

    /// Whether the commit of another that ended the epoch of its proposal took it up; `None` while
    /// none has, without a proposal, and when it was asked before. A proposal that was left out is
    /// void, and has to be made again.
    pub fn take_fate(&mut self) -> Option<bool> {
        let epoch = self.epoch();
        let (_, before) = self.proposed.take_if(|(proposed, _)| *proposed != epoch)?;
        Some(self.leaf.leaf_key() != before)
    }

    /// Its prepared commit has won: it enters the next epoch.
    pub fn own_commit_won(&mut self) -> Result<Epoch, MemberError> {
        if !self.leaf.is_pending() {
            return Err(MemberError::NothingPending);
        }
        self.leaf.merge_pending()?;
        self.proposed = None;
        Ok(self.leaf.epoch())
    }

    /// Verifies and applies a message of another member. Someone else's commit displaces its own
    /// prepared one, which has lost; a refused message changes nothing.
    pub fn process(&mut self, message: &[u8]) -> Result<Processed, MemberError> {
        self.leaf.process(message)
    }

    /// An application message for its current epoch. Cost: 50 µs in a small group.
    pub fn encrypt(&mut self, plaintext: &[u8]) -> Result<Bytes, MemberError> {
        self.leaf.encrypt(plaintext)
    }

    /// The current epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.leaf.epoch()
    }

    /// The epoch authenticator (RFC 9420 §8.7): equal for members that agree on everything.
    #[must_use]
    pub fn authenticator(&self) -> Vec<u8> {
        self.leaf.authenticator()
    }
}

const _: () = {
    const fn moves_between_threads<T: Send>() {}
    moves_between_threads::<LiveMember>();
};

#[cfg(test)]
mod tests {
    use super::*;

    fn group(suite: &str, members: u32, handshake: Handshake) -> Vec<LiveMember> {
        let group = GroupId::new(b"race").unwrap();
        let suite = Suite::named(suite).unwrap();
        LiveGroup::form(suite, group, members, handshake, &[]).unwrap().members
    }

    #[test]
    fn of_members_that_race_one_wins_each_epoch_and_all_agree() {
        for (suite, handshake) in [
            ("x25519-aes128-ed25519", Handshake::Public),
            ("x25519-aes128-ed25519", Handshake::Private),
        ] {
            let mut members = group(suite, 5, handshake);
            for round in 0..20 {
                let epoch = members[0].epoch();
                let commits: Vec<Bytes> =
                    members.iter_mut().map(|member| member.prepare_commit().unwrap()).collect();
                let winner = (round * 7) % members.len();
                for (index, member) in members.iter_mut().enumerate() {
                    let opened = if index == winner {
                        member.own_commit_won().unwrap()
                    } else {
                        member.process(&commits[winner]).unwrap();
                        member.epoch()
                    };
                    assert_eq!(opened, epoch.next());
                }
            }
            let authenticator = members[0].authenticator();
            assert!(members.iter().all(|member| member.authenticator() == authenticator));
        }
    }

    #[test]
    fn one_commit_serves_all_whose_proposals_it_names_and_who_came_too_late_proposes_again() {
        for handshake in [Handshake::Public, Handshake::Private] {
            let mut members = group("x25519-aes128-ed25519", 5, handshake);
            for round in 0..6 {
                let committer = round % 5;
                let proposals: Vec<(usize, Bytes)> = (0..5)
                    .filter(|who| *who != committer)
                    .map(|who| (who, members[who].propose().unwrap()))
                    .collect();
                // The last proposal reaches the committer after it has committed.
                let (late, on_time) = proposals.split_last().unwrap();
                for (by, proposal) in on_time {
                    for other in (0..5).filter(|other| other != by) {
                        assert_eq!(members[other].process(proposal), Ok(Processed::Proposal));
                    }
                }
                assert_eq!(members[late.0].take_fate(), None, "the epoch goes on");
                let commit = members[committer].prepare_commit().unwrap();
                for other in (0..5).filter(|other| *other != late.0) {
                    members[other].process(&late.1).unwrap();
                }
                members[committer].own_commit_won().unwrap();
                for other in (0..5).filter(|other| *other != committer) {
                    members[other].process(&commit).unwrap();
                }
                let fates: Vec<Option<bool>> =
                    members.iter_mut().map(LiveMember::take_fate).collect();
                for (who, fate) in fates.into_iter().enumerate() {
                    let expected = (who != committer).then_some(who != late.0);
                    assert_eq!(fate, expected, "{who} in round {round}");
                }
                let authenticator = members[0].authenticator();
                assert!(members.iter().all(|member| member.authenticator() == authenticator));
                assert_eq!(members[late.0].take_fate(), None, "told once");
            }
        }
    }

    #[test]
    fn who_proposed_may_commit_after_all_and_its_own_proposal_is_left_out() {
        let mut members = group("x25519-aes128-ed25519", 3, Handshake::Public);
        let proposals = [members[0].propose().unwrap(), members[1].propose().unwrap()];
        for (other, member) in members.iter_mut().enumerate() {
            for (by, proposal) in proposals.iter().enumerate().filter(|(by, _)| *by != other) {
                assert_eq!(member.process(proposal), Ok(Processed::Proposal), "{by}");
            }
        }
        let commit = members[1].prepare_commit().unwrap();
        members[1].own_commit_won().unwrap();
        assert_eq!(members[1].take_fate(), None, "its own commit was its change");
        members[0].process(&commit).unwrap();
        members[2].process(&commit).unwrap();
        assert_eq!(members[0].take_fate(), Some(true));
        assert_eq!(members[0].authenticator(), members[2].authenticator());
        assert_eq!(members[0].authenticator(), members[1].authenticator());
    }

    #[test]
    fn a_live_group_of_fewer_than_two_is_refused() {
        let (suite, group) = (Suite::named("x25519-aes128-ed25519"), GroupId::new(b"few"));
        let (suite, group) = (suite.unwrap(), group.unwrap());
        for members in [0, 1] {
            let formed = LiveGroup::form(suite, group, members, Handshake::Public, &[]);
            assert!(matches!(formed, Err(MemberError::Refused { .. })), "{members}");
        }
    }

    #[test]
    fn a_prepared_commit_changes_nothing_until_it_has_won() {
        let mut members = group("x25519-aes128-ed25519", 2, Handshake::Public);
        let before = members[0].authenticator();
        members[0].prepare_commit().unwrap();
        let commit = members[0].prepare_commit().unwrap();
        assert_eq!(members[0].authenticator(), before);
        let message = members[0].encrypt(b"still in the old epoch").unwrap();
        assert_eq!(members[1].process(&message), Ok(Processed::Application { bytes: 22 }));
        assert_eq!(members[0].process(&commit), Err(MemberError::Own));
        assert_eq!(members[1].own_commit_won(), Err(MemberError::NothingPending));
        members[0].own_commit_won().unwrap();
        members[1].process(&commit).unwrap();
        assert_eq!(members[0].authenticator(), members[1].authenticator());
    }
}
