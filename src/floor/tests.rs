//! Small measurements: what is counted, and what a lost packet does.

use std::net::UdpSocket;
use std::time::Duration;

use super::delivery::Arrangement;
use super::packet::PAYLOAD_BYTES_MAX;
use super::{Error, F3, Spread, Work, measure};
use crate::limits::{CONNECTIONS_MAX, MESSAGE_BYTES_MAX, PACKETS_PER_ACK, TRAIN_PACKETS_MAX};

/// A budget that is over at once: the fewest rounds.
const NONE: Duration = Duration::ZERO;

fn work(members: u32, bytes: usize, packets_per_ack: u32) -> Work {
    Work { members, bytes: u32::try_from(bytes).unwrap(), packets_per_ack }
}

fn check(work: Work, messages: u64) {
    let F3 { deliveries, packets, acks, rounds, losses, .. } = measure(&work, NONE).unwrap();
    let members = u64::from(work.members);
    let per_member = messages * u64::from(work.packets());
    assert_eq!((rounds, losses), (3, 0), "{work:?}");
    assert_eq!(deliveries, messages * members, "{work:?}");
    assert_eq!(packets, per_member * members, "{work:?}");
    assert_eq!(acks, per_member / u64::from(work.packets_per_ack) * members, "{work:?}");
}

#[test]
fn every_member_gets_every_message_and_acknowledges_what_it_owes() {
    // Three rounds of the fewest messages after which nobody owes an acknowledgement.
    check(work(8, 350, 1), 3);
    check(work(8, 350, 2), 6);
    check(work(8, 350, 10), 30);
    check(work(8, PAYLOAD_BYTES_MAX, 2), 6);
    check(work(8, PAYLOAD_BYTES_MAX + 1, 2), 3);
}

#[test]
fn a_message_of_many_trains_to_more_members_than_a_window_holds_arrives_whole() {
    check(work(40, 3 * TRAIN_PACKETS_MAX * PAYLOAD_BYTES_MAX, 2), 3);
    check(work(4_000, 350, 1), 3);
}

#[test]
fn a_lost_packet_ends_in_an_error_that_says_so() {
    let mut arrangement = Arrangement::of(work(8, 350, 2)).unwrap();
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    arrangement.members[3].address = nobody.local_addr().unwrap();
    let error = arrangement.measure(NONE).unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
    let line = error.to_string();
    assert!(line.starts_with("a round was abandoned: "), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
}

#[test]
fn work_that_cannot_be_measured_is_refused_in_one_line() {
    let members_max = u32::try_from(CONNECTIONS_MAX).unwrap();
    for (refused, says) in [
        (work(0, 350, PACKETS_PER_ACK), "0 members"),
        (work(members_max + 1, 350, PACKETS_PER_ACK), "200001 members"),
        (work(8, 0, PACKETS_PER_ACK), "a message of 0 bytes"),
        (work(8, MESSAGE_BYTES_MAX + 1, PACKETS_PER_ACK), "a message of 16777217 bytes"),
        (work(8, 350, 0), "an acknowledgement answers 1 to"),
    ] {
        let line = measure(&refused, NONE).unwrap_err().to_string();
        assert!(line.starts_with(says), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
}

#[test]
fn the_middle_of_rounds_is_their_median() {
    let check = |values: &[f64], median, min, max| {
        assert_eq!(Spread::of(values.to_vec()).unwrap_or_default(), Spread { median, min, max });
    };
    check(&[], 0.0, 0.0, 0.0);
    check(&[2.0], 2.0, 2.0, 2.0);
    check(&[9.0, 1.0, 2.0], 2.0, 1.0, 9.0);
    check(&[4.0, 1.0, 2.0, 9.0], 3.0, 1.0, 9.0);
}
