//! What goes over the admin socket, in both directions. Times are milliseconds since the Unix epoch.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::inventory::{BreakGlass, Counts, Device, DeviceId, DeviceStatus, Platform, SessionId, UserId};
use crate::secret::Digest;
use crate::store::{Attestation, Change, DeviceAlias, DeviceFact, Invite};

/// `GET /v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the gate.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Why every request is refused now; `None` if it is not.
    pub not_ready: Option<String>,
    /// How many there are of what.
    pub counts: Counts,
    /// The folder of candidate policies, and whether they are tried; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<CandidateStatus>,
    /// People whose access was taken away, as `provider/subject`.
    pub suspended: Vec<String>,
    /// The break-glass that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlass>,
    /// What the gate's process gave up.
    #[serde(default)]
    pub hardening: Vec<Hardening>,
}

/// A layer of hardening of the gate's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardening {
    /// Its name, as in `sekisho_hardening`.
    pub layer: String,
    /// Whether it is in force.
    pub in_force: bool,
    /// What exactly; why not, if it is not.
    pub words: String,
}

/// Candidate policies, in short.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CandidateStatus {
    /// Their folder.
    pub dir: String,
    /// Whether they are tried; if not, they cannot be loaded.
    pub tried: bool,
}

/// `GET /v1/candidate`: policies that are tried on live traffic.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CandidateView {
    /// Their folder.
    pub dir: String,
    /// How many policies.
    pub policies: usize,
    /// Content hash of the set; `None` if it is not tried.
    pub policy_set: Option<String>,
    /// Why it is not tried.
    pub problems: Vec<String>,
    /// Requests that it answers differently, by app and by what each set says.
    pub differences: Vec<Difference>,
}

/// Requests that two policy sets answer differently, in the same way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// The app.
    pub app: String,
    /// What the live policies said: `allow`, `deny` or `error`.
    pub active: String,
    /// What the candidate policies say: `allow`, `deny` or `error`.
    pub candidate: String,
    /// How many requests.
    pub requests: u64,
    /// The last of them, newest first.
    pub examples: VecDeque<Example>,
}

/// A request that two policy sets answer differently.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Example {
    /// When, RFC 3339.
    pub at: String,
    /// Its id, as in the record.
    pub request: String,
    /// Who, if known.
    pub user: Option<String>,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The policies that decided.
    pub active: Vec<String>,
    /// The policies that would have decided.
    pub candidate: Vec<String>,
}

/// `POST /v1/devices/of`: the devices of one person.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerRequest {
    /// `provider/subject`, or an e-mail address.
    pub owner: String,
}

/// A device in a listing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceView {
    /// What is known of it.
    #[serde(flatten)]
    pub device: Device,
    /// Content hash of that, as in the record.
    pub facts: Digest,
    /// Sessions on it.
    pub sessions: usize,
}

/// The answer to a lever on a device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceAnswer {
    /// The device as it is now.
    #[serde(flatten)]
    pub view: DeviceView,
    /// How many sessions were ended.
    pub ended: usize,
}

/// `GET /v1/devices/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceDetails {
    /// The device.
    #[serde(flatten)]
    pub view: DeviceView,
    /// What is said of it, whether it counts or not.
    #[serde(default)]
    pub reported: Vec<FactView>,
    /// What sources call it.
    #[serde(default)]
    pub aliases: Vec<DeviceAlias>,
    /// What people have had on it, of each app.
    #[serde(default)]
    pub usage: Vec<UsageView>,
    /// Which of its keys were proved to be in a TPM.
    #[serde(default)]
    pub attestations: Vec<Attestation>,
    /// What happened to it, newest first.
    pub history: Vec<Change>,
}

/// One thing that somebody says of a device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FactView {
    /// What, and who says so.
    #[serde(flatten)]
    pub fact: DeviceFact,
    /// How long ago it was like that, in seconds.
    pub age_s: u64,
}

/// What somebody has had of an app lately, as policies see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UsageView {
    /// The person.
    pub user: UserId,
    /// The app.
    pub app: String,
    /// Requests in the last minute.
    pub requests_1m: u64,
    /// Bytes of answers in the last hour.
    pub bytes_1h: u64,
    /// Bytes of answers in the last day.
    pub bytes_1d: u64,
}

/// `POST /v1/invitations`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InviteRequest {
    /// `provider/subject`, or an e-mail address; needed unless `shared`.
    pub owner: Option<String>,
    /// Id for the device.
    pub device: Option<DeviceId>,
    /// Used by several people.
    pub shared: bool,
    /// Administered by the company.
    pub managed: bool,
    /// How long the code lives; 24 h unless said otherwise.
    pub lifetime_s: Option<u64>,
    /// Why.
    pub why: String,
}

/// The answer to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InviteAnswer {
    /// Public name of the invitation.
    pub id: String,
    /// The code with the gate's pin. It cannot be shown again.
    pub code: String,
    /// Until when.
    pub expires_at: Timestamp,
    /// Where to enrol.
    pub gate: String,
    /// The device waits for an administrator after it has enrolled.
    pub needs_approval: bool,
}

/// `POST /v1/devices`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddRequest {
    /// As its authority's certificates name it, or as the inventory does: `authority.name`.
    pub id: String,
    /// The external authority.
    pub authority: String,
    /// `provider/subject`, or an e-mail address.
    #[serde(default)]
    pub owner: Option<String>,
    /// Used by several people.
    #[serde(default)]
    pub shared: bool,
    /// Administered by the company.
    #[serde(default)]
    pub managed: bool,
    /// What it runs.
    #[serde(default)]
    pub platform: Platform,
    /// Its keys; none: any certificate of its authority that names it.
    #[serde(default)]
    pub keys: Vec<Digest>,
    /// Why.
    #[serde(default)]
    pub why: String,
}

