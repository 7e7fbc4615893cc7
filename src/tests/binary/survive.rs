//! `stentor survive`: a server that is killed keeps its promises, and a short look says so.

use super::child::Desk;

/// What the table says of a figure.
fn figure(out: &str, what: &str) -> u64 {
    let line = out.lines().find(|line| line.trim_start().starts_with(what)).expect(out);
    line.rsplit(' ').next().expect("a figure").parse().expect(line)
}

#[test]
fn a_server_that_is_killed_keeps_what_it_acknowledged() {
    for shards in ["1", "2"] {
        let desk = Desk::new();
        let ended = desk.survive(&["--kills", "8", "--groups", "4", "--shards", shards]).end();
        let out = &ended.out;
        // With the seed by which it can be repeated.
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(figure(out, "violations"), 0, "{out}");
        assert_eq!(figure(out, "kills"), 8, "{out}");
        for what in ["log entries", "messages accepted", "commits", "attachments", "deliveries"] {
            assert!(figure(out, what) > 0, "no {what}: {out}");
        }
        assert!(ended.err.contains(&format!("seed {}", figure(out, "seed"))), "{}", ended.err);
        assert_eq!(desk.temporary(), Vec::<std::path::PathBuf>::new(), "nothing is left");
    }
}

#[test]
fn a_server_that_cannot_be_prepared_is_one_line_and_no_verdict() {
    let desk = Desk::new();
    std::fs::remove_dir(desk.path("tmp")).unwrap();
    let ended = desk.survive(&["--kills", "1"]).end();
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.err.starts_with("stentor survive: cannot prepare a server"), "{}", ended.err);
}
