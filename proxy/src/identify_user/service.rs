//! Whether an access token is a person's or a program's own.

use super::claims::{self, ClaimProblem};
use super::json::Members;
use crate::config::IdentityProvider;

/// The client whose own token it is; `None` for a token about a person.
///
/// The provider has to say it: with a `sub` that is the client's id (RFC 9068, section 2.2). Where `sub` is something else for every
/// client, the configuration names those that are services (`service_clients`). Such a client may have people sign in with it as well:
/// a token that speaks of a sign-in is about whoever signed in, and stays a person's.
///
/// # Errors
/// [`ClaimProblem::Malformed`] if one of these claims is not text, or not a name.
pub(super) fn client<'a>(token: &'a Members, settings: &IdentityProvider) -> Result<Option<&'a str>, ClaimProblem> {
    let subject = claims::subject(token)?;
    let named = match claims::text(token, "client_id")? {
        Some(client) => Some(client),
        None => claims::text(token, "azp")?,
    };
    let Some(client) = named else { return Ok(None) };
    if client == subject {
        return Ok(Some(client));
    }
    if !settings.service_clients.contains(client) || OF_A_SIGN_IN.iter().any(|claim| token.contains_key(claim)) {
        return Ok(None);
    }
    if claims::is_name(client) { Ok(Some(client)) } else { Err(ClaimProblem::Malformed("client_id")) }
}

/// Claims of tokens that somebody signed in for.
const OF_A_SIGN_IN: [&str; 5] = ["auth_time", "sid", "session_state", "nonce", "amr"];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::json::object;
    use super::super::testing::settings;
    use super::*;

    fn of(claims: &Value) -> Result<Option<String>, ClaimProblem> {
        let mut provider = settings("corp", "https://login.example");
        provider.service_clients = ["batch".to_owned(), "caf\u{e9}".to_owned()].into();
        let token = object(claims.to_string().as_bytes()).unwrap();
        client(&token, &provider).map(|found| found.map(str::to_owned))
    }

    #[test]
    fn a_token_is_a_services_where_the_client_is_its_own_subject() {
        assert_eq!(of(&json!({ "sub": "robot", "client_id": "robot" })), Ok(Some("robot".to_owned())));
        assert_eq!(of(&json!({ "sub": "robot", "azp": "robot" })), Ok(Some("robot".to_owned())));
        for person in [
            json!({ "sub": "alice" }),
            json!({ "sub": "alice", "client_id": "cli" }),
            json!({ "sub": "alice", "azp": "cli" }),
            // What the token says first counts.
            json!({ "sub": "robot", "client_id": "cli", "azp": "robot" }),
            json!({ "sub": "robot", "cid": "robot" }),
        ] {
            assert_eq!(of(&person), Ok(None), "{person}");
        }
    }

    #[test]
    fn a_listed_client_is_a_service_unless_somebody_signed_in() {
        let listed = json!({ "sub": "8f5a", "client_id": "batch" });
        assert_eq!(of(&listed), Ok(Some("batch".to_owned())));
        assert_eq!(of(&json!({ "sub": "8f5a", "azp": "batch" })), Ok(Some("batch".to_owned())));
        assert_eq!(of(&json!({ "sub": "8f5a", "client_id": "other" })), Ok(None));
        for claim in OF_A_SIGN_IN {
            let mut signed_in = listed.clone();
            signed_in[claim] = json!(1);
            assert_eq!(of(&signed_in), Ok(None), "{claim}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (claim, value) in [("client_id", json!(7)), ("client_id", json!(["robot"])), ("azp", json!({}))] {
            let mut token = json!({ "sub": "robot" });
            token[claim] = value;
            assert!(matches!(of(&token), Err(ClaimProblem::Malformed(_))), "{token}");
        }
        assert!(of(&json!({ "sub": "x", "client_id": "caf\u{e9}" })).is_err(), "no name of anybody");
        assert!(of(&json!({ "client_id": "robot" })).is_err(), "no subject");
    }
}