/// `POST /v1/devices/{id}/approve`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveRequest {
    /// The fingerprint that the device shows.
    pub fingerprint: Digest,
    /// Why.
    #[serde(default)]
    pub why: String,
}

/// `POST /v1/devices/{id}/quarantine`, `…/release`, `…/retire`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhyRequest {
    /// Why.
    pub why: String,
}

/// `POST /v1/devices/{id}/set`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SetRequest {
    /// Facts as people write them, by name.
    pub set: BTreeMap<String, String>,
    /// Facts about which operators say nothing any more.
    pub unset: Vec<String>,
    /// What posture sources call it.
    pub aliases: Vec<DeviceAlias>,
    /// What they do not call it any more.
    pub no_aliases: Vec<DeviceAlias>,
    /// Why.
    pub why: String,
}

/// A session in a listing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionView {
    /// Its public name.
    pub id: SessionId,
    /// `provider/subject`.
    pub user: String,
    /// The verified e-mail address.
    pub email: Option<String>,
    /// On which device.
    pub device: DeviceId,
    /// Status of that device now.
    pub device_status: Option<DeviceStatus>,
    /// More than one factor was used.
    pub mfa: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used: Timestamp,
    /// When its provider last said what stands in it.
    pub confirmed_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// When it ends if it is not used.
    pub idle_at: Timestamp,
}

/// `POST /v1/sessions/end`: exactly one of the three.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndRequest {
    /// This one.
    pub session: Option<SessionId>,
    /// All of this person: `provider/subject`, or the e-mail address of somebody who has signed in.
    pub user: Option<String>,
    /// All on this device.
    pub device: Option<DeviceId>,
    /// Why.
    pub why: String,
}

/// Sessions that were ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub ended: Vec<SessionId>,
}

/// `POST /v1/users/suspend`, `…/resume`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    /// `provider/subject`, or the e-mail address of somebody who has signed in.
    pub user: String,
    /// Why.
    #[serde(default)]
    pub why: String,
    /// To suspend: also somebody who has never been here.
    #[serde(default)]
    pub stranger: bool,
    /// To suspend: for good. Their own devices are retired, and invitations for them withdrawn.
    #[serde(default)]
    pub retire_devices: bool,
}

/// `POST /v1/users/show`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonRequest {
    /// `provider/subject`, or the e-mail address of somebody who has signed in.
    pub user: String,
}

/// The answer to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PersonView {
    /// `provider/subject`.
    pub user: String,
    /// The verified e-mail address of the last sign-in.
    pub email: Option<String>,
    /// The display name of the last sign-in.
    pub name: Option<String>,
    /// When they last signed in; `None`: never.
    pub last_sign_in: Option<Timestamp>,
    /// Their access was taken away.
    pub suspended: bool,
    /// Their devices, the retired ones too.
    pub devices: Vec<DeviceView>,
    /// Sessions that they can use now.
    pub sessions: Vec<SessionView>,
    /// Invitations that are open for devices of theirs.
    pub invitations: Vec<InvitationView>,
}

/// `GET /v1/invitations`: one that is open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InvitationView {
    /// Its public name.
    pub id: String,
    /// What it invites.
    #[serde(flatten)]
    pub invite: Invite,
    /// Who made it for themselves; `None`: an administrator made it.
    pub made_by: Option<UserId>,
    /// When it was made.
    pub made_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// The answer to it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UserAnswer {
    /// `provider/subject`.
    pub user: String,
    /// Sessions that were ended.
    pub ended: Vec<SessionId>,
    /// Devices that were retired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<DeviceId>,
    /// Devices of theirs that others use too, and that stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<DeviceId>,
    /// Invitations that were withdrawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<String>,
    /// Somebody of that name has signed in here. If not, the name may be misspelt.
    pub known: bool,
    /// Who was perhaps meant, if nobody of that name has signed in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<String>,
}

/// Somebody in the group of administrators, in `GET /v1/administrators`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdministratorView {
    /// `provider/subject`.
    pub user: String,
    /// The verified e-mail address, if they have signed in.
    pub email: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Who said so.
    pub by: String,
    /// Why.
    pub why: String,
    /// Their access was taken away.
    pub suspended: bool,
}

/// The answer to `POST /v1/administrators/add` and `…/remove`, which take a [`UserRequest`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdministratorAnswer {
    /// `provider/subject`.
    pub user: String,
    /// How many administrators there are now.
    pub left: usize,
    /// The gate's host takes what administrators ask for (`[admin] api`).
    pub api: bool,
}

/// `POST /v1/break-glass`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlassRequest {
    /// The device that the code is for.
    pub device: String,
    /// Why; it has to be said.
    pub why: String,
    /// How long it lasts; half an hour unless said otherwise.
    #[serde(default)]
    pub for_s: Option<u64>,
}

/// The answer to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BreakGlassAnswer {
    /// It.
    #[serde(flatten)]
    pub under_way: BreakGlass,
    /// The code. It cannot be shown again.
    pub code: String,
    /// Where to open it.
    pub address: String,
}

/// The answer to whatever could not be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong and what to do.
    pub error: String,
    /// For a reload: every problem.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}
