//! Contention curves as a table for other tools: `contention.csv`.

use super::record::ContentionResult;
use crate::campaign::record::Spread;

/// One line for each point under a header. Of a figure over runs there are three columns, `_min`
/// and `_max` beside the median; what is not known is empty.
#[must_use]
pub fn csv(result: &ContentionResult) -> String {
    let figures = [
        "attempts_per_success",
        "wasted_bytes_per_success",
        "overhead_bytes_per_success",
        "wasted_cpu_us_per_success",
        "cpu_us_per_success",
        "epochs_per_s",
        "successes_per_s",
        "jain",
        "jain_by_lot",
        "jain_waiting",
    ];
    let mut text = "policy,members,racers,runs,status".to_owned();
    for figure in figures {
        text.push_str(&format!(",{figure},{figure}_min,{figure}_max"));
    }
    text.push_str(
        ",time_to_commit_count,time_to_commit_p50_us,time_to_commit_p99_us,time_to_commit_max_us,\
         give_ups,preparation_p99_us,engine_busy,engine_limited\n",
    );
    for curve in &result.curves {
        for point in &curve.points {
            let (policy, members) = (&curve.policy, curve.members);
            text.push_str(&format!("{policy},{members},{},{}", point.racers, point.runs));
            text.push_str(&format!(",{}", point.status));
            for of in [
                point.attempts_per_success,
                point.wasted_bytes_per_success,
                point.overhead_bytes_per_success,
                point.wasted_cpu_us_per_success,
                point.cpu_us_per_success,
                point.epochs_per_s,
                point.successes_per_s,
                point.jain,
                point.jain_by_lot,
                point.jain_waiting,
            ] {
                text.push_str(&columns(of));
            }
            let time = point.time_to_commit;
            let busy = point.engine_busy.map_or_else(String::new, |share| share.to_string());
            text.push_str(&format!(
                ",{},{},{},{},{},{},{busy},{}\n",
                time.count,
                time.p50,
                time.p99,
                time.max,
                point.give_ups,
                point.preparation_p99_us,
                point.engine_limited,
            ));
        }
    }
    text
}

fn columns(of: Option<Spread>) -> String {
    of.map_or_else(
        || ",,,".to_owned(),
        |Spread { median, min, max }| format!(",{median},{min},{max}"),
    )
}
