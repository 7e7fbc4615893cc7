//! What a log promises, on a disk in memory and on files.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::segment::HEADER_BYTES;
use super::*;
use crate::limits::LOG_BUFFER_BYTES_MAX;

const CONFIG: Config =
    Config { identity: 7, segment_bytes: 1_024, unix: Duration::from_secs(1_000), salt: 3 };

type Entries = Vec<(u64, Vec<u8>)>;

fn disk() -> Disk {
    Disk::new(0, Faults::default())
}

/// Opens a log and says what it replayed.
fn open<S: Storage>(storage: S) -> Result<(Wal<S>, Recovered, Entries), Error> {
    let mut entries = Entries::new();
    let (log, recovered) = Wal::open(storage, CONFIG, |position, entry| {
        entries.push((position.0, entry.to_vec()));
        Ok(())
    })?;
    Ok((log, recovered, entries))
}

/// A log of so many entries of a hundred bytes, each durable before the next.
fn filled(disk: &mut Disk, entries: u64) -> Vec<u64> {
    let (mut log, ..) = open(&mut *disk).unwrap();
    for number in 1..=entries {
        log.append(&[&entry(number)]).unwrap();
        log.flush().unwrap();
    }
    log.segments().map(|segment| segment.number).collect()
}

fn entry(number: u64) -> Vec<u8> {
    number.to_be_bytes().repeat(12)
}

fn corrupt(disk: &mut Disk) -> (String, u64, String) {
    match open(disk) {
        Err(Error::Corrupt { file, offset, what }) => (file, offset, what),
        other => panic!("{:?}", other.map(|(_, recovered, _)| recovered)),
    }
}

#[test]
fn a_new_log_begins_at_one_and_a_reopened_one_goes_on() {
    let mut disk = disk();
    let (mut log, recovered, _) = open(&mut disk).unwrap();
    assert_eq!((recovered.first, recovered.last), (Position(1), Position(0)));
    assert_eq!(log.append(&[b"head", b"", b"body"]).unwrap(), Position(1));
    assert_eq!(log.append(&[]).unwrap(), Position(2));
    log.flush().unwrap();
    let (mut log, recovered, entries) = open(&mut disk).unwrap();
    assert_eq!(entries, [(1, b"headbody".to_vec()), (2, Vec::new())]);
    assert_eq!((recovered.records, recovered.torn_bytes), (2, 0));
    assert_eq!((log.durable(), log.append(&[b"next"]).unwrap()), (Position(2), Position(3)));
}

#[test]
fn what_is_appended_while_a_sync_runs_shares_the_next() {
    let mut disk = Disk::new(0, Faults::default());
    let (mut log, ..) = open(&mut disk).unwrap();
    log.append(&[b"first"]).unwrap();
    log.sync().unwrap();
    for _ in 0..3 {
        log.append(&[b"meanwhile"]).unwrap();
    }
    assert_eq!(log.durable(), Position(0), "nobody has looked yet");
    log.sync().unwrap();
    assert_eq!(log.durable(), Position(1), "the first sync covered only what was there");
    log.sync().unwrap();
    assert_eq!(log.durable(), Position(4), "and the second everything since");
}

#[test]
fn the_watermark_waits_for_a_slow_disk() {
    let mut disk = disk();
    open(&mut disk).unwrap();
    disk.set_faults(Faults { sync_polls: 3, ..Faults::default() });
    let (mut log, ..) = open(&mut disk).unwrap();
    log.append(&[b"entry"]).unwrap();
    let seen: Vec<u64> = (0..6)
        .map(|_| {
            log.sync().unwrap();
            log.durable().0
        })
        .collect();
    assert_eq!(seen, [0, 0, 0, 0, 1, 1]);
}

#[test]
fn full_segments_are_sealed_and_the_next_goes_on_where_they_end() {
    let mut disk = disk();
    let (mut log, ..) = open(&mut disk).unwrap();
    for number in 1..=20 {
        log.append(&[&entry(number)]).unwrap();
    }
    log.flush().unwrap();
    let spans: Vec<_> = log.segments().map(|one| (one.number, one.first.0, one.last.0)).collect();
    assert_eq!(spans, [(1, 1, 7), (2, 8, 14), (3, 15, 20)]);
    assert!(log.segments().all(|one| one.bytes <= CONFIG.segment_bytes));
    let (_, recovered, entries) = open(&mut disk).unwrap();
    assert_eq!(recovered.records, 20);
    assert!(entries.iter().all(|(position, bytes)| *bytes == entry(*position)));
}

