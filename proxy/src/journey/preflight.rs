//! CORS preflights (Fetch Standard, section 4.8): browsers send neither cookie nor certificate with them.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderValue, Response, StatusCode};

use super::body::Body;
use super::finish::own_response;
use super::refusal::Refusal;
use super::story::Story;
use super::travel::Outcome;
use crate::config::CorsPreflight;
use crate::read::Kind;
use crate::route::Routed;

/// The gate's answer to a preflight, where the app's configuration leaves it to the gate.
pub(super) fn at_the_gate(routed: &Routed, story: &mut Story) -> Option<Result<Outcome, Refusal>> {
    if routed.request.kind != Kind::Preflight || routed.app.cors_preflight != CorsPreflight::Answer {
        return None;
    }
    story.own("cors_preflight");
    Some(Ok(Outcome::Own(answer(routed))))
}

fn answer(routed: &Routed) -> Response<Body> {
    let asked = &routed.request.headers;
    let mut response = own_response(StatusCode::NO_CONTENT, "text/plain", "");
    let headers = response.headers_mut();
    headers.remove(http::header::CONTENT_TYPE);
    headers.remove(http::header::CONTENT_LENGTH);
    headers.insert(VARY, HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"));
    let allowed =
        asked.get(ORIGIN).filter(|origin| origin.to_str().is_ok_and(|origin| routed.app.allowed_origins.contains(origin)));
    // To an origin that is not listed, nothing is said: its browser then refuses by itself.
    if let Some(origin) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if let Some(method) = asked.get(ACCESS_CONTROL_REQUEST_METHOD) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        }
        if let Some(names) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
    }
    response
}
