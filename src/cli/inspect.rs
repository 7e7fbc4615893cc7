//! `stentor inspect`: what the delivery service sees of an MLSMessage.
//!
//! Reads one binary message, or hex text with one message a line, and prints each header as the
//! peek reads it. Never more than one message in memory, never anything of a message's content.
//! Called by `cli::main`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use anyhow::anyhow;
use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::with_causes;
use crate::delivery::Epoch;
use crate::delivery::GroupId;
use crate::delivery::Kind;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::wire::Peek;
use crate::wire::Sender;
use crate::wire::peek;

/// Arguments of `stentor inspect`.
#[derive(Args, Debug)]
pub(crate) struct Inspect {
    /// A binary MLSMessage, or text with one message in hex per line; `-` reads standard input.
    file: PathBuf,

    /// Print one JSON object per message.
    #[arg(long)]
    json: bool,
}

/// Prints the header of every message in the file. Exit code 1 and one line on standard error
/// when the file or a message cannot be read.
pub(crate) fn run(arguments: &Inspect) -> ExitCode {
    inspect_file(arguments, &mut io::stdout().lock(), &mut io::stderr().lock())
}

fn inspect_file(arguments: &Inspect, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
    if arguments.file == Path::new("-") {
        return inspect("standard input", io::stdin().lock(), arguments.json, out, err);
    }
    let name = arguments.file.display().to_string();
    match File::open(&arguments.file) {
        Ok(file) => inspect(&name, BufReader::new(file), arguments.json, out, err),
        Err(error) => fail(err, &name, &error.into()),
    }
}

/// Inspects `input`, which errors call `name`.
fn inspect(
    name: &str,
    input: impl BufRead,
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> ExitCode {
    let printed = print_all(input, json, out).and_then(|()| Ok(out.flush()?));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(err, name, &error),
    }
}

/// One line; if even that cannot be written, the exit code has to say it alone.
fn fail(err: &mut impl Write, name: &str, error: &anyhow::Error) -> ExitCode {
    drop(writeln!(err, "stentor inspect: {name}: {}", with_causes(error)));
    ExitCode::from(1)
}

/// The reader of a pipe that has seen enough is no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}

/// Longest line of hex: two digits a byte, and room for a prefix and white space.
const LINE_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX + 64;

fn print_all(mut input: impl BufRead, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let (mut messages, mut lines) = (0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        read_bounded(input.by_ref(), LINE_BYTES_MAX, &mut line)?;
        let text = line.trim_ascii();
        if line.is_empty() {
            break;
        }
        lines += 1;
        // A message starts with a byte 0, which no text contains: the first line tells.
        if lines == 1 && text.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) {
            return print_binary(line, input, json, out);
        }
        if line.len() > LINE_BYTES_MAX {
            bail!("line {lines}: longer than a message of {MESSAGE_BYTES_MAX} bytes");
        }
        if text.is_empty() {
            continue;
        }
        messages += 1;
        let at = || format!("line {lines}");
        let bytes = from_hex(text).with_context(at)?;
        let seen = Seen::new(messages, &bytes).with_context(at)?;
        seen.print(json, out)?;
    }
    if messages == 0 {
        bail!("no message in it");
    }
    Ok(())
}

/// One line, or one byte more than `most` of it.
fn read_bounded(input: impl BufRead, most: usize, line: &mut Vec<u8>) -> io::Result<usize> {
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    input.take(most.saturating_add(1)).read_until(b'\n', line)
}

