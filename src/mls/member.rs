//! Real members: they process every message of a tape as it is delivered, and so prove it.
//!
//! They never send. Called by the load engine, which keeps a few of them beside many light ones.

use super::leaf::Leaf;
use super::leaf::MemberError;
use super::leaf::Processed;
use super::leaf::refused;
use super::tape::Tape;
use crate::delivery::Epoch;

/// A member with an MLS stack. Holds the whole ratchet tree in memory.
#[derive(Debug)]
pub struct RealMember {
    leaf: Leaf,
}

impl RealMember {
    /// The `index`-th real member of `tape`, joined by its Welcome, in the tape's first epoch.
    /// Can be done any number of times. Cost grows with the group: every leaf is verified.
    pub fn join(tape: &Tape, index: usize) -> Result<Self, MemberError> {
        let seed = tape
            .real
            .get(index)
            .ok_or_else(|| refused("join")("the tape has no such real member"))?;
        let spec = &tape.spec;
        let leaf = Leaf::join(spec.suite, &seed.pairs, &tape.welcome, &tape.tree, spec.handshake)?;
        Ok(Self { leaf })
    }

    /// Verifies, decrypts and applies one delivered MLSMessage. Messages are to come in the
    /// service's order. A refused one changes nothing. A commit costs the whole tree's hash, an
    /// application message a few symmetric operations.
    pub fn process(&mut self, message: &[u8]) -> Result<Processed, MemberError> {
        self.leaf.process(message)
    }

    /// The current epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.leaf.epoch()
    }

    /// The epoch authenticator (RFC 9420 §8.7); after a whole tape, [`Tape::authenticator`].
    #[must_use]
    pub fn authenticator(&self) -> Vec<u8> {
        self.leaf.authenticator()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::delivery::GroupId;
    use crate::delivery::Kind;
    use crate::mls::mint::MintError;
    use crate::mls::mint::mint;
    use crate::mls::mint::mint_all;
    use crate::mls::mint::units;
    use crate::mls::suite::Suite;
    use crate::mls::tape::Handshake;
    use crate::mls::tape::TapeOperation;
    use crate::mls::tape::TapeSpec;

    fn spec(suite: &str, handshake: Handshake) -> TapeSpec {
        let application = |sender, bytes| TapeOperation::Application { sender, bytes };
        let commit = |sender| TapeOperation::Commit { sender };
        TapeSpec {
            suite: Suite::named(suite).unwrap(),
            group: GroupId::new(suite.as_bytes()).unwrap(),
            members: 9,
            senders: 3,
            real: 2,
            handshake,
            devices: Vec::new(),
            operations: vec![
                application(2, 100),
                application(0, 0),
                application(2, 200),
                commit(1),
                application(1, 20_000),
                commit(1),
                commit(0),
                commit(2),
                application(0, 7),
            ],
        }
    }

    #[test]
    fn real_members_process_a_whole_tape_and_reach_its_authenticator() {
        for suite in ["x25519-aes128-ed25519", "xwing-chacha-ed25519"] {
            for handshake in [Handshake::Public, Handshake::Private] {
                let tape = mint(&spec(suite, handshake), &|_| ()).unwrap();
                for index in 0..tape.real.len() {
                    check(&tape, &mut RealMember::join(&tape, index).unwrap());
                }
            }
        }
    }

    fn check(tape: &Tape, member: &mut RealMember) {
        assert_eq!(member.epoch(), tape.epoch);
        for (message, operation) in tape.messages.iter().zip(&tape.spec.operations) {
            assert_eq!(message.epoch, member.epoch());
            assert_eq!(message.sender, operation.sender());
            let processed = member.process(&message.body).unwrap();
            let expected = match *operation {
                TapeOperation::Application { bytes, .. } => {
                    Processed::Application { bytes: usize::try_from(bytes).unwrap() }
                }
                TapeOperation::Commit { .. } => Processed::Commit { epoch: message.epoch.next() },
            };
            assert_eq!(processed, expected);
        }
        assert_eq!(member.authenticator(), tape.authenticator);
        assert!(RealMember::join(tape, tape.real.len()).is_err());
    }

    #[test]
    fn every_suite_of_the_registry_carries_a_real_group() {
        for suite in Suite::all() {
            let tape = mint(&spec(suite.name(), Handshake::Public), &|_| ()).unwrap();
            check(&tape, &mut RealMember::join(&tape, 0).unwrap());
            // MLSMessage: version, wire format; Welcome: cipher suite (RFC 9420 §12.4.3).
            assert_eq!(tape.welcome[4..6], suite.facts().code_point.to_be_bytes(), "{suite}");
        }
    }

    #[test]
    fn a_message_changed_on_its_way_is_refused_and_the_true_one_still_accepted() {
        let tape = mint(&spec("x25519-aes128-ed25519", Handshake::Public), &|_| ()).unwrap();
        let mut member = RealMember::join(&tape, 1).unwrap();
        for message in &tape.messages {
            let mut changed = message.body.to_vec();
            let last = changed.len() - 1;
            changed[last] ^= 1;
            assert!(matches!(member.process(&changed), Err(MemberError::Refused { .. })));
            assert!(member.process(&changed[..last]).is_err());
            member.process(&message.body).unwrap();
        }
        assert!(member.process(&tape.messages[3].body).is_err(), "a commit of a closed epoch");
        assert_eq!(member.authenticator(), tape.authenticator);
    }

    #[test]
    fn an_application_message_may_arrive_as_many_epochs_late_as_the_service_allows() {
        let tape = mint(&spec("x25519-aes128-ed25519", Handshake::Public), &|_| ()).unwrap();
        let mut member = RealMember::join(&tape, 0).unwrap();
        let commits = tape.messages.iter().filter(|message| message.kind == Kind::Commit);
        for commit in commits.clone().take(3) {
            member.process(&commit.body).unwrap();
        }
        assert_eq!(
            member.process(&tape.messages[0].body),
            Ok(Processed::Application { bytes: 100 })
        );
        member.process(&commits.last().unwrap().body).unwrap();
        assert!(member.process(&tape.messages[2].body).is_err());
    }

    #[test]
    fn many_tapes_are_minted_in_order_and_progress_adds_up_to_the_units() {
        let specs: Vec<TapeSpec> = [Handshake::Public, Handshake::Private]
            .into_iter()
            .cycle()
            .take(5)
            .map(|handshake| spec("x25519-chacha-ed25519", handshake))
            .collect();
        let done = AtomicU64::new(0);
        let count = |units| {
            done.fetch_add(units, Ordering::Relaxed);
        };
        let tapes = mint_all(&specs, &count).unwrap();
        assert_eq!(tapes.iter().map(|tape| tape.spec.clone()).collect::<Vec<_>>(), specs);
        assert_eq!(done.into_inner(), specs.iter().map(units).sum::<u64>());
    }

    #[test]
    fn a_specification_out_of_bounds_is_refused() {
        let check = |change: fn(&mut TapeSpec)| {
            let mut spec = spec("x25519-aes128-ed25519", Handshake::Public);
            change(&mut spec);
            let error = mint(&spec, &|_| ()).unwrap_err();
            assert!(matches!(error, MintError::Spec(_)), "{error}");
        };
        check(|spec| spec.members = 1);
        check(|spec| spec.members = u32::MAX);
        check(|spec| spec.senders = 0);
        check(|spec| spec.senders = 10);
        check(|spec| spec.real = 7);
        check(|spec| spec.operations.push(TapeOperation::Commit { sender: 3 }));
        check(|spec| {
            spec.operations.push(TapeOperation::Application { sender: 0, bytes: u32::MAX });
        });
    }
}
