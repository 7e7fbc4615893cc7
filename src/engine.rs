//! Decide, append, sync, release: nothing leaves before what it rests on is durable.
//!
//! Feeds a batch of inputs to [`Shard`], appends what was decided to the [`Log`], syncs once per
//! batch, and hands out each output only when every entry appended before it is below the log's
//! durable watermark. Never looks into a message. Called by a `server` shard.

use std::collections::VecDeque;
use std::time::Duration;

use crate::delivery::{Entry, Founding, GroupId, Input, Kind, Output, Policy, Shard};
use crate::log::{Error, Log, Position};

/// First byte of a log entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Tag {
    Created = 1,
    Deleted = 2,
    Appended = 3,
}

/// One shard's decisions behind one log.
#[derive(Debug)]
pub struct Engine<L> {
    shard: Shard,
    log: L,
    appended: Position,
    /// Decided outputs, oldest first, with the entry each rests on. As many as were decided since
    /// the watermark last moved; none after a batch where the log's follows every append.
    held: VecDeque<(Position, Output)>,
    header: Vec<u8>,
}

impl<L: Log> Engine<L> {
    /// An engine without groups.
    #[must_use]
    pub fn new(policy: Policy, log: L) -> Self {
        let appended = log.durable();
        let shard = Shard::new(policy);
        Self { shard, log, appended, held: VecDeque::new(), header: Vec::new() }
    }

    /// Decides one input of a batch; `now` is the time since the shard started.
    ///
    /// # Errors
    /// When the log refuses an entry: nothing that rests on it will ever be released.
    pub fn handle(&mut self, now: Duration, input: Input) -> Result<(), Error> {
        self.shard.handle(now, input);
        while let Some(output) = self.shard.poll() {
            self.append(&output)?;
            self.held.push_back((self.appended, output));
        }
        Ok(())
    }

    /// Ends a batch: makes durable what it appended.
    ///
    /// # Errors
    /// When the log cannot.
    pub fn sync(&mut self) -> Result<(), Error> {
        if self.log.durable() < self.appended { self.log.sync() } else { Ok(()) }
    }

    /// The next output that may leave, in the order decided.
    pub fn release(&mut self) -> Option<Output> {
        let durable = self.log.durable();
        let (_, output) = self.held.pop_front_if(|(rests_on, _)| *rests_on <= durable)?;
        Some(output)
    }

    /// Does what time alone calls for.
    pub fn tick(&mut self, now: Duration) {
        self.shard.tick(now);
    }

    /// When [`Self::tick`] next has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.shard.deadline()
    }

    /// Outputs that wait for the watermark.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The decisions behind.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    fn append(&mut self, output: &Output) -> Result<(), Error> {
        self.header.clear();
        let body: &[u8] = match output {
            Output::Created(founding) => {
                let Founding { group, epoch, roster, .. } = &**founding;
                tag(&mut self.header, Tag::Created, group);
                self.header.extend(epoch.0.to_be_bytes());
                for device in roster {
                    self.header.extend(device.0);
                }
                &[]
            }
            Output::Deleted { group, .. } => {
                tag(&mut self.header, Tag::Deleted, group);
                &[]
            }
            Output::Appended { group, entry, .. } => {
                tag(&mut self.header, Tag::Appended, group);
                entry_header(&mut self.header, entry);
                &entry.body
            }
            _ => return Ok(()),
        };
        self.appended = self.log.append(&[&self.header, body])?;
        Ok(())
    }
}

fn tag(header: &mut Vec<u8>, tag: Tag, group: &GroupId) {
    header.push(tag as u8);
    header.push(u8::try_from(group.as_bytes().len()).expect("a group id is short"));
    header.extend(group.as_bytes());
}

