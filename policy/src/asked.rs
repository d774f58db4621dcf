//! A question to the gate as compiled conditions see it: every fact where it lies, nothing copied.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Action, ActionBits};
use crate::cells::Row;
use crate::compile::{Entity, Fact, Ip, Part, Record, Set, Step, Value, Variable, World};
use crate::facts::{DeviceFacts, FactValue, Identity, Principal, SessionFacts};
use crate::prepare::Prepared;
use crate::question::{age_s, count, instant_ms};
use crate::request::RequestFacts;
use crate::schema::PostureFact;

/// Who asks, and for what.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) prepared: &'a Prepared,
    pub(crate) facts: &'a RequestFacts<'a>,
    pub(crate) row: &'a Row,
    pub(crate) posture: &'a [PostureFact],
}

impl<'a> Asked<'a> {
    fn identity(&self) -> Option<&'a Identity> {
        self.prepared.identity()
    }

    fn device_fact(&self, fact: Fact, device: &'a DeviceFacts) -> Option<Value<'a>> {
        Some(match fact {
            Fact::DeviceId => Value::Text(&device.id),
            Fact::Owner => Value::Entity(Entity { kind: "User", id: device.owner.as_deref().unwrap_or_default() }),
            Fact::Authority => Value::Text(&device.authority),
            Fact::Platform => Value::Text(&device.platform),
            Fact::Managed => Value::Bool(device.managed),
            Fact::Shared => Value::Bool(device.shared),
            Fact::KeyProtection => Value::Text(&device.key_protection),
            Fact::PostureAge => Value::Long(age_s(device.posture_at_ms, self.facts.at.unix_ms)),
            Fact::EnrolledAt => Value::Datetime(instant_ms(device.enrolled_at_ms)),
            Fact::Posture(at) => {
                return match self.prepared.posture().get(at)?.as_ref()? {
                    FactValue::Flag(flag) => Some(Value::Bool(*flag)),
                    FactValue::Number(number) => Some(Value::Long(*number)),
                    FactValue::Text(text) => Some(Value::Text(text)),
                };
            }
            _ => return None,
        })
    }

    fn session_fact(&self, fact: Fact, session: &'a SessionFacts) -> Option<Value<'a>> {
        Some(match fact {
            Fact::AuthAge => Value::Long(age_s(session.authenticated_at_ms, self.facts.at.unix_ms)),
            Fact::Mfa => Value::Bool(session.mfa),
            Fact::Acr => Value::Text(session.acr.as_deref().unwrap_or_default()),
            Fact::Amr => Value::Set(Set::Texts(&session.amr)),
            Fact::Provider => Value::Text(&session.provider),
            Fact::Binding => Value::Text(&session.binding),
            _ => return None,
        })
    }

    fn is_principal(&self, entity: Entity<'_>) -> bool {
        entity == self.prepared.uid()
    }

    fn claims(&self) -> Option<&'a BTreeMap<String, BTreeSet<String>>> {
        Some(match &self.identity()?.principal {
            Principal::User(user) => &user.claims,
            Principal::Service(service) => &service.claims,
        })
    }
}

impl<'a> World<'a> for Asked<'a> {
    fn variable(&self, variable: Variable) -> Entity<'a> {
        match variable {
            Variable::Principal => self.prepared.uid(),
            Variable::Action => Entity { kind: "Action", id: self.facts.action.as_str() },
            Variable::Resource => Entity { kind: "App", id: self.facts.app },
        }
    }

    fn context(&self) -> Record<'a> {
        self.part(Part::Context).unwrap_or_else(|| Record::Made([].into()))
    }

    fn fact(&self, fact: Fact) -> Option<Value<'a>> {
        let asked = self.facts;
        Some(match fact {
            Fact::Host => Value::Text(asked.host),
            Fact::Path => Value::Text(asked.path),
            Fact::PathPrefixes => Value::Set(Set::PathAndAbove(asked.path)),
            Fact::Method => Value::Text(asked.method),
            Fact::SourceIp => Value::Ip(Ip::single(asked.source_ip.to_canonical())),
            Fact::Requests1m => Value::Long(count(asked.usage.requests_1m)),
            Fact::Bytes1h => Value::Long(count(asked.usage.bytes_1h)),
            Fact::Bytes1d => Value::Long(count(asked.usage.bytes_1d)),
            Fact::Now => Value::Datetime(instant_ms(asked.at.unix_ms)),
            Fact::LocalTime => Value::Duration(asked.at.local_ms.into()),
            Fact::Weekday => Value::Text(asked.at.weekday.as_str()),
            Fact::AuthAge | Fact::Mfa | Fact::Acr | Fact::Amr | Fact::Provider | Fact::Binding => {
                return self.session_fact(fact, &self.identity()?.session);
            }
            Fact::DeviceId
            | Fact::Owner
            | Fact::Authority
            | Fact::Platform
            | Fact::Managed
            | Fact::Shared
            | Fact::KeyProtection
            | Fact::PostureAge
            | Fact::EnrolledAt
            | Fact::Posture(_) => return self.device_fact(fact, &self.identity()?.device),
        })
    }

    fn has(&self, part: Part) -> bool {
        !part.is_of_somebody() || self.identity().is_some()
    }

    fn part(&self, part: Part) -> Option<Record<'a>> {
        if !self.has(part) {
            return None;
        }
        if part == Part::Posture {
            let declared = self.posture.iter().enumerate();
            let mut fields: Vec<_> =
                declared.filter_map(|(at, declared)| Some((declared.name.as_str(), self.fact(Fact::Posture(at))?))).collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            return Some(Record::Made(fields.into()));
        }
        let value = |step| match step {
            Step::Part(part) => self.part(part).map(Value::Record),
            Step::Fact(fact) => self.fact(fact),
        };
        Some(Record::Made(part.attributes().iter().filter_map(|(name, step)| Some((*name, value(*step)?))).collect()))
    }

    fn attribute(&self, entity: Entity<'_>, name: &str) -> Option<Value<'a>> {
        if !self.is_principal(entity) {
            return None;
        }
        let (email, shown) = match &self.identity()?.principal {
            Principal::User(user) => (user.email.as_deref(), user.name.as_deref()),
            Principal::Service(service) => (None, service.name.as_deref()),
        };
        match name {
            "email" => email.map(Value::Text),
            "name" => shown.map(Value::Text),
            _ => None,
        }
    }

    fn tag(&self, entity: Entity<'_>, name: &str) -> Option<Value<'a>> {
        let claims = self.is_principal(entity).then(|| self.claims()).flatten()?;
        claims.get(name).map(|texts| Value::Set(Set::Texts(texts)))
    }

    fn is_in(&self, child: Entity<'_>, parent: Entity<'_>) -> bool {
        if child == parent {
            return true;
        }
        match (child.kind, parent.kind) {
            ("User", "Group") => match self.identity().map(|identity| &identity.principal) {
                Some(Principal::User(user)) => self.is_principal(child) && user.groups.contains(parent.id),
                _ => false,
            },
            ("App", "Tag") => child.id == self.facts.app && self.row.has_tag(parent.id),
            ("Action", "Action") => Action::named(child.id).is_some_and(|action| action.is_in(parent.id)),
            _ => false,
        }
    }

    fn is_member(&self, key: u32) -> bool {
        self.prepared.keys().contains(key)
    }

    fn is_resource_in(&self, key: u32) -> bool {
        self.row.is_in(key)
    }

    fn is_action_of(&self, actions: ActionBits) -> bool {
        actions & self.facts.action.bit() != 0
    }
}
