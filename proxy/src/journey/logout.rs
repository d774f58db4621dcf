//! `/.sekisho/backchannel-logout` at the sign-in host: for identity providers, which have neither device nor cookie.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{Method, Response, StatusCode};
use serde_json::json;

use super::answer::Answer;
use super::body::Body;
use super::connection::Client;
use super::finish::own_response;
use super::gate::{Core, World};
use super::own::small_body;
use super::refusal::Refusal;
use crate::read::Clean;
use crate::sign_in::{LogoutRefusal, LogoutRequest};

/// 200 without a body once it is done: by then accesses under way are being cut.
pub(super) async fn answer(core: &Core, client: &Client, world: &World, request: Box<Clean>) -> Result<Response<Body>, Refusal> {
    if request.method != Method::POST {
        return Err(Refusal::WrongMethod);
    }
    let content_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (from, now) = (client.secure.client.ip(), core.gate.clock.now());
    let body = small_body(request).await?;
    let sign_in = Arc::clone(&world.sign_in);
    let asked = LogoutRequest { content_type, body, from, now };
    let logout = sign_in.check_logout(&asked).await?;
    let ended = core.gate.control.call(async move { sign_in.log_out(logout).await }).await??;
    tracing::info!(sessions = ended, "an identity provider signed somebody out");
    Ok(own_response(StatusCode::OK, "application/json", ""))
}

/// As providers read it (OpenID Connect Back-Channel Logout 1.0, section 2.8), with the words of the table.
pub(super) fn refusal(why: &LogoutRefusal, answer: &Answer, request_id: &str) -> Response<Body> {
    let told = json!({
        "error": why.error(), "error_description": answer.detail, "reason": answer.reason, "request_id": request_id,
    });
    own_response(answer.status, "application/json", format!("{told}\n"))
}
