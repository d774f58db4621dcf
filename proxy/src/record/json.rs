//! Writes the lines that every request has as JSON, without a general serializer: the same text, byte for byte, at a fraction of
//! the cost. A test compares them.

use serde::Serialize;

use super::chain::push_number;
use super::line::{Access, End, Start};

/// An object under way. Absent and empty members are left out by who writes them.
struct Object<'a>(&'a mut Vec<u8>);

impl Object<'_> {
    /// A text; `name` is the member's name with all that stands around it, such as `,"at":`.
    fn text(&mut self, name: &str, value: &str) {
        self.0.extend_from_slice(name.as_bytes());
        push_text(value, self.0);
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// `null` if there is none.
    fn nullable(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => {
                self.0.extend_from_slice(name.as_bytes());
                self.0.extend_from_slice(b"null");
            }
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        self.0.extend_from_slice(name.as_bytes());
        push_number(value, self.0);
    }

    fn texts(&mut self, name: &str, values: &[String]) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'[');
        for (n, value) in values.iter().enumerate() {
            if n > 0 {
                self.0.push(b',');
            }
            push_text(value, self.0);
        }
        self.0.push(b']');
    }

    /// What few lines have.
    fn rare(&mut self, name: &str, value: &impl Serialize) -> Result<(), serde_json::Error> {
        self.0.extend_from_slice(name.as_bytes());
        serde_json::to_writer(&mut *self.0, value)
    }
}

