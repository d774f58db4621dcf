#![no_main]
//! See `checkpoint` in `properties/mod.rs`.

#[path = "../properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::play("checkpoint", bytes));
