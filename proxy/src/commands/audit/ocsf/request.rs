//! Requests: HTTP Activity, and Authentication where somebody was on the way to sign in.

use serde_json::{Value, json};

use super::base::{
    AUTHENTICATION, Draft, FAILURE, HIGH, HTTP, INFORMATIONAL, LOW, OTHER, SUCCESS, UNKNOWN, client, device, session, some_user,
    user,
};
use crate::record::read::{Bytes, Request};
use crate::record::{Access, Decision};

/// The event of a request.
pub(super) fn event(request: &Request) -> Value {
    match &request.access {
        Some(access) if access.decision == Decision::Own && SIGN_IN.contains(&access.reason.as_str()) => {
            signing_in(request, access)
        }
        Some(access) => http(request, access),
        None => unanswered(request),
    }
}

fn http(request: &Request, access: &Access) -> Value {
    let (activity, name) = activity(&access.method);
    let mut draft = Draft::new(HTTP, activity, name, &access.at, &request.place);
    draft.profiles(&["host", "security_control"]);
    draft.correlate(Some(&access.request));
    let denied = access.decision == Decision::Deny;
    draft.severity(match access.reason.as_str() {
        "credential_replayed" => HIGH,
        _ if denied => LOW,
        _ => INFORMATIONAL,
    });
    draft.status(if denied || access.status >= 400 { FAILURE } else { SUCCESS });
    draft.set("status_code", json!(access.status.to_string()));
    draft.set("status_detail", json!(access.reason));
    draft.set("message", json!(message(access)));
    let (disposition, disposition_name) = disposition(request, access);
    draft.set("action_id", json!(if denied { 2 } else { 1 }));
    draft.set("action", json!(if denied { "Denied" } else { "Allowed" }));
    draft.set("disposition_id", json!(disposition));
    draft.set("disposition", json!(disposition_name));
    let decided = if access.decision.of_policy(&access.reason) == Some(false) { "deny" } else { "allow" };
    let policies =
        access.policies.iter().map(|policy| json!({ "decision": decided, "policy": { "name": policy, "uid": policy } }));
    draft.set("authorizations", policies.collect());
    draft.set("policy", policy(access));
    parties(&mut draft, access);
    draft.set("app_name", json!(access.app));
    draft.set("dst_endpoint", json!({ "hostname": some(&access.host), "svc_name": access.app }));
    exchange(&mut draft, request, access);
    duration(&mut draft, request);
    let Request { end, .. } = request;
    draft.set(
        "unmapped",
        json!({
            "decision": access.decision.as_str(),
            "ending": request.ending(),
            "bytes_exact": end.is_some(),
            "action": access.action,
            "binding": access.binding,
            "certificate_sha256": access.certificate,
            "stolen_user": access.stolen_user,
            "stolen_session": access.stolen_session,
            "stolen_from": access.stolen_from,
        }),
    );
    draft.done()
}

/// It went to the app, and nothing says what came of it.
fn unanswered(request: &Request) -> Value {
    let Some(start) = &request.start else { return Value::Null };
    let (activity, name) = activity(&start.method);
    let mut draft = Draft::new(HTTP, activity, name, &start.at, &request.place);
    draft.profiles(&["host", "security_control"]);
    draft.correlate(Some(&start.request));
    draft.severity(INFORMATIONAL);
    draft.status(UNKNOWN);
    draft.set("message", json!(format!("{} {} went to {}, and no answer is recorded", start.method, start.path, start.app)));
    draft.set("action_id", json!(1));
    draft.set("action", json!("Allowed"));
    draft.set("disposition_id", json!(1));
    draft.set("disposition", json!("Allowed"));
    let policies =
        start.policies.iter().map(|policy| json!({ "decision": "allow", "policy": { "name": policy, "uid": policy } }));
    draft.set("authorizations", policies.collect());
    draft.set("device", device(start.device.as_deref()));
    let (who, on) = (start.user.as_deref(), start.session.as_deref());
    draft.set("actor", json!({ "user": user(who), "session": session(on, who) }));
    draft.set("app_name", json!(start.app));
    draft.set("dst_endpoint", json!({ "hostname": some(&start.host), "svc_name": start.app }));
    draft.set("http_request", http_request(&start.request, &start.method, &start.host, &start.path, None, request.received()));
    draft.set("traffic", traffic(request));
    draft.set("unmapped", json!({ "decision": "allow", "ending": request.ending(), "bytes_exact": false }));
    draft.done()
}

