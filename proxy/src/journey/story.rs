//! What is known of a request so far. Whatever happens, it ends as one `access` line.

use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderValue, StatusCode, Version};
use sekisho_policy::OWN_APP;

use super::access::Held;
use crate::clock::{Clock, Timestamp};
use crate::config::App;
use crate::decide::{Basis, DecideRefusal, OwnPermit, Permit};
use crate::forward::Meter;
use crate::identify_device::{DeviceRefusal, KnownDevice, Renewable};
use crate::identify_user::KnownUser;
use crate::inventory::{DeviceId, Session, UserId};
use crate::read::{Clean, Glimpse, RequestId};
use crate::record::{Access, CandidateSaid, Decision, Draft, Open, RecordError, RecordedWay, Recorder, Start, Stolen, Watch};
use crate::sign_in::Asked;
use crate::tls::SecureConnection;

/// Gathers the `access` line as the request passes from room to room. If it is dropped before the line was written (the client
/// went away, or access ended), the line is handed in then, as status 499.
#[derive(Debug)]
pub(super) struct Story {
    recorder: Recorder,
    clock: Clock,
    id: RequestId,
    at: Timestamp,
    line: Box<Draft>,
    told: bool,
    meter: Rc<Meter>,
    /// Handed on to what guards the answer.
    watch: Option<Watch>,
    /// The access, once it was allowed.
    held: Option<Held>,
}

impl Story {
    /// Begins when a head was read; as much of it as can be told.
    pub(super) fn begin(
        recorder: Recorder,
        clock: Clock,
        id: RequestId,
        at: Timestamp,
        connection: &SecureConnection,
        version: Version,
    ) -> Self {
        let mut line = Box::new(Draft::new(at, id, connection.client, connection.id, version));
        line.certificate = connection.leaf.as_ref().map(|leaf| leaf.certificate);
        let meter = Rc::<Meter>::default();
        let watch = Some(recorder.watch(id, Rc::clone(&meter)));
        Self { recorder, clock, id, at, line, told: false, meter, watch, held: None }
    }

    /// The request's name.
    pub(super) fn id(&self) -> RequestId {
        self.id
    }

    /// When its head had been read.
    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    /// Counts the bytes of bodies.
    pub(super) fn meter(&self) -> &Rc<Meter> {
        &self.meter
    }

    /// The request was read.
    pub(super) fn read(&mut self, request: &Clean) {
        self.line.asked = Some((request.method.clone(), request.host.clone(), request.path.clone()));
    }

    /// It could not be read; what was seen of it.
    pub(super) fn unread(&mut self, seen: Glimpse) {
        self.line.seen = Some(seen);
    }

    /// It was sent by another site's page, of this origin.
    pub(super) fn foreign_page(&mut self, origin: Option<&HeaderValue>) {
        let origin = origin.map(|origin| String::from_utf8_lossy(origin.as_bytes()));
        self.line.origin = origin.map(|origin| match origin.char_indices().nth(MOST_ORIGIN) {
            Some((end, _)) => format!("{}…", origin.get(..end).unwrap_or_default()).into(),
            None => origin.into(),
        });
    }

    /// Its app was found.
    pub(super) fn app(&mut self, app: &App) {
        self.line.app = Some(Arc::clone(&app.name));
    }

    /// It is about the gate itself, as policies call it.
    pub(super) fn own_app(&mut self) {
        self.line.app = Some(OWN_APP.into());
    }

    /// The app's name, as a label: empty if the request is for none.
    pub(super) fn app_name(&self) -> &str {
        self.line.app.as_deref().unwrap_or_default()
    }

    /// The device was known.
    pub(super) fn device(&mut self, device: &KnownDevice) {
        self.line.device = Some(device.device.id.clone());
    }

    /// The device may ask for a new certificate, whatever else it may not.
    pub(super) fn renewing(&mut self, device: &Renewable) {
        self.line.device = Some(device.device.clone());
    }

    /// The device is refused; who it is, is known all the same where its certificate says so.
    pub(super) fn refused_device(&mut self, refusal: &DeviceRefusal) {
        let id = match refusal {
            DeviceRefusal::Unlisted(id)
            | DeviceRefusal::FirstSight { id, .. }
            | DeviceRefusal::OtherKey(id)
            | DeviceRefusal::FormerKey(id)
            | DeviceRefusal::Pending(id)
            | DeviceRefusal::Quarantined(id)
            | DeviceRefusal::Retired(id) => id,
            DeviceRefusal::NoCertificate
            | DeviceRefusal::Certificate(_)
            | DeviceRefusal::AuthorityNotTaken(_)
            | DeviceRefusal::InventoryBehind => return,
        };
        self.line.device = Some(id.clone());
    }

    /// The user was known.
    pub(super) fn user(&mut self, user: &KnownUser) {
        let line = &mut self.line;
        line.user = Some(user.session.user.clone());
        line.session = Some(user.session.id.clone());
        line.binding = Some(user.binding.as_str());
    }

    /// Whose session or token it is was known, though nobody is let in with it.
    pub(super) fn refused_user(&mut self, session: &Session) {
        self.line.user = Some(session.user.clone());
        self.line.session = Some(session.id.clone());
    }

    /// Who it is was known, and is refused.
    pub(super) fn person(&mut self, user: &UserId) {
        self.line.user = Some(user.clone());
    }

