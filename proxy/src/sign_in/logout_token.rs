//! The token by which a provider says that a sign-in is over (OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6).

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::id_token::check_party;
use super::logout::LogoutRefusal;
use super::refusal::IdTokenProblem;
use crate::clock::Timestamp;
use crate::identify_user::Members;
use crate::identify_user::claims::{self, ClaimProblem, LEEWAY, Validity};
use crate::identify_user::jws::Jws;
use crate::identify_user::keys::{Provider, Providers};
use crate::secret::Digest;
use crate::store::Meant;

/// A logout token taken apart, with the provider that it says it is of. All but its signature was looked at, so that keys are asked
/// for only where the rest is as it must be.
#[derive(Debug)]
pub(super) struct LogoutToken<'a> {
    token: Jws<'a>,
    pub(super) provider: Arc<Provider>,
    pub(super) word: Word,
}

/// What a logout token says.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) meant: Meant,
    /// Names this very token.
    pub(super) id: Digest,
    /// From then on it is refused for its age.
    pub(super) until: Timestamp,
}

/// Whom a token has to be of and for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parties<'a> {
    /// The provider's configured name.
    pub(super) name: &'a Arc<str>,
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
}

impl<'a> LogoutToken<'a> {
    /// Reads `token`, which is not believed yet.
    pub(super) fn read(token: &'a str, providers: &Providers, now: Timestamp) -> Result<Self, LogoutRefusal> {
        let token = Jws::parse(token)?;
        let provider = Arc::clone(provider(&token.payload, providers)?);
        let settings = &provider.settings;
        let client = settings.client.as_ref().ok_or(LogoutRefusal::Issuer)?;
        let parties = Parties { name: &settings.name, issuer: &settings.issuer, client_id: &client.id };
        let word = Word::read(&token, parties, now)?;
        Ok(Self { token, provider, word })
    }

    /// Whether the provider has such a key, as far as is known now. This costs nothing.
    pub(super) fn find_key(&self, now: Timestamp) -> Result<(), LogoutRefusal> {
        let keys = self.provider.ring.keys(now)?;
        Ok(self.token.key(&keys.set).map(|_key| ())?)
    }

    /// Whether its provider signed it, with the keys that are known now.
    pub(super) fn verify(&self, now: Timestamp) -> Result<(), LogoutRefusal> {
        let keys = self.provider.ring.keys(now)?;
        Ok(self.token.verify(&keys.set)?)
    }
}

impl Word {
    /// Reads what `token` says, if it is of and for these parties, and of its kind.
    pub(super) fn read(token: &Jws<'_>, parties: Parties<'_>, now: Timestamp) -> Result<Self, LogoutRefusal> {
        // `JWT` is what providers write who came before the registered type: what else tells the kinds of tokens apart is required.
        if !matches!(token.header.kind.as_deref(), None | Some("logout+jwt" | "jwt")) {
            return Err(LogoutRefusal::Kind("typ"));
        }
        let payload = &token.payload;
        if payload.get("iss").and_then(Value::as_str) != Some(parties.issuer) {
            return Err(LogoutRefusal::Issuer);
        }
        check_party(payload, parties.client_id).map_err(|problem| match problem {
            IdTokenProblem::Claims(problem) => LogoutRefusal::Claims(problem),
            _ => LogoutRefusal::Audience,
        })?;
        check_kind(payload)?;
        let at = check_times(payload, now)?;
        let meant = meant(payload, parties.name, at)?;
        let id = match claims::text(payload, "jti").map_err(LogoutRefusal::Claims)? {
            Some(id) if !id.is_empty() => Digest::of(format!("{}\n{id}", parties.issuer).as_bytes()),
            _ => return Err(LogoutRefusal::Claims(ClaimProblem::Malformed("jti"))),
        };
        Ok(Self { meant, id, until: at.plus(FRESH).plus(LEEWAY) })
    }
}

/// Only a provider that signs people in can say that they left.
fn provider<'a>(payload: &Members, providers: &'a Providers) -> Result<&'a Arc<Provider>, LogoutRefusal> {
    let issuer = payload.get("iss").and_then(Value::as_str).ok_or(LogoutRefusal::Issuer)?;
    providers.by_issuer(issuer).filter(|provider| provider.settings.client.is_some()).ok_or(LogoutRefusal::Issuer)
}

/// What an ID token has and a logout token must not have, and the other way round: neither is ever taken for the other.
fn check_kind(payload: &Members) -> Result<(), LogoutRefusal> {
    if payload.contains_key("nonce") {
        return Err(LogoutRefusal::Kind("nonce"));
    }
    match payload.get("events") {
        Some(Value::Object(events)) if events.get(LOGOUT).is_some_and(Value::is_object) => Ok(()),
        _ => Err(LogoutRefusal::Kind("events")),
    }
}

/// Gives `iat`.
fn check_times(payload: &Members, now: Timestamp) -> Result<Timestamp, LogoutRefusal> {
    let validity = Validity::of(payload).map_err(LogoutRefusal::Claims)?;
    validity.check(now).map_err(LogoutRefusal::Claims)?;
    let issued_at = validity.issued_at.ok_or(LogoutRefusal::Claims(ClaimProblem::Malformed("iat")))?;
    if now >= issued_at.plus(FRESH).plus(LEEWAY) {
        return Err(LogoutRefusal::Stale);
    }
    Ok(issued_at)
}

fn meant(payload: &Members, provider: &Arc<str>, at: Timestamp) -> Result<Meant, LogoutRefusal> {
    let sid = claims::session_id(payload).map_err(LogoutRefusal::Claims)?;
    let subject = match payload.contains_key("sub") {
        true => Some(claims::subject(payload).map_err(LogoutRefusal::Claims)?),
        false => None,
    };
    if sid.is_none() && subject.is_none() {
        return Err(LogoutRefusal::Nobody);
    }
    Ok(Meant { provider: Arc::clone(provider), sid: sid.map(str::to_owned), subject: subject.map(str::to_owned), at })
}

/// The event that makes a token one for logout.
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How old one may be; as long, its `jti` is remembered.
const FRESH: Duration = Duration::from_secs(5 * 60);