/// seq 8 | epoch 8 | id 16 | kind 1 | sender 16 | added count 4, 16 each | removed likewise | body
fn entry_header(header: &mut Vec<u8>, entry: &Entry) {
    header.extend(entry.seq.0.to_be_bytes());
    header.extend(entry.epoch.0.to_be_bytes());
    header.extend(entry.id.0);
    header.push(match entry.kind {
        Kind::Application => 1,
        Kind::Proposal => 2,
        Kind::Commit => 3,
    });
    header.extend(entry.sender.0);
    for devices in [&entry.change.added, &entry.change.removed] {
        header.extend(u32::try_from(devices.len()).expect("a roster is bounded").to_be_bytes());
        for device in devices {
            header.extend(device.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    use crate::delivery::{
        DeviceId, Enclosed, Epoch, Link, MessageId, RosterChange, Seq, Submission,
    };
    use crate::log::Memory;

    /// A log whose watermark moves only when told to, and which can be told to fail.
    #[derive(Debug, Default)]
    struct Slow {
        appended: u64,
        durable: u64,
        failing: bool,
    }

    impl Log for Slow {
        fn append(&mut self, _: &[&[u8]]) -> Result<Position, Error> {
            if self.failing {
                return Err(Error::Failed("told to".into()));
            }
            self.appended += 1;
            Ok(Position(self.appended))
        }

        fn sync(&mut self) -> Result<(), Error> {
            Ok(())
        }

        fn durable(&self) -> Position {
            Position(self.durable)
        }
    }

    const FROM: Link = Link { shard: 0, session: 0, generation: 0 };
    const DEVICE: DeviceId = DeviceId([1; 16]);

    fn create() -> Input {
        Input::Create {
            from: FROM,
            device: DEVICE,
            request: MessageId([0; 16]),
            founding: Box::new(Founding::plain(group(), vec![DEVICE])),
        }
    }

    fn group() -> GroupId {
        GroupId::new(&[7; 16]).unwrap()
    }

    fn submit(id: u8, epoch: u64) -> Input {
        let submission = Submission {
            id: MessageId([id; 16]),
            group: group(),
            epoch: Epoch(epoch),
            kind: Kind::Commit,
            joins: false,
            change: RosterChange::default(),
            enclosed: Enclosed::default(),
            body: Bytes::from_static(b"commit"),
        };
        Input::Submit { from: FROM, device: DEVICE, submission }
    }

    fn attach() -> Input {
        Input::Attach { from: FROM, device: DEVICE, group: group(), after: Seq(0) }
    }

    fn released<L: Log>(engine: &mut Engine<L>) -> Vec<Output> {
        std::iter::from_fn(|| engine.release()).collect()
    }

    #[test]
    fn nothing_leaves_before_the_entry_it_rests_on_is_durable() {
        let mut engine = Engine::new(Policy::default(), Slow::default());
        for input in [create(), submit(1, 0), attach()] {
            engine.handle(Duration::ZERO, input).unwrap();
        }
        engine.sync().unwrap();
        assert_eq!(released(&mut engine), [], "neither answers nor fan-out nor backlog");
        engine.log.durable = 1;
        let first = released(&mut engine);
        assert!(matches!(first[..], [Output::Created(_), Output::Done { .. }]), "{first:?}");
        engine.log.durable = 2;
        let rest = released(&mut engine);
        assert!(
            matches!(
                rest[..],
                [Output::Appended { .. }, Output::Accepted { .. }, Output::Attached(_)]
            ),
            "{rest:?}"
        );
        assert_eq!(engine.held(), 0);
    }

    #[test]
    fn a_refusal_that_rests_on_an_undurable_winner_waits_for_it() {
        let mut engine = Engine::new(Policy::default(), Slow { durable: 1, ..Slow::default() });
        engine.handle(Duration::ZERO, create()).unwrap();
        released(&mut engine);
        engine.handle(Duration::ZERO, submit(1, 0)).unwrap();
        engine.handle(Duration::ZERO, submit(2, 0)).unwrap();
        assert_eq!(released(&mut engine), []);
        engine.log.durable = 2;
        assert!(matches!(released(&mut engine).last(), Some(Output::Rejected { .. })));
    }

    #[test]
    fn a_failed_append_releases_nothing_that_rests_on_it() {
        let mut engine = Engine::new(Policy::default(), Slow { durable: 1, ..Slow::default() });
        engine.handle(Duration::ZERO, create()).unwrap();
        released(&mut engine);
        engine.log.failing = true;
        engine.handle(Duration::ZERO, submit(1, 0)).unwrap_err();
        engine.log.durable = 99;
        assert_eq!(released(&mut engine), []);
    }

    #[test]
    fn every_change_of_state_is_one_log_entry_and_nothing_else_is() {
        let mut engine = Engine::new(Policy::default(), Memory::default());
        let delete = Input::Delete { from: FROM, request: MessageId([0; 16]), group: group() };
        for input in [create(), submit(1, 0), submit(1, 0), submit(2, 0), attach(), delete] {
            engine.handle(Duration::ZERO, input).unwrap();
        }
        let tags: Vec<u8> = engine.log.entries().map(|entry| entry[0]).collect();
        assert_eq!(tags, [Tag::Created as u8, Tag::Appended as u8, Tag::Deleted as u8]);
        let appended = engine.log.entries().nth(1).unwrap();
        assert!(appended.ends_with(b"commit"));
        assert_eq!(&appended[2..18], group().as_bytes());
    }
}