/// Appends an `access` line without its newline.
pub(super) fn write_access(line: &Access, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    // A field that is added must be written too.
    let Access {
        at,
        request,
        client,
        connection,
        device,
        device_facts,
        certificate,
        user,
        session,
        session_facts,
        binding,
        stolen_user,
        stolen_session,
        stolen_from,
        app,
        method,
        host,
        path,
        protocol,
        decision,
        reason,
        policies,
        policy_set,
        asked_at,
        action,
        usage,
        step_up,
        ways,
        candidate,
        status,
        length,
    } = line;
    out.reserve(USUAL);
    let mut object = Object(out);
    object.text(r#"{"line":"access","at":"#, at);
    object.text(r#","request":"#, request);
    object.text(r#","client":"#, client);
    object.number(r#","connection":"#, *connection);
    object.optional(r#","device":"#, device.as_deref());
    object.optional(r#","device_facts":"#, device_facts.as_deref());
    object.optional(r#","certificate":"#, certificate.as_deref());
    object.optional(r#","user":"#, user.as_deref());
    object.optional(r#","session":"#, session.as_deref());
    object.optional(r#","session_facts":"#, session_facts.as_deref());
    object.optional(r#","binding":"#, binding.as_deref());
    object.optional(r#","stolen_user":"#, stolen_user.as_deref());
    object.optional(r#","stolen_session":"#, stolen_session.as_deref());
    object.optional(r#","stolen_from":"#, stolen_from.as_deref());
    object.optional(r#","app":"#, app.as_deref());
    object.text(r#","method":"#, method);
    object.text(r#","host":"#, host);
    object.text(r#","path":"#, path);
    object.text(r#","protocol":"#, protocol);
    object.text(r#","decision":"#, decision.as_str());
    object.text(r#","reason":"#, reason);
    if !policies.is_empty() {
        object.texts(r#","policies":"#, policies);
    }
    object.optional(r#","policy_set":"#, policy_set.as_deref());
    object.optional(r#","asked_at":"#, asked_at.as_deref());
    object.optional(r#","action":"#, action.map(sekisho_policy::Action::as_str));
    if let Some([requests_1m, bytes_1h, bytes_1d]) = *usage {
        object.number(r#","usage":["#, requests_1m);
        object.number(",", bytes_1h);
        object.number(",", bytes_1d);
        object.0.push(b']');
    }
    if let Some(asked) = step_up {
        object.rare(r#","step_up":"#, asked)?;
    }
    if !ways.is_empty() {
        object.rare(r#","ways":"#, ways)?;
    }
    if let Some(said) = candidate {
        object.rare(r#","candidate":"#, said)?;
    }
    object.number(r#","status":"#, (*status).into());
    if let Some(length) = length {
        object.number(r#","length":"#, *length);
    }
    out.push(b'}');
    Ok(())
}

/// Appends a `start` line without its newline.
pub(super) fn write_start(line: &Start, out: &mut Vec<u8>) {
    // A field that is added must be written too.
    let Start { at, request, device, user, session, app, method, host, path, policies } = line;
    out.reserve(USUAL);
    let mut object = Object(out);
    object.text(r#"{"line":"start","at":"#, at);
    object.text(r#","request":"#, request);
    object.nullable(r#","device":"#, device.as_deref());
    object.nullable(r#","user":"#, user.as_deref());
    object.nullable(r#","session":"#, session.as_deref());
    object.text(r#","app":"#, app);
    object.text(r#","method":"#, method);
    object.text(r#","host":"#, host);
    object.text(r#","path":"#, path);
    object.texts(r#","policies":"#, policies);
    out.push(b'}');
}

/// Appends an `end` line without its newline.
pub(super) fn write_end(line: &End, out: &mut Vec<u8>) {
    // A field that is added must be written too.
    let End { at, request, sent, received, ms, ending, cause } = line;
    out.reserve(USUAL / 4);
    let mut object = Object(out);
    object.text(r#"{"line":"end","at":"#, at);
    object.text(r#","request":"#, request);
    object.number(r#","sent":"#, *sent);
    object.number(r#","received":"#, *received);
    object.number(r#","ms":"#, *ms);
    object.text(r#","ending":"#, ending);
    object.optional(r#","cause":"#, cause.as_deref());
    out.push(b'}');
}

/// A JSON text as serde_json writes it.
fn push_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.push(b'"');
    // Without branches, so that it is looked at many bytes at a time.
    let plain = bytes.iter().fold(true, |plain, byte| plain & (*byte >= 0x20) & (*byte != b'"') & (*byte != b'\\'));
    if plain {
        out.extend_from_slice(bytes);
    } else {
        bytes.iter().for_each(|byte| push_escaped(*byte, out));
    }
    out.push(b'"');
}

fn push_escaped(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        0..=0x1f => {
            let low = byte & 15;
            out.extend_from_slice(b"\\u00");
            out.push(b'0' + (byte >> 4));
            out.push(if low < 10 { b'0' + low } else { b'a' + low - 10 });
            return;
        }
        _ => {
            out.push(byte);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Room for a line of the usual length.
const USUAL: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sekisho_policy::Action;

    use super::*;
    use crate::record::line::{CandidateSaid, Decision, RecordedWay};
    use crate::sign_in::Asked;

    #[derive(Serialize)]
    #[serde(tag = "line", rename_all = "lowercase")]
    enum BySerde<'a> {
        Access(&'a Access),
        Start(&'a Start),
        End(&'a End),
    }

    fn by_serde(line: &BySerde<'_>) -> String {
        serde_json::to_string(line).unwrap()
    }

    /// Any text, those with much to escape more often.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z0-9/.-]{0,40}", "[\\x00-\\x7f]{0,12}", "\\PC{0,12}", any::<String>()]
    }

    fn maybe() -> impl Strategy<Value = Option<String>> {
        proptest::option::of(text())
    }

    fn texts() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec(text(), 0..3)
    }

    prop_compose! {
        fn ways()(by in text(), policies in texts(), lifts in texts(), changes in texts()) -> Vec<RecordedWay> {
            if by.len() % 2 == 0 { Vec::new() } else { vec![RecordedWay { by, policies, lifts, changes }] }
        }
    }

    prop_compose! {
        fn access()(
            some in proptest::collection::vec(maybe(), 12), all in proptest::collection::vec(text(), 8),
            policies in texts(), ways in ways(), connection: u64, status: u16, length: Option<u64>, usage: Option<[u64; 3]>,
            action in proptest::option::of(proptest::sample::select(&Action::ALL[..])),
            decision in proptest::sample::select(&[Decision::Allow, Decision::Deny, Decision::Own][..]),
            max_age: Option<u64>, candidate: bool,
        ) -> Access {
            let [at, request, client, method, host, path, protocol, reason] = all.try_into().unwrap();
            let [device, device_facts, certificate, user, session, session_facts, binding, stolen_user, stolen_session,
                stolen_from, app, policy_set] = some.try_into().unwrap();
            let said = CandidateSaid { decision, reason: path.clone(), policies: policies.clone(), policy_set: host.clone() };
            Access {
                asked_at: policy_set.clone(),
                step_up: max_age.map(|age| Asked { max_age: Some(age), acr_values: policies.clone() }),
                candidate: candidate.then_some(said),
                at, request, client, connection, device, device_facts, certificate, user, session, session_facts, binding,
                stolen_user, stolen_session, stolen_from, app, method, host, path, protocol, decision, reason, policies,
                policy_set, action, usage, ways, status, length,
            }
        }
    }

    proptest! {
        #[test]
        fn an_access_line_is_what_serde_makes_of_it(line in access()) {
            let mut out = Vec::new();
            write_access(&line, &mut out).unwrap();
            prop_assert_eq!(String::from_utf8(out).unwrap(), by_serde(&BySerde::Access(&line)));
        }

        #[test]
        fn start_and_end_lines_are_what_serde_makes_of_them(
            access in access(), sent: u64, received: u64, ms: u64,
        ) {
            let mut out = Vec::new();
            let Access { at, request, device, user, session, app, method, host, path, policies, reason, .. } = access;
            let end = End { at: at.clone(), request: request.clone(), sent, received, ms, ending: reason, cause: user.clone() };
            write_end(&end, &mut out);
            prop_assert_eq!(String::from_utf8(std::mem::take(&mut out)).unwrap(), by_serde(&BySerde::End(&end)));
            let start =
                Start { at, request, device, user, session, app: app.unwrap_or_default(), method, host, path, policies };
            write_start(&start, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), by_serde(&BySerde::Start(&start)));
        }
    }
}
