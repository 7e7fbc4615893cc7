//! `stentor log`: what a log on disk holds, and whether it would open.
//!
//! Reads only, takes no lock and cuts nothing off, so it can look at a log that a server has.
//! `inspect` shows what each entry says, `verify` makes a server's recovery of it, in memory alone.
//! Called by `cli::main`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};

use super::with_causes;
use crate::delivery::Policy;
use crate::engine::{Record, Recovery};
use crate::log::{State, Walked, verify, walk};
use crate::server::shard_folders;

/// Bytes of an entry that are shown.
const SHOWN_BYTES: usize = 32;

/// The ways to look at a log.
#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Print what each segment holds and where the first bad byte is.
    Inspect(Inspect),
    /// Check every entry, and say whether the log would open. Exit code 1 if not.
    Verify(Verify),
}

/// Arguments of `stentor log inspect`.
#[derive(Args, Debug)]
pub(crate) struct Inspect {
    /// The folder of a server's logs, or the directory of one of them.
    directory: PathBuf,

    /// Print every entry too: its position, its length and what it says; its first bytes if it says
    /// nothing that is known.
    #[arg(long)]
    entries: bool,
}

/// Arguments of `stentor log verify`.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The folder of a server's logs, or the directory of one of them.
    directory: PathBuf,
}

/// Runs one of them. Exit code 1 and one line on standard error when there is no log that opens.
pub(crate) fn run(arguments: &Log) -> ExitCode {
    look(arguments, &mut io::stdout().lock(), &mut io::stderr().lock())
}

fn look(arguments: &Log, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    let (name, looked) = match arguments {
        Log::Inspect(Inspect { directory, entries }) => {
            let each = |log: &Path, out: &mut _| inspect(log, *entries, out);
            ("inspect", of_each(directory, out, each))
        }
        Log::Verify(Verify { directory }) => ("verify", of_each(directory, out, check)),
    };
    match looked.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a pipe that has seen enough is no error.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // If even that cannot be written, the exit code has to say it alone.
            drop(writeln!(err, "stentor log {name}: {}", with_causes(&error)));
            ExitCode::from(1)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}

fn inspect(directory: &Path, entries: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let mut written = Ok(());
    let segments = walk(directory, |position, entry| {
        if entries && written.is_ok() {
            let says =
                Record::decode(entry).map_or_else(|_| first_bytes(entry), |it| it.to_string());
            written = writeln!(out, "{} {} {says}", position.0, entry.len());
        }
        Ok(())
    })?;
    written?;
    for segment in &segments {
        print(segment, out)?;
    }
    verify(directory, |_, _| Ok(())).map(drop).context("it would not open")
}

fn first_bytes(entry: &[u8]) -> String {
    let more = if entry.len() > SHOWN_BYTES { "..." } else { "" };
    format!("{}{more}", hex::encode(&entry[..entry.len().min(SHOWN_BYTES)]))
}

/// Looks at the logs of a folder one by one, in the order of their shards, or at the one log that
/// the folder is.
fn of_each<W: Write>(
    folder: &Path,
    out: &mut W,
    mut look: impl FnMut(&Path, &mut W) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let shards = shard_folders(folder)
        .with_context(|| format!("cannot read a log in {}", folder.display()))?;
    if shards.is_empty() {
        return look(folder, out);
    }
    for shard in shards {
        let name = shard.file_name().unwrap_or_default().to_string_lossy().into_owned();
        writeln!(out, "{name}:")?;
        look(&shard, out).context(name)?;
    }
    Ok(())
}

fn print(segment: &Walked, out: &mut impl Write) -> io::Result<()> {
    let Walked { name, file_bytes, header, records, last, bytes, state } = segment;
    let header = header.map_or_else(
        || "no header".to_owned(),
        |header| {
            let (identity, first) = (header.identity, header.base.0 + 1);
            let span =
                if *records == 0 { String::new() } else { format!(" {first} to {}", last.0) };
            format!("log {identity:016x}, since {} s, {records} entries{span}", header.unix_seconds)
        },
    );
    let state = match state {
        State::Sealed => "sealed".to_owned(),
        State::Open => "open".to_owned(),
        State::Bad { offset, what } => format!("bad at byte {offset}: {what}"),
    };
    writeln!(out, "{name}: {header}, {bytes} of {file_bytes} bytes, {state}")
}

