//! Deployments that use post-quantum keys for part of what a group does, as sums.
//!
//! They are patterns of two suites and no suites of their own: no stack here runs one, so their sizes
//! are modelled and never measured on members. What the drafts leave open is left out: of a full
//! commit, the pre-shared key's proposal and the framing of the pair, some 150 bytes together. Called
//! by campaigns that compare suites at a service, and by scenarios, which load a group's joins.

use super::Dimensions;
use super::application_message;
use super::key_package;
use crate::limits::COMBINER_RATIO_MAX;
use crate::mls::primitive::Quantum;
use crate::mls::suite::Suite;

/// How two suites share the work of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Who joins does so by a post-quantum init key, and everything after that is classical: what is
    /// recorded of joins today stays closed, what is recorded of commits does not.
    Welcome,
    /// Two groups of the same members (draft-ietf-mls-combiner): the classical one commits every time,
    /// which is a partial commit, and both do in a full one, so that the post-quantum secret enters the
    /// classical key schedule. Messages are the classical group's.
    Combiner {
        /// One commit in so many is a full one, 1 to [`COMBINER_RATIO_MAX`].
        full_every: u32,
    },
}

/// A pattern as a list of them names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// As [`Deployment::parse`] reads it, with its own suite.
    pub written: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
}

/// Every kind of pattern.
pub const KINDS: [Kind; 2] = [
    Kind {
        written: "welcome",
        what: "who joins does so by a post-quantum init key; commits and messages are classical",
    },
    Kind {
        written: "combiner:10",
        what: "two groups of the same members; one in 10 commits is in the post-quantum one too",
    },
];

impl Kind {
    /// Such a pattern over [`Deployment::CLASSICAL`] with the post-quantum suite of that name, if it may
    /// have that one and there is one.
    #[must_use]
    pub fn with(&self, post_quantum: &str) -> Option<Deployment> {
        let classical = Suite::named(Deployment::CLASSICAL).ok()?;
        Deployment::parse(&format!("{}:{post_quantum}", self.written), classical).ok()
    }
}

/// A pattern with the two suites that it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Which.
    pub pattern: Pattern,
    /// The suite of messages and most commits.
    pub classical: Suite,
    /// The suite of what has to hold against a quantum computer.
    pub post_quantum: Suite,
}

/// Why something is no pattern, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; write welcome or combiner:10, and another suite as welcome:SUITE or combiner:10:SUITE"
)]
pub struct NoPattern(pub String);

/// Lengths of what a deployment puts on the wire, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objects {
    /// What a device publishes to be added once.
    pub key_package: usize,
    /// An update commit, on average over full and partial ones.
    pub commit_mean: f64,
    /// The longest update commit of a room, both parts of a full one together.
    pub commit_max: usize,
    /// A commit that adds one member, both parts together.
    pub add_commit: usize,
    /// What one joiner gets, without the tree.
    pub welcome: usize,
    /// An application message.
    pub application: usize,
}

impl Objects {
    /// Of a group of one suite, for commits by `leaf` and messages of `plaintext` bytes.
    #[must_use]
    pub fn of(group: &Dimensions, leaf: u32, plaintext: usize) -> Self {
        let commit = group.update_commit(leaf);
        Self {
            key_package: key_package(&group.lengths, group.identity),
            commit_mean: commit as f64,
            commit_max: commit,
            add_commit: group.add_commit(leaf),
            welcome: group.welcome(1),
            application: application_message(&group.lengths, group.group_id, plaintext),
        }
    }
}

impl Deployment {
    /// The suite of messages and most commits unless another is named: the mandatory one (RFC 9420
    /// §17.1).
    pub const CLASSICAL: &str = "x25519-aes128-ed25519";

    /// The suite of a Welcome or of a combiner's second group, unless another is named.
    const DEFAULTS: (&str, &str) = ("xwing-aes128-ed25519", "mlkem768-aes256-ed25519");

