//! Makes the runs of contention curves, and the curves of the runs.

use super::point::{point, trial};
use super::question::{Cell, Question, Wants};
use super::record::{ContentionCurve, ContentionPoint, ContentionResult, ContentionTrial};
use crate::campaign::{TrialError, Trials};
use crate::limits::RESERVATION_MAX;
use crate::units::written_duration;

/// Makes every run of `question` and puts the curves together. A run without a result makes its
/// point a failed one; the others go on.
pub fn curves(question: &Question, trials: &mut dyn Trials) -> ContentionResult {
    let cells = question.cells();
    let order = question.order();
    let mut made: Vec<Vec<ContentionTrial>> = vec![Vec::new(); cells.len()];
    for (number, (round, index)) in (1_u32..).zip(&order) {
        let cell = &cells[*index];
        trials.say(&announcement(question, cell, (number, order.len(), *round)));
        let result = question.scenario(cell, *round).map_err(|mistake| mistake.one_line());
        let result = result.map_err(TrialError).and_then(|scenario| trials.run(scenario));
        made[*index].push(trial((number, round + 1), result));
    }
    let points: Vec<(Cell, ContentionPoint)> =
        cells.into_iter().zip(made).map(|(cell, runs)| (cell, point(&cell, runs))).collect();
    let (wants, pace) = match &question.wants {
        Wants::Thinking(think) => ("think", written_duration(*think)),
        Wants::Rounds(rate) => ("rounds", rate.clone()),
    };
    let reservation = question.reservation.unwrap_or(RESERVATION_MAX).as_millis();
    ContentionResult {
        wants: wants.to_owned(),
        pace,
        groups: question.groups,
        suite: question.suite.name().to_owned(),
        reservation_ms: u64::try_from(reservation).unwrap_or(u64::MAX),
        window_s: question.measure.as_secs_f64(),
        rounds: question.rounds,
        seed: question.seed,
        curves: by_curve(points),
    }
}

/// A line that says which run comes, and how long the rest of them take at least.
fn announcement(
    question: &Question,
    cell: &Cell,
    (number, runs, round): (u32, usize, u32),
) -> String {
    let left = runs.saturating_sub(number as usize - 1);
    let each = question.warm_up + question.measure;
    let rest = each.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX));
    format!(
        "run {number} of {runs}, round {}: {}, {} racers of {} members; at least {:.0} s to go",
        round + 1,
        cell.policy.name(),
        cell.racers,
        cell.members,
        rest.as_secs_f64(),
    )
}

