//! Groups that change: what may be written beside what.

use super::*;
use crate::units::Share;

const MIX: &str = "joiners = 4\nmix = { adds = \"2%\", removes = \"1%\", proposals = \"2%\" }";

#[test]
fn a_mix_is_read_and_what_is_left_out_is_nothing() {
    let scenario = with(MIX).unwrap();
    let class = &scenario.groups[0];
    assert_eq!((class.joiners, class.devices()), (4, class.members + 4));
    assert_eq!(class.mix.adds, Share::parse("2%").unwrap());
    assert!(class.mix.leaves.is_zero() && class.mix.lets_in() && class.mix.lets_go());
    assert_eq!(class.real_joiners().len(), class.real.min(4) as usize);
    assert!(with("").unwrap().groups[0].mix.is_empty());
    let error = with("mix = { adds = \"2%\", swaps = \"1%\" }").unwrap_err();
    assert!(error.message.contains("swaps"), "{error}");
}

#[test]
fn a_post_quantum_welcome_is_for_made_up_groups_of_a_classical_suite_that_somebody_joins() {
    let welcome = "welcome = \"xwing-aes128-ed25519\"";
    let synthetic = format!("source = \"synthetic\"\n{MIX}");
    let class = with(&format!("{synthetic}\n{welcome}")).unwrap().groups[0].clone();
    assert_eq!(class.welcome.map(Suite::name), Some("xwing-aes128-ed25519"));
    assert_eq!(class.suite.name(), "x25519-aes128-ed25519");
    assert_eq!(with(&synthetic).unwrap().groups[0].welcome, None);
    check(&format!("{MIX}\n{welcome}"), "groups[0].welcome", "only source = \"synthetic\"");
    let live = format!("source = \"live\"\n{welcome}");
    check(&live, "groups[0].welcome", "only source = \"synthetic\"");
    let of = |suite: &str| format!("{synthetic}\nwelcome = \"{suite}\"");
    check(&of("p256-aes128-p256"), "groups[0].welcome", "keeps nothing from a quantum computer");
    check(&of("xwing-aes128"), "groups[0].welcome", "did you mean xwing-aes128-ed25519");
    let hybrid = format!("suite = \"xwing-aes256-ed25519\"\n{synthetic}\n{welcome}");
    check(&hybrid, "groups[0].welcome", "by itself");
    let nobody = format!("source = \"synthetic\"\n{welcome}");
    check(&nobody, "groups[0].welcome", "nobody joins by a Welcome");
}

#[test]
fn a_mix_that_contradicts_its_class_is_refused() {
    check("joiners = 3", "groups[0].joiners", "never come in unless");
    check("mix = { adds = \"2%\" }", "groups[0].mix", "needs joiners");
    check("senders = 6\nreal = 2\nmix = { removes = \"2%\" }", "groups[0].mix", "nobody can go");
    check("mix = { adds = \"2%\" }\njoiners = 100000", "groups[0].joiners", "at most 100000");
    let all = "joiners = 3\nmix = { adds = \"60%\", removes = \"41%\" }";
    check(all, "groups[0].mix", "more than 100%");
    let alone = "senders = 1\nmix = { proposals = \"2%\" }";
    check(alone, "groups[0].mix.proposals", "at least 2 senders");
    let external = "joiners = 3\nmix = { external_joins = \"2%\" }";
    check(external, "groups[0].mix.external_joins", "validation is to be \"public\"");
    assert!(with(&format!("{external}\nvalidation = \"public\"")).is_ok());
    check("source = \"live\"\nmix = { adds = \"2%\" }", "groups[0].mix", "nothing but race");
    let live = "source = \"live\"\njoiners = 2";
    check(live, "groups[0].joiners", "nothing but race");
    let away = format!("{MIX}\naway = {{ members = \"25%\", from = \"0s\", for = \"1s\" }}");
    check(&away, "groups[0].away", "groups change");
}
