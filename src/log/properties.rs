//! What holds of any bytes as a log's segments: it fails an assertion if it does not.
//!
//! Built only for tests and for fuzzing, which call the same function: `tests/corpus.rs` with the
//! committed corpus and with arbitrary bytes, `tests/fuzz` with what a fuzzer comes upon.

use std::time::Duration;

use super::{Config, Disk, Faults, Position, Wal};

/// The identity of the log that is opened.
const IDENTITY: u64 = 7;

fn config() -> Config {
    Config { segment_bytes: 4_096, ..Config::new(IDENTITY, Duration::ZERO) }
}

/// Opening never panics and hands on entries one after another; a log that opened opens again, with
/// the same entries. The first two bytes say how long the first of two segments is.
pub fn replay(bytes: &[u8]) {
    let Some((length, bytes)) = bytes.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_be_bytes(*length));
    let (first, second) = bytes.split_at(length.min(bytes.len()));
    let mut disk = Disk::new(0, Faults::default());
    disk.put(1, first);
    if !second.is_empty() {
        disk.put(2, second);
    }
    let open = |disk: &mut Disk| {
        let mut seen = Vec::new();
        let opened = Wal::open(disk, config(), |at, entry| {
            seen.push((at, entry.to_vec()));
            Ok(())
        });
        opened.ok().map(|(_, recovered)| (seen, recovered.last))
    };
    let Some((seen, last)) = open(&mut disk) else { return };
    assert!(seen.windows(2).all(|pair| pair[1].0 == Position(pair[0].0.0 + 1)));
    assert!(seen.last().is_none_or(|(at, _)| *at == last));
    assert_eq!(open(&mut disk).map(|(again, _)| again), Some(seen));
}

/// Two segments with entries, as [`replay`] takes them.
#[cfg(test)]
pub(crate) fn examples() -> Vec<Vec<u8>> {
    use super::{Log as _, Segments as _};

    let mut disk = Disk::new(0, Faults::default());
    let (mut log, _) = Wal::open(&mut disk, config(), |_, _| Ok(())).expect("a new log opens");
    for number in 0..100_u8 {
        log.append(&[&vec![number; usize::from(number)]]).expect("the disk is whole");
        log.flush().expect("the disk is whole");
    }
    drop(log);
    let numbers = disk.list().expect("the disk is whole");
    let segment = |disk: &mut Disk, number: u64| {
        let length =
            usize::try_from(disk.bytes(number).expect("it is there")).expect("it is short");
        let mut bytes = vec![0; length];
        disk.read_at(number, 0, &mut bytes).expect("it is there");
        bytes
    };
    let segments: Vec<_> = numbers.iter().map(|number| segment(&mut disk, *number)).collect();
    let length = u16::try_from(segments[0].len()).expect("a segment is short").to_be_bytes();
    let both = [&length, &segments[0][..], &segments[1]].concat();
    vec![[&length, &segments[0][..]].concat(), both]
}
