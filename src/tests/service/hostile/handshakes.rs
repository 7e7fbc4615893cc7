//! Handshakes that say of themselves what is not so, where the group's level looks.

use super::*;
use crate::delivery::{Check, Level, Reject};
use crate::wire::Reason;

/// A PublicMessage with an empty commit, as the member at `leaf` would frame it.
fn commit(group: &GroupId, epoch: u64, leaf: u32) -> Bytes {
    let mut bytes = vec![0, 1, 0, 1, 32];
    bytes.extend(group.as_bytes());
    bytes.extend(epoch.to_be_bytes());
    bytes.push(1);
    bytes.extend(leaf.to_be_bytes());
    // No authenticated data; a commit without proposals and without a path.
    bytes.extend([0, 3, 0, 0]);
    // Signature, confirmation tag, membership tag: what no level but `public` looks at.
    bytes.extend([32]);
    bytes.extend([0x51; 32]);
    for _ in 0..2 {
        bytes.extend([32]);
        bytes.extend([0x7a; 32]);
    }
    Bytes::from(bytes)
}

fn create(siege: &mut Siege, by: SessionNumber, group: GroupId, level: Level) -> Reply {
    let create = Request::Create {
        request: message_id(5),
        epoch: Epoch(0),
        group,
        durability: None,
        level,
        roster: vec![device(7), device(8)],
        group_info: None,
        tree: None,
    };
    siege.service.client.request(by, &create);
    let answer = |reply: &Reply| matches!(reply, Reply::Done { .. } | Reply::Rejected { .. });
    siege.service.reply(by, answer)
}

fn refused(answer: &Reply) -> Reject {
    match answer {
        Reply::Rejected { reason: Reason::Rejected(reject), .. } => *reject,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_commit_that_names_anothers_leaf_is_refused_by_the_number_of_its_check() {
    under_load(|siege| {
        let (member, other, group) = (siege.service.join(7), siege.service.join(8), group(1));
        assert!(matches!(create(siege, member, group, Level::Header), Reply::Done { .. }));
        let forged = siege.service.submit(member, 1, commit(&group, 0, 1));
        let check = Check::SenderLeaf.number();
        assert_eq!(refused(&forged), Reject::Invalid { check });
        for blank in [2, u32::MAX] {
            let forged = siege.service.submit(member, 2, commit(&group, 0, blank));
            assert_eq!(refused(&forged), Reject::Invalid { check });
        }
        let own = siege.service.submit(other, 3, commit(&group, 0, 1));
        assert!(matches!(own, Reply::Accepted { seq: Seq(1), .. }), "{own:?}");
    });
}

#[test]
fn a_handshake_that_nobody_can_look_at_is_refused_where_the_level_wants_to() {
    under_load(|siege| {
        let (member, group) = (siege.service.join(7), group(1));
        assert!(matches!(create(siege, member, group, Level::Header), Reply::Done { .. }));
        let hidden = message(&group, 0, Kind::Commit, 0);
        let answer = siege.service.submit(member, 1, hidden);
        assert_eq!(refused(&answer), Reject::Invalid { check: Check::WireFormat.number() });
        let spoken = siege.service.submit(member, 2, message(&group, 0, Kind::Application, 0));
        assert!(matches!(spoken, Reply::Accepted { .. }), "{spoken:?}");
    });
}

#[test]
fn a_group_that_is_to_be_followed_needs_what_it_is_followed_from() {
    under_load(|siege| {
        let member = siege.service.join(7);
        let answer = create(siege, member, group(1), Level::Public);
        assert_eq!(refused(&answer), Reject::LevelUnavailable);
    });
}
