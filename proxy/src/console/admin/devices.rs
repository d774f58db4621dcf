//! Devices, over the admin socket.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::answer::Refused;
use super::device_facts;
use super::sessions;
use super::state::AdminState;
use super::wire::{AddRequest, DeviceDetails, DeviceView, InviteAnswer, InviteRequest, OwnerRequest, UsageView};
use crate::config::{Approval, Config, DeviceAuthorityKind};
use crate::contain::{Figures, Used};
use crate::enrol::EnrolmentCode;
use crate::inventory::{Device, DeviceId, LiveDevice, Owner, UserId, foreign_device_id};
use crate::store::{Actor, Invite, NewDevice, canonical_email};

/// Every device, by id.
pub(super) fn list(state: &AdminState) -> Vec<DeviceView> {
    list_where(state, |_any| true)
}

pub(super) fn list_where(state: &AdminState, wanted: impl Fn(&Device) -> bool) -> Vec<DeviceView> {
    let inventory = state.registrar.inventory();
    let mut sessions: HashMap<DeviceId, usize> = HashMap::new();
    for live in inventory.sessions() {
        *sessions.entry(live.session.device.clone()).or_default() += 1;
    }
    let mut views = Vec::new();
    inventory.each_device(|live| {
        if wanted(&live.device) {
            views.push(view(live, sessions.get(&live.device.id).copied().unwrap_or_default()));
        }
    });
    views.sort_by(|a, b| a.device.id.cmp(&b.device.id));
    views
}

/// Those of one person, by whatever name they have them.
pub(super) async fn list_of(state: &AdminState, request: OwnerRequest) -> Result<Vec<DeviceView>, Refused> {
    let email = canonical_email(&request.owner);
    let user = state.registrar.find_user(&request.owner).await;
    let mine = |owner: &Owner| match owner {
        Owner::User(owner) => user.as_ref().is_ok_and(|user| user == owner),
        Owner::Email(owner) => email.as_ref() == Some(owner),
    };
    let views = list_where(state, |device| device.owner.as_ref().is_some_and(mine));
    match user {
        // Who owns nothing may be misspelt.
        Err(unknown) if views.is_empty() => Err(unknown.into()),
        Ok(user) if views.is_empty() && !state.registrar.has_signed_in(&user).await? => {
            Err(sessions::unknown(state, &user).await?)
        }
        Ok(_) | Err(_) => Ok(views),
    }
}

pub(super) async fn show(state: &AdminState, id: &str) -> Result<DeviceDetails, Refused> {
    let live = find(state, id)?;
    let id = &live.device.id;
    let history = state.registrar.device_history(id, HISTORY).await?;
    let usage = state.usage.of_device(id, state.clock.now()).into_iter().map(usage_view).collect();
    let (reported, aliases) = device_facts::known(state, id).await?;
    let attestations = state.registrar.attestations(id).await?;
    Ok(DeviceDetails { view: view_with_sessions(state, &live), reported, aliases, usage, attestations, history })
}

fn usage_view(used: Used) -> UsageView {
    let Used { holder, figures: Figures { requests_1m, bytes_1h, bytes_1d } } = used;
    UsageView { user: holder.user, app: holder.app.to_string(), requests_1m, bytes_1h, bytes_1d }
}

/// The device of that id, or an error with near matches.
pub(super) fn find(state: &AdminState, id: &str) -> Result<Arc<LiveDevice>, Refused> {
    let found = id.parse::<DeviceId>().ok().and_then(|id| state.registrar.inventory().device(&id));
    found.ok_or_else(|| state.registrar.unknown_device(id).into())
}

pub(super) fn view_with_sessions(state: &AdminState, live: &LiveDevice) -> DeviceView {
    let sessions = state.registrar.inventory().sessions();
    view(live, sessions.iter().filter(|session| session.session.device == live.device.id).count())
}

