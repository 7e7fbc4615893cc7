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
