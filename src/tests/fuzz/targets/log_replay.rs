//! See `stentor::log::properties::replay`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stentor::log::properties::replay(bytes));