#[test]
fn an_entry_larger_than_a_segment_gets_one_of_its_own_length() {
    let mut disk = disk();
    let (mut log, ..) = open(&mut disk).unwrap();
    let large = vec![3; 5_000];
    for part in [&b"before"[..], &large, b"after"] {
        log.append(&[part]).unwrap();
    }
    log.flush().unwrap();
    assert_eq!(log.segments().map(|one| one.records).collect::<Vec<_>>(), [1, 1, 1]);
    let (.., entries) = open(&mut disk).unwrap();
    assert_eq!(entries[1], (2, large));
}

#[test]
fn what_waits_for_a_new_segment_is_bounded_by_waiting_for_the_disk() {
    let mut disk = disk();
    let segment_bytes = LOG_BUFFER_BYTES_MAX as u64 + (4 << 20);
    let config = Config { segment_bytes, ..CONFIG };
    let (mut log, _) = Wal::open(&mut disk, config, |_, _| Ok(())).unwrap();
    log.disk().set_faults(Faults { sync_polls: u32::MAX, ..Faults::default() });
    let (large, small) = (vec![1; LOG_BUFFER_BYTES_MAX + (3 << 20)], vec![2; 1 << 20]);
    log.append(&[&large]).unwrap();
    for _ in 0..LOG_BUFFER_BYTES_MAX / small.len() - 1 {
        log.append(&[&small]).unwrap();
        log.sync().unwrap();
        assert_eq!(log.durable(), Position(0), "no sync ends by itself");
    }
    let bytes = |log: &Wal<&mut Disk>| log.segments().last().unwrap().bytes;
    assert_eq!(bytes(&log), HEADER_BYTES as u64, "and none is written to before");
    log.append(&[&small]).unwrap();
    assert_eq!(log.durable(), Position(1));
    assert!(bytes(&log) > LOG_BUFFER_BYTES_MAX as u64);
}

#[test]
fn released_segments_go_oldest_first_one_with_each_sync() {
    let mut disk = disk();
    filled(&mut disk, 20);
    let (mut log, ..) = open(&mut disk).unwrap();
    let numbers = |log: &Wal<&mut Disk>| log.segments().map(|one| one.number).collect::<Vec<_>>();
    log.release_below(Position(15));
    assert_eq!(numbers(&log), [1, 2, 3, 4]);
    log.sync().unwrap();
    assert_eq!(numbers(&log), [2, 3, 4]);
    log.sync().unwrap();
    assert_eq!(numbers(&log), [3, 4], "entry 15 is in the third");
    log.release_below(Position(21));
    log.flush().unwrap();
    assert_eq!(numbers(&log), [4], "the last one stays: it knows the position");
    let (log, recovered, _) = open(&mut disk).unwrap();
    assert_eq!((recovered.first, log.appended()), (Position(21), Position(20)));
}

#[test]
fn a_segment_says_when_it_was_appended_to_last_also_after_a_restart() {
    let mut disk = disk();
    let (mut log, ..) = open(&mut disk).unwrap();
    log.append(&[&entry(1)]).unwrap();
    log.set_time(Duration::from_secs(2_000));
    for number in 2..=8 {
        log.append(&[&entry(number)]).unwrap();
    }
    log.flush().unwrap();
    let times =
        |log: &Wal<&mut Disk>| log.segments().map(|one| one.unix_seconds).collect::<Vec<_>>();
    assert_eq!(times(&log), [2_000, 2_000]);
    let (log, ..) = open(&mut disk).unwrap();
    assert_eq!(times(&log), [2_000, 2_000, 1_000]);
}

