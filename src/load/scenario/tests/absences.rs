//! Members that go away and members that are slow, as a scenario says it.

use super::*;

#[test]
fn members_that_go_away_leave_those_that_send_and_are_back_in_time() {
    let away = "away = { members = \"25%\", from = \"500ms\", for = \"1s\" }";
    let class = with(away).unwrap().groups.remove(0);
    let granted = class.away[0];
    assert_eq!((granted.part.of(8), class.senders), (6..8, 6));
    assert_eq!((granted.over, granted.resumption, granted.may_resync), (None, true, false));
    let most = away.replace("25%", "99%");
    assert_eq!(with(&most).unwrap().groups[0].senders, 1, "a default gives way");
    check(&away.replace("25%", "10%"), "groups[0].away.members", "of 8 members that is nobody");
    check(&format!("senders = 7\n{away}"), "groups[0].away.members", "the first 7 send");
    check(&format!("{away}\nconnections = \"shared:2\""), "groups[0].connections", "of their own");
    let late = away.replace("1s\"", "1s\", over = \"600ms\"");
    check(&late, "groups[0].away", "back 2.1s into the measured window, which is 2s long");
    let resync = away.replace(" }", ", may_resync = true }");
    check(&format!("senders = 6\n{resync}"), "groups[0].away.may_resync", "real member");
    assert!(with(&format!("senders = 4\n{resync}")).unwrap().groups[0].away[0].may_resync);
}

const CYCLE: &str = "away = { members = \"25%\", every = \"500ms\", for = \"200ms\" }";

#[test]
fn members_go_again_and_again_and_are_back_before_their_next_turn() {
    let class = with(CYCLE).unwrap().groups.remove(0);
    let away = class.away[0];
    assert_eq!((away.from, away.every), (Duration::ZERO, Some(Duration::from_millis(500))));
    assert_eq!((away.turns(Duration::from_secs(2)), class.senders), (4, 6));
    let wrong = |from: &str, to: &str, field: &str, hint: &str| {
        assert!(CYCLE.contains(from));
        check(&CYCLE.replacen(from, to, 1), field, hint);
    };
    wrong("\"200ms\"", "\"500ms\"", "groups[0].away.for", "nobody would be back before");
    wrong("\"200ms\"", "\"200ms\", over = \"1s\"", "groups[0].away.over", "leave it out");
    wrong(
        "\"200ms\"",
        "\"200ms\", from = \"1.4s\"",
        "groups[0].away",
        "has gone once, and is back, 2.1s",
    );
    wrong("every = \"500ms\", ", "", "groups[0].away", "missing field `from`, or `every`");
    wrong("\"500ms\"", "\"often\"", "groups[0].away.every", "not a duration");
    let many = "count = 1000\nmembers = 1000\nsource = \"synthetic\"";
    let busy = GOOD.replace("count = 3\nmembers = 8", many);
    let busy = format!("{busy}away = {{ members = \"50%\", every = \"4ms\", for = \"1ms\" }}");
    let mistake = Scenario::parse(&busy, "t").unwrap_err();
    assert_eq!(mistake.field, "groups[0].connections", "{mistake}");
    let few = busy.replace("count = 1000", "count = 100");
    let mistake = Scenario::parse(&few, "t").unwrap_err();
    assert_eq!(mistake.field, "groups[0].away", "{mistake}");
    assert!(mistake.message.contains("50000000 moves of members"), "{mistake}");
}

