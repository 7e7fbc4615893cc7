//! Live members behind their queues, and a service that takes whatever comes first.

use proptest::prelude::*;

use super::*;
use crate::delivery::GroupId;
use crate::mls::{Handshake, LiveGroup, Suite};

const RACERS: u32 = 4;

fn racers(seed: u64) -> Racers {
    let group = GroupId::new(b"race").unwrap();
    let suite = Suite::named("x25519-aes128-ed25519").unwrap();
    let formed = LiveGroup::form(suite, group, RACERS, Handshake::Public, &[]).unwrap();
    let members = (0..RACERS).map(|number| (0, number)).zip(formed.members).collect();
    Racers::start(members, 2, seed).unwrap()
}

/// What the members say until all have built what they were asked for, by member.
fn all_built(racers: &mut Racers) -> Vec<(u32, Built)> {
    let mut built = Vec::new();
    while built.len() < RACERS as usize {
        racers.forward();
        match racers.outward.recv().unwrap() {
            Said::Built { seat: (_, member), built: one } => built.push((member, one)),
            said => panic!("{said:?}"),
        }
    }
    built
}

/// All always want a change, and the first commit that leaves wins: whose that was, by epoch.
fn winners(seed: u64, epochs: usize) -> Vec<u32> {
    let mut racers = racers(seed);
    let mut winners = Vec::new();
    for _ in 0..epochs {
        for member in 0..RACERS {
            racers.tell((0, member), Told::Build(What::Commit));
        }
        racers.hand_over();
        let (winner, won) = all_built(&mut racers).swap_remove(0);
        for member in 0..RACERS {
            let own = member == winner;
            let told =
                if own { Told::Own(What::Commit) } else { Told::Delivered(won.body.clone()) };
            racers.tell((0, member), told);
        }
        winners.push(winner);
    }
    let authenticators = racers.finish().remove(&0).unwrap();
    assert_eq!(authenticators.len(), RACERS as usize);
    let (_, epoch, first) = &authenticators[0];
    assert_eq!(epoch.0, epochs as u64 + 1, "every commit was processed");
    assert!(authenticators.iter().all(|(_, at, one)| (at, one) == (epoch, first)));
    winners
}

#[test]
fn racers_that_always_want_a_change_and_are_told_together_win_equally_often() {
    let found = winners(11, 200);
    for member in 0..RACERS {
        let won = found.iter().filter(|winner| **winner == member).count();
        // A quarter of 200 is 50; five standard deviations are 31.
        assert!((19..=81).contains(&won), "racer {member}: {won} of 200");
    }
    assert_eq!(winners(11, 20), found[..20], "one seed, one order");
    assert_ne!(winners(12, 20), found[..20]);
}

proptest! {
    /// However turns come, with or without something in them: each is taken up whole, nothing is
    /// taken up twice or out of its member's order, and what is left of an unfinished one at the
    /// end is too.
    #[test]
    fn members_go_about_whole_turns(
        turns in prop::collection::vec(prop::collection::vec(0..3_u32, 0..5), 0..20),
        unfinished in prop::collection::vec(0..3_u32, 0..5),
    ) {
        let (inward, from_worker) = sync_channel(1);
        let told = |number: usize| Told::Build(What::Claim { generation: u32::try_from(number).unwrap() });
        let sent: Vec<u32> = turns.iter().flatten().chain(&unfinished).copied().collect();
        let mut ends = Vec::new();
        let mut handed = Vec::new();
        for turn in &turns {
            handed.extend(turn.iter().map(|member| Some(*member)).chain([None]));
            ends.push(handed.iter().flatten().count());
        }
        handed.extend(unfinished.iter().map(|member| Some(*member)));
        ends.push(sent.len());
        let sender = std::thread::spawn(move || {
            let mut number = 0;
            for one in handed {
                let what = one.map_or(Handed::Turn, |member| Handed::Told((0, member), told(number)));
                number += usize::from(one.is_some());
                inward.send(what).unwrap();
            }
        });
        let mut taken = vec![Vec::new(); 3];
        while let Some(batch) = next_batch(&from_worker) {
            for ((_, member), told) in batch {
                for one in told {
                    let Told::Build(What::Claim { generation }) = one else { panic!("{one:?}") };
                    taken[member as usize].push(generation);
                }
            }
            let so_far = taken.iter().map(Vec::len).sum::<usize>();
            prop_assert!(ends.contains(&so_far), "{} is within a turn: {:?}", so_far, ends);
        }
        sender.join().unwrap();
        for (member, taken) in (0_u32..).zip(taken) {
            let of_member = (0_u32..).zip(&sent).filter(|(_, to)| **to == member);
            prop_assert_eq!(taken, of_member.map(|(number, _)| number).collect::<Vec<_>>());
        }
    }
}
