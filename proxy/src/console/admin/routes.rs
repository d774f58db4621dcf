//! What is done for each line of the table.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde::de::DeserializeOwned;

use super::answer::{Answer, Refused, json};
use super::state::AdminState;
use super::table::{self, Route, Sought};
use super::wire::{ApproveRequest, CandidateStatus, DeviceAnswer, Status, WhyRequest};
use super::{administrators, break_glass, device_facts, devices, oneself, people, sessions};
use crate::inventory::{DeviceId, LiveDevice};
use crate::store::Actor;

/// One request, read.
#[derive(Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its path, as in the table.
    pub path: String,
    /// Its body: JSON, or nothing.
    pub body: Vec<u8>,
    /// Who asks.
    pub by: Actor,
}

impl Request {
    /// An empty body stands for an empty object.
    fn read<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        let body = if self.body.is_empty() { b"{}" } else { self.body.as_slice() };
        serde_json::from_slice(body).map_err(|problem| Refused::wrong(format!("the request is not as expected: {problem}")))
    }
}

/// Does what is asked for. Whether whoever asks may ask for it was decided before.
///
/// # Errors
/// [`Refused`], in words.
pub async fn answer(state: &AdminState, request: &Request) -> Result<Answer, Refused> {
    let by = &request.by;
    let Sought { row, id } = table::seek(&request.method, &request.path).map_err(|_none| unknown(request))?;
    match row.route {
        Route::Status => Ok(ok(&status(state))),
        Route::Authority => match (state.ca)() {
            Some(ca) => Ok(ok(&ca)),
            None => Err(Refused::new(StatusCode::NOT_FOUND, "there is no built-in device authority")),
        },
        Route::Candidate => Ok(ok(&(state.candidate)())),
        Route::ListDevices => Ok(ok(&devices::list(state))),
        Route::AddDevice => Ok(ok(&devices::add(state, by, request.read()?).await?)),
        Route::DevicesOf => Ok(ok(&devices::list_of(state, request.read()?).await?)),
        Route::ShowDevice => Ok(ok(&devices::show(state, id).await?)),
        Route::ApproveDevice | Route::SetDevice | Route::QuarantineDevice | Route::ReleaseDevice | Route::RetireDevice => {
            pull(state, request, row.route, id).await
        }
        Route::ListInvitations => Ok(ok(&people::invitations(state).await?)),
        Route::WithdrawInvitation => {
            let WhyRequest { why } = request.read()?;
            state.registrar.close_invitation(id, by, &why).await?;
            Ok(ok(&serde_json::json!({ "withdrawn": id })))
        }
        Route::Invite => Ok(ok(&devices::invite(state, by, request.read()?).await?)),
        Route::ListSessions => Ok(ok(&sessions::list(state))),
        Route::EndSessions => Ok(ok(&sessions::end(state, by, request.read()?).await?)),
        Route::SuspendUser => Ok(ok(&sessions::suspend(state, by, request.read()?).await?)),
        Route::ShowUser => Ok(ok(&people::show(state, request.read()?).await?)),
        Route::ResumeUser => Ok(ok(&sessions::resume(state, by, request.read()?).await?)),
        Route::Reload => reload(state, request).await,
        Route::ListAdministrators => Ok(ok(&administrators::list(state).await?)),
        Route::AddAdministrator => Ok(ok(&administrators::add(state, by, request.read()?).await?)),
        Route::ShowBreakGlass => Ok(ok(&break_glass::show(state))),
        Route::BeginBreakGlass => Ok(ok(&break_glass::begin(state, by, request.read()?).await?)),
        Route::EndBreakGlass => Ok(ok(&break_glass::end(state, by, request.read()?).await?)),
        Route::RemoveAdministrator => Ok(ok(&administrators::remove(state, by, request.read()?).await?)),
    }
}

/// The levers on one device.
async fn pull(state: &AdminState, request: &Request, lever: Route, id: &str) -> Result<Answer, Refused> {
    let by = &request.by;
    let before = devices::find(state, id).map_or(0, |live| devices::view_with_sessions(state, &live).sessions);
    let id = &devices::find(state, id)?.device.id;
    let live = match lever {
        Route::ApproveDevice => {
            let with: ApproveRequest = request.read()?;
            state.registrar.approve_device(id, with.fingerprint, by, &with.why).await?
        }
        Route::SetDevice => device_facts::set(state, id, by, request.read()?).await?,
        _ => {
            let WhyRequest { why } = request.read()?;
            stop_or_release(state, by, lever, id, &why).await?
        }
    };
    tracing::info!(device = %live.device.id, status = %live.device.status, %by, "device changed");
    let view = devices::view_with_sessions(state, &live);
    let ended = before.saturating_sub(view.sessions);
    Ok(ok(&DeviceAnswer { view, ended }))
}

async fn stop_or_release(
    state: &AdminState,
    by: &Actor,
    lever: Route,
    id: &DeviceId,
    why: &str,
) -> Result<Arc<LiveDevice>, Refused> {
    let registrar = &state.registrar;
    if lever == Route::ReleaseDevice {
        return Ok(registrar.release_device(id, by, why).await?);
    }
    oneself::spare_device(by, id)?;
    Ok(match lever {
        Route::QuarantineDevice => registrar.quarantine_device(id, by, why).await?,
        _ => registrar.retire_device(id, by, why).await?,
    })
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
        break_glass: break_glass::show(state),
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