/// Points in the order of cells: those of one policy and size lie together.
fn by_curve(points: Vec<(Cell, ContentionPoint)>) -> Vec<ContentionCurve> {
    let mut curves: Vec<ContentionCurve> = Vec::new();
    for (cell, point) in points {
        let policy = cell.policy.name();
        match curves.last_mut() {
            Some(curve) if curve.policy == policy && curve.members == cell.members => {
                curve.points.push(point);
            }
            _ => curves.push(ContentionCurve {
                policy: policy.to_owned(),
                members: cell.members,
                points: vec![point],
            }),
        }
    }
    curves
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::question::tests::question;
    use super::super::{csv, render};
    use super::*;
    use crate::campaign::record::{CampaignOutcome, CampaignRecord, SCHEMA_VERSION};
    use crate::load::contention::{Event, Tally, What};
    use crate::load::scenario::Scenario;
    use crate::report::contention::rows;
    use crate::report::provenance::Provenance;
    use crate::report::record::Record;
    use crate::report::summary::Look;
    use crate::report::verdict::Status;

    /// Of whatever run: all that counts of it is written anew.
    const RECORD: &str = include_str!("../../../results/reference/fanout-1k/run.json");

    /// Runs that take no time: each racer has one success, after as many tries as there are
    /// racers, and in the first round in twice the time. Some do not turn out well.
    struct Pretended {
        runs: u32,
        said: Vec<String>,
    }

    impl Trials for Pretended {
        fn run(&mut self, scenario: Scenario) -> Result<Record, TrialError> {
            self.runs += 1;
            let class = &scenario.groups[0];
            let mut record = Record::from_json(RECORD).unwrap();
            let name = class.contention.unwrap().policy.name();
            if name == "lease" && class.racers == 16 {
                return Err(TrialError("no server".to_owned()));
            }
            let window = scenario.window();
            let mut tally = Tally::new(1, class.racers as usize);
            for racer in 0..class.racers as usize {
                let took = Duration::from_millis(if self.runs <= 20 { 20 } else { 10 });
                tally.served(
                    &window,
                    (0, racer),
                    (window.start, window.start + took),
                    class.racers,
                );
                tally.note(&window, window.start, Event::Sent(What::Commit, 100));
                tally.note(&window, window.start, Event::Won(100));
            }
            record.contention = rows(&scenario, &[Some(tally)], 2.0);
            record.verdict.status = if name == "backoff" { Status::Invalid } else { Status::Valid };
            record.verdict.reasons =
                if name == "backoff" { vec!["late".to_owned()] } else { Vec::new() };
            record.provenance.cores = Some(2);
            record.throughput.window_s = 2.0;
            record.engine.cpu_us = if class.members == 32 { 1_990_000 } else { 1_000_000 };
            Ok(record)
        }

        fn say(&mut self, line: &str) {
            self.said.push(line.to_owned());
        }

        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn result() -> (ContentionResult, Pretended) {
        let mut trials = Pretended { runs: 0, said: Vec::new() };
        let question = Question { rounds: 2, ..question() };
        (curves(&question, &mut trials), trials)
    }

    fn words(text: &str) -> String {
        let sentences = text.lines().filter(|line| !line.contains("──"));
        sentences.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
    }

    fn fields(value: &serde_json::Value) -> Vec<String> {
        match value {
            serde_json::Value::Object(object) => object
                .iter()
                .flat_map(|(name, value)| [vec![name.clone()], fields(value)].concat())
                .collect(),
            serde_json::Value::Array(values) => values.iter().flat_map(fields).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_point_is_there_with_what_its_runs_came_to_and_the_bad_ones_say_so() {
        let (result, trials) = result();
        assert_eq!((trials.runs, trials.said.len()), (40, 40));
        assert!(trials.said[0].starts_with("run 1 of 40, round 1: "), "{:?}", trials.said[0]);
        assert!(trials.said[39].ends_with("at least 2 s to go"), "{:?}", trials.said[39]);
        let shape: Vec<(&str, u32, usize)> = result
            .curves
            .iter()
            .map(|curve| (curve.policy.as_str(), curve.members, curve.points.len()))
            .collect();
        let policies = ["retry", "backoff", "proposals", "lease"];
        let expected: Vec<(&str, u32, usize)> =
            policies.iter().flat_map(|policy| [(*policy, 8, 2), (*policy, 32, 3)]).collect();
        assert_eq!(shape, expected);
        let point = &result.curves[1].points[2];
        assert_eq!((point.racers, point.runs, point.status.as_str()), (16, 2, "valid"));
        assert_eq!(point.attempts_per_success.map(|of| of.median), Some(16.0));
        assert_eq!(point.successes_per_s.map(|of| of.median), Some(8.0));
        assert_eq!(point.time_to_commit.count, 32, "one histogram of both runs");
        // The middle of two runs is no mean of theirs: half of all changes took no longer.
        let quantiles = (point.time_to_commit.p50 / 100, point.time_to_commit.p99 / 100);
        assert_eq!(quantiles, (100, 200));
        assert_eq!(
            (point.engine_limited, result.curves[0].points[0].engine_limited),
            (true, false)
        );
        let late = &result.curves[2].points[0];
        assert_eq!((late.status.as_str(), late.reasons.len(), late.runs), ("invalid", 1, 2));
        let failed = &result.curves[7].points[2];
        assert_eq!((failed.status.as_str(), failed.runs), ("failed", 0));
        assert_eq!(
            (failed.reasons.as_slice(), failed.jain),
            (["no server".to_owned()].as_slice(), None)
        );
    }

    #[test]
    fn curves_read_back_as_they_were_written_and_stand_in_a_table_and_a_csv() {
        let (result, _) = result();
        let text = render(&result, Look { width: 200, colour: false });
        for says in ["retry", "failed: no server", "invalid: late", "engine", "16.0", "10.0 ms"] {
            assert!(text.contains(says), "{says}: {text}");
        }
        // At the usual width no cell is broken over lines, and no sentence goes beyond it.
        let usual = render(&result, Look::default());
        let rows = |text: &str| {
            let policies = ["retry", "backoff", "proposals", "lease"];
            text.lines()
                .filter(|line| policies.iter().any(|name| line.trim_start().starts_with(name)))
                .count()
        };
        assert_eq!((rows(&usual), rows(&text)), (40, 40), "{usual}");
        // Two racers with a success each are as fair as can be, and drawn by lot they would not be. The
        // p99 of four changes is none.
        let point = &result.curves[0].points[0];
        assert_eq!(point.jain_by_lot.map(|of| of.median), Some(1.0 / 1.5));
        assert!(usual.contains("0.67"), "{usual}");
        let row = usual.lines().find(|line| line.trim_start().starts_with("retry")).unwrap();
        assert!(row.split_whitespace().rev().nth(1) == Some("-"), "{row}");
        assert_eq!(usual.lines().find(|line| line.chars().count() > 100), None, "{usual}");
        assert!(
            usual.contains("\n* the engine's cores") && text.contains("\n* the engine's cores")
        );
        assert_eq!(words(&usual), words(&text), "{usual}");
        let rows = csv(&result);
        let mut lines = rows.lines();
        let columns = lines.next().unwrap().split(',').count();
        assert_eq!(rows.lines().count(), 1 + 20);
        assert!(lines.all(|line| line.split(',').count() == columns), "{rows}");
        let record = CampaignRecord {
            schema_version: SCHEMA_VERSION,
            provenance: Provenance::default(),
            outcome: CampaignOutcome::Contend(result),
        };
        let readme = include_str!("../../../results/README.md");
        let CampaignOutcome::Contend(result) = &record.outcome else { unreachable!() };
        for field in fields(&serde_json::to_value(result).unwrap()) {
            assert!(readme.contains(&format!("`{field}`")), "{field}");
        }
        let json = record.to_json();
        assert!(json.contains("\"kind\": \"contend\""), "{json}");
        assert_eq!(CampaignRecord::from_json(&json).unwrap(), record);
    }
}
