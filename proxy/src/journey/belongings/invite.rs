//! Inviting a device for oneself: the one thing here that policy decides.

use std::convert::Infallible;
use std::time::Duration;

use http::{Response, StatusCode};
use sekisho_policy::{Action, OWN_APP};
use serde_json::json as value;

use super::act::WHY;
use super::pages;
use super::person::{PAGE, Person, json};
use super::refusal::BelongingsRefusal;
use crate::config::Approval;
use crate::decide::{DecideRefusal, OwnAsk};
use crate::enrol::EnrolmentCode;
use crate::journey::body::Body;
use crate::journey::landing::address;
use crate::journey::own;
use crate::journey::refusal::Refusal;
use crate::journey::step_up;
use crate::journey::story::Story;
use crate::read::Clean;
use crate::sign_in::{FormFate, Needed, Sending, StepUp, StepUpOutcome, StepUpRefusal};
use crate::store::OwnLimits;

impl Person<'_> {
    /// A code for a further device of theirs, shown once.
    pub(super) async fn invite(&self, request: &Clean, story: &mut Story) -> Result<Response<Body>, Refusal> {
        let (gate, config) = (&self.core.gate, &self.world.config);
        if !config.enrolment.self_service {
            return Err(BelongingsRefusal::Off.into());
        }
        let (authority, approval) = config.builtin_authority().ok_or(BelongingsRefusal::Off)?;
        self.permitted(request, story)?;
        // Asked for first: a code that cannot be handed over must not exist.
        let pin = self.world.pin().ok_or(BelongingsRefusal::NoPin)?;
        story.before_app().await?;
        let limits =
            OwnLimits { devices: config.enrolment.devices_per_person, invitations: config.enrolment.invitations_per_person };
        let (registrar, oneself, on) = (gate.registrar.clone(), self.oneself(), self.device.device.id.clone());
        let issued =
            self.control(async move { registrar.invite_for_oneself(&oneself, &on, authority, limits, LIFETIME, WHY).await });
        let issued = issued.await?.map_err(BelongingsRefusal::from)?;
        let code = EnrolmentCode { code: issued.code, pin }.expose();
        let here = address(config.sign_in.host.as_str(), config.listen.public_port);
        let command = format!("sekisho enroll --gate {}", here.trim_end_matches('/'));
        let (until, approval) = (issued.invitation.expires_at, approval == Approval::Administrator);
        Ok(if self.manner.pages {
            pages::invited(config.sign_in.host.as_str(), code.expose(), &command, until, approval)
        } else {
            let told = value!({
                "id": issued.invitation.id,
                "code": code.expose(),
                "command": command,
                "expires_at": until.to_string(),
                "needs_approval": approval,
            });
            json(StatusCode::CREATED, &told)
        })
    }

    /// Asks policy, and puts its answer into the record as of a request to an app.
    fn permitted(&self, request: &Clean, story: &mut Story) -> Result<(), Refusal> {
        let decider = self.world.decider.as_ref().ok_or(Refusal::NoPolicies)?;
        let now = self.core.gate.clock.now();
        let ask =
            OwnAsk { action: Action::Enroll, request, device: &self.device, user: &self.user, connection: &self.client.secure };
        story.own_app();
        match decider.ask_own(ask, &self.core.prepared, now) {
            Ok(permit) => {
                story.permitted_own(&permit);
                Ok(())
            }
            Err(mut refusal) => {
                refusal.remedies = decider.own_remedies(&refusal, ask, &self.core.explained, now);
                story.denied(&refusal);
                self.instead(*refusal, request, story).map(|never| match never {})
            }
        }
    }

    /// What becomes of a denial: another sign-in, if that is all that is missing. They come back to the page, and ask again.
    fn instead(&self, refusal: DecideRefusal, request: &Clean, story: &mut Story) -> Result<Infallible, Refusal> {
        let Some(wanted) = refusal.remedies.as_ref().and_then(|remedies| remedies.step_up.clone()) else {
            return Err(refusal.into());
        };
        let now = self.core.gate.clock.now();
        let asked = step_up::asked(self.world, OWN_APP, &self.user, &self.device, &wanted, now, story)?;
        let sign_in = &self.world.sign_in;
        sign_in.count_step_up(OWN_APP, if self.manner.pages { StepUpOutcome::Asked } else { StepUpOutcome::Challenged });
        let cookies = own::cookies(&request.headers);
        let way = sign_in.step_up(StepUp {
            wanted: &wanted,
            session: &self.user.session,
            device: &self.device.device.id,
            app: &OWN_APP.into(),
            host: &request.host,
            back_to: PAGE,
            cookies: cookies.as_deref(),
            form: Sending::Nothing,
            now,
        })?;
        let needed = Needed { asked, mfa: wanted.mfa, way: Some(way), form: FormFate::None };
        Err(StepUpRefusal::Needed(Box::new(needed)).into())
    }
}

/// Whoever invites for themselves has the device at hand.
const LIFETIME: Duration = Duration::from_secs(3600);
