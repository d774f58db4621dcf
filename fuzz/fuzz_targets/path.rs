#![no_main]
//! See `path` in `properties.rs`.

#[path = "../properties.rs"]
#[expect(dead_code, reason = "each target plays one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::path(bytes));