#[test]
fn several_absences_are_of_different_members_or_of_different_times() {
    let list = |second: &str| {
        format!(
            "senders = 2\naway = [\n  {{ members = \"25%\", from = \"0s\", for = \"500ms\", \
             over = \"250ms\" }},\n  {second}]"
        )
    };
    let good = |second: &str| with(&list(second)).unwrap().groups.remove(0);
    let class = good("{ members = \"50%\", from = \"750ms\", for = \"1s\" }");
    assert_eq!((class.away.len(), class.away_members(), class.steady_members()), (2, 4, 4));
    let class = good("{ members = \"50%\", before = \"25%\", every = \"1s\", for = \"500ms\" }");
    assert_eq!((class.away[1].part.of(8), class.away_members()), (2..6, 6));
    let overlap = "by away[0], from 0ns to 750ms: name others with `before`, or another time";
    let again = "{ members = \"25%\", every = \"1s\", for = \"500ms\" }";
    for second in [
        "{ members = \"50%\", from = \"749ms\", for = \"1s\" }",
        "{ members = \"50%\", before = \"20%\", from = \"500ms\", for = \"1s\" }",
        again,
    ] {
        check(&list(second), "groups[0].away[1]", overlap);
    }
    // What comes again and again may be the first of two as well.
    let other = format!("away = [{again}, {{ members = \"20%\", from = \"1s\", for = \"1s\" }}]");
    check(&other, "groups[0].away[1]", "by away[0], from 0ns to 2s");
    let much = "{ members = \"50%\", before = \"51%\", from = \"0s\", for = \"1s\" }";
    check(&list(much), "groups[0].away[1].before", "more than a group has");
    let all = "{ members = \"75%\", before = \"25%\", from = \"0s\", for = \"1s\" }";
    check(&list(all), "groups[0].away[1].members", "the last 6 but 2 of 8 members go away");
    check(&list("{ members = \"25%\" }"), "groups[0].away[1]", "missing field `for`");
    check("away = 3", "groups[0].away", "a table such as");
    let one = "{ members = \"20%\", from = \"0s\", for = \"1ms\" },".repeat(65);
    check(&format!("away = [{one}]"), "groups[0].away", "65 absences; a class has at most 64");
}

#[test]
fn slow_members_neither_send_nor_go_away_and_have_a_window_that_can_be_granted() {
    let slow = "slow = { members = \"25%\", rate = \"16KiB/s\" }";
    let class = with(slow).unwrap().groups.remove(0);
    let found = class.slow.unwrap();
    assert_eq!((class.slow_members(), class.senders, class.steady_members()), (6..8, 6, 6));
    assert_eq!(
        (found.bytes_per_second, found.window, found.may_resync),
        (16 << 10, 64 << 10, false)
    );
    let with_more = |more: &str| slow.replace(" }", &format!(", {more} }}"));
    check(&with_more("window = \"3KiB\""), "groups[0].slow.window", "has 4096 to 1048576");
    check(&with_more("window = \"2MiB\""), "groups[0].slow.window", "has 4096 to 1048576");
    check(&slow.replace("16KiB/s", "16KiB"), "groups[0].slow.rate", "such as \"16KiB/s\"");
    check(&slow.replace("16KiB/s", "1000B/s"), "groups[0].slow.rate", "from 1024 to 4194304");
    check(&slow.replace("25%", "1%"), "groups[0].slow.members", "that is nobody");
    check(&format!("senders = 7\n{slow}"), "groups[0].slow.members", "the first 7 send");
    check(&format!("{slow}\nconnections = \"shared:2\""), "groups[0].connections", "read slowly");
    check(
        &format!("senders = 6\n{}", with_more("may_resync = true")),
        "groups[0].slow.may_resync",
        "real",
    );
    let mixed = format!("joiners = 2\nmix = {{ adds = \"5%\" }}\n{slow}");
    check(&mixed, "groups[0].slow", "groups change");
    let away = "away = { members = \"25%\", from = \"0s\", for = \"1s\" }";
    check(&format!("{away}\n{slow}"), "groups[0].slow.members", "some of them go away too");
    let beside = format!("senders = 4\n{}\n{away}", with_more("before = \"25%\""));
    assert_eq!(with(&beside).unwrap().groups[0].slow_members(), 4..6);
}

#[test]
fn who_is_special_in_a_large_group_is_so_in_a_small_one_as_far_as_there_are_members() {
    let lines = "source = \"synthetic\"\nslow = { members = \"10%\", before = \"20%\", rate = \"1KiB/s\" }\n\
                 away = { members = \"20%\", every = \"1s\", for = \"500ms\" }";
    let class = with(&lines.replace("10%", "25%")).unwrap().groups.remove(0);
    let small = class.of_size(3);
    assert!(small.slow_members().is_empty() && small.away[0].part.of(3).is_empty());
    assert_eq!((small.senders, small.steady_members()), (3, 3));
    let large = GOOD.replace("members = 8", "members = 40") + lines;
    let small = Scenario::parse(&large, "t").unwrap().scaled_down();
    let class = &small.groups[0];
    assert_eq!((class.slow_members(), class.away[0].part.of(20)), (14..16, 16..20));
    // The window of 2 s is 1 s long.
    let half = Duration::from_millis(500);
    assert_eq!((class.away[0].every, class.away[0].lasting), (Some(half), half / 2));
}
