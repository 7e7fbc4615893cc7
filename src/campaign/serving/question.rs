//! What is asked: suites and patterns, sizes of the group, and the scenario of each run.
//!
//! Pure. Every run is a scenario as text, so that it can be repeated by hand. Called by `cli` and by
//! `measure`.

use std::time::Duration;

use crate::limits::{
    MESSAGE_BYTES_MAX, SERVING_BYTES_PER_SECOND, SERVING_COMMITS_MIN,
    SERVING_COMMITS_PER_SECOND_MAX, SERVING_MEMBERS_MAX, SERVING_MESSAGE_DELIVERIES_PER_SECOND,
    SERVING_SIZES_MAX,
};
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
    /// Commits a minute at every size; `None`: as many as the largest suite's bytes leave room for.
    pub commits_per_min: Option<f64>,
    /// How often each point is measured.
    pub rounds: u32,
    /// How long messages alone are measured, and at least how long commits are.
    pub measure: Duration,
    /// How long a trial at one rate of a search is at least; `None` searches nothing.
    pub trial: Option<Duration>,
    /// After how long the search of one suite at one size ends with what it has.
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

    /// Whether its commits and messages are its own: those of a post-quantum Welcome are its classical
    /// suite's, and a run of them would be that suite's once more.
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
    fn suite(&self) -> Suite {
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
                scenario.map_err(|mistake| Unservable::Scenario {
                    contender: contender.name(),
                    members,
                    fault: mistake.one_line(),
                })?;
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
    /// member, and messages of the mean size.
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

    /// Commits a second of every contender in a group of so many members.
    #[must_use]
    pub fn commits_per_s(&self, members: u32) -> f64 {
        if let Some(per_min) = self.commits_per_min {
            return per_min / 60.0;
        }
        let contenders = self.contenders.iter().filter(|contender| contender.is_loaded());
        let largest = contenders.map(|contender| self.objects(contender, members).commit_max).max();
        let fanned_out = largest.unwrap_or(1) as f64 * f64::from(members);
        let most = (SERVING_BYTES_PER_SECOND / fanned_out).min(SERVING_COMMITS_PER_SECOND_MAX);
        // A whole number of them a minute can be told, and repeated by hand.
        let per_min = most * 60.0;
        (if per_min >= 1.0 { per_min.floor() } else { per_min }) / 60.0
    }

    /// Messages that are sent for each commit.
    #[must_use]
    pub fn messages_per_commit(&self, members: u32) -> u32 {
        let wanted = SERVING_MESSAGE_DELIVERIES_PER_SECOND / f64::from(members);
        let each = wanted / self.commits_per_s(members);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let whole = each.round() as u32;
        whole.clamp(1, MESSAGES_PER_COMMIT_MAX)
    }

    /// The measured window of a run: with commits it holds so many whole intervals between them.
    #[must_use]
    pub fn window(&self, contender: &Contender, members: u32, traffic: Traffic) -> Duration {
        if traffic == Traffic::Messages {
            return self.measure;
        }
        let per_s = self.commits_per_s(members);
        let least = (self.measure.as_secs_f64() * per_s).ceil();
        // A combiner's window has a full commit too, in its share.
        let every = f64::from(contender.full_every().map_or(1, |(every, _)| every));
        let intervals = (least.max(f64::from(SERVING_COMMITS_MIN)) / every).ceil() * every;
        Duration::from_secs_f64(intervals / per_s)
    }

    /// Load before that: commits are due in the middle of their intervals, so that what the last one
    /// costs is spent before the window ends.
    #[must_use]
    pub fn warm_up(&self, members: u32, traffic: Traffic) -> Duration {
        let half = match traffic {
            Traffic::Messages => 0.0,
            Traffic::Both | Traffic::Commits => 0.5 / self.commits_per_s(members),
        };
        Duration::from_secs_f64(half.max(WARM_UP_S))
    }

    /// A run as a scenario says it.
    #[must_use]
    pub fn text(&self, contender: &Contender, members: u32, traffic: Traffic) -> String {
        let ms = |time: Duration| format!("{}ms", time.as_millis());
        let per_min = self.commits_per_s(members) * 60.0;
        let messages = self.messages_per_commit(members);
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
             durations = {{ warm_up = \"{warm_up}\", measure = \"{window}\", drain = \"{DRAIN}\" }}\n",
            name = contender.name(),
            traffic = traffic.name(),
            seed = self.seed,
            key_exchange = self.key_exchange,
            warm_up = ms(self.warm_up(members, traffic)),
            window = ms(self.window(contender, members, traffic)),
        );
        let class = |name: &str, suite: Suite, rate: f64, share: &str| {
            format!(
                "\n[[groups]]\nname = \"{name}\"\ncount = 1\nmembers = {members}\n\
                 suite = \"{suite}\"\nsource = \"synthetic\"\ntree = \"{tree}\"\n\
                 payload = \"mimi\"\nrate = \"{rate}/min\"\narrivals = \"even\"\n\
                 commits = \"{share}\"\n",
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

    /// About how long all of it takes at most, setting up left out.
    #[must_use]
    pub fn length(&self) -> Duration {
        let steady: Duration = self
            .cells()
            .iter()
            .flat_map(|(contender, members)| {
                [Traffic::Messages, Traffic::Both].map(|traffic| {
                    self.warm_up(*members, traffic) + self.window(contender, *members, traffic)
                })
            })
            .sum();
        let cells = u32::try_from(self.cells().len()).unwrap_or(u32::MAX);
        let searched = self.trial.map_or(Duration::ZERO, |_| self.budget.saturating_mul(cells));
        steady.saturating_mul(self.rounds).saturating_add(searched)
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
/// More, and what commits cost would be lost in what messages do.
const MESSAGES_PER_COMMIT_MAX: u32 = 20;
/// Load before the measured window at least, in seconds.
const WARM_UP_S: f64 = 1.0;
/// What is on its way at the end may take so long: what it takes longer is no steady load.
const DRAIN: &str = "20s";
