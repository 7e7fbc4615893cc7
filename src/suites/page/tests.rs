//! Pages of made-up records.

use super::*;
use crate::report::html::sound;
use crate::suites::published::What;
use crate::suites::sample::{self, ROWS};

#[test]
fn a_page_is_sound_and_says_what_failed_without_letting_it_in() {
    let page = render(&sample::record());
    assert_eq!(sound::faults(&page), Vec::<String>::new());
    assert!(page.contains("cannot commit: &lt;no&gt;"), "escaped");
    assert!(!page.contains("<no>"));
}

#[test]
fn each_suite_has_a_line_and_each_point_its_figure_in_a_table() {
    let page = render(&sample::record());
    for told in ["x25519-aes128-ed25519, openmls/rust_crypto", "(log scale)", "100,000 B"] {
        assert!(page.contains(told), "{told}");
    }
}

#[test]
fn a_suite_of_two_stacks_has_its_ratios_and_what_differs() {
    let mut record = sample::record();
    assert!(!render(&record).contains("What differs"));
    let mut other = record.cells[0].clone();
    other.stack = "mls-rs/awslc".to_owned();
    record.cells.push(other);
    let page = render(&record);
    assert_eq!(sound::faults(&page), Vec::<String>::new());
    assert!(page.contains("What differs") && page.contains("x 1.00 ("), "{page}");
}

#[test]
fn a_published_figure_stands_beside_ours_or_says_that_there_is_none() {
    let page = render(&sample::record());
    assert!(page.contains("not measured") && page.contains("2,669 B"));
}

/// The cells of a table's rows, its head first.
fn rows(table: Markup) -> Vec<Vec<String>> {
    let html = table.into_string();
    let cell = |part: &str| {
        let (tag, text) = part.split_once('>')?;
        matches!(tag.split(' ').next(), Some("td" | "th")).then(|| text.to_owned())
    };
    let row = |row: &str| row.split('<').filter_map(cell).collect();
    html.split("<tr").skip(1).map(row).collect()
}

/// As the page writes a time and bytes of the record that tells all figures apart.
fn commit(members: u32, row: usize, state: State) -> [String; 5] {
    let time = |operation| {
        let us = sample::time_us(members, row, state, operation);
        format!("{us} ({}..{}) us", us - 100, us + 200)
    };
    let bytes = |object| {
        let bytes = sample::bytes(members, row, state, object);
        format!("{},{:03} B", bytes / 1_000, bytes % 1_000)
    };
    let [update, process, add] =
        [Operation::Update, Operation::Process, Operation::AddOne].map(time);
    [update, process, add, bytes(Object::CommitUpdate), bytes(Object::Tree)]
}

#[test]
fn a_commit_of_each_state_has_a_row_for_every_suite_and_says_what_is_not_there() {
    let found = rows(commits(&sample::distinct()));
    let word = |word: &str| [(); 5].map(|()| word.to_owned());
    let mut expected = Vec::new();
    for (row, runner) in ROWS.into_iter().enumerate() {
        expected.push((runner, "100", "settled", commit(100, row, State::Settled)));
    }
    for (row, runner) in ROWS.into_iter().enumerate() {
        let figures = if row == 2 { word("-") } else { commit(1_000, row, State::Merged) };
        expected.push((runner, "1,000", "merged", figures));
    }
    for (row, runner) in ROWS.into_iter().enumerate() {
        let figures = if row == 1 { word("FAILED") } else { commit(1_000, row, State::Churned) };
        expected.push((runner, "1,000", "churned", figures));
    }
    assert_eq!(found.len(), 1 + expected.len());
    for (row, ((suite, stack), members, state, figures)) in found[1..].iter().zip(expected) {
        assert_eq!(row[..4], [suite, stack, members, state].map(str::to_owned));
        assert_eq!(row[4..], figures, "{row:?}");
    }
}

#[test]
fn every_published_figure_has_a_row_with_ours_of_each_stack_or_the_word_that_there_is_none() {
    let mut record = sample::published();
    record.cells.retain(|cell| cell.members != 500);
    let found = rows(published(&record));
    assert_eq!(found.len(), 1 + PUBLISHED.len());
    for (number, (of, row)) in PUBLISHED.iter().zip(&found[1..]).enumerate() {
        let first = sample::PUBLISHED_US + number;
        let [r, m] = [first, first + 300].map(|ours| match of.what {
            What::Bytes(..) => format!("{ours} B"),
            _ => format!("{ours} ({ours}..{ours}) us"),
        });
        let ours = match of.what {
            What::Other(..) => "not measured".to_owned(),
            _ if of.members == 500 => "not measured".to_owned(),
            _ => format!("{r} openmls/rust_crypto; {m} mls-rs/awslc"),
        };
        assert_eq!(row[..3], [of.source, of.name(), of.suite].map(str::to_owned));
        assert_eq!(row[3].replace(',', ""), of.members.to_string());
        assert_eq!(row[4..], [of.theirs(), ours, of.but.to_owned()]);
    }
}
