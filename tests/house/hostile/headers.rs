//! What a client says of itself in headers.
