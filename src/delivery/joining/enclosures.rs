//! What a group keeps for those who join it: GroupInfo, tree, Welcomes on their way.
//!
//! Never decides whether a commit wins; [`super::super::group`] tells it of one that has.

use bytes::Bytes;

use super::nouns::Told;
use crate::delivery::ids::{DeviceId, GroupId, Seq};
use crate::delivery::message::Enclosed;
use crate::delivery::reject::Reject;
use crate::limits::{
    ENCLOSURES_BYTES_MAX, FULL_RETRY, JOINING_BYTES_MAX, MESSAGE_BYTES_MAX, OUTBOX_WELCOMES_MAX,
};

/// A Welcome that has not reached all shards of the devices that its commit adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The commit.
    pub seq: Seq,
    /// The devices that it has not reached.
    pub devices: Vec<DeviceId>,
    /// The Welcome, an MLSMessage.
    pub welcome: Bytes,
}

/// What a group keeps for those who join it. One word for the many that keep nothing.
#[derive(Debug, Default)]
pub struct Enclosures(Option<Box<Kept>>);

/// What a group keeps for those who join it, as plain values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedEnclosures {
    /// The GroupInfo of the current epoch, an MLSMessage.
    pub group_info: Option<Bytes>,
    /// The ratchet tree of the current epoch.
    pub tree: Option<Bytes>,
    /// Welcomes on their way, oldest first.
    pub outbox: Vec<Parcel>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Of the current epoch.
    group_info: Option<Bytes>,
    /// Of the current epoch.
    tree: Option<Bytes>,
    /// Oldest first.
    outbox: Vec<Parcel>,
}

impl Enclosures {
    /// What a founding brings.
    #[must_use]
    pub fn new(group_info: Option<&Bytes>, tree: Option<&Bytes>) -> Self {
        let mut new = Self::default();
        new.set_group_info(group_info);
        new.set_tree(tree);
        new
    }

    /// Whether there is room for what a commit brings, where a shard's groups keep `kept_bytes`.
    ///
    /// # Errors
    /// [`Reject::SlowDown`].
    pub fn check(&self, kept_bytes: usize, enclosed: &Enclosed) -> Result<(), Reject> {
        if enclosed.welcome.is_some() && self.outbox().len() >= OUTBOX_WELCOMES_MAX {
            return Err(slow_down());
        }
        let more: usize = enclosed.welcome.iter().chain(&enclosed.group_info).map(Bytes::len).sum();
        // What the commit drops of the epoch that it closes is not counted: there is room enough.
        if self.bytes() + more > ENCLOSURES_BYTES_MAX {
            return Err(slow_down());
        }
        Self::check_room(kept_bytes, more)
    }

    /// Whether there is room for so many bytes more, where a shard's groups keep `kept_bytes`.
    ///
    /// # Errors
    /// [`Reject::SlowDown`].
    pub fn check_room(kept_bytes: usize, more: usize) -> Result<(), Reject> {
        if kept_bytes + more > JOINING_BYTES_MAX { Err(slow_down()) } else { Ok(()) }
    }

    /// How the Welcome of a commit leaves, if it brought one.
    #[must_use]
    pub fn forward(&self, group: GroupId, seq: Seq) -> Option<Told> {
        let Parcel { devices, welcome, .. } =
            self.outbox().last().filter(|parcel| parcel.seq == seq)?.clone();
        Some(Told::Forward { group, seq, devices, welcome })
    }

    /// A commit has won: what described the epoch that it closes is gone.
    pub fn commit(&mut self, seq: Seq, added: &[DeviceId], enclosed: &Enclosed) {
        self.set_tree(None);
        self.set_group_info(enclosed.group_info.as_ref());
        if let Some(welcome) = enclosed.welcome.clone().filter(|_| !added.is_empty()) {
            self.post(Parcel { seq, devices: added.to_vec(), welcome });
        }
    }

