//! Records are read back as they were written, and damage is refused.

use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use crate::delivery::group::Saved;
use crate::delivery::joining::{
    Deposit, Handed, HandedState, Joiner, KeyPackage, Letter, Parcel, Record as Joining, Reference,
    SavedDevice, SavedEnclosures, SavedShelf,
};
use crate::delivery::roster::{Cursor, Window};
use crate::delivery::{
    DeviceId, Durability, Enclosed, Entry, Epoch, Founding, GroupId, Kind, Level, MessageId,
    RosterChange, Seq, Settings,
};
use crate::engine::record::Encoder;
use crate::engine::{Record, What};
use crate::limits::{LOG_RECORD_HEAD_BYTES, LOGGED_MESSAGE_BYTES};

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

fn reference() -> impl Strategy<Value = Reference> {
    vec(any::<u8>(), 1..=64).prop_map(|bytes| Reference::new(&bytes).unwrap())
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn packages() -> impl Strategy<Value = Vec<KeyPackage>> {
    let identity = proptest::option::of(device());
    let lifetime = (any::<u64>(), any::<u64>());
    let package = (any::<u16>(), reference(), lifetime, any::<bool>(), identity, bytes()).prop_map(
        |(suite, reference, (not_before, not_after), last_resort, identity, body)| KeyPackage {
            suite,
            reference,
            not_before,
            not_after,
            last_resort,
            identity,
            body,
        },
    );
    vec(package, 0..4)
}

fn joining() -> impl Strategy<Value = Joining> {
    let joiner = (device(), reference(), bytes()).prop_map(|(device, reference, secrets)| Joiner {
        device,
        reference,
        secrets,
    });
    let deposit = (group(), seq(), any::<(u64, u16, u64)>(), bytes(), vec(joiner, 0..4));
    prop_oneof![
        (device(), any::<(u64, bool)>(), packages()).prop_map(
            |(device, (unix_s, last_resort), packages)| {
                Joining::Published { device, unix_s, last_resort, packages }
            }
        ),
        (device(), any::<(u16, u64)>(), reference()).prop_map(
            |(device, (suite, unix_s), reference)| {
                Joining::Claimed { device, suite, reference, unix_s }
            }
        ),
        deposit.prop_map(|(group, seq, (unix_s, suite, first), group_info, joiners)| {
            let deposit = Deposit { group, seq, unix_s, suite, group_info, first, joiners };
            Joining::Deposited(Box::new(deposit))
        }),
        (device(), any::<u64>()).prop_map(|(device, number)| Joining::Collected { device, number }),
        (group(), seq(), vec(device(), 0..4)).prop_map(|(group, seq, devices)| Joining::Released {
            group,
            seq,
            devices
        }),
    ]
}

fn saved_device() -> impl Strategy<Value = SavedDevice> {
    let states =
        prop::sample::select(vec![HandedState::Handed, HandedState::Used, HandedState::LastResort]);
    let handed = (reference(), any::<u64>(), states)
        .prop_map(|(reference, unix_s, state)| Handed { reference, unix_s, state });
    let letter = (group(), seq(), reference(), any::<(u64, u64, u16)>(), bytes(), bytes());
    let shelf = (device(), vec(any::<u16>(), 0..4), packages(), vec(handed, 0..4));
    (shelf, vec(letter, 0..4)).prop_map(|((device, suites, packages, handed), letters)| {
        let letters = letters.into_iter().map(
            |(group, seq, reference, (number, unix_s, suite), secrets, group_info)| {
                let letter =
                    Letter { device, group, seq, reference, unix_s, suite, secrets, group_info };
                (number, letter)
            },
        );
        let shelf = SavedShelf { device, suites, packages, handed };
        SavedDevice { shelf, letters: letters.collect() }
    })
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        (group(), epoch(), settings(), vec(device(), 0..5), (blob(), blob(), blob())).prop_map(
            |(group, epoch, settings, roster, (group_info, tree, level))| {
                let founding = Founding { group, epoch, settings, roster, group_info, tree };
                What::Created(Box::new(founding), level)
            }
        ),
        group().prop_map(What::Deleted),
        (group(), entry(), blob(), blob(), blob()).prop_map(
            |(group, entry, welcome, group_info, level)| {
                let enclosed = Enclosed { welcome, group_info };
                What::Appended(group, Box::new(entry), enclosed, level)
            }
        ),
        (group(), device(), seq())
            .prop_map(|(group, device, seq)| What::Acknowledged(group, device, seq)),
        (group(), saved(), vec(any::<u8>(), 0..50))
            .prop_map(|(group, saved, level)| What::Checkpoint(group, Box::new(saved), level)),
        joining().prop_map(|record| What::Joining(Box::new(record))),
        saved_device().prop_map(|saved| What::Device(Box::new(saved))),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    (any::<u64>(), what()).prop_map(|(at, what)| Record { at: Duration::from_nanos(at), what })
}

fn encode(Record { at, what }: &Record) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let mut body = Bytes::new();
    match what {
        What::Created(founding, level) => {
            encoder.created(*at, founding, level.as_deref().unwrap_or_default());
        }
        What::Deleted(group) => encoder.deleted(*at, group),
        What::Appended(group, entry, enclosed, level) => {
            let level = level.as_deref().unwrap_or_default();
            encoder.appended(*at, group, entry, enclosed, level);
            body = entry.body.clone();
        }
        What::Acknowledged(group, device, seq) => encoder.acknowledged(*at, group, *device, *seq),
        What::Checkpoint(group, saved, level) => encoder.checkpoint(*at, group, saved, level),
        What::Joining(record) => encoder.joining(*at, record),
        What::Device(saved) => encoder.device(*at, saved),
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
            What::Appended(_, entry, ..) => entry.body.len(),
            What::Checkpoint(_, _, level) => level.len(),
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
    fn random_bytes_never_panic(tag in 0..13_u8, rest in vec(any::<u8>(), 0..300)) {
        drop(Record::decode(&[&[tag][..], &rest].concat()));
    }
}

/// An entry of each kind, several times.
pub(super) fn entries() -> Vec<Vec<u8>> {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let made = |runner: &mut _| encode(&record().new_tree(runner).unwrap().current());
    (0..40).map(|_| made(&mut runner)).collect()
}

/// A plan's sizes of logs rest on it.
#[test]
fn a_logged_message_takes_its_body_and_what_the_limits_say() {
    let entry = Entry {
        seq: Seq(1),
        epoch: Epoch(1),
        id: MessageId([1; 16]),
        kind: Kind::Application,
        sender: DeviceId([1; 16]),
        change: RosterChange::default().into(),
        body: Bytes::new(),
    };
    let mut encoder = Encoder::default();
    let group = GroupId::new(&[7; 32]).unwrap();
    encoder.appended(Duration::ZERO, &group, &entry, &Enclosed::default(), &[]);
    assert_eq!(LOG_RECORD_HEAD_BYTES + encoder.bytes().len(), LOGGED_MESSAGE_BYTES);
}
