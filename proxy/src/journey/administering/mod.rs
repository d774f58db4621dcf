//! `/.sekisho/admin/…` at the gate's host: what administrators do over HTTPS. It is off unless the configuration says otherwise. Whoever
//! asks needs a device in use and a session on it, or a token that is bound to its certificate; and policy decides each request, as it
//! decides those to apps, by the action that stands in the one table of what can be asked for.

mod perform;
mod refusal;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ORIGIN};
use http::{Method, Response};

pub use self::refusal::AdministeringRefusal;

use self::perform::Administering;
use super::body::Body;
use super::connection::Client;
use super::gate::{Core, World};
use super::own::{self, Visitor};
use super::refusal::Refusal;
use super::story::Story;
use crate::console::admin::{NotSought, seek};
use crate::identify_user::{Binding, KnownUser};
use crate::read::{Clean, Content};

/// Does what an administrator asks for, if policy permits it.
pub(super) async fn answer(
    core: &Core,
    client: &Client,
    world: &World,
    mut request: Box<Clean>,
    visitor: Visitor,
    story: &mut Story,
) -> Result<Response<Body>, Refusal> {
    if !world.config.admin.api {
        return Err(Refusal::NothingHere);
    }
    let _known = visitor.device?;
    let user = visitor.user?;
    if user.binding == Binding::None {
        return Err(AdministeringRefusal::Unbound.into());
    }
    let body = std::mem::replace(&mut request.body, Content::Whole(None));
    // Without a body, GET and HEAD are answered alike.
    let method = if request.method == Method::HEAD { Method::GET } else { request.method.clone() };
    let path = request.path.strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let sought = seek(&method, &path).map_err(|none| match none {
        NotSought::Nothing => Refusal::NothingHere,
        NotSought::OtherMethod => Refusal::WrongMethod,
    })?;
    from_a_page_of_ours(world, &request, &user, story)?;
    let action = sought.row.action.ok_or(AdministeringRefusal::SocketOnly)?;
    let body = if method == Method::GET {
        Bytes::new()
    } else {
        is_json(&request)?;
        own::small_content(body).await?
    };
    let asked = Administering { core, client, request: &request, first: user, action, changes: sought.row.changes() };
    let done = asked.perform(method, path, body, story).await;
    let outcome = match &done {
        Ok(response) if response.status().is_success() => "done",
        Ok(_) => "not_done",
        Err(_) => "refused",
    };
    core.gate.metrics.administration.with_label_values(&[action.as_str(), outcome]).inc();
    done
}

/// Browsers send a session's cookie, and show a service's certificate, whoever makes them. A page of another site cannot send JSON without being asked for it, and cannot
/// read an answer; it is refused all the same. A token is not sent by itself.
fn from_a_page_of_ours(world: &World, request: &Clean, user: &KnownUser, story: &mut Story) -> Result<(), Refusal> {
    let from = own::came_from(&request.headers);
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    // As of an address that somebody typed, or of a program.
    let silent = !request.headers.contains_key(ORIGIN) && matches!(from.fetch_site, None | Some("none"));
    if !user.is_ambient() || world.sign_in.is_own_page(&request.host, from) || (reads && silent) {
        return Ok(());
    }
    story.foreign_page(request.headers.get(ORIGIN));
    Err(AdministeringRefusal::CrossSite.into())
}

fn is_json(request: &Clean) -> Result<(), AdministeringRefusal> {
    let said = own::text(&request.headers, &CONTENT_TYPE).and_then(|said| said.split(';').next());
    let json = said.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if json { Ok(()) } else { Err(AdministeringRefusal::NotJson) }
}

/// What the paths of the table begin with here.
const PREFIX: &str = "/.sekisho/admin";