    /// Reads `welcome`, `combiner:10` or either with the post-quantum suite after another colon, over
    /// the suite `classical`.
    ///
    /// # Errors
    /// When it is something else, or a combiner whose second suite is not post-quantum alone: the draft
    /// takes no hybrid.
    pub fn parse(text: &str, classical: Suite) -> Result<Self, NoPattern> {
        let mut words = text.split(':');
        let (pattern, default) = match words.next() {
            Some("welcome") => (Pattern::Welcome, Self::DEFAULTS.0),
            Some("combiner") => {
                let ratio = words.next().and_then(|word| word.parse().ok());
                let full_every = ratio.filter(|ratio| (1..=COMBINER_RATIO_MAX).contains(ratio));
                let full_every = full_every.ok_or_else(|| {
                    NoPattern(format!(
                        "{text:?}: a combiner commits in both groups once in 1 to \
                         {COMBINER_RATIO_MAX} commits"
                    ))
                })?;
                (Pattern::Combiner { full_every }, Self::DEFAULTS.1)
            }
            _ => return Err(NoPattern(format!("{text:?} is no pattern"))),
        };
        let post_quantum = Suite::named(words.next().unwrap_or(default))
            .map_err(|unknown| NoPattern(unknown.to_string()))?;
        if words.next().is_some() {
            return Err(NoPattern(format!("{text:?} says more than a pattern does")));
        }
        let holds = post_quantum.facts().confidentiality;
        match pattern {
            Pattern::Welcome => check_init(classical, post_quantum).map_err(NoPattern)?,
            Pattern::Combiner { .. } if holds != Quantum::Pure => {
                return Err(NoPattern(format!(
                    "{post_quantum} is not post-quantum alone, as the second group of a combiner is"
                )));
            }
            Pattern::Combiner { .. } => {}
        }
        Ok(Self { pattern, classical, post_quantum })
    }

    /// As [`Self::parse`] reads it.
    #[must_use]
    pub fn name(&self) -> String {
        let suite = self.post_quantum;
        match self.pattern {
            Pattern::Welcome => format!("welcome:{suite}"),
            Pattern::Combiner { full_every } => format!("combiner:{full_every}:{suite}"),
        }
    }

    /// Lengths in a group that is like `group` in everything but its suite, for commits by `leaf` and
    /// messages of `plaintext` bytes.
    #[must_use]
    pub fn objects(&self, group: &Dimensions, leaf: u32, plaintext: usize) -> Objects {
        let of = |suite: Suite| Dimensions { lengths: suite.lengths(), ..*group };
        match self.pattern {
            Pattern::Welcome => {
                let lengths = self.classical.lengths_joined_by(Some(self.post_quantum));
                Objects::of(&Dimensions { lengths, ..*group }, leaf, plaintext)
            }
            Pattern::Combiner { full_every } => {
                let plain = Objects::of(&of(self.classical), leaf, plaintext);
                let other = Objects::of(&of(self.post_quantum), leaf, plaintext);
                Objects {
                    key_package: plain.key_package + other.key_package,
                    commit_mean: plain.commit_mean + other.commit_mean / f64::from(full_every),
                    commit_max: plain.commit_max + other.commit_max,
                    // Who joins, joins both groups, and a commit that adds is a full one.
                    add_commit: plain.add_commit + other.add_commit,
                    welcome: plain.welcome + other.welcome,
                    application: plain.application,
                }
            }
        }
    }
}

