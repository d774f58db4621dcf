//! `/.sekisho/devices`: what is a person's own, for them to see and to change. Only a device in use and a session of a browser that
//! signed in opens it; what is hers needs no policy, inviting a further device does.

mod act;
mod form;
mod invite;
mod pages;
mod person;
mod refusal;
mod view;

use http::Method;

pub use self::refusal::BelongingsRefusal;

use self::person::{Person, elsewhere};
use super::connection::Client;
use super::gate::{Core, World};
use super::landing::address;
use super::manner::Manner;
use super::own::{self, Visitor};
use super::refusal::Refusal;
use super::story::Story;
use super::travel::Outcome;
use crate::identify_user::Binding;
use crate::read::Clean;

/// Shows what is theirs, or does what they ask for with it.
pub(super) async fn answer(
    core: &Core,
    client: &Client,
    world: &World,
    request: Box<Clean>,
    visitor: Visitor,
    story: &mut Story,
) -> Result<Outcome, Refusal> {
    let host = &world.config.sign_in.host;
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    if request.host != *host {
        let there = format!("{}.sekisho/devices", address(host.as_str(), world.config.listen.public_port));
        return if reads { Ok(Outcome::Own(elsewhere(&there))) } else { Err(Refusal::NothingHere) };
    }
    let manner = Manner::of(&request.method, &request.headers);
    let device = visitor.device?;
    let user = match visitor.user {
        Ok(user) => user,
        Err(why) if why.sign_in_helps() && manner.navigates && world.providers.for_sign_in().next().is_some() => {
            let cookies = own::cookies(&request.headers);
            let reply = world.sign_in.challenge(host, &request.path, cookies.as_deref())?;
            return Ok(Outcome::Challenge(reply.forgetting(why.clears_cookie()), why.into()));
        }
        Err(why) => return Err(why.into()),
    };
    if user.session.service {
        return Err(BelongingsRefusal::Service.into());
    }
    if user.binding != Binding::Session {
        return Err(BelongingsRefusal::NeedsSession.into());
    }
    let person = Person { core, client, world, device, user, manner };
    match request.method {
        Method::GET | Method::HEAD => Ok(Outcome::Own(person.look().await?)),
        Method::POST => person.act(request, story).await.map(Outcome::Own),
        _ => Err(Refusal::WrongMethod),
    }
}
