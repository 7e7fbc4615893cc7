//! Records are read back as they were written, and damage is refused.

use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::delivery::group::Saved;
use crate::delivery::joining::{Parcel, SavedEnclosures};
use crate::delivery::roster::{Cursor, Window};
use crate::delivery::{
    DeviceId, Durability, Enclosed, Entry, Epoch, Founding, GroupId, Kind, Level, MessageId,
    RosterChange, Seq, Settings,
};
use crate::engine::record::Encoder;
use crate::engine::{Record, What};

fn device() -> impl Strategy<Value = DeviceId> {
    any::<[u8; 16]>().prop_map(DeviceId)
}

fn seq() -> impl Strategy<Value = Seq> {
    (1..u64::MAX).prop_map(Seq)
}

fn epoch() -> impl Strategy<Value = Epoch> {
    any::<u64>().prop_map(Epoch)
}

fn group() -> impl Strategy<Value = GroupId> {
    vec(any::<u8>(), 1..=64).prop_map(|bytes| GroupId::new(&bytes).unwrap())
}

fn blob() -> impl Strategy<Value = Option<Bytes>> {
    proptest::option::of(vec(any::<u8>(), 1..50).prop_map(Bytes::from))
}

fn settings() -> impl Strategy<Value = Settings> {
    let levels = prop::sample::select(vec![Level::Opaque, Level::Header, Level::Public]);
    levels.prop_map(|level| Settings { durability: Durability::Wal, level })
}

fn entry() -> impl Strategy<Value = Entry> {
    let kinds = prop::sample::select(vec![Kind::Application, Kind::Proposal, Kind::Commit]);
    let change = (vec(device(), 0..3), vec(device(), 0..3));
    let body = vec(any::<u8>(), 0..50).prop_map(Bytes::from);
    (seq(), epoch(), any::<[u8; 16]>(), kinds, device(), change, body).prop_map(
        |(seq, epoch, id, kind, sender, (added, removed), body)| {
            let change = RosterChange { added, removed }.into();
            Entry { seq, epoch, id: MessageId(id), kind, sender, change, body }
        },
    )
}

fn enclosures() -> impl Strategy<Value = SavedEnclosures> {
    let parcel = (seq(), vec(device(), 0..4), vec(any::<u8>(), 1..50).prop_map(Bytes::from))
        .prop_map(|(seq, devices, welcome)| Parcel { seq, devices, welcome });
    (blob(), blob(), vec(parcel, 0..3)).prop_map(|(group_info, tree, outbox)| SavedEnclosures {
        group_info,
        tree,
        outbox,
    })
}

fn saved() -> impl Strategy<Value = Saved> {
    let cursor = (seq(), seq()).prop_map(|(first, acknowledged)| Cursor { first, acknowledged });
    let window = (seq(), seq(), seq()).prop_map(|(first, last, acknowledged)| Window {
        first,
        last: Some(last),
        acknowledged,
    });
    let rosters = (vec((device(), cursor), 0..4), vec((device(), window), 0..4));
    let rest = (vec(seq(), 0..4), 0..9_usize, seq(), vec(entry(), 0..4));
    (epoch(), settings(), rosters, rest, enclosures()).prop_map(
        |(epoch, settings, (members, departed), rest, enclosures)| {
            let (winners, proposals_pending, first, entries) = rest;
            Saved {
                epoch,
                settings,
                members,
                departed,
                winners,
                proposals_pending,
                enclosures,
                first,
                entries,
            }
        },
    )
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        (epoch(), settings(), vec(device(), 0..5), blob(), blob()).prop_map(
            |(epoch, settings, roster, group_info, tree)| {
                let group = GroupId::new(&[1]).unwrap();
                let founding = Founding { group, epoch, settings, roster, group_info, tree };
                What::Created(Box::new(founding))
            }
        ),
        Just(What::Deleted),
        (entry(), blob(), blob(), blob()).prop_map(|(entry, welcome, group_info, level)| {
            What::Appended(Box::new(entry), Enclosed { welcome, group_info }, level)
        }),
        (device(), seq()).prop_map(|(device, seq)| What::Acknowledged(device, seq)),
        (saved(), vec(any::<u8>(), 0..50))
            .prop_map(|(saved, level)| What::Checkpoint(Box::new(saved), level)),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    (any::<u64>(), group(), what()).prop_map(|(at, group, mut what)| {
        if let What::Created(founding) = &mut what {
            founding.group = group;
        }
        Record { at: Duration::from_nanos(at), group, what }
    })
}

fn encode(Record { at, group, what }: &Record) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let mut body = Bytes::new();
    match what {
        What::Created(founding) => encoder.created(*at, founding),
        What::Deleted => encoder.deleted(*at, group),
        What::Appended(entry, enclosed, level) => {
            let level = level.as_deref().unwrap_or_default();
            encoder.appended(*at, group, entry, enclosed, level);
            body = entry.body.clone();
        }
        What::Acknowledged(device, seq) => encoder.acknowledged(*at, group, *device, *seq),
        What::Checkpoint(saved, level) => encoder.checkpoint(*at, group, saved, level),
    }
    [encoder.bytes(), &body].concat()
}

proptest! {
    #[test]
    fn a_record_is_read_back_as_it_was_written(record in record()) {
        prop_assert_eq!(Record::decode(&encode(&record)), Ok(record));
    }

    #[test]
    fn a_truncated_record_is_none(record in record(), cut in any::<prop::sample::Index>()) {
        let whole = encode(&record);
        let cut = cut.index(whole.len());
        // A body ends where the record does: only the log's own length and checksum say where.
        let body = match &record.what {
            What::Appended(entry, ..) => entry.body.len(),
            What::Checkpoint(_, level) => level.len(),
            _ => 0,
        };
        prop_assert!(cut >= whole.len() - body || Record::decode(&whole[..cut]).is_err());
    }

    #[test]
    fn a_damaged_record_never_panics(
        record in record(), at in any::<prop::sample::Index>(), to in any::<u8>(),
    ) {
        let mut bytes = encode(&record);
        let at = at.index(bytes.len());
        bytes[at] = to;
        drop(Record::decode(&bytes));
    }

    #[test]
    fn random_bytes_never_panic(tag in 0..7_u8, rest in vec(any::<u8>(), 0..300)) {
        drop(Record::decode(&[&[tag][..], &rest].concat()));
    }
}
