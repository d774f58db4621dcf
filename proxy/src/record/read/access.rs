//! An `access` line, with the question that was put to policy.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;

use sekisho_policy::{Action, RequestFacts, Usage};
use serde::Deserialize;

use crate::record::line::Decision;
use crate::record::moment;

/// An [`Access`](crate::record::Access) line, borrowed from its text.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of Access")]
pub struct AccessLine<'a> {
    #[serde(borrow)]
    pub at: Text<'a>,
    #[serde(borrow)]
    pub request: Text<'a>,
    #[serde(borrow)]
    pub client: Text<'a>,
    #[serde(borrow, default)]
    pub device: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub device_facts: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub user: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub session: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub session_facts: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub stolen_user: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub stolen_session: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub stolen_from: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub app: Option<Text<'a>>,
    #[serde(borrow)]
    pub method: Text<'a>,
    #[serde(borrow)]
    pub host: Text<'a>,
    #[serde(borrow)]
    pub path: Text<'a>,
    #[serde(borrow, default)]
    pub origin: Option<Text<'a>>,
    pub decision: Decision,
    #[serde(borrow)]
    pub reason: Text<'a>,
    #[serde(borrow, default)]
    pub policies: Vec<Text<'a>>,
    #[serde(borrow, default)]
    pub policy_set: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub asked_at: Option<Text<'a>>,
    #[serde(default)]
    pub action: Option<Action>,
    #[serde(default)]
    pub usage: Option<[u64; 3]>,
    pub status: u16,
    #[serde(default)]
    pub length: Option<u64>,
}

/// A text of a line: borrowed from it where nothing in it is escaped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// The line says that policy was asked, but not what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[error("its line says that policy was asked, but `{0}` is missing or makes no sense")]
pub struct UnfitLine(pub &'static str);

impl<'a> AccessLine<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// What policy was asked, beside who asked; `None` if it was not asked.
    ///
    /// # Errors
    /// [`UnfitLine`]: it was asked, but the line does not say what: one of an earlier version, or one that was changed.
    pub fn question(&self) -> Result<Option<RequestFacts<'_>>, UnfitLine> {
        if self.policy_set.is_none() {
            return Ok(None);
        }
        let client: SocketAddr = self.client.parse().map_err(|_unfit| UnfitLine("client"))?;
        let [requests_1m, bytes_1h, bytes_1d] = self.usage.ok_or(UnfitLine("usage"))?;
        Ok(Some(RequestFacts {
            app: self.app.as_deref().ok_or(UnfitLine("app"))?,
            action: self.action.ok_or(UnfitLine("action"))?,
            host: &self.host,
            path: &self.path,
            method: &self.method,
            source_ip: client.ip().to_canonical(),
            usage: Usage { requests_1m, bytes_1h, bytes_1d },
            at: self.asked_at.as_deref().and_then(moment::read).ok_or(UnfitLine("asked_at"))?,
        }))
    }

    /// The hashes of the facts about device and person; `None` if anybody asked, for a public path.
    ///
    /// # Errors
    /// [`UnfitLine`], if one is there without the other, or neither although somebody asked.
    pub fn facts(&self) -> Result<Option<(&str, &str)>, UnfitLine> {
        match (&self.device_facts, &self.session_facts) {
            (Some(device), Some(session)) => Ok(Some((device, session))),
            (None, None) if self.action == Some(Action::Public) => Ok(None),
            (None, _) => Err(UnfitLine("device_facts")),
            (Some(_), None) => Err(UnfitLine("session_facts")),
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;
    use sekisho_policy::{AskedFor, Moment};

    use super::*;
    use crate::decide::Basis;
    use crate::record::line::Access;

    /// As the hallway writes it, for a question of any kind.
    fn written(asked: &AskedFor, port: u16) -> Vec<u8> {
        let mut line = Access {
            at: "2026-01-01T00:00:00.000Z".into(),
            client: SocketAddr::new(asked.source_ip, port).to_string(),
            app: Some(asked.app.clone()),
            method: asked.method.clone(),
            host: asked.host.clone(),
            path: asked.path.clone(),
            ..Access::default()
        };
        let AskedFor { action, usage, at, .. } = *asked;
        line.rests_on(&Basis { policy_set: "00".into(), action, usage, at, facts: None });
        serde_json::to_vec(&line).unwrap()
    }

    prop_compose! {
        fn asked()(
            app in "\\PC{1,20}", host in "[a-z0-9.-]{1,30}", path in "/\\PC{0,40}", method in "[A-Z]{1,10}",
            action in proptest::sample::select(&Action::ALL[..]), ip: IpAddr, usage: [u64; 3],
            unix_ms in 0..253_402_000_000_000_i64, zone in -95_i64..=95,
        ) -> AskedFor {
            let local = unix_ms + zone * 15 * 60_000;
            let at = Moment {
                unix_ms,
                local_ms: u32::try_from(local.rem_euclid(86_400_000)).unwrap(),
                weekday: Moment::utc(local).weekday,
            };
            let [requests_1m, bytes_1h, bytes_1d] = usage;
            let usage = Usage { requests_1m, bytes_1h, bytes_1d };
            AskedFor { app, action, host, path, method, source_ip: ip.to_canonical(), usage, at }
        }
    }

    proptest! {
        #[test]
        fn a_question_comes_back_from_its_line_as_it_was(asked in asked(), port: u16) {
            let text = written(&asked, port);
            let line = AccessLine::parse(&text).unwrap();
            prop_assert_eq!(AskedFor::from(&line.question().unwrap().unwrap()), asked);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0_usize..400, byte: u8) {
            drop(AccessLine::parse(&bytes));
            let mut text = written(&AskedFor::from(&RequestFacts::new("wiki", Action::Read)), 1);
            if let Some(place) = text.get_mut(at) {
                *place = byte;
            }
            if let Ok(line) = AccessLine::parse(&text) {
                let _any = line.question();
                let _any = line.facts();
            }
        }
    }

    #[test]
    fn a_line_that_lacks_a_part_of_the_question_says_which() {
        let whole = written(&AskedFor::from(&RequestFacts::new("wiki", Action::Read)), 1);
        let without = |field: &str| {
            let mut value: serde_json::Value = serde_json::from_slice(&whole).unwrap();
            value.as_object_mut().unwrap().remove(field);
            serde_json::to_vec(&value).unwrap()
        };
        for field in ["app", "action", "usage", "asked_at"] {
            assert_eq!(AccessLine::parse(&without(field)).unwrap().question().unwrap_err(), UnfitLine(field));
        }
        assert!(AccessLine::parse(&without("policy_set")).unwrap().question().unwrap().is_none());
        assert_eq!(AccessLine::parse(&whole).unwrap().facts(), Err(UnfitLine("device_facts")));
    }

    #[test]
    fn texts_are_borrowed() {
        let whole = written(&AskedFor::from(&RequestFacts::new("wiki", Action::Read)), 1);
        let line = AccessLine::parse(&whole).unwrap();
        assert!(matches!((line.app.unwrap().0, line.path.0), (Cow::Borrowed(_), Cow::Borrowed(_))));
    }
}
