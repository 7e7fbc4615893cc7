//! What is said before a run: data, and how people read it.

use serde::{Deserialize, Serialize};

use super::estimate;
use crate::campaign::estimate::Estimate;
use crate::campaign::evidence::Source;
use crate::campaign::figure::{Figure, Unit};
use crate::campaign::plan::{explained, list, record, section};
use crate::load::forecast::{OfClass, OfPhase};
use crate::load::scenario::{Class, Scenario};
use crate::report::provenance::Provenance;

/// The version that [`Explanation::schema_version`] has.
pub const SCHEMA_VERSION: u32 = 1;

/// What a run will take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The scenario, the program and the machine.
    pub provenance: Provenance,
    /// What each class will do.
    pub classes: Vec<ClassRow>,
    /// What each phase offers.
    pub phases: Vec<PhaseRow>,
    /// What all of it comes to.
    pub figures: Vec<Figure>,
    /// What may spoil the run.
    pub warnings: Vec<String>,
    /// What to know before believing it.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The records, in the order that figures name them by.
    pub records: Vec<Source>,
}

/// What the groups of one class will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassRow {
    /// Its name.
    pub name: String,
    /// Groups.
    pub groups: u64,
    /// Members of all of them at the start.
    pub members: u64,
    /// Application messages.
    pub applications: u64,
    /// Proposals.
    pub proposals: u64,
    /// Commits.
    pub commits: u64,
    /// Of the commits, joins from outside.
    pub joins: u64,
    /// Members that come in by a Welcome.
    #[serde(default)]
    pub welcomed: u64,
    /// Bytes of the KeyPackages by which they are asked in.
    #[serde(default)]
    pub key_package_bytes: f64,
    /// Bytes of the Welcomes that they get.
    #[serde(default)]
    pub welcome_bytes: f64,
    /// The suite of their init keys, where it is another than the group's: a modelled pattern, which no
    /// stack here runs.
    #[serde(default)]
    pub welcome_suite: Option<String>,
    /// Rounds of a race.
    pub rounds: u64,
    /// Whether its racers want the next change after the one before.
    #[serde(default)]
    pub closed_loop: bool,
    /// Of a closed loop: changes per second that think times allow at the most.
    #[serde(default)]
    pub most_per_s: Option<f64>,
    /// What comes of its members that are not always there.
    #[serde(default)]
    pub absences: AbsencesRow,
    /// Messages that will be ordered.
    pub accepted: Estimate,
    /// Members that get them, added up.
    pub deliveries: Estimate,
    /// Bytes of MLS messages that are submitted.
    pub submitted_bytes: Estimate,
    /// Bytes of MLS messages that members get.
    pub delivered_bytes: Estimate,
}

/// What comes of a class's members that go away, and of slow ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AbsencesRow {
    /// Times that a member goes away and comes back.
    pub returns: u64,
    /// Messages that are due meanwhile, over all of them.
    pub missed: u64,
    /// Slow members.
    pub slow: u64,
    /// Bytes that one of them is behind with at the most.
    pub behind_bytes: f64,
}

/// What one phase offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseRow {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// How long it is.
    pub length_s: f64,
    /// Whether closed loops have others in it, which nothing counts.
    #[serde(default)]
    pub closed_loop: bool,
    /// Operations that are due in it.
    pub operations: u64,
    /// Operations in its busiest second.
    pub busiest_operations: u64,
    /// Deliveries of what is due in it: the most.
    pub deliveries: f64,
    /// Deliveries of what is due in its busiest second: the most.
    pub busiest_deliveries: f64,
}

impl ClassRow {
    pub(super) fn of((written, class): (&Class, &OfClass)) -> Self {
        let closed_loop = written.is_closed();
        let think = written.contention.and_then(|contention| contention.think);
        let racers = f64::from(written.racers) * class.groups as f64;
        let most_per_s = think
            .filter(|think| closed_loop && !think.is_zero())
            .map(|think| racers / think.as_secs_f64());
        Self {
            closed_loop,
            most_per_s,
            name: class.name.clone(),
            groups: class.groups,
            members: class.members,
            applications: class.applications,
            proposals: class.proposals,
            commits: class.commits,
            joins: class.joins,
            welcomed: class.welcomed,
            key_package_bytes: class.key_package_bytes,
            welcome_bytes: class.welcome_bytes,
            welcome_suite: written.welcome.map(|suite| suite.name().to_owned()),
            rounds: class.rounds,
            absences: AbsencesRow {
                returns: class.absent.departures,
                missed: class.absent.missed,
                slow: class.absent.slow,
                behind_bytes: class.absent.behind_bytes,
            },
            accepted: estimate(class.accepted),
            deliveries: estimate(class.deliveries),
            submitted_bytes: estimate(class.submitted),
            delivered_bytes: estimate(class.delivered),
        }
    }
}

