//! Handshakes, names and device certificates.
