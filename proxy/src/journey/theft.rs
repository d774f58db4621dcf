//! A credential that is refused though it is genuine: whose it is, for the record, and for the desk that acts on theft.

use http::HeaderMap;

use super::connection::Client;
use super::gate::Core;
use super::signals::{Theft, Whose};
use super::story::Story;
use crate::identify_device::KnownDevice;
use crate::identify_user::{Shown, UserRefusal};

/// Tells of it, if that is why the request is refused; of a person whose access was taken away, who it was.
pub(super) fn notice(
    core: &Core,
    client: &Client,
    device: &KnownDevice,
    headers: &HeaderMap,
    why: UserRefusal,
    story: &mut Story,
) {
    if why == UserRefusal::Suspended {
        match (core.users.shown(headers), &device.service) {
            (Some(shown), _) => story.refused_user(shown.session()),
            (None, Some(service)) => story.refused_user(&service.session),
            (None, None) => {}
        }
    }
    if !why.is_theft() {
        return;
    }
    let Some(stolen) = core.users.shown(headers) else { return };
    let (user, whose) = match stolen {
        Shown::Session(live) => {
            let session = &live.session;
            story.stolen(session, Some(&session.device));
            (session.user.to_string(), Whose::Session(session.id.clone(), session.device.clone()))
        }
        Shown::Token(token) => {
            let session = &token.session;
            story.stolen(session, token.from.as_ref());
            let (id, until) = (session.id.clone(), session.expires_at);
            (session.user.to_string(), Whose::Token { id, digest: token.digest, until, from: token.from.clone() })
        }
    };
    core.gate.signals.stolen(Theft {
        by: device.device.id.clone(),
        client: client.secure.client.ip(),
        user,
        whose,
        request: story.id().to_string(),
        app: story.line().app.as_deref().map(str::to_owned),
        at: core.gate.clock.now(),
    });
}
