//! Readers that take their deliveries late, never, or again and again.

use quinn::SendStream;

use super::foreign::{Foreign, Frames, hello};
use super::*;
use crate::limits::{AUDIENCE_ENTRIES_MAX, RESYNCS_MAX};

/// A member on a stock client that reads its deliveries only when asked to, and lets little be
/// sent before that.
struct Slow {
    foreign: Foreign,
    connection: quinn::Connection,
    control: SendStream,
    replies: Frames,
    deliveries: Frames,
}

impl Slow {
    /// Device 8 on shard 0, attached to the group.
    fn attached(siege: &Siege, group: GroupId) -> Self {
        let foreign = Foreign::new(&siege.service.certificate, b"stentor/1", |transport| {
            transport.stream_receive_window((16_u32 << 10).into());
        });
        let connection = foreign.connect(siege.service.addresses[0]).unwrap();
        let (control, replies) = foreign.open(&connection, &hello(&siege.service, 8));
        let deliveries = foreign.deliveries(&connection, device(8));
        let mut slow = Self { foreign, connection, control, replies, deliveries };
        assert!(matches!(slow.foreign.reply(&mut slow.replies), Reply::Ready { .. }));
        let attach = encoded(&Request::Attach { group, after: Seq(0) });
        slow.foreign.within(slow.control.write_all(&attach)).unwrap();
        assert!(matches!(slow.foreign.reply(&mut slow.replies), Reply::Attached { .. }));
        slow
    }

    /// The number of the next message it takes.
    fn next(&mut self) -> u64 {
        match self.foreign.delivery(&mut self.deliveries) {
            Delivery::Deliver { seq, .. } => seq.0,
            Delivery::Resync { next, .. } => panic!("resync to {next:?}"),
            other => panic!("a stream is named once, and nothing was asked for: {other:?}"),
        }
    }
}

/// Submits every body, then waits until all are accepted.
fn submit_all(siege: &mut Siege, by: SessionNumber, first: u64, bodies: &[Bytes]) {
    for (id, body) in (first..).zip(bodies) {
        let (id, change) = (message_id(id), RosterChange::default());
        siege.service.client.submit(by, id, &change, body.clone());
    }
    for _ in bodies {
        siege.service.reply(by, |reply| matches!(reply, Reply::Accepted { .. }));
    }
}

#[test]
fn a_member_that_never_reads_holds_nobody_up_and_misses_nothing_it_can_still_get() {
    under_load(|siege| {
        let [writer, reader] = [6, 7].map(|number| siege.service.join(number));
        let group = group(1);
        siege.service.create(writer, group, &[6, 7, 8]);
        siege.service.attach(reader, group, 0);
        let mut slow = Slow::attached(siege, group);
        let large = message(&group, 0, Kind::Application, 256 << 10);
        submit_all(siege, writer, 1, &vec![large; 40]);
        let got = siege.service.deliveries(reader, 40);
        assert!(got.iter().map(|(seq, ..)| *seq).eq(1..=40));
        let deliveries = siege.counters().get(Counter::Deliveries);
        let taken: Vec<u64> = (0..40).map(|_| slow.next()).collect();
        assert!(taken.into_iter().eq(1..=40));
        assert!(siege.counters().get(Counter::Deliveries) >= deliveries + 38, "it was behind");
        siege.counted(Counter::Resyncs, 0);
    });
}

#[test]
fn a_burst_longer_than_the_ring_costs_no_member_a_message_that_keeps_up() {
    under_load(|siege| {
        let [writer, reader] = [6, 7].map(|number| siege.service.join(number));
        let group = group(1);
        siege.service.create(writer, group, &[6, 7]);
        for session in [writer, reader] {
            siege.service.attach(session, group, 0);
        }
        // The writer's congestion window opens on a group that nobody reads.
        siege.service.create(writer, super::group(2), &[6]);
        let large = message(&super::group(2), 0, Kind::Application, 1 << 20);
        submit_all(siege, writer, 1, &vec![large; 4]);
        // Fits the window of a delivery stream, so that nobody has to wait for acknowledgements.
        let count = AUDIENCE_ENTRIES_MAX + AUDIENCE_ENTRIES_MAX / 2;
        submit_all(siege, writer, 9, &vec![small(&group, 0); count]);
        for session in [writer, reader] {
            let got = siege.service.deliveries(session, count);
            assert!(got.iter().map(|(seq, ..)| *seq).eq(1..=count as u64));
        }
        siege.counted(Counter::Resyncs, 0);
    });
}

