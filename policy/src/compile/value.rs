//! What expressions evaluate to. Facts and constants are borrowed; only sets and records that a policy puts together at the
//! time of the question are built.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use crate::path;

/// A value of one question.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Bool(bool),
    Long(i64),
    Text(&'a str),
    Entity(Entity<'a>),
    Ip(Ip),
    /// Milliseconds since the Unix epoch.
    Datetime(i64),
    /// Milliseconds.
    Duration(i64),
    /// Ten-thousandths.
    Decimal(i64),
    Set(Set<'a>),
    Record(Record<'a>),
}

/// `kind::"id"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entity<'a> {
    pub(crate) kind: &'a str,
    pub(crate) id: &'a str,
}

/// An address or a range of them. As in Cedar, two ranges are equal only if they are written with the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ip {
    pub(crate) addr: IpAddr,
    pub(crate) prefix: u8,
}

/// A set, wherever its members are.
#[derive(Clone, Debug)]
pub(crate) enum Set<'a> {
    Stored(&'a StoredSet),
    Texts(&'a BTreeSet<String>),
    /// A path and each path above it.
    PathAndAbove(&'a str),
    Made(Rc<[Value<'a>]>),
}

/// A record, wherever its fields are. Fields are sorted by name.
#[derive(Clone, Debug)]
pub(crate) enum Record<'a> {
    Stored(&'a BTreeMap<String, Stored>),
    Made(Rc<[(&'a str, Value<'a>)]>),
}

/// A value to keep: a constant of a policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stored {
    Bool(bool),
    Long(i64),
    Text(Box<str>),
    Entity { kind: Box<str>, id: Box<str> },
    Ip(Ip),
    Datetime(i64),
    Duration(i64),
    Decimal(i64),
    Set(StoredSet),
    Record(BTreeMap<String, Self>),
}

/// A set to keep.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StoredSet {
    /// Texts only, sorted.
    Texts(Box<[Box<str>]>),
    Mixed(Box<[Stored]>),
}

impl Value<'_> {
    /// The same, to keep.
    pub(crate) fn to_stored(&self) -> Stored {
        match self {
            Self::Bool(value) => Stored::Bool(*value),
            Self::Long(value) => Stored::Long(*value),
            Self::Text(value) => Stored::Text((*value).into()),
            Self::Entity(entity) => Stored::Entity { kind: entity.kind.into(), id: entity.id.into() },
            Self::Ip(value) => Stored::Ip(*value),
            Self::Datetime(value) => Stored::Datetime(*value),
            Self::Duration(value) => Stored::Duration(*value),
            Self::Decimal(value) => Stored::Decimal(*value),
            Self::Set(set) => {
                let mut members = Vec::new();
                set.any(|member| {
                    members.push(member.to_stored());
                    false
                });
                Stored::Set(StoredSet::new(members))
            }
            Self::Record(record) => {
                Stored::Record(record.fields().map(|(name, value)| (name.to_owned(), value.to_stored())).collect())
            }
        }
    }
}

/// Values of different types are not equal, which is no failure.
impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Long(a), Self::Long(b))
            | (Self::Datetime(a), Self::Datetime(b))
            | (Self::Duration(a), Self::Duration(b))
            | (Self::Decimal(a), Self::Decimal(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Entity(a), Self::Entity(b)) => a == b,
            (Self::Ip(a), Self::Ip(b)) => a == b,
            (Self::Set(a), Self::Set(b)) => a.is_subset(b) && b.is_subset(a),
            (Self::Record(a), Self::Record(b)) => a.fields().eq(b.fields()),
            _ => false,
        }
    }
}

impl Ip {
    /// One address.
    pub(crate) fn single(addr: IpAddr) -> Self {
        Self { addr, prefix: if addr.is_ipv4() { 32 } else { 128 } }
    }

    /// The first and last address, as numbers of up to 128 bits.
    fn bounds(self) -> (u128, u128) {
        match self.addr {
            IpAddr::V4(addr) => {
                let bits = u32::from(addr);
                let host = u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                (u128::from(bits & !host), u128::from(bits | host))
            }
            IpAddr::V6(addr) => {
                let bits = u128::from(addr);
                let host = u128::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                (bits & !host, bits | host)
            }
        }
    }

    /// Whether all of it lies in `range`. No IPv4 address lies in a range of IPv6, nor the other way round.
    pub(crate) fn is_in(self, range: Self) -> bool {
        let ((low, high), (from, to)) = (self.bounds(), range.bounds());
        self.addr.is_ipv4() == range.addr.is_ipv4() && from <= low && high <= to
    }

    pub(crate) fn is_loopback(self) -> bool {
        self.addr.is_loopback() && self.prefix >= if self.addr.is_ipv4() { 8 } else { 128 }
    }

    pub(crate) fn is_multicast(self) -> bool {
        self.addr.is_multicast() && self.prefix >= if self.addr.is_ipv4() { 4 } else { 8 }
    }
}

