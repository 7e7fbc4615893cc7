//! Campaigns on a service that is made up: its records follow from what is offered.

mod capacity;
mod sweep;

use std::time::Duration;

use super::{TrialError, Trials};
use crate::load::scenario::Scenario;
use crate::load::threshold::Standing;
use crate::report::record::{Record, ThresholdRecord};
use crate::report::verdict::{Status, Verdict};

/// A record as a run wrote it, which the made-up ones change.
const RECORD: &str = include_str!("../../../results/reference/fanout-1k/run.json");

/// One load, even and small.
const SCENARIO: &str = r#"why = "to test"
expect = "nothing"
seed = 5
thresholds = ["fanout_last.p99 < 250ms"]
durations = { warm_up = "1s", measure = "2s", drain = "1s" }

[[groups]]
name = "small"
count = 1
members = 4
source = "synthetic"
rate = "100/s"
"#;

fn scenario() -> Scenario {
    Scenario::parse(SCENARIO, "t").unwrap()
}

/// The same with a second class whose racers want the next change when the last has come through.
fn closed() -> Scenario {
    let text = format!(
        "{SCENARIO}\n[[groups]]\nname = \"loop\"\ncount = 1\nmembers = 4\nsource = \"live\"\n\
         rate = \"1/s\"\nracers = 2\ncontention = {{ policy = \"retry\", think = \"100ms\" }}\n"
    );
    Scenario::parse(&text, "t").unwrap_or_else(|error| panic!("{error}"))
}

/// A service that bears so many operations a second, and a generator that can offer so many.
struct MadeUp {
    service_per_s: f64,
    generator_per_s: f64,
    elapsed: Duration,
    said: Vec<String>,
    ran: Vec<Scenario>,
}

impl MadeUp {
    fn new(service_per_s: f64, generator_per_s: f64) -> Self {
        let (said, ran) = (Vec::new(), Vec::new());
        Self { service_per_s, generator_per_s, elapsed: Duration::ZERO, said, ran }
    }

    fn record(&self, scenario: &Scenario) -> Record {
        let offered = scenario.offered_per_second();
        let achieved = offered.min(self.service_per_s);
        let mut record = Record::from_json(RECORD).unwrap();
        let valid = offered <= self.generator_per_s;
        let late = "the generator was late: p99 90000 us, 10000 us allowed".to_owned();
        record.verdict = Verdict {
            status: if valid { Status::Valid } else { Status::Invalid },
            reasons: if valid { Vec::new() } else { vec![late] },
            generator_limited: !valid,
        };
        let window = scenario.window();
        record.throughput.window_s = (window.end - window.start).as_secs_f64();
        record.throughput.offered_per_s = offered;
        record.throughput.operations_per_s = achieved;
        record.throughput.deliveries_per_s = achieved * 4.0;
        let p99 = if offered > self.service_per_s { 900_000 } else { 2_000 };
        record.latency_us.fanout_last.p99 = p99;
        let status = if p99 < 250_000 { Standing::Pass } else { Standing::Fail };
        record.thresholds = vec![ThresholdRecord {
            text: scenario.thresholds[0].text.clone(),
            value: Some(p99 as f64),
            unit: "us".to_owned(),
            status,
            aborted: false,
        }];
        record
    }
}

impl Trials for MadeUp {
    fn run(&mut self, scenario: Scenario) -> Result<Record, TrialError> {
        self.elapsed += scenario.offered();
        let record = self.record(&scenario);
        self.ran.push(scenario);
        Ok(record)
    }

    fn say(&mut self, line: &str) {
        self.said.push(line.to_owned());
    }

    fn elapsed(&self) -> Duration {
        self.elapsed
    }
}
