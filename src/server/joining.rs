//! KeyPackages, Welcomes and GroupInfos on their way between sessions, devices and groups.
//!
//! A device's KeyPackages and Welcomes are with the shard that the device hashes to, whatever shard
//! its sessions sit on. Parses what is published and takes Welcomes apart; decides nothing.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use xxhash_rust::xxh3::xxh3_64;

use super::mesh::{Post, owner};
use super::service::Error;
use super::session::SessionKey;
use super::worker::Worker;
use crate::clock;
use crate::delivery::joining::{Ask, KeyPackage, Record, Told};
use crate::delivery::{DeviceId, Epoch, GroupId, Input, Link, MessageId, Reject, Seq};
use crate::limits::NOTICES_PENDING_MAX;
use crate::wire::{
    Counter, Delivery, Malformed, Peek, Reason, Reply, Request, key_package, peek, welcome,
    welcome_of_one,
};

/// The shard that owns a device, by hash.
pub(super) fn device_owner(device: DeviceId, shards: u16) -> u16 {
    let shard = xxh3_64(&device.0) % u64::from(shards);
    u16::try_from(shard).expect("less than the number of shards")
}

/// Whether a GroupInfo says that it describes the group in the epoch.
pub(super) fn describes(group_info: &[u8], group: &GroupId, epoch: Epoch) -> bool {
    matches!(peek(group_info), Ok(Peek::GroupInfo { group: of, epoch: at, .. })
        if of == *group && at == epoch)
}

impl Worker {
    /// A request about joining.
    pub(super) fn on_joining(
        &mut self,
        now: Instant,
        key: SessionKey,
        device: DeviceId,
        request: Request,
    ) -> Result<(), Error> {
        let from = self.link(key);
        match request {
            Request::Publish { request, last_resort, packages } => {
                let parsed: Result<Vec<KeyPackage>, Malformed> =
                    packages.iter().map(|package| key_package(package)).collect();
                let Ok(packages) = parsed else {
                    self.refuse(key, request, Reject::BadKeyPackage);
                    return Ok(());
                };
                let ask = Ask::Publish { from, device, request, last_resort, packages };
                self.ask_device(now, device, ask)
            }
            Request::Claim { request, device: whose, suite } => {
                let claimer = device;
                let ask = Ask::Claim { from, claimer, request, device: whose, suite };
                self.ask_device(now, whose, ask)
            }
            Request::Fetch { request, group } => {
                self.ask_group(now, &group, Ask::Fetch { from, device, request, group })
            }
            Request::Collect => {
                let peer = self.sessions.get(key).and_then(|session| session.peer.as_mut());
                // Once for each session: it would be told everything again.
                match peer {
                    Some(peer) if !peer.collecting => peer.collecting = true,
                    _ => return Ok(()),
                }
                self.ask_device(now, device, Ask::Collect { from, device })
            }
            Request::Collected { number } => {
                self.ask_device(now, device, Ask::Collected { device, number })
            }
            _ => unreachable!("about joining"),
        }
    }

    /// A released decision about joining.
    pub(super) fn on_told(&mut self, told: Told) {
        match told {
            Told::Record(record) => self.count_record(&record),
            Told::Published { to, request, left } => {
                self.answer(to, Reply::Published { request, left });
            }
            Told::KeyPackage { to, request, package } => {
                let KeyPackage { last_resort, body, .. } = *package;
                self.answer(to, Reply::KeyPackage { request, last_resort, body });
            }
            Told::GroupInfo { to, request, epoch, group_info, tree } => {
                self.answer(to, Reply::GroupInfo { request, epoch, group_info, tree });
            }
            Told::Welcome { to, number, reference, suite, secrets, group_info } => {
                let body = welcome_of_one(suite, &secrets, &group_info);
                self.notify(to, &Delivery::Welcome { number, reference, body });
            }
            Told::LowKeyPackages { to, suite, left } => {
                self.counters.add(Counter::LowKeyPackages, 1);
                self.notify(to, &Delivery::LowKeyPackages { suite, left });
            }
            Told::Forward { group, seq, devices, welcome } => {
                self.forward((group, seq), devices, &welcome);
            }
            Told::Taken { group, seq, devices, dropped } => {
                self.counters.add(Counter::WelcomesDropped, dropped as u64);
                let shard = owner(&group, self.mesh.shards());
                self.asks.push((shard, Ask::Release { group, seq, devices }));
            }
        }
    }

