//! What is worth trying: other values of the facts that policies look at, taken from what the policies compare them with.
//!
//! App, action, host, path and method are never among them: they are what was asked for. Nor is who asks.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::change::{By, Change, Counter, Edit, principal_id};
use super::looks::{Beside, Looks};
use super::moments;
use crate::facts::{DeviceFacts, FactValue, Identity, Principal};
use crate::query::Query;
use crate::schema::{FactKind, PostureFact};

/// Every other value that is worth trying, those of one fact beside each other.
pub(super) fn of(looks: &Looks, query: &Query, posture: &[PostureFact]) -> Vec<Change> {
    let mut found = Found { changes: Vec::new() };
    for (fact, beside) in &looks.0 {
        let beside = Besides(beside);
        found.request(fact, &beside, query);
        if let Some(identity) = &query.who {
            found.principal(fact, &beside, identity);
            found.session(fact, &beside, identity);
            found.device(fact, &beside, query, identity);
            found.posture(fact, &beside, &identity.device, posture);
        }
    }
    if let Some(now) = moments::worth_trying(looks, query) {
        found.changes.extend(now);
    }
    found.changes
}

struct Found {
    changes: Vec<Change>,
}

impl Found {
    fn add(&mut self, by: By, fact: &str, from: impl Into<String>, to: impl Into<String>, edit: Edit) {
        self.changes.push(Change { fact: fact.to_owned(), from: from.into(), to: to.into(), by, edit });
    }

    fn request(&mut self, fact: &str, beside: &Besides<'_>, query: &Query) {
        let request = &query.request;
        let counter = match fact {
            "context.request.source_ip" => {
                for (address, to) in beside.addresses(request.source_ip) {
                    self.add(By::Network, fact, request.source_ip.to_string(), to, Edit::SourceIp(address));
                }
                return;
            }
            "context.usage.requests_1m" => Counter::Requests1m,
            "context.usage.bytes_1h" => Counter::Bytes1h,
            "context.usage.bytes_1d" => Counter::Bytes1d,
            _ => return,
        };
        let used = counter.of(request.usage);
        if used > 0 {
            self.add(By::Time, fact, used.to_string(), "0", Edit::Usage(counter, 0));
        }
    }

    fn principal(&mut self, fact: &str, beside: &Besides<'_>, identity: &Identity) {
        let user = match &identity.principal {
            Principal::User(user) => Some(user),
            Principal::Service(_) => None,
        };
        let claims = match &identity.principal {
            Principal::User(user) => &user.claims,
            Principal::Service(service) => &service.claims,
        };
        if let Some(name) = fact.strip_prefix("principal#") {
            for value in beside.texts_or("") {
                if claims.get(name).is_some_and(|values| values.contains(&value)) {
                    continue;
                }
                let shown = format!("principal.getTag({name:?}).contains({value:?})");
                self.add(By::Administrator, &shown, "false", "true", Edit::Claim(name.to_owned(), value));
            }
        }
        for group in beside.groups() {
            // Only people are in groups.
            let Some(user) = user else { break };
            let shown = format!("principal in Group::{group:?}");
            let (from, to, edit) = match user.groups.contains(group) {
                true => ("true", "false", Edit::Leave(group.to_owned())),
                false => ("false", "true", Edit::Join(group.to_owned())),
            };
            self.add(By::Administrator, &shown, from, to, edit);
        }
        match (fact, user) {
            ("principal.email", Some(user)) => {
                for (value, shown) in beside.matching("somebody@example") {
                    self.add(By::Administrator, fact, known(user.email.as_deref()), shown, Edit::Email(value));
                }
            }
            ("principal.name", _) => {
                for (value, shown) in beside.matching("somebody") {
                    self.add(By::Administrator, fact, "another", shown, Edit::Name(value));
                }
            }
            _ => {}
        }
    }

    fn session(&mut self, fact: &str, beside: &Besides<'_>, identity: &Identity) {
        let session = &identity.session;
        if !matches!(identity.principal, Principal::User(_)) {
            // A program does not sign in.
            return;
        }
        match fact {
            "context.session.auth_age_s" => {
                let from = session.authenticated_at_ms.map_or("unknown", |_| "older");
                self.add(By::User, fact, from, "0", Edit::SignedIn(0));
            }
            "context.session.mfa" if !session.mfa => self.add(By::User, fact, "false", "true", Edit::Mfa),
            "context.session.acr" => {
                let from = session.acr.as_deref().unwrap_or_default();
                for acr in beside.others(from) {
                    self.add(By::User, fact, quoted(from), quoted(&acr), Edit::Acr(acr));
                }
            }
            "context.session.amr" => {
                let from = format!("{:?}", session.amr);
                for methods in beside.methods() {
                    if !methods.is_subset(&session.amr) {
                        let to: BTreeSet<_> = session.amr.union(&methods).collect();
                        self.add(By::User, fact, from.clone(), format!("{to:?}"), Edit::Amr(methods.into_iter().collect()));
                    }
                }
            }
            "context.session.provider" => {
                for provider in beside.others(&session.provider) {
                    self.add(By::User, fact, quoted(&session.provider), quoted(&provider), Edit::Provider(provider));
                }
            }
            "context.session.binding" => {
                for binding in ["session", "certificate"].into_iter().filter(|&binding| binding != session.binding) {
                    self.add(By::User, fact, quoted(&session.binding), quoted(binding), Edit::Binding(binding.to_owned()));
                }
            }
            _ => {}
        }
    }

