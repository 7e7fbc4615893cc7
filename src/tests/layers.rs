//! The architecture, as a table: which modules each module may name.
//!
//! A new dependency between modules is a design decision, so it is made here, in review.

use std::fs;
use std::path::{Path, PathBuf};

const USES: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("clock", &[]),
    ("process", &[]),
    ("delivery", &["limits"]),
    ("wire", &["limits", "delivery"]),
    ("log", &["limits"]),
    ("engine", &["limits", "delivery", "log"]),
    ("net", &["limits", "clock"]),
    ("server", &["limits", "clock", "process", "delivery", "wire", "log", "engine", "net"]),
    ("mls", &["limits", "clock", "delivery", "wire"]),
    ("load", &["limits", "clock", "process", "delivery", "wire", "net", "mls"]),
    ("report", &["limits", "clock", "load"]),
    (
        "cli",
        &[
            "limits", "clock", "process", "delivery", "wire", "net", "server", "mls", "load",
            "report",
        ],
    ),
];

#[test]
fn modules_use_only_what_the_table_allows() {
    let mut violations = Vec::new();
    for (module, allowed) in USES {
        for file in rust_files(&source(), module) {
            let text = fs::read_to_string(&file).expect("source file is readable");
            for (number, line) in text.lines().enumerate() {
                for used in crate_paths(line) {
                    if used != *module && !allowed.contains(&used) {
                        violations.push(format!("{}:{}: {used}", file.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(violations.is_empty(), "not in the table:\n{}", violations.join("\n"));
}

#[test]
fn every_module_of_the_crate_is_in_the_table() {
    let text = fs::read_to_string(source().join("lib.rs")).expect("lib.rs is readable");
    let declared: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let listed: Vec<&str> = USES.iter().map(|(module, _)| *module).collect();
    assert_eq!(declared, listed, "the order is the architecture: bottom first");
}

#[test]
fn a_module_is_never_named_before_those_it_uses() {
    for (position, (module, uses)) in USES.iter().enumerate() {
        for used in *uses {
            let below = USES[..position].iter().any(|(name, _)| name == used);
            assert!(below, "{module} uses {used}, which is not below it");
        }
    }
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let long: Vec<String> = rust_files(&source().join(".."), "src")
        .into_iter()
        .filter_map(|file| {
            let lines = fs::read_to_string(&file).expect("source file is readable").lines().count();
            (lines > 500).then(|| format!("{}: {lines}", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "which noun is hiding in each?\n{}", long.join("\n"));
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Names that follow `crate::` on a line of code. A grouped import yields "{", which no table allows.
fn crate_paths(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end == 0 { "{" } else { &rest[..end] }
    })
}

fn rust_files(source: &Path, module: &str) -> Vec<PathBuf> {
    let mut pending = vec![source.join(module), source.join(format!("{module}.rs"))];
    let mut files = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("source folder is readable");
            pending.extend(entries.map(|entry| entry.expect("source entry is readable").path()));
        } else if path.is_file() && path.extension().is_some_and(|kind| kind == "rs") {
            files.push(path);
        }
    }
    files
}
