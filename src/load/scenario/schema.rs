//! The JSON schema of the format, made from the tables that explain it.
//!
//! `scenarios/README.md` has a row for every field, with its unit, its default and its range; a test
//! holds the rows to what the parser knows. So the schema cannot say anything else than the README,
//! nor leave out a field. It is as strict as a schema can be: what fields must say together only the
//! parser judges. Called by `stentor validate --print-schema`; committed as
//! `scenarios/scenario.schema.json`.

use serde_json::{Map, Value, json};

/// The tables.
const README: &str = include_str!("../../../scenarios/README.md");

/// Tables of the whole scenario, of which there is one each.
const SINGLE: [&str; 2] = ["durations", "server"];

/// Where the tables of a class begin: what stands before is of the whole scenario.
const GROUPS: &str = "## The groups";

const DURATION: &str = r"^[0-9]+(\.[0-9]{1,6})? *(us|ms|s|min|h)$";
const SHARE: &str = r"^[0-9]+(\.[0-9]{1,4})? *%$";
const RATE: &str = r"^[0-9]+(\.[0-9]{1,6})? */(s|min)$";
const BYTES: &str = r"^[0-9]+(\.[0-9]{1,6})? *(B|KiB|MiB)$";
const SPEED: &str = r"^[0-9]+(\.[0-9]{1,6})? *(B|KiB|MiB)/s$";
const BYTES_OR_MIX: &str = r"^(mimi|[0-9]+(\.[0-9]{1,6})? *(B|KiB|MiB))$";

/// A field, as the README has it.
#[derive(Clone, Copy, Debug)]
struct Row<'a> {
    /// Without its table.
    name: &'a str,
    /// Its table: empty for fields of the scenario or of a class itself.
    table: &'a str,
    of_class: bool,
    unit: &'a str,
    default: &'a str,
    range: &'a str,
    text: &'a str,
}

/// The schema, as JSON.
///
/// # Errors
/// When the README has a unit that a schema does not know: the row to blame.
pub fn schema() -> Result<Value, String> {
    let rows = rows();
    let mut scenario = Object::default();
    let mut class = Object::default();
    for row in rows.iter().filter(|row| row.table.is_empty()) {
        let inner = table(&rows, row.name)?;
        let object = if row.of_class { &mut class } else { &mut scenario };
        object.add(row, value(row, inner)?);
    }
    for name in SINGLE {
        scenario.properties.insert(name.to_owned(), table(&rows, name)?.build());
    }
    let phases = json!({ "type": "array", "items": table(&rows, "phases")?.build() });
    scenario.properties.insert("phases".to_owned(), phases);
    let threshold = json!([{ "type": "string" }, table(&rows, "thresholds")?.build()]);
    let thresholds = json!({ "type": "array", "items": { "anyOf": threshold } });
    scenario.properties.insert("thresholds".to_owned(), thresholds);
    let groups = json!({ "type": "array", "minItems": 1, "items": class.build() });
    scenario.properties.insert("groups".to_owned(), groups);
    scenario.required.push("groups".to_owned());
    let mut schema = scenario.build();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("A scenario of Stentor");
    schema["oneOf"] = json!([
        { "required": ["durations"] },
        { "required": ["phases", "drain"] },
    ]);
    Ok(schema)
}

/// The schema as it is committed: indented, ended by a line feed.
///
/// # Errors
/// As [`schema`].
pub fn printed() -> Result<String, String> {
    Ok(format!("{:#}\n", schema()?))
}

