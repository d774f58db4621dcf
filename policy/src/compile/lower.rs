//! From Cedar's syntax tree to nodes.

use std::collections::HashMap;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, UnaryOp, Var};

use super::eval;
use super::fact::{Part, Step};
use super::literal;
use super::node::{IpTest, Node, Operation, Order};
use super::pattern::Pattern;
use super::value::{Entity, Set, Stored, Value};
use super::world::{Nowhere, Variable};
use crate::action::{Action, ActionBits};
use crate::schema::PostureFact;

/// The entities that policies name, each with a number.
#[derive(Debug, Default)]
pub(crate) struct Keys(HashMap<Box<str>, HashMap<Box<str>, u32>>, u32);

/// Compiles conditions.
pub(crate) struct Lowerer<'a> {
    /// The facts to know by their paths; without them, every path is looked up in the context.
    vocabulary: Option<Vocabulary<'a>>,
}

/// What is known beforehand about questions to the gate.
struct Vocabulary<'a> {
    posture: &'a [PostureFact],
    keys: &'a mut Keys,
}

/// An expression that is not compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotCompiled;

impl Keys {
    /// The number of `kind::"id"`, if some policy names it.
    pub(crate) fn find(&self, kind: &str, id: &str) -> Option<u32> {
        self.0.get(kind)?.get(id).copied()
    }

    /// The number of `kind::"id"`, which a policy names.
    pub(crate) fn of(&mut self, kind: &str, id: &str) -> u32 {
        if let Some(key) = self.find(kind, id) {
            return key;
        }
        let key = self.1;
        self.1 += 1;
        self.0.entry(kind.into()).or_default().insert(id.into(), key);
        key
    }

    /// How many there are: every number is below this.
    pub(crate) fn len(&self) -> usize {
        self.1 as usize
    }
}

impl<'a> Lowerer<'a> {
    /// For questions to the gate.
    pub(crate) fn for_the_gate(posture: &'a [PostureFact], keys: &'a mut Keys) -> Self {
        Self { vocabulary: Some(Vocabulary { posture, keys }) }
    }

    /// For questions of any kind.
    #[cfg(test)]
    pub(crate) fn for_anything() -> Self {
        Self { vocabulary: None }
    }

    /// All of a policy's conditions as one.
    pub(crate) fn conditions(&mut self, clauses: &[Clause]) -> Result<Node, NotCompiled> {
        let nodes: Result<Vec<Node>, _> = clauses
            .iter()
            .map(|clause| match clause {
                Clause::When(expression) => self.expression(expression),
                Clause::Unless(expression) => Ok(fold(Node::Not(Box::new(self.expression(expression)?)))),
            })
            .collect();
        Ok(all(nodes?))
    }

