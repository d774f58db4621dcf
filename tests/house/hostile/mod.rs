//! Flaws that others shipped, tried on the real binary. What a test holds off is said above it, by the numbers of the threat table:
//! `/// Holds: 61, 63.`

mod bodies;
mod catalogue;
mod certificates;
mod claims;
mod clocks;
mod control;
mod corpora;
mod credentials;
mod cross_site;
mod crowds;
mod document;
mod faults;
mod floods;
mod frames;
mod framing;
mod hand_overs;
mod headers;
mod hosts;
mod http2;
mod knock;
mod lines;
mod logouts;
mod pulse;
mod return_addresses;
mod secrets;
mod sessions;
mod shared_connections;
mod sign_in;
mod target;
mod tls;
mod tls_corpus;
mod token_keys;
mod tokens;
mod trust;
mod tunnels;
