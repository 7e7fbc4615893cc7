//! Members that send more, or commit more, than is theirs.

use super::*;
use crate::delivery::Reject;
use crate::limits::LOSSES_MIN;
use crate::wire::Reason;

#[test]
fn a_device_that_floods_is_told_to_slow_down_and_others_notice_nothing() {
    // The bystanders send some hundred messages a second, all of them together.
    let defence = Defence { device_rate: 500, device_burst: 200, ..Defence::default() };
    within(defence, |siege| {
        let flooder = siege.service.join(7);
        let group = group(1);
        siege.service.create(flooder, group, &[7]);
        for id in 0..5_000 {
            let (id, change) = (message_id(id), RosterChange::default());
            siege.service.client.submit(flooder, id, &change, small(&group, 0));
        }
        let mut refused = 0;
        for _ in 0..5_000 {
            let answer = siege.service.reply(flooder, |_| true);
            match answer {
                Reply::Accepted { .. } => {}
                Reply::Rejected { reason: Reason::Rejected(Reject::SlowDown { .. }), .. } => {
                    refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(refused > 0, "all of the flood was taken");
    });
}

#[test]
fn a_member_that_floods_commits_does_not_keep_another_from_committing() {
    // However slow the machine is that this runs on.
    let defence = Defence { reservation: Duration::from_secs(60), ..Defence::default() };
    within(defence, |siege| {
        let [flooder, honest] = [6, 7].map(|number| siege.service.join(number));
        let group = group(1);
        siege.service.create(flooder, group, &[6, 7]);
        let mut flooded = 0;
        for epoch in 0..20 {
            let commit = message(&group, epoch, Kind::Commit, 0);
            let first = siege.service.submit(flooder, 2 * epoch, commit.clone());
            flooded += u32::from(matches!(first, Reply::Accepted { .. }));
            // Always the later of the two.
            match siege.service.submit(honest, 2 * epoch + 1, commit) {
                Reply::Accepted { .. } => break,
                Reply::Rejected { reason: Reason::Rejected(Reject::WrongEpoch { .. }), .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(flooded, LOSSES_MIN);
    });
}
