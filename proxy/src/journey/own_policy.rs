//! Something of the gate itself that policy decides: the question, and what becomes of a denial.

use std::convert::Infallible;

use sekisho_policy::{Action, OWN_APP};

use super::connection::Client;
use super::gate::{Core, World};
use super::manner::Manner;
use super::own;
use super::refusal::Refusal;
use super::step_up;
use super::story::Story;
use crate::decide::{DecideRefusal, OwnAsk};
use crate::identify_device::KnownDevice;
use crate::identify_user::KnownUser;
use crate::read::Clean;
use crate::sign_in::{FormFate, Needed, Sending, StepUp, StepUpOutcome, StepUpRefusal};

/// Who wants what of the gate itself.
pub(super) struct OwnQuestion<'a> {
    pub(super) core: &'a Core,
    pub(super) world: &'a World,
    pub(super) client: &'a Client,
    pub(super) device: &'a KnownDevice,
    pub(super) user: &'a KnownUser,
    pub(super) manner: Manner,
    pub(super) request: &'a Clean,
    pub(super) action: Action,
    /// Where whoever has to sign in again comes back to.
    pub(super) back_to: &'a str,
}

impl OwnQuestion<'_> {
    /// Asks policy, and puts its answer into the record as of a request to an app.
    ///
    /// # Errors
    /// [`Refusal::Decide`], explained; [`Refusal::StepUp`] where another sign-in would help; [`Refusal::NoPolicies`].
    pub(super) fn decide(&self, story: &mut Story) -> Result<(), Refusal> {
        let decider = self.world.decider.as_ref().ok_or(Refusal::NoPolicies)?;
        let now = self.core.gate.clock.now();
        let ask = OwnAsk {
            action: self.action,
            request: self.request,
            device: self.device,
            user: self.user,
            administrator: self.core.gate.inventory.is_administrator(&self.user.session.user),
            connection: &self.client.secure,
        };
        story.own_app();
        match decider.ask_own(ask, &self.core.prepared, now) {
            Ok(permit) => {
                story.permitted_own(&permit);
                Ok(())
            }
            Err(mut refusal) => {
                refusal.remedies = decider.own_remedies(&refusal, ask, &self.core.explained, now);
                story.denied(&refusal);
                self.instead(*refusal, story).map(|never| match never {})
            }
        }
    }

    /// What becomes of a denial: another sign-in, if that is all that is missing. They come back, and ask again.
    fn instead(&self, refusal: DecideRefusal, story: &mut Story) -> Result<Infallible, Refusal> {
        let Some(wanted) = refusal.remedies.as_ref().and_then(|remedies| remedies.step_up.clone()) else {
            return Err(refusal.into());
        };
        let now = self.core.gate.clock.now();
        let asked = step_up::asked(self.world, OWN_APP, self.user, self.device, &wanted, now, story)?;
        let sign_in = &self.world.sign_in;
        sign_in.count_step_up(OWN_APP, if self.manner.pages { StepUpOutcome::Asked } else { StepUpOutcome::Challenged });
        let cookies = own::cookies(&self.request.headers);
        let way = sign_in.step_up(StepUp {
            wanted: &wanted,
            session: &self.user.session,
            device: &self.device.device.id,
            app: &OWN_APP.into(),
            host: &self.request.host,
            back_to: self.back_to,
            cookies: cookies.as_deref(),
            form: Sending::Nothing,
            now,
        })?;
        let needed = Needed { asked, mfa: wanted.mfa, way: Some(way), form: FormFate::None };
        Err(StepUpRefusal::Needed(Box::new(needed)).into())
    }
}
