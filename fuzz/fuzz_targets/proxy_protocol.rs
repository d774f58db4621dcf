#![no_main]
//! See `proxy_protocol` in `properties/mod.rs`.

#[path = "../properties/mod.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::play("proxy_protocol", bytes));
