//! Where a result comes from: everything that must agree before two results are compared.
//!
//! Gathers nothing itself; the command line fills it in, and what it could not find out stays
//! `None`. The host's name is left out on purpose, and secrets are taken out of the command.

use serde::{Deserialize, Serialize};

use crate::load::scenario::{Class, Scenario, Source};

/// What ran, on what, asked by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The commit that was built; `None` outside a repository.
    pub git_commit: Option<String>,
    /// Whether the tree had changes beyond it.
    pub git_dirty: Option<bool>,
    /// The version of this program.
    pub stentor_version: String,
    /// `release` or `debug`.
    pub build_profile: String,
    /// As the kernel names it.
    pub cpu_model: Option<String>,
    /// Cores this process may run on.
    pub cores: Option<u32>,
    /// The kernel's name and release.
    pub kernel: Option<String>,
    /// The scenario's name: its file without folder and extension.
    pub scenario: String,
    /// The hash of its text.
    pub scenario_hash: String,
    /// Its seed.
    pub seed: u64,
    /// Shards of the run's own server; `None` of another's, and in older records.
    #[serde(default)]
    pub shards: Option<u32>,
    /// The MLS suites of its classes, each once.
    pub suites: Vec<String>,
    /// The key exchange of its connections.
    pub key_exchange: String,
    /// The traffic sources of its classes, each once.
    pub sources: Vec<String>,
    /// When the run started, in UTC.
    pub started_utc: String,
    /// What the kernel granted each of the engine's sockets, in or out, in bytes: the least.
    pub socket_buffer_bytes: Option<u64>,
    /// The file system of the log that the run's own server kept; `None` if it kept none.
    #[serde(default)]
    pub log_file_system: Option<String>,
    /// The command line, secrets redacted.
    pub command: Vec<String>,
}

impl Provenance {
    /// Fills in what the program knows of itself; the rest is empty.
    #[must_use]
    pub fn of_program() -> Self {
        Self {
            stentor_version: env!("CARGO_PKG_VERSION").to_owned(),
            build_profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            ..Self::default()
        }
    }

    /// Fills in what the scenario says too.
    #[must_use]
    pub fn of_scenario(scenario: &Scenario, name: &str, hash: &str) -> Self {
        Self {
            scenario: name.to_owned(),
            scenario_hash: hash.to_owned(),
            seed: scenario.seed,
            suites: each_once(scenario, |class| class.suite.name()),
            sources: each_once(scenario, |class| source_name(class.source)),
            key_exchange: scenario.key_exchange.name().to_owned(),
            ..Self::of_program()
        }
    }
}

/// As a scenario writes it.
#[must_use]
pub fn source_name(source: Source) -> &'static str {
    match source {
        Source::Tape => "tape",
        Source::Live => "live",
        Source::Synthetic => "synthetic",
    }
}

fn each_once<'a>(scenario: &'a Scenario, of: impl Fn(&'a Class) -> &'a str) -> Vec<String> {
    let mut names: Vec<String> = scenario.groups.iter().map(|class| of(class).to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The command line without what follows a name that ends in token, key, secret or password,
/// whether after a space or after `=`.
#[must_use]
pub fn redact(command: impl IntoIterator<Item = String>) -> Vec<String> {
    const HIDDEN: &str = "[redacted]";
    let mut hide_next = false;
    let mut shown = Vec::new();
    for word in command {
        let flag = word.starts_with('-');
        if hide_next && !flag {
            shown.push(HIDDEN.to_owned());
            hide_next = false;
            continue;
        }
        match word.split_once('=') {
            Some((name, _)) if names_a_secret(name) => {
                shown.push(format!("{name}={HIDDEN}"));
                hide_next = false;
            }
            _ => {
                hide_next = flag && names_a_secret(&word);
                shown.push(word);
            }
        }
    }
    shown
}

fn names_a_secret(name: &str) -> bool {
    let last = name.rsplit(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    ["token", "tokens", "key", "keys", "secret", "secrets", "password"].contains(&last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &str, expected: &str) {
        assert_eq!(redact(command.split(' ').map(str::to_owned)).join(" "), expected);
    }

    #[test]
    fn secrets_are_taken_out_of_the_command() {
        check("run --token abc x.toml", "run --token [redacted] x.toml");
        check("run --admin-token=abc", "run --admin-token=[redacted]");
        check("STENTOR_SECRET=abc run", "STENTOR_SECRET=[redacted] run");
        check(
            "run --private-key a --password b",
            "run --private-key [redacted] --password [redacted]",
        );
    }

    #[test]
    fn what_is_no_secret_stays() {
        let command = "run scenarios/x.toml --key-exchange x25519 --token-file t --keys --seed 1";
        check(command, command);
    }
}
