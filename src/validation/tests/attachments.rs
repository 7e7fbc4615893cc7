//! Checks 14 to 16, each violated alone: refused under its own number.

use openmls::prelude::LeafNodeIndex;
use openmls_traits::OpenMlsProvider as _;

use super::bed::{Client, Commit, Made, device};
use super::following::{now, proposed};
use super::forge::{signed, take, vector};
use super::stage::{Stage, refused};
use crate::delivery::{Check, DeviceId, RosterChange};
use crate::validation::{Everybody, Policy};
use crate::wire::attachment::group_info;

struct Owner(DeviceId);

impl Policy for Owner {
    fn may(&self, actor: DeviceId, change: &RosterChange) -> bool {
        actor == self.0 || change.is_empty()
    }

    fn departures_first(&self) -> bool {
        true
    }
}

#[test]
fn fourteen_the_policy_is_asked() {
    let mut stage = Stage::new(Commit { removes: vec![3], ..Commit::default() });
    let by = |stage: &Stage, owner| {
        let owner = Owner(device(owner));
        stage.state.check(stage.made.submitted(), &owner, now()).err()
    };
    assert_eq!((by(&stage, 0), by(&stage, 1)), (None, Some(Check::Policy)));
    let body = stage.bed.propose(1, |group, provider, signer| {
        group.propose_remove_member(provider, signer, LeafNodeIndex::new(2)).unwrap().0
    });
    let proposing =
        |owner| stage.state.check(proposed(1, &body), &Owner(device(owner)), now()).err();
    assert_eq!((proposing(1), proposing(0)), (None, Some(Check::Policy)));
    let leave = stage.bed.propose(2, |group, provider, signer| {
        group.leave_group_via_self_remove(provider, signer).unwrap()
    });
    let checked = stage.state.check(proposed(2, &leave), &Everybody, now()).unwrap();
    stage.state.accept(checked);
    assert_eq!(by(&stage, 0), Some(Check::Policy), "a departure waits");
    assert_eq!(refused(&stage.state, &stage.made), None, "and does not bother everybody");
    stage.made.body = {
        let (group, provider, _) = stage.bed.clients[0].group();
        group.clear_pending_proposals(provider.storage()).unwrap();
        stage.bed.clients[0].hears(&leave);
        stage.bed.commit(0, Commit::default()).body
    };
    stage.made.group_info = None;
    assert_eq!(by(&stage, 0), None);
}

#[test]
fn fifteen_a_group_info_describes_the_group_after_the_commit() {
    let mut stage = Stage::new(Commit::default());
    let before = stage.bed.group_info(1);
    let info = stage.made.group_info.take().unwrap();
    let with = |info: Vec<u8>| {
        refused(&stage.state, &Made { group_info: Some(info), ..stage.made.clone() })
    };
    assert_eq!(with(info.clone()), None);
    assert_eq!(with(before), Some(Check::GroupInfo));
    assert_eq!(with(Vec::new()), Some(Check::GroupInfo));
    let client = &stage.bed.clients[0];
    let parts = group_info(&info).unwrap();
    let (context, signed_bytes) = (parts.context.len(), parts.signed.len());
    let forged = |change: &dyn Fn(&mut Vec<u8>), client: &Client| {
        let mut content = info[4..4 + signed_bytes].to_vec();
        change(&mut content);
        let signature = signed("GroupInfoTBS", &content, client);
        with([&info[..4], &content, &vector(&signature)].concat())
    };
    assert_eq!(forged(&|_| (), client), None);
    assert_eq!(forged(&|_| (), &stage.bed.clients[1]), Some(Check::GroupInfo), "signature");
    for (place, what) in [(20, "group id"), (28, "epoch"), (40, "tree"), (80, "transcript")] {
        let flipped = |content: &mut Vec<u8>| content[place] ^= 1;
        assert_eq!(forged(&flipped, client), Some(Check::GroupInfo), "{what}");
    }
    let tag = |content: &mut Vec<u8>| *content.iter_mut().nth_back(4).unwrap() ^= 1;
    assert_eq!(forged(&tag, client), Some(Check::GroupInfo), "confirmation tag");
    let signer = |content: &mut Vec<u8>| *content.last_mut().unwrap() = 1;
    assert_eq!(forged(&signer, client), Some(Check::GroupInfo), "signer");
    let closed = |content: &mut Vec<u8>| {
        let mut rest = &content[context..];
        take(&mut rest);
        let after = content.len() - rest.len();
        content.splice(context..after, [0]);
    };
    assert_eq!(forged(&closed, client), Some(Check::GroupInfo), "external_pub");
}

#[test]
fn sixteen_a_welcome_is_for_exactly_those_who_are_added() {
    let two = [8, 9].map(|number| Client::new(number).package());
    let mut stage = Stage::new(Commit { adds: two.to_vec(), ..Commit::default() });
    let theirs = stage.made.welcome.take().unwrap();
    let with = |stage: &mut Stage, welcome: Option<Vec<u8>>| {
        stage.made.welcome = welcome;
        refused(&stage.state, &stage.made)
    };
    assert_eq!(with(&mut stage, Some(theirs.clone())), None);
    assert_eq!(with(&mut stage, None), Some(Check::Welcome));
    let one = stage.bed.commit(0, Commit { adds: vec![two[0].clone()], ..Commit::default() });
    assert_eq!(with(&mut stage, one.welcome.clone()), Some(Check::Welcome));
    let info = stage.bed.group_info(0);
    assert_eq!(with(&mut stage, Some(info)), Some(Check::Welcome));
    let mut suite = theirs.clone();
    suite[5] = 3;
    assert_eq!(with(&mut stage, Some(suite)), Some(Check::Welcome));
    stage.made = one;
    assert_eq!(refused(&stage.state, &stage.made), None);
    assert_eq!(with(&mut stage, Some(theirs.clone())), Some(Check::Welcome));
    stage.made = stage.bed.commit(0, Commit::default());
    assert_eq!(with(&mut stage, Some(theirs)), Some(Check::Welcome));
}
