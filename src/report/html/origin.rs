//! Where a result comes from: everything that must agree before it is compared with another.

use maud::{Markup, html};

use super::page::Section;
use crate::report::chart::Unit;
use crate::report::provenance::Provenance;

/// The terms of a provenance, as a list.
#[must_use]
pub fn origin(of: &Provenance) -> Markup {
    html! {
        dl.origin {
            @for (name, value) in terms(of) { div { dt { (name) } dd { code { (value) } } } }
        }
    }
}

pub(super) fn section(of: &Provenance) -> Option<Section> {
    Section::of("provenance", "Where this comes from", origin(of))
}

fn terms(of: &Provenance) -> Vec<(&'static str, String)> {
    let unknown = || "unknown".to_owned();
    let commit = of.git_commit.clone().unwrap_or_else(unknown);
    let dirty = match of.git_dirty {
        Some(true) => ", with changes that are not in it",
        Some(false) => ", unchanged",
        None => "",
    };
    let cores = of.cores.map_or_else(unknown, |cores| cores.to_string());
    let model = of.cpu_model.clone().unwrap_or_else(unknown);
    let buffers = of.socket_buffer_bytes.map(|bytes| Unit::Bytes.value(bytes as f64));
    // What had no traffic had no seed of it and no socket.
    let seed =
        if of.key_exchange.is_empty() { String::new() } else { format!(", seed {}", of.seed) };
    let mut terms = vec![
        ("Scenario", format!("{}, hash {}{seed}", of.scenario, of.scenario_hash)),
        ("Started", of.started_utc.clone()),
        ("Command", of.command.join(" ")),
        ("Program", format!("stentor {}, {} build", of.stentor_version, of.build_profile)),
        ("Commit", format!("{commit}{dirty}")),
        ("Machine", format!("{cores} cores of {model}")),
        ("Kernel", of.kernel.clone().unwrap_or_else(unknown)),
        ("Suites", of.suites.join(", ")),
        ("Key exchange", of.key_exchange.clone()),
        ("Traffic", of.sources.join(", ")),
        (
            "Socket buffers",
            buffers.unwrap_or_else(|| if seed.is_empty() { String::new() } else { unknown() }),
        ),
    ];
    terms.extend(of.log_file_system.clone().map(|kind| ("Log on", kind)));
    terms.retain(|(_, value)| !value.is_empty());
    terms
}