/// The one message of a binary file, of which `start` is read already.
fn print_binary(
    start: Vec<u8>,
    input: impl BufRead,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut bytes = start;
    let more = (MESSAGE_BYTES_MAX + 1).saturating_sub(bytes.len());
    input.take(u64::try_from(more).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(Seen::new(1, &bytes)?.print(json, out)?)
}

fn from_hex(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let digits = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X")).unwrap_or(text);
    let skipped = text.len() - digits.len();
    hex::decode(digits).map_err(|error| match error {
        hex::FromHexError::InvalidHexCharacter { c, index } => {
            anyhow!("{c:?} is no hex digit (digit {} of the line)", skipped + index + 1)
        }
        _ => anyhow!("an odd number of hex digits ({})", digits.len()),
    })
}

/// What the peek saw, for people and for machines. Fields that a wire format lacks are absent.
#[derive(Debug, Default, Serialize)]
struct Seen {
    /// Place in the input, from 1.
    message: u64,
    bytes: usize,
    wire_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cipher_suite: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipients: Option<u32>,
}

impl Seen {
    fn new(message: u64, bytes: &[u8]) -> anyhow::Result<Self> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            bail!("larger than the largest message of {MESSAGE_BYTES_MAX} bytes");
        }
        let seen = Self { message, bytes: bytes.len(), ..Self::default() };
        Ok(match peek(bytes)? {
            Peek::Public { group, epoch, kind, sender } => {
                let seen = seen.format("public_message").group(&group, epoch);
                seen.content(kind).sender(sender)
            }
            Peek::Private { group, epoch, kind } => {
                seen.format("private_message").group(&group, epoch).content(kind)
            }
            Peek::Welcome { cipher_suite, recipients } => {
                Self { recipients: Some(recipients), ..seen.format("welcome").suite(cipher_suite) }
            }
            Peek::GroupInfo { cipher_suite, group, epoch } => {
                seen.format("group_info").suite(cipher_suite).group(&group, epoch)
            }
            Peek::KeyPackage { cipher_suite } => seen.format("key_package").suite(cipher_suite),
        })
    }

    fn format(self, wire_format: &'static str) -> Self {
        Self { wire_format, ..self }
    }

    fn group(self, group: &GroupId, epoch: Epoch) -> Self {
        Self { group_id: Some(hex::encode(group.as_bytes())), epoch: Some(epoch.0), ..self }
    }

    fn suite(self, suite: u16) -> Self {
        Self { cipher_suite: Some(suite), ..self }
    }

    fn content(self, kind: Kind) -> Self {
        let name = match kind {
            Kind::Application => "application",
            Kind::Proposal => "proposal",
            Kind::Commit => "commit",
        };
        Self { content_type: Some(name), ..self }
    }

    fn sender(self, sender: Sender) -> Self {
        let (name, sender_index) = match sender {
            Sender::Member { leaf } => ("member", Some(leaf)),
            Sender::External { index } => ("external", Some(index)),
            Sender::NewMemberProposal => ("new_member_proposal", None),
            Sender::NewMemberCommit => ("new_member_commit", None),
        };
        Self { sender_type: Some(name), sender_index, ..self }
    }

    fn print(&self, json: bool, out: &mut impl Write) -> io::Result<()> {
        if json {
            serde_json::to_writer(&mut *out, self)?;
            return writeln!(out);
        }
        write!(out, "{}: {}, {} bytes", self.message, self.wire_format, self.bytes)?;
        if let Some(content_type) = self.content_type {
            write!(out, ", {content_type}")?;
        }
        if let (Some(group_id), Some(epoch)) = (&self.group_id, self.epoch) {
            write!(out, ", group {group_id}, epoch {epoch}")?;
        }
        if let Some(sender_type) = self.sender_type {
            write!(out, ", from {sender_type}")?;
        }
        if let Some(index) = self.sender_index {
            write!(out, " {index}")?;
        }
        if let Some(suite) = self.cipher_suite {
            write!(out, ", suite 0x{suite:04X}")?;
        }
        if let Some(recipients) = self.recipients {
            write!(out, ", for {recipients}")?;
        }
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: &str = "0001000202abcd000000000000000701000000";
    const PUBLIC: &str = "0001000101aa00000000000000050100000003000309";
    const WELCOME: &str = "00010003004d030000000109";

    /// Exit code, standard output, standard error.
    fn of(input: &[u8], json: bool) -> (ExitCode, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = inspect("file", input, json, &mut out, &mut err);
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn check(input: impl AsRef<[u8]>, expected: &str) {
        let (code, out, err) = of(input.as_ref(), false);
        assert_eq!((out.as_str(), err.as_str(), code), (expected, "", ExitCode::SUCCESS));
    }

    fn check_error(input: impl AsRef<[u8]>, expected: &str) {
        let (code, _, err) = of(input.as_ref(), false);
        assert_eq!(err, format!("stentor inspect: file: {expected}\n"));
        assert_eq!(code, ExitCode::from(1));
    }

    const PRIVATE_SEEN: &str = "private_message, 19 bytes, application, group abcd, epoch 7\n";

    #[test]
    fn a_binary_message_and_its_hex_are_the_same() {
        check(hex::decode(PRIVATE).unwrap(), &format!("1: {PRIVATE_SEEN}"));
        check(PRIVATE, &format!("1: {PRIVATE_SEEN}"));
        check(format!("\n  0x{}\t\r\n\n", PRIVATE.to_uppercase()), &format!("1: {PRIVATE_SEEN}"));
    }

    #[test]
    fn every_line_of_hex_is_a_message() {
        let public = "public_message, 22 bytes, commit, group aa, epoch 5, from member 3";
        let welcome = "welcome, 12 bytes, suite 0x004D, for 1";
        check(
            format!("{PUBLIC}\n{PRIVATE}\n\n{WELCOME}"),
            &format!("1: {public}\n2: {PRIVATE_SEEN}3: {welcome}\n"),
        );
    }

    #[test]
    fn json_is_one_object_a_message() {
        let (_, out, _) = of(format!("{PUBLIC}\n{WELCOME}\n").as_bytes(), true);
        let objects: Vec<serde_json::Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0]["group_id"], "aa");
        assert_eq!(objects[0]["sender_index"], 3);
        assert_eq!(objects[1]["cipher_suite"], 0x4d);
        assert_eq!(objects[1].get("epoch"), None);
    }

    #[test]
    fn a_bad_message_is_one_line_that_says_where_and_what() {
        check_error(format!("{PRIVATE}\n00010006"), "line 2: byte 2: unknown wire format");
        check_error(b"\x00\x01\x00\x06", "byte 2: unknown wire format");
        check_error(b"\xff\xfe\n\xff", "byte 0: protocol version is not mls10");
        check_error("0001\n000", "line 1: byte 2: truncated");
        check_error(format!("{PRIVATE}\n000"), "line 2: an odd number of hex digits (3)");
        check_error("0x00g0", "line 1: 'g' is no hex digit (digit 5 of the line)");
        check_error("", "no message in it");
        check_error("\n \n", "no message in it");
    }

    #[test]
    fn what_was_good_before_a_bad_message_is_printed() {
        let (_, out, _) = of(format!("{PRIVATE}\nzz").as_bytes(), false);
        assert_eq!(out, format!("1: {PRIVATE_SEEN}"));
    }

    #[test]
    fn no_more_than_one_message_is_read() {
        let zeros = io::repeat(0);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        inspect("file", BufReader::new(zeros), false, &mut out, &mut err);
        let text = String::from_utf8(err).unwrap();
        assert!(text.contains("larger than the largest message"), "{text}");
        err = Vec::new();
        inspect("file", BufReader::new(io::repeat(b'0')), false, &mut out, &mut err);
        let text = String::from_utf8(err).unwrap();
        assert!(text.contains("line 1: longer than a message"), "{text}");
    }

    #[test]
    fn a_missing_file_is_one_line_too() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let arguments = Inspect { file: PathBuf::from("/nowhere/at/all"), json: false };
        assert_eq!(inspect_file(&arguments, &mut out, &mut err), ExitCode::from(1));
        let text = String::from_utf8(err).unwrap();
        assert!(text.starts_with("stentor inspect: /nowhere/at/all: No such file"), "{text}");
        assert_eq!((text.lines().count(), out.len()), (1, 0));
    }
}