    fn device(&mut self, fact: &str, beside: &Besides<'_>, query: &Query, identity: &Identity) {
        let device = &identity.device;
        let by = By::Administrator;
        match fact {
            "context.device.posture_age_s" => {
                let from = device.posture_at_ms.map_or("unknown", |_| "older");
                self.add(By::Device, fact, from, "0", Edit::PostureAge(0));
            }
            "context.device.managed" => {
                self.add(by, fact, device.managed.to_string(), (!device.managed).to_string(), Edit::Managed(!device.managed));
            }
            "context.device.shared" => {
                self.add(by, fact, device.shared.to_string(), (!device.shared).to_string(), Edit::Shared(!device.shared));
            }
            "context.device.owner" => {
                let who = principal_id(&identity.principal);
                if matches!(identity.principal, Principal::User(_)) && device.owner.as_deref() != Some(who) {
                    let from = format!("User::{:?}", device.owner.as_deref().unwrap_or_default());
                    self.add(by, fact, from, format!("User::{who:?}"), Edit::Owned);
                }
            }
            "context.device.id" => self.texts(fact, &device.id, beside.others(&device.id), Edit::DeviceId),
            "context.device.authority" => self.texts(fact, &device.authority, beside.others(&device.authority), Edit::Authority),
            "context.device.platform" => {
                let all = beside.others_of(&device.platform, &["linux", "macos", "windows", "android", "ios"]);
                self.texts(fact, &device.platform, all, Edit::Platform);
            }
            "context.device.key_protection" => {
                let all = beside.others_of(&device.key_protection, &["os", "tpm"]);
                self.texts(fact, &device.key_protection, all, Edit::KeyProtection);
            }
            "context.device.enrolled_at" => {
                let from = moments::utc(device.enrolled_at_ms);
                let times = beside.times().flat_map(|at| [at - 1, at, at + 1]).chain([query.request.at.unix_ms]);
                for at_ms in times {
                    self.add(by, fact, from.clone(), moments::utc(at_ms), Edit::EnrolledAt(at_ms));
                }
            }
            _ => {}
        }
    }

    fn texts(&mut self, fact: &str, from: &str, to: impl IntoIterator<Item = String>, edit: fn(String) -> Edit) {
        for value in to {
            self.add(By::Administrator, fact, quoted(from), quoted(&value), edit(value));
        }
    }

    fn posture(&mut self, fact: &str, beside: &Besides<'_>, device: &DeviceFacts, declared: &[PostureFact]) {
        let Some(name) = fact.strip_prefix("context.device.posture.") else { return };
        let Some(kind) = declared.iter().find(|fact| fact.name == name).map(|fact| fact.kind) else { return };
        let now = device.posture.get(name);
        let from = match now {
            None if kind == FactKind::Flag => "false".to_owned(),
            None => "unknown".to_owned(),
            Some(value) => shown(value),
        };
        let values: Vec<FactValue> = match (kind, now) {
            (FactKind::Flag, Some(FactValue::Flag(flag))) => vec![FactValue::Flag(!flag)],
            (FactKind::Flag, _) => vec![FactValue::Flag(true), FactValue::Flag(false)],
            (FactKind::Number, now) => {
                let near = match now {
                    Some(FactValue::Number(number)) => *number,
                    _ => 0,
                };
                beside.numbers_near(near).into_iter().map(FactValue::Number).collect()
            }
            (FactKind::Text, _) => beside.texts_or("").into_iter().map(FactValue::Text).collect(),
        };
        for value in values.into_iter().filter(|value| now != Some(value)) {
            self.add(By::Device, fact, from.clone(), shown(&value), Edit::Posture(name.to_owned(), value));
        }
    }
}

/// What a fact is compared with.
struct Besides<'a>(&'a BTreeSet<Beside>);

