//! Flaws that others shipped, tried on the real binary. What a test holds off is said above it, by the numbers of the threat table:
//! `/// Holds: 61, 63.`

mod catalogue;
mod certificates;
mod control;
mod corpora;
mod document;
mod faults;
mod floods;
mod frames;
mod framing;
mod headers;
mod http2;
mod knock;
mod logouts;
mod pulse;
mod sessions;
mod sign_in;
mod target;
mod tls;
mod tls_corpus;
mod token_keys;
mod tokens;
mod trust;
