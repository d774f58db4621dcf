//! Facts that other lines name by their hash.

use sekisho_policy as policy;
use serde::Deserialize;

use crate::record::chain::sealed;
use crate::secret::Digest;

/// A `facts` line. It has the hash that it says; what was changed is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactsLine<'a> {
    /// About what.
    pub kind: FactsKind,
    /// SHA-256 of `json`, hex, as other lines name it.
    pub hash: &'a str,
    /// The facts.
    pub json: &'a str,
}

/// What facts are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FactsKind {
    /// A [`policy::DeviceFacts`].
    Device,
    /// A principal and a session.
    Session,
}

/// The half of an identity that is not the device.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionHalf {
    principal: policy::Principal,
    session: policy::SessionFacts,
}

impl<'a> FactsLine<'a> {
    /// Reads one; `None` if it is none, or was changed after it was written.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(sealed(text)?.content).ok()?;
        let (_, rest) = text.split_once(r#"","kind":""#)?;
        let (kind, rest) = rest.split_once(r#"","hash":""#)?;
        let (hash, json) = rest.split_once(r#"","facts":"#)?;
        let kind = match kind {
            "device" => FactsKind::Device,
            "session" => FactsKind::Session,
            _ => return None,
        };
        let said: Digest = hash.parse().ok()?;
        (Digest::of(json.as_bytes()) == said).then_some(Self { kind, hash, json })
    }
}

/// Who asked, from the two halves that were recorded; `None` if they cannot be understood, which those of another version may not.
pub fn identity(device: &str, session: &str) -> Option<policy::Identity> {
    let SessionHalf { principal, session } = serde_json::from_str(session).ok()?;
    Some(policy::Identity { principal, device: serde_json::from_str(device).ok()?, session })
}

/// The person or service in the facts of a session, if they can be understood.
pub fn person(session: &str) -> Option<policy::Principal> {
    serde_json::from_str(session).ok().map(|SessionHalf { principal, .. }| principal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Snapshots;
    use crate::record::chain::Head;
    use crate::record::line::write_facts;

    #[test]
    fn facts_come_back_as_they_were_and_changed_ones_do_not() {
        let user = policy::UserFacts {
            id: "corp/ana".into(),
            name: Some("\",\"hash\":\",\"seq\":1".into()),
            groups: ["hr".into()].into(),
            ..Default::default()
        };
        let identity_before = policy::Identity {
            principal: policy::Principal::User(user),
            device: policy::DeviceFacts { managed: true, ..Default::default() },
            session: policy::SessionFacts { mfa: true, ..Default::default() },
        };
        let snapshots = Snapshots::of(&identity_before).unwrap();
        let written = |kind: &str, snapshot| {
            let mut text = Vec::new();
            write_facts("2026-01-01T00:00:00.000Z", kind, snapshot, &mut text);
            assert_eq!(text.pop(), Some(b'\n'));
            let mut sealed = Vec::new();
            Head::default().seal(&text, &mut sealed);
            assert_eq!(sealed.pop(), Some(b'\n'));
            sealed
        };
        let (device, session) = (written("device", &snapshots.device), written("session", &snapshots.session));
        let (device, session) = (FactsLine::parse(&device).unwrap(), FactsLine::parse(&session).unwrap());
        assert_eq!((device.kind, session.kind), (FactsKind::Device, FactsKind::Session));
        assert_eq!(device.hash, &*snapshots.device.hex);
        assert_eq!(identity(device.json, session.json), Some(identity_before));

        let text = String::from_utf8(written("session", &snapshots.session)).unwrap();
        for (from, to) in [("corp/ana", "corp/bob"), ("session", "devices"), ("}", "} "), ("\"facts\":", "\"fact\":")] {
            assert_eq!(FactsLine::parse(text.replace(from, to).as_bytes()), None, "{from} -> {to}");
        }
        assert_eq!(FactsLine::parse(b"\xff"), None);
    }
}
