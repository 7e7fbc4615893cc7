//! What is asked, as rates: operations, deliveries, connections, bytes.
//!
//! Arithmetic alone, each number with its formula; nothing here rests on a record. Sizes of MLS
//! messages are those that `mls` foretells. Called by the plan.

use super::groups::Groups;
use super::question::Question;
use crate::campaign::estimate::Estimate;
use crate::campaign::figure::{Figure, Unit, rounded};
use crate::limits::{CHECKPOINT_SHARE, LOGGED_MESSAGE_BYTES};
use crate::load::bytes::{self, Bounds};
use crate::mls::size::{self, Dimensions};
use crate::mls::{Handshake, TreeState};

const DAY_SECONDS: f64 = 86_400.0;

/// A group's id, as long as a run's and as what MIMI's room ids hash to.
const GROUP_ID_BYTES: usize = 32;

/// What is asked, as rates.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// For each size of groups, in the question's order.
    pub classes: Vec<Class>,
    /// Connections that are open.
    pub connections: f64,
    /// Handshakes per second when everybody comes back.
    pub storm_per_s: f64,
    /// KeyPackages of everybody, in bytes.
    pub key_package_bytes: f64,
    /// Everything above and what it comes to, with formulas.
    pub figures: Vec<Figure>,
}

/// What groups of one size have to be served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Class {
    /// The groups.
    pub groups: Groups,
    /// Operations per second, the mean of a day.
    pub operations_per_s: f64,
    /// Deliveries per second at the peak, to those who are online.
    pub peak_deliveries_per_s: f64,
    /// Bytes of an MLS message, commits among them.
    pub body: Estimate,
    /// Bytes of a delivery with its frame.
    pub frame: Estimate,
}

impl Demand {
    /// Of what is asked.
    #[must_use]
    pub fn of(question: &Question) -> Self {
        let messages_per_s = question.users * question.messages_per_user_day / DAY_SECONDS;
        let operations_per_s = messages_per_s / (1.0 - question.commits);
        let class = |groups: &Groups| Class::of(question, *groups, operations_per_s);
        let classes: Vec<Class> = question.groups.iter().map(class).collect();
        let connections = question.devices() * question.online;
        let key_package = size::key_package(&question.suite.lengths(), size::IDENTITY_BYTES) as f64;
        let mut demand = Self {
            connections,
            storm_per_s: connections / question.storm.as_secs_f64(),
            key_package_bytes: question.devices() * f64::from(question.key_packages) * key_package,
            figures: Vec::new(),
            classes,
        };
        demand.put_rates(question, operations_per_s);
        demand.put_bytes(question);
        demand.put_storage(question, operations_per_s);
        demand.put_devices(question, key_package);
        demand
    }

    /// Deliveries per second at the peak.
    #[must_use]
    pub fn peak_deliveries_per_s(&self) -> f64 {
        self.classes.iter().map(|class| class.peak_deliveries_per_s).sum()
    }

    fn put(&mut self, name: &str, unit: Unit, value: Estimate, how: String) {
        self.figures.push(Figure::of(name, unit, value, how));
    }

    fn put_rates(&mut self, question: &Question, operations_per_s: f64) {
        let exactly = Estimate::exactly;
        let (users, peak) = (question.users, question.peak_factor);
        let of = format!(
            "{users} users x {} messages a day / 86,400 s / (1 - {} commits)",
            question.messages_per_user_day, question.commits
        );
        self.put("operations, mean", Unit::PerSecond, exactly(operations_per_s), of);
        let at_peak = exactly(operations_per_s * peak);
        let times = format!("{} x peak factor {peak}", rounded(operations_per_s));
        self.put("operations, peak", Unit::PerSecond, at_peak, times);
        let members: f64 = self.classes.iter().map(|of| of.groups.share * of.groups.members).sum();
        let deliveries = operations_per_s * members;
        let sum: Vec<String> = self
            .classes
            .iter()
            .map(|of| {
                let share = (of.groups.share * 1e5).round() / 1e5;
                format!("{share} x {}", of.groups.members)
            })
            .collect();
        let how = format!("{} x ({}) members", rounded(operations_per_s), sum.join(" + "));
        self.put("deliveries, mean", Unit::PerSecond, exactly(deliveries), how);
        let how = format!(
            "{} x peak factor {peak} x {} online; who is away gets theirs later",
            rounded(deliveries),
            question.online
        );
        let at_peak = exactly(self.peak_deliveries_per_s());
        self.put("deliveries, peak", Unit::PerSecond, at_peak, how);
    }