impl<'a> Set<'a> {
    pub(crate) fn contains(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::PathAndAbove(path), Value::Text(text)) => path::is_at_or_under(path, text),
            (Self::Texts(texts), Value::Text(text)) => texts.contains(*text),
            (Self::PathAndAbove(_) | Self::Texts(_), _) => false,
            (Self::Stored(StoredSet::Texts(texts)), Value::Text(text)) => {
                texts.binary_search_by(|member| (**member).cmp(text)).is_ok()
            }
            (Self::Stored(StoredSet::Texts(_)), _) => false,
            (Self::Stored(StoredSet::Mixed(members)), _) => members.iter().any(|member| member.value() == *value),
            (Self::Made(members), _) => members.iter().any(|member| member == value),
        }
    }

    /// Whether `test` is true of some member; members may come more than once.
    pub(crate) fn any(&self, mut test: impl FnMut(Value<'a>) -> bool) -> bool {
        match self {
            Self::Stored(StoredSet::Texts(texts)) => texts.iter().any(|text| test(Value::Text(text))),
            Self::Stored(StoredSet::Mixed(members)) => members.iter().any(|member| test(member.value())),
            Self::Texts(texts) => texts.iter().any(|text| test(Value::Text(text))),
            // Longer paths than this have no question put about them.
            Self::PathAndAbove(path) => path::prefixes(path).into_iter().flatten().any(|text| test(Value::Text(text))),
            Self::Made(members) => members.iter().any(|member| test(member.clone())),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.any(|_| true)
    }

    pub(crate) fn is_subset(&self, of: &Set<'_>) -> bool {
        !self.any(|member| !of.contains(&member))
    }

    pub(crate) fn meets(&self, other: &Set<'_>) -> bool {
        self.any(|member| other.contains(&member))
    }
}

impl<'a> Record<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<Value<'a>> {
        match self {
            Self::Stored(fields) => fields.get(name).map(Stored::value),
            Self::Made(fields) => fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.clone()),
        }
    }

    fn fields(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let (stored, made) = match self {
            Self::Stored(fields) => (Some(*fields), None),
            Self::Made(fields) => (None, Some(Rc::clone(fields))),
        };
        let stored = stored.into_iter().flatten().map(|(name, value)| (name.as_str(), value.value()));
        let made = made.into_iter().flat_map(|fields| fields.to_vec());
        stored.chain(made)
    }
}

impl Stored {
    /// The same, to evaluate with.
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Long(value) => Value::Long(*value),
            Self::Text(value) => Value::Text(value),
            Self::Entity { kind, id } => Value::Entity(Entity { kind, id }),
            Self::Ip(value) => Value::Ip(*value),
            Self::Datetime(value) => Value::Datetime(*value),
            Self::Duration(value) => Value::Duration(*value),
            Self::Decimal(value) => Value::Decimal(*value),
            Self::Set(set) => Value::Set(Set::Stored(set)),
            Self::Record(fields) => Value::Record(Record::Stored(fields)),
        }
    }
}

impl StoredSet {
    pub(crate) fn new(members: Vec<Stored>) -> Self {
        let texts: Option<Vec<Box<str>>> = members
            .iter()
            .map(|member| match member {
                Stored::Text(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        match texts {
            Some(mut texts) => {
                texts.sort_unstable();
                texts.dedup();
                Self::Texts(texts.into())
            }
            None => Self::Mixed(members.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ip {
        super::super::literal::ip(text).unwrap()
    }

    #[test]
    fn ranges_hold_what_lies_in_them() {
        assert!(ip("10.1.2.3").is_in(ip("10.0.0.0/8")) && ip("10.1.0.0/16").is_in(ip("10.0.0.0/8")));
        assert!(!ip("11.1.2.3").is_in(ip("10.0.0.0/8")) && !ip("10.0.0.0/7").is_in(ip("10.0.0.0/8")));
        assert!(ip("1.2.3.4").is_in(ip("0.0.0.0/0")) && ip("::5").is_in(ip("::/0")));
        assert!(!ip("::5").is_in(ip("0.0.0.0/0")) && !ip("0.0.0.5").is_in(ip("::/0")));
    }

    #[test]
    fn sets_are_equal_whatever_their_order_and_form() {
        let stored = StoredSet::new(vec![Stored::Text("b".into()), Stored::Text("a".into()), Stored::Text("a".into())]);
        let texts = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(Value::Set(Set::Stored(&stored)), Value::Set(Set::Texts(&texts)));
        assert_eq!(Value::Set(Set::Stored(&stored)), Value::Set(Set::Made([Value::Text("b"), Value::Text("a")].into())));
        assert_ne!(Value::Set(Set::Stored(&stored)), Value::Set(Set::Made([Value::Text("b")].into())));
        assert_ne!(Value::Long(1), Value::Bool(true));
    }
}
