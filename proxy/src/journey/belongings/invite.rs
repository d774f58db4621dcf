//! Inviting a device for oneself: the one thing here that policy decides.

use std::time::Duration;

use http::{Response, StatusCode};
use sekisho_certs::fingerprint;
use sekisho_policy::{Action, OWN_APP};
use serde_json::json as value;

use super::act::WHY;
use super::pages;
use super::person::{PAGE, Person, json};
use super::refusal::BelongingsRefusal;
use crate::config::{Approval, Config, DeviceAuthorityKind};
use crate::decide::{DecideRefusal, OwnAsk};
use crate::journey::body::Body;
use crate::journey::landing::address;
use crate::journey::own;
use crate::journey::refusal::Refusal;
use crate::journey::story::Story;
use crate::read::Clean;
use crate::secret::Digest;
use crate::sign_in::{FormFate, Needed, Sending, StepUp, StepUpOutcome, StepUpRefusal};
use crate::store::OwnLimits;

impl Person<'_> {
    /// A code for a further device of theirs, shown once.
    pub(super) async fn invite(&self, request: &Clean, story: &mut Story) -> Result<Response<Body>, Refusal> {
        let (gate, config) = (&self.core.gate, &self.world.config);
        if !config.enrolment.self_service {
            return Err(BelongingsRefusal::Off.into());
        }
        let (authority, approval) = builtin(config).ok_or(BelongingsRefusal::Off)?;
        self.permitted(request, story)?;
        // Asked for first: a code that cannot be handed over must not exist.
        let pin = self.pin().ok_or(BelongingsRefusal::NoPin)?;
        story.before_app().await?;
        let limits =
            OwnLimits { devices: config.enrolment.devices_per_person, invitations: config.enrolment.invitations_per_person };
        let (registrar, oneself) = (gate.registrar.clone(), self.oneself());
        let issued =
            gate.control.call(async move { registrar.invite_for_oneself(&oneself, authority, limits, LIFETIME, WHY).await });
        let issued = issued.await?.map_err(BelongingsRefusal::from)?;
        let code = format!("{}.{}", issued.code.expose().expose(), pin.to_base64url());
        let here = address(config.sign_in.host.as_str(), config.listen.public_port);
        let command = format!("sekisho enroll --gate {}", here.trim_end_matches('/'));
        let (until, approval) = (issued.invitation.expires_at, approval == Approval::Administrator);
        Ok(if self.manner.pages {
            pages::invited(config.sign_in.host.as_str(), &code, &command, until, approval)
        } else {
            let told = value!({
                "id": issued.invitation.id,
                "code": code,
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
                Err(self.instead(*refusal, request, story))
            }
        }
    }

    /// What becomes of a denial: another sign-in, if that is all that is missing. They come back to the page, and ask again.
    fn instead(&self, refusal: DecideRefusal, request: &Clean, story: &mut Story) -> Refusal {
        let Some(wanted) = refusal.remedies.as_ref().and_then(|remedies| remedies.step_up.clone()) else {
            return refusal.into();
        };
        let (sign_in, session, device) = (&self.world.sign_in, &*self.user.session, &self.device.device.id);
        let count = |outcome| sign_in.count_step_up(OWN_APP, outcome);
        let Some(asked) = sign_in.asked(&session.user.provider, &wanted) else {
            count(StepUpOutcome::CannotAsk);
            return StepUpRefusal::CannotAsk.into();
        };
        story.step_up(&asked);
        let now = self.core.gate.clock.now();
        if sign_in.tried_lately(session, device, &wanted, now) {
            count(StepUpOutcome::NotAgain);
            return StepUpRefusal::NotAgain.into();
        }
        count(if self.manner.pages { StepUpOutcome::Asked } else { StepUpOutcome::Challenged });
        let cookies = own::cookies(&request.headers);
        let way = sign_in.step_up(StepUp {
            wanted: &wanted,
            session,
            device,
            app: &OWN_APP.into(),
            host: &request.host,
            back_to: PAGE,
            cookies: cookies.as_deref(),
            form: Sending::Nothing,
            now,
        });
        match way {
            Ok(way) => {
                StepUpRefusal::Needed(Box::new(Needed { asked, mfa: wanted.mfa, way: Some(way), form: FormFate::None })).into()
            }
            Err(refusal) => refusal.into(),
        }
    }

    /// SHA-256 of the public key that the gate shows at its sign-in host: the second part of a code.
    fn pin(&self) -> Option<Digest> {
        let shown = self.world.tls.shown_at(self.world.config.sign_in.host.as_str())?;
        fingerprint::public_key(&shown).ok().map(Digest)
    }
}

fn builtin(config: &Config) -> Option<(std::sync::Arc<str>, Approval)> {
    config.device_authorities.iter().find_map(|authority| match &authority.kind {
        DeviceAuthorityKind::Builtin { approval, .. } => Some((std::sync::Arc::clone(&authority.name), *approval)),
        DeviceAuthorityKind::External { .. } => None,
    })
}

/// Whoever invites for themselves has the device at hand.
const LIFETIME: Duration = Duration::from_secs(3600);
