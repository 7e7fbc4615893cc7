//! What a threshold may speak of: names, where they are recorded, units.

use crate::load::recorder::Series;

/// Something that a run is measured by.
#[derive(Clone, Debug, PartialEq)]
pub enum Metric {
    /// A statistic of a latency, of the whole run or a part of it.
    Latency {
        /// Which latency.
        timed: Timed,
        /// Of what.
        scope: Scope,
        /// Which statistic.
        stat: Stat,
    },
    /// How often something happened, warm-up included.
    Count(Counted),
    /// The same as a share of everything that was called for.
    Share(Counted),
    /// Operations accepted within the window, a second.
    Operations,
    /// Deliveries within the window, a second.
    Deliveries,
    /// Of the operations that were due in the window, the share that was accepted in it.
    Achieved,
    /// The server's processor time for each delivery.
    CpuPerDelivery,
    /// The server's highest resident memory.
    RssPeak,
}

/// A latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// From the intended instant to the acceptance.
    Response,
    /// From the actual send to the acceptance.
    Service,
    /// From the intended instant to when the generator reached it.
    Lateness,
    /// Live racers: from when a commit was due, or had lost, to its submission.
    Preparation,
    /// From the intended instant to a refusal.
    Rejected,
    /// From the intended instant to giving up.
    TimedOut,
    /// From the intended instant to the first member.
    FanoutFirst,
    /// From the intended instant to each member.
    FanoutMember,
    /// From the intended instant to 99 % of the members.
    FanoutP99,
    /// From the intended instant to the last member.
    FanoutLast,
    /// Of the response, that of scheduled commits. Of a class only.
    CommitResponse,
    /// From the claim of a KeyPackage to the answer.
    Claim,
    /// From the fetch of a GroupInfo to the answer.
    Fetch,
    /// From when the commit that lets a device in was due to when the Welcome is with it.
    Welcome,
    /// From when that commit was due to when the device is attached and has its first message.
    Join,
}

/// Of what a latency is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole run.
    Run,
    /// The class of groups of that name.
    Group(String),
    /// What was due in the phase of that name, whether it is measured or not.
    Phase(String),
}

/// A statistic of a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stat {
    /// The value that this share, in ten-thousandths, of the values do not exceed.
    Quantile(u32),
    /// The longest.
    Max,
    /// The mean.
    Mean,
    /// How many values.
    Count,
}

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Breaches of the contract, as the oracle saw them.
    Violations,
    /// The same, and faults of members that run OpenMLS.
    Oracle,
    /// Called for and never sent.
    NotIssued,
    /// Without a reply in time.
    TimedOut,
    /// Refused, for whatever reason.
    Rejected,
    /// Refused for another reason than a race: never of a good service that is not overloaded.
    Refused,
}

/// What a value is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Micros,
    /// A number of things.
    Number,
    /// A part of 1.
    Share,
    /// A number of things a second.
    PerSecond,
    /// Bytes.
    Bytes,
}

/// What the name at the start of a line stands for, before its statistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Timed(Timed),
    Counted(Counted),
    Operations,
    Deliveries,
    Achieved,
    CpuPerDelivery,
    RssPeak,
}

/// Every name. Those that records have are the same here.
pub(super) const NAMES: [(&str, Named); 26] = [
    ("response", Named::Timed(Timed::Response)),
    ("service", Named::Timed(Timed::Service)),
    ("lateness", Named::Timed(Timed::Lateness)),
    ("preparation", Named::Timed(Timed::Preparation)),
    ("fanout_first", Named::Timed(Timed::FanoutFirst)),
    ("fanout_member", Named::Timed(Timed::FanoutMember)),
    ("fanout_p99", Named::Timed(Timed::FanoutP99)),
    ("fanout_last", Named::Timed(Timed::FanoutLast)),
    ("commit_response", Named::Timed(Timed::CommitResponse)),
    ("claim", Named::Timed(Timed::Claim)),
    ("fetch", Named::Timed(Timed::Fetch)),
    ("welcome", Named::Timed(Timed::Welcome)),
    ("join", Named::Timed(Timed::Join)),
    // With a statistic these two are latencies, without one they are counts.
    ("rejected", Named::Counted(Counted::Rejected)),
    ("timed_out", Named::Counted(Counted::TimedOut)),
    ("violations", Named::Counted(Counted::Violations)),
    ("oracle", Named::Counted(Counted::Oracle)),
    ("not_issued", Named::Counted(Counted::NotIssued)),
    ("refused", Named::Counted(Counted::Refused)),
    ("operations_per_s", Named::Operations),
    ("deliveries_per_s", Named::Deliveries),
    ("achieved", Named::Achieved),
    ("cpu_us_per_delivery", Named::CpuPerDelivery),
    ("rss_peak_bytes", Named::RssPeak),
    // Shorter, as people say it.
    ("cpu_per_delivery", Named::CpuPerDelivery),
    ("rss_peak", Named::RssPeak),
];

