//! See `stentor::wire::properties::message`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stentor::wire::properties::message(bytes));