    /// Everything, to be kept elsewhere. Bytes are shared.
    #[must_use]
    pub fn save(&self) -> SavedEnclosures {
        let Some(kept) = &self.0 else { return SavedEnclosures::default() };
        let (group_info, tree) = (kept.group_info.clone(), kept.tree.clone());
        SavedEnclosures { group_info, tree, outbox: kept.outbox.clone() }
    }

    /// As it was saved.
    #[must_use]
    pub fn restore(saved: SavedEnclosures) -> Self {
        let SavedEnclosures { group_info, tree, outbox } = saved;
        let mut restored = Self::new(group_info.as_ref(), tree.as_ref());
        outbox.into_iter().for_each(|parcel| restored.post(parcel));
        restored
    }

    /// Puts a Welcome in the outbox.
    fn post(&mut self, parcel: Parcel) {
        self.0.get_or_insert_default().outbox.push(parcel);
    }

    /// The Welcome of a commit has reached devices; false if it was not on its way to any of them.
    pub fn release(&mut self, seq: Seq, devices: &[DeviceId]) -> bool {
        let Some(kept) = &mut self.0 else { return false };
        let Some(index) = kept.outbox.iter().position(|parcel| parcel.seq == seq) else {
            return false;
        };
        let parcel = &mut kept.outbox[index];
        let before = parcel.devices.len();
        parcel.devices.retain(|device| !devices.contains(device));
        let released = parcel.devices.len() < before;
        if parcel.devices.is_empty() {
            kept.outbox.remove(index);
        }
        self.tidy();
        released
    }

    /// Welcomes on their way, oldest first.
    #[must_use]
    pub fn outbox(&self) -> &[Parcel] {
        self.0.as_ref().map_or(&[], |kept| &kept.outbox)
    }

    /// The GroupInfo of the current epoch.
    #[must_use]
    pub fn group_info(&self) -> Option<&Bytes> {
        self.0.as_ref()?.group_info.as_ref()
    }

    /// The ratchet tree of the current epoch, if it fits one answer with the GroupInfo.
    #[must_use]
    pub fn tree(&self) -> Option<&Bytes> {
        let info = self.group_info().map_or(0, Bytes::len);
        self.0.as_ref()?.tree.as_ref().filter(|tree| tree.len() + info <= MESSAGE_BYTES_MAX)
    }

    /// Replaces the GroupInfo. Copied: it must not hold what it arrived with.
    pub fn set_group_info(&mut self, group_info: Option<&Bytes>) {
        if group_info.is_some() || self.0.is_some() {
            let own = group_info.map(|bytes| Bytes::copy_from_slice(bytes));
            self.0.get_or_insert_default().group_info = own;
            self.tidy();
        }
    }

    /// Replaces the ratchet tree. Copied: it must not hold what it arrived with.
    pub fn set_tree(&mut self, tree: Option<&Bytes>) {
        if tree.is_some() || self.0.is_some() {
            let own = tree.map(|bytes| Bytes::copy_from_slice(bytes));
            self.0.get_or_insert_default().tree = own;
            self.tidy();
        }
    }

    /// Bytes kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Some(kept) = &self.0 else { return 0 };
        let blobs = kept.group_info.iter().chain(&kept.tree);
        let blobs = blobs.chain(kept.outbox.iter().map(|parcel| &parcel.welcome));
        let devices: usize = kept.outbox.iter().map(|parcel| parcel.devices.len()).sum();
        blobs.map(Bytes::len).sum::<usize>() + 16 * devices
    }

    fn tidy(&mut self) {
        let is_empty = |kept: &Kept| {
            kept.group_info.is_none() && kept.tree.is_none() && kept.outbox.is_empty()
        };
        self.0.take_if(|kept| is_empty(kept));
    }
}

fn slow_down() -> Reject {
    let ms = u32::try_from(FULL_RETRY.as_millis()).expect("it is short");
    Reject::SlowDown { retry_ms: ms }
}
