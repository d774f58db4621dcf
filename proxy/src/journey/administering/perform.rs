//! From a request that is as it has to be to what it does: whoever asks is looked at again, policy is asked, the record is written, and
//! then it is done.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use sekisho_policy::Action;
use serde_json::json;

use crate::console::PROBLEM_JSON;
use crate::console::admin::{self, AdminState, Refused};
use crate::identify_device::KnownDevice;
use crate::identify_user::{Again, KnownUser};
use crate::journey::body::Body;
use crate::journey::connection::Client;
use crate::journey::control::ControlError;
use crate::journey::device;
use crate::journey::finish::own_response;
use crate::journey::gate::{Core, World};
use crate::journey::manner::Manner;
use crate::journey::own_policy::OwnQuestion;
use crate::journey::refusal::Refusal;
use crate::journey::story::Story;
use crate::read::Clean;
use crate::record::RecordError;
use crate::store::Actor;

/// What is asked for, and by whom.
pub(super) struct Administering<'a> {
    pub(super) core: &'a Core,
    pub(super) client: &'a Client,
    /// Without its body.
    pub(super) request: &'a Clean,
    /// Who it was when the head of the request came.
    pub(super) first: KnownUser,
    pub(super) action: Action,
    pub(super) changes: bool,
}

impl Administering<'_> {
    pub(super) async fn perform(
        &self,
        method: Method,
        path: String,
        body: Bytes,
        story: &mut Story,
    ) -> Result<Response<Body>, Refusal> {
        let gate = &self.core.gate;
        let state = gate.admin.get().and_then(Weak::upgrade).ok_or(ControlError::Lost)?;
        let (device, user) = self.permitted(&state, story).await?;
        let by = Actor::Administrator { user: user.session.user.clone(), device: device.device.id.clone() };
        let request = admin::Request { method, path, body: body.to_vec(), by };
        let done = gate.control.call_for(&device.device.id, async move { admin::answer(&state, &request).await }).await?;
        match done {
            Ok(answer) => {
                let status = answer.status();
                // What is whole already can be collected without waiting.
                let body = answer.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                Ok(own_response(status, "application/json", body))
            }
            Err(not) => Ok(not_done(&not, story)),
        }
    }

    /// Who asks, as of now, whom policy permits it. The body may have taken its time, and so may the record: what was taken away
    /// meanwhile is gone.
    async fn permitted(&self, state: &AdminState, story: &mut Story) -> Result<(KnownDevice, KnownUser), Refusal> {
        let gate = &self.core.gate;
        let mut written = !self.changes;
        loop {
            let world = gate.world.load_full();
            let epoch = gate.inventory.trust_epoch();
            let (device, user) = self.who(&world)?;
            self.question(&world, &device, &user).decide(story)?;
            if !written {
                // What changes something is in the record before it happens, as a request that an app gets is; and nothing that
                // happened before may be missing there.
                if !(state.recorded)() {
                    return Err(RecordError::Unwritable.into());
                }
                story.before_app().await?;
                written = true;
            }
            if gate.inventory.trust_epoch() == epoch && gate.world.load().generation == world.generation {
                return Ok((device, user));
            }
        }
    }

    fn who(&self, world: &Arc<World>) -> Result<(KnownDevice, KnownUser), Refusal> {
        if !world.config.admin.api {
            return Err(Refusal::NothingHere);
        }
        let device = device::look(self.core, self.client, world, None)?;
        let user = self.core.users.again(Again {
            providers: &world.providers,
            rules: &world.rules,
            user: &self.first,
            authorization: self.request.headers.get(AUTHORIZATION),
            device: &device,
            now: self.core.gate.clock.now(),
        })?;
        Ok((device, user))
    }

    fn question<'a>(&'a self, world: &'a World, device: &'a KnownDevice, user: &'a KnownUser) -> OwnQuestion<'a> {
        let Self { core, client, request, action, .. } = self;
        let manner = Manner::of(&request.method, &request.headers);
        OwnQuestion { core, world, client, device, user, manner, request, action: *action, back_to: "/" }
    }
}

/// It was permitted, and could not be done: told as refusals are.
fn not_done(not: &Refused, story: &Story) -> Response<Body> {
    let mut document = json!({
        "type": "about:blank",
        "title": not.status.canonical_reason().unwrap_or("Not done"),
        "status": not.status.as_u16(),
        "detail": not.problem.error,
        "instance": story.id().to_string(),
        "reason": "admin_not_done",
    });
    if let (false, Some(members)) = (not.problem.problems.is_empty(), document.as_object_mut()) {
        members.insert("problems".to_owned(), json!(not.problem.problems));
    }
    let status = if not.status.is_success() { StatusCode::CONFLICT } else { not.status };
    own_response(status, PROBLEM_JSON, document.to_string())
}
