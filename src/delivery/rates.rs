//! How often a device may submit, and how often a group takes a message.
//!
//! Each is a token bucket, kept as the one instant at which it would be full again (GCRA): asking
//! it is a compare, taking from it an addition. A group has its bucket beside its state; devices
//! share a table of fixed size, so that their number costs nothing. Pure; `now` is an argument, and
//! what is refused changes nothing. Called by [`super::shard`].

use std::time::Duration;

use ahash::RandomState;

use super::ids::DeviceId;
use super::reject::Reject;
use super::shard::Shard;
use crate::limits::{
    DEVICE_BURST, DEVICE_RATE_MAX, DEVICES_METERED_MAX, GROUP_BURST, GROUP_RATE_MAX,
};

/// A steady rate, and how much may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    interval_ns: u64,
    burst_ns: u64,
}

impl Rate {
    /// So many a second, and as many as `burst` at once after a pause; both at least 1.
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval_ns = 1_000_000_000 / u64::from(per_second.max(1));
        Self { interval_ns, burst_ns: interval_ns * u64::from(burst.max(1)) }
    }

    /// No bound.
    pub const UNBOUNDED: Self = Self { interval_ns: 0, burst_ns: u64::MAX };
}

/// The rates of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Submissions and attachments of one device that were granted. Default [`DEVICE_RATE_MAX`] a
    /// second.
    pub device: Rate,
    /// Messages accepted in one group. Default [`GROUP_RATE_MAX`] a second.
    pub group: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            device: Rate::new(DEVICE_RATE_MAX, DEVICE_BURST),
            group: Rate::new(GROUP_RATE_MAX, GROUP_BURST),
        }
    }
}

/// One bucket: when it is full again, in nanoseconds of the time that is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket(u64);

impl Bucket {
    /// Whether something may be taken now.
    ///
    /// # Errors
    /// [`Reject::SlowDown`] with the time until it may.
    #[inline]
    pub fn check(self, now: Duration, rate: Rate) -> Result<(), Reject> {
        let now = nanos(now);
        let after = self.0.max(now).saturating_add(rate.interval_ns);
        match after.checked_sub(now.saturating_add(rate.burst_ns)) {
            None | Some(0) => Ok(()),
            Some(wait) => {
                let retry_ms = u32::try_from(wait.div_ceil(1_000_000)).unwrap_or(u32::MAX);
                Err(Reject::SlowDown { retry_ms })
            }
        }
    }

    /// Takes one.
    #[inline]
    pub fn take(&mut self, now: Duration, rate: Rate) {
        self.0 = self.0.max(nanos(now)).saturating_add(rate.interval_ns);
    }
}

/// Places that a device may have in the table.
const WAYS: usize = 4;

#[derive(Clone, Copy, Debug, Default)]
struct Metered {
    /// Of the device: distinct but for one pair in 2^64.
    tag: u64,
    bucket: Bucket,
}

/// The buckets of devices: [`DEVICES_METERED_MAX`] of 16 bytes, found by a keyed hash. Where all
/// places of a device are taken it gets that of whoever has been quiet for longest, which is then
/// met as if it had never come.
#[derive(Debug)]
pub struct DeviceRates {
    hasher: RandomState,
    table: Vec<[Metered; WAYS]>,
}

impl Default for DeviceRates {
    fn default() -> Self {
        let table = vec![[Metered::default(); WAYS]; DEVICES_METERED_MAX / WAYS];
        Self { hasher: RandomState::new(), table }
    }
}

impl DeviceRates {
    /// Whether something may be taken from a device's bucket now. One cache line.
    ///
    /// # Errors
    /// [`Reject::SlowDown`] when it is empty.
    #[inline]
    pub fn check(&self, now: Duration, device: DeviceId, rate: Rate) -> Result<(), Reject> {
        let (tag, line) = self.place(device);
        let known = self.table[line].iter().find(|one| one.tag == tag);
        known.map_or(Ok(()), |one| one.bucket.check(now, rate))
    }

    /// Takes one from a device's bucket.
    #[inline]
    pub fn take(&mut self, now: Duration, device: DeviceId, rate: Rate) {
        let (tag, line) = self.place(device);
        let ways = &mut self.table[line];
        let place = ways.iter().position(|one| one.tag == tag).unwrap_or_else(|| {
            let quietest = (0..WAYS).min_by_key(|place| ways[*place].bucket.0);
            let place = quietest.expect("there are some");
            ways[place] = Metered { tag, bucket: Bucket::default() };
            place
        });
        ways[place].bucket.take(now, rate);
    }

