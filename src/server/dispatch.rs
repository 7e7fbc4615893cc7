//! From decisions to those they concern, here or on another shard.

use std::sync::Arc;
use std::time::Instant;

use super::mesh::{Attached, Post};
use super::service::Error;
use super::session::SessionKey;
use super::worker::Worker;
use crate::delivery::{Attachment, Entry, GroupId, Kind, Link, Output, Watchers};
use crate::wire::{Counter, Reason, Reply, deliver};

impl Worker {
    /// A released decision: what it rests on is durable.
    pub(super) fn on_output(&mut self, output: Output) {
        match output {
            Output::Created(_) | Output::Acknowledged { .. } => {}
            Output::Joining(told) => self.on_told(told),
            Output::Deleted { group, watchers } => {
                self.tell_watchers(watchers, || Post::Deleted { group });
            }
            Output::Appended { group, watchers, entry, .. } => {
                self.fan_out(group, watchers, &entry);
            }
            Output::Done { to, request } => self.answer(to, Reply::Done { request }),
            Output::Accepted { to, id, seq, epoch } => {
                self.answer(to, Reply::Accepted { id, seq, epoch });
            }
            Output::Rejected { to, id, reason } => {
                self.counters.add(Counter::Rejected, 1);
                self.answer(to, Reply::Rejected { id, reason: Reason::Rejected(reason) });
            }
            Output::AttachRefused { to, group, reason } => {
                self.counters.add(Counter::Rejected, 1);
                let reason = Reason::Rejected(reason);
                self.answer(to, Reply::AttachRefused { group, reason });
            }
            Output::Attached(attachment) => {
                let to = attachment.to;
                self.send_or_handle(to.shard, Post::Attached(Box::new(attached(*attachment))));
            }
        }
    }

    /// Something that another shard sent here, or this one itself.
    pub(super) fn on_post(&mut self, now: Instant, post: Post) -> Result<(), Error> {
        match post {
            Post::Input(input) => self.submit_input(now, self.mesh.own(), input)?,
            other => self.handle(other),
        }
        Ok(())
    }

    fn handle(&mut self, post: Post) {
        match post {
            Post::Input(_) => unreachable!("inputs are for the engine"),
            Post::Reply { to, reply } => {
                let key = SessionKey { index: to.session, generation: to.generation };
                if let Reply::AttachRefused { group, .. } = &reply {
                    if let Some(session) = self.sessions.get(key) {
                        session.attach_answered(group);
                    }
                    self.audiences.attach_refused(group);
                    self.abandoned.extend(self.audiences.release(group));
                }
                self.reply(key, &reply);
            }
            Post::Entry { group, epoch, seq, frame, removed } => {
                self.make_room(&group);
                self.audiences.push(&group, (seq, epoch), frame, &removed);
            }
            Post::Attached(attached) => self.on_attached(*attached),
            Post::Notice { to, frame } => {
                let key = SessionKey { index: to.session, generation: to.generation };
                self.on_notice(key, frame);
            }
            Post::Deleted { group } => {
                for (slot, key) in self.audiences.remove(&group) {
                    let peer = self.sessions.get(key).and_then(|one| one.peer.as_mut());
                    if let Some(peer) = peer {
                        peer.audiences.retain(|other| *other != slot);
                        peer.waiting.retain(|other| *other != slot);
                    }
                }
            }
        }
    }

    fn on_attached(&mut self, mut attached: Attached) {
        let key = SessionKey { index: attached.to.session, generation: attached.to.generation };
        // The session may have left, or detached, while the owner answered.
        let wanted =
            self.sessions.get(key).is_some_and(|session| session.attach_answered(&attached.group));
        match self.audiences.attached(&mut attached, wanted.then_some(key)) {
            // Perhaps it was the last one.
            None => self.abandoned.extend(self.audiences.release(&attached.group)),
            Some(slot) => {
                let peer = self.sessions.get(key).and_then(|session| session.peer.as_mut());
                let peer = peer.expect("who attaches has authenticated");
                if !peer.audiences.contains(&slot) {
                    peer.audiences.push(slot);
                }
                // Its place in the order is a new one: it waits for nothing there yet.
                peer.waiting.retain(|other| *other != slot);
            }
        }
        let Attached { group, next, head, epoch, resync, .. } = attached;
        self.reply(key, &Reply::Attached { group, next, head, epoch, resync });
    }

    fn fan_out(&mut self, group: GroupId, watchers: Watchers, entry: &Entry) {
        let (counter, epoch) = match entry.kind {
            Kind::Application => (Counter::AcceptedApplication, entry.epoch),
            Kind::Proposal => (Counter::AcceptedProposal, entry.epoch),
            Kind::Commit => (Counter::AcceptedCommit, entry.epoch.next()),
        };
        self.counters.add(counter, 1);
        if watchers == Watchers::default() {
            return;
        }
        // Encoded once: the same bytes for every member of every shard.
        let frame = deliver(entry.seq, entry.id, &entry.body);
        let removed: Arc<[_]> = entry.change.removed.as_slice().into();
        let seq = entry.seq;
        self.tell_watchers(watchers, || {
            let (frame, removed) = (frame.clone(), Arc::clone(&removed));
            Post::Entry { group, epoch, seq, frame, removed }
        });
    }

    fn tell_watchers(&mut self, watchers: Watchers, post: impl Fn() -> Post) {
        for shard in (0..self.mesh.shards()).filter(|shard| watchers.contains(*shard)) {
            self.send_or_handle(shard, post());
        }
    }

    pub(super) fn answer(&mut self, to: Link, reply: Reply) {
        self.send_or_handle(to.shard, Post::Reply { to, reply });
    }

    pub(super) fn send_or_handle(&mut self, shard: u16, post: Post) {
        if shard == self.mesh.own() { self.handle(post) } else { self.mesh.post(shard, post) }
    }

    /// Adds an answer to what a session's control stream will take at the end of the turn.
    pub(super) fn reply(&mut self, key: SessionKey, reply: &Reply) {
        let Some(session) = self.sessions.get(key) else { return };
        session.reply(reply);
        if !session.replying {
            session.replying = true;
            self.replying.push(key);
        }
    }

    /// Gives the turn's answers to their streams, those of one session together.
    pub(super) fn flush_replies(&mut self) {
        let mut replying = std::mem::take(&mut self.replying);
        for key in replying.drain(..) {
            if let Some(session) = self.sessions.get(key) {
                session.replying = false;
                session.flush_replies(&mut self.driver);
                self.read_on_if_possible(key);
            }
        }
        self.replying = replying;
    }
}

fn attached(attachment: Attachment) -> Attached {
    let Attachment { to, device, group, epoch, head, next, last, resync, backlog } = attachment;
    Attached { to, device, group, epoch, head, next, last, resync, backlog }
}
