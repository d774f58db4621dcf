//! The keys of `[[identity_provider]]` that `sekisho login` is told of.

use super::checker::Checker;
use crate::config::checked::{OidcClient, TerminalClient};
use crate::config::raw;

/// The client for terminals; `gate`: the one that the gate itself is.
pub(super) fn client(raw: &raw::IdentityProvider, gate: Option<&OidcClient>, checker: &mut Checker) -> Option<TerminalClient> {
    let Some(id) = &raw.login_client_id else {
        let why = "without a `login_client_id`, which is what people sign in with at a terminal";
        checker.useless(raw.login_resource.as_ref(), why);
        if let Some(scopes) = &raw.login_scopes {
            checker.wrong(&scopes.at, format!("this has no effect {why}"), "take it out");
        }
        return None;
    };
    if gate.is_some_and(|gate| gate.id == id.value && gate.secret.is_some()) {
        let instead = "register a public client of its own, whose tokens are bound to certificates (RFC 8705)";
        checker.wrong(&id.at, "this is the gate's own client, which has a secret, and a terminal keeps none", instead);
    }
    let default = || vec!["openid".to_owned(), "offline_access".to_owned()];
    let scopes = raw.login_scopes.as_ref().map_or_else(default, |scopes| checker.texts(Some(scopes)));
    for text in raw.login_scopes.iter().flat_map(|scopes| &scopes.items).filter(|text| text.value.contains(' ')) {
        checker.wrong(&text.at, format!("{:?} are several", text.value), "write each scope on its own");
    }
    Some(TerminalClient { id: checker.text(Some(id))?, scopes, resource: checker.text(raw.login_resource.as_ref()) })
}