#[test]
fn every_single_operation_that_fails_ends_the_log_and_loses_nothing_durable() {
    for failing in 0.. {
        let mut disk = disk();
        filled(&mut disk, 3);
        let (mut log, ..) = open(&mut disk).unwrap();
        log.disk().set_faults(Faults { failing_operation: Some(failing), ..Faults::default() });
        let mut failed = None;
        for number in 4..=20 {
            let outcome = log.append(&[&entry(number)]).and_then(|_| log.sync());
            failed = failed.or_else(|| outcome.err());
        }
        let durable = log.durable().0;
        if let Some(error) = &failed {
            assert_eq!(log.append(&[b"more"]).as_ref(), Err(error));
            assert_eq!(log.failed(), Some(error));
        }
        disk.set_faults(Faults::default());
        let (.., entries) = open(&mut disk.crashed(failing)).unwrap();
        assert!(entries.len() as u64 >= durable, "{failing}: {} of {durable}", entries.len());
        assert!(entries.iter().all(|(position, bytes)| *bytes == entry(*position)));
        if failed.is_none() {
            assert!(failing > 20, "the operations were counted");
            return;
        }
    }
}

#[test]
fn a_full_disk_ends_the_log_with_what_the_system_said() {
    let mut disk = disk();
    let (mut log, ..) = open(&mut disk).unwrap();
    log.disk().set_faults(Faults { bytes_max: Some(1_500), ..Faults::default() });
    let error = (1..99).find_map(|number| log.append(&[&entry(number)]).err()).unwrap();
    assert_eq!(
        error.to_string(),
        "the log failed and takes no more entries: 0000000000000001.log: no storage space"
    );
}

#[test]
fn a_torn_tail_is_cut_off_and_said() {
    let mut disk = disk();
    filled(&mut disk, 3);
    let end = HEADER_BYTES + 2 * 120;
    disk.flip(1, end + 50, 0);
    let (_, recovered, entries) = open(&mut disk).unwrap();
    assert_eq!((entries.len(), recovered.torn_bytes), (2, 24 + 96));
    assert_eq!(open(&mut disk).unwrap().1.torn_bytes, 0, "once");
}

#[test]
fn an_entry_that_a_later_one_says_was_durable_is_not_a_torn_tail() {
    let mut disk = disk();
    filled(&mut disk, 3);
    disk.flip(1, HEADER_BYTES + 120 + 50, 0);
    let (file, offset, what) = corrupt(&mut disk);
    assert_eq!((&*file, offset), ("0000000000000001.log", HEADER_BYTES as u64 + 120));
    assert!(what.ends_with("and a later one says that it was durable"), "{what}");
}

#[test]
fn damage_is_found_wherever_it_is_and_never_replayed() {
    let mut disk = disk();
    let numbers = filled(&mut disk, 20);
    let last = *numbers.last().unwrap();
    for number in numbers {
        let length = usize::try_from(disk.bytes(number).unwrap()).unwrap();
        for offset in (0..length).step_by(5) {
            disk.flip(number, offset, 3);
            match open(&mut disk.copied()) {
                Err(Error::Corrupt { .. }) => {}
                Err(error) => panic!("{error}"),
                Ok((.., entries)) => {
                    // Padding means nothing; the very last entry may be a torn one.
                    assert!(entries.len() >= 20 - usize::from(number == last), "{number} {offset}");
                    assert!(entries.iter().all(|(at, bytes)| *bytes == entry(*at)));
                }
            }
            disk.flip(number, offset, 3);
        }
    }
}

/// A disk with one segment with entries at these positions, then a seal that counts so many.
fn made(positions: &[u64], sealed: Option<u64>) -> Disk {
    let header = Header { identity: 7, number: 1, base: Position(0), unix_seconds: 1, salt: 3 };
    let mut bytes = header.encode().to_vec();
    for position in positions {
        record::encode(&mut bytes, header.seed(), Position(*position), Position(0), &[b"entry"]);
    }
    if let Some(records) = sealed {
        let seal = Seal { records, offset: bytes.len() as u64, unix_seconds: 1 };
        let last = Position(positions.len() as u64);
        record::encode_seal(&mut bytes, header.seed(), last, Position(0), &seal);
    }
    let mut disk = disk();
    disk.put(1, &bytes);
    disk
}

