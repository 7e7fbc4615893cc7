//! See `stentor::wire::properties::stream`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stentor::wire::properties::stream(bytes));
