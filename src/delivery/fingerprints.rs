//! Where the records of a hash may be, out of a million: one cache line to know.
//!
//! Keeps twelve bits of each record's hash beside the record's position. Nothing is ever moved,
//! no table grows, and nothing is left of what was removed. Never sees a record. Used by
//! [`super::retries`].

/// Positions are below this.
pub(super) const POSITIONS: usize = 1 << POSITION_BITS;

const POSITION_BITS: u32 = 20;
const POSITION_MASK: u32 = (1 << POSITION_BITS) - 1;

/// No entry has the tag 0.
const VACANT: u32 = 0;

/// Entries of a bucket: a cache line's words but one.
const BUCKET_ENTRIES: usize = 15;

/// Fifteen entries, each a tag above a position, and how many found them all taken and are in a
/// later bucket: while there is one, a search goes on to the next.
type Bucket = [u32; BUCKET_ENTRIES + 1];

/// Positions by hash. The hash must be keyed: who can choose hashes can fill one bucket.
#[derive(Debug)]
pub(super) struct Fingerprints {
    /// A power of two of them.
    buckets: Vec<Bucket>,
}

impl Fingerprints {
    /// For `entries_max` entries at once, which fill half of it or less: fewer than one in a
    /// hundred is beside its bucket then. The memory is real only once it is used.
    pub(super) fn new(entries_max: usize) -> Self {
        let buckets = entries_max.div_ceil(BUCKET_ENTRIES.div_ceil(2)).next_power_of_two();
        Self { buckets: vec![[VACANT; BUCKET_ENTRIES + 1]; buckets] }
    }

    /// The first position entered under a hash that may be `hash` for which `is_sought`: asked
    /// for all that have the hash, and for one in 4,095 of those that share its bucket.
    pub(super) fn find(&self, hash: u32, is_sought: impl Fn(u32) -> bool) -> Option<u32> {
        let tag = entry(hash, 0);
        for bucket in self.probe(hash) {
            let bucket = &self.buckets[bucket];
            let found = matching(bucket, |entry| entry & !POSITION_MASK == tag)
                .map(|index| bucket[index] & POSITION_MASK)
                .find(|position| is_sought(*position));
            if found.is_some() || bucket[BUCKET_ENTRIES] == 0 {
                return found;
            }
        }
        None
    }

    /// Enters a position that is not entered.
    pub(super) fn insert(&mut self, hash: u32, position: u32) {
        for bucket in self.probe(hash) {
            let bucket = &mut self.buckets[bucket];
            if let Some(vacant) = matching(bucket, |entry| entry == VACANT).next() {
                bucket[vacant] = entry(hash, position);
                return;
            }
            bucket[BUCKET_ENTRIES] += 1;
        }
        unreachable!("there is room for nearly twice the entries");
    }

    /// Takes out a position that was entered under `hash`.
    pub(super) fn remove(&mut self, hash: u32, position: u32) {
        let sought = entry(hash, position);
        for bucket in self.probe(hash) {
            let bucket = &mut self.buckets[bucket];
            if let Some(found) = matching(bucket, |entry| entry == sought).next() {
                bucket[found] = VACANT;
                return;
            }
            bucket[BUCKET_ENTRIES] -= 1;
        }
        unreachable!("what is removed was entered");
    }

    /// Whether nothing is left of anything that was ever entered.
    #[cfg(test)]
    pub(super) fn is_as_new(&self) -> bool {
        self.buckets.iter().flatten().all(|word| *word == 0)
    }

    /// Every bucket, from the hash's own on.
    fn probe(&self, hash: u32) -> impl Iterator<Item = usize> + use<> {
        let mask = self.buckets.len() - 1;
        (0..=mask).map(move |step| (hash as usize + step) & mask)
    }
}

/// The hash's highest bits above the position; its lowest bits name the bucket.
fn entry(hash: u32, position: u32) -> u32 {
    (hash >> POSITION_BITS).max(1) << POSITION_BITS | position
}

/// The indices of a bucket's entries that are sought.
fn matching<F: Fn(u32) -> bool>(
    bucket: &Bucket,
    is_sought: F,
) -> impl Iterator<Item = usize> + use<F> {
    let mut matches = 0_u32;
    for (index, entry) in bucket[..BUCKET_ENTRIES].iter().enumerate() {
        matches |= u32::from(is_sought(*entry)) << index;
    }
    std::iter::from_fn(move || {
        let index = matches.trailing_zeros();
        matches &= matches.checked_sub(1)?;
        Some(index as usize)
    })
}
