//! How large groups are and how many messages each size has, as it is asked of a plan.
//!
//! A list of sizes with their shares, or the law that a scenario may have. Of a law a plan has
//! slices, whose means keep the mean of the law, so that deliveries come out right. Called by
//! `question`.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::question::{Fault, fault, number, share};
use crate::limits::{PLAN_GROUPS_MAX, ROSTER_MAX};
use crate::load::scenario::law_of_members;
use crate::load::sizes::{LogNormal, Slice};

/// How large groups are, before it is checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum WrittenSizes {
    /// Sizes, each with its share of the messages.
    Listed(Vec<WrittenGroups>),
    /// A law of the users in a group; every group has as many messages as any other.
    Law(WrittenLaw),
}

/// A law with its name, as a scenario writes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WrittenLaw {
    /// Of the users in a group.
    pub lognormal: LogNormal,
}

/// Groups of one size.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenGroups {
    /// Users in each.
    pub users: f64,
    /// The share of all messages that goes to such groups.
    pub messages: String,
    /// How many there are.
    pub count: Option<u64>,
}

/// Groups of one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Groups {
    /// Users in each.
    pub users: f64,
    /// Members of each: their devices.
    pub members: f64,
    /// Share of all messages.
    pub share: f64,
    /// How many there are, if that is known.
    pub count: Option<u64>,
}

impl<'de> Deserialize<'de> for WrittenSizes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Sizes)
    }
}

/// Reads a list or a table.
struct Sizes;

impl<'de> Visitor<'de> for Sizes {
    type Value = WrittenSizes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a list of { users, messages }, or { lognormal = { median, p99, max } } of the users \
             in a group",
        )
    }

    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<WrittenSizes, S::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(WrittenSizes::Listed)
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<WrittenSizes, M::Error> {
        let lognormal = law_of_members(MapAccessDeserializer::new(map))?;
        Ok(WrittenSizes::Law(WrittenLaw { lognormal }))
    }
}

/// The groups of `users` people with so many `devices` each, the largest share of messages first.
pub(super) fn resolve(
    written: Option<&WrittenSizes>,
    users: f64,
    devices: f64,
) -> Result<Vec<Groups>, Fault> {
    let mut groups = match written {
        None => listed(&[], users, devices)?,
        Some(WrittenSizes::Listed(list)) => listed(list, users, devices)?,
        Some(WrittenSizes::Law(law)) => slices(law.lognormal, users, devices)?,
    };
    groups.sort_by(|a, b| b.share.total_cmp(&a.share));
    Ok(groups)
}

fn listed(list: &[WrittenGroups], users: f64, devices: f64) -> Result<Vec<Groups>, Fault> {
    let sizes = list.len();
    if sizes == 0 || sizes > PLAN_GROUPS_MAX {
        let message = format!("{sizes} sizes of groups; 1 to {PLAN_GROUPS_MAX} are needed");
        return Err(fault("groups", message));
    }
    let mut groups = Vec::new();
    for (index, written) in list.iter().enumerate() {
        let at = |field: &str| format!("groups[{index}].{field}");
        let of = number(&at("users"), Some(written.users), 1.0, users)?;
        let members = of * devices;
        if !(2.0..=ROSTER_MAX as f64).contains(&members) {
            let message = format!("{of} {}", no_group(devices, members));
            return Err(fault(&at("users"), message));
        }
        let share = share(&at("messages"), Some(&written.messages), 1.0)?;
        groups.push(Groups { users: of, members, share, count: written.count });
    }
    let sum: f64 = groups.iter().map(|of| of.share).sum();
    if (sum - 1.0).abs() > 1e-6 {
        let message = format!(
            "the shares of the messages add up to {}%, not 100%",
            (sum * 1e6).round() / 1e4
        );
        return Err(fault("groups", message));
    }
    Ok(groups)
}

/// A law of users as its slices: fewer users than make a group are as many as do.
fn slices(law: LogNormal, users: f64, devices: f64) -> Result<Vec<Groups>, Fault> {
    let most = f64::from(law.max);
    if most > users {
        return Err(fault("groups", format!("a max of {most} users in a group; all are {users}")));
    }
    let least = (2.0 / devices).max(1.0);
    if most < least || most * devices > ROSTER_MAX as f64 {
        return Err(fault(
            "groups",
            format!("a max of {most} {}", no_group(devices, most * devices)),
        ));
    }
    let groups = law.slices(least).into_iter().map(|Slice { share, mean }| Groups {
        users: mean,
        members: mean * devices,
        share,
        count: None,
    });
    Ok(groups.collect())
}

fn no_group(devices: f64, members: f64) -> String {
    format!(
        "users with {devices} devices each are {members} members; a group has 2 to {ROSTER_MAX}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<WrittenSizes, String> {
        #[derive(Deserialize)]
        struct File {
            groups: WrittenSizes,
        }
        let file = toml::from_str::<File>(text).map_err(|error| error.message().to_owned())?;
        Ok(file.groups)
    }

    fn law(median: u32, p99: u32, max: u32) -> WrittenSizes {
        let text = format!("median = {median}, p99 = {p99}, max = {max}");
        written(&format!("groups = {{ lognormal = {{ {text} }} }}")).unwrap()
    }

    #[test]
    fn a_law_has_the_messages_of_all_groups_and_its_own_mean_of_members() {
        let groups = resolve(Some(&law(8, 500, 2_000)), 1e6, 1.5).unwrap();
        let sum = |of: fn(&Groups) -> f64| groups.iter().map(of).sum::<f64>();
        assert!((sum(|of| of.share) - 1.0).abs() < 1e-9, "{groups:?}");
        let mean = sum(|of| of.share * of.members) / 1.5;
        // Drawn two million times by another program: 37.23, where 2,000 cuts off what is larger.
        assert!((mean - 37.23).abs() < 0.1, "{mean}: {groups:?}");
        assert!(groups.is_sorted_by(|one, next| one.share >= next.share), "{groups:?}");
        assert!(groups.iter().all(|of| of.count.is_none() && of.members <= 3_000.0));
    }

    #[test]
    fn no_slice_is_too_small_for_a_group() {
        let groups = resolve(Some(&law(2, 300, 1_000)), 1e6, 0.5).unwrap();
        assert!(groups.iter().all(|of| of.members >= 2.0), "{groups:?}");
        assert!(groups.iter().any(|of| of.users == 4.0), "{groups:?}");
        let alike = resolve(Some(&law(7, 7, 7)), 10.0, 2.0).unwrap();
        assert_eq!(alike, [Groups { users: 7.0, members: 14.0, share: 1.0, count: None }]);
    }

    #[test]
    fn a_law_that_no_groups_can_have_is_a_fault() {
        let check = |law: &WrittenSizes, users, devices, says: &str| {
            let fault = resolve(Some(law), users, devices).unwrap_err();
            assert_eq!(fault.field, "groups");
            assert!(fault.message.contains(says), "{}", fault.message);
        };
        check(&law(8, 500, 2_000), 1_999.0, 1.0, "a max of 2000 users in a group; all are 1999");
        check(&law(8, 500, 2_000), 1e6, 51.0, "are 102000 members; a group has 2 to 100000");
        check(&law(2, 3, 4), 1e6, 0.25, "are 1 members");
        let check = |text: &str, says: &str| {
            let wrong = written(text).unwrap_err();
            assert!(wrong.contains(says), "{wrong}");
        };
        check("groups = 8", "or { lognormal = { median, p99, max } } of the users in a group");
        check("groups = { zipf = 1 }", "zipf");
        check("groups = { lognormal = { median = 8, p99 = 5, max = 9 } }", "the p99 the median");
    }
}