/// Properties, and which of them have to be there.
#[derive(Debug, Default)]
struct Object {
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl Object {
    fn add(&mut self, row: &Row<'_>, mut value: Value) {
        let plain = row.text.replace('`', "");
        value["description"] = match row.default {
            "required" => json!(plain),
            default => json!(format!("{plain}. Default: {}", default.replace('`', ""))),
        };
        self.properties.insert(row.name.to_owned(), value);
        if row.default == "required" {
            self.required.push(row.name.to_owned());
        }
    }

    fn build(self) -> Value {
        json!({
            "type": "object",
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": false,
        })
    }
}

/// What is written in one table.
fn table(rows: &[Row<'_>], name: &str) -> Result<Object, String> {
    let mut object = Object::default();
    for row in rows.iter().filter(|row| row.table == name) {
        object.add(row, value(row, Object::default())?);
    }
    Ok(object)
}

/// What a field may be; `inner` is what is written in it, if it is a table.
fn value(row: &Row<'_>, inner: Object) -> Result<Value, String> {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    Ok(match row.unit {
        "text" => json!({ "type": "string" }),
        "flag" => json!({ "type": "boolean" }),
        "duration" => text(DURATION),
        "operations per time" => text(RATE),
        "bytes" => text(BYTES),
        "number" | "groups" | "members" | "devices" | "messages" => number(row, "integer"),
        "exponent" => number(row, "number"),
        "name" => name(row),
        "table" => inner.build(),
        "table or tables" => {
            let table = inner.build();
            json!({ "anyOf": [table.clone(), { "type": "array", "items": table }] })
        }
        "bytes per second" => text(SPEED),
        "name or table" => json!({ "anyOf": [name(row), inner.build()] }),
        "members, or a law" => {
            let members = number(row, "integer");
            json!({ "anyOf": [members.clone(), law(members)] })
        }
        "bytes, or a law" => json!({ "anyOf": [text(BYTES_OR_MIX), law(text(BYTES))] }),
        "share" => text(SHARE),
        unit if unit.starts_with("share of") => text(SHARE),
        unit => return Err(format!("{}: no schema for the unit {unit:?}", row.name)),
    })
}

/// A distribution over such quantities.
fn law(quantity: Value) -> Value {
    let mut law = Object::default();
    for name in ["median", "p99", "max"] {
        law.properties.insert(name.to_owned(), quantity.clone());
        law.required.push(name.to_owned());
    }
    let mut object = Object::default();
    object.properties.insert("lognormal".to_owned(), law.build());
    object.required.push("lognormal".to_owned());
    object.build()
}

/// The names that a range lists; any text, when it lists none.
fn name(row: &Row<'_>) -> Value {
    let mut names: Vec<&str> = Vec::new();
    for name in row.range.split("`\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.iter().any(|name| name.contains(':')) {
        // A name with a number behind it.
        let each = names.iter().map(|name| match name.split_once(':') {
            Some((name, _)) => format!("{name}:[0-9]+"),
            None => (*name).to_owned(),
        });
        let mut each: Vec<String> = each.collect();
        each.dedup();
        return json!({ "type": "string", "pattern": format!("^({})$", each.join("|")) });
    }
    if names.is_empty() { json!({ "type": "string" }) } else { json!({ "enum": names }) }
}

/// A number within the range, as far as the range is one of numbers.
fn number(row: &Row<'_>, kind: &str) -> Value {
    let mut value = json!({ "type": kind });
    let (least, most) = row.range.split_once(" to ").unwrap_or((row.range, ""));
    let first = |text: &str| {
        let digits = text.split([' ', ';']).next().unwrap_or_default().replace(',', "");
        digits.parse::<u64>().ok()
    };
    for (key, bound) in [("minimum", first(least)), ("maximum", first(most))] {
        if let Some(bound) = bound {
            value[key] = json!(bound);
        }
    }
    value
}

/// The rows of every table of fields.
fn rows() -> Vec<Row<'static>> {
    let mut rows = Vec::new();
    let mut of_class = false;
    let mut in_fields = false;
    for line in README.lines() {
        of_class |= line == GROUPS;
        in_fields = line.starts_with("| Field | Unit |") || in_fields && line.starts_with('|');
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if !in_fields || cells.len() != 5 || !cells[0].starts_with('`') {
            continue;
        }
        let path = cells[0].trim_matches('`');
        let (table, name) = path.split_once('.').unwrap_or(("", path));
        let [unit, default, range, text] = [cells[1], cells[2], cells[3], cells[4]];
        rows.push(Row { name, table, of_class, unit, default, range, text });
    }
    rows
}
