//! Which facts a policy looks at, and what it compares them with: where the search for what could be otherwise begins.
//!
//! Nothing is concluded from the text. It only says what is worth trying; whether it helps is then evaluated.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::Policy;
use cedar_policy::pst::{
    BinaryOp, Clause, EntityOrSlot, EntityUID, Expr, Literal, PatternElem, PrincipalConstraint, UnaryOp, Var,
};

/// The facts that a policy looks at, each with all that stands beside it in the same comparison.
///
/// A fact is named as policies write it (`context.session.mfa`); `principal` is who asks, as a member of groups, and
/// `principal#team` the claim `team`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looks(pub(crate) BTreeMap<String, BTreeSet<Beside>>);

/// What a fact is compared with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Beside {
    Number(i64),
    Text(String),
    Group(String),
    /// An address, or a range of them.
    Address(IpAddr, u8),
    /// Milliseconds.
    Duration(i64),
    /// Milliseconds since the Unix epoch.
    Time(i64),
    /// The texts of one set literal.
    Texts(BTreeSet<String>),
    /// A pattern, `None` for each `*`.
    Like(Vec<Option<char>>),
}

impl Looks {
    pub(crate) fn of(policy: &Policy) -> Self {
        let mut looks = Self::default();
        // A policy that Cedar cannot take apart leaves nothing to try.
        let Ok(parts) = policy.to_pst() else { return looks };
        let body = parts.body();
        match &body.principal {
            PrincipalConstraint::Eq(who) | PrincipalConstraint::In(who) | PrincipalConstraint::IsIn(_, who) => {
                if let EntityOrSlot::Entity(entity) = who {
                    looks.add("principal", group(entity));
                }
            }
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => {}
        }
        for clause in body.clauses() {
            match clause {
                Clause::When(condition) | Clause::Unless(condition) => looks.condition(condition),
            }
        }
        looks
    }

    /// Takes in what another policy looks at.
    pub(crate) fn extend(&mut self, other: &Self) {
        for (fact, beside) in &other.0 {
            self.0.entry(fact.clone()).or_default().extend(beside.iter().cloned());
        }
    }

    /// What the fact is compared with; `None` if it is not looked at.
    pub(crate) fn get(&self, fact: &str) -> Option<&BTreeSet<Beside>> {
        self.0.get(fact)
    }

    /// The numbers that the fact is compared with.
    pub(crate) fn numbers(&self, fact: &str) -> impl Iterator<Item = i64> {
        self.get(fact).into_iter().flatten().filter_map(|beside| match beside {
            Beside::Number(number) => Some(*number),
            _ => None,
        })
    }

    fn add(&mut self, fact: &str, beside: impl IntoIterator<Item = Beside>) {
        self.0.entry(fact.to_owned()).or_default().extend(beside);
    }

    /// Goes through `&&`, `||`, `!` and `if` down to what compares.
    fn condition(&mut self, expr: &Expr) {
        match expr {
            Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
                self.condition(left);
                self.condition(right);
            }
            Expr::UnaryOp { op: UnaryOp::Not, expr } => self.condition(expr),
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                for part in [cond, then_expr, else_expr] {
                    self.condition(part);
                }
            }
            compared => {
                let mut found = Comparison::default();
                found.gather(compared);
                for fact in &found.facts {
                    self.add(fact, found.beside.iter().cloned());
                }
            }
        }
    }
}

/// The facts and the literals of one comparison.
#[derive(Default)]
struct Comparison {
    facts: BTreeSet<String>,
    beside: BTreeSet<Beside>,
}

impl Comparison {
    fn gather(&mut self, expr: &Expr) {
        if let Some(fact) = fact(expr) {
            self.facts.insert(fact);
            return;
        }
        match expr {
            Expr::Literal(literal) => self.beside.extend(plain(literal)),
            Expr::UnaryOp { op, expr } => match constructed(*op, expr) {
                Some(beside) => {
                    self.beside.insert(beside);
                }
                None => self.gather(expr),
            },
            Expr::BinaryOp { op: BinaryOp::HasTag | BinaryOp::GetTag, left, right } => {
                self.facts.extend(claim(left, right));
            }
            Expr::BinaryOp { left, right, .. } => {
                self.gather(left);
                self.gather(right);
            }
            Expr::GetAttr { expr, .. } => self.gather(expr),
            Expr::HasAttr { expr, attrs } => {
                let path = path(expr).unwrap_or_default();
                self.facts.insert(attrs.iter().fold(path, |path, attr| format!("{path}.{attr}")));
            }
            Expr::Like { expr, pattern } => {
                self.gather(expr);
                let part = |elem: &PatternElem| match elem {
                    PatternElem::Char(c) => Some(*c),
                    PatternElem::Wildcard => None,
                };
                self.beside.insert(Beside::Like(pattern.iter().map(part).collect()));
            }
            Expr::Is { expr, in_expr, .. } => {
                self.gather(expr);
                if let Some(parent) = in_expr {
                    self.gather(parent);
                }
            }
            Expr::Set(members) => self.set(members),
            Expr::Record(fields) => fields.values().for_each(|field| self.gather(field)),
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                for part in [cond, then_expr, else_expr] {
                    self.gather(part);
                }
            }
            // What a policy cannot have in it.
            _ => {}
        }
    }

    fn set(&mut self, members: &[Arc<Expr>]) {
        members.iter().for_each(|member| self.gather(member));
        let text = |member: &Arc<Expr>| match &**member {
            Expr::Literal(Literal::String(text)) => Some(text.to_string()),
            _ => None,
        };
        if members.len() > 1
            && let Some(texts) = members.iter().map(text).collect()
        {
            self.beside.insert(Beside::Texts(texts));
        }
    }
}

