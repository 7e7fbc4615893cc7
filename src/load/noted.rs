//! Things that went wrong: how often, and the first few in words.

use crate::limits::REASONS_MAX;

/// A count of all, and examples of the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// How often.
    pub count: u64,
    /// The first [`REASONS_MAX`].
    pub examples: Vec<String>,
}

impl Noted {
    /// One more; it is only put into words if it will be kept.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < REASONS_MAX {
            self.examples.push(what());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted_and_the_first_are_kept() {
        let mut noted = Noted::default();
        for number in 0..100 {
            noted.note(|| number.to_string());
        }
        assert_eq!((noted.count, noted.examples.len()), (100, REASONS_MAX));
        assert_eq!(noted.examples[0], "0");
    }
}
