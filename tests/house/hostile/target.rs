//! What a request asks for: paths, queries, hosts in the request line.
