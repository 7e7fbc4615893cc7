//! The timetable, against what a scenario says of each member by itself.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;

fn scenario(members: &str, away: &str) -> Scenario {
    let text = format!(
        "why = \"\"\nexpect = \"\"\nseed = 1\n\
         durations = {{ warm_up = \"1s\", measure = \"10s\", drain = \"1s\" }}\n\
         [[groups]]\nname = \"here\"\ncount = 2\nmembers = 4\nrate = \"1/s\"\n\
         [[groups]]\nname = \"away\"\n{members}\nsenders = 2\nreal = 0\nrate = \"1/s\"\n\
         away = {away}\n"
    );
    Scenario::parse(&text, "t").unwrap_or_else(|error| panic!("{error}"))
}

fn timetable(scenario: &Scenario) -> Timetable {
    Timetable::of(scenario, &Population::of(scenario))
}

/// Two groups of ten, of which three go away.
fn over(over: &str) -> Scenario {
    let away = format!("{{ members = \"30%\", from = \"2s\", for = \"4s\", over = \"{over}\" }}");
    scenario("count = 2\nmembers = 10", &away)
}

/// When each member goes and comes back, in order.
fn by_member(timetable: &Timetable) -> BTreeMap<(u32, u32), Vec<(Duration, bool)>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for step in timetable.moves() {
        found.entry((step.group, step.member)).or_default().push((step.at, step.back));
    }
    found
}

#[test]
fn the_last_members_go_at_once_and_come_back_evenly_and_in_order() {
    let scenario = over("500ms");
    let timetable = timetable(&scenario);
    let moves = timetable.moves();
    assert!(moves.is_sorted_by_key(|step| step.at));
    let who = |back| moves.iter().filter(move |step| step.back == back);
    let expected = [(2, 7), (2, 8), (2, 9), (3, 7), (3, 8), (3, 9)];
    for back in [false, true] {
        let found: Vec<_> = who(back).map(|step| (step.group, step.member)).collect();
        assert_eq!(found, expected);
    }
    assert!(who(false).all(|step| step.at == Duration::from_secs(3)));
    let back: Vec<_> = who(true).map(|step| step.at.as_millis()).collect();
    assert_eq!(back, [7000, 7100, 7200, 7300, 7400, 7500]);
}

#[test]
fn a_storm_comes_back_at_one_instant() {
    let mut times: HashMap<Duration, usize> = HashMap::new();
    let timetable = timetable(&over("0s"));
    timetable.moves().iter().for_each(|step| *times.entry(step.at).or_default() += 1);
    assert_eq!(times.len(), 2);
    assert!(times.values().all(|count| *count == 6));
}

#[test]
fn times_keep_their_places_in_a_shorter_window() {
    let mut away = over("500ms").groups[1].away[0];
    away.scale(Duration::from_secs(10), Duration::from_secs(1));
    let millis = [away.from, away.lasting, away.over.unwrap(), away.ends()];
    assert_eq!(millis.map(|time| time.as_millis()), [200, 400, 50, 650]);
    let cycle = "{ members = \"30%\", every = \"5s\", for = \"2s\" }";
    let mut away = scenario("count = 2\nmembers = 10", cycle).groups[1].away[0];
    away.scale(Duration::from_secs(10), Duration::from_secs(1));
    let millis = [away.from, away.lasting, away.every.unwrap()].map(|time| time.as_millis());
    assert_eq!(millis, [0, 200, 500]);
}

#[test]
fn sleepers_take_turns_within_a_period_and_groups_do_not_keep_step() {
    let cycle = "{ members = \"30%\", every = \"3s\", for = \"1s\" }";
    let timetable = timetable(&scenario("count = 2\nmembers = 10", cycle));
    let first = by_member(&timetable).into_iter().map(|(who, moves)| (who, moves[0].0.as_millis()));
    let expected = [
        ((2, 7), 1000),
        ((2, 8), 2000),
        ((2, 9), 3000),
        ((3, 7), 1500),
        ((3, 8), 2500),
        ((3, 9), 3500),
    ];
    assert_eq!(first.collect::<Vec<_>>(), expected);
    // 10 s: at 0, 3, 6 and 9 s into the window; the last are back at its end.
    let moves = &by_member(&timetable)[&(2, 7)];
    let times: Vec<_> = moves.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(times, [1000, 2000, 4000, 5000, 7000, 8000, 10_000, 11_000]);
}

