//! The committed schema: what the code makes of the README, and what every scenario keeps to.

use regex::Regex;
use serde_json::Value;

use super::super::schema::{printed, schema};
use super::*;

#[test]
fn the_committed_schema_is_the_one_that_the_format_makes() {
    let committed = std::fs::read_to_string(folder().join("scenario.schema.json")).unwrap();
    let again = "stentor validate --print-schema > scenarios/scenario.schema.json";
    assert_eq!(committed, printed().unwrap(), "the format has changed; make it again: {again}");
}

#[test]
fn every_scenario_of_the_repository_keeps_to_the_schema() {
    let schema = schema().unwrap();
    for (file, text) in files() {
        let scenario: Value = toml::from_str(&text).unwrap();
        assert_eq!(fault(&schema, &scenario), None, "{file}");
    }
}

#[test]
fn the_schema_refuses_what_it_can_see_is_wrong() {
    let schema = schema().unwrap();
    let refused = |text: &str| {
        let scenario: Value = toml::from_str(text).unwrap();
        fault(&schema, &scenario)
    };
    assert_eq!(refused(GOOD), None);
    for (good, wrong) in [
        ("seed = 7", "seed = -7"),
        ("seed = 7", "seed = 7\ncolour = 1"),
        ("seed = 7", "# seed"),
        ("durations =", "# "),
        ("\"20/s\"", "20"),
        ("\"20/s\"", "\"20\""),
        ("\"1s\"", "\"1 day\""),
        ("count = 3", "count = 0"),
        ("members = 8", "members = 1"),
        ("members = 8", "members = { lognormal = { median = 8 } }"),
        ("count = 3", "count = 3\nsource = \"tapes\""),
        ("count = 3", "count = 3\narrivals = { on = 3 }"),
        ("count = 3", "count = 3\nconnections = \"shared\""),
        ("count = 3", "count = 3\naway = { members = \"20%\", from = \"1s\" }"),
    ] {
        assert!(GOOD.contains(good));
        let text = GOOD.replacen(good, wrong, 1);
        assert!(Scenario::parse(&text, "t").is_err(), "{wrong}: the parser refuses it too");
        assert_ne!(refused(&text), None, "{wrong}");
    }
}

/// Where `value` does not keep to `schema`, in as much of the language as the schema uses.
fn fault(schema: &Value, value: &Value) -> Option<String> {
    let schema = schema.as_object().unwrap();
    let fails = |name: &str| Some(format!("{name}: {value}"));
    for (key, rule) in schema {
        let found = match key.as_str() {
            "$schema" | "title" | "description" | "properties" | "additionalProperties" => None,
            "type" => {
                if !is_of(rule.as_str().unwrap(), value) {
                    fails("type")
                } else {
                    None
                }
            }
            "enum" => {
                if !rule.as_array().unwrap().contains(value) {
                    fails("enum")
                } else {
                    None
                }
            }
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                let fits = value.as_str().is_some_and(|text| pattern.is_match(text));
                if fits { None } else { fails("pattern") }
            }
            "minimum" => {
                if value.as_f64() < rule.as_f64() {
                    fails("minimum")
                } else {
                    None
                }
            }
            "maximum" => {
                if value.as_f64() > rule.as_f64() {
                    fails("maximum")
                } else {
                    None
                }
            }
            "minItems" => {
                if value.as_array().is_some_and(Vec::is_empty) {
                    fails("minItems")
                } else {
                    None
                }
            }
            "items" => value.as_array().into_iter().flatten().find_map(|item| fault(rule, item)),
            "anyOf" => {
                let any = rule.as_array().unwrap().iter().any(|one| fault(one, value).is_none());
                if any { None } else { fails("anyOf") }
            }
            "oneOf" => {
                let fits =
                    rule.as_array().unwrap().iter().filter(|one| fault(one, value).is_none());
                if fits.count() == 1 { None } else { fails("oneOf") }
            }
            "required" => rule.as_array().unwrap().iter().find_map(|name| {
                let there = value.get(name.as_str().unwrap()).is_some();
                (!there).then(|| format!("no {name}"))
            }),
            other => panic!("a rule that this test does not know: {other}"),
        };
        if found.is_some() {
            return found;
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object)?;
    value.as_object()?.iter().find_map(|(name, value)| match properties.get(name) {
        Some(rule) => fault(rule, value).map(|fault| format!("{name}: {fault}")),
        None => Some(format!("unknown {name}")),
    })
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("{other}"),
    }
}
