//! What a page says of a record, and that it neither loads anything nor lets anything in.

use std::fs;
use std::path::Path;

use super::render;
use super::sound::{faults, unbalanced};
use crate::load::oracle::Judgement;
use crate::report::record::Record;
use crate::report::tests::finished;
use crate::report::verdict::Status;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The records of real runs that are in the repository, with their names.
fn references() -> Vec<(String, Record)> {
    let entries = fs::read_dir(root().join("results/reference")).unwrap();
    let runs = entries.map(|entry| entry.unwrap().path()).filter_map(|folder| {
        let json = fs::read_to_string(folder.join("run.json")).ok()?;
        let name = folder.file_name()?.to_string_lossy().into_owned();
        Some((name, Record::from_json(&json).unwrap()))
    });
    let runs: Vec<_> = runs.collect();
    assert!(runs.len() >= 5, "{}", runs.len());
    runs
}

#[test]
fn a_page_of_every_record_is_one_well_formed_file_that_loads_nothing() {
    for (name, record) in references() {
        assert_eq!(faults(&render(&record)), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_is_wrong_with_a_page_is_found() {
    let page = render(&finished(&Judgement::default(), false));
    let check = |from: &str, to: &str, fault: &str| {
        assert!(page.contains(from), "{from}");
        let faults = faults(&page.replacen(from, to, 1));
        assert!(faults.iter().any(|one| one.contains(fault)), "{fault}: {faults:?}");
    };
    assert_eq!(faults(&page), Vec::<String>::new());
    check("</main>", "<img src=\"x\"></main>", "it has src=");
    check("</main>", "", "</body>");
    check("--ground: #fbfbfa", "--ground: red", "not for its style");
    check("\"use strict\";", "alert(1);", "not for its script");
    check("id=\"quantiles\"", "id=\"figures\"", "figures is there twice");
    check("href=\"#oracle\"", "href=\"#nothing\"", "nothing is nowhere");
}

#[test]
fn text_of_a_record_is_never_markup() {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=\"alert('1')\">&amp;";
    let mut record = finished(&Judgement::default(), false);
    let text = || hostile.to_owned();
    record.verdict.reasons = vec![text()];
    record.warnings = vec![text()];
    record.violation_examples = vec![text()];
    record.violations.insert(text(), 1);
    record.refusals.insert(text(), 1);
    record.real_members.faults = vec![text()];
    for class in &mut record.classes {
        (class.name, class.suite, class.source) = (text(), text(), text());
        (class.durability, class.validation) = (text(), text());
        class.welcome_suite = Some(text());
        for period in &mut class.periods {
            period.period = text();
        }
    }
    for of in record.joins.iter_mut().flat_map(|joins| &mut joins.welcomed) {
        of.class = text();
    }
    for phase in &mut record.phases {
        (phase.name, phase.kind) = (text(), text());
    }
    let server = record.server.as_mut().unwrap();
    (server.floor, server.floor_missing) = (None, Some(text()));
    let of = &mut record.provenance;
    (of.scenario, of.scenario_hash, of.git_commit) = (text(), text(), Some(text()));
    (of.cpu_model, of.kernel, of.log_file_system) = (Some(text()), Some(text()), Some(text()));
    (of.command, of.suites, of.sources) = (vec![text()], vec![text()], vec![text()]);
    let page = render(&record);
    assert_eq!(page.matches("<script").count(), 1);
    assert!(!page.contains("<img") && !page.contains("x onerror=\""));
    let escaped = page.matches("&lt;img src=x onerror=&quot;alert").count();
    assert!(escaped >= 20, "{escaped}");
    let unbalanced = unbalanced(&page);
    assert_eq!(unbalanced, None);
}

#[test]
fn a_verdict_comes_first_with_its_meaning_and_what_speaks_against_it() {
    let mut record = finished(&Judgement::default(), false);
    for (status, word, meaning) in [
        (Status::Valid, "VALID", "kept its contract"),
        (Status::Invalid, "INVALID", "not to be quoted"),
        (Status::Violated, "VIOLATED", "broke its contract"),
    ] {
        record.verdict.status = status;
        record.verdict.reasons = vec![format!("because of {word}")];
        record.violation_examples = vec!["gap: group 3".to_owned()];
        let page = render(&record);
        let order = [
            &format!("</span> {word}</p>"),
            meaning,
            &format!("because of {word}"),
            "gap: group 3",
            "Headline figures</h2>",
        ];
        let places: Vec<Option<usize>> = order.iter().map(|says| page.find(*says)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{order:?} {places:?}");
    }
}

#[test]
fn a_page_says_the_figures_of_its_record() {
    let page = render(&finished(&Judgement::default(), false));
    for says in [
        "<dt>Response, p50</dt><dd><strong>2.00 ms</strong>",
        "<dt>CPU per delivery</dt><dd><strong>3.00 µs</strong><span class=\"faint\">floor 2.25 µs",
        "floor, which no service can save 2.25 µs",
        "2,000 operations were called for",
        "2 members went away, 2 came back",
        "town, returning: last member",
        "<td>0</td><td>Each epoch of each group was opened by one commit",
    ] {
        assert!(page.contains(says), "{says}");
    }
}

#[test]
fn a_record_without_a_histogram_or_a_server_still_has_a_page() {
    let mut record = finished(&Judgement::default(), true);
    record.server = None;
    let latency = &mut record.latency_us;
    for of in [&mut latency.response, &mut latency.service, &mut latency.lateness] {
        of.histogram = "what is this".to_owned();
    }
    for of in [&mut latency.fanout_member, &mut latency.fanout_last] {
        of.histogram.clear();
    }
    record.classes.clear();
    let page = render(&record);
    assert_eq!(faults(&page.replace("href=\"#quantiles\"", "")), Vec::<String>::new());
    assert!(!page.contains("quantile-curve") && page.contains("The server was not observed"));
}

/// Headings, charts with their lines, tables with their columns: what a reader finds, in order.
fn outline(page: &str) -> String {
    let mut outline = Vec::new();
    let content = page.split_once("<main").unwrap().1;
    for element in content.split('<') {
        let Some((tag, text)) = element.split_once('>') else { continue };
        let name = tag.split(' ').next().unwrap_or_default();
        match name {
            "h2" | "h3" | "caption" | "dt" | "th" if tag != "th scope=\"row\"" => {
                outline.push(format!("{name} {text}"));
            }
            "path" if tag.contains("class=\"line") => outline.push("line".to_owned()),
            _ => {}
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for line in outline {
        match (line.strip_prefix("th "), lines.last_mut()) {
            (Some(column), Some(last)) if last.starts_with("  |") => {
                *last += &format!(" {column} |");
            }
            (Some(column), _) => lines.push(format!("  | {column} |")),
            _ => lines.push(line),
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_outline_of_a_page_is_the_one_that_was_looked_at() {
    let outline = outline(&render(&finished(&Judgement::default(), false)));
    assert!(outline == include_str!("outline.txt"), "if it is meant: {outline}");
}

#[test]
fn the_sample_in_the_repository_is_one_well_formed_file_that_loads_nothing() {
    let page = fs::read_to_string(root().join("results/sample/quickstart.html")).unwrap();
    assert_eq!(faults(&page), Vec::<String>::new());
    for says in ["<h1>quickstart</h1>", "How to read this", "Where this comes from"] {
        assert!(page.contains(says), "{says}");
    }
}
