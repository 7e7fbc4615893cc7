//! What planning a run costs: every intended instant of a schedule, before the run.
//!
//! Operations a second, of a hundred thousand. The answer is checked: as many as the rate asks
//! for, in order.
//!
//! `cargo bench --bench schedule -- --quick`

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use stentor::load::scenario::Scenario;
use stentor::load::schedule::Schedule;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const OPERATIONS: u32 = 100_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut bench = criterion.benchmark_group("plan");
    bench.throughput(Throughput::Elements(u64::from(OPERATIONS)));
    // A Poisson count is as its rate asks to within five standard deviations, 99.9999 % of the time.
    let spread = f64::from(OPERATIONS).sqrt() * 5.0;
    for (arrivals, spread) in [("even", 0.0), ("poisson", spread)] {
        let scenario = scenario(arrivals);
        bench.bench_function(BenchmarkId::new(arrivals, OPERATIONS), |bencher| {
            bencher.iter(|| {
                let schedule = Schedule::plan(black_box(&scenario));
                check(&schedule, spread);
                schedule
            });
        });
    }
    bench.finish();
    criterion.final_summary();
}

/// Ten seconds of many small groups that send and commit.
fn scenario(arrivals: &str) -> Scenario {
    let rate = OPERATIONS / 10;
    let text = format!(
        "why = \"\"\nexpect = \"\"\nseed = 11\n\
         durations = {{ warm_up = \"1s\", measure = \"9s\", drain = \"1s\" }}\n\
         [[groups]]\nname = \"a\"\ncount = 100\nmembers = 8\nrate = \"{rate}/s\"\n\
         commits = \"2%\"\narrivals = \"{arrivals}\"\n"
    );
    Scenario::parse(&text, "schedule").expect("it is well-formed")
}

/// A pass over what was planned: a small part of the time measured.
fn check(schedule: &Schedule, spread: f64) {
    let operations = schedule.operations();
    let count = u32::try_from(operations.len()).expect("it was planned");
    assert!((f64::from(count) - f64::from(OPERATIONS)).abs() <= spread, "{count}");
    assert!(operations.is_sorted_by_key(|operation| operation.intended));
    assert!(operations.iter().all(|operation| operation.intended < Duration::from_secs(10)));
}
