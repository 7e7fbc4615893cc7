//! The pages as their readers meet them.

mod format;
mod http;

use super::{Build, Health, page};
use crate::server::{Timing, Timings};
use crate::wire::{Counter, Counters};

const BUILD: Build = Build { version: "1.2.3", commit: "ab\"\\\ncd" };

/// Counters with a different value for each, from `first` on.
fn counted(first: u64) -> Counters {
    let mut counters = Counters::default();
    for (value, &counter) in (first..).zip(Counter::ALL) {
        counters.set(counter, value);
    }
    counters
}

#[test]
fn every_counter_is_on_the_page_with_its_type_and_once_for_each_shard() {
    let shards = [(counted(1_000), Timings::default()), (counted(2_000), Timings::default())];
    let families = format::read(&page(BUILD, Health::Ready, Some(&counted(0)), &shards)).unwrap();
    assert_eq!(families.len(), 2 + Counter::COUNT + Timing::ALL.len());
    for &counter in Counter::ALL {
        let name = counter.name();
        let stem = name
            .strip_suffix("_us")
            .map_or_else(|| name.to_owned(), |base| format!("{base}_seconds"));
        let suffix = if counter.is_level() { "" } else { "_total" };
        let family = &families[&format!("stentor_{stem}{suffix}")];
        assert_eq!(family.kind == "gauge", counter.is_level(), "{stem}");
        assert!(!family.help.contains("micro") && !family.help.contains("level"), "{family:?}");
        let scale = if counter.name().ends_with("_us") { 1e-6 } else { 1.0 };
        let shown: Vec<_> =
            family.samples.iter().map(|one| (one.labels.get("shard"), one.value)).collect();
        let at = counter.index() as f64;
        if counter.is_of_process() {
            assert_eq!(shown, [(None, at * scale)], "{stem}");
        } else {
            let [zero, one] = ["0", "1"].map(str::to_owned);
            let expected = [(Some(&zero), 1_000.0 + at), (Some(&one), 2_000.0 + at)];
            assert_eq!(shown, expected, "{stem}");
        }
    }
}

#[test]
fn turns_are_a_histogram_in_seconds() {
    let mut timings = Timings::default();
    for us in [10, 100, 1_000, 10_000_000] {
        timings.record(Timing::Turn, std::time::Duration::from_micros(us));
    }
    let shards = [(Counters::default(), timings)];
    let text = page(BUILD, Health::Ready, Some(&Counters::default()), &shards);
    let families = format::read(&text).unwrap();
    let turn = &families["stentor_turn_seconds"];
    assert_eq!(turn.kind, "histogram");
    assert!(text.contains("stentor_turn_seconds_bucket{shard=\"0\",le=\"0.000016\"} 1\n"));
    assert!(text.contains("stentor_turn_seconds_bucket{shard=\"0\",le=\"+Inf\"} 4\n"));
    assert!(text.contains("stentor_turn_seconds_sum{shard=\"0\"} 10.001110\n"));
}

#[test]
fn one_word_is_where_the_server_is_in_its_life_also_before_there_are_counters() {
    for health in Health::ALL {
        let families = format::read(&page(BUILD, health, None, &[])).unwrap();
        let states = &families["stentor_health"].samples;
        let now: Vec<_> = states.iter().filter(|one| one.value == 1.0).collect();
        assert_eq!((states.len(), now.len()), (4, 1));
        assert_eq!(now[0].labels["state"], health.word());
    }
}

#[test]
fn the_build_is_told_whatever_is_in_its_name() {
    let families = format::read(&page(BUILD, Health::Ready, None, &[])).unwrap();
    let info = &families["stentor_build_info"].samples[0];
    assert_eq!((&*info.labels["version"], &*info.labels["commit"]), (BUILD.version, BUILD.commit));
}