#[test]
fn several_absences_are_all_in_the_timetable_each_with_its_own_members() {
    let list = "[{ members = \"20%\", from = \"1s\", for = \"1s\" },\n\
                { members = \"30%\", before = \"20%\", from = \"1s\", for = \"2s\", resumption = false },\n\
                { members = \"20%\", from = \"5s\", for = \"1s\" }]";
    let timetable = timetable(&scenario("count = 1\nmembers = 10", list));
    let found = by_member(&timetable);
    let times = |member: u32| -> Vec<_> {
        found[&(2, member)].iter().map(|(at, _)| at.as_secs()).collect()
    };
    assert_eq!(found.len(), 5);
    assert_eq!((times(9), times(8)), (vec![2, 3, 6, 7], vec![2, 3, 6, 7]));
    assert_eq!([5, 6, 7].map(times), [vec![2, 4], vec![2, 4], vec![2, 4]]);
    assert!(timetable.moves().iter().all(|step| step.resumption == (step.member > 7)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_sleeper_goes_and_comes_by_turns_as_often_as_the_window_has_room_and_never_as_one_of_many(
        (count, members, share) in (1_u32..5, 4_u32..40, 1_u32..50),
        (every, lasting, from) in (20_u32..3_000, 1_u32..3_000, 0_u32..2_000),
    ) {
        prop_assume!(lasting < every && members * share >= 100);
        let cycle = format!(
            "{{ members = \"{share}%\", every = \"{every}ms\", for = \"{lasting}ms\", \
             from = \"{from}ms\" }}"
        );
        let scenario = scenario(&format!("count = {count}\nmembers = {members}"), &cycle);
        let timetable = timetable(&scenario);
        prop_assert!(timetable.moves().is_sorted_by_key(|step| step.at));
        let found = by_member(&timetable);
        let going = members * share / 100;
        prop_assert_eq!(found.len(), (going * count) as usize);
        let ms = |millis: u32| Duration::from_millis(millis.into());
        let (start, end) = (scenario.window().start, scenario.window().end);
        let most = scenario.groups[1].away[0].turns(end - start);
        for ((group, member), moves) in &found {
            prop_assert!(*group >= 2 && *member >= members - going);
            // One by one: gone, back, gone, back; each as long as was asked, each so much later.
            let first = moves[0].0;
            prop_assert!(first >= start + ms(from) && first < start + ms(from) + ms(every));
            for (turn, pair) in (0_u32..).zip(moves.chunks(2)) {
                prop_assert_eq!(pair, [(first + ms(every) * turn, false), (first + ms(every) * turn + ms(lasting), true)]);
                prop_assert!(pair[1].0 <= end);
            }
            let turns = u32::try_from(moves.len() / 2).unwrap();
            prop_assert!(first + ms(every) * turns + ms(lasting) > end, "one more had room");
            prop_assert!(turns > 0 && u64::from(turns) <= most);
        }
        // In the first full period, and after it, as many are away as the share of time says.
        let at = start + ms(from) + ms(every);
        if at + ms(every) + ms(lasting) <= end {
            let away = |moves: &[(Duration, bool)]| moves.iter().rfind(|(when, _)| *when <= at).is_some_and(|(_, back)| !back);
            let gone = found.values().filter(|moves| away(moves)).count() as f64;
            let expected = f64::from(going * count) * f64::from(lasting) / f64::from(every);
            prop_assert!((gone - expected).abs() <= 1.0 + 1e-9, "{gone} {expected}");
        }
    }
}
