//! A group that was followed for some epochs, and a commit of it to be changed.

use openmls::prelude::KeyPackage;
use openmls::prelude::tls_codec::Serialize as _;

use super::bed::{Bed, Commit, Made};
use super::following::{now, proposed};
use super::forge::{Forge, context, proposal};
use crate::delivery::Check;
use crate::validation::{Everybody, State};

pub(super) fn refused(state: &State, made: &Made) -> Option<Check> {
    state.check(made.submitted(), &Everybody, now()).err()
}

/// A group of four that was followed since its first epoch, in which everybody has committed, and
/// one more commit of client 0.
pub(super) struct Stage {
    pub(super) bed: Bed,
    pub(super) state: State,
    pub(super) made: Made,
    /// The commit that opened the epoch, of client 3.
    pub(super) last: Made,
}

impl Stage {
    pub(super) fn new(what: Commit) -> Self {
        let mut bed = Bed::new(4);
        let mut state = bed.observed();
        let mut last = None;
        for client in 0..4 {
            let made = bed.commit(client, Commit::default());
            state.accept(state.check(made.submitted(), &Everybody, now()).unwrap());
            bed.settle(client, &made);
            last = Some(made);
        }
        let made = bed.commit(0, what);
        assert_eq!(refused(&state, &made), None);
        Self { bed, state, made, last: last.unwrap() }
    }

    /// What becomes of the commit when it is changed and signed again.
    pub(super) fn forged(&self, change: impl FnOnce(&mut Forge)) -> Option<Check> {
        let mut forge = Forge::of(&self.made.body);
        change(&mut forge);
        let body = forge.sealed(&self.bed.clients[0], &context(&self.bed.clients[0]));
        refused(&self.state, &Made { body, group_info: None, ..self.made.clone() })
    }

    /// What becomes of the commit when it lists something else.
    pub(super) fn listing(&self, list: &[&[u8]]) -> Option<Check> {
        self.forged(|forge| *forge = forge.clone().listing(list))
    }

    /// What becomes of it when only its end is not as it was.
    pub(super) fn proposing(&self, client: usize, content: &[u8]) -> Option<Check> {
        let mut head = Forge::of(&self.made.body).head;
        let kind = head.len() - 1;
        head[kind] = 2;
        head[kind - 2] = u8::try_from(client).unwrap();
        let client_at = &self.bed.clients[client];
        let body = proposal(&head, content, client_at, &context(&self.bed.clients[0]));
        let sender = u8::try_from(client).unwrap();
        self.state.check(proposed(sender, &body), &Everybody, now()).err()
    }
}

pub(super) fn remove(leaf: u8) -> Vec<u8> {
    vec![1, 0, 3, 0, 0, 0, leaf]
}

pub(super) fn add(package: &KeyPackage) -> Vec<u8> {
    [&[1, 0, 1][..], &package.tls_serialize_detached().unwrap()].concat()
}

pub(super) const REINIT: [u8; 11] = [1, 0, 5, 2, 8, 8, 0, 1, 0, 1, 0];
pub(super) const EXTENSIONS: [u8; 4] = [1, 0, 7, 0];
pub(super) const EXTERNAL_INIT: [u8; 6] = [1, 0, 6, 2, 9, 9];
