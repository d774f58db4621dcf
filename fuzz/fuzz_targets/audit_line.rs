#![no_main]
//! See `audit_line` in `properties/mod.rs`.

#[path = "../properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::play("audit_line", bytes));
