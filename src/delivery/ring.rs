//! The recent part of a group's order, bounded in entries and bytes.
//!
//! Sequence numbers inside are contiguous. When full, the oldest entry makes room: whoever still
//! needed it must resynchronise. Used by [`super::group`] for catching up and by
//! [`super::audience`] for fan-out.

use std::collections::VecDeque;
use std::collections::vec_deque;

use super::ids::Seq;

/// How much one ring holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingLimits {
    /// Most entries.
    pub entries_max: usize,
    /// Most bytes of bodies; one entry is kept even if it alone is larger.
    pub bytes_max: usize,
}

/// Contiguous recent items; `first..next` are present.
#[derive(Debug)]
pub struct Ring<T> {
    items: VecDeque<(T, usize)>,
    first: Seq,
    bytes: usize,
}

impl<T> Ring<T> {
    /// An empty ring whose first item will be number `first`.
    #[must_use]
    pub fn starting_at(first: Seq) -> Self {
        Self { items: VecDeque::new(), first, bytes: 0 }
    }

    /// The oldest number present, or the next to come when empty.
    #[must_use]
    pub fn first(&self) -> Seq {
        self.first
    }

    /// The number the next pushed item gets.
    #[must_use]
    pub fn next(&self) -> Seq {
        Seq(self.first.0 + self.items.len() as u64)
    }

    /// Bytes of all items present.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The item numbered `seq`, if present.
    #[must_use]
    pub fn get(&self, seq: Seq) -> Option<&T> {
        let index = usize::try_from(seq.0.checked_sub(self.first.0)?).ok()?;
        self.items.get(index).map(|(item, _)| item)
    }

    /// Appends the next item and drops the oldest ones until the limits hold again.
    pub fn push(&mut self, item: T, bytes: usize, limits: RingLimits) {
        self.items.push_back((item, bytes));
        self.bytes += bytes;
        while self.items.len() > limits.entries_max.max(1)
            || (self.bytes > limits.bytes_max && self.items.len() > 1)
        {
            self.drop_oldest();
        }
    }

    /// Puts an older item back before the oldest one, for a reader that joins late.
    pub fn push_older(&mut self, item: T, bytes: usize) {
        assert!(self.first.0 > 0, "numbers start at zero");
        self.items.push_front((item, bytes));
        self.first = Seq(self.first.0 - 1);
        self.bytes += bytes;
    }

    /// Drops the oldest item; true if there was one.
    pub fn drop_oldest(&mut self) -> bool {
        let Some((_, bytes)) = self.items.pop_front() else { return false };
        self.bytes -= bytes;
        self.first = self.first.next();
        true
    }

    /// Drops everything numbered below `seq`.
    pub fn drop_below(&mut self, seq: Seq) {
        while self.first < seq && self.drop_oldest() {}
        if self.items.is_empty() && self.items.capacity() > 64 {
            self.items.shrink_to(8);
        }
    }

    /// Items from number `from` to `to`, both included, as far as present.
    pub fn range(&self, from: Seq, to: Seq) -> Range<'_, T> {
        let place =
            |seq: u64| usize::try_from(seq.saturating_sub(self.first.0)).unwrap_or(usize::MAX);
        let end = place(to.0.saturating_add(1)).min(self.items.len());
        let start = place(from.0).min(end);
        Range(self.items.range(start..end))
    }
}

/// Items of a ring, oldest first.
#[derive(Debug)]
pub struct Range<'a, T>(vec_deque::Iter<'a, (T, usize)>);

impl<T> Clone for Range<'_, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<'a, T> Iterator for Range<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        self.0.next().map(|(item, _)| item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> DoubleEndedIterator for Range<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(item, _)| item)
    }
}

impl<T> ExactSizeIterator for Range<'_, T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: RingLimits = RingLimits { entries_max: 4, bytes_max: 10 };

    proptest! {
        #[test]
        fn holds_the_newest_items_within_both_limits(sizes in prop::collection::vec(0_usize..12, 0..40)) {
            let mut ring = Ring::starting_at(Seq(1));
            let mut all = Vec::new();
            for size in sizes {
                ring.push(all.len(), size, SMALL);
                all.push(size);
                let kept = usize::try_from(ring.next().0 - ring.first().0).unwrap();
                let newest = &all[all.len() - kept..];
                prop_assert_eq!(ring.bytes(), newest.iter().sum::<usize>());
                prop_assert!((1..=4).contains(&kept));
                prop_assert!(ring.bytes() <= 10 || kept == 1);
                prop_assert_eq!(ring.next(), Seq(all.len() as u64 + 1));
                for (index, seq) in (ring.first().0..ring.next().0).enumerate() {
                    prop_assert_eq!(ring.get(Seq(seq)), Some(&(all.len() - kept + index)));
                }
            }
        }
    }

    #[test]
    fn a_range_is_clipped_to_what_is_present() {
        let mut ring = Ring::starting_at(Seq(5));
        for item in 5..9 {
            ring.push(item, 1, SMALL);
        }
        assert_eq!(ring.range(Seq(1), Seq(6)).copied().collect::<Vec<_>>(), [5, 6]);
        assert_eq!(ring.range(Seq(8), Seq(20)).copied().collect::<Vec<_>>(), [8]);
        assert_eq!(ring.range(Seq(9), Seq(20)).count(), 0);
        assert_eq!(ring.range(Seq(7), Seq(6)).count(), 0);
    }
}
