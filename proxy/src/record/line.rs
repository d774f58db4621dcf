//! The lines of the record: one JSON object each. No query, cookie, token or header value is ever in one, but for the `Origin` of
//! a page that is refused.

use sekisho_policy::{Action, Usage};
use serde::{Deserialize, Serialize};

use super::chain::ChainHash;
use super::draft::Draft;
use super::event::Event;
use super::guard::Ended;
use super::{json, moment};
use crate::decide::{Basis, Snapshot};
use crate::forward::ForwardError;
use crate::sign_in::Asked;

/// What was decided on a request, and what it was answered. Written before the first byte of the answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Access {
    /// RFC 3339, UTC: when the request's head had been read.
    pub at: String,
    /// Names the request in the answer, in the app's headers and in its other lines.
    pub request: String,
    /// Client address and port.
    pub client: String,
    /// TLS connection, unique in one process.
    pub connection: u64,
    /// Device id; absent if none was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Content hash of the device's facts as policies saw them: a `facts` line of the same file has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_facts: Option<String>,
    /// `x5t#S256` of the certificate that was shown, hex; also when it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// `provider/subject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Public name of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Content hash of the facts about the person as policies saw them: a `facts` line of the same file has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_facts: Option<String>,
    /// What ties the credential to the device: `session`, `certificate` or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<String>,
    /// `credential_replayed`: whose session it was that another device showed, `provider/subject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stolen_user: Option<String>,
    /// `credential_replayed`: public name of that session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stolen_session: Option<String>,
    /// `credential_replayed`: the device that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stolen_from: Option<String>,
    /// The app; absent if the host names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The HTTP method. Of a request that was refused before it was understood, this and the next two are what it seems to ask for
    /// ([`Glimpse`](crate::read::Glimpse)), or empty.
    pub method: String,
    /// The canonical host.
    pub host: String,
    /// The canonical path, percent-encoded, without the query.
    pub path: String,
    /// `cross_site`, `foreign_origin`: the origin of the page that made a browser send it, as the browser says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: String,
    /// Whether it was let through.
    pub decision: Decision,
    /// Why, in one word of a closed list: `permitted`, or the refusal's name.
    pub reason: String,
    /// Ids of the policies that decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Content hash of the policy set that decided; absent if policy was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_set: Option<String>,
    /// When policy was asked, with the offset of the configured zone. With the fields up to `usage` it is the whole question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<String>,
    /// What would be done to the app, as policies call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// `requests_1m`, `bytes_1h` and `bytes_1d`, as policies saw them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<[u64; 3]>,
    /// What was asked of another sign-in: `max_age` in seconds, `acr_values`; absent if none was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_up: Option<Asked>,
    /// Denials: the nearest ways to a permit, each decided and found to permit it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<RecordedWay>,
    /// What the candidate policies would have answered; absent if that is the same, or if none are tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<CandidateSaid>,
    /// Status of the answer.
    pub status: u16,
    /// Declared length of the answer's body in bytes; absent if not declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
}

/// Facts that would have had to change for a permit, all of them.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct RecordedWay {
    /// Who can change them: `user`, `device`, `network`, `time` or `administrator`; of several, the one furthest from the user.
    pub by: String,
    /// Ids of the policies that would permit it.
    pub policies: Vec<String>,
    /// Ids of the forbids that it gets out of the way of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lifts: Vec<String>,
    /// `fact: what it is -> what it would have to be`.
    pub changes: Vec<String>,
}

/// Whether a request was let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It went to the app.
    Allow,
    /// It was refused: by policy, before policy was asked, or after it had said yes; then its end says what of its body the app had
    /// by that time.
    #[default]
    Deny,
    /// It was for the gate itself: sign-in and the like.
    Own,
}

impl Decision {
    /// What policy said of a request on which it was asked, and that was recorded with this reason. `None`: that cannot be told.
    pub fn of_policy(self, reason: &str) -> Option<bool> {
        match self {
            Self::Allow => Some(true),
            Self::Deny if ForwardError::refuses(reason) || reason == "panicked" => Some(true),
            Self::Deny if reason == "record_unavailable" => None,
            Self::Deny | Self::Own => Some(false),
        }
    }
}

/// What policies would have answered that are tried and decide nothing.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct CandidateSaid {
    /// Whether they would have let it through.
    pub decision: Decision,
    /// `permitted`, `no_permit`, `forbidden` or `evaluation_failed`.
    pub reason: String,
    /// Ids of the policies that would have decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Content hash of the set.
    pub policy_set: String,
}

/// What is about to go to an app and may change something there: written before its first byte does.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Start {
    /// RFC 3339, UTC.
    pub at: String,
    /// As in [`Access`].
    pub request: String,
    /// As in [`Access`].
    pub device: Option<String>,
    /// As in [`Access`].
    pub user: Option<String>,
    /// As in [`Access`].
    pub session: Option<String>,
    /// As in [`Access`].
    pub app: String,
    /// As in [`Access`].
    pub method: String,
    /// As in [`Access`].
    pub host: String,
    /// As in [`Access`].
    pub path: String,
    /// Ids of the policies that permitted it.
    pub policies: Vec<String>,
}

