//! Where one request of HTTP/1.1 ends and the next begins.
