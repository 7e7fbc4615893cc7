//! Where a fault meets what is delivered: what a member gets instead.

use bytes::Bytes;

use super::manner::{Fault, What};
use super::order::Entry;
use crate::delivery::{Epoch, GroupId, MessageId, Seq};
use crate::wire::Delivery;

/// What is about to be delivered to whom.
#[derive(Debug)]
pub(super) struct Due<'a> {
    pub(super) group: usize,
    pub(super) id: GroupId,
    pub(super) member: usize,
    pub(super) entry: &'a Entry,
    /// A message of another group, once there is one.
    pub(super) foreign: Option<&'a Entry>,
}

impl Fault {
    /// What the member gets, and whether that is this fault's doing. A message that it is not
    /// delivered in its place is remembered in `kept`, by member.
    pub(super) fn deliver(
        &self,
        due: &Due<'_>,
        kept: &mut Vec<(usize, Entry)>,
    ) -> (Vec<Delivery>, bool) {
        let Due { group, member, entry, .. } = *due;
        let hit = self.group == group && self.member.is_none_or(|hit| hit == member);
        if !hit {
            return (vec![plain(entry)], false);
        }
        if entry.seq == self.seq {
            return self.at_the_message(due, kept);
        }
        let earlier = kept.iter().position(|(whose, _)| *whose == member);
        let Some((_, earlier)) = earlier.map(|place| kept.remove(place)) else {
            return (vec![plain(entry)], false);
        };
        let frames = match self.what {
            What::Exchange => vec![
                deliver(earlier.seq, entry.id, entry.body.clone()),
                deliver(entry.seq, earlier.id, earlier.body),
            ],
            _ => vec![plain(entry), plain(&earlier)],
        };
        (frames, true)
    }

    fn at_the_message(
        &self,
        due: &Due<'_>,
        kept: &mut Vec<(usize, Entry)>,
    ) -> (Vec<Delivery>, bool) {
        let Due { id, member, entry, .. } = *due;
        let frames = match self.what {
            What::Lose => Vec::new(),
            What::Duplicate | What::DuplicateAndFallSilent => vec![plain(entry), plain(entry)],
            What::Reorder | What::Exchange => {
                kept.push((member, entry.clone()));
                return (Vec::new(), false);
            }
            What::Corrupt => {
                let mut body = entry.body.to_vec();
                *body.last_mut().unwrap() ^= 1;
                vec![deliver(entry.seq, entry.id, Bytes::from(body))]
            }
            What::OfAnotherGroup => {
                let foreign = due.foreign.expect("the other group has a message by now");
                vec![deliver(entry.seq, foreign.id, foreign.body.clone())]
            }
            What::UnknownId => {
                vec![deliver(entry.seq, MessageId([0xee; 16]), entry.body.clone())]
            }
            What::Beyond => {
                let beyond = deliver(entry.seq + 1_000_000, entry.id, entry.body.clone());
                vec![plain(entry), beyond]
            }
            What::Resync => {
                let next = Seq(entry.seq + 1);
                vec![Delivery::Resync { group: id, next, epoch: Epoch(1) }]
            }
            _ => return (vec![plain(entry)], false),
        };
        (frames, true)
    }
}

/// As a good service delivers it.
pub(super) fn plain(entry: &Entry) -> Delivery {
    deliver(entry.seq, entry.id, entry.body.clone())
}

fn deliver(seq: u64, id: MessageId, body: Bytes) -> Delivery {
    Delivery::Deliver { seq: Seq(seq), id, body }
}
