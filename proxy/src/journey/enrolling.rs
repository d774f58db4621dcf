//! `/.sekisho/enroll`: a page for people, and the address that `sekisho enroll` talks to.

use http::{Method, Response, StatusCode};

use super::body::Body;
use super::connection::Client;
use super::finish::own_response;
use super::gate::{Core, World};
use super::landing::address;
use super::own::{Visitor, page, small_body};
use super::refusal::Refusal;
use crate::config::{Approval, DeviceAuthorityKind};
use crate::console::EnrolPage;
use crate::enrol::Enrolment;
use crate::read::Clean;

/// Answers strangers too: who enrols has no device yet.
pub(super) async fn answer(
    core: &Core,
    client: &Client,
    world: &World,
    request: Box<Clean>,
    visitor: &Visitor,
) -> Result<Response<Body>, Refusal> {
    match request.method {
        Method::GET | Method::HEAD => Ok(explain(world, visitor)),
        Method::POST => enrol(core, client, request).await,
        _ => Err(Refusal::WrongMethod),
    }
}

fn explain(world: &World, visitor: &Visitor) -> Response<Body> {
    let gate = address(world.config.sign_in.host.as_str(), world.config.listen.public_port);
    let command = format!("sekisho enroll --gate {}", gate.trim_end_matches('/'));
    let approval = world
        .config
        .device_authorities
        .iter()
        .any(|authority| matches!(authority.kind, DeviceAuthorityKind::Builtin { approval: Approval::Administrator, .. }));
    let device = visitor.device.as_ref().ok().map(|known| known.device.id.as_str());
    page(EnrolPage { host: world.config.sign_in.host.as_str(), device, command: &command, approval }.render())
}

async fn enrol(core: &Core, client: &Client, request: Box<Clean>) -> Result<Response<Body>, Refusal> {
    let enrolment = core.gate.enrolment.load_full().ok_or(Refusal::NothingHere)?;
    let body = small_body(request).await?;
    let asked = Enrolment::read(&body)?;
    let address = client.secure.client.ip();
    let admitted = enrolment.admit(asked, address).await?;
    let enrolled = core.gate.control.call(async move { enrolment.enrol(admitted).await }).await??;
    let json = serde_json::to_vec(&enrolled).map_err(|error| {
        tracing::error!(%error, "an enrolment could not be put into words");
        Refusal::Panicked
    })?;
    Ok(own_response(StatusCode::CREATED, "application/json", json))
}
