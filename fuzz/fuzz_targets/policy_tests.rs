#![no_main]
//! See `policy_tests` in `properties/mod.rs`.

#[path = "../properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::play("policy_tests", bytes));
