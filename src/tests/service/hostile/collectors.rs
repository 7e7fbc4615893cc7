//! Devices that are slow to take their Welcomes.

use super::foreign::{Foreign, hello};
use super::*;
use crate::tests::service::joining::Mls;
use crate::wire;

/// Adds device 8 to a group of device 6's, with a Welcome of so many bytes.
fn add(siege: &mut Siege, by: SessionNumber, number: u8, secrets: &[u8], bytes: usize) -> Bytes {
    let group = group(number);
    siege.service.create(by, group, &[6]);
    let welcome = wire::welcome_of_one(1, secrets, &vec![number; bytes]);
    let enclosed = Enclosed { welcome: Some(welcome.clone()), group_info: None };
    let change = RosterChange { added: vec![device(8)], removed: vec![] };
    let (id, body) = (message_id(number.into()), message(&group, 0, Kind::Commit, 0));
    siege.service.client.request(by, &Request::Submit { id, change, enclosed, body });
    siege.service.reply(by, |reply| matches!(reply, Reply::Accepted { .. }));
    welcome
}

#[test]
fn welcomes_wait_behind_what_a_slow_device_has_not_taken_and_all_arrive() {
    under_load(|siege| {
        let [writer, owner] = [6, 8].map(|number| siege.service.join(number));
        let package = Mls::new(8).key_package(true);
        let reference = wire::key_package(&package).unwrap().reference;
        let (request, packages) = (message_id(77), vec![package]);
        let publish = Request::Publish { request, last_resort: true, packages };
        siege.service.client.request(owner, &publish);
        siege.service.reply(owner, |reply| matches!(reply, Reply::Published { .. }));

        let foreign = Foreign::new(&siege.service.certificate, b"stentor/1", |transport| {
            transport.stream_receive_window((16_u32 << 10).into());
        });
        let connection = foreign.connect(siege.service.addresses[0]).unwrap();
        let (mut control, mut replies) = foreign.open(&connection, &hello(&siege.service, 8));
        let mut deliveries = foreign.deliveries(&connection, device(8));
        assert!(matches!(foreign.reply(&mut replies), Reply::Ready { .. }));
        foreign.within(control.write_all(&encoded(&Request::Collect))).unwrap();
        let low = Delivery::LowKeyPackages { suite: 1, left: 0 };
        assert_eq!(foreign.delivery(&mut deliveries), low);

        let busy = group(9);
        siege.service.create(writer, busy, &[6, 8]);
        let attach = encoded(&Request::Attach { group: busy, after: Seq(0) });
        foreign.within(control.write_all(&attach)).unwrap();
        assert!(matches!(foreign.reply(&mut replies), Reply::Attached { .. }));
        let long = message(&busy, 0, Kind::Application, 1 << 20);
        siege.service.submit(writer, 99, long.clone());

        let secrets = [&[32][..], reference.as_bytes(), &[1, 9, 1, 9]].concat();
        let sent: Vec<Bytes> =
            (1..=5).map(|number| add(siege, writer, number, &secrets, 100_000)).collect();
        siege.counted(Counter::WelcomesDeposited, 5);
        let first = foreign.delivery(&mut deliveries);
        assert!(matches!(first, Delivery::Deliver { body, .. } if body == long));
        let mut arrived = Vec::new();
        for _ in 0..5 {
            let Delivery::Welcome { number, reference: of, body } =
                foreign.delivery(&mut deliveries)
            else {
                panic!("a Welcome");
            };
            assert_eq!(of, reference);
            arrived.push(body);
            foreign.within(control.write_all(&encoded(&Request::Collected { number }))).unwrap();
        }
        // Its runtime sends while it waits for something.
        let fetch = encoded(&Request::Fetch { request, group: busy });
        foreign.within(control.write_all(&fetch)).unwrap();
        assert!(matches!(foreign.reply(&mut replies), Reply::Rejected { .. }));
        arrived.sort_unstable();
        assert_eq!(arrived, sent, "whatever order their groups' shards sent them in");
        siege.counted(Counter::WelcomesCollected, 5);
    });
}
