//! What a form of the page says.

use super::refusal::BelongingsRefusal;
use crate::inventory::{DeviceId, SessionId};

/// What a person wants to be done with what is theirs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// A code for a further device.
    Invite,
    /// Another name for a device.
    Name {
        /// Which.
        device: DeviceId,
        /// The name; empty: none.
        label: String,
    },
    /// A device is not used any more.
    Retire {
        /// Which.
        device: DeviceId,
        /// They were asked whether they mean it.
        sure: bool,
    },
    /// A session is over.
    EndSession(SessionId),
    /// An invitation is not needed any more.
    Withdraw(String),
}

/// A form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// What the page was made with.
    pub(super) token: String,
    pub(super) act: Act,
}

impl Form {
    /// Reads `application/x-www-form-urlencoded`: each field once, and none that our pages do not send.
    pub(super) fn read(body: &[u8]) -> Result<Self, BelongingsRefusal> {
        let mut fields = Fields::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            let field = match &*name {
                "token" => &mut fields.token,
                "act" => &mut fields.act,
                "id" => &mut fields.id,
                "label" => &mut fields.label,
                "sure" => &mut fields.sure,
                _ => return Err(BelongingsRefusal::Malformed),
            };
            if field.replace(value.into_owned()).is_some() {
                return Err(BelongingsRefusal::Malformed);
            }
        }
        let token = fields.token.take().ok_or(BelongingsRefusal::Malformed)?;
        Ok(Self { token, act: fields.act().ok_or(BelongingsRefusal::Malformed)? })
    }
}

impl Act {
    /// The label in metrics, and what a form says.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Name { .. } => "name",
            Self::Retire { .. } => "retire",
            Self::EndSession(_) => "end_session",
            Self::Withdraw(_) => "withdraw",
        }
    }
}

#[derive(Default)]
struct Fields {
    token: Option<String>,
    act: Option<String>,
    id: Option<String>,
    label: Option<String>,
    sure: Option<String>,
}

impl Fields {
    fn act(self) -> Option<Act> {
        let Self { act, id, label, sure, .. } = self;
        let sure = sure.map(|sure| (sure == "yes").then_some(()));
        Some(match (act?.as_str(), id, label, sure) {
            ("invite", None, None, None) => Act::Invite,
            ("name", Some(id), Some(label), None) => Act::Name { device: id.parse().ok()?, label },
            ("retire", Some(id), None, None) => Act::Retire { device: id.parse().ok()?, sure: false },
            ("retire", Some(id), None, Some(Some(()))) => Act::Retire { device: id.parse().ok()?, sure: true },
            ("end_session", Some(id), None, None) => Act::EndSession(SessionId(id.into())),
            ("withdraw", Some(id), None, None) => Act::Withdraw(id),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(body: &str) -> Option<Act> {
        Form::read(format!("token=t&{body}").as_bytes()).ok().map(|form| form.act)
    }

    #[test]
    fn every_form_of_the_page_is_understood() {
        let device: DeviceId = "lap-7".parse().unwrap();
        assert_eq!(act("act=invite"), Some(Act::Invite));
        assert_eq!(
            act("act=name&id=lap-7&label=At+home%21"),
            Some(Act::Name { device: device.clone(), label: "At home!".to_owned() })
        );
        assert_eq!(act("act=retire&id=lap-7"), Some(Act::Retire { device: device.clone(), sure: false }));
        assert_eq!(act("act=retire&id=lap-7&sure=yes"), Some(Act::Retire { device, sure: true }));
        assert_eq!(act("act=end_session&id=s-1"), Some(Act::EndSession(SessionId("s-1".into()))));
        assert_eq!(act("act=withdraw&id=inv-1"), Some(Act::Withdraw("inv-1".to_owned())));
    }

    #[test]
    fn anything_else_is_refused() {
        for body in [
            "act=invite&id=lap-7",
            "act=invite&act=invite",
            "act=retire",
            "act=retire&id=..%2F",
            "act=retire&id=lap-7&sure=no",
            "act=retire&id=lap-7&id=lap-8",
            "act=name&id=lap-7",
            "act=enrol",
            "act=invite&owner=corp%2Fbob",
            "id=lap-7",
            "",
        ] {
            assert_eq!(act(body), None, "{body}");
        }
        assert!(Form::read(b"act=invite").is_err(), "it has no token");
    }
}
