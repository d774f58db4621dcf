//! What happened to devices, sessions and people, as the record tells it. Whatever way a change was asked for (an operator, a sign-in,
//! upkeep), it came through the store's change feed, which says who and why: so nothing can be changed that leaves no event.

use crate::clock::Timestamp;
use crate::record::{Event, EventKind};
use crate::store::Applied;

/// The event for a change; `None` for what is no event: cookies, and sessions whose time ran out.
pub(super) fn event(applied: &Applied) -> Option<Event> {
    let change = &applied.change;
    let kind = kind(&change.kind, &change.what, &change.why)?;
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let detail = match kind {
        EventKind::DeviceInvited => Some(format!("invitation {}", change.id)),
        EventKind::DeviceAdded | EventKind::DeviceChanged | EventKind::SessionEnded if !is_plain(&change.what) => {
            Some(change.what.clone())
        }
        _ => None,
    };
    Some(Event {
        by: said(&change.by),
        why: said(&change.why),
        device: applied.device.as_ref().map(ToString::to_string),
        user: applied.user.as_ref().map(ToString::to_string),
        session: applied.session.as_ref().map(ToString::to_string),
        detail,
        ..Event::of(kind, Timestamp(change.at))
    })
}

fn kind(of: &str, what: &str, why: &str) -> Option<EventKind> {
    Some(match (of, what) {
        ("device", "enrolled") => EventKind::DeviceEnrolled,
        ("device", "added" | "admitted") => EventKind::DeviceAdded,
        ("device", "approved") => EventKind::DeviceApproved,
        ("device", "renewed") => EventKind::DeviceRenewed,
        ("device", "copied") => EventKind::CertificateCopied,
        ("device", "code shown again") => EventKind::CodeShownAgain,
        ("device", "facts changed" | "facts expired" | "aliases changed") => EventKind::DeviceChanged,
        ("device", "quarantined") => EventKind::DeviceQuarantined,
        ("device", "released") => EventKind::DeviceReleased,
        ("device", "retired") => EventKind::DeviceRetired,
        ("device", "owner signed in for the first time") => EventKind::DeviceOwned,
        ("session", "begun") => EventKind::SignedIn,
        ("session", "ended") if why == "signed out" => EventKind::SignedOut,
        // It was of no use any more; nobody did anything.
        ("session", "expired") => return None,
        ("session", "facts changed") => EventKind::FactsChanged,
        ("session", "refused by its provider") => EventKind::FactsRefused,
        ("session", _) => EventKind::SessionEnded,
        ("suspension", "suspended") => EventKind::UserSuspended,
        ("suspension", "resumed") => EventKind::UserResumed,
        ("administrator", "added") => EventKind::AdministratorAdded,
        ("administrator", "removed") => EventKind::AdministratorRemoved,
        ("break_glass", "begun") => EventKind::BreakGlassBegun,
        ("break_glass", "used") => EventKind::BreakGlassUsed,
        ("break_glass", "ended") => EventKind::BreakGlassEnded,
        ("invitation", "made") => EventKind::DeviceInvited,
        _ => return None,
    })
}

/// Says no more than the kind does.
fn is_plain(what: &str) -> bool {
    matches!(what, "added" | "ended" | "facts changed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Change;

    fn applied(kind: &str, what: &str, why: &str) -> Applied {
        let change = Change {
            seq: 1,
            kind: kind.into(),
            id: "x".into(),
            what: what.into(),
            at: 5,
            by: "uid:7 (ana)".into(),
            why: why.into(),
        };
        Applied { change, device: "lap-1".parse().ok(), user: "corp/ana".parse().ok(), session: None }
    }

    #[test]
    fn an_event_says_who_and_why_and_whom_it_is_about() {
        let event = event(&applied("device", "quarantined", "malware")).unwrap();
        assert_eq!(event.event, EventKind::DeviceQuarantined);
        assert_eq!((event.by.as_deref(), event.why.as_deref()), (Some("uid:7 (ana)"), Some("malware")));
        assert_eq!((event.device.as_deref(), event.user.as_deref()), (Some("lap-1"), Some("corp/ana")));
        assert_eq!((event.at.as_str(), event.detail), ("1970-01-01T00:00:00.005Z", None));
    }

    #[test]
    fn what_is_known_of_a_device_leaves_an_event() {
        let told = |what| event(&applied("device", what, "firewall=false")).map(|event| (event.event, event.detail));
        assert_eq!(told("facts changed"), Some((EventKind::DeviceChanged, None)));
        assert_eq!(told("facts expired"), Some((EventKind::DeviceChanged, Some("facts expired".into()))));
        assert_eq!(told("aliases changed"), Some((EventKind::DeviceChanged, Some("aliases changed".into()))));
    }

    #[test]
    fn a_session_that_somebody_left_was_not_ended_by_others() {
        let kind = |what, why| event(&applied("session", what, why)).map(|event| event.event);
        assert_eq!(kind("ended", "signed out"), Some(EventKind::SignedOut));
        assert_eq!(kind("ended", "stolen"), Some(EventKind::SessionEnded));
        assert_eq!(kind("begun", "signed in"), Some(EventKind::SignedIn));
        assert_eq!(kind("expired", ""), None);
        assert_eq!(kind("facts changed", "groups"), Some(EventKind::FactsChanged));
        assert_eq!(kind("refused by its provider", "invalid_grant"), Some(EventKind::FactsRefused));
        let newer = event(&applied("session", "ended for a newer one", "")).unwrap();
        assert_eq!((newer.detail.as_deref(), newer.why), (Some("ended for a newer one"), None));
        assert_eq!(event(&applied("cookie", "given", "")), None);
    }
}
