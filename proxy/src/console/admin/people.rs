//! One person: what belongs to them, and an end to all of it; and invitations, which may be theirs. Over the admin socket.

use super::answer::Refused;
use super::devices;
use super::sessions;
use super::state::AdminState;
use super::wire::{InvitationView, PersonRequest, PersonView, UserAnswer};
use crate::inventory::{DeviceStatus, Owner, UserId};
use crate::store::{Actor, DeviceError, OpenInvitation};

/// Everything that there is of one person.
pub(super) async fn show(state: &AdminState, request: PersonRequest) -> Result<PersonView, Refused> {
    let user = state.registrar.find_user(&request.user).await?;
    let known = state.registrar.person(&user).await?;
    let email = known.as_ref().and_then(|known| known.email.clone());
    let devices =
        devices::list_where(state, |device| device.owner.as_ref().is_some_and(|owner| is(owner, &user, email.as_deref())));
    if known.is_none() && devices.is_empty() {
        return Err(sessions::unknown(state, &user).await?);
    }
    let name = user.to_string();
    Ok(PersonView {
        devices,
        email,
        sessions: sessions::list(state).into_iter().filter(|session| session.user == name).collect(),
        invitations: invitations_of(state, &user).await?,
        suspended: state.registrar.inventory().is_suspended(&user),
        last_sign_in: known.as_ref().map(|known| known.last_sign_in),
        name: known.and_then(|known| known.name),
        user: name,
    })
}

/// Every invitation that is open.
pub(super) async fn invitations(state: &AdminState) -> Result<Vec<InvitationView>, Refused> {
    Ok(state.registrar.open_invitations().await?.into_iter().map(view).collect())
}

/// Those for devices of one person.
pub(super) async fn invitations_of(state: &AdminState, user: &UserId) -> Result<Vec<InvitationView>, Refused> {
    let email = state.registrar.person(user).await?.and_then(|known| known.email);
    let theirs = |open: &InvitationView| open.invite.owner.as_ref().is_some_and(|owner| is(owner, user, email.as_deref()));
    Ok(invitations(state).await?.into_iter().filter(theirs).collect())
}

/// Retires every device that is theirs alone, and withdraws what would let another one in. Adds to `answer` what was done.
///
/// One after the other: what was done stays done if the rest fails, and whoever asks again goes on from there.
pub(super) async fn retire_all(
    state: &AdminState,
    by: &Actor,
    user: &UserId,
    why: &str,
    answer: &mut UserAnswer,
) -> Result<(), Refused> {
    for open in invitations_of(state, user).await? {
        // Somebody may have been faster.
        let _it_opens_nothing_any_more = state.registrar.close_invitation(&open.id, by, why).await;
    }
    let email = state.registrar.person(user).await?.and_then(|known| known.email);
    let theirs = devices::list_where(state, |device| {
        let own = device.owner.as_ref().is_some_and(|owner| is(owner, user, email.as_deref()));
        own && device.status != DeviceStatus::Retired
    });
    for view in theirs {
        let id = view.device.id;
        if view.device.shared {
            answer.shared.push(id);
            continue;
        }
        match state.registrar.retire_device(&id, by, why).await {
            Ok(_) | Err(DeviceError::WrongStatus { .. }) => answer.retired.push(id),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether that owner is this person.
fn is(owner: &Owner, user: &UserId, email: Option<&str>) -> bool {
    match owner {
        Owner::User(owner) => owner == user,
        Owner::Email(owner) => email.is_some_and(|email| owner.eq_ignore_ascii_case(email)),
    }
}

fn view(open: OpenInvitation) -> InvitationView {
    let OpenInvitation { invitation, made_by, made_at } = open;
    InvitationView { id: invitation.id, invite: invitation.invite, made_by, made_at, expires_at: invitation.expires_at }
}
