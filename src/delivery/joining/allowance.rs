//! How often each device may ask: a bucket of tokens for each, refilled at a steady rate.
//!
//! A bucket is one instant: the one at which it will be full again (the generic cell rate
//! algorithm, ITU-T I.371). Knows neither what is asked nor why. Called by [`super::devices`] and
//! for fetches.

use std::collections::HashMap;
use std::time::Duration;

use ahash::RandomState;

use crate::delivery::ids::DeviceId;
use crate::delivery::reject::Reject;

/// How often a table without room is looked through for buckets that are full again.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The allowances of many devices.
#[derive(Debug)]
pub struct Allowances {
    /// What refills one token.
    interval: Duration,
    /// Time to refill a whole bucket.
    whole: Duration,
    entries_max: usize,
    full_at: HashMap<DeviceId, Duration, RandomState>,
    sweep_next: Duration,
}

impl Allowances {
    /// `burst` at once and `per_second` beyond it, for at most `entries_max` devices at a time.
    #[must_use]
    pub fn new(burst: u32, per_second: u32, entries_max: usize) -> Self {
        let interval = Duration::from_secs(1) / per_second;
        let whole = interval * burst;
        let (full_at, sweep_next) = (HashMap::default(), Duration::ZERO);
        Self { interval, whole, entries_max, full_at, sweep_next }
    }

    /// Takes one token of a device. O(1), amortised.
    ///
    /// # Errors
    /// [`Reject::SlowDown`] when it has none, or when there is no room to count it.
    pub fn take(&mut self, now: Duration, device: DeviceId) -> Result<(), Reject> {
        let full_at = self.full_at.get(&device).copied().unwrap_or_default().max(now);
        let over = (full_at + self.interval).saturating_sub(now + self.whole);
        if over > Duration::ZERO {
            return Err(slow_down(over));
        }
        if !self.full_at.contains_key(&device) && !self.has_room(now) {
            return Err(slow_down(self.sweep_next.saturating_sub(now)));
        }
        self.full_at.insert(device, full_at + self.interval);
        Ok(())
    }

    fn has_room(&mut self, now: Duration) -> bool {
        if self.full_at.len() >= self.entries_max && now >= self.sweep_next {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.sweep_next = now + SWEEP_EVERY;
        }
        self.full_at.len() < self.entries_max
    }
}

/// Rounded up: who waits so long is not told again to wait.
fn slow_down(wait: Duration) -> Reject {
    let ms = wait.as_nanos().div_ceil(1_000_000).max(1);
    Reject::SlowDown { retry_ms: u32::try_from(ms).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn device(number: u8) -> DeviceId {
        DeviceId([number; 16])
    }

    #[test]
    fn a_burst_is_allowed_and_the_next_is_told_when_to_come_back() {
        let mut allowances = Allowances::new(3, 10, 8);
        let at = Duration::from_secs(5);
        assert!((0..3).all(|_| allowances.take(at, device(1)).is_ok()));
        let told = Err(Reject::SlowDown { retry_ms: 100 });
        assert_eq!(allowances.take(at, device(1)), told);
        assert_eq!(allowances.take(at, device(2)), Ok(()), "everybody has a bucket of its own");
        let later = at + Duration::from_millis(100);
        assert_eq!(allowances.take(later, device(1)), Ok(()));
        assert_eq!(allowances.take(later, device(1)), told);
    }

    #[test]
    fn a_full_table_forgets_those_that_have_their_whole_allowance_again_and_nobody_else() {
        let mut allowances = Allowances::new(1, 1, 2);
        let second = Duration::from_secs(1);
        for number in [1, 2] {
            allowances.take(second, device(number)).unwrap();
        }
        assert!(allowances.take(second, device(3)).is_err());
        assert!(allowances.take(second * 2, device(3)).is_ok());
        assert_eq!(allowances.full_at.len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Against a bucket that counts its tokens, refilled in thousandths.
        #[test]
        fn nobody_gets_more_than_a_bucket_of_tokens_gives(
            steps in prop::collection::vec((0..1_500_u64, 0..3_u8), 1..100),
        ) {
            let (burst, per_second) = (4, 2);
            let mut allowances = Allowances::new(burst, per_second, 8);
            let mut buckets = [(u64::from(burst) * 1_000, 0_u64); 3];
            let mut now_ms = 0;
            for (pause, who) in steps {
                now_ms += pause;
                let (tokens, since) = &mut buckets[usize::from(who)];
                let more = (now_ms - *since) * u64::from(per_second);
                *tokens = (*tokens + more).min(u64::from(burst) * 1_000);
                *since = now_ms;
                let expected = *tokens >= 1_000;
                if expected {
                    *tokens -= 1_000;
                }
                let got = allowances.take(Duration::from_millis(now_ms), device(who));
                prop_assert_eq!(got.is_ok(), expected, "at {} ms", now_ms);
            }
        }
    }
}
