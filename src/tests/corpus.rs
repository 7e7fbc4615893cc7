//! What a fuzzer would try, in brief: the committed corpus, damaged copies of it, arbitrary bytes.
//!
//! The corpus is real frames, messages and log entries. After a change of the protocol or of the log
//! a test says that it is of another one; write it anew:
//! `STENTOR_WRITE_CORPUS=1 cargo test --lib corpus`.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::wire_openmls;
use crate::server::Settings;
use crate::wire::properties;

/// Fails an assertion if something does not hold of an input.
type Property = fn(&[u8]);

/// The targets of `fuzz/targets` with what holds of every input.
const TARGETS: [(&str, Property); 8] = [
    ("log_entry", crate::engine::properties::entry),
    ("log_replay", crate::log::properties::replay),
    ("mls_message", properties::message),
    ("settings", settings),
    ("stream", properties::stream),
    ("wire_delivery", properties::delivery),
    ("wire_reply", properties::reply),
    ("wire_request", properties::request),
];

fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(settings) = Settings::parse(text, "settings.toml") {
        assert_eq!(Settings::parse(&settings.to_file(), "settings.toml").ok(), Some(settings));
    }
}

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/tests/fuzz")
}

/// The committed inputs of a target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = fs::read_dir(fuzz().join("corpus").join(target)).expect("it has a corpus");
    let paths = folder.map(|entry| entry.expect("it can be read").path());
    let committed = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-"))
    };
    paths.filter(committed).map(|path| fs::read(path).expect("it can be read")).collect()
}

#[test]
fn every_target_has_a_corpus_of_which_nothing_breaks_what_must_hold() {
    let mut bytes = 0;
    for (target, property) in TARGETS {
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{target}");
        for seed in seeds {
            bytes += seed.len();
            property(&seed);
            for length in 0..seed.len().min(300) {
                property(&seed[..length]);
            }
        }
    }
    assert!(bytes < 300 << 10, "{bytes} bytes of corpus");
}

#[test]
fn every_target_of_the_fuzzer_is_tried_here() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for (target, _) in TARGETS {
        assert!(manifest.contains(&format!("path = \"targets/{target}.rs\"")), "{target}");
        assert!(fuzz().join(format!("targets/{target}.rs")).exists(), "{target}");
    }
    assert_eq!(fs::read_dir(fuzz().join("targets")).unwrap().count(), TARGETS.len());
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_what_must_hold(bytes in vec(any::<u8>(), 0..600)) {
        for (_, property) in TARGETS {
            property(&bytes);
        }
    }

    #[test]
    fn no_damage_to_a_real_input_breaks_what_must_hold(
        pick in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        rest in vec(any::<u8>(), 0..40),
    ) {
        for (target, property) in TARGETS {
            let mut bytes = pick.get(&seeds(target)).clone();
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            bytes.extend(&rest);
            property(&bytes);
        }
    }
}

/// The inputs of each target, as the program makes them now.
fn made() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let mut messages = wire_openmls::messages(wire_openmls::SUITES[0]);
    messages.retain(|message| message.len() < 4 << 10);
    let frames = properties::examples(&Bytes::from_static(BODY));
    // A stranger's longest frame is 256 bytes: one stream breaks off at a longer one.
    let streams = [(0, 256), (3, 256), (255, usize::MAX)].map(|(cut, longest)| {
        let mut stream = vec![cut];
        for frame in frames[0].1.iter().filter(|frame| frame.len() <= longest) {
            stream.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
            stream.extend(frame);
        }
        stream
    });
    let few =
        "[service]\nshards = 2\n[metrics]\nlisten = \"[::1]:9464\"\n[sessions]\nhello = \"1.5s\"\n";
    let files = [Settings::default().to_file().into_bytes(), few.as_bytes().to_vec()];
    let others = [
        (MESSAGES, messages),
        ("stream", streams.to_vec()),
        ("settings", files.to_vec()),
        ("log_entry", crate::engine::tests::entries()),
        ("log_replay", crate::log::properties::examples()),
    ];
    frames.into_iter().chain(others).collect()
}

/// Members sign with keys of their own each time: their messages are other bytes, as many.
const MESSAGES: &str = "mls_message";

/// A PrivateMessage by its header; its ciphertext is a few bytes.
const BODY: &[u8] = &[
    0, 1, 0, 2, 4, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 4, 9, 9, 9, 9, 8, 5, 5, 5, 5, 5, 5, 5,
    5,
];

#[test]
fn the_corpus_is_what_the_program_makes_now() {
    let write = std::env::var_os("STENTOR_WRITE_CORPUS").is_some();
    for (target, inputs) in made() {
        let folder = fuzz().join("corpus").join(target);
        if write {
            fs::create_dir_all(&folder).unwrap();
            for (number, input) in inputs.iter().enumerate() {
                fs::write(folder.join(format!("seed-{number:03}")), input).unwrap();
            }
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), inputs.len(), "{target}");
        for (number, input) in inputs.iter().enumerate().filter(|_| target != MESSAGES) {
            let committed = fs::read(folder.join(format!("seed-{number:03}"))).unwrap();
            assert!(committed == *input, "seed {number} of {target} is of another protocol");
        }
    }
}
