//! What a person sees.

use http::Response;

use super::person::with_forms;
use super::view::View;
use crate::clock::Timestamp;
use crate::console::{
    Action, DevicesPage, InvitedPage, OwnDeviceLine, OwnInvitationLine, OwnSessionLine, SignedOutPage, SurePage,
};
use crate::journey::body::Body;
use crate::journey::own::page;

/// Everything that is theirs.
pub(super) fn devices(host: &str, view: &View) -> Response<Body> {
    let enrolled: Vec<String> = view.devices.iter().map(|device| day(&device.enrolled_at)).collect();
    let devices: Vec<OwnDeviceLine<'_>> = view
        .devices
        .iter()
        .zip(&enrolled)
        .map(|(device, enrolled)| OwnDeviceLine {
            id: &device.id,
            label: device.label.as_deref().unwrap_or_default(),
            status: device.status,
            platform: device.platform,
            key: key(device.key_protection),
            enrolled,
            this: device.this,
        })
        .collect();
    let until: Vec<String> = view.invitations.iter().map(|open| minute(&open.expires_at)).collect();
    let invitations: Vec<OwnInvitationLine<'_>> =
        view.invitations.iter().zip(&until).map(|(open, until)| OwnInvitationLine { id: &open.id, until }).collect();
    let times: Vec<[String; 3]> = view
        .sessions
        .iter()
        .map(|session| [&session.begun_at, &session.last_used, &session.expires_at].map(|time| minute(time)))
        .collect();
    let sessions: Vec<OwnSessionLine<'_>> = view
        .sessions
        .iter()
        .zip(&times)
        .map(|(session, [since, used, until])| OwnSessionLine {
            id: &session.id,
            device: session.label.as_deref().unwrap_or(&session.device),
            since,
            used,
            until,
            this: session.this,
        })
        .collect();
    let shown = DevicesPage {
        host,
        devices: &devices,
        invitations: &invitations,
        sessions: &sessions,
        self_service: view.self_service,
        token: &view.token,
    };
    with_forms(page(shown.render()))
}

/// The code, this once.
pub(super) fn invited(host: &str, code: &str, command: &str, until: Timestamp, approval: bool) -> Response<Body> {
    page(InvitedPage { host, code, command, until: &minute(&until.to_string()), approval }.render())
}

/// Whether they mean it. `this`: it is the device that they are on.
pub(super) fn sure(host: &str, device: &str, this: bool, token: &str) -> Response<Body> {
    let what = if this {
        "It is the device that you are using now. Its certificate opens nothing any more, whatever is open on it is cut, and you are \
         signed out on it. To use it again it has to be enrolled anew."
    } else {
        "Its certificate opens nothing any more, whatever is open on it is cut, and you are signed out on it. To use it again it has \
         to be enrolled anew."
    };
    let title = format!("Retire {device}?");
    let fields = [("token", token), ("act", "retire"), ("id", device), ("sure", "yes")];
    with_forms(page(SurePage { host, title: &title, what, label: "Retire it for good", fields: &fields }.render()))
}

/// Of the device that the page is shown on.
pub(super) fn retired(host: &str) -> Response<Body> {
    let enrol = Action::link("Enrol this device again", "/.sekisho/enroll");
    page(SignedOutPage { host, still_at: None, sign_in: enrol, provider_sign_out: None }.render())
}

fn key(protection: &str) -> &'static str {
    match protection {
        "tpm" => "key in its TPM",
        "os" => "key in its system's store",
        _ => "key in a file",
    }
}

/// `2026-11-23` of a time.
fn day(time: &str) -> String {
    time.get(..10).unwrap_or(time).to_owned()
}

/// `2026-11-23 09:41 UTC` of a time.
fn minute(time: &str) -> String {
    match (time.get(..10), time.get(11..16)) {
        (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
        _ => time.to_owned(),
    }
}
