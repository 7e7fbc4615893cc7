//! The registry as text and as JSON.
//!
//! Returns strings and never prints. Called by `cli`.

use serde::Serialize;

use super::registry::{Entry, Offers};
use crate::mls::primitive::{Lengths, Quantum};
use crate::mls::size::pattern::{Deployment, KINDS};
use crate::report::summary::{Look, table};

/// Each suite in a line, with who offers it; below, the patterns that are made of two.
#[must_use]
pub fn list(entries: &[&Entry], offers: &Offers, look: Look) -> String {
    let header = ["suite", "number", "KEM", "hash", "signature", "bits", "PQ", "PQ auth", "stacks"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(entries.iter().map(|entry| row(entry, offers)));
    format!(
        "{}\n\n\
         * provisional: no registry has assigned the number; mls-rs's are private to it\n\
         bits: what its name or its draft claims; with X25519, Ed25519 or X-Wing it is no more than 128\n\
         PQ, PQ auth: confidential, authentic against a quantum computer; hybrid: if either part holds\n\
         stacks: r openmls/rust_crypto, l openmls/libcrux, m mls-rs/awslc, - none here\n\n{}",
        table(rows, look),
        patterns()
    )
}

/// The scenario whose devices join by a post-quantum Welcome.
const JOINS: &str = "scenarios/pq-welcome.toml";

/// Deployments that are no suites: what each is, and where its figures come from.
fn patterns() -> String {
    let mut text = format!(
        "patterns of two suites, {} and a post-quantum one. No stack runs one: their\n\
         bytes are sums of the byte model's, and their load is synthetic traffic of those lengths\n",
        Deployment::CLASSICAL
    );
    let column = KINDS.iter().map(|kind| kind.written.len()).max().unwrap_or_default();
    for kind in &KINDS {
        text += &format!("  {:column$}  {}\n", kind.written, kind.what);
    }
    let written = KINDS.map(|kind| kind.written).join(",");
    text + &format!(
        "  stentor suites serve-cost --patterns {written}\n  joins by such a Welcome: stentor run {JOINS}\n"
    )
}

fn row(entry: &Entry, offers: &Offers) -> Vec<String> {
    let letters: String = offers.of(entry).into_iter().map(|kind| kind.letter()).collect();
    vec![
        entry.name.to_owned(),
        entry.number(),
        entry.kem.name().to_owned(),
        entry.hash.name().to_owned(),
        entry.signature.name().to_owned(),
        entry.level.to_string(),
        entry.confidentiality().name().to_owned(),
        entry.authenticity().name().to_owned(),
        if letters.is_empty() { "-".to_owned() } else { letters },
    ]
}

/// A suite as JSON has it.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Its name here.
    pub name: &'static str,
    /// What stands for it on the wire.
    pub code_point: u16,
    /// Whether no registry has assigned that number.
    pub provisional: bool,
    /// Its key encapsulation.
    pub kem: &'static str,
    /// Its cipher.
    pub aead: &'static str,
    /// Its hash.
    pub hash: &'static str,
    /// Its signature scheme.
    pub signature: &'static str,
    /// The security level that its name or its draft claims, in bits: no more than 128 where X25519,
    /// Ed25519 or X-Wing has a part.
    pub security_bits: u16,
    /// Whether it is confidential against a quantum computer: `no`, `hybrid`, `pure`.
    pub pq_confidentiality: Quantum,
    /// Whether it is authentic against one.
    pub pq_authenticity: Quantum,
    /// In bytes.
    pub lengths: Lengths,
    /// The stacks that offer it, with their providers.
    pub stacks: Vec<&'static str>,
    /// The patterns that it can be the post-quantum suite of.
    pub patterns: Vec<ListedPattern>,
}

/// A pattern of two suites as JSON has it. No stack runs one: its figures are the byte model's.
#[derive(Clone, Debug, Serialize)]
pub struct ListedPattern {
    /// As `suites serve-cost --patterns` takes it.
    pub written: String,
    /// What it is.
    pub what: &'static str,
    /// The suite of its messages and most of its commits.
    pub classical: &'static str,
}

