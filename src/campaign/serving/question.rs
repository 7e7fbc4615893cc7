//! What is asked: suites and patterns, sizes of the group, and the scenario of each run.
//!
//! Pure. Every run is a scenario as text, so that it can be repeated by hand. Called by `cli` and by
//! `measure`.

use std::time::Duration;

use crate::limits::{MESSAGE_BYTES_MAX, SERVING_MEMBERS_MAX, SERVING_SIZES_MAX};
use crate::load::scenario::Scenario;
use crate::load::sizes::Sizes;
use crate::mls::size::IDENTITY_BYTES;
use crate::mls::size::pattern::{Deployment, Objects, Pattern};
use crate::mls::{Dimensions, Handshake, Suite, TreeState};
use crate::place::Mistake;

/// Who is compared: a suite, or a pattern of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// One suite for everything.
    Suite(Suite),
    /// A pattern, which no stack here runs: its bytes are modelled, and loaded where they are its own.
    Pattern(Deployment),
    /// A pattern that is modelled and never loaded.
    Modelled(Deployment),
}

/// What is compared, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Each once, in the order of the tables.
    pub contenders: Vec<Contender>,
    /// Members of the group, each once, the smallest first.
    pub members: Vec<u32>,
    /// What every commit finds in the tree.
    pub tree: TreeState,
    /// The TLS key exchange of every connection, as scenarios write it.
    pub key_exchange: String,
    /// Commits a minute of every suite at every size; `None`: as many as each suite's bytes leave room
    /// for.
    pub commits_per_min: Option<f64>,
    /// How often each point is measured.
    pub rounds: u32,
    /// How long messages alone are measured, and at least how long commits are.
    pub measure: Duration,
    /// How long a trial at one rate of a search is at least; `None` searches nothing.
    pub trial: Option<Duration>,
    /// After how long the search of one suite at one size ends with what it has, unless it has had few
    /// trials.
    pub budget: Duration,
    /// What the order, and everything in a run, is drawn from.
    pub seed: u64,
}

/// What a run sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Application messages alone: what a commit is to be told apart from.
    Messages,
    /// The same messages with commits among them.
    Both,
    /// Commits alone.
    Commits,
}

/// What cannot be compared here.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unservable {
    /// No size, or too many.
    #[error("{0} sizes; 1 to {SERVING_SIZES_MAX} are compared at once")]
    Sizes(usize),
    /// A size that is none.
    #[error("a group of {0} cannot be compared at a service; choose 2 to {SERVING_MEMBERS_MAX}")]
    Members(u32),
    /// Its commits are larger than the service takes.
    #[error(
        "a commit of {contender} has {bytes} bytes at {members} members; the service takes \
         {MESSAGE_BYTES_MAX}"
    )]
    TooLarge {
        /// Whose.
        contender: String,
        /// At which size.
        members: u32,
        /// How large.
        bytes: usize,
    },
    /// What would not fit into this machine.
    #[error(
        "{contender} at {members} members takes about {needed_mib} MiB, and {available_mib} MiB are \
         free; choose a smaller size or other suites"
    )]
    Memory {
        /// Whose.
        contender: String,
        /// At which size.
        members: u32,
        /// What engine and service take together, in MiB.
        needed_mib: u64,
        /// What there is.
        available_mib: u64,
    },
    /// A scenario that no run can have.
    #[error("{contender} at {members} members: {fault}")]
    Scenario {
        /// Whose.
        contender: String,
        /// At which size.
        members: u32,
        /// Why.
        fault: String,
    },
}

impl Unservable {
    /// A run's scenario that is none.
    pub(super) fn of(contender: &Contender, members: u32, mistake: &Mistake) -> Self {
        Self::Scenario { contender: contender.name(), members, fault: mistake.one_line() }
    }
}

impl Contender {
    /// As tables write it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Suite(suite) => suite.name().to_owned(),
            Self::Pattern(deployment) | Self::Modelled(deployment) => deployment.name(),
        }
    }

    /// The pattern, if it is one.
    #[must_use]
    pub fn deployment(&self) -> Option<Deployment> {
        match self {
            Self::Suite(_) => None,
            Self::Pattern(deployment) | Self::Modelled(deployment) => Some(*deployment),
        }
    }

    /// Whether its update commits and messages are its own: those of a post-quantum Welcome are its
    /// classical suite's, and a run of them would be that suite's once more. Its joins are loaded apart.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        match self {
            Self::Suite(_) => true,
            Self::Pattern(deployment) => deployment.pattern != Pattern::Welcome,
            Self::Modelled(_) => false,
        }
    }

    /// One commit in so many is committed in the second group too; `None` without a second group.
    #[must_use]
    pub fn full_every(&self) -> Option<(u32, Suite)> {
        match self.deployment()? {
            Deployment { pattern: Pattern::Combiner { full_every }, post_quantum, .. } => {
                Some((full_every, post_quantum))
            }
            _ => None,
        }
    }

    /// The suite of its messages.
    pub(super) fn suite(&self) -> Suite {
        match self {
            Self::Suite(suite) => *suite,
            Self::Pattern(deployment) | Self::Modelled(deployment) => deployment.classical,
        }
    }
}

impl Traffic {
    /// Its name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Both => "commits_and_messages",
            Self::Commits => "commits",
        }
    }
}

