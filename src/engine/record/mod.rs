//! What one entry of the log says, byte by byte.
//!
//! ```text
//! record      = tag u8 | at u64 | fields                  integers big-endian
//!
//! at          = nanoseconds since the Unix epoch
//! group       = size u8 (1..=64) | size bytes
//! devices     = count u32 | count * 16
//! blob        = size u32 | size bytes                                             0 for none
//! entry       = seq u64 | epoch u64 | id 16 | kind u8 | sender 16
//!               | added devices | removed devices
//!
//! 1 Created      group | epoch u64 | level u8 | devices | GroupInfo blob | tree blob
//!                | state of the validation, where it cannot be had from them later, blob
//! 2 Deleted      group
//! 3 Appended     group | entry | Welcome blob | GroupInfo blob | state of the validation after it, where
//!                it cannot be had from the message later, blob | body: what is left
//! 4 Acknowledged group | device 16 | seq u64
//! 5 Checkpoint   group | epoch u64 | level u8 | proposals pending u32
//!                | count u32 | count * (device 16 | first u64 | acknowledged u64)
//!                | count u32 | count * (device 16 | first u64 | last u64 | acknowledged u64)
//!                | count u32 | count * winner u64
//!                | GroupInfo blob | tree blob | count u32 | count * (seq u64 | devices | Welcome blob)
//!                | first u64 | count u32 | count * (entry | body blob)
//!                | state of the validation: what is left
//! 6 to 11        see `joining`
//! ```
//!
//! An accepted message is one record with everything that it changes: a crash shows all of it or
//! nothing. Decoding never panics and never allocates by a count that it has not held against
//! the bytes there are. Called by [`super::Engine`] to write, by `recovery` to read.

mod joining;
mod text;

use std::time::Duration;

use bytes::{Buf, Bytes, TryGetError};

use crate::delivery::group::Saved;
use crate::delivery::joining::{Parcel, Record as JoiningRecord, SavedDevice, SavedEnclosures};
use crate::delivery::roster::{Cursor, Window};
use crate::delivery::{
    DeviceId, Durability, Enclosed, Entry, Epoch, Founding, GroupId, Kind, Level, MessageId,
    RosterChange, Seq, Settings,
};

use joining::joining_record;

const CREATED: u8 = 1;
const DELETED: u8 = 2;
const APPENDED: u8 = 3;
const ACKNOWLEDGED: u8 = 4;
const CHECKPOINT: u8 = 5;

/// An entry of the log, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was decided, since the Unix epoch.
    pub at: Duration,
    /// What it says.
    pub what: What,
}

