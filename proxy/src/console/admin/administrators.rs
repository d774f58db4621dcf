//! Who is in the group `sekisho-administrators`, over the admin socket.

use http::StatusCode;

use super::answer::Refused;
use super::sessions::{has_provider, near_names, no_address};
use super::state::AdminState;
use super::wire::{AdministratorAnswer, AdministratorView, UserRequest};
use crate::store::{Actor, PersonError, did_you_mean};

/// All of them, by name.
pub(super) async fn list(state: &AdminState) -> Result<Vec<AdministratorView>, Refused> {
    let inventory = state.registrar.inventory();
    let all = state.registrar.administrators().await?;
    let view = |one: crate::store::Administrator| AdministratorView {
        suspended: inventory.is_suspended(&one.user),
        user: one.user.to_string(),
        email: one.email,
        since: one.since,
        by: one.by,
        why: one.why,
    };
    Ok(all.into_iter().map(view).collect())
}

pub(super) async fn add(state: &AdminState, by: &Actor, request: UserRequest) -> Result<AdministratorAnswer, Refused> {
    let config = (state.config)();
    let user = match state.registrar.find_user(&request.user).await {
        Err(error @ PersonError::Unknown { .. }) if request.stranger => return Err(no_address(&config, &error)),
        found => found?,
    };
    has_provider(&config, &user)?;
    if !request.stranger && !state.registrar.has_signed_in(&user).await? {
        let near = did_you_mean(&near_names(state, &user).await?);
        let words = format!(
            "nobody called `{user}` has signed in here, so nobody became an administrator{near}; with --stranger they do, and the name \
             is not checked for typing errors"
        );
        return Err(Refused::new(StatusCode::NOT_FOUND, words));
    }
    state.registrar.add_administrator(&user, by, &request.why).await?;
    tracing::warn!(%user, %by, "an administrator was added");
    Ok(told(state, &user, config.admin.api))
}

pub(super) async fn remove(state: &AdminState, by: &Actor, request: UserRequest) -> Result<AdministratorAnswer, Refused> {
    let user = state.registrar.find_user(&request.user).await?;
    state.registrar.remove_administrator(&user, by, &request.why).await?;
    tracing::warn!(%user, %by, "an administrator was removed");
    Ok(told(state, &user, (state.config)().admin.api))
}

fn told(state: &AdminState, user: &crate::inventory::UserId, api: bool) -> AdministratorAnswer {
    AdministratorAnswer { user: user.to_string(), left: state.registrar.inventory().administrators(), api }
}