    pub(crate) fn expression(&mut self, expression: &Expr) -> Result<Node, NotCompiled> {
        Ok(match expression {
            Expr::Literal(literal) => Node::Constant(constant(literal)?),
            Expr::Var(variable) => self.variable(variable),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr)?,
            Expr::BinaryOp { op, left, right } => self.binary(*op, left, right)?,
            Expr::GetAttr { expr, attr } => {
                let of = self.expression(expr)?;
                self.attribute(of, attr)
            }
            Expr::HasAttr { expr, attrs } => {
                let of = self.expression(expr)?;
                let names: Vec<&str> = attrs.iter().map(|name| name.as_str()).collect();
                self.has(of, &names)
            }
            Expr::Like { expr, pattern } => fold(Node::Like(Box::new(self.expression(expr)?), Pattern::new(pattern))),
            Expr::Is { expr, entity_type, in_expr } => {
                let of = self.expression(expr)?;
                let is = fold(Node::Is(Box::new(of.clone()), entity_type.to_string().into()));
                match in_expr {
                    None => is,
                    Some(parent) => {
                        let parent = self.expression(parent)?;
                        all(vec![is, self.is_in(of, parent)])
                    }
                }
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                let parts = [self.expression(cond)?, self.expression(then_expr)?, self.expression(else_expr)?];
                fold(Node::If(Box::new(parts)))
            }
            Expr::Set(members) => {
                let members: Result<Box<[Node]>, _> = members.iter().map(|member| self.expression(member)).collect();
                fold(Node::Set(members?))
            }
            Expr::Record(fields) => {
                let fields: Result<Box<[_]>, _> =
                    fields.iter().map(|(name, field)| Ok((name.as_str().into(), self.expression(field)?))).collect();
                fold(Node::Record(fields?))
            }
            // Slots, unknowns, and whatever Cedar may have one day.
            _ => return Err(NotCompiled),
        })
    }

    fn variable(&self, variable: &Var) -> Node {
        match variable {
            Var::Principal => Node::Variable(Variable::Principal),
            Var::Action => Node::Variable(Variable::Action),
            Var::Resource => Node::Variable(Variable::Resource),
            Var::Context if self.vocabulary.is_some() => Node::Part(Part::Context),
            Var::Context => Node::Context,
        }
    }

    fn unary(&mut self, operator: UnaryOp, of: &Expr) -> Result<Node, NotCompiled> {
        let of = self.expression(of)?;
        let read = |read: fn(&str) -> Option<Stored>| match &of {
            Node::Constant(Stored::Text(text)) => read(text).map(Node::Constant).ok_or(NotCompiled),
            _ => Err(NotCompiled),
        };
        let node = match operator {
            UnaryOp::Ip => return read(|text| literal::ip(text).map(Stored::Ip)),
            UnaryOp::Decimal => return read(|text| literal::decimal(text).map(Stored::Decimal)),
            UnaryOp::Datetime => return read(|text| literal::datetime(text).map(Stored::Datetime)),
            UnaryOp::Duration => return read(|text| literal::duration(text).map(Stored::Duration)),
            UnaryOp::Not => Node::Not(Box::new(of)),
            UnaryOp::Neg => Node::Negate(Box::new(of)),
            UnaryOp::IsEmpty => Node::IsEmpty(Box::new(of)),
            UnaryOp::IsIPv4 => Node::IpTest(IpTest::V4, Box::new(of)),
            UnaryOp::IsIPV6 => Node::IpTest(IpTest::V6, Box::new(of)),
            UnaryOp::IsLoopback => Node::IpTest(IpTest::Loopback, Box::new(of)),
            UnaryOp::IsMulticast => Node::IpTest(IpTest::Multicast, Box::new(of)),
            UnaryOp::ToDate => Node::ToDate(Box::new(of)),
            UnaryOp::ToTime => Node::ToTime(Box::new(of)),
            UnaryOp::ToMilliseconds => Node::DurationIn(1, Box::new(of)),
            UnaryOp::ToSeconds => Node::DurationIn(1_000, Box::new(of)),
            UnaryOp::ToMinutes => Node::DurationIn(60_000, Box::new(of)),
            UnaryOp::ToHours => Node::DurationIn(3_600_000, Box::new(of)),
            UnaryOp::ToDays => Node::DurationIn(86_400_000, Box::new(of)),
            _ => return Err(NotCompiled),
        };
        Ok(fold(node))
    }

    fn binary(&mut self, operator: BinaryOp, left: &Expr, right: &Expr) -> Result<Node, NotCompiled> {
        let (left, right) = (self.expression(left)?, self.expression(right)?);
        let sides = |left, right| Box::new([left, right]);
        Ok(fold(match operator {
            BinaryOp::And => return Ok(all(vec![left, right])),
            BinaryOp::Or => return Ok(any(vec![left, right])),
            BinaryOp::In => return Ok(self.is_in(left, right)),
            BinaryOp::Eq => return Ok(self.equal(left, right)),
            BinaryOp::NotEq => Node::Not(Box::new(self.equal(left, right))),
            BinaryOp::Less => compared(Order::Less, left, right),
            BinaryOp::LessEq => compared(Order::LessOrEqual, left, right),
            BinaryOp::Greater => compared(Order::Greater, left, right),
            BinaryOp::GreaterEq => compared(Order::GreaterOrEqual, left, right),
            BinaryOp::Add => Node::Arithmetic(Operation::Add, sides(left, right)),
            BinaryOp::Sub => Node::Arithmetic(Operation::Subtract, sides(left, right)),
            BinaryOp::Mul => Node::Arithmetic(Operation::Multiply, sides(left, right)),
            BinaryOp::Contains => Node::Contains(sides(left, right)),
            BinaryOp::ContainsAll => Node::ContainsAll(sides(left, right)),
            BinaryOp::ContainsAny => Node::ContainsAny(sides(left, right)),
            BinaryOp::GetTag => Node::GetTag(sides(left, right)),
            BinaryOp::HasTag => Node::HasTag(sides(left, right)),
            BinaryOp::IsInRange => Node::InRange(sides(left, right)),
            BinaryOp::Offset => Node::Offset(sides(left, right)),
            BinaryOp::DurationSince => Node::DurationSince(sides(left, right)),
            BinaryOp::DecimalLessThan => Node::CompareDecimals(Order::Less, sides(left, right)),
            BinaryOp::DecimalLessEq => Node::CompareDecimals(Order::LessOrEqual, sides(left, right)),
            BinaryOp::DecimalGreater => Node::CompareDecimals(Order::Greater, sides(left, right)),
            BinaryOp::DecimalGreaterEq => Node::CompareDecimals(Order::GreaterOrEqual, sides(left, right)),
            _ => return Err(NotCompiled),
        }))
    }

    fn attribute(&self, of: Node, name: &str) -> Node {
        match (of, &self.vocabulary) {
            (Node::Part(part), Some(vocabulary)) => match part.step(name, vocabulary.posture) {
                Some(Step::Part(part)) => Node::Part(part),
                Some(Step::Fact(fact)) => Node::Fact(fact),
                None => Node::Never,
            },
            (of, _) => fold(Node::Attribute(Box::new(of), name.into())),
        }
    }

    /// `of has a.b.c` asks for each in turn, from where the last led.
    fn has(&self, of: Node, names: &[&str]) -> Node {
        let (Node::Part(part), Some(vocabulary), Some((name, rest))) = (&of, &self.vocabulary, names.split_first()) else {
            return fold(Node::Has(Box::new(of), names.iter().map(|&name| name.into()).collect()));
        };
        let Some(step) = part.step(name, vocabulary.posture) else {
            // Without the part itself it fails; with it, there is no such attribute.
            return all(vec![Node::HasStep(*part, Step::Part(*part)), Node::Constant(Stored::Bool(false))]);
        };
        let here = Node::HasStep(*part, step);
        match rest.is_empty() {
            true => here,
            false => all(vec![here, self.has(self.attribute(of.clone(), name), rest)]),
        }
    }

    /// Whether a variable is, or is below, some entities: numbers and bits, where the gate knows them.
    fn is_in(&mut self, left: Node, right: Node) -> Node {
        if let (Node::Variable(variable), Node::Constant(parents), Some(vocabulary)) = (&left, &right, &mut self.vocabulary)
            && let Some(parents) = entities(parents)
        {
            return vocabulary.reaches(*variable, &parents, Reach::Below);
        }
        fold(Node::In(Box::new([left, right])))
    }

    fn equal(&mut self, left: Node, right: Node) -> Node {
        let (variable, other) = match (&left, &right) {
            (Node::Variable(variable), Node::Constant(other)) | (Node::Constant(other), Node::Variable(variable)) => {
                (*variable, other)
            }
            _ => return fold(Node::Equal(Box::new([left, right]))),
        };
        match (other.value(), &mut self.vocabulary) {
            (Value::Entity(entity), Some(vocabulary)) => vocabulary.reaches(variable, &[entity], Reach::Itself),
            _ => fold(Node::Equal(Box::new([left, right]))),
        }
    }
}

