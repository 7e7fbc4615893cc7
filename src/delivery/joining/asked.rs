//! A shard's side of joining: what is asked of a device goes to its mail, what is asked of a group
//! to the group.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::devices::SavedDevice;
use super::enclosures::Enclosures;
use super::nouns::{Ask, Record, Told};
use crate::delivery::ids::{DeviceId, GroupId, MessageId, Seq};
use crate::delivery::reject::Reject;
use crate::delivery::shard::{Link, Output, Shard};

impl Shard {
    /// Decides what is asked about joining; `now` is the time since the Unix epoch.
    pub(in crate::delivery) fn join(&mut self, now: Duration, ask: Ask) {
        let mut out = VecDeque::new();
        let unix_s = now.as_secs();
        let refused = match ask {
            Ask::Publish { from, device, request, last_resort, packages } => {
                let (asked, whose) = ((from, request), (device, unix_s));
                let outcome = self.devices.publish(asked, whose, last_resort, packages, &mut out);
                outcome.err().map(|reason| (from, request, reason))
            }
            Ask::Claim { from, claimer, request, device, suite } => {
                let (asked, what) = ((from, request), (device, suite, unix_s));
                let outcome = self.devices.claim(now, asked, claimer, what, &mut out);
                outcome.err().map(|reason| (from, request, reason))
            }
            Ask::Fetch { from, device, request, group } => {
                let outcome = self.fetch(now, (from, request), device, &group, &mut out);
                outcome.err().map(|reason| (from, request, reason))
            }
            Ask::Collect { from, device } => {
                self.devices.collect(from, (device, unix_s), &mut out);
                None
            }
            Ask::Collected { device, number } => {
                self.devices.collected(device, number, &mut out);
                None
            }
            Ask::Leave { from, device } => {
                self.devices.leave(from, device);
                None
            }
            Ask::Deposit { group, seq, devices, welcome } => {
                self.devices.deposit((group, seq), unix_s, devices, welcome, &mut out);
                None
            }
            Ask::Release { group, seq, devices } => {
                if self.release(&group, seq, &devices) {
                    out.push_back(Told::Record(Record::Released { group, seq, devices }));
                }
                None
            }
        };
        self.outputs.extend(out.into_iter().map(Output::Joining));
        if let Some((to, id, reason)) = refused {
            self.outputs.push_back(Output::Rejected { to, id, reason });
        }
    }

    /// Makes a recorded change again.
    pub fn replay_joining(&mut self, record: Record) {
        match record {
            Record::Released { group, seq, devices } => {
                self.release(&group, seq, &devices);
            }
            other => self.devices.replay(other),
        }
    }

    /// Puts a device back as it was saved, in place of what there is of it.
    pub fn restore_device(&mut self, saved: SavedDevice) {
        self.devices.restore(saved);
    }

    /// Replaces the ratchet tree that is served with a group's GroupInfo: that of its current epoch,
    /// from whoever follows it. Nothing where the group is unknown or its shard has no room.
    pub fn set_tree(&mut self, group: &GroupId, tree: Option<&Bytes>) {
        let Some((_, slot)) = self.slots.by_group_mut(group) else { return };
        let kept = slot.group.enclosures_mut();
        self.joining_bytes -= kept.bytes();
        kept.set_tree(None);
        let more = kept.bytes() + tree.map_or(0, Bytes::len);
        if Enclosures::check_room(self.joining_bytes, more).is_ok() {
            kept.set_tree(tree);
        }
        self.joining_bytes += kept.bytes();
    }

    /// Sends every Welcome that is on its way once more: after a restart nobody else knows of
    /// them. Their devices' shards recognise those that have arrived.
    pub fn forward_again(&mut self) {
        for (group, parcel) in self.slots.iter().flat_map(|(id, slot)| {
            slot.group.enclosures().outbox().iter().map(move |parcel| (*id, parcel))
        }) {
            let (devices, welcome) = (parcel.devices.clone(), parcel.welcome.clone());
            let forward = Told::Forward { group, seq: parcel.seq, devices, welcome };
            self.outputs.push_back(Output::Joining(forward));
        }
    }

    fn fetch(
        &mut self,
        now: Duration,
        (to, request): (Link, MessageId),
        device: DeviceId,
        group: &GroupId,
        out: &mut VecDeque<Told>,
    ) -> Result<(), Reject> {
        self.fetches.take(now, device)?;
        let slot = self.slots.by_group(group).ok_or(Reject::UnknownGroup)?;
        let kept = slot.group.enclosures();
        let group_info = kept.group_info().ok_or(Reject::NoGroupInfo)?.clone();
        let (epoch, tree) = (slot.group.epoch(), kept.tree().cloned());
        out.push_back(Told::GroupInfo { to, request, epoch, group_info, tree });
        Ok(())
    }

    fn release(&mut self, group: &GroupId, seq: Seq, devices: &[DeviceId]) -> bool {
        let Some((_, slot)) = self.slots.by_group_mut(group) else { return false };
        let kept = slot.group.enclosures_mut();
        let before = kept.bytes();
        let released = kept.release(seq, devices);
        self.joining_bytes -= before - kept.bytes();
        released
    }
}
