//! What a person does with what is theirs.

use http::Response;
use http::header::ORIGIN;

use super::form::{Act, Form};
use super::pages;
use super::person::{PAGE, Person};
use super::refusal::BelongingsRefusal;
use crate::inventory::{DeviceId, SessionId};
use crate::journey::body::Body;
use crate::journey::own::{self, small_content};
use crate::journey::refusal::Refusal;
use crate::journey::story::Story;
use crate::read::{Clean, Content};
use crate::sign_in::SignInRefusal;
use crate::store::{Actor, SessionsOf};

impl Person<'_> {
    /// Only what a page of ours sends that was made for this very session.
    pub(super) async fn act(&self, mut request: Box<Clean>, story: &mut Story) -> Result<Response<Body>, Refusal> {
        if !self.world.sign_in.is_own_page(&request.host, own::came_from(&request.headers)) {
            story.foreign_page(request.headers.get(ORIGIN));
            return Err(SignInRefusal::CrossSite.into());
        }
        let body = std::mem::replace(&mut request.body, Content::Whole(None));
        let form = Form::read(&small_content(body).await?)?;
        let act = form.act.as_str();
        let done = if self.world.sign_in.is_page_token(&self.user.session.id, &form.token) {
            self.perform(form, &request, story).await
        } else {
            Err(BelongingsRefusal::StalePage.into())
        };
        let outcome = if done.is_ok() { "done" } else { "refused" };
        self.core.gate.metrics.self_service.with_label_values(&[act, outcome]).inc();
        done
    }

    async fn perform(&self, form: Form, request: &Clean, story: &mut Story) -> Result<Response<Body>, Refusal> {
        let gate = &self.core.gate;
        gate.acts.take(&self.user.session.user, gate.clock.now()).map_err(|wait| BelongingsRefusal::Throttled { wait })?;
        // With a stolen password, any enrolled device gets as far as this page. What was enrolled for its person is not undone from there.
        if !self.is_on_their_own() && !self.is_harmless(&form.act) {
            return Err(BelongingsRefusal::OtherDevice.into());
        }
        // Inviting does the same, once policy was asked.
        let asks = matches!(form.act, Act::Invite | Act::Retire { sure: false, .. });
        if !asks {
            // What changes something is in the record before it happens, as a request that an app gets is.
            story.before_app().await?;
        }
        match form.act {
            Act::Invite => self.invite(request, story).await,
            Act::Name { device, label } => self.name(device, label).await,
            Act::Retire { device, sure: false } => self.ask(&device, &form.token).await,
            Act::Retire { device, sure: true } => self.retire(device).await,
            Act::EndSession(session) => self.end_session(session).await,
            Act::Withdraw(invitation) => self.withdraw(invitation).await,
        }
    }

    /// What a person may do with what is theirs on whichever device they are. Of inviting, policy says where.
    fn is_harmless(&self, act: &Act) -> bool {
        match act {
            Act::Invite => true,
            Act::EndSession(session) => *session == self.user.session.id,
            Act::Name { .. } | Act::Retire { .. } | Act::Withdraw(_) => false,
        }
    }

    async fn name(&self, device: DeviceId, label: String) -> Result<Response<Body>, Refusal> {
        let (registrar, oneself) = (self.core.gate.registrar.clone(), self.oneself());
        let named = self.control(async move { registrar.name_device(&oneself, &device, &label, WHY).await });
        named.await?.map_err(BelongingsRefusal::from)?;
        Ok(self.done(PAGE))
    }

    /// Whether the device is this person's.
    async fn owns(&self, device: &DeviceId) -> Result<(), Refusal> {
        let (registrar, oneself) = (self.core.gate.registrar.clone(), self.oneself());
        let own = self.control(async move { registrar.belongings(&oneself).await }).await?;
        let own = own.map_err(BelongingsRefusal::from)?;
        let owns = own.devices.iter().any(|own| own.id == *device);
        if owns { Ok(()) } else { Err(BelongingsRefusal::NotYours.into()) }
    }

    /// There is no way back from it, so nobody gets there with one click.
    async fn ask(&self, device: &DeviceId, token: &str) -> Result<Response<Body>, Refusal> {
        self.owns(device).await?;
        let this = *device == self.device.device.id;
        Ok(pages::sure(self.world.config.sign_in.host.as_str(), device.as_str(), this, token))
    }

    async fn retire(&self, device: DeviceId) -> Result<Response<Body>, Refusal> {
        self.owns(&device).await?;
        let this = device == self.device.device.id;
        let (registrar, by) = (self.core.gate.registrar.clone(), Actor::Person(self.user.session.user.clone()));
        let retired = self.control(async move { registrar.retire_device(&device, &by, WHY).await });
        retired.await?.map_err(BelongingsRefusal::from)?;
        if !this {
            return Ok(self.done(PAGE));
        }
        // The certificate of this connection is that of no device any more.
        self.client.close_soon();
        Ok(if self.manner.pages { pages::retired(self.world.config.sign_in.host.as_str()) } else { self.done(PAGE) })
    }

    async fn end_session(&self, session: SessionId) -> Result<Response<Body>, Refusal> {
        let gate = &self.core.gate;
        let live = gate.inventory.session(&session).filter(|live| live.session.user == self.user.session.user);
        let _theirs = live.ok_or(BelongingsRefusal::NotYours)?;
        let (registrar, by) = (gate.registrar.clone(), Actor::Person(self.user.session.user.clone()));
        let to = if session == self.user.session.id { "/" } else { PAGE };
        let ended = self.control(async move { registrar.end_sessions(&SessionsOf::One(session), &by, WHY).await });
        ended.await?.map_err(BelongingsRefusal::from)?;
        Ok(self.done(to))
    }

    async fn withdraw(&self, invitation: String) -> Result<Response<Body>, Refusal> {
        let (registrar, user) = (self.core.gate.registrar.clone(), self.user.session.user.clone());
        let withdrawn = self.control(async move { registrar.withdraw_invitation(&user, &invitation, WHY).await });
        withdrawn.await?.map_err(BelongingsRefusal::from)?;
        Ok(self.done(PAGE))
    }
}

/// The reason in the history of what was changed.
pub(super) const WHY: &str = "by the person themselves, at /.sekisho/devices";
