//! What a page says of several runs, and that it is as sound as that of one.

use super::render;
use super::{contention, load};
use crate::campaign::contention::record::{ContentionCurve, ContentionPoint, TimeToCommit};
use crate::campaign::record::{
    Bound, CampaignOutcome, CampaignRecord, Capacity, CapacityGoal, LoadCurve, LoadPoint,
    SCHEMA_VERSION, Spread, TrialRecord,
};
use crate::report::html::sound::faults;
use crate::report::html::{Section, page};
use crate::report::provenance::Provenance;
use crate::report::verdict::Status;

const HOSTILE: &str = "</script><script>alert(1)</script>";

fn trial(number: u32, factor: f64, status: Status) -> TrialRecord {
    let offered_per_s = factor * 100.0;
    TrialRecord {
        number,
        factor,
        status,
        reasons: if status == Status::Valid { Vec::new() } else { vec![HOSTILE.to_owned()] },
        aborted: false,
        window_s: 5.0,
        offered_per_s,
        achieved_per_s: offered_per_s.min(450.0),
        deliveries_per_s: offered_per_s * 10.0,
        response_p50_us: 400,
        response_p99_us: 900 * u64::from(number),
        fanout_last_p50_us: 700,
        fanout_last_p99_us: 2_000 * u64::from(number),
        lateness_p99_us: 20,
        cpu_us_per_delivery: Some(3.5),
        frame_bytes: None,
        in_flight_mean: None,
        server_rss_peak_bytes: None,
        length: None,
        said: None,
        missed: Vec::new(),
    }
}

fn sweep() -> LoadCurve {
    let point = |factor: f64, status, number| {
        LoadPoint::of(
            factor,
            vec![trial(number, factor, status), trial(number + 1, factor, status)],
        )
    };
    let points = [
        point(1.0, Status::Valid, 1),
        point(2.0, Status::Valid, 3),
        point(5.0, Status::Invalid, 5),
    ];
    LoadCurve {
        order: "shuffled".to_owned(),
        seed: 1,
        rounds: 2,
        points: points.into_iter().flatten().collect(),
    }
}

fn spread(median: f64) -> Option<Spread> {
    Some(Spread { median, min: median * 0.9, max: median * 1.2 })
}

fn curves() -> Vec<ContentionCurve> {
    let point = |policy: f64, racers: u32| ContentionPoint {
        racers,
        runs: 2,
        status: if racers == 16 { "failed" } else { "valid" }.to_owned(),
        reasons: if racers == 16 { vec![HOSTILE.to_owned()] } else { Vec::new() },
        attempts_per_success: spread(1.0 + f64::from(racers) / policy),
        wasted_bytes_per_success: spread(2_000.0 * f64::from(racers)),
        time_to_commit: TimeToCommit { count: 9, p50: 900, p99: 90_000, max: 100_000 },
        epochs_per_s: spread(30.0),
        jain: spread(0.8),
        jain_by_lot: spread(0.9),
        ..ContentionPoint::default()
    };
    let curve = |policy: &str, of: f64, members| ContentionCurve {
        policy: policy.to_owned(),
        members,
        points: [1, 2, 4, 16].map(|racers| point(of, racers)).to_vec(),
    };
    vec![
        curve("retry", 1.0, 8),
        curve("lease", 9.0, 8),
        curve("retry", 2.0, 64),
        curve(HOSTILE, 3.0, 64),
    ]
}

#[test]
fn a_page_of_a_sweep_crosses_out_what_does_not_count_and_says_why() {
    let page = render(&CampaignRecord {
        schema_version: SCHEMA_VERSION,
        provenance: Provenance { scenario: "fanout".to_owned(), ..Provenance::default() },
        outcome: CampaignOutcome::Sweep(sweep()),
    });
    assert_eq!(faults(&page), Vec::<String>::new());
    for says in [
        "<h1>sweep of fanout</h1>",
        "At 2 of 3 loads every run was valid",
        "at 500 operations/s: &lt;/script&gt;",
        "shape s2 void",
        "does not count: not valid",
        "<th scope=\"row\">200</th><td>400 µs</td><td>3.15 ms (2.70 ms to 3.60 ms)</td>",
    ] {
        assert!(page.contains(says), "{says}: {page}");
    }
    assert_eq!(page.matches("shape s1 void").count(), 2 + 2 + 1 + 1, "with the legends");
}

