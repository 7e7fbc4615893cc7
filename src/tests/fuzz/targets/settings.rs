//! No text makes the reader of settings panic, and what it reads it writes so that it reads the same.

#![no_main]

use stentor::server::Settings;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(settings) = Settings::parse(text, "settings.toml") {
        let again = Settings::parse(&settings.to_file(), "settings.toml");
        assert_eq!(again.ok(), Some(settings));
    }
});