/// How far up an entity may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Itself,
    Below,
}

impl Vocabulary<'_> {
    fn reaches(&mut self, variable: Variable, parents: &[Entity<'_>], reach: Reach) -> Node {
        if variable == Variable::Action {
            return Node::ActionOf(actions(parents, reach));
        }
        let nodes = parents
            .iter()
            .filter(|parent| can_be(variable, parent.kind, reach))
            .map(|parent| {
                let key = self.keys.of(parent.kind, parent.id);
                if variable == Variable::Principal { Node::Member(key) } else { Node::ResourceIn(key) }
            })
            .collect();
        any(nodes)
    }
}

/// Whether something of this kind can be the variable, or above it. `==` does not look above.
fn can_be(variable: Variable, kind: &str, reach: Reach) -> bool {
    match variable {
        Variable::Principal => ["User", "Service", "Anonymous"].contains(&kind) || (kind == "Group" && reach == Reach::Below),
        Variable::Resource => kind == "App" || (kind == "Tag" && reach == Reach::Below),
        Variable::Action => kind == "Action",
    }
}

/// The actions that are one of these, or below one, as bits in the order of [`Action::ALL`].
fn actions(parents: &[Entity<'_>], reach: Reach) -> ActionBits {
    let met = |action: Action| {
        parents
            .iter()
            .filter(|parent| parent.kind == "Action")
            .any(|parent| parent.id == action.as_str() || (reach == Reach::Below && action.is_in(parent.id)))
    };
    Action::ALL.into_iter().filter(|action| met(*action)).fold(0, |bits, action| bits | action.bit())
}

/// The entity, or all the members if they are entities.
fn entities(of: &Stored) -> Option<Vec<Entity<'_>>> {
    match of.value() {
        Value::Entity(entity) => Some(vec![entity]),
        Value::Set(Set::Stored(_)) => {
            let Stored::Set(set) = of else { return None };
            let mut found = Some(Vec::new());
            Set::Stored(set).any(|member| {
                found = match (found.take(), member) {
                    (Some(mut entities), Value::Entity(entity)) => {
                        entities.push(entity);
                        Some(entities)
                    }
                    _ => None,
                };
                found.is_none()
            });
            found
        }
        _ => None,
    }
}

