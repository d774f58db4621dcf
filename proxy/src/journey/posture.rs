//! `/.sekisho/posture` at the sign-in host: for what watches over devices, which has neither a device nor a person.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};

use super::body::Body;
use super::connection::Client;
use super::finish::own_response;
use super::gate::{Core, World};
use super::own::SMALL_BODY_TIME;
use super::refusal::Refusal;
use crate::decide::KnownFacts;
use crate::intake::MAX_BODY_BYTES;
use crate::read::{Clean, Content};

/// 200 and what became of each device, once it is in effect.
pub(super) async fn answer(core: &Core, client: &Client, world: &World, request: Box<Clean>) -> Result<Response<Body>, Refusal> {
    let sources = &world.config.posture_sources;
    if sources.is_empty() {
        return Err(Refusal::NothingHere);
    }
    if request.method != Method::POST {
        return Err(Refusal::WrongMethod);
    }
    let (from, now) = (client.secure.client.ip(), core.gate.clock.now());
    let source = core.gate.intake.source(sources, &request.headers, from, now)?;
    let known = world.decider.as_ref().map(|decider| KnownFacts::of(decider.set())).ok_or(Refusal::NoPolicies)?;
    let body = whole(request.body).await?;
    let intake = Arc::clone(&core.gate.intake);
    let taken = core.gate.control.call(async move { intake.take(&source, &known, &body).await }).await??;
    let json = serde_json::to_vec(&taken).map_err(|error| {
        tracing::error!(%error, "what became of a report could not be put into words");
        Refusal::Panicked
    })?;
    Ok(own_response(StatusCode::OK, "application/json", json))
}

/// Larger than what people send to us, and as soon.
async fn whole(body: Content) -> Result<Bytes, Refusal> {
    let body = Limited::new(body, MAX_BODY_BYTES).collect();
    match tokio::time::timeout(SMALL_BODY_TIME, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Refusal::BodyTooLarge),
        Ok(Err(_)) | Err(_) => Err(crate::forward::ForwardError::ClientStalled.into()),
    }
}
