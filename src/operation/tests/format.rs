//! A strict reader of Prometheus's text format 0.0.4: what it takes, every scraper takes.
//!
//! Stricter than the format: each family has its help and its type, in this order, before its
//! samples; a counter's name ends with `_total`.

use std::collections::{BTreeMap, BTreeSet};

/// A page by its families.
pub(super) type Families = BTreeMap<String, Family>;

#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) help: String,
    pub(super) samples: Vec<Sample>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// Reads a page, or says which line is wrong.
pub(super) fn read(page: &str) -> Result<Families, String> {
    let mut families = Families::new();
    let mut last = String::new();
    let mut series = BTreeSet::new();
    let whole = page.strip_suffix('\n').ok_or("the last line has no end")?;
    for line in whole.split('\n') {
        let wrong = |what: &str| format!("{what}: {line:?}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| wrong("no help"))?;
            if !is_name(name, true) || help.is_empty() || families.contains_key(name) {
                return Err(wrong("help of no family, or of one before"));
            }
            last = name.to_owned();
            families.insert(last.clone(), Family { help: help.to_owned(), ..Family::default() });
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
            let family = families.get_mut(name).filter(|family| family.kind.is_empty());
            let family =
                family.filter(|_| name == last).ok_or_else(|| wrong("type without help"))?;
            if !["counter", "gauge", "histogram"].contains(&kind) {
                return Err(wrong("unknown type"));
            }
            if (kind == "counter") != name.ends_with("_total") {
                return Err(wrong("a counter's name ends with _total, and only its"));
            }
            family.kind = kind.to_owned();
        } else {
            let sample = sample(line).ok_or_else(|| wrong("not a sample"))?;
            let family = families.get_mut(&last).ok_or_else(|| wrong("sample without family"))?;
            if !belongs(&sample.name, &last, &family.kind) {
                return Err(wrong("sample of another family"));
            }
            if !series.insert(format!("{}{:?}", sample.name, sample.labels)) {
                return Err(wrong("the same series twice"));
            }
            family.samples.push(sample);
        }
    }
    for (name, family) in &families {
        if family.kind.is_empty() {
            return Err(format!("{name} has no type"));
        }
        if family.kind == "histogram" {
            histogram(name, family)?;
        }
    }
    Ok(families)
}

fn belongs(sample: &str, family: &str, kind: &str) -> bool {
    match kind {
        "histogram" => sample
            .strip_prefix(family)
            .is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest)),
        _ => sample == family,
    }
}

/// Buckets rise, in order of their edges, to one without an edge that holds them all.
fn histogram(name: &str, family: &Family) -> Result<(), String> {
    let of = |suffix: &str, shard: Option<&String>| {
        let full = format!("{name}{suffix}");
        family
            .samples
            .iter()
            .filter(move |one| one.name == full && one.labels.get("shard") == shard)
            .collect::<Vec<_>>()
    };
    let shards: BTreeSet<_> =
        family.samples.iter().map(|sample| sample.labels.get("shard")).collect();
    for shard in shards {
        let mut before = (f64::NEG_INFINITY, 0.0);
        for bucket in of("_bucket", shard) {
            let edge = bucket.labels.get("le").ok_or_else(|| format!("{name}: no le"))?;
            let edge = number(edge).ok_or_else(|| format!("{name}: {edge}"))?;
            if edge <= before.0 || bucket.value < before.1 {
                return Err(format!("the buckets of {name} do not rise"));
            }
            before = (edge, bucket.value);
        }
        let counts: Vec<f64> = of("_count", shard).iter().map(|one| one.value).collect();
        if before.0 != f64::INFINITY || counts != [before.1] || of("_sum", shard).len() != 1 {
            return Err(format!("{name} does not add up"));
        }
    }
    Ok(())
}

fn sample(line: &str) -> Option<Sample> {
    let (mut labels, rest) = (BTreeMap::new(), line);
    let end = rest.find(['{', ' '])?;
    let (name, mut rest) = rest.split_at(end);
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            if !is_name(label, false) || labels.insert(label.to_owned(), value).is_some() {
                return None;
            }
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    rest = after.strip_prefix('}')?;
                    break;
                }
            }
        }
    }
    let value = number(rest.strip_prefix(' ')?)?;
    is_name(name, true).then(|| Sample { name: name.to_owned(), labels, value })
}

/// What stands before the closing quote, and what after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                escaped @ ('"' | '\\') => escaped,
                _ => return None,
            }),
            plain => value.push(plain),
        }
    }
    None
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        _ => text.bytes().all(|b| b.is_ascii_digit() || b == b'.').then(|| text.parse().ok())?,
    }
}

fn is_name(name: &str, colons: bool) -> bool {
    let good = |c: char| c.is_ascii_alphabetic() || c == '_' || (colons && c == ':');
    name.chars().next().is_some_and(good) && name.chars().all(|c| good(c) || c.is_ascii_digit())
}

#[test]
fn a_page_that_is_not_in_the_format_is_refused() {
    let check = |page: &str| assert!(read(page).is_err(), "{page}");
    let head = "# HELP a_total A.\n# TYPE a_total counter\n";
    assert!(read(&format!("{head}a_total{{b=\"c\\\"\"}} 1.5\n")).is_ok());
    check(&format!("{head}a_total 1"));
    for sample in ["a 1", "a_total", "a_total x", "a_total{b=c} 1", "a_total{b=\"c\" 1", "0 1"] {
        check(&format!("{head}{sample}\n"));
    }
    check(&format!("{head}a_total 1\na_total 1\n"));
    check(&format!("{head}{head}"));
    check("a_total 1\n");
    check("# HELP a A.\na 1\n");
    check("# HELP a A.\n# TYPE a counter\na 1\n");
    let head = "# HELP h H.\n# TYPE h histogram\n";
    let good = "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
    assert!(read(&format!("{head}{good}")).is_ok());
    check(&format!("{head}{}", good.replace("le=\"1\"} 1", "le=\"1\"} 3")));
    check(&format!("{head}{}", good.replace("h_count 2", "h_count 3")));
    check(&format!("{head}{}", good.replace("h_bucket{le=\"+Inf\"} 2\n", "")));
}
