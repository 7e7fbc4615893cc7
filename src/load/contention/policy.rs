//! The four policies, as a scenario writes them.
//!
//! `retry` is the client that knows nothing better, the others are what it could do instead. Pure;
//! randomness is drawn from the caller's stream. Called by `scenario` and the worker.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use crate::units::Phase as Length;

/// What `contention` says of a live class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contention {
    /// How its racers go about it.
    pub policy: Policy,
    /// How long after its change came through a racer wants the next one; `None`: when the
    /// schedule says, whatever became of the one before.
    pub think: Option<Duration>,
}

/// How a racer that wants a change brings it through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// It commits at once, and whenever it has lost, at once again.
    #[default]
    Retry,
    /// It commits at once, and waits for a random while whenever it has lost.
    Backoff(Backoff),
    /// It proposes its change; one racer commits all proposals of the epoch together.
    Proposals {
        /// How long the committer waits after the first proposal that it sees.
        window: Duration,
        /// How much longer each further racer waits, in a fixed order, before it does it instead.
        takeover: Duration,
    },
    /// It claims the epoch by an application message; whose claim is ordered first commits alone.
    Lease {
        /// How long a claim keeps the others from claiming.
        length: Duration,
    },
}

/// Exponential backoff with full jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first loss; after each further one it is twice as long.
    pub base: Duration,
    /// What it never exceeds.
    pub max: Duration,
}

impl Policy {
    /// Its name in scenarios and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Backoff(_) => "backoff",
            Self::Proposals { .. } => "proposals",
            Self::Lease { .. } => "lease",
        }
    }

    /// The policy of that name with its documented settings.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let written = Written { policy: WrittenPolicy::named(name)?, ..Written::default() };
        written.policy().ok()
    }
}

impl Backoff {
    /// How long to wait after a loss that `losses` others came before: uniform from 0 to what is
    /// allowed by then.
    #[must_use]
    pub fn wait(self, losses: u32, from: &mut ChaCha8Rng) -> Duration {
        let bound = self.bound(losses);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        let product = u128::from(from.next_u64()) * u128::from(nanos);
        Duration::from_nanos(u64::try_from(product >> 64).unwrap_or_default())
    }

    /// What no wait after a loss that `losses` others came before reaches.
    #[must_use]
    pub fn bound(self, losses: u32) -> Duration {
        let doubled = 2_u32.checked_pow(losses).and_then(|times| self.base.checked_mul(times));
        doubled.map_or(self.max, |wait| wait.min(self.max))
    }
}

/// The stream that one racer's waits are drawn from: another for each, and for each seed.
#[must_use]
pub fn jitter(seed: u64, group: u32, racer: u32) -> ChaCha8Rng {
    let mut key = *b"stentor backoff.................";
    key[16..24].copy_from_slice(&seed.to_be_bytes());
    key[24..28].copy_from_slice(&group.to_be_bytes());
    key[28..].copy_from_slice(&racer.to_be_bytes());
    ChaCha8Rng::from_seed(key)
}

/// As written: a field of another policy is a mistake, not a decoration.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    policy: WrittenPolicy,
    base: Option<Length<1>>,
    max: Option<Length<1>>,
    window: Option<Length<1>>,
    takeover: Option<Length<1>>,
    #[serde(rename = "for")]
    length: Option<Length<1>>,
    think: Option<Length<0>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenPolicy {
    #[default]
    Retry,
    Backoff,
    Proposals,
    Lease,
}

impl WrittenPolicy {
    fn named(name: &str) -> Option<Self> {
        let all = [Self::Retry, Self::Backoff, Self::Proposals, Self::Lease];
        let names = ["retry", "backoff", "proposals", "lease"];
        all.into_iter().zip(names).find(|(_, known)| *known == name).map(|(policy, _)| policy)
    }
}

impl Written {
    fn policy(&self) -> Result<Policy, String> {
        let fields = [
            ("base", self.base.is_some(), WrittenPolicy::Backoff),
            ("max", self.max.is_some(), WrittenPolicy::Backoff),
            ("window", self.window.is_some(), WrittenPolicy::Proposals),
            ("takeover", self.takeover.is_some(), WrittenPolicy::Proposals),
            ("for", self.length.is_some(), WrittenPolicy::Lease),
        ];
        for (field, written, of) in fields {
            if written && of != self.policy {
                return Err(format!("`{field}` is of another policy; leave it out"));
            }
        }
        let or = |written: Option<Length<1>>, millis| {
            written.map_or_else(|| Duration::from_millis(millis), Length::get)
        };
        Ok(match self.policy {
            WrittenPolicy::Retry => Policy::Retry,
            WrittenPolicy::Backoff => {
                let backoff = Backoff { base: or(self.base, 20), max: or(self.max, 2_000) };
                if backoff.base > backoff.max {
                    return Err("`base` is longer than `max`".to_owned());
                }
                Policy::Backoff(backoff)
            }
            WrittenPolicy::Proposals => Policy::Proposals {
                window: or(self.window, 100),
                takeover: or(self.takeover, 1_000),
            },
            WrittenPolicy::Lease => Policy::Lease { length: or(self.length, 500) },
        })
    }
}

