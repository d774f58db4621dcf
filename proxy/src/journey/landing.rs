//! The gate's own front page.

use http::Response;

use super::body::Body;
use super::gate::World;
use super::own::{Visitor, page};
use crate::console::{Action, AppLink, DeviceLine, LandingPage, Person, SessionLine, Target};
use crate::inventory::Owner;

/// Who you are, and, once you are known, what stands behind the gate.
pub(super) fn page_for(world: &World, visitor: &Visitor) -> Response<Body> {
    let session = visitor.user.as_ref().ok().map(|user| &user.session);
    let id = session.map(|session| session.user.to_string()).unwrap_or_default();
    let groups: Vec<&str> = session.map(|session| session.groups.iter().collect()).unwrap_or_default();
    let (since, until) = session.map(|s| (s.authenticated_at.to_string(), s.expires_at.to_string())).unwrap_or_default();
    let known = visitor.device.as_ref().ok().map(|known| &known.device);
    let owner = known.and_then(|device| device.owner.as_ref()).map(|owner| match owner {
        Owner::User(user) => user.to_string(),
        Owner::Email(address) => address.clone(),
    });
    let port = world.config.listen.public_port;
    let addresses: Vec<String> = match session {
        // What stands behind the gate is nobody's business who is not known.
        None => Vec::new(),
        Some(_) => world.config.apps.iter().map(|app| address(app.host.as_str(), port)).collect(),
    };
    let apps: Vec<AppLink<'_>> = world
        .config
        .apps
        .iter()
        .zip(&addresses)
        .map(|(app, address)| AppLink { name: &app.name, host: app.host.as_str(), target: Target::new(address) })
        .collect();
    let actions: Vec<Action<'_>> = match (&visitor.device, session) {
        // It has nothing to sign out of.
        (_, Some(session)) if session.service => Vec::new(),
        (_, Some(_)) => {
            vec![Action::link("Sign out", "/.sekisho/sign-out"), Action::link("Your devices and sessions", "/.sekisho/devices")]
        }
        (Ok(_), None) => vec![Action::link("Sign in", "/.sekisho/sign-in")],
        (Err(_), None) => vec![Action::link("Enrol this device", "/.sekisho/enroll")],
    };
    page(
        LandingPage {
            host: world.config.sign_in.host.as_str(),
            person: session.map(|session| Person {
                name: session.name.as_deref().unwrap_or(&session.user.subject),
                id: &id,
                email: session.email.as_deref(),
                groups: &groups,
            }),
            device: known.map(|device| DeviceLine {
                id: device.id.as_str(),
                status: device.status.as_str(),
                owner: owner.as_deref(),
            }),
            session: session.filter(|session| !session.service).map(|session| SessionLine {
                id: &session.id.0,
                since: &since,
                until: &until,
            }),
            apps: &apps,
            actions: &actions,
        }
        .render(),
    )
}

/// The address of a host as browsers write it.
pub(super) fn address(host: &str, port: u16) -> String {
    if port == 443 { format!("https://{host}/") } else { format!("https://{host}:{port}/") }
}
