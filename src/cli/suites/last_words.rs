//! What a stack says when it panics, which ends the program: found by the next try of that cell.
//!
//! A refusal is an outcome, a panic is a fault of the stack or of ours; either way the other cells are
//! to be measured. Called by `run`.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the words go of whoever panics now; nowhere outside a cell.
#[derive(Clone, Debug, Default)]
pub(super) struct LastWords(Arc<Mutex<Option<PathBuf>>>);

impl LastWords {
    /// Listens from now on, until the program ends.
    pub(super) fn listen() -> Self {
        let words = Self::default();
        let (heard, before) = (words.clone(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            heard.write(&panic.to_string());
            before(panic);
        }));
        words
    }

    /// They are those of a cell, whose file is named.
    pub(super) fn of(&self, file: PathBuf) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    /// The process is going down: a file that cannot be written is not its first worry.
    fn write(&self, words: &str) {
        if let Some(file) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            fs::write(file, words).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_to_the_file_of_the_cell_that_is_measured_and_to_none_before() {
        let folder = tempfile::tempdir().unwrap();
        let (words, file) = (LastWords::default(), folder.path().join("a cell"));
        words.write("too early");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        words.of(file.clone());
        words.write("index out of bounds");
        assert_eq!(fs::read_to_string(file).unwrap(), "index out of bounds");
    }
}
