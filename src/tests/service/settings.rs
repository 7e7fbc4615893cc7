//! What a server is told in its settings, it does.

use super::{Service, default_settings, device, group, message_id};
use crate::delivery::{Epoch, Reject};
use crate::wire::{Reason, Reply, Request};

#[test]
fn bounds_that_are_set_hold_for_groups_and_for_what_a_session_drains() {
    let mut set = default_settings(1);
    set.delivery.groups = 2;
    set.sessions.groups = 1;
    let mut service = Service::with_settings(set);
    let session = service.join(1);
    for number in [1, 2] {
        service.create(session, group(number), &[1]);
    }
    let roster = vec![device(1)];
    let (request, epoch) = (message_id(9), Epoch(0));
    let third = Request::plain_group(request, group(3), epoch, roster);
    service.client.request(session, &third);
    let refused = service.reply(session, |reply| matches!(reply, Reply::Rejected { .. }));
    let reason = Reason::Rejected(Reject::TooManyGroups);
    assert_eq!(refused, Reply::Rejected { id: message_id(9), reason });
    assert!(matches!(service.attach(session, group(1), 0), Reply::Attached { .. }));
    let refused = Reply::AttachRefused { group: group(2), reason: Reason::Busy };
    assert_eq!(service.attach(session, group(2), 0), refused);
}