/// A fact by its name: an attribute of the context or of the principal, or the principal.
fn fact(expr: &Expr) -> Option<String> {
    path(expr).filter(|path| path != "context")
}

fn path(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Var(Var::Principal) => Some("principal".to_owned()),
        Expr::Var(Var::Context) => Some("context".to_owned()),
        Expr::GetAttr { expr, attr } => path(expr).map(|path| format!("{path}.{attr}")),
        _ => None,
    }
}

fn claim(of: &Expr, name: &Expr) -> Option<String> {
    match (of, name) {
        (Expr::Var(Var::Principal), Expr::Literal(Literal::String(name))) => Some(format!("principal#{name}")),
        _ => None,
    }
}

fn plain(literal: &Literal) -> Option<Beside> {
    match literal {
        Literal::Long(number) => Some(Beside::Number(*number)),
        Literal::String(text) => Some(Beside::Text(text.to_string())),
        Literal::EntityUID(entity) => group(entity),
        // The other of the two values is tried whatever the literal says.
        _ => None,
    }
}

fn group(entity: &EntityUID) -> Option<Beside> {
    let name = &entity.ty.0;
    (name.namespace.is_empty() && name.id.as_str() == "Group").then(|| Beside::Group(entity.eid.to_string()))
}

/// `ip("…")`, `duration("…")` and `datetime("…")`.
fn constructed(op: UnaryOp, expr: &Expr) -> Option<Beside> {
    let Expr::Literal(Literal::String(text)) = expr else { return None };
    match op {
        UnaryOp::Ip => address(text),
        UnaryOp::Duration => duration_ms(text).map(Beside::Duration),
        UnaryOp::Datetime => time_ms(text).map(Beside::Time),
        _ => None,
    }
}

fn address(text: &str) -> Option<Beside> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address.parse::<IpAddr>().ok()?, prefix.parse().ok()?),
        None => (text.parse::<IpAddr>().ok()?, u8::MAX),
    };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    Some(Beside::Address(address, prefix.min(whole)))
}

/// `1d2h3m4s5ms`, in any part left out, with an optional sign.
fn duration_ms(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit())?)?;
        let (unit, after) = after.split_at_checked(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()))?;
        let ms = match unit {
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(ms)?)?;
        rest = after;
    }
    Some(sign * total)
}

fn time_ms(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_millisecond());
    }
    let day = text.parse::<jiff::civil::Date>().ok()?;
    Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(text: &str) -> Looks {
        Looks::of(&text.parse::<Policy>().unwrap())
    }

    #[test]
    fn facts_and_what_stands_beside_them() {
        let found = looks(
            r#"permit (principal in Group::"hr", action, resource)
               when { context.device.owner == principal && context.session.auth_age_s < 900 }
               when { context.session.mfa || ["gold", "silver"].contains(context.session.acr) }
               unless { principal.hasTag("team") && !(principal.getTag("team").contains("red")) }
               when { context.request.source_ip.isInRange(ip("10.0.0.0/8")) && context.local_time >= duration("7h30m") };"#,
        );
        let names: Vec<&str> = found.0.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "context.device.owner",
                "context.local_time",
                "context.request.source_ip",
                "context.session.acr",
                "context.session.auth_age_s",
                "context.session.mfa",
                "principal",
                "principal#team"
            ]
        );
        let only = |fact: &str| found.get(fact).unwrap().iter().cloned().collect::<Vec<_>>();
        assert_eq!(only("principal"), [Beside::Group("hr".into())]);
        assert_eq!(only("context.session.auth_age_s"), [Beside::Number(900)]);
        assert_eq!(only("context.session.mfa"), []);
        assert_eq!(only("principal#team"), [Beside::Text("red".into())]);
        assert_eq!(only("context.request.source_ip"), [Beside::Address("10.0.0.0".parse().unwrap(), 8)]);
        assert_eq!(only("context.local_time"), [Beside::Duration(27_000_000)]);
        assert!(only("context.session.acr").contains(&Beside::Text("gold".into())));
    }

    #[test]
    fn durations_and_times_as_cedar_writes_them() {
        for (text, expected) in [("9h", Some(32_400_000)), ("-1d1ms", Some(-86_400_001)), ("9", None), ("h", None), ("1w", None)]
        {
            assert_eq!(duration_ms(text), expected, "{text}");
        }
        for text in ["2026-09-21T14:13:20Z", "2026-09-21T14:13:20.000Z", "2026-09-21T15:13:20+0100"] {
            assert_eq!(time_ms(text), Some(1_790_000_000_000), "{text}");
        }
        assert_eq!(time_ms("2026-09-21"), Some(1_789_948_800_000));
    }
}
