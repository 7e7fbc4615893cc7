//! Writers that begin long frames and do not end them.

use super::*;
use crate::limits::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX};

/// Room for one of the longest frames, and no more.
fn tight(frame_time: Duration) -> Defence {
    Defence { frame_bytes: FRAME_BYTES_MAX, frame_time, ..Defence::default() }
}

/// A session of device `number` on shard 1 that has begun a frame of 16 MiB and stops there.
fn hoarder(siege: &mut Siege, number: u8) -> SessionNumber {
    let session = siege.service.join(number);
    let length = u32::try_from(MESSAGE_BYTES_MAX).unwrap().to_be_bytes();
    siege.service.client.send_raw(session, Bytes::copy_from_slice(&length));
    siege.service.client.send_raw(session, Bytes::from(vec![3; 20_000]));
    session
}

#[test]
fn a_frame_that_is_begun_and_not_ended_costs_its_sender_the_connection() {
    within(tight(Duration::from_millis(100)), |siege| {
        let slow = hoarder(siege, 7);
        siege.refused(slow, Refusal::TooSlow);
        siege.counted(Counter::SlowClosed, 1);
    });
}

#[test]
fn a_long_frame_waits_for_room_and_short_ones_do_not() {
    within(tight(Duration::from_secs(600)), |siege| {
        let group = group(1);
        let [hoarder, writer, other] =
            [hoarder(siege, 7), siege.service.join(9), siege.service.join(11)];
        siege.service.create(writer, group, &[9, 11]);
        siege.service.attach(other, group, 0);
        let large = message(&group, 0, Kind::Application, 8 << 20);
        siege.service.client.submit(writer, message_id(1), &RosterChange::default(), large);
        for id in 2..50 {
            let reply = siege.service.submit(other, id, small(&group, 0));
            assert!(
                matches!(reply, Reply::Accepted { seq, .. } if seq == Seq(id - 1)),
                "{reply:?}"
            );
        }
        siege.service.client.send_raw(hoarder, Bytes::from_static(&[0; 100]));
        assert!(siege.service.idle(writer).is_empty(), "there is no room for it");
        siege.service.client.send_raw(hoarder, vec![0; MESSAGE_BYTES_MAX].into());
        siege.refused(hoarder, Refusal::MalformedFrame);
        siege.service.reply(writer, |reply| matches!(reply, Reply::Accepted { .. }));
        assert_eq!(siege.service.deliveries(other, 49).len(), 49);
    });
}
