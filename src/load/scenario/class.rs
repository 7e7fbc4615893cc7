//! One class of a scenario: groups that are alike, and what they do.
//!
//! Says who of a group's members does what; never reads text, which `written` does. Called by
//! everything that plays a scenario.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{self, Deserializer};

use crate::delivery::{Durability, Level};
use crate::limits::SESSIONS_PER_CONNECTION_MAX;
use crate::load::arrivals::{self, Arrivals};
use crate::load::away::Away;
use crate::load::contention::Contention;
use crate::load::draws::{self, Zipf};
use crate::load::late::Late;
use crate::load::mix::Mix;
use crate::load::phases::Course;
use crate::load::sizes::{LogNormal, Sizes};
use crate::load::slow::Slow;
use crate::mls::{Handshake, Suite, TreeState};
use crate::units::{Rate, Share};

/// Groups that are alike: a `[[groups]]` table, with its defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Its name in reports, unique in the scenario.
    pub name: String,
    /// How many groups, 1 to [`GROUPS_MAX`](crate::limits::GROUPS_MAX).
    pub count: u32,
    /// Members of each group, 2 to [`ROSTER_MAX`](crate::limits::ROSTER_MAX); with a `spread` the
    /// most that one may have.
    pub members: u32,
    /// How the members of its groups vary, if they do. What members do is then said of the largest;
    /// see [`Class::of_size`].
    pub spread: Option<LogNormal>,
    /// The MLS suite of every group of the class.
    pub suite: Suite,
    /// The suite of the init keys by which devices join them, where it is another: a pattern that no
    /// stack here runs, so `source` is synthetic.
    pub welcome: Option<Suite>,
    /// Where the bytes come from.
    pub source: Source,
    /// Operations over all groups of the class; rounds of a race when `source` is live.
    pub rate: Rate,
    /// How the operations are spaced.
    pub arrivals: Arrivals,
    /// What becomes of operations that the generator has reached too late.
    pub late: Late,
    /// Share of the operations that are commits.
    pub commits: Share,
    /// What else its operations are.
    pub mix: Mix,
    /// Devices of each group that exist and are not members at the start; numbered after the members.
    pub joiners: u32,
    /// Plaintext of an application message.
    pub payload: Sizes,
    /// Which groups and senders are chosen more often than others.
    pub hot: Hot,
    /// Members of each group that send or commit: the first ones.
    pub senders: u32,
    /// Members of each group that process everything with OpenMLS.
    pub real: u32,
    /// How commits and proposals are framed.
    pub handshake: Handshake,
    /// What every commit finds in the ratchet tree, when `source` is synthetic.
    pub tree: TreeState,
    /// How members are spread over connections.
    pub connections: Connections,
    /// Members that race for each epoch: 0 unless `source` is live.
    pub racers: u32,
    /// How its racers go about it; `None` unless `source` is live.
    pub contention: Option<Contention>,
    /// Members that go away and come back, if any do: each absence in itself, up to
    /// [`ABSENCES_MAX`](crate::limits::ABSENCES_MAX).
    pub away: Vec<Away>,
    /// Members that read slowly, if any do.
    pub slow: Option<Slow>,
    /// What the messages of its groups survive.
    pub durability: Durability,
    /// How closely the service looks at the handshakes of its groups.
    pub validation: Level,
    /// After how many messages of its group each member says how far it has come; `None` if it
    /// never does.
    pub acknowledge: Option<u32>,
}

/// Where a class's MLS messages come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Minted with OpenMLS before the run; a few real members verify them inside it.
    #[default]
    Tape,
    /// Made by OpenMLS inside the run: members race for each epoch.
    Live,
    /// Valid framing around bytes of the modelled size: nobody can decrypt them.
    Synthetic,
}

/// What is chosen more often than its like: the n-th, from 1, in proportion to n^-exponent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hot {
    /// Of a class's groups, for each operation; 0 chooses all alike.
    pub groups: f64,
    /// Of a group's senders, for each application message.
    pub senders: f64,
}

/// How members are spread over connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connections {
    /// One connection for every member of every group.
    #[default]
    Own,
    /// This many consecutive members of the class on one, 1 to [`SESSIONS_PER_CONNECTION_MAX`].
    Shared(u32),
}

impl Class {
    /// The members that send or commit: the first ones, or the racers.
    #[must_use]
    pub fn sending_members(&self) -> Range<u32> {
        0..if self.source == Source::Live { self.racers } else { self.senders }
    }

    /// The members that run OpenMLS: right after the senders of a tape, from the first of a
    /// live group, whose racers are among them.
    #[must_use]
    pub fn real_members(&self) -> Range<u32> {
        match self.source {
            Source::Tape => self.senders..self.senders.saturating_add(self.real),
            Source::Live | Source::Synthetic => 0..self.real,
        }
    }

    /// The joiners that run OpenMLS, from when they are in: of a tape, the first ones, as many as
    /// there are real members.
    #[must_use]
    pub fn real_joiners(&self) -> Range<u32> {
        let real = if self.source == Source::Tape { self.real.min(self.joiners) } else { 0 };
        self.members..self.members.saturating_add(real)
    }

    /// Devices of each group: its members at the start and those who may join.
    #[must_use]
    pub fn devices(&self) -> u32 {
        self.members.saturating_add(self.joiners)
    }

    /// The members that read slowly.
    #[must_use]
    pub fn slow_members(&self) -> Range<u32> {
        self.slow.map_or(self.members..self.members, |slow| slow.part.of(self.members))
    }