impl<'de> Deserialize<'de> for Contention {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(from)?;
        let policy = written.policy().map_err(de::Error::custom)?;
        Ok(Self { policy, think: written.think.map(Length::get) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Contention, String> {
        #[derive(Deserialize)]
        struct Holder {
            contention: Contention,
        }
        let holder: Result<Holder, _> = toml::from_str(&format!("contention = {text}"));
        holder.map(|holder| holder.contention).map_err(|error| error.message().to_owned())
    }

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn what_is_left_out_of_a_policy_has_the_documented_default() {
        let check = |text, policy| assert_eq!(read(text).unwrap().policy, policy, "{text}");
        check("{}", Policy::Retry);
        check("{ policy = \"retry\", think = \"0s\" }", Policy::Retry);
        let backoff = Backoff { base: MS(20), max: MS(2_000) };
        check("{ policy = \"backoff\" }", Policy::Backoff(backoff));
        let backoff = Backoff { base: MS(5), max: MS(50) };
        check("{ policy = \"backoff\", base = \"5ms\", max = \"50ms\" }", Policy::Backoff(backoff));
        let proposals = Policy::Proposals { window: MS(100), takeover: MS(1_000) };
        check("{ policy = \"proposals\", window = \"100ms\" }", proposals);
        check("{ policy = \"lease\", for = \"1s\" }", Policy::Lease { length: MS(1_000) });
        for name in ["retry", "backoff", "proposals", "lease"] {
            let written = read(&format!("{{ policy = \"{name}\" }}")).unwrap();
            assert_eq!(Policy::named(name), Some(written.policy));
            assert_eq!(written.policy.name(), name);
            assert_eq!(written.think, None);
        }
        assert_eq!(Policy::named("hope"), None);
    }

    #[test]
    fn a_field_of_another_policy_is_refused() {
        let check = |text, reason| assert!(read(text).unwrap_err().contains(reason), "{text}");
        check("{ policy = \"retry\", base = \"1ms\" }", "`base` is of another policy");
        check("{ policy = \"lease\", window = \"1ms\" }", "`window` is of another policy");
        check("{ policy = \"backoff\", for = \"1ms\" }", "`for` is of another policy");
        check("{ policy = \"backoff\", base = \"1s\", max = \"1ms\" }", "longer than `max`");
        check("{ policy = \"hope\" }", "unknown variant");
        check("{ patience = 1 }", "unknown field");
    }

    proptest! {
        #[test]
        fn a_wait_is_below_its_bound_which_doubles_up_to_the_longest(
            seed: u64, group: u32, base in 1_u64..1_000, factor in 1_u64..100, losses in 0_u32..80,
        ) {
            let backoff = Backoff { base: MS(base), max: MS(base * factor) };
            let mut stream = jitter(seed, group, 0);
            let wait = backoff.wait(losses, &mut stream);
            let naive = (0..losses).fold(u128::from(base), |wait, _| (wait * 2).min(1 << 100));
            let bound = naive.min(u128::from(base * factor));
            prop_assert_eq!(backoff.bound(losses).as_millis(), bound);
            prop_assert!(wait < backoff.bound(losses));
        }
    }

    #[test]
    fn waits_are_spread_over_all_that_is_allowed_and_one_seed_gives_one_sequence() {
        let backoff = Backoff { base: MS(100), max: MS(100) };
        let draw = |seed, racer| -> Vec<Duration> {
            let mut stream = jitter(seed, 3, racer);
            (0..1_000).map(|_| backoff.wait(0, &mut stream)).collect()
        };
        let waits = draw(1, 0);
        for tenth in 0..10 {
            let within = |wait: &&Duration| (MS(10 * tenth)..MS(10 * tenth + 10)).contains(*wait);
            let share = waits.iter().filter(within).count();
            // Of 1,000 draws 100 on average, with a standard deviation of 9.5.
            assert!((50..150).contains(&share), "{tenth}: {share}");
        }
        assert_eq!(waits, draw(1, 0));
        assert_ne!(waits, draw(1, 1));
        assert_ne!(waits, draw(2, 0));
    }
}
