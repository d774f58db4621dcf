#![no_main]
//! See `posture` in `properties/mod.rs`.

#[path = "../properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::play("posture", bytes));
