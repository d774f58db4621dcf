//! Sending a file, whole or one range of it (RFC 9110 section 14).

use http::header::{ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;

use super::catalogue::File;
use super::content::Sending;
use crate::web::{self, Reply};

/// What a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part { from: u64, end: u64 },
    Beyond,
}

/// The answer to a GET or HEAD.
pub(super) fn send<B>(request: &Request<B>, file: &File) -> Reply {
    let len = file.content.len();
    let (status, from, end) = match wanted(web::header(request.headers(), "range"), len) {
        Wanted::All => (StatusCode::OK, 0, len),
        Wanted::Part { from, end } => (StatusCode::PARTIAL_CONTENT, from, end),
        Wanted::Beyond => {
            let mut reply = web::text(StatusCode::RANGE_NOT_SATISFIABLE, "");
            set(&mut reply, CONTENT_RANGE, &format!("bytes */{len}"));
            return reply;
        }
    };
    let mut reply = match *request.method() {
        Method::HEAD => Response::new(web::whole("")),
        _ => Response::new(Sending::new(file.content.clone(), from, end).boxed_unsync()),
    };
    *reply.status_mut() = status;
    set(&mut reply, CONTENT_LENGTH, &(end - from).to_string());
    set(&mut reply, CONTENT_TYPE, file.kind);
    set(&mut reply, ACCEPT_RANGES, "bytes");
    set(&mut reply, CONTENT_DISPOSITION, &format!("attachment; filename=\"{}\"", file.name));
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut reply, CONTENT_RANGE, &format!("bytes {from}-{}/{len}", end - 1));
    }
    reply
}

/// One range is served; several, or one that cannot be read, are answered with the whole, as the standard allows.
fn wanted(range: Option<&str>, len: u64) -> Wanted {
    let spec = range.and_then(|range| range.strip_prefix("bytes=")).filter(|spec| !spec.contains(','));
    let Some((first, last)) = spec.and_then(|spec| spec.split_once('-')) else { return Wanted::All };
    let (from, end) = match (first.parse::<u64>().ok(), last.parse::<u64>().ok()) {
        (Some(from), Some(last)) if from <= last => (from, last.saturating_add(1).min(len)),
        (Some(from), None) if last.is_empty() => (from, len),
        (None, Some(suffix)) if first.is_empty() => (len.saturating_sub(suffix), len),
        _ => return Wanted::All,
    };
    if from < end { Wanted::Part { from, end } } else { Wanted::Beyond }
}

fn set(reply: &mut Reply, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (range, is) in [
            (None, Wanted::All),
            (Some("bytes=0-9"), Wanted::Part { from: 0, end: 10 }),
            (Some("bytes=90-"), Wanted::Part { from: 90, end: 100 }),
            (Some("bytes=-5"), Wanted::Part { from: 95, end: 100 }),
            (Some("bytes=50-500"), Wanted::Part { from: 50, end: 100 }),
            (Some("bytes=100-"), Wanted::Beyond),
            (Some("bytes=9-1"), Wanted::All),
            (Some("bytes=0-1,5-6"), Wanted::All),
            (Some("lines=1-2"), Wanted::All),
        ] {
            assert_eq!(wanted(range, 100), is, "{range:?}");
        }
    }
}
