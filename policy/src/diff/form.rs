//! A condition as a tree that can be compared: what is written in different ways and means the same has one shape.

use cedar_policy::pst::{BinaryOp, EntityUID, Expr, Literal, PatternElem, UnaryOp, Var};

/// A condition, or a value in one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Form {
    Bool(bool),
    Long(i64),
    Text(String),
    /// `Kind::"id"`.
    Entity(String, String),
    Var(&'static str),
    /// At least two, none of them an `All`.
    All(Vec<Self>),
    /// At least two, none of them an `Any`.
    Any(Vec<Self>),
    Not(Box<Self>),
    Compare(Comparison, Box<Self>, Box<Self>),
    In(Box<Self>, Box<Self>),
    Is(Box<Self>, String),
    Get(Box<Self>, String),
    Has(Box<Self>, String),
    /// `None` is the wildcard.
    Like(Box<Self>, Vec<Option<char>>),
    If(Box<Self>, Box<Self>, Box<Self>),
    Set(Vec<Self>),
    Record(Vec<(String, Self)>),
    /// `name(first, …)` or `first.name(…)`.
    Call(&'static str, Vec<Self>),
    /// What this release does not know, spelt out.
    Other(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Comparison {
    Eq,
    NotEq,
    Less,
    LessEq,
    Greater,
    GreaterEq,
}

impl Comparison {
    /// What holds exactly where this one does not.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Eq => Self::NotEq,
            Self::NotEq => Self::Eq,
            Self::Less => Self::GreaterEq,
            Self::LessEq => Self::Greater,
            Self::Greater => Self::LessEq,
            Self::GreaterEq => Self::Less,
        }
    }

    /// The same with its sides exchanged.
    pub(super) fn turned(self) -> Self {
        match self {
            Self::Eq | Self::NotEq => self,
            Self::Less => Self::Greater,
            Self::LessEq => Self::GreaterEq,
            Self::Greater => Self::Less,
            Self::GreaterEq => Self::LessEq,
        }
    }
}

impl Form {
    /// The condition that `expr` is; with `yes` false, its opposite. Negations stand at the leaves afterwards. What is looked at
    /// first stays first, so that a condition that fails does so exactly where it did.
    pub(super) fn condition(expr: &Expr, yes: bool) -> Self {
        match expr {
            Expr::Literal(Literal::Bool(value)) => Self::Bool(*value == yes),
            Expr::UnaryOp { op: UnaryOp::Not, expr } => Self::condition(expr, !yes),
            Expr::BinaryOp { op, left, right } => Self::binary(*op, left, right, yes),
            Expr::Is { expr, entity_type, in_expr } => {
                let is = Self::leaf(Self::Is(Box::new(Self::value(expr)), entity_type.to_string()), yes);
                match in_expr {
                    None => is,
                    Some(parent) => Self::both(vec![is, Self::within(&Self::value(expr), parent, yes)], yes),
                }
            }
            Expr::HasAttr { expr, attrs } => {
                let mut of = Self::value(expr);
                let mut steps = Vec::new();
                for name in attrs.iter() {
                    steps.push(Self::leaf(Self::Has(Box::new(of.clone()), name.to_string()), yes));
                    of = Self::Get(Box::new(of), name.to_string());
                }
                Self::both(steps, yes)
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => Self::branch(cond, then_expr, else_expr, yes),
            _ => Self::leaf(Self::value(expr), yes),
        }
    }

    /// All of them, or, of the opposites of them, any.
    pub(super) fn both(parts: Vec<Self>, yes: bool) -> Self {
        if yes { Self::all(parts) } else { Self::any(parts) }
    }

    /// `a && b && …`
    pub(super) fn all(parts: Vec<Self>) -> Self {
        Self::join(parts, true)
    }

    /// `a || b || …`
    pub(super) fn any(parts: Vec<Self>) -> Self {
        Self::join(parts, false)
    }

    /// The parts that all have to hold.
    pub(super) fn conjuncts(self) -> Vec<Self> {
        match self {
            Self::All(parts) => parts,
            Self::Bool(true) => Vec::new(),
            other => vec![other],
        }
    }

    /// The parts of which one has to hold.
    pub(super) fn alternatives(&self) -> &[Self] {
        match self {
            Self::Any(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// Whether evaluating it can fail: everything else has been ruled out by strict validation.
    pub(super) fn may_fail(&self) -> bool {
        match self {
            Self::Call(name, _) if !NEVER_FAIL.contains(name) => true,
            Self::Other(_) => true,
            _ => self.children().into_iter().any(Self::may_fail),
        }
    }

    /// What it is made of.
    pub(super) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Bool(_) | Self::Long(_) | Self::Text(_) | Self::Entity(..) | Self::Var(_) | Self::Other(_) => Vec::new(),
            Self::All(parts) | Self::Any(parts) | Self::Set(parts) | Self::Call(_, parts) => parts.iter().collect(),
            Self::Not(of) | Self::Is(of, _) | Self::Get(of, _) | Self::Has(of, _) | Self::Like(of, _) => vec![of],
            Self::Compare(_, left, right) | Self::In(left, right) => vec![left, right],
            Self::If(asked, then, otherwise) => vec![asked, then, otherwise],
            Self::Record(fields) => fields.iter().map(|(_, value)| value).collect(),
        }
    }

    /// The variables that it reads.
    pub(super) fn variables(&self) -> Vec<&'static str> {
        let mut found = match self {
            Self::Var(name) => vec![*name],
            _ => self.children().into_iter().flat_map(Self::variables).collect(),
        };
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether it is written out, not looked up.
    pub(super) fn is_literal(&self) -> bool {
        self.variables().is_empty()
    }

    fn join(parts: Vec<Self>, every: bool) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::All(inner) if every => flat.extend(inner),
                Self::Any(inner) if !every => flat.extend(inner),
                Self::Bool(value) if value == every => {}
                other => flat.push(other),
            }
        }
        let settled = flat.iter().position(|part| *part == Self::Bool(!every));
        if let Some(at) = settled {
            // Nothing after it is looked at.
            flat.truncate(at + 1);
            if !flat.iter().any(Self::may_fail) {
                return Self::Bool(!every);
            }
        }
        match (flat.len(), flat.pop()) {
            (1, Some(only)) => only,
            (_, Some(last)) => {
                flat.push(last);
                if every { Self::All(flat) } else { Self::Any(flat) }
            }
            (_, None) => Self::Bool(every),
        }
    }

    fn leaf(form: Self, yes: bool) -> Self {
        if yes { form } else { Self::Not(Box::new(form)) }
    }

    fn binary(op: BinaryOp, left: &Expr, right: &Expr, yes: bool) -> Self {
        let compare = |op: Comparison| {
            let op = if yes { op } else { op.negated() };
            let (left, right) = (Self::value(left), Self::value(right));
            Self::Compare(op, Box::new(left), Box::new(right))
        };
        match (op, left, right) {
            (BinaryOp::And, ..) => Self::both(vec![Self::condition(left, yes), Self::condition(right, yes)], yes),
            (BinaryOp::Or, ..) => Self::both(vec![Self::condition(left, yes), Self::condition(right, yes)], !yes),
            (BinaryOp::Eq, of, Expr::Literal(Literal::Bool(value))) | (BinaryOp::Eq, Expr::Literal(Literal::Bool(value)), of) => {
                Self::condition(of, *value == yes)
            }
            (BinaryOp::NotEq, of, Expr::Literal(Literal::Bool(value)))
            | (BinaryOp::NotEq, Expr::Literal(Literal::Bool(value)), of) => Self::condition(of, *value != yes),
            (BinaryOp::Eq, ..) => compare(Comparison::Eq),
            (BinaryOp::NotEq, ..) => compare(Comparison::NotEq),
            (BinaryOp::Less, ..) => compare(Comparison::Less),
            (BinaryOp::LessEq, ..) => compare(Comparison::LessEq),
            (BinaryOp::Greater, ..) => compare(Comparison::Greater),
            (BinaryOp::GreaterEq, ..) => compare(Comparison::GreaterEq),
            (BinaryOp::In, ..) => Self::within(&Self::value(left), right, yes),
            (BinaryOp::Contains, Expr::Set(known), _) => {
                let op = if yes { Comparison::Eq } else { Comparison::NotEq };
                let one = |item: &Expr| Self::Compare(op, Box::new(Self::value(right)), Box::new(Self::value(item)));
                Self::both(known.iter().map(|item| one(item)).collect(), !yes)
            }
            (BinaryOp::ContainsAny, of, Expr::Set(known)) | (BinaryOp::ContainsAny, Expr::Set(known), of) => {
                Self::both(known.iter().map(|item| Self::contains(of, item, yes)).collect(), !yes)
            }
            (BinaryOp::ContainsAll, of, Expr::Set(known)) if !known.is_empty() => {
                Self::both(known.iter().map(|item| Self::contains(of, item, yes)).collect(), yes)
            }
            _ => Self::leaf(Self::value(&Expr::BinaryOp { op, left: left.clone().into(), right: right.clone().into() }), yes),
        }
    }

    fn contains(of: &Expr, item: &Expr, yes: bool) -> Self {
        Self::leaf(Self::Call("contains", vec![Self::value(of), Self::value(item)]), yes)
    }

    fn within(of: &Self, parent: &Expr, yes: bool) -> Self {
        let one = |parent: &Expr| Self::leaf(Self::In(Box::new(of.clone()), Box::new(Self::value(parent))), yes);
        match parent {
            Expr::Set(parents) => Self::both(parents.iter().map(|parent| one(parent)).collect(), !yes),
            _ => one(parent),
        }
    }

    fn branch(asked: &Expr, then: &Expr, otherwise: &Expr, yes: bool) -> Self {
        let settled = |expr: &Expr| match expr {
            Expr::Literal(Literal::Bool(value)) => Some(*value == yes),
            _ => None,
        };
        let (holds, fails) = (Self::condition(asked, true), Self::condition(asked, false));
        match (settled(then), settled(otherwise)) {
            (_, Some(false)) => Self::all(vec![holds, Self::condition(then, yes)]),
            (Some(true), _) => Self::any(vec![holds, Self::condition(otherwise, yes)]),
            (Some(false), _) => Self::all(vec![fails, Self::condition(otherwise, yes)]),
            (_, Some(true)) => Self::any(vec![fails, Self::condition(then, yes)]),
            (None, None) => {
                Self::If(Box::new(holds), Box::new(Self::condition(then, yes)), Box::new(Self::condition(otherwise, yes)))
            }
        }
    }

    /// Whatever `expr` is.
    fn value(expr: &Expr) -> Self {
        match expr {
            Expr::Literal(Literal::Bool(value)) => Self::Bool(*value),
            Expr::Literal(Literal::Long(value)) => Self::Long(*value),
            Expr::Literal(Literal::String(text)) => Self::Text(text.to_string()),
            Expr::Literal(Literal::EntityUID(uid)) => Self::entity(uid),
            Expr::Var(variable) => Self::Var(match variable {
                Var::Principal => "principal",
                Var::Action => "action",
                Var::Resource => "resource",
                Var::Context => "context",
            }),
            Expr::UnaryOp { op: UnaryOp::Not, .. } | Expr::HasAttr { .. } | Expr::Is { .. } => Self::condition(expr, true),
            Expr::UnaryOp { op, expr } => match unary_name(*op) {
                Some(name) => Self::Call(name, vec![Self::value(expr)]),
                None => Self::Other(format!("{op:?}({expr:?})")),
            },
            Expr::BinaryOp { op, left, right } => match binary_name(*op) {
                Some(name) => Self::Call(name, vec![Self::value(left), Self::value(right)]),
                None if is_condition(*op) => Self::condition(expr, true),
                None => Self::Other(format!("{expr:?}")),
            },
            Expr::GetAttr { expr, attr } => Self::Get(Box::new(Self::value(expr)), attr.to_string()),
            Expr::Like { expr, pattern } => {
                let pattern = pattern.iter().map(|element| match element {
                    PatternElem::Char(c) => Some(*c),
                    PatternElem::Wildcard => None,
                });
                Self::Like(Box::new(Self::value(expr)), pattern.collect())
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => Self::If(
                Box::new(Self::condition(cond, true)),
                Box::new(Self::value(then_expr)),
                Box::new(Self::value(else_expr)),
            ),
            Expr::Set(items) => Self::Set(items.iter().map(|item| Self::value(item)).collect()),
            Expr::Record(fields) => Self::Record(fields.iter().map(|(name, value)| (name.clone(), Self::value(value))).collect()),
            _ => Self::Other(format!("{expr:?}")),
        }
    }

    pub(super) fn entity(uid: &EntityUID) -> Self {
        Self::Entity(uid.ty.to_string(), uid.eid.to_string())
    }
}

fn is_condition(op: BinaryOp) -> bool {
    use BinaryOp as B;
    matches!(op, B::Eq | B::NotEq | B::Less | B::LessEq | B::Greater | B::GreaterEq | B::And | B::Or | B::In)
}

fn unary_name(op: UnaryOp) -> Option<&'static str> {
    Some(match op {
        UnaryOp::Neg => "-",
        UnaryOp::IsEmpty => "isEmpty",
        UnaryOp::Datetime => "datetime",
        UnaryOp::Decimal => "decimal",
        UnaryOp::Duration => "duration",
        UnaryOp::Ip => "ip",
        UnaryOp::IsIPv4 => "isIpv4",
        UnaryOp::IsIPV6 => "isIpv6",
        UnaryOp::IsLoopback => "isLoopback",
        UnaryOp::IsMulticast => "isMulticast",
        UnaryOp::ToDate => "toDate",
        UnaryOp::ToTime => "toTime",
        UnaryOp::ToMilliseconds => "toMilliseconds",
        UnaryOp::ToSeconds => "toSeconds",
        UnaryOp::ToMinutes => "toMinutes",
        UnaryOp::ToHours => "toHours",
        UnaryOp::ToDays => "toDays",
        _ => return None,
    })
}

