//! KeyPackages of devices that never act: the leaves that only fill a group.
//!
//! Their private keys are dropped at once. Made on every core, and kept for the next group of the
//! same suite in the same stack: a group cannot tell that a device is in another as well. Nothing of
//! it is measured. Called by `group`.

use bytes::Bytes;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::mls::MemberError;
use crate::mls::size::IDENTITY_BYTES;
use crate::mls::stack::StackKind;

/// A suite in a stack, by its code point.
type Of = (StackKind, u16);

/// KeyPackages of one suite in one stack, as many as the largest group has asked for: at most 16 kB
/// each.
#[derive(Debug, Default)]
pub struct Dormant {
    of: Option<Of>,
    packages: Vec<Bytes>,
}

impl Dormant {
    /// The first `count` of that suite; those of another are dropped. Which is which is the same
    /// every time, and no two have one name.
    pub(super) fn first(&mut self, of: Of, count: usize) -> Result<&[Bytes], MemberError> {
        if self.of != Some(of) {
            self.packages.clear();
            self.of = Some(of);
        }
        let (stack, suite) = of;
        let made = (self.packages.len()..count)
            .into_par_iter()
            .map_init(
                || stack.open(),
                |stack, number| {
                    let stack = stack.as_ref().map_err(Clone::clone)?;
                    Ok(stack.candidate(suite, &name("member", number))?.key_package())
                },
            )
            .collect::<Result<Vec<Bytes>, MemberError>>()?;
        self.packages.extend(made);
        Ok(&self.packages[..count])
    }
}

/// An identity as long as those of the load engine.
pub(super) fn name(what: &str, number: usize) -> Vec<u8> {
    let before = format!("stentor-{what}-");
    let width = IDENTITY_BYTES - before.len();
    format!("{before}{number:0width$}").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_package_is_made_once_and_those_of_another_suite_are_dropped() {
        let (mut dormant, of) = (Dormant::default(), (StackKind::MlsRsAwsLc, 1));
        let three = dormant.first(of, 3).unwrap().to_vec();
        let five = dormant.first(of, 5).unwrap().to_vec();
        assert_eq!(five[..3], three[..]);
        assert_eq!(five.iter().collect::<HashSet<_>>().len(), 5);
        assert_eq!(dormant.first(of, 2).unwrap(), &three[..2]);
        let others = dormant.first((StackKind::MlsRsAwsLc, 2), 3).unwrap().to_vec();
        assert!(others.iter().all(|other| !five.contains(other)));
        assert_ne!(dormant.first(of, 3).unwrap(), &three[..], "they are made anew");
    }

    #[test]
    fn a_stack_that_refuses_a_suite_says_so() {
        let refused = Dormant::default().first((StackKind::MlsRsAwsLc, 6), 2).unwrap_err();
        assert!(refused.to_string().contains("unsupported suite"), "{refused}");
    }

    #[test]
    fn names_are_as_long_as_an_identity_whoever_they_are_of() {
        for of in [name("member", 0), name("awake", 49_999)] {
            assert_eq!(of.len(), IDENTITY_BYTES);
        }
    }
}
