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
<<<<<<< HEAD
mod knock;
mod liar;
mod pulse;
=======
mod logouts;
>>>>>>> 6b4660d (Logouts as stories on the real binary, with the real oidc-provider; other people's vectors for signatures)
mod sessions;
mod sign_in;
mod target;
mod tls;
mod tls_corpus;
mod tokens;
mod trust;
