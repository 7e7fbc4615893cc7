//! What is asked of a plan: users and what they do, as flags or a TOML file say it.
//!
//! Parsed into types once, here; a `Question` that exists is in range and agrees with itself. What
//! nothing can be said about without it (users, messages, groups, peak) has no default. Reads no
//! file. Every field is explained in `results/README.md` beside the plan that answers it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::groups::{self, Groups, WrittenSizes};
use crate::delivery::Level;
use crate::limits::{KEY_PACKAGES_PER_SUITE_MAX, PLAN_USERS_MAX, SHARDS_MAX};
use crate::mls::Suite;
use crate::place::Mistake;
use crate::units::{self, Payload, Share};

/// What is asked, before anything is filled in: a file, the flags, or one over the other.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// See [`Question`]; so are the others.
    pub users: Option<u64>,
    /// A number.
    pub devices_per_user: Option<f64>,
    /// Groups that a device is a member of, on average.
    pub groups_per_device: Option<f64>,
    /// Of one user in a day.
    pub messages_per_user_day: Option<f64>,
    /// Times the mean of a day.
    pub peak_factor: Option<f64>,
    /// A share.
    pub commits: Option<String>,
    /// A share.
    pub online: Option<String>,
    /// A name.
    pub suite: Option<String>,
    /// A size.
    pub payload: Option<String>,
    /// `none` or `wal`.
    pub durability: Option<String>,
    /// `opaque`, `header` or `public`.
    pub validation: Option<String>,
    /// A duration.
    pub slo: Option<String>,
    /// A share.
    pub headroom: Option<String>,
    /// Nodes.
    pub spare: Option<u32>,
    /// Of each node.
    pub shards: Option<u32>,
    /// Days.
    pub retention_days: Option<f64>,
    /// Of each device.
    pub key_packages: Option<u32>,
    /// A duration.
    pub storm: Option<String>,
    /// Whether to look further than was measured.
    pub extrapolate: Option<bool>,
    /// Groups by size, or a law of their sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<WrittenSizes>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    written: Written,
    /// People.
    pub users: f64,
    /// Devices of each, every one a member of each of its user's groups.
    pub devices_per_user: f64,
    /// Groups that a device is a member of, on average: on as many nodes it needs a connection. Unless
    /// said, the memberships of those sizes whose number is known, for each device, and one group of
    /// each size whose number is not.
    pub groups_per_device: f64,
    /// Messages that a user sends in a day.
    pub messages_per_user_day: f64,
    /// How many times as many as the mean of a day are sent in its busiest second.
    pub peak_factor: f64,
    /// Share of all operations that are commits.
    pub commits: f64,
    /// Share of the devices that are connected.
    pub online: f64,
    /// The MLS suite.
    pub suite: Suite,
    /// Bytes of a message before it is encrypted.
    pub payload_bytes: u32,
    /// Whether messages are logged before they are answered.
    pub durable: bool,
    /// How closely the service looks at handshakes.
    pub validation: Level,
    /// Longest p99 of the time to a message's last member.
    pub slo: Option<Duration>,
    /// Share of what a node was measured to serve that is left free.
    pub headroom: f64,
    /// Nodes that may fail with the others still serving everything.
    pub spare: u32,
    /// Shards of each node; the most that records measured unless asked for.
    pub shards: Option<u32>,
    /// How long messages are kept.
    pub retention_days: f64,
    /// KeyPackages that each device keeps in stock.
    pub key_packages: u32,
    /// How long it takes everybody to come back after a failure of the network.
    pub storm: Duration,
    /// Whether numbers may rest on what lies further than twice beyond what was measured.
    pub extrapolate: bool,
    /// The groups by size, largest share first; shares add up to 1.
    pub groups: Vec<Groups>,
}

