//! The architecture, as tables: which modules each module may name, and what some never name.
//!
//! A new dependency between modules is a design decision, so it is made here, in review.

use std::fs;
use std::path::{Path, PathBuf};

const USES: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("clock", &[]),
    ("units", &["limits"]),
    ("place", &[]),
    ("process", &[]),
    ("delivery", &["limits"]),
    ("wire", &["limits", "delivery"]),
    ("validation", &["limits", "delivery", "wire"]),
    ("log", &["limits"]),
    ("engine", &["limits", "delivery", "validation", "log"]),
    ("net", &["limits", "clock"]),
    ("floor", &["limits", "clock", "process", "net"]),
    (
        "server",
        &[
            "limits", "clock", "units", "place", "process", "delivery", "wire", "log", "engine",
            "net",
        ],
    ),
    ("operation", &["limits", "wire", "server"]),
    ("mls", &["limits", "clock", "place", "delivery", "wire"]),
    ("load", &["limits", "clock", "units", "place", "process", "delivery", "wire", "net", "mls"]),
    ("survival", &["limits", "clock", "delivery", "wire", "net", "mls", "load"]),
    ("report", &["limits", "clock", "units", "delivery", "floor", "load"]),
    ("suites", &["limits", "clock", "place", "process", "mls", "report"]),
    (
        "campaign",
        &["limits", "clock", "units", "place", "delivery", "floor", "mls", "load", "report"],
    ),
    (
        "peers",
        &[
            "limits", "clock", "process", "delivery", "wire", "net", "floor", "mls", "load",
            "report",
        ],
    ),
    (
        "cli",
        &[
            "limits",
            "units",
            "clock",
            "place",
            "process",
            "delivery",
            "wire",
            "log",
            "engine",
            "net",
            "floor",
            "server",
            "operation",
            "mls",
            "load",
            "survival",
            "report",
            "suites",
            "campaign",
            "peers",
        ],
    ),
];

/// Time, threads, sockets and files, which pure modules get as arguments or not at all. A grouped
/// import would hide them.
const IMPURE: &[&str] = &[
    "std::{",
    "std::fs",
    "std::net",
    "std::thread",
    "std::io",
    "std::os",
    "std::sync",
    "std::process",
    "Instant",
    "SystemTime",
    "tokio",
    "quinn",
    "nix::",
];

const NEVER_NAMED: &[(&str, &[&str])] =
    &[("delivery", IMPURE), ("wire", IMPURE), ("validation", IMPURE), ("delivery", &["serde"])];

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
fn what_is_pure_names_nothing_that_is_not() {
    let mut violations = Vec::new();
    for (module, never) in NEVER_NAMED {
        for file in rust_files(&source(), module) {
            for (number, line) in lines(&file).iter().enumerate() {
                for name in never.iter().filter(|_| !line.of_tests) {
                    if line.code.contains(name) {
                        violations.push(format!("{}:{}: {name}", file.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(violations.is_empty(), "not for this module:\n{}", violations.join("\n"));
}

/// Outside of it the table above would not see what is named.
#[test]
fn no_module_is_left_through_its_parent() {
    let mut violations = Vec::new();
    for (module, _) in USES {
        for file in rust_files(&source(), module) {
            let depth = depth_below(&source().join(module), &file);
            for (number, line) in lines(&file).iter().enumerate() {
                if supers(&line.code) > depth + line.inline {
                    violations.push(format!("{}:{}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(violations.is_empty(), "say `crate::`:\n{}", violations.join("\n"));
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

/// Longest chain of `super::` on a line of code.
fn supers(code: &str) -> usize {
    let links: Vec<&str> = code.split("super::").collect();
    let chains = links[1..].split_inclusive(|between| !between.is_empty());
    chains.map(<[&str]>::len).max().unwrap_or(0)
}

/// How many modules lie between a file and the root of its module, which is at `module`.
fn depth_below(module: &Path, file: &Path) -> usize {
    let below = file.strip_prefix(module).unwrap_or_else(|_| Path::new(""));
    below.iter().filter(|part| *part != "mod.rs").count()
}

struct Line {
    /// Without comments.
    code: String,
    /// How many inline modules it is in.
    inline: usize,
    of_tests: bool,
}

/// The lines of a formatted file: an inline module ends with a brace in its own column.
fn lines(file: &Path) -> Vec<Line> {
    let place = file.strip_prefix(source()).expect("it is a source file");
    let test_file = place.iter().any(|part| part == "tests" || part == "tests.rs");
    let text = fs::read_to_string(file).expect("source file is readable");
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut conditional = false;
    let line = |line: &str| {
        let code = line.split("//").next().unwrap_or_default().trim_end();
        let bare = code.trim_start();
        let indent = code.len() - bare.len();
        if bare == "}" {
            open.pop_if(|(column, _)| *column == indent);
        }
        let inline = open.len();
        let of_tests = test_file || conditional || open.iter().any(|(_, of_tests)| *of_tests);
        if bare.ends_with('{') && bare.split(' ').take(2).any(|word| word == "mod") {
            open.push((indent, of_tests));
        }
        conditional = bare == "#[cfg(test)]";
        Line { code: code.to_owned(), inline, of_tests }
    };
    text.lines().map(line).collect()
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
