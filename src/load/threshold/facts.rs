//! What thresholds are judged by: what a run has counted, and the most that it may come to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::metric::{Counted, Metric, Scope, Stat, Timed};
use crate::delivery::Kind;
use crate::load::contention::Policy;
use crate::load::joins::Joins;
use crate::load::phases;
use crate::load::population::Population;
use crate::load::recorder::{Recorder, Series};
use crate::load::scenario::{Class, Scenario};
use crate::load::schedule::{Operation, OperationKind, Schedule};

/// The reasons for which a good service refuses good submissions: both of racers.
pub const OF_RACES: [&str; 2] = ["wrong_epoch", "put_off"];

/// Refusals for another reason than a race.
#[must_use]
pub fn refused(refusals: &BTreeMap<&'static str, u64>) -> u64 {
    let others = refusals.iter().filter(|(reason, _)| !OF_RACES.contains(reason));
    others.map(|(_, count)| count).sum()
}

/// Everything that a threshold may be about, of a run that goes on or is over.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What was asked.
    pub scenario: &'a Scenario,
    /// What was recorded.
    pub recorder: &'a Recorder,
    /// What came of those who joined; `None` when nobody was to.
    pub joins: Option<&'a Joins>,
    /// How often what happened.
    pub tally: Tally,
    /// How long the measured window is.
    pub window: Duration,
    /// What the server used; `None` when it was not observed, or not yet.
    pub server: Option<ServerFacts>,
}

/// How often what happened, warm-up included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Everything that the schedule and the retry rule called for.
    pub called_for: u64,
    /// Submissions that were ordered.
    pub accepted: u64,
    /// Deliveries that came.
    pub deliveries: u64,
    /// See [`Counted::Violations`].
    pub violations: u64,
    /// Faults of members that run OpenMLS.
    pub member_faults: u64,
    /// See [`Counted::NotIssued`].
    pub not_issued: u64,
    /// See [`Counted::TimedOut`].
    pub timed_out: u64,
    /// See [`Counted::Rejected`].
    pub rejected: u64,
    /// See [`Counted::Refused`].
    pub refused: u64,
}

/// What the server used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServerFacts {
    /// `None` without a delivery.
    pub cpu_us_per_delivery: Option<f64>,
    /// Its highest resident memory.
    pub rss_peak_bytes: u64,
}

/// The most that a whole run may come to: what its schedule holds. `None` is no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Most {
    /// By class.
    pub classes: Vec<MostOfClass>,
    /// By phase, operations that are due in it, whether they are measured or not.
    pub phases: Vec<Option<u64>>,
    /// Everything that the schedule and the retry rule may call for.
    pub called_for: Option<u64>,
    /// Submissions that may be ordered, warm-up included.
    pub accepted: Option<u64>,
    /// Deliveries that may come of them.
    pub deliveries: Option<u64>,
}

/// The most that one class may come to. `None` is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MostOfClass {
    /// Measured operations, each with one outcome.
    pub operations: Option<u64>,
    /// Of them, commits that the schedule calls for.
    pub commits: Option<u64>,
    /// Members that each may be delivered to: with everybody who may come in.
    pub members: u64,
}

impl Facts<'_> {
    /// The value of a metric in its unit; `None` when there is none.
    #[must_use]
    pub fn value(&self, metric: &Metric) -> Option<f64> {
        let per_second = |count: u64| {
            let seconds = self.window.as_secs_f64();
            (seconds > 0.0).then(|| count as f64 / seconds)
        };
        match metric {
            Metric::Latency { timed, scope, stat } => {
                let series = self.series(*timed, scope)?;
                match stat {
                    Stat::Count => Some(series.count() as f64),
                    _ if series.count() == 0 => None,
                    Stat::Mean => Some(series.mean_us()),
                    Stat::Max => Some(series.max_us() as f64),
                    Stat::Quantile(_) => Some(series.quantile_us(stat.quantile()?) as f64),
                }
            }
            Metric::Count(counted) => Some(self.count(*counted) as f64),
            Metric::Share(counted) => {
                let all = self.tally.called_for;
                (all > 0).then(|| self.count(*counted) as f64 / all as f64)
            }
            Metric::Operations => per_second(self.recorder.achieved.accepted),
            Metric::Deliveries => per_second(self.recorder.achieved.deliveries),
            Metric::Achieved => {
                let offered = self.offered();
                (offered > 0).then(|| self.recorder.achieved.accepted as f64 / offered as f64)
            }
            Metric::CpuPerDelivery => self.server?.cpu_us_per_delivery,
            Metric::RssPeak => Some(self.server?.rss_peak_bytes as f64),
        }
    }

    /// Measured operations that were due: each that was reached is one value of lateness.
    pub(super) fn offered(&self) -> u64 {
        self.recorder.lateness.count()
    }

    pub(super) fn count(&self, counted: Counted) -> u64 {
        let tally = &self.tally;
        match counted {
            Counted::Violations => tally.violations,
            Counted::Oracle => tally.violations + tally.member_faults,
            Counted::NotIssued => tally.not_issued,
            Counted::TimedOut => tally.timed_out,
            Counted::Rejected => tally.rejected,
            Counted::Refused => tally.refused,
        }
    }

    /// The values of a latency; `None` when they are not recorded for this scope.
    pub(super) fn series(&self, timed: Timed, scope: &Scope) -> Option<&Series> {
        let of = self.recorder;
        match scope {
            Scope::Run => match timed {
                Timed::Response => Some(&of.response),
                Timed::Service => Some(&of.service),
                Timed::Lateness => Some(&of.lateness),
                Timed::Preparation => Some(&of.preparation),
                Timed::Rejected => Some(&of.rejected),
                Timed::TimedOut => Some(&of.timed_out),
                Timed::FanoutFirst => Some(&of.fanout_first),
                Timed::FanoutMember => Some(&of.fanout_member),
                Timed::FanoutP99 => Some(&of.fanout_p99),
                Timed::FanoutLast => Some(&of.fanout_last),
                Timed::CommitResponse => None,
                Timed::Claim => Some(&self.joins?.claim),
                Timed::Fetch => Some(&self.joins?.fetch),
                Timed::Welcome => Some(&self.joins?.welcome),
                Timed::Join => Some(&self.joins?.join),
            },
            Scope::Group(name) => {
                let class = &of.classes.get(self.class(name)?)?;
                match timed {
                    Timed::Response => Some(&class.response),
                    Timed::CommitResponse => Some(&class.commit_response),
                    Timed::FanoutMember => Some(&class.fanout_member),
                    Timed::FanoutLast => Some(&class.fanout_last),
                    _ => None,
                }
            }
            Scope::Phase(name) => {
                let phase = &of.phases().get(self.phase(name)?)?;
                match timed {
                    Timed::Response => Some(&phase.response),
                    Timed::Lateness => Some(&phase.lateness),
                    Timed::FanoutLast => Some(&phase.fanout_last),
                    _ => None,
                }
            }
        }
    }

    fn class(&self, name: &str) -> Option<usize> {
        self.scenario.groups.iter().position(|class| class.name == *name)
    }

    fn phase(&self, name: &str) -> Option<usize> {
        self.scenario.phases.iter().position(|phase| phase.name == *name)
    }

    /// The most values that a latency may have at the end; `None` when there is no bound.
    pub(super) fn most_values(&self, timed: Timed, scope: &Scope, most: &Most) -> Option<u64> {
        let of = |class: &MostOfClass| match timed {
            // How often a device is asked in, and asks again, no schedule says.
            Timed::Preparation | Timed::Claim | Timed::Fetch | Timed::Welcome | Timed::Join => None,
            Timed::FanoutMember => class.operations?.checked_mul(class.members),
            Timed::CommitResponse => class.commits,
            _ => class.operations,
        };
        match scope {
            Scope::Run => {
                most.classes.iter().map(of).try_fold(0_u64, |sum, of| sum.checked_add(of?))
            }
            Scope::Group(name) => of(most.classes.get(self.class(name)?)?),
            Scope::Phase(name) => most.phases.get(self.phase(name)?).copied().flatten(),
        }
    }
}

