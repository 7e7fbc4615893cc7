//! What the runs of one point come to.
//!
//! Pure. Quantiles are of one histogram of all runs, never a mean of quantiles; every other figure
//! is the median over runs, with the least and the most. Called by `curves`.

use super::question::Cell;
use super::record::{ContentionPoint, ContentionTrial, TimeToCommit};
use crate::campaign::TrialError;
use crate::campaign::record::Spread;
use crate::limits::ENGINE_BUSY_SHARE_MAX;
use crate::load::recorder::Series;
use crate::report::build::series;
use crate::report::contention::ContentionRecord;
use crate::report::record::Record;

/// Verdicts, the worst last.
const WORST: [&str; 4] = ["valid", "invalid", "violated", "failed"];

/// One run, from its record, or from why there is none.
pub(super) fn trial(
    (number, round): (u32, u32),
    result: Result<Record, TrialError>,
) -> ContentionTrial {
    match result {
        Ok(record) => ContentionTrial {
            number,
            round,
            status: record.verdict.status.name().to_owned(),
            reasons: record.verdict.reasons.clone(),
            lateness_p99_us: record.latency_us.lateness.p99,
            preparation_p99_us: record.latency_us.preparation.p99,
            engine_busy: busy(&record),
            contention: record.contention.into_iter().next(),
        },
        Err(error) => ContentionTrial {
            number,
            round,
            status: "failed".to_owned(),
            reasons: vec![error.0],
            ..ContentionTrial::default()
        },
    }
}

/// Processor time of the engine, of what its cores had to give: all of the machine's but one for
/// the server's only shard, if there are several.
fn busy(record: &Record) -> Option<f64> {
    let cores = record.provenance.cores?;
    let mine = if cores > 1 { cores - 1 } else { cores } as f64;
    let given = record.throughput.window_s * mine * 1e6;
    (given > 0.0).then(|| record.engine.cpu_us as f64 / given)
}

/// The point that `trials` are of.
pub(super) fn point(cell: &Cell, trials: Vec<ContentionTrial>) -> ContentionPoint {
    let place = |trial: &ContentionTrial| WORST.iter().position(|known| *known == trial.status);
    let worst = trials.iter().filter_map(place).max().unwrap_or(WORST.len() - 1);
    let mut reasons: Vec<String> = Vec::new();
    for reason in trials.iter().flat_map(|trial| &trial.reasons) {
        if !reasons.contains(reason) {
            reasons.push(reason.clone());
        }
    }
    let rows: Vec<&ContentionRecord> =
        trials.iter().filter_map(|trial| trial.contention.as_ref()).collect();
    let of = |figure: fn(&ContentionRecord) -> Option<f64>| {
        Spread::of(rows.iter().filter_map(|row| figure(row)))
    };
    let busiest = trials.iter().filter_map(|trial| trial.engine_busy).max_by(f64::total_cmp);
    ContentionPoint {
        racers: cell.racers,
        runs: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        status: WORST[worst].to_owned(),
        reasons,
        attempts_per_success: of(|row| row.attempts_per_success),
        wasted_bytes_per_success: of(|row| row.wasted_bytes_per_success),
        overhead_bytes_per_success: of(|row| row.overhead_bytes_per_success),
        wasted_cpu_us_per_success: of(|row| row.wasted_cpu_us_per_success),
        cpu_us_per_success: of(|row| row.built_cpu_us_per_success),
        time_to_commit: time_to_commit(&rows),
        epochs_per_s: of(|row| Some(row.epochs_per_s)),
        successes_per_s: of(|row| Some(row.successes_per_s)),
        jain: of(|row| row.jain),
        jain_by_lot: of(|row| row.jain_by_lot),
        jain_waiting: of(|row| row.jain_waiting),
        give_ups: rows.iter().map(|row| row.gave_up + row.unserved).sum(),
        preparation_p99_us: trials.iter().map(|of| of.preparation_p99_us).max().unwrap_or(0),
        engine_busy: busiest,
        engine_limited: busiest.is_some_and(|busy| busy > ENGINE_BUSY_SHARE_MAX),
        trials,
    }
}

fn time_to_commit(rows: &[&ContentionRecord]) -> TimeToCommit {
    let mut all = Series::default();
    for of in rows.iter().filter_map(|row| series(&row.time_to_commit)) {
        all.merge(&of);
    }
    TimeToCommit {
        count: all.count(),
        p50: all.quantile_us(0.5),
        p99: all.quantile_us(0.99),
        max: all.max_us(),
    }
}