    /// A device's tag and its line of the table.
    fn place(&self, device: DeviceId) -> (u64, usize) {
        let tag = self.hasher.hash_one(device);
        (tag, usize::try_from(tag).expect("64-bit") & (self.table.len() - 1))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Shard {
    /// Whether a device's rate allows it to ask for something more.
    ///
    /// # Errors
    /// [`Reject::SlowDown`].
    pub fn may_ask(&self, now: Duration, device: DeviceId) -> Result<(), Reject> {
        self.device_rates.check(now, device, self.policy.rates.device)
    }

    /// Counts against a device's rate what it asked for in vain, where finding that out was work.
    pub fn charge(&mut self, now: Duration, device: DeviceId, units: u32) {
        for _ in 0..units {
            self.device_rates.take(now, device, self.policy.rates.device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn device(number: u32) -> DeviceId {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        DeviceId(id)
    }

    fn submit(devices: &mut DeviceRates, device: DeviceId, rate: Rate) -> Result<(), Reject> {
        devices.check(Duration::ZERO, device, rate)?;
        devices.take(Duration::ZERO, device, rate);
        Ok(())
    }

    #[test]
    fn after_a_burst_a_bucket_says_when_to_come_back() {
        let rate = Rate::new(10, 3);
        let mut bucket = Bucket::default();
        for _ in 0..3 {
            assert_eq!(bucket.check(Duration::ZERO, rate), Ok(()));
            bucket.take(Duration::ZERO, rate);
        }
        let wait = Err(Reject::SlowDown { retry_ms: 100 });
        assert_eq!(bucket.check(Duration::ZERO, rate), wait);
        assert_eq!(
            bucket.check(Duration::from_millis(99), rate),
            Err(Reject::SlowDown { retry_ms: 1 })
        );
        assert_eq!(bucket.check(Duration::from_millis(100), rate), Ok(()));
    }

    #[test]
    fn one_devices_submissions_cost_another_nothing() {
        let mut devices = DeviceRates::default();
        let rate = Rate::new(1, 5);
        for _ in 0..5 {
            submit(&mut devices, device(1), rate).unwrap();
        }
        submit(&mut devices, device(1), rate).unwrap_err();
        submit(&mut devices, device(2), rate).unwrap();
    }

    #[test]
    fn a_table_holds_its_size_however_many_devices_come() {
        let mut devices = DeviceRates::default();
        for number in 0..3 * u32::try_from(DEVICES_METERED_MAX).unwrap() {
            submit(&mut devices, device(number), Rate::new(1, 1)).unwrap();
        }
        assert_eq!(devices.table.len() * WAYS, DEVICES_METERED_MAX);
        assert_eq!(size_of::<Metered>(), 16);
    }

    #[test]
    fn without_a_bound_nothing_is_refused() {
        let mut devices = DeviceRates::default();
        for _ in 0..100_000 {
            submit(&mut devices, device(1), Rate::UNBOUNDED).unwrap();
        }
    }

    proptest! {
        #[test]
        fn a_bucket_lets_through_what_counting_tokens_does(
            per_second in 1_u32..50, burst in 1_u32..10,
            waits in prop::collection::vec(0_u64..400, 1..200)
        ) {
            // Periods in whole milliseconds, so that the model needs no fractions.
            let period_ms = 1_000 / u64::from(per_second);
            let rate = Rate { interval_ns: period_ms * 1_000_000, burst_ns: period_ms * 1_000_000 * u64::from(burst) };
            let mut bucket = Bucket::default();
            // Tokens in thousandths of a period each.
            let (mut tokens_ms, mut now_ms) = (period_ms * u64::from(burst), 0);
            for wait in waits {
                now_ms += wait;
                tokens_ms = (tokens_ms + wait).min(period_ms * u64::from(burst));
                let now = Duration::from_millis(now_ms);
                let allowed = tokens_ms >= period_ms;
                prop_assert_eq!(bucket.check(now, rate).is_ok(), allowed);
                if allowed {
                    tokens_ms -= period_ms;
                    bucket.take(now, rate);
                }
            }
        }
    }
}
