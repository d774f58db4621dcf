#![no_main]
//! See `discovery` in `properties/mod.rs`.

#[path = "../properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::play("discovery", bytes));