/// How an answer ended.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct End {
    /// RFC 3339, UTC.
    pub at: String,
    /// As in [`Access`].
    pub request: String,
    /// Bytes of the answer's body that were handed on to the client.
    pub sent: u64,
    /// Bytes of the request's body that were handed on to the app.
    pub received: u64,
    /// From the request's head to here, milliseconds.
    pub ms: u64,
    /// `complete`, `client_gone`, `app_failed` or `cut`.
    pub ending: String,
    /// `cut` because access had ended: why, a word of [`Cause`](crate::contain::Cause).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// How far a long stream has come, if no `end` is to be had.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Progress {
    /// RFC 3339, UTC.
    pub at: String,
    /// As in [`Access`].
    pub request: String,
    /// As in [`End`], up to here.
    pub sent: u64,
    /// As in [`End`], up to here.
    pub received: u64,
}

/// The record could not be written for a while; requests were refused meanwhile. Written when it can be again.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Gap {
    /// RFC 3339, UTC: when it could be written again.
    pub at: String,
    /// `access` lines that could not even be kept until now; among events: events. Their requests were refused.
    pub lost: u64,
}

/// The first line of a segment.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Open {
    /// RFC 3339, UTC.
    pub at: String,
    /// Version of Sekisho.
    pub version: String,
    /// Process id.
    pub process: u32,
    /// Name of the chain: the data core, from 0, or another writer.
    pub core: String,
    /// What the chain had before: its last line first. Further ones are of other chains that a crash left unfinished, and that this
    /// process does not go on with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<Follows>,
    /// What this process cut off segments of earlier ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repaired: Vec<Repaired>,
}

/// A line of an earlier segment.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Follows {
    /// Name of the file.
    pub segment: String,
    /// Number of its last line.
    pub seq: u64,
    /// Hash of its last line.
    pub chain: ChainHash,
}

/// A segment whose last line had no end.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Repaired {
    /// Name of the file. It is gone if it had no whole line.
    pub segment: String,
    /// Bytes that were cut off.
    pub bytes: u64,
}

/// The last line of a segment that was ended in order.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Close {
    /// RFC 3339, UTC.
    pub at: String,
    /// Lines of the segment before this one.
    pub lines: u64,
    /// Bytes of the segment before this line.
    pub bytes: u64,
}

impl Access {
    /// Notes what the decision rested on.
    pub fn rests_on(&mut self, basis: &Basis) {
        let Usage { requests_1m, bytes_1h, bytes_1d } = basis.usage;
        self.policy_set = Some(basis.policy_set.as_ref().to_owned());
        self.asked_at = Some(moment::write(basis.at));
        self.action = Some(basis.action);
        self.usage = Some([requests_1m, bytes_1h, bytes_1d]);
        if let Some(facts) = &basis.facts {
            self.device_facts = Some(facts.device.hex.as_ref().to_owned());
            self.session_facts = Some(facts.session.hex.as_ref().to_owned());
        }
    }
}

/// Appends a `facts` line: facts that lines of this file name by their hash.
///
/// `facts` comes last, and what stands between it and the last brace (in the segment: and `,"seq":`) is the very text that was hashed.
pub(super) fn write_facts(at: &str, kind: &str, snapshot: &Snapshot, out: &mut Vec<u8>) {
    let Snapshot { hex, json, .. } = snapshot;
    for part in [r#"{"line":"facts","at":""#, at, r#"","kind":""#, kind, r#"","hash":""#, hex, r#"","facts":"#, json, "}\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// One line, with its kind in the field `line`.
#[derive(Serialize)]
#[serde(tag = "line", rename_all = "lowercase")]
pub(super) enum Line<'a> {
    #[serde(skip)]
    Draft(&'a Draft),
    #[serde(skip)]
    Ended(&'a Ended),
    /// As a record of the past has it.
    #[cfg(test)]
    Access(&'a Access),
    Start(&'a Start),
    Progress(&'a Progress),
    Gap(&'a Gap),
    Event(&'a Event),
    Open(&'a Open),
    Close(&'a Close),
}

impl Line<'_> {
    /// The line as JSON with its newline. JSON escapes control characters, so one line is one event.
    pub(super) fn write_to(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match self {
            Line::Draft(line) => json::write_access(line, out)?,
            Line::Start(line) => json::write_start(line, out),
            Line::Ended(line) => json::write_end(line, out),
            _ => serde_json::to_writer(&mut *out, self)?,
        }
        out.push(b'\n');
        Ok(())
    }
}

impl Decision {
    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Own => "own",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_is_in_it() {
        let start = Start {
            at: "2026-01-01T00:00:00Z".into(),
            request: "a\nb\u{1b}\"".into(),
            device: None,
            user: None,
            session: None,
            app: "wiki".into(),
            method: "POST".into(),
            host: String::new(),
            path: "/\u{1}".into(),
            policies: vec!["a\tb".into()],
        };
        let mut out = Vec::new();
        Line::Start(&start).write_to(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.ends_with('\n') && !text.contains('\u{1b}'));
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["line"], "start");
        assert_eq!(serde_json::from_value::<Start>(back).unwrap(), start);
    }
}
