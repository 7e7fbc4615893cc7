//! See `stentor::wire::properties::reply`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stentor::wire::properties::reply(bytes));
