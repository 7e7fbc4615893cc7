//! See `stentor::wire::properties::request`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stentor::wire::properties::request(bytes));
