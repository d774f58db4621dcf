//! Sessions and people, over the admin socket.

use std::collections::BTreeSet;

use http::StatusCode;

use super::answer::Refused;
use super::devices::find;
use super::oneself;
use super::people;
use super::state::AdminState;
use super::wire::{EndRequest, Ended, SessionView, UserAnswer, UserRequest};
use crate::config::{Config, DeviceAuthority, DeviceAuthorityKind, DeviceIdSource};
use crate::inventory::{Owner, UserId};
use crate::store::{Actor, PersonError, SessionsOf, did_you_mean, near};

/// Every session that can be used now, by person and then by its beginning.
pub(super) fn list(state: &AdminState) -> Vec<SessionView> {
    let (now, idle) = (state.clock.now(), (state.config)().sign_in.idle_timeout);
    let inventory = state.registrar.inventory();
    let live = inventory.sessions();
    let mut views: Vec<SessionView> = live
        .iter()
        .filter(|live| live.usable(now, idle).is_ok())
        .map(|live| {
            let session = &live.session;
            SessionView {
                id: session.id.clone(),
                user: session.user.to_string(),
                email: session.email.as_deref().map(str::to_owned),
                device: session.device.clone(),
                device_status: inventory.device(&session.device).map(|live| live.device.status),
                mfa: session.mfa,
                created_at: session.created_at,
                last_used: live.last_used(),
                confirmed_at: live.confirmed_at(),
                expires_at: session.expires_at,
                idle_at: live.last_used().plus(idle),
            }
        })
        .collect();
    views.sort_by(|a, b| (&a.user, a.created_at, &a.id).cmp(&(&b.user, b.created_at, &b.id)));
    views
}

pub(super) async fn end(state: &AdminState, by: &Actor, request: EndRequest) -> Result<Ended, Refused> {
    let which = match (request.session, request.user, request.device) {
        (Some(session), None, None) => SessionsOf::One(session),
        (None, Some(user), None) => SessionsOf::User(state.registrar.find_user(&user).await?),
        (None, None, Some(device)) => SessionsOf::Device(find(state, device.as_str())?.device.id.clone()),
        _ => return Err(Refused::wrong("name exactly one of `session`, `user` and `device`")),
    };
    let ended = state.registrar.end_sessions(&which, by, &request.why).await?;
    if let (true, SessionsOf::User(user)) = (ended.is_empty(), &which)
        && !state.registrar.has_signed_in(user).await?
    {
        return Err(unknown(state, user).await?);
    }
    Ok(Ended { ended })
}

/// Nobody of that name has ever had a session or a device: it is misspelt, most likely.
pub(super) async fn unknown(state: &AdminState, user: &UserId) -> Result<Refused, Refused> {
    let near = near_names(state, user).await?;
    Ok(Refused::new(StatusCode::NOT_FOUND, format!("nobody called `{user}` has signed in here{}", did_you_mean(&near))))
}

/// People who could have been meant: those who have signed in, or have a device.
pub(super) async fn near_names(state: &AdminState, user: &UserId) -> Result<Vec<String>, Refused> {
    let people = state.registrar.people().await?;
    let mut users: BTreeSet<String> = people.iter().map(ToString::to_string).collect();
    state.registrar.inventory().each_device(|live| {
        if let Some(Owner::User(owner)) = &live.device.owner {
            users.insert(owner.to_string());
        }
    });
    Ok(near(&user.to_string(), users.iter().map(String::as_str)))
}

/// # Errors
/// If that person's provider is not one of the gate's.
pub(super) fn has_provider(config: &Config, user: &UserId) -> Result<(), Refused> {
    let mut names = config.identity_providers.iter().map(|provider| &*provider.name);
    if names.any(|name| name == &*user.provider) {
        return Ok(());
    }
    let near = near(&user.provider, config.identity_providers.iter().map(|provider| &*provider.name));
    Err(Refused::wrong(format!("no identity provider is called `{}`{}", user.provider, did_you_mean(&near))))
}

/// # Errors
/// If neither a provider nor an authority of services could name them so.
fn is_from_here(config: &Config, user: &UserId) -> Result<(), Refused> {
    let names_services = |authority: &DeviceAuthority| {
        matches!(&authority.kind, DeviceAuthorityKind::External { device_id: DeviceIdSource::Spiffe { .. }, .. })
    };
    let mut authorities = config.device_authorities.iter().filter(|authority| names_services(authority));
    if authorities.any(|authority| authority.name == user.provider) { Ok(()) } else { has_provider(config, user) }
}

/// Whose address it is, nobody can tell before they sign in.
pub(super) fn no_address(config: &Config, error: &PersonError) -> Refused {
    let providers =
        config.identity_providers.iter().map(|provider| format!("`{}/…`", provider.name)).collect::<Vec<_>>().join(" or ");
    let words = format!("{error}: of somebody who never has, with --stranger, {providers}, and there the `sub` of their tokens");
    Refused::new(StatusCode::NOT_FOUND, words)
}

/// Takes somebody's access away, and lists what that did.
pub(super) async fn suspend(state: &AdminState, by: &Actor, request: UserRequest) -> Result<UserAnswer, Refused> {
    let user = match state.registrar.find_user(&request.user).await {
        Err(error @ PersonError::Unknown { .. }) if request.stranger => return Err(no_address(&(state.config)(), &error)),
        found => found?,
    };
    oneself::spare_user(by, &user)?;
    if request.retire_devices && matches!(by, Actor::Administrator { .. }) {
        // Policy was asked for one action, and not for that one.
        return Err(Refused::wrong("over HTTPS devices are retired one by one: each is decided by itself"));
    }
    is_from_here(&(state.config)(), &user)?;
    let known = state.registrar.has_signed_in(&user).await?;
    let near = if known { Vec::new() } else { near_names(state, &user).await? };
    if !known && !request.stranger {
        let near = did_you_mean(&near);
        let words = format!(
            "nobody called `{user}` has signed in here, so nobody was suspended{near}; with --stranger they are, as is right for a \
             service, and for who only uses bearer tokens"
        );
        return Err(Refused::new(StatusCode::NOT_FOUND, words));
    }
    let before = people::invitations_of(state, &user).await?;
    let ended = match state.registrar.suspend_user(&user, by, &request.why).await {
        // What is to be done beyond that is done all the same.
        Err(PersonError::AlreadySuspended(_)) if request.retire_devices => Vec::new(),
        done => done?,
    };
    let mut answer = UserAnswer { user: user.to_string(), ended, known, near, ..UserAnswer::default() };
    if request.retire_devices {
        people::retire_all(state, by, &user, &request.why, &mut answer).await?;
    }
    let open = people::invitations_of(state, &user).await?;
    answer.withdrawn = before.into_iter().map(|one| one.id).filter(|id| open.iter().all(|left| left.id != *id)).collect();
    Ok(answer)
}

pub(super) async fn resume(state: &AdminState, by: &Actor, request: UserRequest) -> Result<UserAnswer, Refused> {
    let user = state.registrar.find_user(&request.user).await?;
    state.registrar.resume_user(&user, by, &request.why).await?;
    Ok(UserAnswer { user: user.to_string(), known: true, ..UserAnswer::default() })
}