#[test]
fn heads_inside_a_torn_entry_do_not_make_the_search_for_later_ones_long() {
    let header = Header { identity: 7, number: 1, base: Position(0), unix_seconds: 1, salt: 3 };
    // Each head is of a record that fits, so each would cost a checksum over nearly everything.
    for (heads, is_found) in [(1_u32, true), (100, false)] {
        let mut bytes = header.encode().to_vec();
        bytes.extend([0xff; 24]);
        for _ in 0..heads {
            let (length, position, durable) =
                (20_000_u32, 3_u64.to_be_bytes(), 2_u64.to_be_bytes());
            bytes.extend([&length.to_be_bytes()[..], &[9; 4], &position, &durable].concat());
        }
        record::encode(&mut bytes, header.seed(), Position(2), Position(1), &[&[1; 24_000]]);
        let mut disk = disk();
        disk.put(1, &bytes);
        let outcome = open(&mut disk).map(|(_, recovered, _)| recovered.records);
        assert_eq!(matches!(outcome, Err(Error::Corrupt { .. })), is_found, "{outcome:?}");
    }
}

#[test]
fn an_entry_that_is_not_the_next_is_none() {
    for (positions, records) in [(&[1, 2][..], 2), (&[1, 3], 1), (&[1, 1], 1), (&[2], 0)] {
        let (_, recovered, _) = open(&mut made(positions, None)).unwrap();
        assert_eq!(recovered.records, records, "{positions:?}");
        assert_eq!(recovered.torn_bytes > 0, records < positions.len() as u64);
    }
}

#[test]
fn a_seal_that_counts_other_entries_seals_nothing() {
    for (counted, torn) in [(2, false), (1, true), (3, true)] {
        let (_, recovered, _) = open(&mut made(&[1, 2], Some(counted))).unwrap();
        assert_eq!((recovered.records, recovered.torn_bytes > 0), (2, torn), "{counted}");
    }
}

#[test]
fn a_segment_that_follows_another_entry_is_damage() {
    for (base, follows) in [(2, true), (1, false), (3, false)] {
        let mut disk = made(&[1, 2], Some(2));
        let header =
            Header { identity: 7, number: 2, base: Position(base), unix_seconds: 1, salt: 3 };
        disk.put(2, &header.encode());
        assert_eq!(open(&mut disk).is_ok(), follows, "after entry {base}");
    }
}

#[test]
fn a_segment_under_the_name_of_another_is_damage() {
    let header = Header { identity: 7, number: 1, base: Position(0), unix_seconds: 1, salt: 3 };
    for (number, is_its_own) in [(1, true), (2, false)] {
        let mut disk = disk();
        disk.put(number, &header.encode());
        let is_damage = matches!(open(&mut disk), Err(Error::Corrupt { offset: 0, .. }));
        assert_eq!(is_damage, !is_its_own, "{number}");
    }
}

#[test]
fn a_missing_segment_is_damage() {
    let mut disk = disk();
    filled(&mut disk, 20);
    disk.remove(2).unwrap();
    let (file, _, what) = corrupt(&mut disk);
    assert!(file.starts_with("0000000000000003") && what.contains("missing"), "{file} {what}");
}

#[test]
fn a_segment_without_a_header_is_one_being_made_only_at_the_end() {
    let opened = |number: u64, bytes: &[u8]| {
        let mut disk = disk();
        disk.put(number, bytes);
        open(&mut disk).map(|(log, ..)| log.segments().map(|one| one.number).collect::<Vec<_>>())
    };
    assert_eq!(opened(1, &[0; 1_024]), Ok(vec![1]), "the very first");
    assert_eq!(opened(1, b"STENT"), Ok(vec![1]));
    assert!(matches!(opened(5, &[0; 1_024]), Err(Error::Corrupt { .. })), "others came before");
    assert!(matches!(opened(1, &[1; 1_024]), Err(Error::Corrupt { .. })), "entries may follow");
}

#[test]
fn a_log_of_another_identity_is_not_opened() {
    let mut disk = disk();
    filled(&mut disk, 1);
    let other = Config { identity: 8, ..CONFIG };
    let error = Wal::open(&mut disk, other, |_, _| Ok(())).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "0000000000000001.log belongs to another log");
}