    /// Hands on what decisions of this turn ask of devices and groups, here or elsewhere.
    pub(super) fn pass_asks(&mut self, now: Instant) -> Result<(), Error> {
        for (shard, ask) in std::mem::take(&mut self.asks) {
            self.submit_input(now, shard, Input::Joining(ask))?;
        }
        Ok(())
    }

    /// A session that asked for Welcomes is over.
    pub(super) fn stop_collecting(&mut self, from: Link, device: DeviceId) {
        let shard = device_owner(device, self.mesh.shards());
        self.asks.push((shard, Ask::Leave { from, device }));
    }

    /// Something for a session's delivery stream that is of no group.
    pub(super) fn on_notice(&mut self, key: SessionKey, frame: Bytes) {
        let Some(session) = self.sessions.get(key) else { return };
        let connection = session.connection;
        let Some(peer) = session.peer.as_mut() else { return };
        if !peer.rest.is_empty() {
            // Of what is unbounded in number nothing is lost that is not said again.
            if peer.notices.len() < NOTICES_PENDING_MAX {
                peer.notices.push_back(frame);
            }
            return;
        }
        let since = clock::now().saturating_duration_since(self.started);
        let mut chunk = [frame];
        let written = self.driver.write(connection, peer.deliveries, &mut chunk);
        [peer.rest] = chunk;
        peer.took(since, written.unwrap_or(0));
    }

    fn notify(&mut self, to: Link, delivery: &Delivery) {
        let mut frame = BytesMut::new();
        delivery.encode(&mut frame);
        self.send_or_handle(to.shard, Post::Notice { to, frame: frame.freeze() });
    }

    /// The Welcome of a commit, to each shard that owns devices which it adds.
    fn forward(&mut self, (group, seq): (GroupId, Seq), devices: Vec<DeviceId>, message: &Bytes) {
        let shards = self.mesh.shards();
        let Ok(welcome) = welcome(message) else {
            // It was taken apart before its commit was accepted; it finds nobody.
            let own = self.mesh.own();
            return self.asks.push((own, Ask::Release { group, seq, devices }));
        };
        let mut by_shard: BTreeMap<u16, Vec<DeviceId>> = BTreeMap::new();
        for device in devices {
            by_shard.entry(device_owner(device, shards)).or_default().push(device);
        }
        for (shard, devices) in by_shard {
            let welcome = welcome.clone();
            self.asks.push((shard, Ask::Deposit { group, seq, devices, welcome }));
        }
    }

    fn count_record(&mut self, record: &Record) {
        let (counter, more) = match record {
            Record::Published { packages, .. } => (Counter::KeyPackagesPublished, packages.len()),
            Record::Claimed { .. } => (Counter::KeyPackagesClaimed, 1),
            Record::Deposited(deposit) => (Counter::WelcomesDeposited, deposit.joiners.len()),
            Record::Collected { .. } => (Counter::WelcomesCollected, 1),
            Record::Released { .. } => return,
        };
        self.counters.add(counter, more as u64);
    }

    /// Refuses a request that no shard needs to be asked about.
    pub(super) fn refuse(&mut self, key: SessionKey, id: MessageId, reason: Reject) {
        self.counters.add(Counter::Rejected, 1);
        self.reply(key, &Reply::Rejected { id, reason: Reason::Rejected(reason) });
    }

    fn ask_device(&mut self, now: Instant, device: DeviceId, ask: Ask) -> Result<(), Error> {
        let shard = device_owner(device, self.mesh.shards());
        self.submit_input(now, shard, Input::Joining(ask))
    }

    fn ask_group(&mut self, now: Instant, group: &GroupId, ask: Ask) -> Result<(), Error> {
        let shard = owner(group, self.mesh.shards());
        self.submit_input(now, shard, Input::Joining(ask))
    }
}
