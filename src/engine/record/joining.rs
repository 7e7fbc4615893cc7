//! What the log says of KeyPackages and Welcomes, byte by byte.
//!
//! ```text
//! reference   = size u8 (1..=64) | size bytes
//! package     = suite u16 | reference | not before u64 | not after u64
//!               | flags u8 (1 last resort, 2 an identity) | identity 16, if there is one | blob
//! letter      = number u64 | group | seq u64 | reference | unix u64 | suite u16
//!               | secrets blob | GroupInfo blob
//!
//! 6 Published    device 16 | unix u64 | last resort u8 | count u32 | count * package
//! 7 Claimed      device 16 | suite u16 | reference | unix u64
//! 8 Deposited    group | seq u64 | unix u64 | suite u16 | GroupInfo blob | first number u64
//!                | count u32 | count * (device 16 | reference | secrets blob)
//! 9 Collected    device 16 | number u64
//! 10 Released    group | seq u64 | devices
//! 11 Device      device 16 | count u32 | count * suite u16 | count u32 | count * package
//!                | count u32 | count * (reference | unix u64 | state u8)
//!                | count u32 | count * letter
//! ```
//!
//! A device's state: 1 handed out, 2 used, 3 last resort. Called by [`super::Encoder`] and
//! [`super::Record`].

use std::time::Duration;

use bytes::{Buf, Bytes};

use super::{Encoder, NotARecord, What, array, blob, device, devices, group, list, seq, take};
use crate::delivery::DeviceId;
use crate::delivery::joining::{
    Deposit, Handed, HandedState, Joiner, KeyPackage, Letter, Record, Reference, SavedDevice,
    SavedShelf,
};

const PUBLISHED: u8 = 6;
const CLAIMED: u8 = 7;
const DEPOSITED: u8 = 8;
const COLLECTED: u8 = 9;
const RELEASED: u8 = 10;
const DEVICE: u8 = 11;

impl Encoder {
    pub(in crate::engine) fn joining(&mut self, at: Duration, record: &Record) {
        match record {
            Record::Published { device, unix_s, last_resort, packages } => {
                self.start(PUBLISHED, at);
                self.0.extend(device.0);
                self.u64(*unix_s);
                self.0.push(u8::from(*last_resort));
                self.packages(packages);
            }
            Record::Claimed { device, suite, reference, unix_s } => {
                self.start(CLAIMED, at);
                self.0.extend(device.0);
                self.0.extend(suite.to_be_bytes());
                self.reference(reference);
                self.u64(*unix_s);
            }
            Record::Deposited(deposit) => self.deposited(at, deposit),
            Record::Collected { device, number } => {
                self.start(COLLECTED, at);
                self.0.extend(device.0);
                self.u64(*number);
            }
            Record::Released { group, seq, devices } => {
                self.start(RELEASED, at);
                self.group(group);
                self.u64(seq.0);
                self.devices(devices);
            }
        }
    }

    pub(in crate::engine) fn device(&mut self, at: Duration, saved: &SavedDevice) {
        let SavedDevice { shelf: SavedShelf { device, suites, packages, handed }, letters } = saved;
        self.start(DEVICE, at);
        self.0.extend(device.0);
        self.count(suites.len());
        suites.iter().for_each(|suite| self.0.extend(suite.to_be_bytes()));
        self.packages(packages);
        self.count(handed.len());
        for Handed { reference, unix_s, state } in handed {
            self.reference(reference);
            self.u64(*unix_s);
            self.0.push(match state {
                HandedState::Handed => 1,
                HandedState::Used => 2,
                HandedState::LastResort => 3,
                HandedState::Waiting => unreachable!("what waits was not handed out"),
            });
        }
        self.count(letters.len());
        for (number, letter) in letters {
            self.u64(*number);
            self.group(&letter.group);
            self.u64(letter.seq.0);
            self.reference(&letter.reference);
            self.u64(letter.unix_s);
            self.0.extend(letter.suite.to_be_bytes());
            self.blob(Some(&letter.secrets));
            self.blob(Some(&letter.group_info));
        }
    }

    fn deposited(&mut self, at: Duration, deposit: &Deposit) {
        self.start(DEPOSITED, at);
        self.group(&deposit.group);
        self.u64(deposit.seq.0);
        self.u64(deposit.unix_s);
        self.0.extend(deposit.suite.to_be_bytes());
        self.blob(Some(&deposit.group_info));
        self.u64(deposit.first);
        self.count(deposit.joiners.len());
        for Joiner { device, reference, secrets } in &deposit.joiners {
            self.0.extend(device.0);
            self.reference(reference);
            self.blob(Some(secrets));
        }
    }

    fn packages(&mut self, packages: &[KeyPackage]) {
        self.count(packages.len());
        for package in packages {
            self.0.extend(package.suite.to_be_bytes());
            self.reference(&package.reference);
            self.u64(package.not_before);
            self.u64(package.not_after);
            let identity = package.identity;
            self.0.push(u8::from(package.last_resort) | u8::from(identity.is_some()) << 1);
            identity.iter().for_each(|device| self.0.extend(device.0));
            self.blob(Some(&package.body));
        }
    }