#[test]
fn an_entry_that_its_reader_refuses_is_damage_at_its_place() {
    let mut disk = disk();
    filled(&mut disk, 2);
    let refuse = |position: Position, _: &[u8]| match position {
        Position(2) => Err("not an entry".to_owned()),
        _ => Ok(()),
    };
    let error = Wal::open(&mut disk, CONFIG, refuse).map(|_| ()).unwrap_err();
    let expected =
        format!("0000000000000001.log is damaged at byte {}: not an entry", HEADER_BYTES + 120);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn restarts_without_entries_leave_one_segment() {
    let mut disk = disk();
    for _ in 0..5 {
        let (log, ..) = open(&mut disk).unwrap();
        assert_eq!(log.segments().len(), 1);
    }
}

#[test]
fn a_log_of_files_survives_being_reopened_and_wakes_who_waits() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("deep/log");
    let woken = Arc::new(AtomicUsize::new(0));
    let waker = || {
        let woken = Arc::clone(&woken);
        Arc::new(move || {
            woken.fetch_add(1, Ordering::SeqCst);
        }) as Waker
    };
    let (mut log, ..) = open(Directory::open(&path, waker()).unwrap()).unwrap();
    for number in 1..=30 {
        log.append(&[&entry(number)]).unwrap();
        log.sync().unwrap();
    }
    log.release_below(Position(2));
    log.flush().unwrap();
    log.release_below(Position(8));
    log.flush().unwrap();
    let error = Directory::open(&path, waker()).unwrap_err();
    assert_eq!(error.to_string(), format!("another process has the log in {}", path.display()));
    drop(log);
    assert!(woken.load(Ordering::SeqCst) > 2);
    let (log, recovered, entries) = open(Directory::open(&path, waker()).unwrap()).unwrap();
    assert_eq!((recovered.first, log.durable()), (Position(8), Position(30)));
    assert!(entries.iter().all(|(position, bytes)| *bytes == entry(*position)));
}

#[test]
fn a_file_has_its_room_from_the_start_and_gives_it_back_when_sealed() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log");
    let directory = || Directory::open(&path, Arc::new(|| {})).unwrap();
    let length = |number| path.join(segment::file_name(number)).metadata().unwrap().len();
    let (mut log, ..) = open(directory()).unwrap();
    assert_eq!(length(1), CONFIG.segment_bytes);
    log.append(&[b"entry"]).unwrap();
    log.flush().unwrap();
    drop(log);
    open(directory()).unwrap();
    assert_eq!((length(1), length(2)), (56 + 32 + 48, CONFIG.segment_bytes));
}

proptest! {
    #[test]
    fn no_bytes_make_opening_panic(bytes in segments()) {
        let mut disk = disk();
        for (number, bytes) in bytes.iter().enumerate() {
            disk.put(number as u64 + 1, bytes);
        }
        // Whatever it is, it is opened or refused, and what is opened opens again the same.
        if let Ok((_, recovered, entries)) = open(&mut disk) {
            let (_, again, same) = open(&mut disk).unwrap();
            prop_assert_eq!((again.last, same), (recovered.last, entries));
        }
    }
}

/// Segments of noise, some with a header or records that are right.
fn segments() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let record = (any::<Vec<u8>>(), any::<[u64; 2]>(), any::<bool>());
    let segment = (any::<Vec<u8>>(), proptest::collection::vec(record, 0..4), any::<[bool; 2]>());
    let segments = proptest::collection::vec(segment, 1..3);
    segments.prop_map(|segments| {
        let mut base = 0;
        let bytes =
            segments.into_iter().enumerate().map(|(index, (noise, records, [right, sealed]))| {
                let number = index as u64 + 1;
                let header =
                    Header { identity: 7, number, base: Position(base), unix_seconds: 1, salt: 3 };
                let mut bytes =
                    if right { header.encode().to_vec() } else { vec![0; HEADER_BYTES] };
                for (payload, [position, durable], in_order) in records {
                    let (position, durable) =
                        if in_order { (base + 1, base) } else { (position, durable) };
                    base += u64::from(in_order);
                    let (position, durable) = (Position(position), Position(durable));
                    record::encode(&mut bytes, header.seed(), position, durable, &[&payload]);
                }
                if sealed {
                    let seal = Seal { records: base, offset: bytes.len() as u64, unix_seconds: 1 };
                    record::encode_seal(
                        &mut bytes,
                        header.seed(),
                        Position(base),
                        Position(base),
                        &seal,
                    );
                }
                bytes.extend(noise);
                bytes
            });
        bytes.collect()
    })
}
