//! Events: sign-ins, levers, signals, and what happened to the gate itself.

use serde_json::{Value, json};

use super::base::{
    ACCOUNT, AUTHENTICATION, BASE, Class, Draft, ENTITY, ERROR, FAILURE, FINDING, HIGH, INFORMATIONAL, LIFECYCLE, LOW, MEDIUM,
    OTHER, SUCCESS, device, product, session, some_user, user,
};
use crate::record::EventLine;
use crate::record::read::Place;
use crate::record::{EventKind, Gap};

/// The class, the activity with its name, whether it succeeded, and how serious it is.
type Sort = (Class, u32, &'static str, u32, u32);

/// The event of an event.
pub(super) fn event(happened: &EventLine, place: &Place) -> Value {
    let kind = EventKind::ALL.into_iter().find(|kind| kind.as_str() == happened.event);
    let (class, activity, name, status, severity) = kind.map_or((BASE, OTHER, "", SUCCESS, INFORMATIONAL), sort);
    // What the class has no number for is called what we call it.
    let name = if activity == OTHER { happened.event.as_str() } else { name };
    let mut draft = Draft::new(class, activity, name, &happened.at, place);
    draft.correlate(happened.request.as_deref());
    draft.severity(severity);
    draft.set("message", json!(message(happened)));
    draft.set("status_detail", json!(happened.detail.as_ref().or(happened.why.as_ref())));
    if class == FINDING {
        finding(&mut draft, happened, place);
    } else {
        draft.status(status);
        subject(&mut draft, class, happened);
    }
    draft.set(
        "unmapped",
        json!({ "event": happened.event, "by": happened.by, "why": happened.why, "detail": happened.detail, "app": happened.app }),
    );
    draft.done()
}

/// Where the record does not tell everything.
pub(super) fn gap(gap: &Gap, place: &Place) -> Value {
    let mut draft = Draft::new(ERROR, 1, "General Error", &gap.at, place);
    draft.severity(MEDIUM);
    draft.status(FAILURE);
    draft.set(
        "message",
        json!(format!("the record could not be written for a while: lines of refused requests that are lost: {}", gap.lost)),
    );
    draft.set("unmapped", json!({ "lost": gap.lost }));
    draft.done()
}

fn sort(kind: EventKind) -> Sort {
    use EventKind as Kind;
    match kind {
        Kind::SignedIn => (AUTHENTICATION, 1, "Logon", SUCCESS, INFORMATIONAL),
        Kind::SignInFailed => (AUTHENTICATION, 1, "Logon", FAILURE, LOW),
        Kind::SignedOut | Kind::SessionEnded => (AUTHENTICATION, 2, "Logoff", SUCCESS, INFORMATIONAL),
        Kind::FactsRefused => (AUTHENTICATION, 2, "Logoff", SUCCESS, MEDIUM),
        Kind::FactsChanged => (ACCOUNT, OTHER, "", SUCCESS, INFORMATIONAL),
        Kind::DeviceInvited | Kind::DeviceAdded => (ENTITY, 1, "Create", SUCCESS, INFORMATIONAL),
        Kind::DeviceEnrolled => (ENTITY, 6, "Enroll", SUCCESS, INFORMATIONAL),
        Kind::DeviceApproved => (ENTITY, 10, "Activate", SUCCESS, INFORMATIONAL),
        Kind::DeviceOwned | Kind::DeviceRenewed | Kind::DeviceChanged => (ENTITY, 3, "Update", SUCCESS, INFORMATIONAL),
        Kind::DeviceQuarantined => (ENTITY, 12, "Suspend", SUCCESS, MEDIUM),
        Kind::DeviceReleased => (ENTITY, 13, "Resume", SUCCESS, INFORMATIONAL),
        Kind::DeviceRetired => (ENTITY, 7, "Unenroll", SUCCESS, INFORMATIONAL),
        Kind::UserSuspended => (ACCOUNT, 5, "Disable", SUCCESS, MEDIUM),
        // What they may do is what policies say of the group.
        Kind::AdministratorAdded => (ACCOUNT, 7, "Attach Policy", SUCCESS, MEDIUM),
        Kind::AdministratorRemoved => (ACCOUNT, 8, "Detach Policy", SUCCESS, INFORMATIONAL),
        Kind::BreakGlassBegun => (ACCOUNT, 2, "Enable", SUCCESS, HIGH),
        Kind::BreakGlassUsed => (AUTHENTICATION, 1, "Logon", SUCCESS, HIGH),
        Kind::BreakGlassEnded => (ACCOUNT, 5, "Disable", SUCCESS, MEDIUM),
        Kind::UserResumed => (ACCOUNT, 2, "Enable", SUCCESS, INFORMATIONAL),
        Kind::CredentialReplayed | Kind::CertificateCopied | Kind::CodeShownAgain => (FINDING, 1, "Create", SUCCESS, HIGH),
        Kind::TwoNetworks | Kind::DenialBurst | Kind::FormerKeyShown => (FINDING, 1, "Create", SUCCESS, MEDIUM),
        Kind::GateStarted => (LIFECYCLE, 3, "Start", SUCCESS, INFORMATIONAL),
        Kind::GateStopped => (LIFECYCLE, 4, "Stop", SUCCESS, INFORMATIONAL),
        Kind::PoliciesLoaded | Kind::ConfigurationLoaded => (LIFECYCLE, 8, "Update", SUCCESS, INFORMATIONAL),
        Kind::ReloadRefused => (LIFECYCLE, 8, "Update", FAILURE, LOW),
        Kind::ClockUnsure | Kind::ProviderLost => (ERROR, 1, "General Error", FAILURE, MEDIUM),
        Kind::ClockSure | Kind::ProviderBack => (LIFECYCLE, 6, "Enable", SUCCESS, INFORMATIONAL),
    }
}

/// What it was done to, as the class calls that.
fn subject(draft: &mut Draft, class: Class, happened: &EventLine) {
    let EventLine { by, why, .. } = happened;
    let (on, who, id) = (happened.device.as_deref(), happened.user.as_deref(), happened.session.as_deref());
    if class == AUTHENTICATION || class == ACCOUNT || class == ENTITY {
        draft.set("actor", json!({ "user": by_whom(by.as_deref()) }));
    }
    if class == AUTHENTICATION {
        draft.profiles(&["host"]);
        draft.set("user", some_user(who));
        draft.set("session", session(id, who));
        draft.set("device", device(on));
        draft.set("service", json!({ "name": "Sekisho" }));
        draft.set("auth_protocol_id", json!(4));
        draft.set("auth_protocol", json!("OpenID"));
        draft.set("is_remote", json!(true));
    } else if class == ACCOUNT {
        draft.set("user", some_user(who));
    } else if class == ENTITY {
        let name = on.unwrap_or("unknown");
        draft.set("entity", json!({ "uid": name, "name": name, "type_id": 1, "type": "Device", "device": device(on) }));
        draft.set("comment", json!(why));
    } else if class == LIFECYCLE {
        draft.set("app", product());
    }
}

fn finding(draft: &mut Draft, happened: &EventLine, place: &Place) {
    let title = match happened.event.as_str() {
        "credential_replayed" => "A session or token was shown by another device than its own",
        "certificate_copied" => "A device's key was renewed twice with different new keys: there is a copy of it",
        "code_shown_again" => "A used enrolment code was shown again with another key",
        "former_key_shown" => "A key was shown that its device had before, and has no more",
        "two_networks" => "One device was active from two networks at the same time",
        _ => "A device was refused very often in a short time",
    };
    let at = happened.at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
    let uid = format!("{}:{}", place.segment.name(), place.number);
    let analytic = json!({ "name": happened.event, "uid": happened.event, "type_id": 1, "type": "Rule" });
    let info = json!({ "uid": uid, "title": title, "desc": happened.detail, "analytic": analytic, "created_time": at });
    draft.set("finding_info", info);
    draft.set("is_alert", json!(true));
    draft.set("status_id", json!(1));
    draft.set("status", json!("New"));
    let sure = matches!(happened.event.as_str(), "credential_replayed" | "certificate_copied" | "code_shown_again");
    draft.set("confidence_id", json!(if sure { 3 } else { 2 }));
    draft.set("confidence", json!(if sure { "High" } else { "Medium" }));
    draft.set("device", device(happened.device.as_deref()));
    let (who, id) = (happened.user.as_deref(), happened.session.as_deref());
    let evidence =
        json!({ "device": device(happened.device.as_deref()), "user": user(who), "actor": { "session": session(id, who) } });
    draft.set("evidences", json!([evidence]));
}

/// Who did it: `uid:1000`, `user:corp/ana`, `device:lap-7`, `administrator:corp/ana (lap-7)` or `system:upkeep`.
fn by_whom(by: Option<&str>) -> Value {
    let Some(by) = by else { return Value::Null };
    match by.split_once(':') {
        Some(("uid" | "administrator", _)) => json!({ "name": by, "type_id": 2, "type": "Admin" }),
        Some(("user", id)) => user(Some(id)),
        Some(("system" | "source", _)) => json!({ "name": by, "type_id": 3, "type": "System" }),
        _ => json!({ "name": by, "type_id": 0, "type": "Unknown" }),
    }
}

fn message(happened: &EventLine) -> String {
    let EventLine { event, by, why, device, user, session, .. } = happened;
    let about: Vec<&str> = [user, device, session].into_iter().flatten().map(String::as_str).collect();
    let mut message = event.replace('_', " ");
    if !about.is_empty() {
        message = format!("{message}: {}", about.join(", "));
    }
    for (word, text) in [("by", by), ("why", why)] {
        if let Some(text) = text {
            message = format!("{message}; {word}: {text}");
        }
    }
    message
}
