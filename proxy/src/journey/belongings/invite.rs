//! Inviting a device for oneself: the one thing here that policy decides.

use std::time::Duration;

use http::{Response, StatusCode};
use sekisho_policy::Action;
use serde_json::json as value;

use super::act::WHY;
use super::pages;
use super::person::{PAGE, Person, json};
use super::refusal::BelongingsRefusal;
use crate::config::Approval;
use crate::enrol::EnrolmentCode;
use crate::journey::body::Body;
use crate::journey::landing::address;
use crate::journey::own_policy::OwnQuestion;
use crate::journey::refusal::Refusal;
use crate::journey::story::Story;
use crate::read::Clean;
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

    fn permitted(&self, request: &Clean, story: &mut Story) -> Result<(), Refusal> {
        let Person { core, client, world, device, user, manner } = self;
        let action = Action::Enroll;
        OwnQuestion { core, world, client, device, user, manner: *manner, request, action, back_to: PAGE }.decide(story)
    }
}

/// Whoever invites for themselves has the device at hand.
const LIFETIME: Duration = Duration::from_secs(3600);
