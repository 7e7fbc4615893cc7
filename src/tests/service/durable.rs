//! A server with a log: what it has said is true after it was stopped and started again.

use std::path::Path;

use super::*;
use crate::delivery::{Durability, Level, Reject};
use crate::wire::Reason;

fn settings(folder: &Path, shards: u16) -> Settings {
    let mut settings = default_settings(shards);
    settings.log.folder = Some(folder.to_owned());
    settings.log.durability = Durability::Wal;
    settings.log.segment = 1 << 20;
    settings
}

fn small(group: &GroupId, epoch: u64, kind: Kind) -> Bytes {
    message(group, epoch, kind, 0)
}

fn accepted(reply: &Reply) -> (u64, u64) {
    match reply {
        Reply::Accepted { seq, epoch, .. } => (seq.0, epoch.0),
        other => panic!("not accepted: {other:?}"),
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart_and_a_retry_is_answered_alike() {
    for shards in [1, 2] {
        let place = tempfile::tempdir().unwrap();
        let mut answers = Vec::new();
        {
            let mut service = Service::with_settings(settings(place.path(), shards));
            let session = service.join(1);
            for number in 1..=4 {
                let group = group(number);
                service.create(session, group, &[1, 2]);
                for (id, kind, epoch) in
                    [(1, Kind::Application, 0), (2, Kind::Commit, 0), (3, Kind::Proposal, 1)]
                {
                    let body = small(&group, epoch, kind);
                    let reply = service.submit(session, u64::from(number) * 10 + id, body);
                    answers.push(accepted(&reply));
                }
            }
        }
        let mut service = Service::with_settings(settings(place.path(), shards));
        let recovered = service.server.as_ref().unwrap().recovered();
        assert_eq!((recovered.groups, recovered.records, recovered.torn_bytes), (4, 16, 0));
        let (first, second) = (service.join(1), service.join(2));
        let mut again = Vec::new();
        for number in 1..=4 {
            let group = group(number);
            for (id, kind, epoch) in
                [(1, Kind::Application, 0), (2, Kind::Commit, 0), (3, Kind::Proposal, 1)]
            {
                let body = small(&group, epoch, kind);
                let reply = service.submit(first, u64::from(number) * 10 + id, body);
                again.push(accepted(&reply));
            }
            assert!(matches!(service.attach(second, group, 0), Reply::Attached { .. }));
            let delivered = service.deliveries(second, 3);
            assert_eq!(delivered.iter().map(|(seq, ..)| *seq).collect::<Vec<_>>(), [1, 2, 3]);
            // The epoch that was closed stays closed.
            let late = service.submit(first, 99, small(&group, 0, Kind::Commit));
            let reject = Reject::WrongEpoch { current: Epoch(1), winner: Seq(2) };
            let reason = Reason::Rejected(reject);
            assert_eq!(late, Reply::Rejected { id: message_id(99), reason });
        }
        assert_eq!(again, answers);
    }
}

#[test]
fn a_cursor_survives_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let group = group(1);
    {
        let mut service = Service::with_settings(settings(place.path(), 1));
        let session = service.join(1);
        service.create(session, group, &[1, 2]);
        for id in 1..=5 {
            accepted(&service.submit(session, id, small(&group, 0, Kind::Application)));
        }
        service.client.request(session, &Request::Acknowledge { group, seq: Seq(3) });
        // Answered after it.
        accepted(&service.submit(session, 6, small(&group, 0, Kind::Application)));
    }
    let mut service = Service::with_settings(settings(place.path(), 1));
    let session = service.join(1);
    match service.attach(session, group, Seq::CURSOR.0) {
        Reply::Attached { next, head, resync, .. } => {
            assert_eq!((next, head, resync), (Seq(4), Seq(6), false));
        }
        other => panic!("not attached: {other:?}"),
    }
}

#[test]
fn a_group_in_memory_is_gone_after_a_restart_and_says_so() {
    let place = tempfile::tempdir().unwrap();
    let group = group(1);
    let create = |durability| Request::Create {
        request: message_id(1),
        epoch: Epoch(0),
        group,
        durability: Some(durability),
        level: Level::Opaque,
        roster: vec![device(1)],
        group_info: None,
        tree: None,
    };
    {
        let mut service = Service::with_settings(settings(place.path(), 1));
        let session = service.join(1);
        service.client.request(session, &create(Durability::None));
        service.reply(session, |reply| matches!(reply, Reply::Done { .. }));
        accepted(&service.submit(session, 1, small(&group, 0, Kind::Application)));
    }
    let mut service = Service::with_settings(settings(place.path(), 1));
    let session = service.join(1);
    let reason = Reason::Rejected(Reject::UnknownGroup);
    let refused = service.submit(session, 2, small(&group, 0, Kind::Application));
    assert_eq!(refused, Reply::Rejected { id: message_id(2), reason });
    drop(service);
    let mut service = Service::start(1);
    let session = service.join(1);
    service.client.request(session, &create(Durability::Wal));
    let refused = service.reply(session, |reply| matches!(reply, Reply::Rejected { .. }));
    let reason = Reason::Rejected(Reject::NotDurable);
    assert_eq!(refused, Reply::Rejected { id: message_id(1), reason });
}

#[test]
fn a_log_is_for_one_server_and_for_as_many_shards_as_wrote_it() {
    let place = tempfile::tempdir().unwrap();
    let service = Service::with_settings(settings(place.path(), 2));
    let config = |shards| {
        let (identity, keys) = (Identity::self_signed().unwrap(), service.key.clone().into());
        let settings = settings(place.path(), shards);
        Config { settings, identity: Arc::new(identity), token_keys: keys }
    };
    let started = |shards| match Server::start(&config(shards)) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it started"),
    };
    assert!(started(2).contains("another process has the log"), "{}", started(2));
    assert!(started(1).contains("of 2 shards"), "{}", started(1));
}
