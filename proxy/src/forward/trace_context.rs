//! W3C Trace Context: the gate begins the trace of every request. What clients say of traces has been taken off when a request is read.

use std::ops::Range;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use super::error::ForwardError;
use crate::read::RequestId;

/// Names the request to the app, and begins a trace with the same id. Half of that is the parent id too: it is random, and need only be
/// unlikely to repeat. Both values share their bytes.
///
/// The trace has the sampled flag: that leaves the choice to the app, as if the gate were not there.
///
/// # Errors
/// [`ForwardError::Unexpressible`], which digits are not.
pub(super) fn begin(headers: &mut HeaderMap, request: RequestId) -> Result<(), ForwardError> {
    let digits = request.hex();
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
    let parent = digits.last_chunk::<16>().unwrap_or(b"0000000000000001");
    for (place, part) in [(ID, &digits[..]), (36..52, &parent[..])] {
        if let Some(place) = text.get_mut(place)
            && place.len() == part.len()
        {
            place.copy_from_slice(part);
        }
    }
    let trace = Bytes::copy_from_slice(&text);
    let value = |bytes| HeaderValue::from_maybe_shared(bytes).map_err(|_invalid| ForwardError::Unexpressible);
    headers.insert(X_REQUEST_ID, value(trace.slice(ID))?);
    headers.insert(TRACEPARENT, value(trace)?);
    Ok(())
}

/// Where the id stands in a `traceparent`.
const ID: Range<usize> = 3..35;
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_after_its_request() {
        let mut headers = HeaderMap::new();
        begin(&mut headers, RequestId([0xab; 16])).unwrap();
        assert_eq!(headers[X_REQUEST_ID], "ab".repeat(16));
        assert_eq!(headers[TRACEPARENT], "00-abababababababababababababababab-abababababababab-01");
    }
}