    /// A session or a token was shown by another device than its own.
    pub(super) fn stolen(&mut self, session: &Session, from: Option<&DeviceId>) {
        let stolen = Stolen { user: session.user.clone(), session: session.id.clone(), from: from.cloned() };
        self.line.stolen = Some(Box::new(stolen));
    }

    /// Policy said yes.
    pub(super) fn permitted(&mut self, permit: &Permit) {
        let line = &mut self.line;
        line.decision = Decision::Allow;
        line.reason = "permitted";
        line.policies = Arc::clone(&permit.policies);
        self.rests_on(permit.basis.as_ref());
    }

    /// Policy said yes to something of the gate itself.
    pub(super) fn permitted_own(&mut self, permit: &OwnPermit) {
        let line = &mut self.line;
        line.decision = Decision::Allow;
        line.reason = "permitted";
        line.policies = Arc::clone(&permit.policies);
        self.rests_on(Some(&permit.basis));
    }

    /// It was entered among the accesses that are under way.
    pub(super) fn holds(&mut self, held: Held) {
        self.held = Some(held);
    }

    /// The access, if it was entered.
    pub(super) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// The access, for whoever hands its answer on.
    pub(super) fn release(&mut self) -> Option<Held> {
        self.held.take()
    }

    /// Policy said no.
    pub(super) fn denied(&mut self, refusal: &DecideRefusal) {
        let line = &mut self.line;
        line.policies = Arc::clone(&refusal.policies);
        line.ways = refusal.remedies.iter().flat_map(|remedies| &remedies.ways).map(|remedy| recorded(&remedy.way)).collect();
        self.rests_on(refusal.basis.as_deref());
    }

    fn rests_on(&mut self, basis: Option<&Basis>) {
        if let Some(basis) = basis {
            self.line.basis = Some(basis.clone());
        }
    }

    /// Another sign-in is asked for.
    pub(super) fn step_up(&mut self, asked: &Asked) {
        self.line.step_up = Some(asked.clone());
    }

    /// The candidate policies would have answered otherwise.
    pub(super) fn candidate(&mut self, said: CandidateSaid) {
        self.line.candidate = Some(said);
    }

    /// The line so far.
    pub(super) fn line(&self) -> &Draft {
        &self.line
    }

    /// It is answered by the gate itself.
    pub(super) fn own(&mut self, reason: &'static str) {
        let line = &mut self.line;
        line.decision = Decision::Own;
        line.reason = reason;
    }

    /// It is refused, or its app failed; `reason` is the refusal's name.
    pub(super) fn refused(&mut self, reason: &'static str, decision: Decision) {
        let line = &mut self.line;
        line.decision = decision;
        line.reason = reason;
    }

    /// What was decided so far, for metrics: decision, reason.
    pub(super) fn outcome(&self) -> (Decision, &'static str) {
        (self.line.decision, self.line.reason)
    }

    /// Writes the line that must stand before the first byte goes to the app.
    ///
    /// # Errors
    /// [`RecordError`]; the request must not go on.
    pub(super) async fn before_app(&self) -> Result<(), RecordError> {
        let Access { at, request, device, user, session, app, method, host, path, policies, .. } = self.line.line();
        let app = app.unwrap_or_default();
        let start = Start { at, request, device, user, session, app, method, host, path, policies };
        self.recorder.start_line(&start).await
    }

    /// Writes the `access` line. The guard writes the `end` line.
    ///
    /// If it could not be written, nothing may be answered but that. Then both are kept, with that as the outcome, until they can be.
    pub(super) async fn answered(&mut self, status: u16, length: Option<u64>) -> (Open, Result<(), RecordError>) {
        self.line.status = status;
        self.line.length = length;
        let written = self.recorder.access(&self.line).await;
        // Only now: had the client gone in the meantime, the line would have been handed in by `drop`.
        self.told = true;
        if written.is_err() {
            self.line.status = StatusCode::SERVICE_UNAVAILABLE.as_u16();
            self.line.length = None;
            // Also if policy let it through: nothing of the app's answer is handed on.
            self.refused("record_unavailable", Decision::Deny);
            self.recorder.late(&self.line);
        }
        let open = Open::new(self.recorder.clone(), self.clock.clone(), self.id, self.at, Rc::clone(&self.meter));
        (open.watched(self.watch.take()), written)
    }
}

/// A way as the record writes it.
fn recorded(way: &sekisho_policy::Way) -> RecordedWay {
    RecordedWay {
        by: way.by.as_str().to_owned(),
        policies: way.policies.clone(),
        lifts: way.lifts.clone(),
        changes: way.changes.iter().map(ToString::to_string).collect(),
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        self.line.status = UNANSWERED;
        self.line.length = None;
        let cause = self.held.as_ref().and_then(Held::cause);
        if cause.is_some() {
            self.line.reason = "cut";
        } else if self.line.reason.is_empty() {
            self.line.reason = "client_gone";
        }
        self.recorder.late(&self.line);
        let mut open = Open::new(self.recorder.clone(), self.clock.clone(), self.id, self.at, Rc::clone(&self.meter));
        if let Some(cause) = cause {
            open.cut(cause);
        }
    }
}

/// Letters of an origin: a scheme, the longest of hosts and a port.
const MOST_ORIGIN: usize = 272;
/// As other proxies write it: nothing was answered.
const UNANSWERED: u16 = 499;