/// A mistake in what is asked, and the field it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Such as `groups[0].messages`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// What is assumed where nothing is said.
const DEFAULTS: [(&str, &str); 11] = [
    ("devices_per_user", "1"),
    ("commits", "2%"),
    ("online", "100%"),
    ("payload", "200B"),
    ("validation", "opaque"),
    ("headroom", "30%"),
    ("spare", "1"),
    ("retention_days", "30"),
    ("key_packages", "100"),
    ("storm", "1min"),
    ("suite", "x25519-aes128-ed25519"),
];

impl Written {
    /// Reads a file; `file` only names it in messages.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(text: &str, file: &str) -> Result<Self, Mistake> {
        toml::from_str(text).map_err(|error| Mistake::from_toml(file, text, &error))
    }

    /// One field as a flag says it: `value` as TOML writes it.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn field(&mut self, name: &str, value: &str) -> Result<(), String> {
        let wrong = |error: toml::de::Error| error.message().trim().replace('\n', ", ");
        let line = toml::from_str::<Self>(&format!("{name} = {value}")).map_err(wrong)?;
        *self = line.over(std::mem::take(self));
        Ok(())
    }

    /// What this says, and what `other` says where this says nothing.
    #[must_use]
    pub fn over(self, other: Self) -> Self {
        Self {
            users: self.users.or(other.users),
            devices_per_user: self.devices_per_user.or(other.devices_per_user),
            groups_per_device: self.groups_per_device.or(other.groups_per_device),
            messages_per_user_day: self.messages_per_user_day.or(other.messages_per_user_day),
            peak_factor: self.peak_factor.or(other.peak_factor),
            commits: self.commits.or(other.commits),
            online: self.online.or(other.online),
            suite: self.suite.or(other.suite),
            payload: self.payload.or(other.payload),
            durability: self.durability.or(other.durability),
            validation: self.validation.or(other.validation),
            slo: self.slo.or(other.slo),
            headroom: self.headroom.or(other.headroom),
            spare: self.spare.or(other.spare),
            shards: self.shards.or(other.shards),
            retention_days: self.retention_days.or(other.retention_days),
            key_packages: self.key_packages.or(other.key_packages),
            storm: self.storm.or(other.storm),
            extrapolate: self.extrapolate.or(other.extrapolate),
            groups: self.groups.or(other.groups),
        }
    }

    /// What is asked, with defaults filled in.
    ///
    /// # Errors
    /// The first mistake and the field it is in.
    pub fn resolve(self) -> Result<Question, Fault> {
        let mut filled = self;
        for (name, value) in DEFAULTS {
            let quoted =
                value.parse::<f64>().map_or_else(|_| format!("{value:?}"), |_| value.to_owned());
            let mut default = Self::default();
            default.field(name, &quoted).expect("a default is right");
            filled = filled.over(default);
        }
        let users = number("users", filled.users.map(|users| users as f64), 1.0, PLAN_USERS_MAX)?;
        let devices = number("devices_per_user", filled.devices_per_user, 0.01, 100.0)?;
        let groups = groups::resolve(filled.groups.as_ref(), users, devices)?;
        let each = match filled.groups_per_device {
            None => groups_per_device(&groups, users * devices),
            said => number("groups_per_device", said, 1.0, 1e6)?,
        };
        filled.groups_per_device = Some(each);
        let shards = filled.shards;
        if shards.is_some_and(|shards| shards == 0 || shards as usize > SHARDS_MAX) {
            return Err(fault("shards", format!("1 to {SHARDS_MAX} are allowed")));
        }
        let stock = filled.key_packages.unwrap_or_default();
        if stock as usize > KEY_PACKAGES_PER_SUITE_MAX {
            let most = format!("{stock}; a device may have {KEY_PACKAGES_PER_SUITE_MAX}");
            return Err(fault("key_packages", most));
        }
        Ok(Question {
            users,
            devices_per_user: devices,
            groups_per_device: each,
            messages_per_user_day: number(
                "messages_per_user_day",
                filled.messages_per_user_day,
                1e-6,
                1e6,
            )?,
            peak_factor: number("peak_factor", filled.peak_factor, 1.0, 1e4)?,
            commits: share("commits", filled.commits.as_deref(), 0.99)?,
            online: share("online", filled.online.as_deref(), 1.0)?,
            suite: suite(filled.suite.as_deref())?,
            payload_bytes: payload(filled.payload.as_deref())?,
            durable: durable(filled.durability.as_deref())?,
            validation: level(filled.validation.as_deref())?,
            slo: filled.slo.as_deref().map(|text| duration("slo", text)).transpose()?,
            headroom: share("headroom", filled.headroom.as_deref(), 0.95)?,
            spare: filled.spare.unwrap_or_default(),
            shards,
            retention_days: number("retention_days", filled.retention_days, 0.0, 3_650.0)?,
            key_packages: stock,
            storm: duration("storm", filled.storm.as_deref().unwrap_or_default())?,
            extrapolate: filled.extrapolate.unwrap_or_default(),
            groups,
            written: filled,
        })
    }
}

