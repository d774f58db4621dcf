//! `/.sekisho/enroll`: a page for people, and the address that `sekisho enroll` talks to: with a code, or over the certificate that
//! it wants renewed.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, ORIGIN};
use http::{Method, Response, StatusCode};
use sekisho_certs::trust::CertificateRefusal;

use super::body::Body;
use super::connection::Client;
use super::finish::own_response;
use super::gate::{Core, World};
use super::landing::address;
use super::own::{Visitor, page, small_body};
use super::refusal::Refusal;
use super::story::Story;
use crate::config::Approval;
use crate::console::EnrolPage;
use crate::enrol::{EnrolRefusal, EnrolReply, EnrolRequest, Enrolment};
use crate::identify_device::DeviceRefusal;
use crate::read::Clean;

/// Answers strangers too: who enrols has no device yet.
pub(super) async fn answer(
    core: &Core,
    client: &Client,
    world: &World,
    request: Box<Clean>,
    visitor: &Visitor,
    story: &mut Story,
) -> Result<Response<Body>, Refusal> {
    match request.method {
        Method::GET | Method::HEAD => Ok(explain(world, visitor)),
        Method::POST => {
            let enrolment = core.gate.enrolment.load_full().ok_or(Refusal::NothingHere)?;
            program(world, &request).inspect_err(|refusal| {
                story.foreign_page(request.headers.get(ORIGIN));
                enrolment.refused(refusal, client.secure.client.ip());
            })?;
            let asked = Enrolment::read(&small_body(request).await?)?;
            let reply = match asked.code {
                Some(_) => enrol(core, client, enrolment, asked, story).await?,
                None => renew(core, client, world, enrolment, asked, visitor, story).await?,
            };
            in_json(&reply)
        }
        _ => Err(Refusal::WrongMethod),
    }
}

fn explain(world: &World, visitor: &Visitor) -> Response<Body> {
    let gate = address(world.config.sign_in.host.as_str(), world.config.listen.public_port);
    let command = format!("sekisho enroll --gate {}", gate.trim_end_matches('/'));
    let approval = world.config.builtin_authority().is_some_and(|(_, approval)| approval == Approval::Administrator);
    let device = visitor.device.as_ref().ok().map(|known| known.device.id.as_str());
    page(EnrolPage { host: world.config.sign_in.host.as_str(), device, command: &command, approval }.render())
}

/// Whether it comes from our program, at the gate's own host. A browser proves its person's key for any page that tells it to send
/// something, also the key that lies in hardware: no page may get a certificate by it, or the device isolated.
fn program(world: &World, request: &Clean) -> Result<(), EnrolRefusal> {
    let headers = &request.headers;
    let written = headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if headers.contains_key(ORIGIN) || headers.keys().any(|name| name.as_str().starts_with(FETCH_METADATA)) || !written {
        return Err(EnrolRefusal::FromAPage);
    }
    let gate = &world.config.sign_in.host;
    if request.host == *gate { Ok(()) } else { Err(EnrolRefusal::OtherHost(gate.clone())) }
}

async fn enrol(
    core: &Core,
    client: &Client,
    enrolment: Arc<Enrolment>,
    asked: EnrolRequest,
    story: &Story,
) -> Result<EnrolReply, Refusal> {
    let admitted = enrolment.admit(asked, client.secure.client.ip()).await?;
    // Whom it lets in is in the record before.
    story.before_app().await?;
    Ok(core.gate.control.call(async move { enrolment.enrol(admitted).await }).await??)
}

/// The certificate of this connection is renewed.
async fn renew(
    core: &Core,
    client: &Client,
    world: &World,
    enrolment: Arc<Enrolment>,
    asked: EnrolRequest,
    visitor: &Visitor,
    story: &mut Story,
) -> Result<EnrolReply, Refusal> {
    let from = client.secure.client.ip();
    let renewable = match (&visitor.device, &client.secure.leaf) {
        (Ok(known), _) => Ok(known.renewable()),
        // Good for a renewal, perhaps, and for nothing else: not to be found in what the connection remembers.
        (
            Err(
                DeviceRefusal::Certificate(CertificateRefusal::Expired { .. })
                | DeviceRefusal::OtherKey(_)
                | DeviceRefusal::FormerKey(_),
            ),
            Some(leaf),
        ) => {
            let gate = &core.gate;
            world.devices.for_renewal(leaf, &gate.inventory, gate.clock.now(), enrolment.renewal_grace())
        }
        (Err(refusal), _) => Err(refusal.clone()),
    };
    let renewable = renewable.map_err(|refusal| enrolment.not_renewable(refusal, from))?;
    story.renewing(&renewable);
    story.before_app().await?;
    let device = renewable.device.clone();
    Ok(core.gate.control.call_for(&device, async move { enrolment.renew(asked, renewable, from).await }).await??)
}

fn in_json(reply: &EnrolReply) -> Result<Response<Body>, Refusal> {
    let status = match reply {
        EnrolReply::Challenge(_) => StatusCode::ACCEPTED,
        EnrolReply::Enrolled(_) => StatusCode::CREATED,
    };
    let json = serde_json::to_vec(reply).map_err(|error| {
        tracing::error!(%error, "an enrolment could not be put into words");
        Refusal::Panicked
    })?;
    Ok(own_response(status, "application/json", json))
}

/// How the names of the headers begin by which browsers say what a request is for.
const FETCH_METADATA: &str = "sec-fetch-";