#[test]
fn bounds_are_shaded_where_the_highest_rate_lies() {
    let sections = load::sections(&sweep(), Some((200.0, 400.0)));
    let charts = sections.into_iter().flatten().next().unwrap().body.into_string();
    let shaded = "<rect class=\"band shaded\" x=\"40.00%\" y=\"0\" width=\"40.00%\"";
    assert_eq!(charts.matches(shaded).count(), 3, "{charts}");
}

#[test]
fn contention_is_drawn_over_racers_for_each_size_and_over_sizes_for_the_most_racers() {
    let curves = curves();
    let sections: Vec<Section> = contention::sections(&curves).into_iter().flatten().collect();
    let page = page("x", "x", &contention::head(&curves), &sections);
    assert_eq!(faults(&page), Vec::<String>::new());
    for says in [
        "At 12 of 16 points every run was valid",
        "id=\"attempts-8\"",
        "id=\"jain-64\"",
        "id=\"by-lot-64\"",
        "id=\"commit-time-by-size\"",
        "retry, 16 racers of 8 members: &lt;/script&gt;",
        "<th scope=\"row\">4</th><td>5 (4.50 to 6)</td><td>1.44 (1.30 to 1.73)</td>",
    ] {
        assert!(page.contains(says), "{says}");
    }
    assert!(!page.contains("id=\"wasted-cpu-8\""), "nobody has measured it");
}

#[test]
fn a_capacity_is_never_told_without_its_bounds_and_they_are_shaded() {
    let bound = |factor: f64, met, missed| Bound {
        factor,
        decided: true,
        offered_per_s: spread(factor * 100.0).unwrap(),
        met,
        missed,
        ..Bound::default()
    };
    let mut capacity = Capacity {
        slo: vec!["response.p99 < 5ms".to_owned(), HOSTILE.to_owned()],
        conclusion: "bounded".to_owned(),
        lower: Some(bound(2.0, 3, 0)),
        upper: Some(bound(4.0, 0, 2)),
        width: Some(0.5),
        trials: [1.0, 2.0, 4.0, 2.0, 5.0].map(|factor| trial(1, factor, Status::Valid)).to_vec(),
        goal: CapacityGoal::default(),
        limited: None,
    };
    capacity.trials[2].length = Some("short".to_owned());
    capacity.trials[2].said = Some("missed".to_owned());
    capacity.trials[2].missed = vec!["response.p99 < 5ms: 9 ms".to_owned(), "late".to_owned()];
    let of = |capacity: &Capacity| {
        render(&CampaignRecord {
            schema_version: SCHEMA_VERSION,
            provenance: Provenance::default(),
            outcome: CampaignOutcome::FindMax(capacity.clone()),
        })
    };
    let page = of(&capacity);
    assert_eq!(faults(&page), Vec::<String>::new());
    for says in [
        "lies between the bounds below, which are 50.0% of the upper one apart",
        "Lower bound: keeps the goal</dt><dd><strong>200/s",
        "3 trials met the goal, 0 missed it",
        "<rect class=\"band shaded\" x=\"40.00%\" y=\"0\" width=\"40.00%\"",
        "<code>response.p99 &lt; 5ms</code>",
        "<td>short</td><td>missed</td><td>response.p99 &lt; 5ms: 9 ms; late</td>",
    ] {
        assert!(page.contains(says), "{says}");
    }
    (capacity.upper, capacity.width) = (None, None);
    for (conclusion, says) in [
        ("above_range", "there is no upper bound"),
        ("generator_limited", "could not offer more"),
        ("out_of_time", "ended before its bounds met: out of time"),
    ] {
        capacity.conclusion = conclusion.to_owned();
        let page = of(&capacity);
        assert!(page.contains(says) && page.contains("INVALID"), "{says}");
    }
}
