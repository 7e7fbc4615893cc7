//! Scenarios as people write them: what is understood, and what is refused at which line.

mod absences;
mod forms;
mod mix;
mod schema;
mod timing;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::delivery::Level;
use crate::mls::{Handshake, Suite, TreeState};

const GOOD: &str = r#"
why = "to test"
expect = "it parses"
seed = 7
durations = { warm_up = "1s", measure = "2s", drain = "5s" }

[[groups]]
name = "small"
count = 3
members = 8
rate = "20/s"
"#;

/// Seven of eight, and of any other number nearly as many.
const AWAY: &str = "away = { members = \"90%\", from = \"1s\", for = \"500ms\", over = \"500ms\" }";

fn with(line: &str) -> Result<Scenario, Mistake> {
    Scenario::parse(&format!("{GOOD}{line}\n"), "t.toml")
}

/// Asserts that the last of `lines`, which follow the eleven of the good text, is refused at
/// `field` for the reason given.
fn check(lines: &str, field: &str, reason: &str) {
    let error = with(lines).unwrap_err();
    assert_eq!((error.line, error.field.as_str()), (11 + lines.lines().count(), field), "{error}");
    assert!(error.message.contains(reason), "{error}");
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let scenario = with("").unwrap();
    assert_eq!((scenario.shards, scenario.key_exchange), (1, KeyExchange::X25519));
    let class = &scenario.groups[0];
    assert_eq!((class.senders, class.real, class.racers), (6, 2, 0));
    assert_eq!((class.source, &class.arrivals), (Source::Tape, &Arrivals::Poisson));
    assert_eq!((class.handshake, class.connections), (Handshake::Public, Connections::Own));
    assert_eq!((class.payload.max(), class.commits.is_zero()), (200, true));
    assert_eq!(class.suite.name(), "x25519-aes128-ed25519");
}

#[test]
fn only_synthetic_commits_find_the_tree_that_a_scenario_asks_for() {
    assert_eq!(with("source = \"synthetic\"").unwrap().groups[0].tree, TreeState::Merged);
    let fresh = with("source = \"synthetic\"\ntree = \"fresh\"").unwrap();
    assert_eq!(fresh.groups[0].tree, TreeState::Fresh);
    check("tree = \"fresh\"", "groups[0].tree", "only source = \"synthetic\"");
    check("source = \"synthetic\"\ntree = \"old\"", "groups[0].tree", "`fresh` or `merged`");
}

#[test]
fn everything_real_in_a_live_class_races_within_the_first_members() {
    let live = with("source = \"live\"").unwrap().groups.remove(0);
    assert_eq!((live.real_members(), live.sending_members()), (0..8, 0..4));
}

#[test]
fn the_real_members_of_a_tape_come_right_after_its_senders() {
    let tape = with("senders = 3").unwrap().groups.remove(0);
    assert_eq!((tape.sending_members(), tape.real_members()), (0..3, 3..5));
}

#[test]
fn a_group_of_the_classs_own_size_plays_it_as_it_is_written() {
    let class = with("senders = 2\nreal = 6").unwrap().groups.remove(0);
    assert_eq!(class.of_size(8), class);
    let smaller = class.of_size(4);
    assert_eq!((smaller.senders, smaller.real), (2, 2));
}

#[test]
fn defaults_give_way_to_what_is_written() {
    let class = with("senders = 8").unwrap().groups.remove(0);
    assert_eq!((class.senders, class.real), (8, 0));
}

