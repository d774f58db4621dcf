//! The nodes of a compiled condition.

use super::fact::{Fact, Part, Step};
use super::pattern::Pattern;
use super::value::Stored;
use super::world::Variable;
use crate::action::ActionBits;

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
    ActionOf(ActionBits),
    /// One or more, each asked only if those before it are true.
    And(Box<[Self]>),
    /// One or more, each asked only if those before it are false.
    Or(Box<[Self]>),
    Not(Box<Self>),
    If(Box<[Self; 3]>),
    Equal(Box<[Self; 2]>),
    Compare(Order, Box<[Self; 2]>),
    /// A fact compared with a number: the commonest comparison, without a detour.
    CompareFact(Order, Fact, i64),
    Arithmetic(Operation, Box<[Self; 2]>),
    Negate(Box<Self>),
    In(Box<[Self; 2]>),
    Is(Box<Self>, Box<str>),
    Like(Box<Self>, Pattern),
    Contains(Box<[Self; 2]>),
    ContainsAll(Box<[Self; 2]>),
    ContainsAny(Box<[Self; 2]>),
    IsEmpty(Box<Self>),
    HasTag(Box<[Self; 2]>),
    GetTag(Box<[Self; 2]>),
    Attribute(Box<Self>, Box<str>),
    Has(Box<Self>, Box<[Box<str>]>),
    Set(Box<[Self]>),
    /// Sorted by name.
    Record(Box<[(Box<str>, Self)]>),
    InRange(Box<[Self; 2]>),
    IpTest(IpTest, Box<Self>),
    CompareDecimals(Order, Box<[Self; 2]>),
    Offset(Box<[Self; 2]>),
    DurationSince(Box<[Self; 2]>),
    ToDate(Box<Self>),
    ToTime(Box<Self>),
    /// A duration in units of so many milliseconds.
    DurationIn(i64, Box<Self>),
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