pub(super) async fn invite(state: &AdminState, by: &Actor, request: InviteRequest) -> Result<InviteAnswer, Refused> {
    let config = (state.config)();
    let (authority, approval) = builtin(&config)?;
    let owner = request.owner.as_deref().map(|owner| owner_of(&config, owner)).transpose()?;
    if owner.is_none() && !request.shared {
        return Err(Refused::wrong("an invitation names an owner, unless the device is shared"));
    }
    let invite = Invite { authority, owner, shared: request.shared, managed: request.managed, device: request.device };
    // Asked for first: a code that cannot be handed over must not exist.
    let pin = (state.pin)().ok_or_else(|| {
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, "the gate has no certificate for its sign-in host, which codes pin")
    })?;
    let lifetime = request.lifetime_s.map_or(LIFETIME, Duration::from_secs);
    let issued = state.registrar.invite(invite, lifetime, by, &request.why).await?;
    let code = EnrolmentCode { code: issued.code, pin }.expose().expose().clone();
    Ok(InviteAnswer {
        id: issued.invitation.id,
        code,
        expires_at: issued.invitation.expires_at,
        gate: gate(&config),
        needs_approval: approval == Approval::Administrator,
    })
}

pub(super) async fn add(state: &AdminState, by: &Actor, request: AddRequest) -> Result<DeviceView, Refused> {
    let config = (state.config)();
    let authority = external(&config, &request.authority)?;
    let owner = request.owner.as_deref().map(|owner| owner_of(&config, owner)).transpose()?;
    let new = NewDevice {
        id: listed_as(&authority, &request.id),
        authority,
        owner,
        shared: request.shared,
        managed: request.managed,
        platform: request.platform,
        keys: request.keys,
    };
    Ok(view(&*state.registrar.add_device(new, by, &request.why).await?, 0))
}

/// The inventory's id of a foreign device, by that id or by the name in its certificates.
fn listed_as(authority: &str, given: &str) -> DeviceId {
    let inventory_id = given.strip_prefix(authority).is_some_and(|rest| rest.starts_with('.'));
    let whole = given.parse().ok().filter(|_| inventory_id);
    whole.unwrap_or_else(|| foreign_device_id(authority, given))
}

fn view(live: &LiveDevice, sessions: usize) -> DeviceView {
    DeviceView { device: (*live.device).clone(), facts: live.facts(), sessions }
}

fn builtin(config: &Config) -> Result<(Arc<str>, Approval), Refused> {
    config.builtin_authority().ok_or_else(|| {
        Refused::wrong(
            "no device authority is `builtin`, so there is nobody to sign a certificate; enter devices with `device add`",
        )
    })
}

fn external(config: &Config, name: &str) -> Result<Arc<str>, Refused> {
    let authority = config.device_authorities.iter().find(|authority| &*authority.name == name);
    match authority.map(|authority| (&authority.name, &authority.kind)) {
        Some((name, DeviceAuthorityKind::External { .. })) => Ok(Arc::clone(name)),
        Some((_, DeviceAuthorityKind::Builtin { .. })) => {
            Err(Refused::wrong(format!("devices of `{name}` enrol by themselves: invite this one")))
        }
        None => Err(Refused::wrong(format!("no device authority is called `{name}`"))),
    }
}

fn owner_of(config: &Config, text: &str) -> Result<Owner, Refused> {
    if let Ok(user) = text.parse::<UserId>() {
        sessions::has_provider(config, &user)?;
        return Ok(Owner::User(user));
    }
    let wrong = || Refused::wrong(format!("`{text}` is neither an e-mail address nor `provider/subject`"));
    canonical_email(text).map(Owner::Email).ok_or_else(wrong)
}

pub(super) fn gate(config: &Config) -> String {
    match config.listen.public_port {
        443 => format!("https://{}", config.sign_in.host),
        port => format!("https://{}:{port}", config.sign_in.host),
    }
}

const HISTORY: u32 = 50;
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