/// What an entry of the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The group exists from here on.
    Created(Box<Founding>, Option<Bytes>),
    /// A group is gone.
    Deleted(GroupId),
    /// A message was accepted, with what came with it, and perhaps the state of the group's
    /// validation after it.
    Appended(GroupId, Box<Entry>, Enclosed, Option<Bytes>),
    /// A device needs nothing up to a message again.
    Acknowledged(GroupId, DeviceId, Seq),
    /// A group's whole state, and that of its validation: nothing before this record is needed to
    /// know it.
    Checkpoint(GroupId, Box<Saved>, Vec<u8>),
    /// Something about joining.
    Joining(Box<JoiningRecord>),
    /// A device's whole state: nothing before this record is needed to know it.
    Device(Box<SavedDevice>),
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an entry of a delivery service's log: {0}")]
pub struct NotARecord(&'static str);

impl From<TryGetError> for NotARecord {
    fn from(_: TryGetError) -> Self {
        Self("it ends too early")
    }
}

/// Puts records together; its buffer is used again.
#[derive(Debug, Default)]
pub(super) struct Encoder(Vec<u8>);

impl Encoder {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn created(&mut self, at: Duration, founding: &Founding, level: &[u8]) {
        self.start_of(CREATED, at, &founding.group);
        self.0.extend(founding.epoch.0.to_be_bytes());
        self.0.push(founding.settings.level.number());
        self.devices(&founding.roster);
        self.blob(founding.group_info.as_ref());
        self.blob(founding.tree.as_ref());
        self.count(level.len());
        self.0.extend(level);
    }

    pub(super) fn deleted(&mut self, at: Duration, group: &GroupId) {
        self.start_of(DELETED, at, group);
    }

    /// All but the body, which follows.
    pub(super) fn appended(
        &mut self,
        at: Duration,
        group: &GroupId,
        entry: &Entry,
        enclosed: &Enclosed,
        level: &[u8],
    ) {
        self.start_of(APPENDED, at, group);
        self.entry(entry);
        self.blob(enclosed.welcome.as_ref());
        self.blob(enclosed.group_info.as_ref());
        self.count(level.len());
        self.0.extend(level);
    }

    pub(super) fn acknowledged(
        &mut self,
        at: Duration,
        group: &GroupId,
        device: DeviceId,
        seq: Seq,
    ) {
        self.start_of(ACKNOWLEDGED, at, group);
        self.0.extend(device.0);
        self.0.extend(seq.0.to_be_bytes());
    }

    pub(super) fn checkpoint(
        &mut self,
        at: Duration,
        group: &GroupId,
        saved: &Saved,
        level: &[u8],
    ) {
        self.start_of(CHECKPOINT, at, group);
        self.0.extend(saved.epoch.0.to_be_bytes());
        self.0.push(saved.settings.level.number());
        self.count(saved.proposals_pending);
        self.count(saved.members.len());
        for (device, Cursor { first, acknowledged }) in &saved.members {
            self.0.extend(device.0);
            self.0.extend(first.0.to_be_bytes());
            self.0.extend(acknowledged.0.to_be_bytes());
        }
        self.count(saved.departed.len());
        for (device, Window { first, last, acknowledged }) in &saved.departed {
            self.0.extend(device.0);
            self.0.extend(first.0.to_be_bytes());
            self.0.extend(last.expect("who left has a last message").0.to_be_bytes());
            self.0.extend(acknowledged.0.to_be_bytes());
        }
        self.count(saved.winners.len());
        saved.winners.iter().for_each(|seq| self.0.extend(seq.0.to_be_bytes()));
        self.enclosures(&saved.enclosures);
        self.0.extend(saved.first.0.to_be_bytes());
        self.count(saved.entries.len());
        for entry in &saved.entries {
            self.entry(entry);
            self.blob(Some(&entry.body));
        }
        self.0.extend(level);
    }

    fn enclosures(&mut self, saved: &SavedEnclosures) {
        self.blob(saved.group_info.as_ref());
        self.blob(saved.tree.as_ref());
        self.count(saved.outbox.len());
        for Parcel { seq, devices, welcome } in &saved.outbox {
            self.0.extend(seq.0.to_be_bytes());
            self.devices(devices);
            self.blob(Some(welcome));
        }
    }

    fn start_of(&mut self, tag: u8, at: Duration, group: &GroupId) {
        self.start(tag, at);
        self.group(group);
    }

    fn start(&mut self, tag: u8, at: Duration) {
        self.0.clear();
        self.0.push(tag);
        let at = u64::try_from(at.as_nanos()).expect("this millennium fits");
        self.0.extend(at.to_be_bytes());
    }

    fn group(&mut self, group: &GroupId) {
        self.0.push(u8::try_from(group.as_bytes().len()).expect("a group id is short"));
        self.0.extend(group.as_bytes());
    }

    fn entry(&mut self, entry: &Entry) {
        self.0.extend(entry.seq.0.to_be_bytes());
        self.0.extend(entry.epoch.0.to_be_bytes());
        self.0.extend(entry.id.0);
        self.0.push(match entry.kind {
            Kind::Application => 1,
            Kind::Proposal => 2,
            Kind::Commit => 3,
        });
        self.0.extend(entry.sender.0);
        self.devices(&entry.change.added);
        self.devices(&entry.change.removed);
    }

    fn devices(&mut self, devices: &[DeviceId]) {
        self.count(devices.len());
        devices.iter().for_each(|device| self.0.extend(device.0));
    }

    fn blob(&mut self, blob: Option<&Bytes>) {
        let bytes = blob.map_or(&[][..], |blob| blob);
        self.count(bytes.len());
        self.0.extend(bytes);
    }

    fn count(&mut self, count: usize) {
        self.0.extend(u32::try_from(count).expect("everything logged is bounded").to_be_bytes());
    }
}

impl Record {
    /// Reads an entry of the log. Bodies are copied out of it, once.
    ///
    /// # Errors
    /// [`NotARecord`].
    pub fn decode(bytes: &[u8]) -> Result<Self, NotARecord> {
        let mut rest = bytes;
        let tag = rest.try_get_u8()?;
        let at = Duration::from_nanos(rest.try_get_u64()?);
        let what = match tag {
            CREATED => {
                let group = group(&mut rest)?;
                let founding = Box::new(created(&mut rest, group)?);
                What::Created(founding, blob(&mut rest)?)
            }
            DELETED => What::Deleted(group(&mut rest)?),
            APPENDED => {
                let group = group(&mut rest)?;
                let mut entry = entry(&mut rest)?;
                let (welcome, group_info) = (blob(&mut rest)?, blob(&mut rest)?);
                let level = blob(&mut rest)?;
                entry.body = Bytes::copy_from_slice(std::mem::take(&mut rest));
                let enclosed = Enclosed { welcome, group_info };
                What::Appended(group, Box::new(entry), enclosed, level)
            }
            ACKNOWLEDGED => {
                What::Acknowledged(group(&mut rest)?, device(&mut rest)?, seq(&mut rest)?)
            }
            CHECKPOINT => {
                let group = group(&mut rest)?;
                let saved = Box::new(checkpoint(&mut rest)?);
                What::Checkpoint(group, saved, std::mem::take(&mut rest).to_vec())
            }
            _ => joining_record(tag, &mut rest)?.ok_or(NotARecord("an unknown tag"))?,
        };
        if rest.is_empty() { Ok(Self { at, what }) } else { Err(NotARecord("bytes after its end")) }
    }
}

fn created(rest: &mut &[u8], group: GroupId) -> Result<Founding, NotARecord> {
    Ok(Founding {
        group,
        epoch: Epoch(rest.try_get_u64()?),
        settings: Settings { durability: Durability::Wal, level: level(rest)? },
        roster: devices(rest)?,
        group_info: blob(rest)?,
        tree: blob(rest)?,
    })
}

fn checkpoint(rest: &mut &[u8]) -> Result<Saved, NotARecord> {
    let epoch = Epoch(rest.try_get_u64()?);
    let settings = Settings { durability: Durability::Wal, level: level(rest)? };
    let proposals_pending = rest.try_get_u32()? as usize;
    let members = list(rest, 32, |rest| {
        let (device, first, acknowledged) = (device(rest)?, seq(rest)?, seq(rest)?);
        Ok((device, Cursor { first, acknowledged }))
    })?;
    let departed = list(rest, 40, |rest| {
        let (device, first, last) = (device(rest)?, seq(rest)?, Some(seq(rest)?));
        Ok((device, Window { first, last, acknowledged: seq(rest)? }))
    })?;
    let winners = list(rest, 8, seq)?;
    let enclosures = enclosures(rest)?;
    let first = seq(rest)?;
    let entries = list(rest, 61, |rest| {
        let mut entry = entry(rest)?;
        entry.body = blob(rest)?.unwrap_or_default();
        Ok(entry)
    })?;
    if first == Seq(0) {
        return Err(NotARecord("numbers start at one"));
    }
    Ok(Saved {
        epoch,
        settings,
        members,
        departed,
        winners,
        proposals_pending,
        enclosures,
        first,
        entries,
    })
}

fn enclosures(rest: &mut &[u8]) -> Result<SavedEnclosures, NotARecord> {
    let (group_info, tree) = (blob(rest)?, blob(rest)?);
    let outbox = list(rest, 16, |rest| {
        let (seq, devices) = (seq(rest)?, devices(rest)?);
        Ok(Parcel { seq, devices, welcome: blob(rest)?.unwrap_or_default() })
    })?;
    Ok(SavedEnclosures { group_info, tree, outbox })
}

/// An entry without its body.
fn entry(rest: &mut &[u8]) -> Result<Entry, NotARecord> {
    let (seq, epoch) = (seq(rest)?, Epoch(rest.try_get_u64()?));
    let id = MessageId(array(rest)?);
    let kind = match rest.try_get_u8()? {
        1 => Kind::Application,
        2 => Kind::Proposal,
        3 => Kind::Commit,
        _ => return Err(NotARecord("an unknown kind")),
    };
    let sender = device(rest)?;
    let (added, removed) = (devices(rest)?, devices(rest)?);
    let change = RosterChange { added, removed }.into();
    Ok(Entry { seq, epoch, id, kind, sender, change, body: Bytes::new() })
}

fn group(rest: &mut &[u8]) -> Result<GroupId, NotARecord> {
    let size = rest.try_get_u8()?;
    GroupId::new(take(rest, size.into())?).ok_or(NotARecord("a group id"))
}

fn seq(rest: &mut &[u8]) -> Result<Seq, NotARecord> {
    Ok(Seq(rest.try_get_u64()?))
}

fn device(rest: &mut &[u8]) -> Result<DeviceId, NotARecord> {
    Ok(DeviceId(array(rest)?))
}

fn level(rest: &mut &[u8]) -> Result<Level, NotARecord> {
    Level::from_number(rest.try_get_u8()?).ok_or(NotARecord("an unknown level"))
}

fn devices(rest: &mut &[u8]) -> Result<Vec<DeviceId>, NotARecord> {
    list(rest, 16, device)
}

/// As many items as are counted, each of at least `least` bytes.
fn list<T>(
    rest: &mut &[u8],
    least: usize,
    item: impl Fn(&mut &[u8]) -> Result<T, NotARecord>,
) -> Result<Vec<T>, NotARecord> {
    let count = rest.try_get_u32()? as usize;
    if count > rest.len() / least {
        return Err(NotARecord("a count is more than there is"));
    }
    (0..count).map(|_| item(rest)).collect()
}

fn blob(rest: &mut &[u8]) -> Result<Option<Bytes>, NotARecord> {
    let size = rest.try_get_u32()? as usize;
    let bytes = take(rest, size)?;
    Ok((size > 0).then(|| Bytes::copy_from_slice(bytes)))
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], NotARecord> {
    Ok(take(rest, N)?.try_into().expect("as long as was asked"))
}

fn take<'a>(rest: &mut &'a [u8], size: usize) -> Result<&'a [u8], NotARecord> {
    let (head, tail) = rest.split_at_checked(size).ok_or(NotARecord("it ends too early"))?;
    *rest = tail;
    Ok(head)
}
