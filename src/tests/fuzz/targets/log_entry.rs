//! See `stentor::engine::properties::entry`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stentor::engine::properties::entry(bytes));
