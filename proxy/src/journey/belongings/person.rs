//! Who is at the page, what they work with, and what they are answered with.

use http::header::{LOCATION, REFERRER_POLICY};
use http::{HeaderValue, Response, StatusCode};

use super::refusal::BelongingsRefusal;
use super::{pages, view};
use crate::identify_device::KnownDevice;
use crate::identify_user::KnownUser;
use crate::journey::body::Body;
use crate::journey::connection::Client;
use crate::journey::control::ControlError;
use crate::journey::finish::own_response;
use crate::journey::gate::{Core, World};
use crate::journey::manner::Manner;
use crate::journey::refusal::Refusal;
use crate::store::{Belongings, Oneself};

/// A person at a browser of theirs, and what they work with.
pub(super) struct Person<'a> {
    pub(super) core: &'a Core,
    pub(super) client: &'a Client,
    pub(super) world: &'a World,
    pub(super) device: KnownDevice,
    pub(super) user: KnownUser,
    pub(super) manner: Manner,
}

impl Person<'_> {
    pub(super) fn oneself(&self) -> Oneself {
        let session = &self.user.session;
        Oneself { user: session.user.clone(), email: session.email.as_deref().map(str::to_owned) }
    }

    /// Whether the device that they are on is theirs.
    pub(super) fn is_on_their_own(&self) -> bool {
        let session = &self.user.session;
        self.device.device.owner.as_ref().is_some_and(|owner| owner.is(&session.user, session.email.as_deref()))
    }

    /// Work on the control runtime, of which a device has its share.
    pub(super) async fn control<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ControlError> {
        self.core.gate.control.call_for(&self.device.device.id, work).await
    }

    fn token(&self) -> Result<String, Refusal> {
        Ok(self.world.sign_in.page_token(&self.user.session.id).map_err(|_none| BelongingsRefusal::NoRandomness)?)
    }

    pub(super) async fn look(&self) -> Result<Response<Body>, Refusal> {
        let gate = &self.core.gate;
        let own = if self.is_on_their_own() {
            let (registrar, oneself) = (gate.registrar.clone(), self.oneself());
            self.control(async move { registrar.belongings(&oneself).await }).await?
        } else {
            // What else is theirs is nobody's business here.
            Ok(Belongings { sessions: vec![self.user.session.id.clone()], ..Belongings::default() })
        };
        let config = &self.world.config;
        let looking = view::Looking {
            device: &self.device.device.id,
            session: &self.user.session.id,
            self_service: config.enrolment.self_service,
            idle: config.sign_in.idle_timeout,
            now: gate.clock.now(),
            token: self.token()?,
        };
        let view = view::View::of(&own.map_err(BelongingsRefusal::from)?, &gate.inventory, looking);
        Ok(if self.manner.pages { pages::devices(config.sign_in.host.as_str(), &view) } else { json(StatusCode::OK, &view) })
    }

    /// The page again, as it is now; or a word for programs.
    pub(super) fn done(&self, to: &'static str) -> Response<Body> {
        if self.manner.pages { elsewhere(to) } else { json(StatusCode::OK, &serde_json::json!({ "done": true })) }
    }
}

/// What a browser asks for next.
pub(super) fn elsewhere(to: &str) -> Response<Body> {
    let mut response = own_response(StatusCode::SEE_OTHER, "text/plain", "");
    if let Ok(location) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

pub(super) fn json(status: StatusCode, view: &impl serde::Serialize) -> Response<Body> {
    match serde_json::to_string_pretty(view) {
        Ok(text) => own_response(status, "application/json", format!("{text}\n")),
        Err(error) => {
            tracing::error!(%error, "what is somebody's own could not be put into words");
            own_response(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "the answer could not be made\n")
        }
    }
}

/// A page whose forms come back here: with `no-referrer`, browsers would write `Origin: null`, as of another site.
pub(super) fn with_forms(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// The page itself.
pub(super) const PAGE: &str = "/.sekisho/devices";
