//! What is a person's own, as the page shows it and as programs get it.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::inventory::{DeviceId, Inventory, SessionId};
use crate::store::Belongings;

/// Everything that is theirs.
#[derive(Debug, Serialize)]
pub(super) struct View {
    pub(super) devices: Vec<DeviceView>,
    pub(super) sessions: Vec<SessionView>,
    pub(super) invitations: Vec<InvitationView>,
    /// Whether people invite devices for themselves here; policy has the last word.
    pub(super) self_service: bool,
    /// For what is sent back.
    pub(super) token: String,
}

#[derive(Debug, Serialize)]
pub(super) struct DeviceView {
    pub(super) id: String,
    pub(super) label: Option<String>,
    pub(super) status: &'static str,
    pub(super) platform: &'static str,
    pub(super) key_protection: &'static str,
    pub(super) managed: bool,
    pub(super) enrolled_at: String,
    /// It is the one that asks.
    pub(super) this: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct SessionView {
    pub(super) id: String,
    pub(super) device: String,
    /// What its owner calls that device.
    pub(super) label: Option<String>,
    pub(super) begun_at: String,
    pub(super) last_used: String,
    pub(super) expires_at: String,
    /// It is the one that asks.
    pub(super) this: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct InvitationView {
    pub(super) id: String,
    pub(super) made_at: String,
    pub(super) expires_at: String,
}

/// Who looks, when, and what they may.
pub(super) struct Looking<'a> {
    pub(super) device: &'a DeviceId,
    pub(super) session: &'a SessionId,
    pub(super) self_service: bool,
    pub(super) idle: std::time::Duration,
    pub(super) now: Timestamp,
    pub(super) token: String,
}

impl View {
    /// Of what the store says is theirs, as it is now.
    pub(super) fn of(own: &Belongings, inventory: &Inventory, looking: Looking<'_>) -> Self {
        let label = |id: &DeviceId| own.devices.iter().find(|device| device.id == *id).and_then(|device| device.label.clone());
        let devices = own.devices.iter().filter_map(|device| {
            let live = inventory.device(&device.id)?;
            Some(DeviceView {
                id: device.id.to_string(),
                label: device.label.clone(),
                status: live.device.status.as_str(),
                platform: live.device.platform.as_str(),
                key_protection: live.device.key_protection.as_str(),
                managed: live.device.managed,
                enrolled_at: live.device.enrolled_at.to_string(),
                this: device.id == *looking.device,
            })
        });
        let sessions = own.sessions.iter().filter_map(|id| {
            let live = inventory.session(id)?;
            live.usable(looking.now, looking.idle).ok()?;
            Some(SessionView {
                id: id.to_string(),
                device: live.session.device.to_string(),
                label: label(&live.session.device),
                begun_at: live.session.created_at.to_string(),
                last_used: live.last_used().to_string(),
                expires_at: live.session.expires_at.to_string(),
                this: id == looking.session,
            })
        });
        let mut sessions: Vec<SessionView> = sessions.collect();
        // This one first, then those that were used last.
        sessions.sort_by(|a, b| (b.this, &b.last_used, &b.id).cmp(&(a.this, &a.last_used, &a.id)));
        let invitations = own.invitations.iter().map(|open| InvitationView {
            id: open.id.clone(),
            made_at: open.made_at.to_string(),
            expires_at: open.expires_at.to_string(),
        });
        Self {
            devices: devices.collect(),
            sessions,
            invitations: invitations.collect(),
            self_service: looking.self_service,
            token: looking.token,
        }
    }
}