impl PhaseRow {
    pub(super) fn of(scenario: &Scenario, phase: &OfPhase) -> Self {
        Self {
            closed_loop: scenario.groups.iter().any(Class::is_closed),
            name: phase.name.clone(),
            kind: phase.kind.name().to_owned(),
            length_s: phase.length.as_secs_f64(),
            operations: phase.operations,
            busiest_operations: phase.busiest,
            deliveries: phase.deliveries,
            busiest_deliveries: phase.busiest_deliveries,
        }
    }
}

impl Explanation {
    /// The explanation as indented JSON, ended by a line feed.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("an explanation is plain data");
        json.push('\n');
        json
    }

    /// The explanation as people read it, ended by a line feed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        list(&mut text, "Classes", self.classes.iter().map(ClassRow::line));
        list(&mut text, "Phases", self.phases.iter().map(PhaseRow::line));
        section(&mut text, "In all", &self.figures);
        list(&mut text, "Warnings", self.warnings.iter().cloned());
        list(&mut text, "Before believing it", self.notes.iter().cloned());
        list(&mut text, "How each number came about", self.figures.iter().map(explained));
        let used: Vec<usize> = self.figures.iter().flat_map(|of| of.from.iter().copied()).collect();
        let records = self.records.iter().enumerate().filter(|(index, _)| used.contains(index));
        list(&mut text, "Records", records.map(|(index, of)| record(index, of)));
        text
    }
}

impl ClassRow {
    fn line(&self) -> String {
        let parts = [
            (self.applications, "application messages"),
            (self.proposals, "proposals"),
            (self.commits, "commits"),
            (self.rounds, "rounds"),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", Unit::Count.written(*count as f64)))
            .collect();
        let joins = match self.joins {
            0 => String::new(),
            joins => format!(", {joins} of them joins from outside"),
        };
        let welcomed = self.welcomed_line();
        let absences = match self.absences.returns {
            0 => String::new(),
            returns => format!("; {returns} returns"),
        };
        let slow = match self.absences.slow {
            0 => String::new(),
            slow => format!("; {slow} of them slow"),
        };
        let Self { name, groups, members, .. } = self;
        if self.closed_loop {
            let most = self.most_per_s.map_or_else(String::new, |most| {
                format!(", at most {} by their think time", Unit::PerSecond.written(most))
            });
            return format!(
                "{name}: {groups} groups, {members} members{slow}; closed loop: as many operations as \
                 the service answers{most}"
            );
        }
        let what = parts.join(", ");
        let deliveries = spread(self.deliveries);
        format!(
            "{name}: {groups} groups, {members} members{slow}; {what}{joins}; {deliveries} \
             deliveries{absences}{welcomed}"
        )
    }

    /// Nothing where nobody comes in by a Welcome.
    fn welcomed_line(&self) -> String {
        if self.welcomed == 0 {
            return String::new();
        }
        let each = |bytes: f64| Unit::Bytes.written(bytes / self.welcomed as f64);
        let by = self.welcome_suite.as_ref().map_or_else(String::new, |suite| {
            format!(", by init keys of {suite}: modelled, no stack runs it")
        });
        format!(
            "; {} Welcomes of {} for KeyPackages of {}{by}",
            Unit::Count.written(self.welcomed as f64),
            each(self.welcome_bytes),
            each(self.key_package_bytes)
        )
    }
}

impl PhaseRow {
    fn line(&self) -> String {
        let answered = "as many operations as the service answers";
        if self.closed_loop && self.operations == 0 {
            let length = Unit::Seconds.written(self.length_s);
            return format!("{} ({}), {length}: closed loop: {answered}", self.name, self.kind);
        }
        let closed = match self.closed_loop {
            true => format!("; and, of closed loops, {answered}"),
            false => String::new(),
        };
        format!(
            "{} ({}), {}: {} operations, {} in its busiest second; {} deliveries, {} of that \
             second{closed}",
            self.name,
            self.kind,
            Unit::Seconds.written(self.length_s),
            Unit::Count.written(self.operations as f64),
            Unit::Count.written(self.busiest_operations as f64),
            Unit::Count.written(self.deliveries),
            Unit::Count.written(self.busiest_deliveries)
        )
    }
}

fn spread(of: Estimate) -> String {
    let written = |value| Unit::Count.written(value);
    match of.is_exact() {
        true => written(of.expected),
        false => format!("{}..{}", written(of.low), written(of.high)),
    }
}