#[test]
fn a_mistake_is_shown_with_its_place_its_field_and_what_is_allowed() {
    let error = with("payload = \"200\"").unwrap_err();
    let expected = "t.toml:12:11: groups[0].payload: \"200\" is not a whole number of bytes \
                    up to 4194304, such as \"200B\" or \"4KiB\", \"mimi\", or \
                    { lognormal = { median, p99, max } } of them\n   \
                    |\n12 | payload = \"200\"\n   |           ^^^^^";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_field_out_of_range_is_refused_by_name() {
    check("real = -1", "groups[0].real", "from 0 to");
    check("senders = 0", "groups[0].senders", "from 1 to");
    check("commits = \"101%\"", "groups[0].commits", "to \"100%\"");
    check("connections = \"shared:0\"", "groups[0].connections", "from 1 to");
    check("suite = \"Not A Suite\"", "groups[0].suite", "did you mean");
    check("arrivals = \"bursty\"", "groups[0].arrivals", "\"poisson\", \"even\"");
    check("colour = 1", "groups[0].colour", "unknown field `colour`");
}

#[test]
fn fields_that_contradict_each_other_are_refused_by_name() {
    check("senders = 9", "groups[0].senders", "the group has 8 members");
    check("real = 9", "groups[0].real", "the group has 8 members");
    check("real = 8", "groups[0].real", "minted");
    check("racers = 4", "groups[0].racers", "live");
    check("source = \"live\"\nracers = 9", "groups[0].racers", "8 members");
    check("contention = { policy = \"lease\" }", "groups[0].contention", "only the racers");
    check("source = \"synthetic\"\nreal = 1", "groups[0].real", "synthetic");
    check("connections = \"shared:25\"", "groups[0].connections", "the class has 24");
}

#[test]
fn a_class_says_what_its_messages_survive_and_how_closely_they_are_looked_at() {
    let scenario = with("").unwrap();
    let class = &scenario.groups[0];
    assert_eq!((class.durability, class.validation), (Durability::None, Level::Opaque));
    assert!(!scenario.is_durable() && class.acknowledge.is_none());
    assert_eq!(with("acknowledge = 64").unwrap().groups[0].acknowledge, Some(64));
    check("acknowledge = 0", "groups[0].acknowledge", "from 1 to 1024");
    let scenario = with("durability = \"wal\"\nvalidation = \"public\"").unwrap();
    let class = &scenario.groups[0];
    assert_eq!((class.durability, class.validation), (Durability::Wal, Level::Public));
    assert!(scenario.is_durable());
    check("durability = \"disk\"", "groups[0].durability", "neither \"none\" nor \"wal\"");
    check("validation = \"deep\"", "groups[0].validation", "none of \"opaque\"");
}

#[test]
fn a_level_wants_handshakes_that_it_can_read() {
    for level in ["header", "public"] {
        let level = format!("validation = \"{level}\"");
        let private = format!("{level}\nhandshake = \"private\"");
        check(&private, "groups[0].handshake", "they are to be public");
        assert!(with(&format!("source = \"live\"\n{level}")).is_ok());
    }
    let private = "validation = \"opaque\"\nhandshake = \"private\"";
    assert!(with(private).is_ok());
    assert!(with("source = \"synthetic\"\nvalidation = \"header\"").is_ok());
    let unsigned = "source = \"synthetic\"\nvalidation = \"public\"";
    check(unsigned, "groups[0].validation", "signed by nobody");
}

#[test]
fn a_total_over_its_bound_is_blamed_on_the_class_that_crosses_it() {
    let more = "[[groups]]\nname = \"b\"\ncount = 200000\nmembers = 100\nrate = \"1/s\"";
    let error = with(more).unwrap_err();
    assert_eq!((error.line, error.field.as_str()), (14, "groups[1].count"), "{error}");
    let more = "[[groups]]\nname = \"b\"\ncount = 1\nmembers = 9\nrate = \"1000000/s\"\n\
                [[groups]]\nname = \"c\"\ncount = 1\nmembers = 9\nrate = \"1000000/s\"";
    let error = with(more).unwrap_err();
    assert_eq!(error.field, "groups[2].rate", "{error}");
}

#[test]
fn two_classes_of_one_name_are_refused() {
    let error =
        with("[[groups]]\nname = \"small\"\ncount = 1\nmembers = 2\nrate = \"1/s\"").unwrap_err();
    assert_eq!((error.line, error.field.as_str()), (13, "groups[1].name"), "{error}");
}

#[test]
fn a_scenario_without_groups_or_without_a_field_is_refused() {
    let (head, _) = GOOD.split_once("[[groups]]").unwrap();
    let error = Scenario::parse(head, "t").unwrap_err();
    assert!(error.message.contains("missing field `groups`"), "{error}");
    let error = Scenario::parse(&head.replace("seed = 7", "seed = 7\ngroups = []"), "t");
    assert_eq!(error.unwrap_err().field, "groups");
    let error = Scenario::parse(&GOOD.replace("rate = \"20/s\"", ""), "t").unwrap_err();
    assert!(error.message.contains("missing field `rate`"), "{error}");
    assert_eq!((error.line, error.field.as_str()), (7, "groups[0]"));
}

#[test]
fn a_scenario_over_its_size_is_refused_unread() {
    let error = Scenario::parse(&"#".repeat(SCENARIO_BYTES_MAX + 1), "t").unwrap_err();
    assert!(error.message.contains("at most"), "{error}");
}

#[test]
fn line_ends_do_not_change_the_hash_and_a_word_does() {
    assert_eq!(hash(GOOD), hash(&GOOD.replace('\n', " \r\n")));
    assert_eq!(hash(GOOD), hash(&format!("{GOOD}\n\n")));
    assert_ne!(hash(GOOD), hash(&GOOD.replace("small", "smell")));
    assert_eq!(hash(GOOD).len(), 32);
}

#[test]
fn the_small_version_of_a_large_scenario_agrees_with_itself() {
    for line in ["", "source = \"live\"\nracers = 8", "source = \"synthetic\"", "senders = 7", AWAY]
    {
        let text = format!("{GOOD}{line}\n").replace("count = 3", "count = 40");
        let mut scenario = Scenario::parse(&text, "t").unwrap();
        for members in [8, 30, 5000] {
            scenario.groups[0].members = members;
            let small = scenario.scaled_down();
            assert_eq!(check::first_fault(&small), None, "{line} {members}");
            assert!(small.groups[0].members <= 20 && small.groups[0].count <= 4);
            assert!((5.0..=50.0).contains(&small.groups[0].rate.as_per_second()));
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        drop(Scenario::parse(&text, "t").map_err(|error| error.to_string()));
    }

    #[test]
    fn no_mutation_of_a_good_text_makes_the_parser_panic(
        at in 0..GOOD.len(), with in "[\\[\\]{}=\"'.#\\n\u{e9}0-9a-z-]{0,6}", cut in 0_usize..12,
    ) {
        let mut text = GOOD.to_owned();
        text.replace_range(at..(at + cut).min(GOOD.len()), &with);
        drop(Scenario::parse(&text, "t").map_err(|error| error.to_string()));
    }
}

fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// A trace of the repository.
fn trace(file: &str) -> Result<String, String> {
    std::fs::read_to_string(folder().join(file)).map_err(|error| error.to_string())
}

fn files() -> Vec<(String, String)> {
    let folder = folder();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(files.len() >= 4);
    files
}

#[test]
fn every_scenario_of_the_repository_is_in_order_and_says_what_it_is_for() {
    for (file, text) in files() {
        let scenario = Scenario::parse_with(&text, &file, &mut trace);
        let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
        assert!(text.starts_with("# "), "{file} opens with what it is about");
        assert!(scenario.why.len() > 20 && scenario.expect.len() > 20, "{file}");
        for class in &scenario.groups {
            assert!(Suite::named(class.suite.name()).is_ok(), "{file}");
        }
        let small = scenario.scaled_down();
        assert_eq!(check::first_fault(&small), None, "{file}");
        let total = (small.offered() + small.drain).as_secs_f64();
        assert!(total < 7.0, "{file} is small enough for a test");
    }
}

#[test]
fn a_threshold_is_a_line_or_a_table_and_its_mistake_is_placed_at_its_character() {
    let with =
        |thresholds: &str| Scenario::parse(&format!("thresholds = [{thresholds}]\n{GOOD}"), "t");
    let scenario =
        with("\"violations == 0\", { that = \"response.p99 < 1s\", abort = false }").unwrap();
    let found = scenario.thresholds.iter().map(|one| (one.text.as_str(), one.abort));
    assert_eq!(
        found.collect::<Vec<_>>(),
        [("violations == 0", true), ("response.p99 < 1s", false)]
    );
    let check = |thresholds: &str, column: usize, field: &str, hint: &str| {
        let mistake = with(thresholds).unwrap_err();
        assert_eq!((mistake.line, mistake.column), (1, column), "{mistake}");
        assert_eq!(mistake.field, field, "{mistake}");
        assert!(mistake.message.contains(hint), "{mistake}");
    };
    check("\"response.p98 < 1s\"", 25, "thresholds[0]", "p99");
    check("\"violations == 0\", { that = \"violation == 0\" }", 44, "thresholds[1]", "violations");
    check("\"response.p99 < 1s \\u0021\"", 15, "thresholds[0]", "duration");
    check("7", 15, "thresholds[0]", "a threshold such as");
    check("\"response{group=nobody}.p99 < 1s\"", 15, "thresholds[0]", "there are ");
}

#[test]
fn every_field_of_the_format_and_every_file_is_in_the_readme() {
    let readme = include_str!("../../../scenarios/README.md");
    // serde lists every field it knows when it meets one that it does not.
    let fields_of = |text: &str| -> Vec<String> {
        let error = Scenario::parse(text, "t").unwrap_err();
        assert!(error.message.contains("expected one of") || error.message.contains("expected `"));
        let known = error.message.split_once("expected").unwrap().1.to_owned();
        known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let server = GOOD.replace("[[groups]]", "[server]\ncolour = 1\n[[groups]]");
    let sections = [
        ("", "x = 1\n".to_owned() + GOOD),
        ("phases.", GOOD.replace("[[groups]]", "[[phases]]\nx = 1\n[[groups]]")),
        ("durations.", GOOD.replace("durations = {", "durations = { x = 1,")),
        ("server.", server),
        ("", format!("{GOOD}x = 1\n")),
        ("away.", format!("{GOOD}away = {{ x = 1 }}\n")),
        ("slow.", format!("{GOOD}slow = {{ x = 1 }}\n")),
        ("mix.", format!("{GOOD}mix = {{ x = 1 }}\n")),
        ("thresholds.", format!("thresholds = [{{ x = 1 }}]\n{GOOD}")),
        ("contention.", format!("{GOOD}contention = {{ x = 1 }}\n")),
        ("arrivals.", format!("{GOOD}arrivals = {{ x = 1 }}\n")),
        ("hot.", format!("{GOOD}hot = {{ x = 1 }}\n")),
        ("late.", format!("{GOOD}late = {{ x = 1 }}\n")),
    ];
    let mut count = 0;
    for (prefix, text) in sections {
        for field in fields_of(&text) {
            count += 1;
            let tables = [
                "durations",
                "phases",
                "server",
                "groups",
                "away",
                "slow",
                "hot",
                "thresholds",
                "contention",
            ];
            if tables.contains(&field.as_str()) {
                continue;
            }
            assert!(readme.contains(&format!("| `{prefix}{field}` |")), "{prefix}{field}");
        }
    }
    assert_eq!(
        count,
        10 + 7 + 3 + 2 + 25 + 8 + 5 + 5 + 2 + 7 + 5 + 2 + 1 + 2,
        "the thirteen tables of the format"
    );
    for (file, _) in files() {
        let name = std::path::Path::new(&file).file_name().unwrap().to_str().unwrap();
        assert!(readme.contains(&format!("| `{name}` |")), "{name}");
    }
}
