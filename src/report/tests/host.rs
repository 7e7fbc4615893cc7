//! A host's record: how it is kept, and what is printed of it.

use std::fs;

use super::f3;
use crate::floor::{Manner, Sending, Spread};
use crate::report::folder::{keep_host, read_host};
use crate::report::host::{F3Record, HostRecord, Machine, SealRecord, SendRecord};
use crate::report::host_summary;
use crate::report::record::RecordError;
use crate::report::summary::Look;

pub(super) fn host() -> HostRecord {
    let ns_per_packet = Spread { median: 120.0, min: 110.0, max: 130.0 };
    let sending = Sending {
        manner: Manner::Trains,
        receivers: 10,
        cpu_us_per_packet: Spread::default(),
        packets: 440,
        lost: 44,
    };
    HostRecord {
        schema_version: 1,
        machine: Machine { cores: Some(2), ..Machine::default() },
        measured_utc: "2026-01-31T23:59:59Z".to_owned(),
        git_commit: None,
        git_dirty: None,
        stentor_version: "0.1.0".to_owned(),
        build_profile: "debug".to_owned(),
        seal: vec![SealRecord { cipher: "AES-128-GCM".to_owned(), bytes: 400, ns_per_packet }],
        udp_send: vec![SendRecord::of(&sending, 1_000)],
        f3: vec![F3Record::from(&f3())],
    }
}

#[test]
fn a_host_record_survives_being_kept_and_the_last_one_counts() {
    let results = tempfile::tempdir().unwrap();
    let within = results.path().join("new");
    let mut record = host();
    keep_host(&within, &record).unwrap();
    record.f3.clear();
    let path = keep_host(&within, &record).unwrap();
    assert!(path.ends_with("new/host.json"));
    assert_eq!(HostRecord::from_json(&fs::read_to_string(path).unwrap()).unwrap(), record);
    assert_eq!(fs::read_dir(&within).unwrap().count(), 1, "nothing else is left behind");
    assert_eq!(read_host(&within).unwrap(), record);
    assert_eq!(read_host(results.path()), None);
    let newer = record.to_json().replacen("\"schema_version\": 1", "\"schema_version\": 2", 1);
    assert!(matches!(HostRecord::from_json(&newer), Err(RecordError::Version { found: 2, .. })));
}

#[test]
fn a_host_in_text_says_what_its_figures_are_of() {
    let text = host_summary::render(&host(), Look::default());
    for says in [
        "AES-128-GCM       400       120   110..130",
        "250 B x 900         2.25   2.00..3.00      4.50   2.00..3.00",
        "a debug build: these figures mean nothing",
        "both sides shared a core",
        "sent to 10 sockets instead of 1,000",
        "44 of 440 packets were lost by gso",
        "250 B x 900: rounds that lost packets and do not count: 1",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
}
