//! Header lists and frames of HTTP/2.