/// Every statistic.
pub(super) const STATS: [(&str, Stat); 8] = [
    ("p50", Stat::Quantile(5_000)),
    ("p90", Stat::Quantile(9_000)),
    ("p99", Stat::Quantile(9_900)),
    ("p999", Stat::Quantile(9_990)),
    ("p9999", Stat::Quantile(9_999)),
    ("max", Stat::Max),
    ("mean", Stat::Mean),
    ("count", Stat::Count),
];

impl Metric {
    /// Of what a latency is; `None` of anything else.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        match self {
            Self::Latency { scope, .. } => Some(scope),
            _ => None,
        }
    }

    /// What its value and its bound are counted in.
    #[must_use]
    pub fn unit(&self) -> Unit {
        match self {
            Self::Latency { stat: Stat::Count, .. } | Self::Count(_) => Unit::Number,
            Self::Latency { .. } | Self::CpuPerDelivery => Unit::Micros,
            Self::Share(_) | Self::Achieved => Unit::Share,
            Self::Operations | Self::Deliveries => Unit::PerSecond,
            Self::RssPeak => Unit::Bytes,
        }
    }

    /// Whether its values are those of a histogram's buckets.
    pub(super) fn is_bucketed(&self) -> bool {
        matches!(self, Self::Latency { stat: Stat::Quantile(_) | Stat::Max, .. })
    }
}

impl Timed {
    /// Whether there is any of it only where somebody joins in the run.
    pub(super) fn is_of_joins(self) -> bool {
        matches!(self, Self::Claim | Self::Fetch | Self::Welcome | Self::Join)
    }

    /// Whether it is recorded for each part of a run that is of this kind.
    pub(super) fn is_kept_by(self, scope: &Scope) -> bool {
        match scope {
            Scope::Run => self != Self::CommitResponse,
            Scope::Group(_) => matches!(
                self,
                Self::Response | Self::CommitResponse | Self::FanoutMember | Self::FanoutLast
            ),
            Scope::Phase(_) => {
                matches!(self, Self::Response | Self::Lateness | Self::FanoutLast)
            }
        }
    }
}

impl Stat {
    /// The share of values that it is about; `None` of a mean and a count.
    #[must_use]
    pub fn quantile(self) -> Option<f64> {
        match self {
            Self::Quantile(parts) => Some(f64::from(parts) / 10_000.0),
            Self::Max => Some(1.0),
            Self::Mean | Self::Count => None,
        }
    }
}

impl Counted {
    /// Whether it can be given as a share of what was called for.
    #[must_use]
    pub fn has_share(self) -> bool {
        !matches!(self, Self::Violations | Self::Oracle)
    }
}

impl Unit {
    /// Its name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Micros => "us",
            Self::Number => "number",
            Self::Share => "share",
            Self::PerSecond => "per_s",
            Self::Bytes => "bytes",
        }
    }
}

/// A bound in whole microseconds as a histogram holds it: the end of its bucket.
pub(super) fn bucketed(bound: f64) -> f64 {
    Series::default().histogram().highest_equivalent(whole(bound)) as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounds are below 2^53"
)]
pub(super) fn whole(bound: f64) -> u64 {
    bound as u64
}
