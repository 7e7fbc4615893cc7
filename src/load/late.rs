//! What becomes of an operation that the generator has reached too late.
//!
//! An open schedule waits for nobody, but this side may fall behind it: its core was taken away, or
//! it has more to do than it can. Pure; called by the worker for each operation that it reaches.

use std::time::Duration;

use super::schedule::OperationKind;
use crate::limits::{LATE_CAUGHT_UP, LATE_TOLERATED};

/// How late an operation may be and is still sent. What is later counts as not issued: it is in
/// the lateness and in whatever judges the share that was not issued, and never left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Send it at once, however many have piled up: the service gets what was due, in a burst.
    CatchUp {
        /// Up to here.
        within: Duration,
    },
    /// Leave it out: the service never gets a burst that its users would not have sent.
    Shed {
        /// From here on.
        beyond: Duration,
    },
}

impl Default for Late {
    fn default() -> Self {
        Self::CatchUp { within: LATE_CAUGHT_UP }
    }
}

impl Late {
    /// To shed what is later than a little.
    #[must_use]
    pub fn shed() -> Self {
        Self::Shed { beyond: LATE_TOLERATED }
    }

    /// Whether an operation is sent that is reached `late` after it was due. Only application
    /// messages can be left out: what comes after a commit was made in the epoch that it opens, and
    /// may refer to a proposal.
    #[must_use]
    pub fn sends(self, kind: OperationKind, late: Duration) -> bool {
        let (Self::CatchUp { within: most } | Self::Shed { beyond: most }) = self;
        late <= most || !matches!(kind, OperationKind::Application { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_message_that_is_too_late_is_left_out_and_a_commit_never() {
        let ms = Duration::from_millis;
        let message = OperationKind::Application { bytes: 1 };
        for late in [Late::Shed { beyond: ms(50) }, Late::CatchUp { within: ms(50) }] {
            assert!(late.sends(message, Duration::ZERO) && late.sends(message, ms(50)));
            assert!(!late.sends(message, ms(51)));
            for kind in [OperationKind::Commit, OperationKind::Race] {
                assert!(late.sends(kind, ms(60_000)));
            }
        }
        assert!(Late::default().sends(message, ms(9_999)));
        assert!(!Late::shed().sends(message, ms(9_999)));
    }
}
