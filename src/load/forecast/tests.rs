//! A forecast against cases worked out by hand; `tests::forecast` holds it against real runs.

use super::*;
use crate::load::scenario::Scenario;

fn forecast(class: &str) -> Forecast {
    let text = format!(
        "why = \"\"\nexpect = \"\"\nseed = 11\n\
         durations = {{ warm_up = \"1s\", measure = \"4s\", drain = \"1s\" }}\n\
         [[groups]]\nname = \"a\"\n{class}\n"
    );
    Forecast::of(&Draft::of(Scenario::parse(&text, "t").unwrap()))
}

const EVEN: &str = "count = 2\nmembers = 10\nrate = \"20/s\"\narrivals = \"even\"\n\
                    source = \"synthetic\"\ncommits = \"10%\"";

#[test]
fn operations_and_deliveries_are_those_of_the_schedule() {
    let forecast = forecast(EVEN);
    let class = &forecast.classes[0];
    assert_eq!((class.applications, class.commits, class.proposals), (90, 10, 0));
    assert_eq!((forecast.operations(), forecast.groups, forecast.members), (100, 2, 20));
    assert_eq!(class.accepted, Bounds::exactly(100.0));
    assert_eq!(class.deliveries, Bounds::exactly(1_000.0));
    assert_eq!(forecast.connections, 20);
    let of = |phase: &OfPhase| (phase.operations, phase.busiest, phase.deliveries);
    let phases: Vec<_> = forecast.phases.iter().map(of).collect();
    assert_eq!(phases, [(20, 20, 200.0), (80, 20, 800.0)]);
    assert_eq!(forecast.phases[1].busiest_deliveries, 200.0);
}

#[test]
fn a_group_that_grows_has_one_more_delivery_from_each_add_on() {
    let growing =
        EVEN.replace("count = 2", "count = 1").replace("commits = \"10%\"", "joiners = 20");
    let forecast = forecast(&format!("{growing}\nmix = {{ adds = \"10%\" }}"));
    let class = &forecast.classes[0];
    assert_eq!((class.applications, class.commits, class.added, class.removed), (90, 10, 10, 0));
    // Nine messages to 10 + k members, and the commit to the one who comes in as well.
    let expected: u32 = (0..10).map(|k| 9 * (10 + k) + (11 + k)).sum();
    assert_eq!(class.deliveries, Bounds::exactly(expected.into()));
    assert_eq!((forecast.members, forecast.sessions, forecast.connections), (10, 30, 30));
}

#[test]
fn a_post_quantum_welcome_is_foretold_longer_where_an_init_key_is_and_nowhere_else() {
    let growing = EVEN.replace("commits = \"10%\"", "commits = \"10%\"\njoiners = 20");
    let growing = format!("{growing}\nmix = {{ adds = \"10%\" }}");
    let plain = forecast(&growing);
    let opened = forecast(&format!("{growing}\nwelcome = \"xwing-aes128-ed25519\""));
    let (plain, opened) = (&plain.classes[0], &opened.classes[0]);
    let key = f64::from(1_216 + 2 - 32 - 1);
    assert_eq!((plain.welcomed, opened.welcomed, plain.added), (10, 10, 10));
    assert_eq!(opened.key_package_bytes, plain.key_package_bytes + 10.0 * key);
    assert_eq!(opened.welcome_bytes, plain.welcome_bytes + 10.0 * f64::from(1_120 + 2 - 32 - 1));
    assert_eq!(opened.submitted.most, plain.submitted.most + 10.0 * key);
    assert_eq!(opened.deliveries, plain.deliveries);
    let none = forecast(EVEN);
    assert_eq!((none.classes[0].welcomed, none.classes[0].welcome_bytes), (0, 0.0));
}

#[test]
fn bytes_of_a_synthetic_class_are_exact_and_of_a_minted_one_between_two_trees() {
    let synthetic = forecast(EVEN);
    let class = &synthetic.classes[0];
    assert_eq!(class.submitted.least, class.submitted.most);
    assert_eq!(class.delivered, class.submitted.times(10.0));
    let minted = forecast(&EVEN.replace("synthetic", "tape"));
    let class = &minted.classes[0];
    assert!(class.submitted.least < class.submitted.most, "{class:?}");
    assert!(class.egress.least > class.delivered.least && class.egress.most > class.egress.least);
}

#[test]
fn a_race_is_bounded_by_one_winner_and_by_all_of_them() {
    let forecast = forecast(
        "count = 2\nmembers = 8\nrate = \"5/s\"\narrivals = \"even\"\nsource = \"live\"\nracers = 3",
    );
    let class = &forecast.classes[0];
    assert_eq!((class.rounds, class.commits), (25, 0));
    assert_eq!(class.accepted, Bounds { least: 25.0, most: 75.0 });
    assert_eq!(class.deliveries, Bounds { least: 200.0, most: 600.0 });
    assert_eq!(forecast.phases[1].deliveries, 480.0);
}

#[test]
fn a_log_is_of_durable_groups_alone() {
    assert_eq!(forecast(EVEN).log_bytes, Bounds::default());
    let durable = forecast(&format!("{EVEN}\ndurability = \"wal\""));
    let bytes = durable.classes[0].submitted.least + 100.0 * LOGGED_MESSAGE_BYTES as f64;
    assert_eq!(durable.log_bytes, Bounds::exactly(bytes));
}

#[test]
fn no_more_is_kept_than_a_ring_holds() {
    let few = forecast(EVEN).kept_bytes;
    let many = forecast(&EVEN.replace("20/s", "2000/s")).kept_bytes;
    assert!(many.most < 2.0 * RING_ENTRIES_MAX as f64 * 2_000.0, "{many:?}");
    assert!(few.most < many.most && few.least > 0.0, "{few:?}");
    let acknowledged = forecast(&format!("{EVEN}\nacknowledge = 8")).kept_bytes;
    assert_eq!(acknowledged.least, 0.0);
}
