//! What a stack says when it panics, which ends the program: found by the next try of that cell.
//!
//! A refusal is an outcome, a panic is a fault of the stack or of ours; either way the other cells are
//! to be measured. Called by `run`.

use std::fs;
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Hook = dyn Fn(&PanicHookInfo<'_>) + Sync + Send;

/// Keeps the words of whoever panics, and then does what was done before.
pub(super) struct LastWords(Arc<Hook>);

impl LastWords {
    /// Keeps none yet.
    pub(super) fn listen() -> Self {
        Self(Arc::from(std::panic::take_hook()))
    }

    /// From now on they are those of a cell, whose file is named.
    pub(super) fn of(&self, file: PathBuf) {
        let before = Arc::clone(&self.0);
        std::panic::set_hook(Box::new(move |panic| {
            keep(&file, &panic.to_string());
            before(panic);
        }));
    }
}

/// The process is going down: a file that cannot be written is not its first worry.
fn keep(file: &Path, words: &str) {
    fs::write(file, words).ok();
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;
    use std::thread;

    use super::*;
    use crate::mls::stack::StackKind;
    use crate::suites::cell::Cell;
    use crate::suites::folder::SuitesFolder;
    use crate::suites::group::State;
    use crate::suites::plan::Settings;
    use crate::suites::registry::ENTRIES;

    const TEST: &str = "what_a_stack_says_when_it_panics_is_what_the_next_try_finds_of_its_cell";
    /// Where the one that panics has its folder. A hook is of the whole process, so it is another one.
    const RESULTS: &str = "STENTOR_TEST_LAST_WORDS";
    const WORDS: &str = "the tree has no such leaf";

    fn cell(members: u32) -> Cell {
        let (entry, stack) = (&ENTRIES[0], StackKind::OpenMlsRustCrypto);
        Cell { entry, stack, members, state: State::Fresh }
    }

    fn folder(results: &Path) -> SuitesFolder {
        let settings = Settings {
            suites: Vec::new(),
            sizes: vec![2, 3, 4],
            states: vec![State::Fresh],
            budget_ms: 1,
            program: "a program".to_owned(),
        };
        SuitesFolder::open(results, &settings).unwrap()
    }

    /// The first cell is measured, the second panics on a thread of the stack's own.
    fn measures_two_cells(results: &Path) {
        let folder = folder(results);
        let words = LastWords::listen();
        words.of(folder.last_words(&cell(2)));
        words.of(folder.last_words(&cell(3)));
        assert!(thread::spawn(|| panic!("{WORDS}")).join().is_err());
    }

    #[test]
    fn what_a_stack_says_when_it_panics_is_what_the_next_try_finds_of_its_cell() {
        if let Some(results) = env::var_os(RESULTS) {
            return measures_two_cells(Path::new(&results));
        }
        let results = tempfile::tempdir().unwrap();
        let (_, module) = module_path!().split_once("::").unwrap();
        let ended = Command::new(env::current_exe().unwrap())
            .args([&format!("{module}::{TEST}"), "--exact", "--nocapture"])
            .env(RESULTS, results.path())
            .output()
            .unwrap();
        let err = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success(), "{err}");
        assert!(err.contains(WORDS), "what was done before is done too: {err}");
        let found = |members| folder(results.path()).found(&cell(members));
        let error = found(3).unwrap().error.unwrap();
        assert!(error.starts_with("panicked at ") && error.contains(WORDS), "{error}");
        assert!(error.contains(file!()), "where it was is told: {error}");
        assert_eq!(found(2), None, "it was not the cell that was measured then");
        assert_eq!(found(4), None, "nor one that nobody had come to");
    }
}
