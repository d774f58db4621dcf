//! Evaluation, with Cedar's own order and failures: what Cedar does not look at is not looked at here, and what fails there
//! fails here.

use std::rc::Rc;

use super::Failed;
use super::fact::Step;
use super::node::{IpTest, Node, Order};
use super::value::{Entity, Ip, Record, Set, Value};
use super::world::World;

/// A day, in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// Whether a condition holds.
pub(crate) fn truth<'a, W: World<'a>>(node: &'a Node, world: &W) -> Result<bool, Failed> {
    match node {
        Node::And(nodes) => all(nodes, world),
        Node::Or(nodes) => any(nodes, world),
        Node::Not(of) => Ok(!truth(of, world)?),
        Node::Member(key) => Ok(world.is_member(*key)),
        Node::ResourceIn(key) => Ok(world.is_resource_in(*key)),
        Node::ActionOf(actions) => Ok(world.is_action_of(*actions)),
        Node::HasStep(part, step) => match (world.has(*part), step) {
            (false, _) => Err(Failed),
            (true, Step::Part(part)) => Ok(world.has(*part)),
            (true, Step::Fact(fact)) => Ok(world.fact(*fact).is_some()),
        },
        Node::Equal(sides) => {
            let (left, right) = both(sides, world)?;
            Ok(left == right)
        }
        Node::Compare(order, sides) => compare(*order, &both(sides, world)?),
        Node::CompareFact(order, fact, number) => match world.fact(*fact) {
            Some(Value::Long(fact)) => Ok(order.holds(fact, *number)),
            _ => Err(Failed),
        },
        Node::CompareDecimals(order, sides) => match both(sides, world)? {
            (Value::Decimal(left), Value::Decimal(right)) => Ok(order.holds(left, right)),
            _ => Err(Failed),
        },
        Node::In(sides) => is_in(both(sides, world)?, world),
        Node::Is(of, kind) => Ok(entity(&value(of, world)?)?.kind == &**kind),
        Node::Like(of, pattern) => match value(of, world)? {
            Value::Text(text) => Ok(pattern.matches(text)),
            _ => Err(Failed),
        },
        Node::Contains(sides) => match both(sides, world)? {
            (Value::Set(set), member) => Ok(set.contains(&member)),
            _ => Err(Failed),
        },
        Node::ContainsAll(sides) => two_sets(sides, world).map(|(left, right)| right.is_subset(&left)),
        Node::ContainsAny(sides) => two_sets(sides, world).map(|(left, right)| right.meets(&left)),
        Node::IsEmpty(of) => match value(of, world)? {
            Value::Set(set) => Ok(set.is_empty()),
            _ => Err(Failed),
        },
        Node::HasTag(sides) => match both(sides, world)? {
            (Value::Entity(entity), Value::Text(name)) => Ok(world.tag(entity, name).is_some()),
            _ => Err(Failed),
        },
        Node::Has(of, names) => has(value(of, world)?, names, world),
        Node::InRange(sides) => {
            let (left, right) = both(sides, world)?;
            Ok(ip(&left)?.is_in(ip(&right)?))
        }
        Node::IpTest(test, of) => {
            let ip = ip(&value(of, world)?)?;
            Ok(match test {
                IpTest::V4 => ip.addr.is_ipv4(),
                IpTest::V6 => ip.addr.is_ipv6(),
                IpTest::Loopback => ip.is_loopback(),
                IpTest::Multicast => ip.is_multicast(),
            })
        }
        // What may be of any type.
        Node::Constant(_)
        | Node::Variable(_)
        | Node::Context
        | Node::Part(_)
        | Node::Fact(_)
        | Node::Never
        | Node::If(_)
        | Node::Arithmetic(..)
        | Node::Negate(_)
        | Node::GetTag(_)
        | Node::Attribute(..)
        | Node::Set(_)
        | Node::Record(_)
        | Node::Offset(_)
        | Node::DurationSince(_)
        | Node::ToDate(_)
        | Node::ToTime(_)
        | Node::DurationIn(..) => match value(node, world)? {
            Value::Bool(truth) => Ok(truth),
            _ => Err(Failed),
        },
    }
}