impl Question {
    /// Refuses what cannot be compared, before anything runs.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
    pub fn check(&self) -> Result<(), Unservable> {
        if self.members.is_empty() || self.members.len() > SERVING_SIZES_MAX {
            return Err(Unservable::Sizes(self.members.len()));
        }
        let wrong = |members: &&u32| !(2..=SERVING_MEMBERS_MAX).contains(*members);
        if let Some(members) = self.members.iter().find(wrong) {
            return Err(Unservable::Members(*members));
        }
        for (contender, members) in self.cells() {
            let bytes = self.objects(&contender, members).commit_max;
            if bytes > MESSAGE_BYTES_MAX {
                return Err(Unservable::TooLarge { contender: contender.name(), members, bytes });
            }
            for traffic in [Traffic::Messages, Traffic::Both] {
                let scenario = self.scenario(&contender, members, traffic);
                scenario.map_err(|mistake| Unservable::of(&contender, members, &mistake))?;
            }
        }
        Ok(())
    }

    /// Everything that is loaded: each contender at each size, the smallest first.
    #[must_use]
    pub fn cells(&self) -> Vec<(Contender, u32)> {
        let loaded = || self.contenders.iter().filter(|contender| contender.is_loaded());
        let at = |members: &u32| loaded().map(|contender| (*contender, *members)).collect();
        self.members.iter().flat_map::<Vec<_>, _>(at).collect()
    }

    /// What a contender puts on the wire in a group of so many members: the commits of its first
    /// member, who is the one that commits in a run, and messages of the mean size.
    #[must_use]
    pub fn objects(&self, contender: &Contender, members: u32) -> Objects {
        let group = Dimensions {
            lengths: contender.suite().lengths(),
            group_id: GROUP_ID_BYTES,
            identity: IDENTITY_BYTES,
            members,
            tree: self.tree,
            handshake: Handshake::default(),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some hundreds"
        )]
        let plaintext = Sizes::Mimi.mean().round() as usize;
        match contender {
            Contender::Suite(_) => Objects::of(&group, 0, plaintext),
            Contender::Pattern(deployment) | Contender::Modelled(deployment) => {
                deployment.objects(&group, 0, plaintext)
            }
        }
    }

    /// A run as a scenario says it.
    #[must_use]
    pub fn text(&self, contender: &Contender, members: u32, traffic: Traffic) -> String {
        let per_min = self.commits_per_s(contender, members) * 60.0;
        let messages = self.messages_per_commit(contender, members);
        let (rate, share) = match traffic {
            Traffic::Messages => (per_min * f64::from(messages), "0%".to_owned()),
            Traffic::Both => (per_min * f64::from(messages + 1), one_in(messages + 1)),
            Traffic::Commits => (per_min, "100%".to_owned()),
        };
        let head = format!(
            "why = \"What {name} costs at the service: {traffic}.\"\n\
             expect = \"Everybody gets everything.\"\n\
             seed = {seed}\n\
             key_exchange = \"{key_exchange}\"\n\
             {times}",
            name = contender.name(),
            traffic = traffic.name(),
            seed = self.seed,
            key_exchange = self.key_exchange,
            times = self.pace(contender, members, traffic).text(),
        );
        let class = |name: &str, suite: Suite, rate: f64, share: &str| {
            format!(
                "\n[[groups]]\nname = \"{name}\"\ncount = 1\nmembers = {members}\n\
                 suite = \"{suite}\"\nsource = \"synthetic\"\ntree = \"{tree}\"\n\
                 payload = \"mimi\"\nrate = \"{rate}/min\"\narrivals = \"even\"\n\
                 commits = \"{share}\"\nsenders = {SENDERS}\n",
                tree = tree_name(self.tree),
                rate = (rate * 1e6).round() / 1e6,
            )
        };
        let own = class(GROUP, contender.suite(), rate, &share);
        let second = contender.full_every().filter(|_| traffic != Traffic::Messages);
        let second = second
            .map(|(every, suite)| class(SECOND_GROUP, suite, per_min / f64::from(every), "100%"));
        head + &own + &second.unwrap_or_default()
    }

    /// The same, read.
    ///
    /// # Errors
    /// When it asks for what no scenario may: the mistake names the line of [`Self::text`].
    pub fn scenario(
        &self,
        contender: &Contender,
        members: u32,
        traffic: Traffic,
    ) -> Result<Scenario, Mistake> {
        Scenario::parse(&self.text(contender, members, traffic), "serve-cost")
    }
}

/// As scenarios and records write it.
#[must_use]
pub(super) fn tree_name(tree: TreeState) -> &'static str {
    match tree {
        TreeState::Fresh => "fresh",
        TreeState::Merged => "merged",
    }
}

/// A share that has one of the first so many operations, two of twice as many, and so on.
fn one_in(operations: u32) -> String {
    let millionths = 1_000_000_u32.div_ceil(operations);
    format!("{}.{:04}%", millionths / 10_000, millionths % 10_000)
}

/// The class of the group, or of a combiner's classical one.
const GROUP: &str = "group";
/// The class of a combiner's post-quantum group.
const SECOND_GROUP: &str = "second";
/// As the population makes them; a test holds the two together.
const GROUP_ID_BYTES: usize = 32;
/// The first member alone, who has added all others, sends and commits. In a fresh tree anybody else's
/// commit is shorter: each subtree that holds the first leaf has a key (RFC 9420 §4.1.2), while every
/// other one takes a ciphertext for each of its leaves.
const SENDERS: u32 = 1;