fn binary_name(op: BinaryOp) -> Option<&'static str> {
    Some(match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Contains => "contains",
        BinaryOp::ContainsAll => "containsAll",
        BinaryOp::ContainsAny => "containsAny",
        BinaryOp::GetTag => "getTag",
        BinaryOp::HasTag => "hasTag",
        BinaryOp::IsInRange => "isInRange",
        BinaryOp::Offset => "offset",
        BinaryOp::DurationSince => "durationSince",
        BinaryOp::DecimalLessThan => "lessThan",
        BinaryOp::DecimalLessEq => "lessThanOrEqual",
        BinaryOp::DecimalGreater => "greaterThan",
        BinaryOp::DecimalGreaterEq => "greaterThanOrEqual",
        _ => return None,
    })
}

/// Functions that give an answer for every argument of their types. Arithmetic is not among them: it overflows.
const NEVER_FAIL: [&str; 25] = [
    "isEmpty",
    "datetime",
    "decimal",
    "duration",
    "ip",
    "isIpv4",
    "isIpv6",
    "isLoopback",
    "isMulticast",
    "toTime",
    "toMilliseconds",
    "toSeconds",
    "toMinutes",
    "toHours",
    "toDays",
    "contains",
    "containsAll",
    "containsAny",
    "getTag",
    "hasTag",
    "isInRange",
    "lessThan",
    "lessThanOrEqual",
    "greaterThan",
    "greaterThanOrEqual",
];