fn check(directory: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let mut recovery = Recovery::new(Policy::default());
    let found = verify(directory, |position, entry| recovery.replay(position, entry))?;
    let groups = recovery.check().map_err(|what| anyhow!(what))?.groups;
    let torn = match found.torn_bytes {
        0 => String::new(),
        bytes => format!("; a torn tail of {bytes} bytes would be cut off"),
    };
    let span = match found.records {
        0 => String::new(),
        _ => format!(", {} to {}", found.first.0, found.last.0),
    };
    let (segments, records, bytes) = (found.segments, found.records, found.bytes);
    writeln!(
        out,
        "{segments} segments, {bytes} bytes, {records} entries{span}, {groups} groups: whole{torn}"
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::log::{Config, Directory, Log as _, Wal};

    /// An acknowledgement, in 96 bytes.
    fn entry(number: u8) -> Vec<u8> {
        let (group, device) = ([number; 62], [number; 16]);
        [&[4][..], &[0; 8], &[62], &group, &device, &u64::from(number).to_be_bytes()].concat()
    }

    /// A log of twenty entries in three segments.
    fn log(path: &Path) {
        let directory = Directory::open(path, Arc::new(|| {})).unwrap();
        let config = Config { segment_bytes: 1_024, ..Config::new(0xab, Duration::from_secs(9)) };
        let (mut log, _) = Wal::open(directory, config, |_, _| Ok(())).unwrap();
        for number in 0..20 {
            log.append(&[&entry(number)]).unwrap();
            log.flush().unwrap();
        }
    }

    fn said(arguments: &Log) -> (bool, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = look(arguments, &mut out, &mut err);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (code == ExitCode::SUCCESS, text(out), text(err))
    }

    fn inspected(path: &Path, entries: bool) -> (bool, String, String) {
        said(&Log::Inspect(Inspect { directory: path.into(), entries }))
    }

    fn verified(path: &Path) -> (bool, String, String) {
        said(&Log::Verify(Verify { directory: path.into() }))
    }

    fn damage(path: &Path, number: u64, offset: usize) {
        let file = path.join(format!("{number:016x}.log"));
        let mut bytes = fs::read(&file).unwrap();
        bytes[offset] ^= 1;
        fs::write(file, bytes).unwrap();
    }

    #[test]
    fn a_whole_log_is_told_segment_by_segment_and_not_changed() {
        let place = tempfile::tempdir().unwrap();
        log(place.path());
        let before = fs::read(place.path().join("0000000000000003.log")).unwrap();
        let (fine, out, err) = inspected(place.path(), false);
        assert!(fine && err.is_empty(), "{err}");
        let lines: Vec<&str> = out.lines().collect();
        let header = "log 00000000000000ab, since 9 s";
        let first =
            format!("0000000000000001.log: {header}, 7 entries 1 to 7, 944 of 944 bytes, sealed");
        assert!(lines[0].ends_with(&first), "{out}");
        let last = format!("{header}, 6 entries 15 to 20, 776 of 1024 bytes, open");
        assert!(lines[2].ends_with(&last), "{out}");
        let (fine, out, _) = verified(place.path());
        assert!(fine);
        assert_eq!(out, "3 segments, 2664 bytes, 20 entries, 1 to 20, 0 groups: whole\n");
        assert_eq!(fs::read(place.path().join("0000000000000003.log")).unwrap(), before);
    }

    #[test]
    fn entries_are_shown_with_what_they_say() {
        let place = tempfile::tempdir().unwrap();
        log(place.path());
        let (_, out, _) = inspected(place.path(), true);
        let (group, device) = ("03".repeat(62), "03".repeat(16));
        let expected = format!("4 96 0.000000000 acknowledged {group} seq 3 by {device}");
        assert_eq!(out.lines().nth(3).unwrap(), expected);
        assert_eq!(first_bytes(&[7; 33]), format!("{}...", "07".repeat(32)));
    }

    #[test]
    fn a_log_of_another_program_does_not_verify_and_a_servers_folder_is_looked_at_shard_by_shard() {
        let place = tempfile::tempdir().unwrap();
        for shard in ["shard-000", "shard-001"] {
            log(&place.path().join(shard));
        }
        let (fine, out, err) = verified(place.path());
        assert!(fine, "{err}");
        assert_eq!(out.matches("20 entries, 1 to 20, 0 groups: whole").count(), 2, "{out}");
        assert!(out.starts_with("shard-000:\n") && out.contains("shard-001:\n"), "{out}");
        let directory = Directory::open(&place.path().join("shard-001"), Arc::new(|| {})).unwrap();
        let config = Config { segment_bytes: 1_024, ..Config::new(0xab, Duration::from_secs(9)) };
        let (mut log, _) = Wal::open(directory, config, |_, _| Ok(())).unwrap();
        log.append(&[b"something else"]).unwrap();
        log.flush().unwrap();
        drop(log);
        let (fine, _, err) = verified(place.path());
        assert!(!fine && err.contains("shard-001") && err.contains("not an entry"), "{err}");
    }

    #[test]
    fn a_torn_tail_is_said_and_left_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        log(place.path());
        damage(place.path(), 3, 56 + 5 * 120 + 30);
        for _ in 0..2 {
            let (fine, out, _) = verified(place.path());
            assert!(fine);
            let expected =
                "19 entries, 1 to 19, 0 groups: whole; a torn tail of 120 bytes would be cut off\n";
            assert!(out.ends_with(expected), "{out}");
        }
        let (fine, out, _) = inspected(place.path(), false);
        let expected = "bad at byte 656: the record does not match its checksum\n";
        assert!(fine && out.ends_with(expected), "{out}");
    }

    #[test]
    fn damage_is_exit_code_one_and_one_line_with_the_file_and_the_byte() {
        let place = tempfile::tempdir().unwrap();
        log(place.path());
        damage(place.path(), 2, 56 + 120 + 30);
        let expected = "0000000000000002.log is damaged at byte 176: \
                        the record does not match its checksum";
        let (fine, out, err) = verified(place.path());
        assert!(!fine && out.is_empty() && err.contains(expected), "{err}");
        let (fine, out, err) = inspected(place.path(), false);
        assert!(!fine && err.contains("it would not open") && err.contains(expected), "{err}");
        assert!(out.contains("1 entries 8 to 8, 176 of 944 bytes, bad at byte 176"), "{out}");
        assert_eq!(err.lines().count(), 1);
    }

    #[test]
    fn a_place_without_a_log_is_one_line_too() {
        let place = tempfile::tempdir().unwrap();
        for path in [place.path(), &place.path().join("absent")] {
            for (fine, _, err) in [verified(path), inspected(path, false)] {
                assert!(!fine);
                assert_eq!(err.lines().count(), 1, "{err}");
                assert!(err.contains(&path.display().to_string()), "{err}");
            }
        }
    }
}
