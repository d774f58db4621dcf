//! What the gate says to terminals: by which provider, and as which of its clients, somebody can sign in.

use serde::{Deserialize, Serialize};

use super::error::LoginError;
use crate::clock::Clock;
use crate::enrol::client::{KnownGate, Shown, look};
use crate::secret::Secret;

/// A provider for terminals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offered {
    /// The gate's name for it.
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) scopes: Vec<String>,
    /// What the provider calls the gate (RFC 8707).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resource: Option<String>,
    /// Hosts beside the issuer's own that may be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) hosts: Vec<String>,
}

#[derive(Deserialize)]
struct Offer {
    providers: Vec<Offered>,
}

/// What the gate takes the caller for.
#[derive(Deserialize)]
struct Whoami {
    user: Option<User>,
    session: Option<Session>,
    missing: Vec<Missing>,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

#[derive(Deserialize)]
struct Session {
    binding: String,
}

#[derive(Deserialize)]
struct Missing {
    reason: String,
    detail: String,
}

/// The provider to sign in with: the only one, or the one called `wanted`.
///
/// # Errors
/// [`LoginError`].
pub(super) async fn ask(gate: &KnownGate, shown: &Shown, wanted: Option<&str>, clock: &Clock) -> Result<Offered, LoginError> {
    let body = look(gate, shown, OFFER, None, clock).await.map_err(LoginError::of_gate)?;
    let offer: Offer = serde_json::from_slice(&body).map_err(|_details| not_a_gate())?;
    choose(offer.providers, wanted, &gate.address.to_string())
}

/// Whom the gate takes the holder of `token` for.
///
/// # Errors
/// [`LoginError::NotTaken`], [`LoginError::NotBound`] and whatever keeps the gate from being asked.
pub(super) async fn whoami(gate: &KnownGate, shown: &Shown, token: &Secret<String>, clock: &Clock) -> Result<String, LoginError> {
    let body = look(gate, shown, WHOAMI, Some(token), clock).await.map_err(LoginError::of_gate)?;
    taken_for(serde_json::from_slice(&body).map_err(|_details| not_a_gate())?)
}

fn taken_for(whoami: Whoami) -> Result<String, LoginError> {
    match (whoami.user, whoami.session) {
        (Some(user), Some(session)) if session.binding == "certificate" => Ok(user.id),
        (Some(_), _) => Err(LoginError::NotBound),
        (None, _) => {
            let (reason, words) = match whoami.missing.into_iter().last() {
                Some(missing) => (missing.reason, missing.detail),
                None => ("unknown".to_owned(), "it does not say why".to_owned()),
            };
            Err(LoginError::NotTaken { reason, words })
        }
    }
}

fn choose(mut providers: Vec<Offered>, wanted: Option<&str>, gate: &str) -> Result<Offered, LoginError> {
    let known = providers.iter().map(|provider| provider.name.as_str()).collect::<Vec<_>>().join(", ");
    match wanted {
        Some(wanted) => {
            let found = providers.into_iter().find(|provider| provider.name == wanted);
            found.ok_or_else(|| LoginError::UnknownProvider { wanted: wanted.to_owned(), known })
        }
        None if providers.len() > 1 => Err(LoginError::Several(known)),
        None => providers.pop().ok_or_else(|| LoginError::NotOffered(gate.to_owned())),
    }
}

fn not_a_gate() -> LoginError {
    LoginError::Gate("the gate's answer cannot be used; is it one of this version?".to_owned())
}

const OFFER: &str = "/.sekisho/login";
const WHOAMI: &str = "/.sekisho/whoami";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn offered(name: &str) -> Offered {
        let text = json!({ "name": name, "issuer": "https://login.example", "client_id": "cli", "scopes": [] });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn one_provider_needs_no_choice() {
        let choose = |names: &[&str], wanted| choose(names.iter().map(|name| offered(name)).collect(), wanted, "gate");
        assert_eq!(choose(&["corp"], None).unwrap().name, "corp");
        assert_eq!(choose(&["corp", "partner"], Some("partner")).unwrap().name, "partner");
        assert!(matches!(choose(&["corp", "partner"], None), Err(LoginError::Several(known)) if known == "corp, partner"));
        assert!(matches!(choose(&["corp"], Some("cops")), Err(LoginError::UnknownProvider { .. })));
        assert!(matches!(choose(&[], None), Err(LoginError::NotOffered(_))));
    }

    #[test]
    fn only_a_bound_token_that_names_somebody_is_taken() {
        let of = |text: Value| taken_for(serde_json::from_value(text).unwrap());
        let user = json!({ "id": "corp/ana" });
        let bound = json!({ "user": user, "session": { "binding": "certificate" }, "missing": [] });
        assert_eq!(of(bound).unwrap(), "corp/ana");
        let loose = json!({ "user": user, "session": { "binding": "none" }, "missing": [] });
        assert!(matches!(of(loose), Err(LoginError::NotBound)));
        let missing = json!([{ "what": "session", "reason": "token_audience", "detail": "It is for somebody else." }]);
        let refused = of(json!({ "user": null, "session": null, "missing": missing }));
        assert!(matches!(refused, Err(LoginError::NotTaken { reason, .. }) if reason == "token_audience"));
    }
}