/// Whether devices may join a group of `classical` by init keys of `init`.
///
/// # Errors
/// Why that is no pattern, in words.
pub fn check_init(classical: Suite, init: Suite) -> Result<(), String> {
    if init.facts().confidentiality == Quantum::No {
        return Err(format!("{init} keeps nothing from a quantum computer"));
    }
    if classical.facts().confidentiality != Quantum::No {
        return Err(format!("{classical} keeps joins from a quantum computer by itself"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mls::primitive::Lengths;
    use crate::mls::size::vector;
    use crate::mls::tape::Handshake;
    use crate::mls::{TapeOperation, TapeSpec, TreeState, synthesize};

    fn suite(name: &str) -> Suite {
        Suite::named(name).unwrap()
    }

    fn classical() -> Suite {
        suite(Deployment::CLASSICAL)
    }

    fn group(members: u32, tree: TreeState) -> Dimensions {
        Dimensions {
            lengths: classical().lengths(),
            group_id: 32,
            identity: 36,
            members,
            tree,
            handshake: Handshake::Public,
        }
    }

    fn of(name: &str, group: &Dimensions) -> Objects {
        Objects::of(&Dimensions { lengths: suite(name).lengths(), ..*group }, 0, 200)
    }

    /// Every pair that the pattern may be made of.
    fn suites_of_a_welcome() -> impl Strategy<Value = (Suite, Suite)> {
        let pairs = Suite::all().flat_map(|one| Suite::all().map(move |init| (one, init)));
        let pairs: Vec<_> = pairs.filter(|(one, init)| check_init(*one, *init).is_ok()).collect();
        assert!(pairs.len() > 20, "{}", pairs.len());
        prop::sample::select(pairs)
    }

    fn pattern(text: &str) -> Deployment {
        Deployment::parse(text, classical()).unwrap()
    }

    proptest! {
        #[test]
        fn a_combiner_costs_both_groups_when_full_and_comes_down_to_the_classical_one(
            members in 2_u32..3_000, ratio in 1_u32..=COMBINER_RATIO_MAX, merged: bool,
        ) {
            let group = group(members, if merged { TreeState::Merged } else { TreeState::Fresh });
            let name = "mlkem768-aes256-mldsa65";
            let (one, two) = (of("x25519-aes128-ed25519", &group), of(name, &group));
            let both = pattern(&format!("combiner:1:{name}")).objects(&group, 0, 200);
            prop_assert_eq!(both.commit_mean, one.commit_mean + two.commit_mean);
            let some = pattern(&format!("combiner:{ratio}:{name}")).objects(&group, 0, 200);
            // So many commits, one of which is full, written out one by one.
            let all: f64 = (0..ratio)
                .map(|turn| one.commit_mean + if turn == 0 { two.commit_mean } else { 0.0 })
                .sum();
            prop_assert!((some.commit_mean * f64::from(ratio) - all).abs() < 1e-6 * all);
            for joint in [both, some] {
                prop_assert_eq!(joint.commit_max, one.commit_max + two.commit_max);
                prop_assert_eq!(joint.welcome, one.welcome + two.welcome);
                prop_assert_eq!(joint.key_package, one.key_package + two.key_package);
                prop_assert_eq!(joint.add_commit, one.add_commit + two.add_commit);
                prop_assert_eq!(joint.application, one.application);
            }
        }

        #[test]
        fn a_post_quantum_welcome_is_the_classical_one_with_two_fields_exchanged(
            members in 2_u32..3_000, merged: bool, pair in suites_of_a_welcome(),
        ) {
            let (classical, init) = pair;
            let lengths = classical.lengths();
            let tree = if merged { TreeState::Merged } else { TreeState::Fresh };
            let group = Dimensions { lengths, ..group(members, tree) };
            let plain = Objects::of(&group, 0, 200);
            let deployment = Deployment { pattern: Pattern::Welcome, classical, post_quantum: init };
            let opened = deployment.objects(&group, 0, 200);
            // Field by field: the init key of a KeyPackage, which a commit holds too, and what is
            // encapsulated to it. No vector around them needs a longer header for it.
            let longer = |of: fn(&Lengths) -> usize| {
                vector(of(&init.lengths())) - vector(of(&lengths))
            };
            let key = longer(|of| of.kem_public_key);
            let mut sealed = group;
            sealed.lengths.init_kem_output = init.lengths().kem_output;
            prop_assert_eq!(opened.key_package, plain.key_package + key);
            prop_assert_eq!(opened.add_commit, plain.add_commit + key);
            prop_assert_eq!(opened.welcome, plain.welcome + longer(|of| of.kem_output));
            prop_assert_eq!(opened.welcome, sealed.welcome(1));
            prop_assert_eq!((opened.commit_mean, opened.commit_max), (plain.commit_mean, plain.commit_max));
            prop_assert_eq!(opened.application, plain.application);
        }

        #[test]
        fn a_post_quantum_welcome_leaves_updates_and_messages_as_they_are(members in 2_u32..3_000) {
            let group = group(members, TreeState::Fresh);
            let plain = of("x25519-aes128-ed25519", &group);
            let opened = pattern("welcome").objects(&group, 0, 200);
            prop_assert_eq!((opened.commit_mean, opened.application), (plain.commit_mean, plain.application));
            // X-Wing's keys have 1,216 bytes and take two of a header where X25519's 32 take one; what
            // it encapsulates has 1,120.
            prop_assert_eq!(opened.key_package, plain.key_package + 1_216 + 2 - 32 - 1);
            prop_assert_eq!(opened.add_commit, plain.add_commit + 1_216 + 2 - 32 - 1);
            let other = of("xwing-aes128-ed25519", &group);
            prop_assert_eq!(opened.welcome, plain.welcome + 1_120 + 2 - 32 - 1);
            // Their hashes and signatures are alike, so a Welcome differs by nothing else.
            prop_assert_eq!(opened.welcome, other.welcome);
        }
    }

    #[test]
    fn the_parts_of_a_full_commit_are_as_long_as_what_synthetic_groups_send() {
        let deployment = pattern("combiner:10:mlkem1024-aes256-mldsa87");
        let sent = [deployment.classical, deployment.post_quantum].map(|suite| {
            let spec = TapeSpec {
                suite,
                init_suite: None,
                group: crate::delivery::GroupId::new(&[7; 32]).unwrap(),
                members: 33,
                senders: 1,
                real: 0,
                joiners: 0,
                real_joiners: 0,
                group_infos: false,
                handshake: Handshake::Public,
                devices: Vec::new(),
                operations: vec![TapeOperation::Commit { sender: 0 }],
            };
            synthesize(&spec, TreeState::Fresh, 1).messages[0].body.len()
        });
        let objects = deployment.objects(&group(33, TreeState::Fresh), 0, 200);
        assert_eq!(objects.commit_max, sent[0] + sent[1]);
    }

    #[test]
    fn what_is_no_pattern_is_answered_with_what_would_be() {
        let check = |text: &str, says: &str| {
            let said = Deployment::parse(text, classical()).unwrap_err().to_string();
            assert!(said.contains(says) && said.contains("combiner:10"), "{text}: {said}");
        };
        check("hybrid", "no pattern");
        check("", "no pattern");
        check("combiner", "once in 1 to");
        check("combiner:0", "once in 1 to");
        check("combiner:often", "once in 1 to");
        check(&format!("combiner:{}", COMBINER_RATIO_MAX + 1), "once in 1 to");
        check("combiner:10:xwing-aes128-ed25519", "not post-quantum alone");
        check("combiner:10:mlkem768-aes256-mldsa66", "mlkem768-aes256-mldsa65");
        check("welcome:p256-aes128-p256", "keeps nothing");
        check("welcome:xwing-aes128-ed25519:2", "says more");
        let hybrid = suite("xwing-aes128-ed25519");
        let said = Deployment::parse("welcome", hybrid).unwrap_err().to_string();
        assert!(said.contains("by itself"), "{said}");
    }

    #[test]
    fn a_pattern_is_read_as_it_is_written() {
        for text in ["welcome", "combiner:50", "combiner:3:mlkem1024-aes256-mldsa87"] {
            let read = pattern(text);
            assert_eq!(pattern(&read.name()), read);
        }
        assert_eq!(pattern("combiner:7").name(), "combiner:7:mlkem768-aes256-ed25519");
    }

    #[test]
    fn every_kind_is_read_as_it_is_written_and_takes_the_suites_that_hold() {
        for (kind, takes) in KINDS.iter().zip([10, 6]) {
            let read = pattern(kind.written);
            assert!(read.name().starts_with(kind.written), "{}", kind.written);
            let own = kind.with(read.post_quantum.name());
            assert_eq!(own, Some(read), "its own suite is one of them");
            let taken: Vec<Deployment> =
                Suite::all().filter_map(|suite| kind.with(suite.name())).collect();
            let holds = |of: &Deployment| of.post_quantum.facts().confidentiality != Quantum::No;
            assert!(taken.iter().all(holds), "{taken:?}");
            assert_eq!(taken.len(), takes, "{taken:?}");
            assert_eq!(kind.with("no suite"), None);
        }
    }
}
