//! `/.sekisho/login` at the sign-in host: what `sekisho login` needs to know to have somebody sign in.

use http::{Response, StatusCode};
use serde_json::json;

use super::body::Body;
use super::finish::own_response;
use super::gate::World;
use super::own::Visitor;
use super::refusal::Refusal;
use crate::config::IdentityProvider;
use crate::sign_in::SignInRefusal;

/// The providers for terminals. Told to devices in use only: nobody else could do anything with it.
///
/// # Errors
/// What is wrong with the device; that it is a service, which does not sign in.
pub(super) fn offer(world: &World, visitor: &Visitor) -> Result<Response<Body>, Refusal> {
    let device = visitor.device.as_ref().map_err(|refusal| Refusal::from(refusal.clone()))?;
    if device.service.is_some() {
        return Err(SignInRefusal::Service.into());
    }
    let providers: Vec<_> = world.config.identity_providers.iter().filter_map(|provider| offered(provider)).collect();
    let text = json!({ "providers": providers }).to_string();
    Ok(own_response(StatusCode::OK, "application/json", format!("{text}\n")))
}

fn offered(provider: &IdentityProvider) -> Option<serde_json::Value> {
    let terminal = provider.terminal.as_ref()?;
    let mut offered = json!({
        "name": &*provider.name,
        "issuer": provider.issuer,
        "client_id": terminal.id,
        "scopes": terminal.scopes,
        "hosts": provider.hosts,
    });
    if let (Some(resource), Some(members)) = (&terminal.resource, offered.as_object_mut()) {
        members.insert("resource".to_owned(), resource.as_str().into());
    }
    Some(offered)
}
