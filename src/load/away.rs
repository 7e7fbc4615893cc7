//! Members that go away and come back: which, when, how often, and what a scenario grants them.
//!
//! Says what was asked; the instants that it comes to are `timetable`'s. Pure, and reads no clock.
//! Called by `scenario`, which parses it.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::part::Part;
use crate::units::{Phase, Share};

/// Members of a class that are away for a while, once or again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Away {
    /// Which of each group.
    pub part: Part,
    /// When they go, all at once, since the start of the measured window. Of a cycle: when the first
    /// goes; the others follow within its first period.
    pub from: Duration,
    /// For how long.
    pub lasting: Duration,
    /// Over how long they come back, evenly; zero is all at once. A cycle has its own order.
    pub over: Option<Duration>,
    /// After how long each goes again; `None` if each goes once.
    pub every: Option<Duration>,
    /// Whether they come back with a session ticket, at the price of a cheaper handshake.
    pub resumption: bool,
    /// Whether they may have been away for longer than the service keeps messages.
    pub may_resync: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    members: Share,
    before: Option<Share>,
    from: Option<Phase<0>>,
    r#for: Phase<1>,
    over: Option<Phase<0>>,
    every: Option<Phase<2>>,
    resumption: Option<bool>,
    may_resync: Option<bool>,
}

impl TryFrom<Written> for Away {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        if written.from.is_none() && written.every.is_none() {
            return Err("missing field `from`, or `every`");
        }
        Ok(Self {
            part: Part { members: written.members, before: written.before.unwrap_or_default() },
            from: written.from.map_or(Duration::ZERO, Phase::get),
            lasting: written.r#for.get(),
            over: written.over.map(Phase::get),
            every: written.every.map(Phase::get),
            resumption: written.resumption.unwrap_or(true),
            may_resync: written.may_resync.unwrap_or(false),
        })
    }
}

/// `away = { .. }`, or several of them in a list.
pub(in crate::load) fn one_or_several<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<Away>, D::Error> {
    from.deserialize_any(OneOrSeveral)
}

struct OneOrSeveral;

impl<'de> Visitor<'de> for OneOrSeveral {
    type Value = Vec<Away>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table such as { members = \"20%\", from = \"5s\", for = \"6s\" }, or a list")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Vec<Away>, M::Error> {
        Away::deserialize(MapAccessDeserializer::new(map)).map(|away| vec![away])
    }

    fn visit_seq<S: SeqAccess<'de>>(self, list: S) -> Result<Vec<Away>, S::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list))
    }
}

impl Away {
    /// When the last of them is back, since the start of the measured window. Of a cycle: when
    /// everybody has been away once.
    #[must_use]
    pub fn ends(&self) -> Duration {
        let spread = self.every.or(self.over).unwrap_or_default();
        self.from.saturating_add(self.lasting).saturating_add(spread)
    }

    /// Most times that one of them goes in a window so long: all of them are back by its end.
    #[must_use]
    pub fn turns(&self, window: Duration) -> u64 {
        let Some(every) = self.every else { return 1 };
        let first = self.from.saturating_add(self.lasting);
        let Some(rest) = window.checked_sub(first) else { return 0 };
        let turns = rest.as_nanos() / every.as_nanos().max(1);
        u64::try_from(turns).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// From when to when members of it may be away, in a window so long.
    pub(in crate::load) fn span(&self, window: Duration) -> (Duration, Duration) {
        (self.from, if self.every.is_some() { window } else { self.ends() })
    }

    /// The same within a window that is `to` instead of `from` long.
    pub(in crate::load) fn scale(&mut self, from: Duration, to: Duration) {
        let scaled = |time: Duration| {
            let nanos = time.as_nanos() * to.as_nanos() / from.as_nanos().max(1);
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        [self.from, self.lasting] = [self.from, self.lasting].map(scaled);
        [self.over, self.every] = [self.over, self.every].map(|time| time.map(scaled));
    }
}
