//! See `stentor::wire::properties::delivery`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stentor::wire::properties::delivery(bytes));