/// What an expression evaluates to.
pub(crate) fn value<'a, W: World<'a>>(node: &'a Node, world: &W) -> Result<Value<'a>, Failed> {
    match node {
        Node::Constant(stored) => Ok(stored.value()),
        Node::Variable(variable) => Ok(Value::Entity(world.variable(*variable))),
        Node::Context => Ok(Value::Record(world.context())),
        Node::Part(part) => world.part(*part).map(Value::Record).ok_or(Failed),
        Node::Fact(fact) => world.fact(*fact).ok_or(Failed),
        Node::Never => Err(Failed),
        Node::If(parts) => {
            let [test, then, otherwise] = &**parts;
            if truth(test, world)? { value(then, world) } else { value(otherwise, world) }
        }
        Node::Arithmetic(operation, sides) => match both(sides, world)? {
            (Value::Long(left), Value::Long(right)) => operation.apply(left, right).map(Value::Long).ok_or(Failed),
            _ => Err(Failed),
        },
        Node::Negate(of) => match value(of, world)? {
            Value::Long(number) => number.checked_neg().map(Value::Long).ok_or(Failed),
            _ => Err(Failed),
        },
        Node::GetTag(sides) => match both(sides, world)? {
            (Value::Entity(entity), Value::Text(name)) => world.tag(entity, name).ok_or(Failed),
            _ => Err(Failed),
        },
        Node::Attribute(of, name) => attribute(&value(of, world)?, name, world)?.ok_or(Failed),
        Node::Set(members) => {
            let members: Result<Rc<[_]>, _> = members.iter().map(|member| value(member, world)).collect();
            Ok(Value::Set(Set::Made(members?)))
        }
        Node::Record(fields) => {
            let fields: Result<Rc<[_]>, _> = fields.iter().map(|(name, field)| Ok((&**name, value(field, world)?))).collect();
            Ok(Value::Record(Record::Made(fields?)))
        }
        Node::Offset(sides) => match both(sides, world)? {
            (Value::Datetime(at), Value::Duration(by)) => at.checked_add(by).map(Value::Datetime).ok_or(Failed),
            _ => Err(Failed),
        },
        Node::DurationSince(sides) => match both(sides, world)? {
            (Value::Datetime(at), Value::Datetime(since)) => at.checked_sub(since).map(Value::Duration).ok_or(Failed),
            _ => Err(Failed),
        },
        Node::ToDate(of) => match value(of, world)? {
            Value::Datetime(at) => at.checked_sub(at.rem_euclid(DAY_MS)).map(Value::Datetime).ok_or(Failed),
            _ => Err(Failed),
        },
        Node::ToTime(of) => match value(of, world)? {
            Value::Datetime(at) => Ok(Value::Duration(at.rem_euclid(DAY_MS))),
            _ => Err(Failed),
        },
        Node::DurationIn(unit, of) => match value(of, world)? {
            Value::Duration(duration) => duration.checked_div(*unit).map(Value::Long).ok_or(Failed),
            _ => Err(Failed),
        },
        Node::HasStep(..)
        | Node::Member(_)
        | Node::ResourceIn(_)
        | Node::ActionOf(_)
        | Node::And(_)
        | Node::Or(_)
        | Node::Not(_)
        | Node::Equal(_)
        | Node::Compare(..)
        | Node::CompareFact(..)
        | Node::CompareDecimals(..)
        | Node::In(_)
        | Node::Is(..)
        | Node::Like(..)
        | Node::Contains(_)
        | Node::ContainsAll(_)
        | Node::ContainsAny(_)
        | Node::IsEmpty(_)
        | Node::HasTag(_)
        | Node::Has(..)
        | Node::InRange(_)
        | Node::IpTest(..) => truth(node, world).map(Value::Bool),
    }
}

fn all<'a, W: World<'a>>(nodes: &'a [Node], world: &W) -> Result<bool, Failed> {
    for node in nodes {
        if !truth(node, world)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn any<'a, W: World<'a>>(nodes: &'a [Node], world: &W) -> Result<bool, Failed> {
    for node in nodes {
        if truth(node, world)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn both<'a, W: World<'a>>(sides: &'a [Node; 2], world: &W) -> Result<(Value<'a>, Value<'a>), Failed> {
    let [left, right] = sides;
    Ok((value(left, world)?, value(right, world)?))
}

fn two_sets<'a, W: World<'a>>(sides: &'a [Node; 2], world: &W) -> Result<(Set<'a>, Set<'a>), Failed> {
    match both(sides, world)? {
        (Value::Set(left), Value::Set(right)) => Ok((left, right)),
        _ => Err(Failed),
    }
}

/// Numbers, datetimes and durations have an order; decimals are compared by methods.
fn compare(order: Order, sides: &(Value<'_>, Value<'_>)) -> Result<bool, Failed> {
    match sides {
        (Value::Long(left), Value::Long(right))
        | (Value::Datetime(left), Value::Datetime(right))
        | (Value::Duration(left), Value::Duration(right)) => Ok(order.holds(*left, *right)),
        _ => Err(Failed),
    }
}

fn is_in<'a, W: World<'a>>(sides: (Value<'a>, Value<'a>), world: &W) -> Result<bool, Failed> {
    let (left, right) = sides;
    let child = entity(&left)?;
    match right {
        Value::Entity(parent) => Ok(world.is_in(child, parent)),
        // One member that is no entity fails, whatever the others are.
        Value::Set(parents) if parents.any(|parent| !matches!(parent, Value::Entity(_))) => Err(Failed),
        Value::Set(parents) => Ok(parents.any(|parent| matches!(parent, Value::Entity(parent) if world.is_in(child, parent)))),
        _ => Err(Failed),
    }
}

/// `Ok(None)` where there is no such attribute, `Err` where nothing could have one.
fn attribute<'a, W: World<'a>>(of: &Value<'a>, name: &str, world: &W) -> Result<Option<Value<'a>>, Failed> {
    match of {
        Value::Record(record) => Ok(record.get(name)),
        Value::Entity(entity) => Ok(world.attribute(*entity, name)),
        _ => Err(Failed),
    }
}

/// `of has a.b.c`: stops at the first that is not there.
fn has<'a, W: World<'a>>(of: Value<'a>, names: &[Box<str>], world: &W) -> Result<bool, Failed> {
    let mut here = of;
    for name in names {
        match attribute(&here, name, world)? {
            Some(next) => here = next,
            None => return Ok(false),
        }
    }
    Ok(true)
}

fn entity<'a>(value: &Value<'a>) -> Result<Entity<'a>, Failed> {
    match value {
        Value::Entity(entity) => Ok(*entity),
        _ => Err(Failed),
    }
}

fn ip(value: &Value<'_>) -> Result<Ip, Failed> {
    match value {
        Value::Ip(ip) => Ok(*ip),
        _ => Err(Failed),
    }
}
