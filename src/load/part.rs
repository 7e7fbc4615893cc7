//! Which members of each group something happens to: the last ones, or some before those.
//!
//! Who sends is at the front of a group, so whatever is special about listeners is at its end. A share
//! is of each group by itself; two parts that share nobody on paper share nobody in any group.
//! Pure. Called by `away` and `slow`.

use std::ops::Range;

use crate::units::Share;

/// A share of each group, counted from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many.
    pub members: Share,
    /// How many come after them.
    pub before: Share,
}

impl Part {
    /// Its members in a group of `members`; empty where its share is less than one.
    #[must_use]
    pub fn of(self, members: u32) -> Range<u32> {
        let first = |share: Share| {
            u32::try_from(share.of_first(members.into())).expect("a share is no more than all")
        };
        let end = members - first(self.before);
        end.saturating_sub(first(self.members))..end
    }

    /// Whether some group may have members that are in both.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        let ends = |part: Self| (part.before.millionths(), part.reach());
        let ((from, to), (other_from, other_to)) = (ends(self), ends(other));
        from < other_to && other_from < to
    }

    /// Whether there is more of it, and behind it, than a group has.
    #[must_use]
    pub fn is_too_much(self) -> bool {
        self.reach() > Share::ALL.millionths()
    }

    fn reach(self) -> u64 {
        self.before.millionths() + self.members.millionths()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(millionths: u64) -> Share {
        Share::parse(&format!("{}.{:04}%", millionths / 10_000, millionths % 10_000)).unwrap()
    }

    #[test]
    fn the_last_members_are_meant_or_those_before_the_last() {
        let part = |members, before| Part { members: share(members), before: share(before) };
        assert_eq!(part(300_000, 0).of(10), 7..10);
        assert_eq!(part(200_000, 300_000).of(10), 5..7);
        assert!(part(200_000, 0).of(4).is_empty());
        assert!(part(600_000, 500_000).is_too_much() && !part(500_000, 500_000).is_too_much());
        assert!(part(200_000, 0).meets(part(200_000, 100_000)));
        assert!(!part(200_000, 0).meets(part(200_000, 200_000)));
    }

    proptest! {
        #[test]
        fn parts_that_do_not_meet_share_no_member_of_any_group(
            shares in prop::collection::vec(0_u64..600_000, 4), members in 0_u32..5_000,
        ) {
            let part = |at: usize| Part { members: share(shares[at]), before: share(shares[at + 1]) };
            let (one, other) = (part(0), part(2));
            prop_assume!(!one.is_too_much() && !other.is_too_much());
            let both = one.of(members).filter(|member| other.of(members).contains(member)).count();
            prop_assert!(one.meets(other) || both == 0, "{one:?} {other:?}");
            prop_assert!(one.of(members).end <= members);
        }
    }
}
