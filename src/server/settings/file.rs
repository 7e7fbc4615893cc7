//! The file of settings: reading one, and writing the one that says nothing but the defaults.
//!
//! Everything either knows is in the table. Reads no file itself: the caller brings the text.
//! Called by `cli`.

use std::fmt::Write as _;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Field, Section, Settings, TABLE};
use crate::limits::SETTINGS_BYTES_MAX;
use crate::place::Mistake;

/// Characters of a refused value that are shown.
const SHOWN: usize = 60;

impl Settings {
    /// Reads a file of settings; `file` only names it in messages. What the file leaves out has its
    /// default.
    ///
    /// # Errors
    /// The first mistake: something that is no TOML, an unknown section or field, or a value that is
    /// not allowed there, with what is.
    pub fn parse(text: &str, file: &str) -> Result<Self, Mistake> {
        let beyond = || format!("{} bytes; at most {SETTINGS_BYTES_MAX}", text.len());
        if text.len() > SETTINGS_BYTES_MAX {
            return Err(Mistake::at(file, "", 0..0, String::new(), beyond()));
        }
        let root = DeTable::parse(text).map_err(|error| Mistake::from_toml(file, text, &error))?;
        let mut settings = Self::default();
        for (name, value) in root.get_ref() {
            let section = TABLE.iter().find(|section| section.name == name.get_ref().as_ref());
            let at = |message| Mistake::at(file, text, name.span(), name.to_string(), message);
            let section = section.ok_or_else(|| at(unknown_section()))?;
            let Some(table) = value.get_ref().as_table() else {
                return Err(at(format!("not a section: write [{}] on a line", section.name)));
            };
            settings.read_section(section, table).map_err(|wrong| {
                let field = format!("{}.{}", section.name, wrong.field);
                Mistake::at(file, text, wrong.span, field, wrong.message)
            })?;
        }
        Ok(settings)
    }

    fn read_section(&mut self, section: &Section, table: &DeTable<'_>) -> Result<(), Wrong> {
        for (name, value) in table {
            let field = section.fields.iter().find(|field| field.name == name.get_ref().as_ref());
            let Some(field) = field else {
                let known: Vec<&str> = section.fields.iter().map(|field| field.name).collect();
                let message = format!("unknown; [{}] has {}", section.name, known.join(", "));
                return Err(Wrong { field: name.to_string(), span: name.span(), message });
            };
            let Some(read) = field.kind.read(value.get_ref()) else {
                let message = format!("{} is not {}", shown(value), field.kind.allowed());
                let field = field.name.to_owned();
                return Err(Wrong { field, span: value.span(), message });
            };
            (field.set)(self, read);
        }
        Ok(())
    }

    /// A whole file with these settings: each with what it is, what may be written, the default
    /// and what it costs. What [`Self::parse`] reads back as the same.
    #[must_use]
    pub fn to_file(&self) -> String {
        let defaults = Self::default();
        let mut out = String::from(
            "# Settings of `stentor serve --config FILE`. What is left out has its default;\n\
             # arguments on the command line override what is written here.\n",
        );
        for section in TABLE {
            out.push('\n');
            comment(&mut out, section.about);
            writeln!(out, "[{}]", section.name).expect("text takes what is written");
            for field in section.fields {
                self.write_field(&mut out, field, &defaults);
            }
        }
        out
    }

    fn write_field(&self, out: &mut String, field: &Field, defaults: &Self) {
        let (value, default) = ((field.get)(self), (field.get)(defaults));
        out.push('\n');
        comment(out, field.about);
        let (allowed, default) = (field.kind.allowed(), field.kind.write(&default));
        let name = field.name;
        writeln!(out, "# Allowed: {allowed}. Default: {default}\n# Cost: {}", field.cost)
            .and_then(|()| writeln!(out, "{name} = {}", field.kind.write(&value)))
            .expect("text takes what is written");
    }
}

