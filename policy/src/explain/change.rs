//! One fact that could be otherwise.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::facts::{FactValue, Identity, Principal, UserFacts};
use crate::query::Query;
use crate::request::{Moment, Usage};

/// A fact that would have to change, from what it is to what was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// As policies write it: `context.session.mfa`, `principal in Group::"hr"`.
    pub fact: String,
    /// What it is.
    pub from: String,
    /// What it would have to be.
    pub to: String,
    /// Who can change it.
    pub by: By,
    #[serde(skip)]
    pub(crate) edit: Edit,
}

/// Who can change a fact: the nearest to the person first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The person, now, by signing in again.
    User,
    /// Whoever looks after the device: its health.
    Device,
    /// The person, from another network.
    Network,
    /// Nobody: it passes.
    Time,
    /// An administrator: groups, claims, the inventory.
    Administrator,
}

/// What is done to the facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Signed in so many seconds ago.
    SignedIn(i64),
    Mfa,
    Acr(String),
    /// These methods used as well.
    Amr(Vec<String>),
    Provider(String),
    Binding(String),
    Posture(String, FactValue),
    /// The posture gathered so many seconds ago.
    PostureAge(i64),
    Managed(bool),
    Shared(bool),
    KeyProtection(String),
    Platform(String),
    Authority(String),
    DeviceId(String),
    /// The device belongs to who asks.
    Owned,
    EnrolledAt(i64),
    Join(String),
    Leave(String),
    Claim(String, String),
    Email(String),
    Name(String),
    SourceIp(IpAddr),
    Usage(Counter, u64),
    At(Moment),
}

/// A number of [`Usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    Requests1m,
    Bytes1h,
    Bytes1d,
}

impl Query {
    /// The same question with other facts. Ages among `changes` are counted from the time that they set.
    #[must_use]
    pub fn changed(&self, changes: &[Change]) -> Self {
        let mut query = self.clone();
        let mut in_order: Vec<&Change> = changes.iter().collect();
        in_order.sort_by_key(|change| !matches!(change.edit, Edit::At(_)));
        in_order.iter().for_each(|change| change.edit.apply(&mut query));
        query
    }
}

impl std::fmt::Display for Change {
    /// `context.session.mfa: false -> true`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} -> {}", self.fact, self.from, self.to)
    }
}

impl By {
    /// All of them, the nearest first.
    pub const ALL: [Self; 5] = [Self::User, Self::Device, Self::Network, Self::Time, Self::Administrator];

    /// The word for it in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Device => "device",
            Self::Network => "network",
            Self::Time => "time",
            Self::Administrator => "administrator",
        }
    }
}

impl Edit {
    fn apply(&self, query: &mut Query) {
        let now_ms = query.request.at.unix_ms;
        match (self, query.who.as_mut()) {
            (Self::SourceIp(address), _) => query.request.source_ip = *address,
            (Self::Usage(counter, value), _) => *counter.of_mut(&mut query.request.usage) = *value,
            (Self::At(moment), _) => query.request.at = *moment,
            (_, None) => {}
            (edit, Some(identity)) => edit.apply_to(identity, now_ms),
        }
    }

    fn apply_to(&self, identity: &mut Identity, now_ms: i64) {
        let Identity { principal, device, session } = identity;
        let ago = |age_s: i64| Some(now_ms.saturating_sub(age_s.saturating_mul(1000)));
        match self.clone() {
            Self::SignedIn(age_s) => session.authenticated_at_ms = ago(age_s),
            Self::Mfa => session.mfa = true,
            Self::Acr(acr) => session.acr = Some(acr),
            Self::Amr(methods) => session.amr.extend(methods),
            Self::Provider(provider) => session.provider = provider,
            Self::Binding(binding) => session.binding = binding,
            Self::Posture(name, value) => {
                device.posture.insert(name, value);
            }
            Self::PostureAge(age_s) => device.posture_at_ms = ago(age_s),
            Self::Managed(managed) => device.managed = managed,
            Self::Shared(shared) => device.shared = shared,
            Self::KeyProtection(kind) => device.key_protection = kind,
            Self::Platform(platform) => device.platform = platform,
            Self::Authority(authority) => device.authority = authority,
            Self::DeviceId(id) => device.id = id,
            Self::Owned => device.owner = Some(principal_id(principal).to_owned()),
            Self::EnrolledAt(at_ms) => device.enrolled_at_ms = at_ms,
            Self::Claim(name, value) => {
                claims(principal).entry(name).or_default().insert(value);
            }
            Self::Name(name) => match principal {
                Principal::User(user) => user.name = Some(name),
                Principal::Service(service) => service.name = Some(name),
            },
            other => {
                if let Principal::User(user) = principal {
                    other.apply_to_user(user);
                }
            }
        }
    }

    fn apply_to_user(self, user: &mut UserFacts) {
        match self {
            Self::Join(group) => {
                user.groups.insert(group);
            }
            Self::Leave(group) => {
                user.groups.remove(&group);
            }
            Self::Email(email) => user.email = Some(email),
            _ => {}
        }
    }

    pub(crate) fn used(counter: Counter, number: i64) -> Self {
        Self::Usage(counter, u64::try_from(number).unwrap_or_default())
    }
}

impl Counter {
    pub(crate) fn of(self, usage: Usage) -> u64 {
        let mut usage = usage;
        *self.of_mut(&mut usage)
    }

    fn of_mut(self, usage: &mut Usage) -> &mut u64 {
        match self {
            Self::Requests1m => &mut usage.requests_1m,
            Self::Bytes1h => &mut usage.bytes_1h,
            Self::Bytes1d => &mut usage.bytes_1d,
        }
    }
}

pub(crate) fn principal_id(principal: &Principal) -> &str {
    match principal {
        Principal::User(user) => &user.id,
        Principal::Service(service) => &service.id,
    }
}

fn claims(principal: &mut Principal) -> &mut std::collections::BTreeMap<String, std::collections::BTreeSet<String>> {
    match principal {
        Principal::User(user) => &mut user.claims,
        Principal::Service(service) => &mut service.claims,
    }
}
