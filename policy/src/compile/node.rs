//! The nodes of a compiled condition.

use super::fact::{Fact, Part, Step};
use super::pattern::Pattern;
use super::value::Stored;
use super::world::Variable;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Constant(Stored),
    Variable(Variable),
    /// The whole context, where its parts are not known beforehand.
    Context,
    /// A part of the context as a record. Paths through it are facts.
    Part(Part),
    Fact(Fact),
    /// `part has step`.
    HasStep(Part, Step),
    /// Fails: an attribute that the context never has.
    Never,
    /// The principal is the entity of this key or below it.
    Member(u32),
    /// The resource is the entity of this key or below it.
    ResourceIn(u32),
    /// The action is one of these.
    ActionOf(u8),
    /// One or more, each asked only if those before it are true.
    And(Box<[Node]>),
    /// One or more, each asked only if those before it are false.
    Or(Box<[Node]>),
    Not(Box<Node>),
    If(Box<[Node; 3]>),
    Equal(Box<[Node; 2]>),
    Compare(Order, Box<[Node; 2]>),
    /// A fact compared with a number: the commonest comparison, without a detour.
    CompareFact(Order, Fact, i64),
    Arithmetic(Operation, Box<[Node; 2]>),
    Negate(Box<Node>),
    In(Box<[Node; 2]>),
    Is(Box<Node>, Box<str>),
    Like(Box<Node>, Pattern),
    Contains(Box<[Node; 2]>),
    ContainsAll(Box<[Node; 2]>),
    ContainsAny(Box<[Node; 2]>),
    IsEmpty(Box<Node>),
    HasTag(Box<[Node; 2]>),
    GetTag(Box<[Node; 2]>),
    Attribute(Box<Node>, Box<str>),
    Has(Box<Node>, Box<[Box<str>]>),
    Set(Box<[Node]>),
    /// Sorted by name.
    Record(Box<[(Box<str>, Node)]>),
    InRange(Box<[Node; 2]>),
    IpTest(IpTest, Box<Node>),
    CompareDecimals(Order, Box<[Node; 2]>),
    Offset(Box<[Node; 2]>),
    DurationSince(Box<[Node; 2]>),
    ToDate(Box<Node>),
    ToTime(Box<Node>),
    /// A duration in units of so many milliseconds.
    DurationIn(i64, Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Subtract,
    Multiply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IpTest {
    V4,
    V6,
    Loopback,
    Multicast,
}

impl Order {
    pub(crate) fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

impl Operation {
    pub(crate) fn apply(self, left: i64, right: i64) -> Option<i64> {
        match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
        }
    }
}