    fn reference(&mut self, reference: &Reference) {
        let bytes = reference.as_bytes();
        self.0.push(u8::try_from(bytes.len()).expect("a hash is short"));
        self.0.extend(bytes);
    }

    fn u64(&mut self, number: u64) {
        self.0.extend(number.to_be_bytes());
    }
}

/// A record about joining; `None` for a tag of something else.
pub(super) fn joining_record(tag: u8, rest: &mut &[u8]) -> Result<Option<What>, NotARecord> {
    let record = match tag {
        PUBLISHED => Record::Published {
            device: device(rest)?,
            unix_s: rest.try_get_u64()?,
            last_resort: flags(rest, 1)? == 1,
            packages: packages(rest)?,
        },
        CLAIMED => Record::Claimed {
            device: device(rest)?,
            suite: rest.try_get_u16()?,
            reference: reference(rest)?,
            unix_s: rest.try_get_u64()?,
        },
        DEPOSITED => Record::Deposited(Box::new(deposit(rest)?)),
        COLLECTED => Record::Collected { device: device(rest)?, number: rest.try_get_u64()? },
        RELEASED => {
            Record::Released { group: group(rest)?, seq: seq(rest)?, devices: devices(rest)? }
        }
        DEVICE => return Ok(Some(What::Device(Box::new(saved_device(rest)?)))),
        _ => return Ok(None),
    };
    Ok(Some(What::Joining(Box::new(record))))
}

fn deposit(rest: &mut &[u8]) -> Result<Deposit, NotARecord> {
    Ok(Deposit {
        group: group(rest)?,
        seq: seq(rest)?,
        unix_s: rest.try_get_u64()?,
        suite: rest.try_get_u16()?,
        group_info: some_blob(rest)?,
        first: rest.try_get_u64()?,
        joiners: list(rest, 16 + 2 + 4, |rest| {
            let (device, reference) = (device(rest)?, reference(rest)?);
            Ok(Joiner { device, reference, secrets: some_blob(rest)? })
        })?,
    })
}

fn saved_device(rest: &mut &[u8]) -> Result<SavedDevice, NotARecord> {
    let owner = device(rest)?;
    let suites = list(rest, 2, |rest| Ok(rest.try_get_u16()?))?;
    let packages = packages(rest)?;
    let handed = list(rest, 2 + 8 + 1, |rest| {
        let (reference, unix_s) = (reference(rest)?, rest.try_get_u64()?);
        let state = match rest.try_get_u8()? {
            1 => HandedState::Handed,
            2 => HandedState::Used,
            3 => HandedState::LastResort,
            _ => return Err(NotARecord("an unknown state of a KeyPackage")),
        };
        Ok(Handed { reference, unix_s, state })
    })?;
    let letters = list(rest, 8 + 2 + 8 + 2 + 8 + 2 + 4 + 4, |rest| {
        let number = rest.try_get_u64()?;
        let (group, seq, reference) = (group(rest)?, seq(rest)?, reference(rest)?);
        let (unix_s, suite) = (rest.try_get_u64()?, rest.try_get_u16()?);
        let (secrets, group_info) = (some_blob(rest)?, some_blob(rest)?);
        let device = owner;
        Ok((number, Letter { device, group, seq, reference, unix_s, suite, secrets, group_info }))
    })?;
    Ok(SavedDevice { shelf: SavedShelf { device: owner, suites, packages, handed }, letters })
}

fn packages(rest: &mut &[u8]) -> Result<Vec<KeyPackage>, NotARecord> {
    list(rest, 2 + 2 + 8 + 8 + 1 + 4, |rest| {
        let (suite, reference) = (rest.try_get_u16()?, reference(rest)?);
        let (not_before, not_after) = (rest.try_get_u64()?, rest.try_get_u64()?);
        let flags = flags(rest, 3)?;
        let last_resort = flags & 1 == 1;
        let identity = (flags & 2 == 2).then(|| array(rest).map(DeviceId)).transpose()?;
        let body = some_blob(rest)?;
        Ok(KeyPackage { suite, reference, not_before, not_after, last_resort, identity, body })
    })
}

fn flags(rest: &mut &[u8], most: u8) -> Result<u8, NotARecord> {
    let flags = rest.try_get_u8()?;
    if flags <= most { Ok(flags) } else { Err(NotARecord("an unknown flag")) }
}

fn reference(rest: &mut &[u8]) -> Result<Reference, NotARecord> {
    let size = rest.try_get_u8()?;
    Reference::new(take(rest, size.into())?).ok_or(NotARecord("a reference"))
}

fn some_blob(rest: &mut &[u8]) -> Result<Bytes, NotARecord> {
    Ok(blob(rest)?.unwrap_or_default())
}
