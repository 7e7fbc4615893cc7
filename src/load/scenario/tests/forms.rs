//! Sizes, arrivals and weights as people write them.

use super::*;
use crate::load::arrivals::{Bursts, Lengths, Together};
use crate::load::late::Late;
use crate::load::sizes::{LogNormal, Sizes};

#[test]
fn sizes_are_fixed_by_a_law_or_those_of_a_chat() {
    let payload = |text: &str| with(&format!("payload = {text}")).unwrap().groups[0].payload;
    assert_eq!(payload("\"mimi\""), Sizes::Mimi);
    assert_eq!(payload("\"1KiB\"").max(), 1024);
    let law = "{ lognormal = { median = \"120B\", p99 = \"4KiB\", max = \"64KiB\" } }";
    let expected = LogNormal { median: 120, p99: 4096, max: 65_536 };
    assert_eq!(payload(law), Sizes::LogNormal(expected));
    let law = format!("payload = {law}");
    let field = "groups[0].payload";
    check(&law.replace("120B", "5KiB"), field, "the p99 the median");
    check(&law.replace("120B", "0B"), field, "the median is at least 1");
    check(&law.replace("64KiB", "1KiB"), field, "the max the p99");
    check(&law.replace("\"64KiB\"", "64"), "groups[0].payload.lognormal.max", "expected a string");
    check(&law.replace("lognormal", "normal"), "groups[0].payload.normal", "unknown field");
    check("payload = \"matrix\"", field, "\"mimi\", or { lognormal");
    check("payload = 200", field, "200 is not a whole number of bytes");
}

#[test]
fn members_may_vary_from_group_to_group() {
    let text = GOOD
        .replace("members = 8", "members = { lognormal = { median = 8, p99 = 300, max = 400 } }");
    let scenario = Scenario::parse(&text, "t").unwrap();
    let class = &scenario.groups[0];
    assert_eq!(class.members, 400);
    assert_eq!(class.spread, Some(LogNormal { median: 8, p99: 300, max: 400 }));
    let small = class.of_size(2);
    assert_eq!((small.members, small.senders, small.real), (2, 1, 1));
    let live = Scenario::parse(&format!("{text}source = \"live\"\n"), "t").unwrap();
    let small = live.groups[0].of_size(3);
    assert_eq!((small.racers, small.real), (3, 3));
    for (wrong, reason) in [
        ("members = { lognormal = { median = 1, p99 = 3, max = 4 } }", "from 2 to"),
        ("members = { lognormal = { median = 5, p99 = 3, max = 4 } }", "the p99 the median"),
        ("members = \"8\"", "is not a number from 2"),
        ("members = 1", "1 is not a number from 2"),
    ] {
        let error = Scenario::parse(&GOOD.replace("members = 8", wrong), "t").unwrap_err();
        assert!(error.message.contains(reason), "{error}");
        assert_eq!(error.line, 10, "{error}");
    }
}

#[test]
fn a_total_is_of_the_groups_as_they_are_drawn() {
    let law = "members = { lognormal = { median = 5000, p99 = 90000, max = 100000 } }";
    let text = GOOD.replace("members = 8", law).replace("count = 3", "count = 300");
    let error = Scenario::parse(&text, "t").unwrap_err();
    assert_eq!(error.field, "groups[0].members", "{error}");
    assert!(error.message.contains("a scenario has at most 2000000"), "{error}");
}

#[test]
fn bursts_say_how_long_they_are_and_who_bursts_at_once() {
    let class = with("arrivals = { on = \"2s\", off = \"8s\" }").unwrap().groups.remove(0);
    let (on, off) = (Duration::from_secs(2), Duration::from_secs(8));
    let plain = Bursts { on, off, lengths: Lengths::Exponential, of: Together::Group };
    assert_eq!((class.arrivals, plain.peak()), (Arrivals::Bursts(plain), 5.0));
    let all = "arrivals = { on = \"2s\", off = \"8s\", lengths = \"fixed\", of = \"class\" }";
    let expected = Bursts { lengths: Lengths::Fixed, of: Together::Class, ..plain };
    assert_eq!(with(all).unwrap().groups[0].arrivals, Arrivals::Bursts(expected));
    let field = "groups[0].arrivals";
    check("arrivals = { on = \"2s\" }", field, "`off` for a while");
    check(&all.replace("fixed", "long"), "groups[0].arrivals.lengths", "`exponential` or `fixed`");
    check("arrivals = { on = \"1ms\", off = \"10h\" }", field, "within a burst");
    check("arrivals = { on = \"2s\", trace = \"a\" }", field, "its own bursts");
    check("arrivals = 3", field, "{ on, off } for bursts");
}

