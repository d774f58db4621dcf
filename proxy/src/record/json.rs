//! Writes the lines that every request has as JSON, without a general serializer: the same text, byte for byte, at a fraction of
//! the cost. A test compares them.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Method;
use sekisho_policy::Usage;
use serde::Serialize;

use super::chain::push_number;
use super::draft::{self, Draft};
use super::guard::Ended;
use super::line::{CandidateSaid, RecordedWay, Start};
use super::moment;
use crate::clock::Timestamp;
use crate::config::Host;
use crate::contain::Cause;
use crate::decide::Basis;
use crate::inventory::{DeviceId, UserId};
use crate::read::{Glimpse, RequestId};
use crate::sign_in::Asked;

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

    /// A text in which nothing has to be escaped.
    fn quoted(&mut self, name: &str, value: &[u8]) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'"');
        self.0.extend_from_slice(value);
        self.0.push(b'"');
    }

    fn time(&mut self, name: &str, at: Timestamp) {
        match at.rfc3339() {
            Some(text) => self.quoted(name, &text),
            None => self.text(name, &at.to_string()),
        }
    }

    fn request(&mut self, name: &str, request: RequestId) {
        self.quoted(name, &request.hex());
    }

    fn address(&mut self, name: &str, address: SocketAddr) {
        let SocketAddr::V4(address) = address else {
            return self.text(name, &address.to_string());
        };
        self.0.extend_from_slice(name.as_bytes());
        let [a, b, c, d] = address.ip().octets();
        for (mark, number) in [(b'"', a), (b'.', b), (b'.', c), (b'.', d)] {
            self.0.push(mark);
            push_number(number.into(), self.0);
        }
        self.0.push(b':');
        push_number(address.port().into(), self.0);
        self.0.push(b'"');
    }

    fn person(&mut self, name: &str, user: Option<&UserId>) {
        let Some(UserId { provider, subject }) = user else { return };
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'"');
        push_escaped(provider, self.0);
        self.0.push(b'/');
        push_escaped(subject, self.0);
        self.0.push(b'"');
    }

    fn asked(&mut self, asked: Option<&(Method, Host, Arc<str>)>, seen: Option<&Glimpse>) {
        if let Some((method, host, path)) = asked {
            self.quoted(r#","method":"#, method.as_str().as_bytes());
            self.quoted(r#","host":"#, host.as_str().as_bytes());
            self.text(r#","path":"#, path);
            return;
        }
        let [method, host, path] = draft::target(asked, seen);
        self.text(r#","method":"#, method);
        self.text(r#","host":"#, host);
        self.text(r#","path":"#, path);
    }

    fn basis(&mut self, basis: &Basis) {
        let Usage { requests_1m, bytes_1h, bytes_1d } = basis.usage;
        self.text(r#","policy_set":"#, &basis.policy_set);
        match moment::text(basis.at) {
            Some(text) => self.quoted(r#","asked_at":"#, &text),
            None => self.text(r#","asked_at":"#, &moment::write(basis.at)),
        }
        self.quoted(r#","action":"#, basis.action.as_str().as_bytes());
        self.usage([requests_1m, bytes_1h, bytes_1d]);
    }

    fn usage(&mut self, [requests_1m, bytes_1h, bytes_1d]: [u64; 3]) {
        self.number(r#","usage":["#, requests_1m);
        self.number(",", bytes_1h);
        self.number(",", bytes_1d);
        self.0.push(b']');
    }

    /// What few lines have.
    fn rest(
        &mut self,
        step_up: Option<&Asked>,
        ways: &[RecordedWay],
        candidate: Option<&CandidateSaid>,
    ) -> Result<(), serde_json::Error> {
        if let Some(asked) = step_up {
            self.rare(r#","step_up":"#, asked)?;
        }
        if !ways.is_empty() {
            self.rare(r#","ways":"#, &ways)?;
        }
        candidate.map_or(Ok(()), |said| self.rare(r#","candidate":"#, said))
    }

    fn texts(&mut self, name: &str, values: &[impl AsRef<str>]) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'[');
        for (n, value) in values.iter().enumerate() {
            if n > 0 {
                self.0.push(b',');
            }
            push_text(value.as_ref(), self.0);
        }
        self.0.push(b']');
    }

    fn rare(&mut self, name: &str, value: &impl Serialize) -> Result<(), serde_json::Error> {
        self.0.extend_from_slice(name.as_bytes());
        serde_json::to_writer(&mut *self.0, value)
    }
}

/// Appends an `access` line without its newline.
pub(super) fn write_access(draft: &Draft, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    // A field that is added must be written too.
    let Draft {
        at,
        request,
        client,
        connection,
        device,
        certificate,
        user,
        session,
        binding,
        stolen,
        app,
        asked,
        seen,
        origin,
        protocol,
        decision,
        reason,
        policies,
        basis,
        step_up,
        ways,
        candidate,
        status,
        length,
    } = draft;
    let facts = draft.facts();
    out.reserve(USUAL);
    let mut object = Object(out);
    object.time(r#"{"line":"access","at":"#, *at);
    object.request(r#","request":"#, *request);
    object.address(r#","client":"#, *client);
    object.number(r#","connection":"#, *connection);
    object.optional(r#","device":"#, device.as_ref().map(DeviceId::as_str));
    if let Some(facts) = facts {
        object.quoted(r#","device_facts":"#, facts.device.hex.as_bytes());
    }
    if let Some(certificate) = certificate {
        object.quoted(r#","certificate":"#, &certificate.hex());
    }
    object.person(r#","user":"#, user.as_ref());
    object.optional(r#","session":"#, session.as_ref().map(|session| &*session.0));
    if let Some(facts) = facts {
        object.quoted(r#","session_facts":"#, facts.session.hex.as_bytes());
    }
    object.optional(r#","binding":"#, *binding);
    if let Some(stolen) = stolen {
        object.person(r#","stolen_user":"#, Some(&stolen.user));
        object.text(r#","stolen_session":"#, &stolen.session.0);
        object.optional(r#","stolen_from":"#, stolen.from.as_ref().map(DeviceId::as_str));
    }
    object.optional(r#","app":"#, app.as_deref());
    object.asked(asked.as_ref(), seen.as_ref());
    object.optional(r#","origin":"#, origin.as_deref());
    object.quoted(r#","protocol":"#, draft::protocol(*protocol).as_bytes());
    object.quoted(r#","decision":"#, decision.as_str().as_bytes());
    object.text(r#","reason":"#, reason);
    if !policies.is_empty() {
        object.texts(r#","policies":"#, policies);
    }
    if let Some(basis) = basis {
        object.basis(basis);
    }
    object.rest(step_up.as_ref(), ways, candidate.as_ref())?;
    object.number(r#","status":"#, (*status).into());
    if let Some(length) = length {
        object.number(r#","length":"#, *length);
    }
    out.push(b'}');
    Ok(())
}

/// Appends an `end` line without its newline.
pub(super) fn write_end(ended: &Ended, out: &mut Vec<u8>) {
    let Ended { at, request, sent, received, ms, ending, cause } = ended;
    out.reserve(USUAL / 4);
    let mut object = Object(out);
    object.time(r#"{"line":"end","at":"#, *at);
    object.request(r#","request":"#, *request);
    object.number(r#","sent":"#, *sent);
    object.number(r#","received":"#, *received);
    object.number(r#","ms":"#, *ms);
    object.quoted(r#","ending":"#, ending.as_str().as_bytes());
    object.optional(r#","cause":"#, cause.map(Cause::as_str));
    out.push(b'}');
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

/// A JSON text as serde_json writes it.
fn push_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    push_escaped(text, out);
    out.push(b'"');
}

fn push_escaped(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        bytes.iter().for_each(|byte| push_byte(*byte, out));
    }
}

/// Whether nothing has to be escaped. Looks at eight bytes at a time, the last of them twice rather than one by one: a line has some
/// twenty texts, most of them short.
fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let last = match bytes.last_chunk::<8>() {
        Some(last) => is_plain_word(*last),
        None => rest.iter().all(|byte| *byte >= 0x20 && !matches!(byte, b'"' | b'\\')),
    };
    last && words.iter().all(|word| is_plain_word(*word))
}

/// Whether none of the bytes is a control character, a quotation mark or a backslash.
fn is_plain_word(word: [u8; 8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    // Taking `n` from each byte sets the high bit of one that is less and did not have it; borrows only ever come from such a byte.
    let any_below = |word: u64, n: u64| word.wrapping_sub(ONES * n) & !word & HIGH;
    let word = u64::from_ne_bytes(word);
    let any_is = |byte: u8| any_below(word ^ (ONES * u64::from(byte)), 1);
    any_below(word, 0x20) | any_is(b'"') | any_is(b'\\') == 0
}

fn push_byte(byte: u8, out: &mut Vec<u8>) {
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
    use std::sync::Arc;

    use http::Version;
    use proptest::prelude::*;
    use sekisho_policy::{Action, DeviceFacts, Identity, Moment, Principal, SessionFacts, UserFacts};

    use super::*;
    use crate::decide::Snapshots;
    use crate::inventory::SessionId;
    use crate::record::draft::Stolen;
    use crate::record::guard::Ending;
    use crate::record::line::{Access, Decision, End};
    use crate::secret::Digest;

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

    fn maybe_arc() -> impl Strategy<Value = Option<Arc<str>>> {
        maybe().prop_map(|text| text.map(Arc::from))
    }

    fn words() -> impl Strategy<Value = &'static str> {
        proptest::sample::select(&["permitted", "", "no_permit", "\"\\\n"][..])
    }

    fn device() -> impl Strategy<Value = Option<DeviceId>> {
        proptest::option::of("[a-z][a-z0-9-]{1,20}".prop_map(|id| id.parse().unwrap()))
    }

    fn user() -> impl Strategy<Value = UserId> {
        (text(), text()).prop_map(|(provider, subject)| UserId { provider: provider.into(), subject: subject.into() })
    }

    fn stolen() -> impl Strategy<Value = Option<Box<Stolen>>> {
        let stolen = (user(), text(), device());
        let stolen = stolen.prop_map(|(user, id, from)| Box::new(Stolen { user, session: SessionId(id.into()), from }));
        proptest::option::of(stolen)
    }

    fn asked() -> impl Strategy<Value = Option<(Method, Host, Arc<str>)>> {
        let method = proptest::sample::select(&[Method::GET, Method::PATCH][..]);
        let host = "[a-z]{1,9}(\\.[a-z]{1,9}){0,2}".prop_map(|host| host.parse::<Host>().unwrap());
        proptest::option::of((method, host, text().prop_map(Arc::from)))
    }

    fn seen() -> impl Strategy<Value = Option<Glimpse>> {
        let seen = [text(), text(), text()].prop_map(|texts| {
            let [method, host, path] = texts.map(Box::from);
            Glimpse { method, host, path }
        });
        proptest::option::of(seen)
    }

    prop_compose! {
        fn basis()(
            set in text(), action in proptest::sample::select(&Action::ALL[..]), usage: [u64; 3], subject in text(), known: bool,
            unix_ms in 0..253_402_000_000_000_i64, zone in -95_i64..=95,
        ) -> Basis {
            let local = unix_ms + zone * 15 * 60_000;
            let local_ms = u32::try_from(local.rem_euclid(86_400_000)).unwrap();
            let at = Moment { unix_ms, local_ms, weekday: Moment::utc(local).weekday };
            let [requests_1m, bytes_1h, bytes_1d] = usage;
            let principal = Principal::User(UserFacts { id: subject, ..UserFacts::default() });
            let who = Identity { principal, device: DeviceFacts::default(), session: SessionFacts::default() };
            let facts = known.then(|| Arc::new(Snapshots::of(&who).unwrap()));
            Basis { policy_set: set.into(), action, usage: Usage { requests_1m, bytes_1h, bytes_1d }, at, facts }
        }
    }

    prop_compose! {
        fn draft()(
            texts in (maybe_arc(), maybe_arc(), texts(), words(), words()),
            who in (device(), proptest::option::of(user()), stolen(), asked(), proptest::option::of(basis())),
            (seen, origin) in (seen(), maybe()), ways in ways(), numbers: (u64, u16, Option<u64>, [u8; 16], [u8; 32], bool), max_age: Option<u64>,
            at in 0..253_402_000_000_000_i64, client: SocketAddr, own: bool, candidate: bool,
            protocol in proptest::sample::select(&[Version::HTTP_10, Version::HTTP_11, Version::HTTP_2][..]),
        ) -> Draft {
            let (session, app, policies, reason, binding) = texts;
            let (device, user, stolen, asked, basis) = who;
            let (connection, status, length, id, certificate, bare) = numbers;
            let decision = if own { Decision::Own } else { Decision::Allow };
            let said =
                CandidateSaid { decision, reason: reason.to_owned(), policies: policies.clone(), policy_set: String::new() };
            Draft {
                device,
                certificate: (!bare).then_some(Digest(certificate)),
                user,
                session: session.map(SessionId),
                binding: (!bare).then_some(binding),
                stolen,
                app,
                asked,
                seen,
                origin: origin.map(Box::from),
                decision,
                reason,
                policies: policies.iter().map(|id| Arc::from(id.as_str())).collect(),
                basis,
                step_up: max_age.map(|age| Asked { max_age: Some(age), acr_values: policies }),
                ways,
                candidate: candidate.then_some(said),
                status,
                length,
                ..Draft::new(Timestamp(at), RequestId(id), client, connection, protocol)
            }
        }
    }

    proptest! {
        #[test]
        fn an_access_line_is_what_serde_makes_of_it(draft in draft()) {
            let mut out = Vec::new();
            write_access(&draft, &mut out).unwrap();
            prop_assert_eq!(String::from_utf8(out).unwrap(), by_serde(&BySerde::Access(&draft.line())));
        }

        #[test]
        fn a_start_line_is_what_serde_makes_of_it(some in (maybe(), maybe(), maybe()), all in [text(), text(), text(), text()], policies in texts()) {
            let (device, user, session) = some;
            let [app, method, host, path] = all;
            let (at, request) = (host.clone(), path.clone());
            let start = Start { at, request, device, user, session, app, method, host, path, policies };
            let mut out = Vec::new();
            write_start(&start, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), by_serde(&BySerde::Start(&start)));
        }

        #[test]
        fn an_end_line_is_what_serde_makes_of_it(at in -9..253_402_000_000_000_i64, id: [u8; 16], numbers: [u64; 3], cut: bool) {
            let [sent, received, ms] = numbers;
            let (ending, cause) = if cut { (Ending::Cut, Some(Cause::Policies)) } else { (Ending::Complete, None) };
            let (at, request) = (Timestamp(at), RequestId(id));
            let mut out = Vec::new();
            write_end(&Ended { at, request, sent, received, ms, ending, cause }, &mut out);
            let end = End {
                at: at.to_string(), request: request.to_string(), sent, received, ms,
                ending: ending.as_str().to_owned(), cause: cause.map(|cause| cause.as_str().to_owned()),
            };
            prop_assert_eq!(String::from_utf8(out).unwrap(), by_serde(&BySerde::End(&end)));
        }
    }
}