/// A mistake of one section.
struct Wrong {
    field: String,
    span: std::ops::Range<usize>,
    message: String,
}

fn unknown_section() -> String {
    let known: Vec<String> = TABLE.iter().map(|section| format!("[{}]", section.name)).collect();
    format!("unknown section; there are {}", known.join(", "))
}

/// A value as it may stand in a line of text.
fn shown(value: &Spanned<DeValue<'_>>) -> String {
    let text = match value.get_ref() {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(answer) => answer.to_string(),
        other => return format!("this {}", other.type_str()),
    };
    if text.chars().count() <= SHOWN { text } else { "this".to_owned() }
}

fn comment(out: &mut String, lines: &[&str]) {
    for line in lines {
        out.push('#');
        out.push_str(line);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> String {
        let mistake = Settings::parse(text, "s.toml").unwrap_err().one_line();
        assert_eq!(mistake.lines().count(), 1, "{mistake}");
        mistake
    }

    #[test]
    fn the_written_defaults_read_back_as_the_defaults_and_name_every_setting() {
        let written = Settings::default().to_file();
        assert_eq!(Settings::parse(&written, "s.toml").unwrap(), Settings::default());
        for section in TABLE {
            assert!(written.contains(&format!("\n[{}]\n", section.name)));
            for field in section.fields {
                assert!(written.contains(&format!("\n{} = ", field.name)), "{}", field.name);
            }
        }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let text = "[service]\nshards = 3\n[delivery]\ngroup_bytes = \"1.5MiB\"\n";
        let settings = Settings::parse(text, "s.toml").unwrap();
        let mut expected = Settings::default();
        expected.service.shards = 3;
        expected.delivery.group_bytes = 3 << 19;
        assert_eq!(settings, expected);
        assert_eq!(Settings::parse(&settings.to_file(), "s.toml").unwrap(), expected);
    }

    #[test]
    fn a_mistake_is_one_line_with_its_place_and_what_is_allowed() {
        let check = |text: &str, expected: &str| assert_eq!(refusal(text), expected);
        check(
            "[service]\nshards = 0\n",
            "s.toml:2:10: service.shards: 0 is not a whole number from 1 to 64",
        );
        check(
            "[metrics]\nlisten = \"9464\"\n",
            "s.toml:2:10: metrics.listen: \"9464\" is not an IP address with a port, such as \
             \"127.0.0.1:4433\", or \"\" for none",
        );
        check(
            "[sessions]\n\n  helo = \"1s\"\n",
            "s.toml:3:3: sessions.helo: unknown; [sessions] has hello, groups",
        );
        assert!(refusal("[sesions]\n").starts_with("s.toml:1:2: sesions: unknown section; there"));
        assert!(refusal("service = 1\n").contains("service: not a section: write [service]"));
        assert!(refusal("[service]\nshards = 1\nshards = 2\n").starts_with("s.toml:3:"));
        assert!(refusal("[service]\nshards = \n").starts_with("s.toml:2:"));
        assert!(refusal(&" ".repeat(SETTINGS_BYTES_MAX + 1)).contains("at most 262144"));
    }

    #[test]
    fn no_refused_value_makes_a_second_line_or_a_long_one() {
        for value in ["\"\"\"a\nb\"\"\"", "[1,\n2]", "{ a = 1 }", "1979-05-27", "1.5", "true"] {
            refusal(&format!("[service]\nshards = {value}\n"));
        }
        let long = refusal(&format!("[service]\nlisten = \"{}\"\n", "é".repeat(5_000)));
        assert!(long.len() < 200, "{long}");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_settings_panic(
            text in "(\\[[a-z]{0,9}\\]|[a-z_]{1,9}|=|[0-9]{1,3}|\"[0-9a-zA-Z:/.]{0,9}\"|\n| |#é){0,40}",
        ) {
            if let Err(mistake) = Settings::parse(&text, "s.toml") {
                prop_assert_eq!(mistake.one_line().lines().count(), 1);
            }
        }
    }
}