/// A step on the way to a session, or out of it. That somebody signed in or out is an event of its own.
fn signing_in(request: &Request, access: &Access) -> Value {
    let (activity, name) = match access.reason.as_str() {
        "sign_in" => (PREAUTH, "Preauth"),
        "callback" => (OTHER, "Callback"),
        "backchannel_logout" => (OTHER, "Back-channel logout"),
        _ => (OTHER, "Sign-out page"),
    };
    let mut draft = Draft::new(AUTHENTICATION, activity, name, &access.at, &request.place);
    draft.profiles(&["host"]);
    draft.correlate(Some(&access.request));
    draft.severity(INFORMATIONAL);
    draft.status(if access.status >= 400 { FAILURE } else { SUCCESS });
    draft.set("status_code", json!(access.status.to_string()));
    draft.set("status_detail", json!(access.reason));
    draft.set("message", json!(message(access)));
    draft.set("user", some_user(access.user.as_deref()));
    draft.set("session", session(access.session.as_deref(), access.user.as_deref()));
    draft.set("service", json!({ "name": "Sekisho" }));
    draft.set("auth_protocol_id", json!(4));
    draft.set("auth_protocol", json!("OpenID"));
    draft.set("is_remote", json!(true));
    draft.set("dst_endpoint", json!({ "hostname": some(&access.host) }));
    parties(&mut draft, access);
    let Access { request: id, method, host, path, protocol, .. } = access;
    draft.set("http_request", http_request(id, method, host, path, Some(protocol), request.received()));
    draft.set("http_response", json!({ "code": access.status, "body_length": amount(request.sent()) }));
    duration(&mut draft, request);
    draft.done()
}

fn parties(draft: &mut Draft, access: &Access) {
    draft.set("device", device(access.device.as_deref()));
    let (who, on) = (access.user.as_deref(), access.session.as_deref());
    draft.set("actor", json!({ "user": user(who), "session": session(on, who) }));
    draft.set("src_endpoint", client(&access.client));
}

fn exchange(draft: &mut Draft, request: &Request, access: &Access) {
    let Access { request: id, method, host, path, protocol, .. } = access;
    draft.set("http_request", http_request(id, method, host, path, Some(protocol), request.received()));
    draft.set("http_response", json!({ "code": access.status, "body_length": amount(request.sent()) }));
    draft.set("traffic", traffic(request));
}

fn http_request(id: &str, method: &str, host: &str, path: &str, protocol: Option<&str>, received: Bytes) -> Value {
    let known = METHODS.iter().any(|(known, _, _)| *known == method);
    // What could not be read has neither.
    let url = (!path.is_empty()).then(
        || json!({ "scheme": "https", "hostname": some(host), "path": path, "url_string": format!("https://{host}{path}") }),
    );
    json!({
        "uid": id,
        "http_method": known.then_some(method),
        "url": url,
        "version": protocol.and_then(|protocol| protocol.strip_prefix("HTTP/")),
        "body_length": amount(received),
    })
}

/// As the client sees it: the answer comes in, what it uploads goes out.
fn traffic(request: &Request) -> Value {
    let (sent, received) = (amount(request.sent()), amount(request.received()));
    json!({ "bytes_in": sent, "bytes_out": received, "bytes": sent.saturating_add(received) })
}

fn amount(bytes: Bytes) -> u64 {
    let (Bytes::Exactly(bytes) | Bytes::AtLeast(bytes)) = bytes;
    bytes
}

fn duration(draft: &mut Draft, request: &Request) {
    let Some(end) = &request.end else { return };
    let ms = |text: &str| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
    draft.set("start_time", json!(ms(request.at())));
    draft.set("end_time", json!(ms(&end.at)));
    draft.set("duration", json!(end.ms));
}

/// The policy set that decided; its name are the ids of the policies.
fn policy(access: &Access) -> Value {
    let name = some(&access.policies.join(", ")).map(str::to_owned);
    if name.is_none() && access.policy_set.is_none() {
        return Value::Null;
    }
    json!({ "uid": access.policy_set, "name": name, "type": "Cedar", "is_applied": true })
}

fn disposition(request: &Request, access: &Access) -> (u32, &'static str) {
    match access.decision {
        Decision::Deny => match access.status {
            401 => (26, "Unauthorized"),
            500.. => (27, "Error"),
            _ => (2, "Blocked"),
        },
        _ if request.ending() == "cut" => (24, "Access Revoked"),
        _ => (1, "Allowed"),
    }
}

fn message(access: &Access) -> String {
    let Access { method, path, host, reason, status, .. } = access;
    let who = access.user.as_deref().unwrap_or("somebody");
    let device = access.device.as_deref().map_or_else(String::new, |device| format!(" on {device}"));
    format!("{who}{device}: {method} https://{host}{path}: {}, {reason}, {status}", access.decision.as_str())
}

fn activity(method: &str) -> (u32, &str) {
    if method.is_empty() {
        return (UNKNOWN, "Unknown");
    }
    let known = METHODS.iter().find(|(known, _, _)| *known == method);
    known.map_or((OTHER, method), |(_, activity, name)| (*activity, *name))
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

const METHODS: [(&str, u32, &str); 9] = [
    ("CONNECT", 1, "Connect"),
    ("DELETE", 2, "Delete"),
    ("GET", 3, "Get"),
    ("HEAD", 4, "Head"),
    ("OPTIONS", 5, "Options"),
    ("POST", 6, "Post"),
    ("PUT", 7, "Put"),
    ("TRACE", 8, "Trace"),
    ("PATCH", 9, "Patch"),
];
/// The gate's own addresses that have to do with signing in.
const SIGN_IN: [&str; 4] = ["sign_in", "callback", "sign_out", "backchannel_logout"];
const PREAUTH: u32 = 6;
