//! Parts of this room alone, for the fuzz targets. The gate itself does not use it.

use http::HeaderMap;

use super::bearer::Authorization;

/// The one bearer token of a request.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    match Authorization::of(headers) {
        Authorization::Bearer(presented) => presented.token(),
        Authorization::NotOurs | Authorization::Malformed => None,
    }
}