#[test]
fn a_member_beyond_the_ring_is_resynchronised_twice_and_then_closed() {
    under_load(|siege| {
        let writer = siege.service.join(7);
        let group = group(1);
        siege.service.create(writer, group, &[7, 8]);
        let mut slow = Slow::attached(siege, group);
        let mut round = vec![small(&group, 0); AUDIENCE_ENTRIES_MAX + 2];
        round[0] = message(&group, 0, Kind::Application, 512 << 10);
        let mut first = 1;
        for resyncs in 1..=u64::from(RESYNCS_MAX) {
            submit_all(siege, writer, first, &round);
            assert_eq!(slow.next(), first);
            first += round.len() as u64;
            let notice = slow.foreign.delivery(&mut slow.deliveries);
            assert_eq!(notice, Delivery::Resync { group, next: Seq(first), epoch: Epoch(0) });
            siege.counted(Counter::Resyncs, resyncs);
        }
        submit_all(siege, writer, first, &round);
        // What was on its way when the connection closed may or may not arrive.
        let foreign = &slow.foreign;
        while foreign.within(slow.deliveries.next()).is_some() {}
        let code = u64::from(Refusal::TooSlow.code());
        assert_eq!(foreign.close_code(&slow.connection), code);
        siege.counted(Counter::SlowClosed, 1);
    });
}

#[test]
fn attaching_again_and_again_costs_no_memory_and_ends_with_one_place_in_the_order() {
    under_load(|siege| {
        // One session beside the group, one on the other shard.
        let sessions = [6, 7].map(|number| siege.service.join(number));
        let group = group(1);
        siege.service.create(sessions[0], group, &[6, 7]);
        let large = message(&group, 0, Kind::Application, 256 << 10);
        submit_all(siege, sessions[0], 1, &vec![large; 32]);
        let before = siege.counters().get(Counter::RssPeakBytes);
        let attaches = 100;
        let attach = encoded(&Request::Attach { group, after: Seq(0) }).repeat(attaches);
        for session in sessions {
            siege.service.client.send_raw(session, attach.clone().into());
            for _ in 0..attaches {
                siege.service.reply(session, |reply| matches!(reply, Reply::Attached { .. }));
            }
        }
        let after = siege.counters().get(Counter::RssPeakBytes);
        assert!(after < before + (400 << 20), "{before} bytes became {after}");
        siege.service.submit(sessions[0], 33, small(&group, 0));
        for session in sessions {
            let mut last = 0;
            while last < 33 {
                let (seq, ..) = siege.service.deliveries(session, 1)[0];
                assert!(seq == last + 1 || seq == 1, "{seq} after {last}");
                last = seq;
            }
        }
    });
}

#[test]
fn a_reader_that_takes_nothing_gains_no_time_by_attaching_again() {
    let defence = Defence { stall: Duration::from_millis(400), ..Defence::default() };
    within(defence, |siege| {
        let writer = siege.service.join(7);
        let group = group(1);
        siege.service.create(writer, group, &[7, 8]);
        let mut slow = Slow::attached(siege, group);
        let large = message(&group, 0, Kind::Application, 1 << 20);
        submit_all(siege, writer, 1, &vec![large; 2]);
        let attach = encoded(&Request::Attach { group, after: Seq(0) });
        let deadline = clock::now() + Duration::from_secs(20);
        while slow.connection.close_reason().is_none() {
            assert!(clock::now() < deadline, "it is waited for");
            let short = Duration::from_millis(20);
            slow.foreign.within(async {
                // Who has been closed cannot ask any more.
                slow.control.write_all(&attach).await.ok();
                tokio::time::sleep(short).await;
            });
        }
        let code = u64::from(Refusal::TooSlow.code());
        assert_eq!(slow.foreign.close_code(&slow.connection), code);
    });
}

#[test]
fn a_reader_that_stops_its_stream_harms_itself_alone() {
    under_load(|siege| {
        let [writer, reader] = [6, 7].map(|number| siege.service.join(number));
        let group = group(1);
        siege.service.create(writer, group, &[6, 7, 8]);
        siege.service.attach(reader, group, 0);
        let mut slow = Slow::attached(siege, group);
        slow.deliveries.stop();
        slow.foreign.within(async { tokio::time::sleep(Duration::from_millis(20)).await });
        let large = message(&group, 0, Kind::Application, 256 << 10);
        submit_all(siege, writer, 1, &vec![large; 8]);
        let got = siege.service.deliveries(reader, 8);
        assert!(got.iter().map(|(seq, ..)| *seq).eq(1..=8));
    });
}
