//! The well-behaved load: members that talk all the time and miss nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::*;

const MEMBERS: [u8; 4] = [201, 202, 203, 204];
const INTERVAL: Duration = Duration::from_millis(3);

/// What the load and its test share.
#[derive(Debug, Default)]
struct Shared {
    /// Messages that every member has.
    delivered: AtomicU64,
    stop: AtomicBool,
}

/// A group whose members sit on every shard and submit every few milliseconds, on a thread with
/// a client of its own.
#[derive(Debug)]
pub(super) struct Bystanders {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl Bystanders {
    /// Returns when the first messages have reached everybody.
    pub(super) fn start(service: &Service) -> Self {
        let shared = Arc::new(Shared::default());
        let (client, theirs) = (service.another(), Arc::clone(&shared));
        let thread = std::thread::spawn(move || Load::new(client()).run(&theirs));
        let bystanders = Self { shared, thread };
        bystanders.wait_for_more();
        bystanders
    }

    /// Lets them go on for some messages more, then checks what everybody got.
    pub(super) fn assert_unharmed(self) {
        self.wait_for_more();
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the well-behaved load is unharmed");
    }

    fn wait_for_more(&self) {
        let enough = self.shared.delivered.load(Ordering::Relaxed) + 5;
        let deadline = clock::now() + Duration::from_secs(20);
        while self.shared.delivered.load(Ordering::Relaxed) < enough && !self.thread.is_finished() {
            assert!(clock::now() < deadline, "the well-behaved load stands still");
            clock::wait_until(clock::now() + INTERVAL);
        }
    }
}

struct Load {
    service: Service,
    sessions: Vec<SessionNumber>,
    group: GroupId,
    submitted: usize,
    /// Each message's number, by its id, as its submitter was told.
    accepted: HashMap<MessageId, u64>,
    /// The ids each member got, in order.
    delivered: Vec<Vec<MessageId>>,
}

impl Load {
    fn new(mut service: Service) -> Self {
        let sessions: Vec<_> = MEMBERS.iter().map(|number| service.join(*number)).collect();
        let group = group(200);
        service.create(sessions[0], group, &MEMBERS);
        for session in &sessions {
            service.attach(*session, group, 0);
        }
        let delivered = vec![Vec::new(); sessions.len()];
        Self { service, sessions, group, submitted: 0, accepted: HashMap::new(), delivered }
    }

    fn run(mut self, shared: &Shared) {
        let mut next = clock::now();
        while !shared.stop.load(Ordering::Relaxed) {
            if clock::now() >= next {
                next += INTERVAL;
                self.submit();
            }
            self.turn(shared);
        }
        let deadline = clock::now() + Duration::from_secs(20);
        while self.everybody_has() < self.submitted || self.accepted.len() < self.submitted {
            let (has, accepted) = (self.everybody_has(), self.accepted.len());
            let all = self.submitted;
            assert!(clock::now() < deadline, "of {all}, {accepted} accepted and {has} delivered");
            self.turn(shared);
        }
        for delivered in &self.delivered {
            let numbers: Vec<u64> = delivered.iter().map(|id| self.accepted[id]).collect();
            assert!(numbers.iter().copied().eq(1..=self.submitted as u64), "{numbers:?}");
        }
    }

    fn submit(&mut self) {
        self.submitted += 1;
        let session = self.sessions[self.submitted % self.sessions.len()];
        let (id, body) = (message_id(self.submitted as u64), small(&self.group, 0));
        self.service.client.submit(session, id, &RosterChange::default(), body);
    }

    fn turn(&mut self, shared: &Shared) {
        self.service.turn();
        for (session, heard) in std::mem::take(&mut self.service.heard) {
            match heard {
                Heard::Reply(Reply::Accepted { id, seq, .. }) => {
                    self.accepted.insert(id, seq.0);
                }
                Heard::Delivery(Delivery::Deliver { seq, id, body }) => {
                    let member = self.sessions.iter().position(|one| *one == session).unwrap();
                    self.delivered[member].push(id);
                    assert_eq!(seq.0, self.delivered[member].len() as u64, "no gap, in order");
                    assert!(body == small(&self.group, 0), "the body is what was sent");
                }
                other => panic!("a well-behaved member hears {other:?}"),
            }
        }
        shared.delivered.store(self.everybody_has() as u64, Ordering::Relaxed);
    }

    /// Messages that every member has.
    fn everybody_has(&self) -> usize {
        self.delivered.iter().map(Vec::len).min().unwrap_or(0)
    }
}