    fn put_bytes(&mut self, question: &Question) {
        let egress = |class: &Class| {
            network(class.frame, bytes::on_the_network) * class.peak_deliveries_per_s
        };
        let peak: Estimate = self.classes.iter().map(egress).sum();
        let how = "each size: peak deliveries x bytes of a delivery on the network: full packets \
                   over IPv4, to a packet each over IPv6";
        self.put("egress, peak", Unit::BytesPerSecond, peak, how.to_owned());
        let mean = |class: &Class| {
            let deliveries = class.operations_per_s * class.groups.members;
            network(class.frame, bytes::on_the_network) * deliveries
        };
        let mean: Estimate = self.classes.iter().map(mean).sum();
        let how = "the same of the mean deliveries, those that come later among them";
        self.put("egress, mean", Unit::BytesPerSecond, mean, how.to_owned());
        let ingress = |class: &Class| {
            let submitted = bytes::submission_frame(0) as f64;
            let up = network(class.body + Estimate::exactly(submitted), bytes::on_the_network);
            let answers = network(class.frame, bytes::acknowledgements);
            up * (class.operations_per_s * question.peak_factor)
                + answers * class.peak_deliveries_per_s
        };
        let ingress: Estimate = self.classes.iter().map(ingress).sum();
        let how = "each size: peak operations x bytes of a submission, and what acknowledges the \
                   deliveries";
        self.put("ingress, peak", Unit::BytesPerSecond, ingress, how.to_owned());
    }

    fn put_storage(&mut self, question: &Question, operations_per_s: f64) {
        let per_day = operations_per_s * DAY_SECONDS;
        let entry = |class: &Class| {
            let entry = class.body + Estimate::exactly(LOGGED_MESSAGE_BYTES as f64);
            entry * (class.operations_per_s * DAY_SECONDS)
        };
        let day: Estimate = self.classes.iter().map(entry).sum();
        let how = format!(
            "{} operations a day x (MLS message + {LOGGED_MESSAGE_BYTES} bytes of its log entry)",
            rounded(per_day)
        );
        self.put("messages of a day", Unit::Bytes, day, how);
        let days = question.retention_days;
        let how = format!("messages of a day x {days} days; one copy");
        self.put("messages retained", Unit::Bytes, day * days, how);
        if question.durable {
            let checkpoints =
                Estimate { low: 1.0, expected: 1.0, high: 1.0 + CHECKPOINT_SHARE as f64 };
            let how = format!(
                "messages of a day, and at most {CHECKPOINT_SHARE} times as much of checkpoints"
            );
            self.put("log written in a day", Unit::Bytes, day * checkpoints, how);
        }
    }

    fn put_devices(&mut self, question: &Question, key_package: f64) {
        let devices = question.devices();
        let how = format!("{} users x {} devices", question.users, question.devices_per_user);
        self.put("devices", Unit::Count, Estimate::exactly(devices), how);
        let how = format!("{devices} devices x {} online", question.online);
        let connections = Estimate::exactly(self.connections);
        self.put("connections", Unit::Count, connections, how);
        let stock = question.key_packages;
        let how = format!("{devices} devices x {stock} in stock");
        let packages = Estimate::exactly(devices * f64::from(stock));
        self.put("KeyPackages", Unit::Count, packages, how);
        let how = format!("KeyPackages x {key_package} bytes of {}", question.suite);
        let bytes = Estimate::exactly(self.key_package_bytes);
        self.put("KeyPackages, size", Unit::Bytes, bytes, how);
        let how = format!("{} connections / {} s", self.connections, question.storm.as_secs_f64());
        let storm = Estimate::exactly(self.storm_per_s);
        self.put("handshakes in a storm", Unit::PerSecond, storm, how);
    }
}

impl Class {
    fn of(question: &Question, groups: Groups, operations_per_s: f64) -> Self {
        let operations_per_s = operations_per_s * groups.share;
        let body = mean_body(question, groups.members);
        let delivered = operations_per_s * groups.members * question.online;
        Self {
            groups,
            operations_per_s,
            peak_deliveries_per_s: delivered * question.peak_factor,
            body,
            frame: body + Estimate::exactly(bytes::delivery_frame(0) as f64),
        }
    }
}

/// An MLS message on average. A commit finds a tree in which everybody has committed, or at worst
/// one right after a bulk add.
fn mean_body(question: &Question, members: f64) -> Estimate {
    let plaintext = usize::try_from(question.payload_bytes).unwrap_or(usize::MAX);
    let lengths = question.suite.lengths();
    let application = size::application_message(&lengths, GROUP_ID_BYTES, plaintext) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a member count")]
    let members = members.round() as u32;
    let commit = |tree| {
        let (group_id, identity) = (GROUP_ID_BYTES, size::IDENTITY_BYTES);
        let handshake = Handshake::Public;
        let group = Dimensions { lengths, group_id, identity, members, tree, handshake };
        group.update_commit(members / 2) as f64
    };
    let (merged, fresh) = (commit(TreeState::Merged), commit(TreeState::Fresh));
    let commit = Estimate { low: merged, expected: merged, high: fresh.max(merged) };
    Estimate::exactly(application * (1.0 - question.commits)) + commit * question.commits
}

fn network(frame: Estimate, of: fn(f64) -> Bounds) -> Estimate {
    Estimate {
        low: of(frame.low).least,
        expected: of(frame.expected).most,
        high: of(frame.high).most,
    }
}