impl<'a> Besides<'a> {
    fn texts(&self) -> impl Iterator<Item = &'a String> {
        self.0.iter().filter_map(|beside| match beside {
            Beside::Text(text) => Some(text),
            _ => None,
        })
    }

    /// The texts, one for each pattern, or `any` if there are neither.
    fn texts_or(&self, any: &str) -> BTreeSet<String> {
        let found: BTreeSet<String> = self.texts().cloned().chain(self.patterns().map(|(text, _)| text)).collect();
        if found.is_empty() { BTreeSet::from([any.to_owned()]) } else { found }
    }

    fn others(&self, than: &str) -> BTreeSet<String> {
        self.texts().filter(|text| *text != than && !text.is_empty()).cloned().collect()
    }

    fn others_of(&self, than: &str, known: &[&str]) -> BTreeSet<String> {
        let mut others = self.others(than);
        others.extend(known.iter().filter(|&&text| text != than).map(|&text| text.to_owned()));
        others
    }

    /// Texts and what to show for them, or `any` if it only matters whether there is one.
    fn matching(&self, any: &str) -> Vec<(String, String)> {
        let mut found: Vec<_> = self.texts().map(|text| (text.clone(), quoted(text))).chain(self.patterns()).collect();
        if found.is_empty() {
            found.push((any.to_owned(), "known".to_owned()));
        }
        found
    }

    /// A text that each pattern matches, and the pattern.
    fn patterns(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().filter_map(|beside| match beside {
            Beside::Like(parts) => Some((filled(parts, 'x'), format!("like {:?}", filled(parts, '*')))),
            _ => None,
        })
    }

    fn groups(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(|beside| match beside {
            Beside::Group(group) => Some(group.as_str()),
            _ => None,
        })
    }

    fn times(&self) -> impl Iterator<Item = i64> {
        self.0.iter().filter_map(|beside| match beside {
            Beside::Time(at_ms) => Some(*at_ms),
            _ => None,
        })
    }

    fn methods(&self) -> BTreeSet<BTreeSet<String>> {
        let sets = self.0.iter().filter_map(|beside| match beside {
            Beside::Texts(texts) => Some(texts.clone()),
            _ => None,
        });
        self.texts().map(|text| BTreeSet::from([text.clone()])).chain(sets).collect()
    }

    /// The numbers, and those beside them, the nearest to `from` first.
    fn numbers_near(&self, from: i64) -> Vec<i64> {
        let numbers = self.0.iter().filter_map(|beside| match beside {
            Beside::Number(number) => Some(*number),
            _ => None,
        });
        let mut found: Vec<i64> =
            numbers.flat_map(|number| [number.saturating_sub(1), number, number.saturating_add(1)]).collect();
        if found.is_empty() {
            found.push(0);
        }
        found.sort_by_key(|number| (number.abs_diff(from), *number));
        found.dedup();
        found
    }

    /// An address in each range that `now` is not in, and one outside of all.
    fn addresses(&self, now: IpAddr) -> Vec<(IpAddr, String)> {
        let ranges: Vec<(IpAddr, u8)> = self
            .0
            .iter()
            .filter_map(|beside| match beside {
                Beside::Address(address, prefix) => Some((*address, *prefix)),
                _ => None,
            })
            .collect();
        let inside = ranges.iter().filter(|range| !contains(**range, now)).map(|&(network, prefix)| {
            let address = first(network, prefix);
            let whole = prefix == 32 && network.is_ipv4() || prefix == 128;
            (address, if whole { address.to_string() } else { format!("{address}, in {network}/{prefix}") })
        });
        let outside = OUTSIDE.into_iter().find(|address| !ranges.iter().any(|range| contains(*range, *address)));
        inside
            .chain(outside.filter(|_| ranges.iter().any(|range| contains(*range, now))).map(|address| {
                let ranges: Vec<String> = ranges.iter().map(|(network, prefix)| format!("{network}/{prefix}")).collect();
                (address, format!("{address}, outside {}", ranges.join(", ")))
            }))
            .collect()
    }
}

/// Addresses of the world at large, set aside for documents (RFC 5737, RFC 3849).
const OUTSIDE: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

fn contains((network, prefix): (IpAddr, u8), address: IpAddr) -> bool {
    let (a, b, whole) = match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    let shift = u32::from(whole) - u32::from(prefix.min(whole));
    a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
}

/// The first address of a range that a host can have.
fn first(network: IpAddr, prefix: u8) -> IpAddr {
    match network {
        IpAddr::V4(address) if prefix < 31 => {
            let base = address.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(base.saturating_add(1)))
        }
        IpAddr::V6(address) if prefix < 127 => {
            let base = address.to_bits() & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(base.saturating_add(1)))
        }
        whole => whole,
    }
}

fn filled(parts: &[Option<char>], wildcard: char) -> String {
    parts.iter().map(|part| part.unwrap_or(wildcard)).collect()
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn known(text: Option<&str>) -> String {
    text.map_or_else(|| "unknown".to_owned(), quoted)
}

fn shown(value: &FactValue) -> String {
    match value {
        FactValue::Flag(flag) => flag.to_string(),
        FactValue::Number(number) => number.to_string(),
        FactValue::Text(text) => quoted(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_they_hold() {
        let range = |text: &str| -> (IpAddr, u8) {
            let (network, prefix) = text.split_once('/').unwrap();
            (network.parse().unwrap(), prefix.parse().unwrap())
        };
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "11.0.0.1", true),
            ("192.0.2.7/32", "192.0.2.7", true),
            ("2001:db8::/32", "2001:db8:1::", true),
            ("2001:db8::/32", "10.0.0.1", false),
        ] {
            assert_eq!(contains(range(network), address.parse().unwrap()), expected, "{network} {address}");
        }
        for (network, expected) in [
            ("10.2.3.4/8", "10.0.0.1"),
            ("0.0.0.0/0", "0.0.0.1"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("2001:db8::/32", "2001:db8::1"),
        ] {
            let (network, prefix) = range(network);
            let address = first(network, prefix);
            assert_eq!(address.to_string(), expected);
            assert!(contains((network, prefix), address));
        }
    }
}