impl Most {
    /// What `schedule` holds. Costs a pass over it.
    #[must_use]
    pub fn of(scenario: &Scenario, population: &Population, schedule: &Schedule) -> Self {
        let mut most = Self::nothing(scenario);
        // A window that may come forward may have any operation in it, and so may each phase.
        let moves = scenario.phases.iter().any(|phase| phase.until_steady);
        if moves {
            most.phases.fill(None);
        }
        let window = scenario.window();
        for operation in schedule.operations() {
            let Some(index) = class_of(operation, population) else { continue };
            let (class, of_class) = (&scenario.groups[index], &mut most.classes[index]);
            let racing = operation.kind == OperationKind::Race;
            let submissions = if racing { u64::from(class.racers) } else { 1 };
            let more = |bound: &mut Option<u64>, by: u64| {
                *bound = bound.map(|bound| bound.saturating_add(by));
            };
            more(&mut most.called_for, submissions);
            more(&mut most.accepted, submissions);
            more(&mut most.deliveries, submissions.saturating_mul(of_class.members));
            if let Some(due) = most.phases.get_mut(phases::at(&scenario.phases, operation.intended))
            {
                more(due, submissions);
            }
            if moves || window.contains(&operation.intended) {
                more(&mut of_class.operations, submissions);
                let commits = !racing && operation.kind.message() == Kind::Commit;
                more(&mut of_class.commits, u64::from(commits));
            }
        }
        most
    }

    /// Of an empty schedule: nothing, but what no schedule says of the classes that there are.
    fn nothing(scenario: &Scenario) -> Self {
        let races = scenario.groups.iter().any(|class| class.contention.is_some());
        let beside = scenario.groups.iter().any(submits_beside);
        let unforeseen = scenario.groups.iter().any(is_unforeseen);
        let unless = |unknown: bool| (!unknown).then_some(0);
        Self {
            classes: scenario.groups.iter().map(MostOfClass::nothing).collect(),
            phases: vec![unless(unforeseen); scenario.phases.len()],
            // How often a race is lost and tried again.
            called_for: unless(races),
            accepted: unless(unforeseen || beside),
            deliveries: unless(unforeseen || beside),
        }
    }
}

impl MostOfClass {
    fn nothing(class: &Class) -> Self {
        let operations = (!is_unforeseen(class)).then_some(0);
        Self { operations, commits: Some(0), members: u64::from(class.devices()) }
    }
}

/// Whether a class's racers submit more than their changes: claims or proposals.
fn submits_beside(class: &Class) -> bool {
    let policy = class.contention.map(|contention| contention.policy);
    matches!(policy, Some(Policy::Lease { .. } | Policy::Proposals { .. }))
}

/// Whether no schedule holds a class's operations: when its racers want a change they decide
/// themselves, or one commits for others, whenever that is.
fn is_unforeseen(class: &Class) -> bool {
    let policy = class.contention.map(|contention| contention.policy);
    class.is_closed() || matches!(policy, Some(Policy::Proposals { .. }))
}

fn class_of(operation: &Operation, population: &Population) -> Option<usize> {
    let group = population.groups().get(usize::try_from(operation.group).ok()?)?;
    usize::try_from(group.class).ok()
}
