//! Break-glass, over the admin socket.

use std::time::Duration;

use http::StatusCode;

use super::answer::Refused;
use super::devices::{find, gate};
use super::state::AdminState;
use super::wire::{BreakGlassAnswer, BreakGlassRequest, WhyRequest};
use crate::inventory::BreakGlass;
use crate::store::{Actor, BreakGlassError};

/// The one that is under way.
pub(super) fn show(state: &AdminState) -> Option<BreakGlass> {
    state.registrar.inventory().break_glass().as_deref().cloned()
}

pub(super) async fn begin(state: &AdminState, by: &Actor, request: BreakGlassRequest) -> Result<BreakGlassAnswer, Refused> {
    let device = find(state, &request.device)?.device.id.clone();
    let lifetime = request.for_s.map_or(USUAL, Duration::from_secs);
    let issued = state.registrar.begin_break_glass(&device, lifetime, by, &request.why).await?;
    let code = issued.code.expose().expose().clone();
    let address = format!("{}/.sekisho/sign-in?break_glass={code}", gate(&(state.config)()));
    Ok(BreakGlassAnswer { under_way: issued.under_way, code, address })
}

pub(super) async fn end(state: &AdminState, by: &Actor, request: WhyRequest) -> Result<BreakGlass, Refused> {
    Ok(state.registrar.end_break_glass(by, &request.why).await?)
}

impl From<BreakGlassError> for Refused {
    fn from(error: BreakGlassError) -> Self {
        let status = match error {
            BreakGlassError::Device(error) => return error.into(),
            BreakGlassError::NoReason | BreakGlassError::Lifetime => StatusCode::BAD_REQUEST,
            BreakGlassError::UnderWay(..) | BreakGlassError::None | BreakGlassError::NotInUse(..) | BreakGlassError::Refused => {
                StatusCode::CONFLICT
            }
            BreakGlassError::NoRandomness(_) | BreakGlassError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

const USUAL: Duration = Duration::from_secs(30 * 60);
