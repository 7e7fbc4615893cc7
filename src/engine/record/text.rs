//! A record in a line, for people who look at a log.

use std::fmt;

use super::{Record, What};
use crate::delivery::joining::Record as Joining;
use crate::delivery::{Entry, GroupId, Kind};

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09} ", self.at.as_secs(), self.at.subsec_nanos())?;
        match &self.what {
            What::Created(founding, _) => {
                let (group, epoch) = (Hex(founding.group.as_bytes()), founding.epoch.0);
                let (members, level) = (founding.roster.len(), founding.settings.level.name());
                write!(f, "created {group} epoch {epoch} members {members} level {level}")
            }
            What::Deleted(group) => write!(f, "deleted {}", Hex(group.as_bytes())),
            What::Appended(group, entry, ..) => appended(f, group, entry),
            What::Acknowledged(group, device, seq) => {
                let (group, device) = (Hex(group.as_bytes()), Hex(&device.0));
                write!(f, "acknowledged {group} seq {} by {device}", seq.0)
            }
            What::Checkpoint(group, saved, _) => {
                let (group, epoch, head) = (Hex(group.as_bytes()), saved.epoch.0, saved.head().0);
                let (members, kept) = (saved.members.len(), saved.entries.len());
                write!(
                    f,
                    "checkpoint {group} epoch {epoch} head {head} members {members} kept {kept}"
                )
            }
            What::Joining(record) => joining(f, record),
            What::Device(saved) => {
                let (device, letters) = (Hex(&saved.shelf.device.0), saved.letters.len());
                let packages = saved.shelf.packages.len();
                write!(f, "device {device} KeyPackages {packages} Welcomes {letters}")
            }
        }
    }
}

fn appended(f: &mut fmt::Formatter<'_>, group: &GroupId, entry: &Entry) -> fmt::Result {
    let kind = match entry.kind {
        Kind::Application => "application",
        Kind::Proposal => "proposal",
        Kind::Commit => "commit",
    };
    let (group, id, sender) = (Hex(group.as_bytes()), Hex(&entry.id.0), Hex(&entry.sender.0));
    let (seq, epoch, bytes) = (entry.seq.0, entry.epoch.0, entry.body.len());
    write!(f, "{kind} {group} seq {seq} epoch {epoch} id {id} from {sender} bytes {bytes}")?;
    let (added, removed) = (entry.change.added.len(), entry.change.removed.len());
    if added + removed > 0 { write!(f, " added {added} removed {removed}") } else { Ok(()) }
}

fn joining(f: &mut fmt::Formatter<'_>, record: &Joining) -> fmt::Result {
    match record {
        Joining::Published { device, packages, .. } => {
            write!(f, "published {} KeyPackages {}", Hex(&device.0), packages.len())
        }
        Joining::Claimed { device, reference, .. } => {
            write!(f, "claimed {} of {}", Hex(reference.as_bytes()), Hex(&device.0))
        }
        Joining::Deposited(deposit) => {
            let (group, devices) = (Hex(deposit.group.as_bytes()), deposit.joiners.len());
            write!(f, "welcome {group} seq {} for {devices} devices", deposit.seq.0)
        }
        Joining::Collected { device, number } => {
            write!(f, "collected {number} by {}", Hex(&device.0))
        }
        Joining::Released { group, seq, devices } => {
            let (group, devices) = (Hex(group.as_bytes()), devices.len());
            write!(f, "released {group} seq {} for {devices} devices", seq.0)
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