    /// How many go away, however often.
    #[must_use]
    pub fn away_members(&self) -> usize {
        let parts = self.away.iter().map(|away| away.part.of(self.members));
        parts.flatten().collect::<BTreeSet<u32>>().len()
    }

    /// Whether a member may be let off what it misses: not to get it is then no fault.
    #[must_use]
    pub fn is_let_off(&self, member: u32) -> bool {
        let away = self.away.iter().filter(|away| away.may_resync).map(|away| away.part);
        let slow = self.slow.filter(|slow| slow.may_resync).map(|slow| slow.part);
        away.chain(slow).any(|part| part.of(self.members).contains(&member))
    }

    /// How many of the first members neither go away nor read slowly, in a row: who sends is among
    /// them.
    #[must_use]
    pub fn steady_members(&self) -> u32 {
        staying(self.members, &self.away, self.slow)
    }

    /// How many of the first members may be let off nothing, in a row: who decrypts a tape is among
    /// them.
    #[must_use]
    pub fn owed_members(&self) -> u32 {
        let away: Vec<Away> = self.away.iter().copied().filter(|away| away.may_resync).collect();
        staying(self.members, &away, self.slow.filter(|slow| slow.may_resync))
    }

    /// Whether its racers decide when they want a change, and not the schedule.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.contention.is_some_and(|contention| contention.think.is_some())
    }

    /// Most operations the class can be expected to offer on `course`: exact for even arrivals and
    /// traces, and what the others exceed once in a million runs.
    #[must_use]
    pub fn operations_bound(&self, course: &Course) -> u64 {
        arrivals::bound(self, course)
    }

    /// The members of each of its groups, in order: a pure function of the scenario's seed and the
    /// class's index.
    pub fn group_sizes(&self, seed: u64, index: u32) -> impl Iterator<Item = u32> {
        let (members, spread) = (self.members, self.spread);
        let mut from = draws::stream(seed, index, b"members ");
        (0..self.count).map(move |_| spread.map_or(members, |law| law.draw(&mut from, 2)))
    }

    /// The class as a group of `members` plays it: whoever sends, decrypts or races in the largest
    /// group does so in a smaller one as far as there are members.
    #[must_use]
    pub fn of_size(&self, members: u32) -> Self {
        let mut sized = Self { members, spread: None, ..self.clone() };
        if members < self.members {
            sized.fit();
        }
        sized
    }

    pub(in crate::load) fn hot_groups(&self) -> Zipf {
        Zipf::new(self.count, self.hot.groups)
    }

    pub(in crate::load) fn hot_senders(&self) -> Zipf {
        Zipf::new(self.senders, self.hot.senders)
    }

    pub(super) fn scale_down(&mut self) {
        self.count = self.count.min(4);
        self.members = self.members.min(20);
        self.spread = self.spread.map(|law| law.at_most(self.members));
        self.joiners = self.joiners.min(20);
        // Slower, and Poisson arrivals could leave the one second without any.
        if let (Some(least), Some(most)) = (Rate::per_second(5), Rate::per_second(50)) {
            self.rate = self.rate.clamp(least, most);
        }
        if let Arrivals::Bursts(bursts) = &mut self.arrivals {
            bursts.scale_down();
        }
        let members = self.members;
        self.away.retain(|away| !away.part.of(members).is_empty());
        self.slow = self.slow.filter(|slow| !slow.part.of(members).is_empty());
        self.fit();
        if let Connections::Shared(members) = self.connections {
            // As many as there are at least, whatever sizes the groups are drawn with.
            let least = if self.spread.is_some() { 2 } else { self.members };
            self.connections = Connections::Shared(members.min(self.count * least));
        }
    }

    /// Lets as many members do each thing as there are members for it.
    fn fit(&mut self) {
        self.racers = self.racers.min(self.members);
        match self.source {
            // Who decrypts yields to who sends only where there are too few for both.
            Source::Tape if self.senders.saturating_add(self.real) > self.members => {
                self.real = self.real.min(self.members / 2);
                self.senders = self.senders.min(self.members - self.real);
            }
            Source::Tape => {}
            Source::Live | Source::Synthetic => {
                self.real = self.real.min(self.members);
                self.senders = self.senders.min(self.members);
            }
        }
        self.senders = self.senders.min(self.steady_members());
        if self.source == Source::Tape {
            self.real = self.real.min(self.owed_members() - self.senders);
        }
    }
}

/// How many of `members` come before anybody that is away or slow.
pub(super) fn staying(members: u32, away: &[Away], slow: Option<Slow>) -> u32 {
    let parts = away.iter().map(|away| away.part).chain(slow.map(|slow| slow.part));
    let special = parts.map(|part| part.of(members)).filter(|part| !part.is_empty());
    special.map(|part| part.start).min().unwrap_or(members)
}

impl<'de> Deserialize<'de> for Connections {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == "own" {
            return Ok(Self::Own);
        }
        let shared = text.strip_prefix("shared:").and_then(|members| members.parse().ok());
        match shared {
            Some(members @ 1..=SESSIONS_PER_CONNECTION_MAX) => Ok(Self::Shared(members)),
            _ => Err(de::Error::custom(format!(
                "{text:?} is neither \"own\" nor \"shared:\" and a number of members \
                 from 1 to {SESSIONS_PER_CONNECTION_MAX}"
            ))),
        }
    }
}