fn constant(literal: &Literal) -> Result<Stored, NotCompiled> {
    Ok(match literal {
        Literal::Bool(value) => Stored::Bool(*value),
        Literal::Long(value) => Stored::Long(*value),
        Literal::String(value) => Stored::Text(value.as_str().into()),
        Literal::EntityUID(uid) => Stored::Entity { kind: uid.ty.to_string().into(), id: uid.eid.as_str().into() },
        _ => return Err(NotCompiled),
    })
}

fn compared(order: Order, left: Node, right: Node) -> Node {
    match (left, right) {
        (Node::Fact(fact), Node::Constant(Stored::Long(number))) => Node::CompareFact(order, fact, number),
        (left, right) => Node::Compare(order, Box::new([left, right])),
    }
}

/// `a && b && …`, with the same order. What stands after `false` is never looked at.
fn all(nodes: Vec<Node>) -> Node {
    let mut flat = Vec::new();
    for node in nodes {
        match node {
            Node::And(inner) => flat.extend(inner),
            Node::Constant(Stored::Bool(true)) => {}
            node => flat.push(node),
        }
        if matches!(flat.last(), Some(Node::Constant(Stored::Bool(false)))) {
            break;
        }
    }
    match flat.as_slice() {
        [] => Node::Constant(Stored::Bool(true)),
        [Node::Constant(Stored::Bool(false))] => Node::Constant(Stored::Bool(false)),
        // One stays wrapped: it has to be a truth value.
        _ => Node::And(flat.into()),
    }
}

/// `a || b || …`, with the same order.
fn any(nodes: Vec<Node>) -> Node {
    let mut flat = Vec::new();
    for node in nodes {
        match node {
            Node::Or(inner) => flat.extend(inner),
            Node::Constant(Stored::Bool(false)) => {}
            node => flat.push(node),
        }
        if matches!(flat.last(), Some(Node::Constant(Stored::Bool(true)))) {
            break;
        }
    }
    match flat.as_slice() {
        [] => Node::Constant(Stored::Bool(false)),
        [Node::Constant(Stored::Bool(true))] => Node::Constant(Stored::Bool(true)),
        _ => Node::Or(flat.into()),
    }
}

/// What all stands on constants is a constant, unless it fails: then it fails at each question, as it does in Cedar.
fn fold(node: Node) -> Node {
    if !node.operands_are_constant() {
        return node;
    }
    let folded = eval::value(&node, &Nowhere).map(|value| value.to_stored());
    folded.map(Node::Constant).unwrap_or(node)
}

impl Node {
    fn operands_are_constant(&self) -> bool {
        let constant = |node: &Self| matches!(node, Self::Constant(_));
        match self {
            Self::Not(of)
            | Self::Negate(of)
            | Self::Is(of, _)
            | Self::Like(of, _)
            | Self::IsEmpty(of)
            | Self::IpTest(_, of)
            | Self::ToDate(of)
            | Self::ToTime(of)
            | Self::DurationIn(_, of) => constant(of),
            // What an entity has or is in is known only when asked.
            Self::Attribute(of, _) => matches!(&**of, Self::Constant(Stored::Record(_))),
            Self::Has(of, names) => names.len() == 1 && matches!(&**of, Self::Constant(Stored::Record(_))),
            Self::Equal(sides)
            | Self::Compare(_, sides)
            | Self::CompareDecimals(_, sides)
            | Self::Arithmetic(_, sides)
            | Self::Contains(sides)
            | Self::ContainsAll(sides)
            | Self::ContainsAny(sides)
            | Self::InRange(sides)
            | Self::Offset(sides)
            | Self::DurationSince(sides) => sides.iter().all(constant),
            Self::If(parts) => parts.iter().all(constant),
            Self::Set(members) => members.iter().all(constant),
            Self::Record(fields) => fields.iter().all(|(_, field)| constant(field)),
            _ => false,
        }
    }
}
