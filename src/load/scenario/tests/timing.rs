//! Phases as people write them.

use super::*;
use crate::load::phases::PhaseKind;

const HEAD: &str = "why = \"to test\"\nexpect = \"it parses\"\nseed = 7\ndrain = \"5s\"\n";
const GROUPS: &str = "[[groups]]\nname = \"a\"\ncount = 1\nmembers = 4\nrate = \"20/s\"\n";

fn with_phases(phases: &[&str]) -> Result<Scenario, Mistake> {
    let tables: String = phases.iter().map(|phase| format!("[[phases]]\n{phase}\n")).collect();
    Scenario::parse(&format!("{HEAD}{tables}{GROUPS}"), "t.toml")
}

fn refused(phases: &[&str], field: &str, reason: &str) {
    let error = with_phases(phases).unwrap_err();
    assert_eq!(error.field, field, "{error}");
    assert!(error.message.contains(reason), "{error}");
    assert!(error.line > 4, "{error}");
}

const MEASURE: &str = "kind = \"measure\"\nfor = \"10s\"";

#[test]
fn phases_follow_each_other_and_a_ramp_goes_on_where_the_last_one_ended() {
    let scenario = with_phases(&[
        "kind = \"ramp\"\nfor = \"4s\"\nto = \"50%\"",
        "kind = \"step\"\nfor = \"1s\"\nrate = \"75%\"",
        "kind = \"ramp\"\nfor = \"2s\"\nto = \"100%\"",
        MEASURE,
        "kind = \"soak\"\nfor = \"20s\"\nname = \"all-day\"",
        "kind = \"spike\"\nfor = \"500ms\"\nrate = \"300%\"",
    ])
    .unwrap();
    let said: Vec<_> = scenario
        .phases
        .iter()
        .map(|phase| {
            let share = |factor: crate::units::Factor| factor.millionths() / 10_000;
            (&*phase.name, phase.from.as_millis(), share(phase.start), share(phase.end))
        })
        .collect();
    let expected = [
        ("ramp", 0, 0, 50),
        ("step", 4_000, 75, 75),
        ("ramp-2", 5_000, 75, 100),
        ("measure", 7_000, 100, 100),
        ("all-day", 17_000, 100, 100),
        ("spike", 37_000, 300, 300),
    ];
    assert_eq!(said, expected);
    assert_eq!(scenario.window(), Duration::from_secs(7)..Duration::from_secs(37));
    assert_eq!(scenario.offered(), Duration::from_millis(37_500));
    assert_eq!(scenario.drain, Duration::from_secs(5));
}

#[test]
fn the_short_form_is_two_phases() {
    let scenario = with("").unwrap();
    let kinds: Vec<PhaseKind> = scenario.phases.iter().map(|phase| phase.kind).collect();
    assert_eq!(kinds, [PhaseKind::WarmUp, PhaseKind::Measure]);
    assert_eq!(scenario.window(), Duration::from_secs(1)..Duration::from_secs(3));
}

#[test]
fn a_warm_up_may_end_when_the_service_is_steady() {
    let warm = "kind = \"warm_up\"\nfor = \"30s\"\nuntil = \"steady\"";
    assert!(with_phases(&[warm, MEASURE]).unwrap().phases[0].until_steady);
    refused(&[MEASURE, warm], "phases[1].until", "only the first phase");
    let steady = format!("{MEASURE}\nuntil = \"steady\"");
    refused(&[&steady], "phases[0].until", "only a warm-up");
    let half = format!("{MEASURE}\nrate = \"50%\"");
    refused(&[warm, &half], "phases[0].until", "at the warm-up's own rate");
    refused(
        &[warm, MEASURE, "kind = \"spike\"\nfor = \"1s\"\nrate = \"100%\""],
        "phases[0].until",
        "only be",
    );
}

#[test]
fn a_phase_with_the_rate_of_another_kind_is_refused_by_field() {
    refused(&["kind = \"step\"\nfor = \"1s\"", MEASURE], "phases[0].rate", "missing field");
    refused(&["kind = \"ramp\"\nfor = \"1s\"", MEASURE], "phases[0].to", "missing field");
    let ramp = "kind = \"ramp\"\nfor = \"1s\"\nto = \"9%\"\nrate = \"10%\"";
    refused(&[ramp, MEASURE], "phases[0].rate", "no one rate");
    refused(&[&format!("{MEASURE}\nfrom = \"10%\"")], "phases[0].from", "only a ramp");
    refused(&[&format!("{MEASURE}\nto = \"10%\"")], "phases[0].to", "only a ramp");
    refused(&[&format!("{MEASURE}\nrate = \"10001%\"")], "phases[0].rate", "\"10000%\"");
    refused(&[&format!("{MEASURE}\nrate = \"2\"")], "phases[0].rate", "\"250%\"");
}

#[test]
fn what_is_measured_is_one_window_in_which_something_is_offered() {
    let step = "kind = \"step\"\nfor = \"1s\"\nrate = \"75%\"";
    refused(&[step], "phases", "nothing is measured");
    let again = "kind = \"measure\"\nfor = \"1s\"";
    refused(&[MEASURE, step, again], "phases[1].kind", "one window");
    assert!(with_phases(&[step, MEASURE, again, step]).is_ok());
    refused(&[&format!("{MEASURE}\nrate = \"0%\"")], "phases", "nothing is offered");
    refused(&["kind = \"measure\"\nfor = \"99ms\""], "phases", "100ms are the least");
    refused(&[MEASURE, &format!("{again}\nname = \"measure\"")], "phases[1].name", "taken");
    refused(&[&format!("{MEASURE}\nname = \"a b\"")], "phases[0].name", "not a phase's name");
    refused(&[MEASURE; 65], "phases", "1 to 64");
}

#[test]
fn a_scenario_says_its_times_in_one_of_two_ways() {
    let error = with("[[phases]]\nkind = \"measure\"\nfor = \"1s\"").unwrap_err();
    assert_eq!((error.line, error.field.as_str()), (5, "durations"), "{error}");
    let short = format!("{HEAD}{GROUPS}").replace("drain", "# drain");
    let error = Scenario::parse(&short, "t").unwrap_err();
    assert!(error.message.contains("missing field `durations`, or `phases`"), "{error}");
    let error = Scenario::parse(&GOOD.replace("seed = 7", "seed = 7\ndrain = \"1s\""), "t");
    assert_eq!(error.unwrap_err().field, "drain");
    let phases = format!("[[phases]]\n{MEASURE}\n{GROUPS}");
    let error = Scenario::parse(&format!("{}{phases}", HEAD.replace("drain", "# drain")), "t");
    assert!(error.unwrap_err().message.contains("missing field `drain`"));
}

#[test]
fn every_phase_has_its_place_in_the_small_version() {
    let step = "kind = \"step\"\nfor = \"1min\"\nrate = \"75%\"";
    for phases in [
        &[MEASURE][..],
        &[step, MEASURE, "kind = \"soak\"\nfor = \"1h\"", step],
        &[step, step, step, step, step, step, step, step, step, MEASURE],
    ] {
        let scenario = with_phases(phases).unwrap();
        let small = scenario.scaled_down();
        assert_eq!(check::first_fault(&small), None);
        assert!(small.phases.len() >= phases.len());
        assert!(small.offered() <= Duration::from_millis(2_001), "{:?}", small.phases);
        let window = small.window();
        assert!((window.end - window.start).as_secs_f64() - 1.0 < 1e-6);
        assert!(window.start >= Duration::from_millis(100));
    }
}
