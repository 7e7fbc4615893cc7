//! Tables held to a record in which no two figures are alike.

use super::*;
use crate::suites::published::What;
use crate::suites::sample::{self, ROWS};

#[test]
fn a_time_is_told_with_its_interval_in_one_unit() {
    let check = |median_us, low_us, high_us, expected: &str| {
        let timing = Timing { n: 9, median_us, low_us, high_us, coverage: 0.96 };
        assert_eq!(spread(&timing), expected);
    };
    check(45_100.0, 44_900.0, 46_040.0, "45.1 (44.9..46.0) ms");
    check(7.0, 6.5, 100.0, "7.00 (6.50..100) us");
    check(1.5e6, 999_000.0, 2e6, "1.50 (1.00..2.00) s");
}

#[test]
fn a_suite_of_two_stacks_is_told_beside_each_other_and_why() {
    let mut record = sample::record();
    assert!(!render(&record, Look::default()).contains("why stacks differ"));
    let mut other = record.cells[0].clone();
    other.stack = "mls-rs/awslc".to_owned();
    record.cells.push(other);
    let text = render(&record, Look::default());
    for told in ["at 2 members in several stacks", "mls-rs/awslc x", "Cryptography: RustCrypto"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    for line in text.lines().filter(|line| !line.starts_with("from")) {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn trees_that_were_left_out_are_named_with_how_to_ask_for_them() {
    let mut record = sample::record();
    record.settings.sizes = vec![2, 1_000];
    assert_eq!(unmeasured(&record), None, "these states were asked for");
    record.settings.states.clear();
    let said = unmeasured(&record).unwrap();
    assert!(said.contains("1,000") && said.contains("--states merged,churned"), "{said}");
    record.settings.sizes = vec![2, 100];
    assert_eq!(unmeasured(&record), None);
}

#[test]
fn a_failure_is_told_where_its_figures_would_be_and_in_words() {
    let text = render(&sample::record(), Look::default());
    assert!(text.contains("FAILED"), "{text}");
    let said = "xwing-aes128-ed25519 in openmls/rust_crypto at 100, fresh: cannot commit: <no>";
    assert!(text.contains(said), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

/// What stands for a time, or for bytes, of the made-up record that tells all figures apart.
fn time(members: u32, row: usize, state: State, operation: Operation) -> String {
    let us = sample::time_us(members, row, state, operation);
    format!("{us} ({}..{}) us", us - 100, us + 200)
}

fn bytes(members: u32, row: usize, state: State, object: Object) -> String {
    let bytes = sample::bytes(members, row, state, object);
    format!("{},{:03}", bytes / 1_000, bytes % 1_000)
}

/// The figures of one suite, each as it is; of a cell that failed or is not there, the word for that.
fn check(row: &[String], name: &str, figures: &[String]) {
    assert_eq!(row[0], name);
    assert_eq!(&row[1..], figures, "{name}");
}

fn all(word: &str, columns: usize) -> Vec<String> {
    vec![word.to_owned(); columns]
}

#[test]
fn each_time_stands_in_the_row_of_its_suite_and_the_column_of_its_size() {
    use State::Fresh;
    let record = sample::distinct();
    for operation in Operation::ALL {
        let rows = times(&record, operation);
        assert_eq!(rows[0], ["suite", "4", "100", "1,000"].map(str::to_owned));
        let of = |row: usize, sizes: [u32; 3]| sizes.map(|at| time(at, row, Fresh, operation));
        check(&rows[1], "x25519-aes128-ed25519 r", &of(0, [4, 100, 1_000]));
        let [small, middle, _] = of(1, [4, 100, 1_000]);
        check(&rows[2], "x25519-aes128-ed25519 m", &[small, middle, "FAILED".to_owned()]);
        let [_, middle, large] = of(2, [4, 100, 1_000]);
        check(&rows[3], "xwing-aes128-ed25519 r", &["-".to_owned(), middle, large]);
        assert_eq!(rows.len(), 1 + ROWS.len());
    }
}

#[test]
fn commits_of_a_state_are_of_the_largest_group_that_has_figures_in_it() {
    let record = sample::distinct();
    let of = |members, row, state| {
        let timed = [Operation::Update, Operation::Process, Operation::AddOne];
        let mut figures = timed.map(|operation| time(members, row, state, operation)).to_vec();
        figures.push(bytes(members, row, state, Object::CommitUpdate));
        figures
    };
    let table = |state, expected| {
        let (members, rows) = commits(&record, state).unwrap();
        assert_eq!(members, expected, "{state:?}");
        assert_eq!((rows.len(), rows[0].len()), (1 + ROWS.len(), 5), "{rows:?}");
        rows
    };
    let settled = table(State::Settled, 100);
    for (row, name) in ROWS.iter().enumerate() {
        check(&settled[1 + row], &super::name(*name), &of(100, row, State::Settled));
    }
    let merged = table(State::Merged, 1_000);
    check(&merged[1], "x25519-aes128-ed25519 r", &of(1_000, 0, State::Merged));
    check(&merged[2], "x25519-aes128-ed25519 m", &of(1_000, 1, State::Merged));
    check(&merged[3], "xwing-aes128-ed25519 r", &all("-", 4));
    let churned = table(State::Churned, 1_000);
    check(&churned[1], "x25519-aes128-ed25519 r", &of(1_000, 0, State::Churned));
    check(&churned[2], "x25519-aes128-ed25519 m", &all("FAILED", 4));
    check(&churned[3], "xwing-aes128-ed25519 r", &of(1_000, 2, State::Churned));
    let text = render(&record, Look::default());
    for told in ["a settled tree of 100\n", "a merged tree of 1,000\n", "a churned tree of 1,000\n"]
    {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(text.contains("- not measured"), "{text}");
}

#[test]
fn each_length_stands_in_the_row_of_its_suite_and_the_column_of_its_object() {
    use State::Fresh;
    let record = sample::distinct();
    let rows = sizes(&record, 1_000);
    let of = |row| {
        use Object::{Application, CommitUpdate, GroupInfo, KeyPackage, Tree, WelcomeOne};
        let told = [KeyPackage, CommitUpdate, WelcomeOne, GroupInfo, Tree, Application];
        told.map(|object| bytes(1_000, row, Fresh, object)).to_vec()
    };
    check(&rows[1], "x25519-aes128-ed25519 r", &[of(0), all("25.0 MiB", 1)].concat());
    check(&rows[2], "x25519-aes128-ed25519 m", &all("FAILED", 7));
    check(&rows[3], "xwing-aes128-ed25519 r", &[of(2), all("33.0 MiB", 1)].concat());
    assert!(render(&record, Look::default()).contains("bytes at 1,000 members, fresh tree"));
}

#[test]
fn what_no_fresh_tree_was_asked_for_has_no_table_of_one() {
    let mut record = sample::distinct();
    record.cells.retain(|cell| cell.state != State::Fresh);
    let text = render(&record, Look::default());
    assert!(!text.contains("fresh tree"), "{text}");
    assert!(text.contains("commits in a merged tree of 1,000"), "{text}");
}

#[test]
fn a_published_figure_stands_beside_ours_of_the_same_operation_size_and_unit() {
    let record = sample::published();
    let rows = published(&record);
    let mut found = rows[1..].iter();
    for (number, of) in PUBLISHED.iter().enumerate() {
        let ours = match of.what {
            What::Time(..) => {
                let us = sample::PUBLISHED_US + number;
                [0, 300].map(|more| us + more).map(|us| format!("{us} ({us}..{us}) us"))
            }
            What::Bytes(..) => {
                [0, 300].map(|more| format!("{} B", sample::PUBLISHED_US + number + more))
            }
            What::Other(..) => continue,
        };
        for (ours, stack) in ours.into_iter().zip(["r", "m"]) {
            let members = of.members.to_string();
            let row = found.next().unwrap();
            let told = [of.source, of.name()].map(str::to_owned);
            assert_eq!(row[..2], told);
            assert_eq!(row[2].replace(',', ""), members);
            assert_eq!(row[3..], [of.theirs(), ours, stack.to_owned()], "{of:?}");
        }
    }
    assert_eq!(found.next(), None);
    assert_eq!(
        unlike(&record).unwrap().split(' ').next(),
        Some("2"),
        "those that are not measured here"
    );
}

#[test]
fn published_figures_that_nothing_here_is_of_are_counted_and_not_left_out_in_silence() {
    let mut record = sample::published();
    record.cells.retain(|cell| cell.members == 2);
    let rows = published(&record);
    assert!(rows[1..].iter().all(|row| row[2] == "2"), "{rows:?}");
    let missing = PUBLISHED.iter().filter(|of| of.members != 2).count();
    let told = format!("{missing} more published figures are of what was not measured here");
    assert!(render(&record, Look::default()).contains(&told));
    record.cells.iter_mut().for_each(|cell| cell.error = Some("no".to_owned()));
    assert_eq!(published(&record).len(), 1, "a cell that failed has none");
}
