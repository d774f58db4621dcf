//! W3C Trace Context: the gate is one hop of the caller's trace, or the first of a new one.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use crate::read::RequestId;

/// Continues a valid `traceparent` with a new parent id; starts a new trace (whose id is the request id) if there is none.
///
/// A new trace has the sampled flag: that leaves the choice to the app, as if the gate were not there. Tracing ids protect nothing, so
/// a client may choose them.
pub(super) fn continue_trace(headers: &mut HeaderMap, request: RequestId) {
    let id = request.hex();
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    let incoming = {
        let mut lines = headers.get_all(TRACEPARENT).iter();
        match (lines.next(), lines.next()) {
            (Some(only), None) => parse(only.as_bytes()),
            _ => None,
        }
    };
    let (trace, flags) = match &incoming {
        Some((trace, flags)) => (trace.as_bytes(), *flags),
        None => {
            // The state belongs to the trace that is not continued.
            headers.remove(TRACESTATE);
            (&id[..], 1)
        }
    };
    // Half of the request id, which is random: a parent id need only be unlikely to repeat.
    let parent = id.last_chunk::<16>().unwrap_or(b"0000000000000001");
    for (place, part) in [(3..35, trace), (36..52, &parent[..]), (53..55, &[b'0', b'0' + flags][..])] {
        if let Some(place) = text.get_mut(place)
            && place.len() == part.len()
        {
            place.copy_from_slice(part);
        }
    }
    match HeaderValue::from_bytes(&text) {
        Ok(value) => headers.insert(TRACEPARENT, value),
        Err(_) => headers.remove(TRACEPARENT),
    };
}

/// Trace id and flags of a version 00 header, or of the part of a later version that 00 has too.
fn parse(line: &[u8]) -> Option<(String, u8)> {
    let text = std::str::from_utf8(line).ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let all_hex = [(version, 2), (trace, 32), (parent, 16), (flags, 2)].iter().all(|(part, length)| {
        part.len() == *length && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    });
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let more = parts.next().is_some();
    if !all_hex || version == "ff" || (version == "00" && more) || zero(trace) || zero(parent) {
        return None;
    }
    // Only the two flags that are defined (sampled, random trace id).
    Some((trace.to_owned(), u8::from_str_radix(flags, 16).ok()? & 3))
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: RequestId = RequestId([0xab; 16]);

    fn sent_for(incoming: &[&str]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for line in incoming {
            headers.append(TRACEPARENT, HeaderValue::from_str(line).unwrap());
        }
        headers.insert(TRACESTATE, HeaderValue::from_static("a=b"));
        continue_trace(&mut headers, REQUEST);
        assert_eq!(headers.get_all(TRACEPARENT).iter().count(), 1);
        (headers[TRACEPARENT].to_str().unwrap().to_owned(), headers.contains_key(TRACESTATE))
    }

    #[test]
    fn a_valid_trace_goes_on_with_a_new_parent() {
        let (sent, state) = sent_for(&["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"]);
        assert!(sent.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && sent.ends_with("-00"), "{sent}");
        assert!(!sent.contains("b7ad6b7169203331"));
        assert!(state);
    }

    #[test]
    fn anything_else_starts_a_new_one() {
        for incoming in [
            &[][..],
            &["00-00000000000000000000000000000000-b7ad6b7169203331-01"],
            &["00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"],
            &["ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
            &["00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"],
            &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"],
            &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"],
            &[
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ],
        ] {
            let (sent, state) = sent_for(incoming);
            assert!(sent.starts_with(&format!("00-{REQUEST}-")), "{incoming:?}: {sent}");
            assert!(!state);
        }
    }
}
