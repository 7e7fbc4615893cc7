//! What is wrong with a page, whatever it is of: for the tests of everything that makes one.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Larger than any page may be, so that it can be sent and kept anywhere.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// What would make a browser load something, or run something that is not the page's own.
const LOADS: &[&str] = &[
    "http:",
    "https:",
    "//",
    "src=",
    "srcset",
    "@import",
    "url(",
    "<link",
    "<iframe",
    "<object",
    "<embed",
    "<img",
    "<base",
    "<form",
    "onload",
    "onerror",
    "onclick",
    "fetch",
    "XMLHttp",
    "import(",
    "WebSocket",
    "Beacon",
    "style=",
];

/// What is wrong with a page, whatever it is of: nothing.
pub(crate) fn faults(page: &str) -> Vec<String> {
    // The policy names what it forbids, the script has a comment, and a hatching is in the page.
    let policy = between(page, "Content-Security-Policy\" content=\"", "\"");
    let script = between(page, "<script>", "</script>");
    let comment = between(script, "// ", "\n");
    let rest = page.replacen(policy, "", 1).replacen(&format!("// {comment}"), "", 1);
    let rest = rest.replace("url(#", "(#");
    let mut faults: Vec<String> = LOADS
        .iter()
        .filter(|load| rest.contains(**load))
        .map(|load| format!("it has {load}"))
        .collect();
    for (name, open, close) in
        [("style", "<style>", "</style>"), ("script", "<script>", "</script>")]
    {
        let hash = STANDARD.encode(digest(&SHA256, between(page, open, close).as_bytes()));
        if !policy.contains(&format!("{name}-src 'sha256-{hash}'"))
            || page.matches(open).count() != 1
        {
            faults.push(format!("its policy is not for its {name}"));
        }
    }
    if page.len() > PAGE_BYTES_MAX {
        faults.push(format!("it has {} bytes", page.len()));
    }
    faults.extend(unbalanced(page));
    faults.extend(lost_references(page));
    faults
}

/// Elements that are not closed in the order in which they were opened.
pub(crate) fn unbalanced(page: &str) -> Option<String> {
    let mut open = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>")?;
    while let Some((_, from)) = rest.split_once('<') {
        let Some((tag, after)) = from.split_once('>') else { return Some(format!("<{from}")) };
        rest = after;
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        match tag.strip_prefix('/') {
            Some(closed) if open.pop() != Some(closed) => return Some(format!("</{closed}>")),
            None if name != "meta" => open.push(name),
            _ => {}
        }
        if matches!(tag, "style" | "script") {
            rest = &rest[rest.find("</")?..];
        }
    }
    (!open.is_empty()).then(|| format!("never closed: {open:?}"))
}

/// Ids that are there twice, and references to none.
fn lost_references(page: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    for id in page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        if !ids.insert(id) {
            faults.push(format!("{id} is there twice"));
        }
    }
    let targets = ["href=\"#", "aria-labelledby=\"", "url(#"].into_iter().flat_map(|attribute| {
        page.split(attribute).skip(1).filter_map(|rest| rest.split(['"', ')']).next())
    });
    let lost = targets.flat_map(|all| all.split(' ')).filter(|id| !ids.contains(id));
    faults.extend(lost.map(|id| format!("{id} is nowhere")));
    faults
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to}")).0
}