#[test]
fn what_is_late_is_sent_or_left_out_beyond_a_bound() {
    let late = |text: &str| with(&format!("late = {text}")).unwrap().groups[0].late;
    assert_eq!(with("").unwrap().groups[0].late, Late::default());
    assert_eq!((late("\"catch_up\""), late("\"shed\"")), (Late::default(), Late::shed()));
    let within = Duration::from_secs(2);
    assert_eq!(late("{ catch_up = \"2s\" }"), Late::CatchUp { within });
    assert_eq!(late("{ shed = \"2s\" }"), Late::Shed { beyond: within });
    check("late = \"drop\"", "groups[0].late", "\"catch_up\", \"shed\"");
    check("late = { catch_up = \"2s\", shed = \"2s\" }", "groups[0].late", "one of them");
    check("late = {}", "groups[0].late", "one of them");
}

#[test]
fn some_groups_and_senders_are_chosen_more_often() {
    let hot = with("hot = { zipf = 1.1, senders = 2 }").unwrap().groups[0].hot;
    assert_eq!((hot.groups, hot.senders), (1.1, 2.0));
    assert_eq!(
        with("hot = { zipf = 1 }").unwrap().groups[0].hot,
        Hot { groups: 1.0, senders: 0.0 }
    );
    check("hot = { zipf = 4.5 }", "groups[0].hot.zipf", "from 0 to 4");
    check("hot = { zipf = -1 }", "groups[0].hot.zipf", "from 0 to 4");
    check("hot = { senders = 1 }", "groups[0].hot", "missing field `zipf`");
}

fn with_trace(line: &str, trace: &str) -> Result<Scenario, Mistake> {
    let text = GOOD.replace("rate = \"20/s\"", line);
    Scenario::parse_with(&text, "t.toml", &mut |file| match file {
        "a.csv" => Ok(trace.to_owned()),
        _ => Err("it is not there".to_owned()),
    })
}

#[test]
fn a_trace_is_read_by_whoever_reads_the_scenario_and_gives_the_rate() {
    let line = "arrivals = { trace = \"a.csv\" }";
    let scenario = with_trace(line, "0.5,2\n2,0\n").unwrap();
    assert_eq!(scenario.groups[0].rate.as_per_second(), 1.0);
    assert_ne!(scenario.hash(GOOD), hash(GOOD), "another trace is another scenario");
    assert_ne!(scenario.hash(GOOD), with_trace(line, "0.5\n2\n").unwrap().hash(GOOD));
    assert_eq!(with("").unwrap().hash(GOOD), hash(GOOD));
    let twice = with_trace(&format!("{line}\nrate = \"2/s\""), "0.5,2\n2,0\n").unwrap();
    assert_eq!(twice.groups[0].rate.as_per_second(), 2.0);
    let wrong = with_trace(line, "0.5\n0.2\n").unwrap_err();
    assert_eq!((wrong.file.as_str(), wrong.line), ("a.csv", 2), "{wrong}");
    let wrong = with_trace(line, "0.5,3\n").unwrap_err();
    assert_eq!(wrong.field, "groups[0].count", "{wrong}");
    let missing = with_trace("arrivals = { trace = \"b.csv\" }", "").unwrap_err();
    assert_eq!((missing.line, missing.field.as_str()), (11, "groups[0].arrivals.trace"));
    assert!(missing.message.contains("\"b.csv\": it is not there"), "{missing}");
    assert!(Scenario::parse(&GOOD.replace("rate = \"20/s\"", line), "t").is_err());
}
