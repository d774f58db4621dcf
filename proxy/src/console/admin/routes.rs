//! From a method and a path to what is done.

use http::{Method, StatusCode};
use serde::de::DeserializeOwned;

use super::answer::{Answer, Refused, json};
use super::state::AdminState;
use super::wire::{ApproveRequest, CandidateStatus, DeviceAnswer, Status, WhyRequest};
use super::{device_facts, devices, people, sessions};
use crate::store::Actor;

/// One request, read.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
    pub(super) by: Actor,
}

impl Request {
    /// An empty body stands for an empty object.
    fn read<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        let body = if self.body.is_empty() { b"{}" } else { self.body.as_slice() };
        serde_json::from_slice(body).map_err(|problem| Refused::wrong(format!("the request is not as expected: {problem}")))
    }
}

pub(super) async fn answer(state: &AdminState, request: &Request) -> Result<Answer, Refused> {
    let segments: Vec<&str> = request.path.split('/').skip(1).collect();
    let by = &request.by;
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["v1", "status"]) => Ok(ok(&status(state))),
        ("GET", ["v1", "ca"]) => match (state.ca)() {
            Some(ca) => Ok(ok(&ca)),
            None => Err(Refused::new(StatusCode::NOT_FOUND, "there is no built-in device authority")),
        },
        ("GET", ["v1", "candidate"]) => Ok(ok(&(state.candidate)())),
        ("GET", ["v1", "devices"]) => Ok(ok(&devices::list(state))),
        ("POST", ["v1", "devices"]) => Ok(ok(&devices::add(state, by, request.read()?).await?)),
        ("POST", ["v1", "devices", "of"]) => Ok(ok(&devices::list_of(state, request.read()?).await?)),
        ("GET", ["v1", "invitations"]) => Ok(ok(&people::invitations(state).await?)),
        ("POST", ["v1", "invitations", id, "withdraw"]) => {
            let WhyRequest { why } = request.read()?;
            state.registrar.close_invitation(id, by, &why).await?;
            Ok(ok(&serde_json::json!({ "withdrawn": id })))
        }
        ("POST", ["v1", "invitations"]) => Ok(ok(&devices::invite(state, by, request.read()?).await?)),
        ("GET", ["v1", "devices", id]) => Ok(ok(&devices::show(state, id).await?)),
        ("POST", ["v1", "devices", id, lever]) => pull(state, request, id, lever).await,
        ("GET", ["v1", "sessions"]) => Ok(ok(&sessions::list(state))),
        ("POST", ["v1", "sessions", "end"]) => Ok(ok(&sessions::end(state, by, request.read()?).await?)),
        ("POST", ["v1", "users", "suspend"]) => Ok(ok(&sessions::suspend(state, by, request.read()?).await?)),
        ("POST", ["v1", "users", "show"]) => Ok(ok(&people::show(state, request.read()?).await?)),
        ("POST", ["v1", "users", "resume"]) => Ok(ok(&sessions::resume(state, by, request.read()?).await?)),
        ("POST", ["v1", "reload"]) => reload(state, request).await,
        _ => Err(unknown(request)),
    }
}

/// The levers on one device.
async fn pull(state: &AdminState, request: &Request, id: &str, lever: &str) -> Result<Answer, Refused> {
    let (registrar, by) = (&state.registrar, &request.by);
    let before = devices::find(state, id).map_or(0, |live| devices::view_with_sessions(state, &live).sessions);
    let live = match lever {
        "approve" => {
            let id = &devices::find(state, id)?.device.id;
            let with: ApproveRequest = request.read()?;
            registrar.approve_device(id, with.fingerprint, by, &with.why).await?
        }
        "set" => {
            let id = &devices::find(state, id)?.device.id;
            device_facts::set(state, id, by, request.read()?).await?
        }
        "quarantine" | "release" | "retire" => {
            let id = &devices::find(state, id)?.device.id;
            let WhyRequest { why } = request.read()?;
            match lever {
                "quarantine" => registrar.quarantine_device(id, by, &why).await?,
                "release" => registrar.release_device(id, by, &why).await?,
                _ => registrar.retire_device(id, by, &why).await?,
            }
        }
        _ => return Err(unknown(request)),
    };
    tracing::info!(device = %live.device.id, status = %live.device.status, %by, "device changed");
    let view = devices::view_with_sessions(state, &live);
    let ended = before.saturating_sub(view.sessions);
    Ok(ok(&DeviceAnswer { view, ended }))
}

async fn reload(state: &AdminState, request: &Request) -> Result<Answer, Refused> {
    let WhyRequest { why } = request.read()?;
    // Apart from this request, so that a client that goes away does not leave half of a reload.
    match tokio::spawn((state.reload)(request.by.clone(), why)).await {
        Ok(Ok(report)) => Ok(ok(&report)),
        Ok(Err(problems)) => Err(Refused::not_reloaded(problems)),
        Err(_stopped) => {
            Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "the reload stopped in the middle; see the gate's log"))
        }
    }
}

fn status(state: &AdminState) -> Status {
    let inventory = state.registrar.inventory();
    let mut suspended: Vec<String> = inventory.suspended_users().iter().map(ToString::to_string).collect();
    suspended.sort();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: state.started_at,
        not_ready: (state.ready)().err(),
        counts: inventory.counts(),
        candidate: (state.candidate)().map(|view| CandidateStatus { dir: view.dir, tried: view.policy_set.is_some() }),
        suspended,
        hardening: state.hardening.to_vec(),
    }
}

fn ok(value: &impl serde::Serialize) -> Answer {
    json(StatusCode::OK, value)
}

fn unknown(request: &Request) -> Refused {
    Refused::new(
        StatusCode::NOT_FOUND,
        format!("the gate knows no `{} {}`; is this command of another version?", request.method, request.path),
    )
}