impl Question {
    /// As it was asked, with defaults filled in.
    #[must_use]
    pub fn written(&self) -> Written {
        self.written.clone()
    }

    /// Devices of everybody.
    #[must_use]
    pub fn devices(&self) -> f64 {
        self.users * self.devices_per_user
    }
}

/// What is assumed unless it is said; rounded to what a file would say.
fn groups_per_device(groups: &[Groups], devices: f64) -> f64 {
    let memberships =
        |of: &Groups| of.count.map_or(1.0, |count| count as f64 * of.members / devices);
    let sum: f64 = groups.iter().map(memberships).sum();
    ((sum * 100.0).round() / 100.0).max(1.0)
}

pub(super) fn fault(field: &str, message: String) -> Fault {
    Fault { field: field.to_owned(), message }
}

pub(super) fn number(field: &str, value: Option<f64>, least: f64, most: f64) -> Result<f64, Fault> {
    let allowed = format!("a number from {least} to {most} is needed");
    match value {
        None => Err(fault(field, format!("it has to be said; {allowed}"))),
        Some(value) if (least..=most).contains(&value) => Ok(value),
        Some(value) => Err(fault(field, format!("{value}; {allowed}"))),
    }
}

pub(super) fn share(field: &str, text: Option<&str>, most: f64) -> Result<f64, Fault> {
    let text = text.unwrap_or_default();
    let share = Share::parse(text).map(|share| share.of_first(1_000_000) as f64 / 1e6);
    share.filter(|share| *share <= most).ok_or_else(|| {
        fault(field, format!("{text:?} is not a share from 0% to {}%", most * 100.0))
    })
}

fn duration(field: &str, text: &str) -> Result<Duration, Fault> {
    units::duration(text).filter(|length| !length.is_zero()).ok_or_else(|| {
        fault(field, format!("{text:?} is not a duration, such as \"250ms\" or \"1min\""))
    })
}

fn suite(name: Option<&str>) -> Result<Suite, Fault> {
    let name = name.unwrap_or_default();
    Suite::named(name).map_err(|error| fault("suite", error.to_string()))
}

fn payload(text: Option<&str>) -> Result<u32, Fault> {
    let text = text.unwrap_or_default();
    let wrong = || fault("payload", format!("{text:?} is not a size up to 4MiB, such as \"200B\""));
    Payload::parse(text).map(Payload::bytes).ok_or_else(wrong)
}

fn level(text: Option<&str>) -> Result<Level, Fault> {
    let text = text.unwrap_or_default();
    let named = Level::ALL.into_iter().find(|level| level.name() == text);
    named.ok_or_else(|| {
        fault("validation", format!("{text:?} is none of opaque, header and public"))
    })
}

fn durable(text: Option<&str>) -> Result<bool, Fault> {
    match text {
        None | Some("none") => Ok(false),
        Some("wal") => Ok(true),
        Some(other) => Err(fault("durability", format!("{other:?} is neither none nor wal"))),
    }
}