/// The same, for other tools.
#[must_use]
pub fn listed(entries: &[&Entry], offers: &Offers) -> Vec<Listed> {
    let listed = |entry: &&Entry| Listed {
        name: entry.name,
        code_point: entry.code_point,
        provisional: entry.provisional,
        kem: entry.kem.name(),
        aead: entry.aead.name(),
        hash: entry.hash.name(),
        signature: entry.signature.name(),
        security_bits: entry.level,
        pq_confidentiality: entry.confidentiality(),
        pq_authenticity: entry.authenticity(),
        lengths: entry.lengths(),
        stacks: offers.of(entry).into_iter().map(|kind| kind.name()).collect(),
        patterns: KINDS
            .iter()
            .filter_map(|kind| Some((kind.with(entry.name)?, kind.what)))
            .map(|(of, what)| ListedPattern {
                written: of.name(),
                what,
                classical: of.classical.name(),
            })
            .collect(),
    };
    entries.iter().map(listed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::registry::ENTRIES;

    fn every() -> Vec<&'static Entry> {
        ENTRIES.iter().collect()
    }

    #[test]
    fn the_list_fits_a_hundred_columns_with_a_line_for_every_suite() {
        let offers = Offers::ask().unwrap();
        let text = list(&every(), &offers, Look::default());
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        for entry in ENTRIES {
            let starts = |line: &&str| line.starts_with(&format!("{} ", entry.name));
            let line = text.lines().find(starts).unwrap_or_default();
            assert!(line.contains(&entry.number()), "{}: {line}", entry.name);
        }
    }

    #[test]
    fn the_json_names_every_stack_of_a_suite() {
        let listed = listed(&every(), &Offers::ask().unwrap());
        let json = serde_json::to_value(&listed).unwrap();
        assert_eq!(json[0]["stacks"].as_array().map(Vec::len), Some(3), "{json}");
        assert_eq!(json[3]["stacks"].as_array().map(Vec::len), Some(0), "{json}");
        assert_eq!(json[7]["pq_confidentiality"], "hybrid");
        assert_eq!(json[7]["lengths"]["kem_output"], 1_120);
    }

    #[test]
    fn patterns_are_named_below_the_suites_with_how_they_are_asked_for() {
        let text = list(&every(), &Offers::ask().unwrap(), Look::default());
        let (_, below) = text.split_once("patterns of two suites").unwrap();
        assert!(below.contains("No stack runs one") && below.contains("byte model"), "{below}");
        for kind in KINDS {
            let starts = |line: &&str| line.trim_start().starts_with(kind.written);
            let line = below.lines().find(starts).unwrap_or_default();
            assert!(line.ends_with(kind.what), "{line}");
        }
        let (_, asked) = below.split_once("serve-cost --patterns ").unwrap();
        let classical = crate::mls::Suite::named(Deployment::CLASSICAL).unwrap();
        for written in asked.lines().next().unwrap().split(',') {
            Deployment::parse(written, classical).unwrap();
        }
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(JOINS).is_file());
    }

    #[test]
    fn a_suite_has_the_patterns_that_may_be_made_with_it() {
        let of = |name: &str| {
            let listed = listed(&every(), &Offers::ask().unwrap());
            let entry = listed.into_iter().find(|entry| entry.name == name).unwrap();
            entry.patterns.into_iter().map(|of| of.written).collect::<Vec<_>>()
        };
        assert_eq!(of("x25519-aes128-ed25519"), Vec::<String>::new());
        assert_eq!(of("xwing-aes128-ed25519"), ["welcome:xwing-aes128-ed25519"]);
        let both = ["welcome", "combiner:10"].map(|it| format!("{it}:mlkem768-aes256-mldsa65"));
        assert_eq!(of("mlkem768-aes256-mldsa65"), both);
        assert_eq!(of("mlkem512-aes128-ed25519-mlsrs"), Vec::<String>::new(), "not OpenMLS's");
    }
}
