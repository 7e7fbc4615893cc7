//! What came of those who joined in a run and of those who went, as a record holds it and as text.
//!
//! Counts and distributions alone; what was timed is `load::joins`'s to say. Called by `build` and by
//! `summary`.

use serde::{Deserialize, Serialize};

use super::build::distribution;
use super::record::{ClassRecord, Distribution, Record};
use super::summary::{grouped, header, row};
use crate::load::joins::{Joins, OfClass};
use crate::load::scenario::{Class, Scenario};

/// What came of those who joined in the run, and of those who went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JoinsRecord {
    /// Devices that a commit has let in.
    pub let_in: u64,
    /// Of them, those that were attached and had their first message by the end.
    pub joined: u64,
    /// Of those, the ones that came in by an external commit.
    pub by_themselves: u64,
    /// Members that a commit has removed, those that left among them.
    pub gone: u64,
    /// What the service refused or got wrong on the way in.
    pub failed: u64,
    /// From the claim of a KeyPackage to the answer.
    pub claim: Distribution,
    /// From the fetch of a GroupInfo to the answer.
    pub fetch: Distribution,
    /// From when the commit was due to when the Welcome is with the device.
    pub welcome: Distribution,
    /// From when the commit was due to when the device is attached and has its first message.
    pub join: Distribution,
    /// Of those who came in by a Welcome, by class, where any did; nothing in older records.
    #[serde(default)]
    pub welcomed: Vec<WelcomedRecord>,
}

/// What came of those who came into the groups of one class by a Welcome.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WelcomedRecord {
    /// The class's name.
    pub class: String,
    /// KeyPackages that were claimed for them.
    pub key_packages: u64,
    /// Bytes of those, each an MLSMessage.
    pub key_package_bytes: u64,
    /// Welcomes that they got.
    pub welcomes: u64,
    /// Bytes of those, each an MLSMessage without the tree.
    pub welcome_bytes: u64,
    /// As in [`JoinsRecord`].
    pub welcome: Distribution,
    /// As in [`JoinsRecord`].
    pub join: Distribution,
}

impl JoinsRecord {
    /// Those of a run of `scenario`.
    pub(super) fn of(joins: &Joins, scenario: &Scenario) -> Self {
        let classes = scenario.groups.iter().zip(&joins.classes);
        let welcomed = classes.filter(|(_, of)| of.key_packages + of.welcomes > 0);
        Self {
            let_in: joins.let_in,
            joined: joins.joined,
            by_themselves: joins.by_themselves,
            gone: joins.gone,
            failed: joins.failed.count,
            claim: distribution(&joins.claim),
            fetch: distribution(&joins.fetch),
            welcome: distribution(&joins.welcome),
            join: distribution(&joins.join),
            welcomed: welcomed.map(WelcomedRecord::from).collect(),
        }
    }
}

impl From<(&Class, &OfClass)> for WelcomedRecord {
    fn from((class, of): (&Class, &OfClass)) -> Self {
        Self {
            class: class.name.clone(),
            key_packages: of.key_packages,
            key_package_bytes: of.key_package_bytes,
            welcomes: of.welcomes,
            welcome_bytes: of.welcome_bytes,
            welcome: distribution(&of.welcome),
            join: distribution(&of.join),
        }
    }
}

/// What a class's MLS was: its suite, and the pattern that it was loaded as, if that is one.
#[must_use]
pub(super) fn suite(class: &ClassRecord) -> String {
    let suite = &class.suite;
    class.welcome_suite.as_ref().map_or_else(
        || suite.clone(),
        |init| format!("{suite}, joins by init keys of {init} (modelled; no stack runs it)"),
    )
}

/// Nothing when the groups stayed as they were.
pub(super) fn lines(record: &Record) -> String {
    record.joins.as_ref().map_or_else(String::new, |of| {
        let failed = match of.failed {
            0 => String::new(),
            failed => format!("; {} things went wrong", grouped(failed)),
        };
        let mut text = format!(
            "joined      {} of {} let in, {} by themselves; {} gone{failed}",
            grouped(of.joined),
            grouped(of.let_in),
            grouped(of.by_themselves),
            grouped(of.gone),
        );
        for one in &of.welcomed {
            text.push_str(&format!("\n            {}", one.line(record)));
        }
        text
    })
}

impl WelcomedRecord {
    fn line(&self, record: &Record) -> String {
        let class = record.classes.iter().find(|class| class.name == self.class);
        let pattern = class.filter(|class| class.welcome_suite.is_some());
        let pattern = pattern.map_or_else(String::new, |class| format!("; {}", suite(class)));
        format!(
            "{}: {} Welcomes of {} bytes, for KeyPackages of {}{pattern}",
            self.class,
            grouped(self.welcomes),
            mean(self.welcome_bytes, self.welcomes),
            mean(self.key_package_bytes, self.key_packages),
        )
    }
}

/// Bytes of one of so many, to the byte.
pub(super) fn mean(bytes: u64, count: u64) -> String {
    grouped((bytes + count / 2).checked_div(count).unwrap_or_default())
}

/// What the way in took: of all, and of each class where there are several.
pub(super) fn rows(record: &Record) -> Vec<Vec<String>> {
    let named = timed(record);
    let rows = named.iter().map(|(name, of)| row(name, of));
    let head = (!named.is_empty()).then(|| header("those who came in"));
    head.into_iter().chain(rows).collect()
}

/// Each that has a value, with its name.
pub(super) fn timed(record: &Record) -> Vec<(String, &Distribution)> {
    let Some(of) = &record.joins else { return Vec::new() };
    let all = [
        ("KeyPackage (from asking)", &of.claim),
        ("GroupInfo (from asking)", &of.fetch),
        ("Welcome (from intended)", &of.welcome),
        ("joined (from intended)", &of.join),
    ];
    let all = all.into_iter().map(|(name, of)| (name.to_owned(), of));
    let several = if of.welcomed.len() > 1 { &of.welcomed[..] } else { &[] };
    let each = several.iter().flat_map(|one| {
        let name = |what| format!("{} {what}", one.class);
        [(name("Welcome"), &one.welcome), (name("joined"), &one.join)]
    });
    all.chain(each).filter(|(_, of)| of.count > 0).collect()
}
