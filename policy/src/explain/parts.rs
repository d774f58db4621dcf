//! A policy taken apart into the conditions that all have to be met, each to be evaluated by itself.

use std::sync::Arc;

use cedar_policy::pst::{self, BinaryOp, Clause, EntityOrSlot, Expr, PrincipalConstraint, UnaryOp};
use cedar_policy::{Authorizer, Policy, PolicySet};

use super::looks::Looks;
use super::work::Question;

/// The conditions of one policy: its scope for the principal, and what `&&` and several `when` and `unless` join.
#[derive(Default)]
pub(crate) struct Parts {
    conditions: Vec<Condition>,
    /// One policy for each condition, named by its number.
    each: PolicySet,
}

/// One of them.
pub(crate) struct Condition {
    /// As Cedar writes it.
    pub(crate) text: String,
    pub(crate) looks: Looks,
}

impl Parts {
    /// Without conditions if Cedar cannot take the policy apart: there is nothing to try then.
    pub(crate) fn of(policy: &Policy) -> Self {
        Self::take_apart(policy).unwrap_or_default()
    }

    pub(crate) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// What any of them looks at.
    pub(crate) fn looks(&self) -> Looks {
        let mut looks = Looks::default();
        self.conditions.iter().for_each(|condition| looks.extend(&condition.looks));
        looks
    }

    /// Which of them are met; what fails is not.
    pub(crate) fn met(&self, question: &Question) -> Vec<bool> {
        let response = Authorizer::new().is_authorized(&question.request, &self.each, &question.entities);
        let mut met = vec![false; self.conditions.len()];
        for id in response.diagnostics().reason() {
            if let Some(one) = AsRef::<str>::as_ref(id).parse::<usize>().ok().and_then(|number| met.get_mut(number)) {
                *one = true;
            }
        }
        met
    }

    fn take_apart(policy: &Policy) -> Option<Self> {
        let whole = policy.to_pst().ok()?;
        let body = whole.body();
        let mut joined = Vec::new();
        for clause in body.clauses() {
            match clause {
                Clause::When(condition) => all_of(condition, &mut joined),
                Clause::Unless(condition) => none_of(condition, &mut joined),
            }
        }
        let mut parts = Self::default();
        if let Some(text) = scope(&body.principal) {
            parts.add(text, body.principal.clone(), None)?;
        }
        for condition in joined {
            parts.add(condition.to_string(), PrincipalConstraint::Any, Some(condition))?;
        }
        Some(parts)
    }

    fn add(&mut self, text: String, principal: PrincipalConstraint, condition: Option<Arc<Expr>>) -> Option<()> {
        let id = self.conditions.len().to_string();
        let (action, resource) = (pst::ActionConstraint::Any, pst::ResourceConstraint::Any);
        let alone = pst::Template::new(id.as_str(), pst::Effect::Permit, principal, action, resource)
            .try_with_clauses(condition.map(Clause::When))
            .ok()?;
        let alone = Policy::from_pst(pst::Policy::Static(alone.try_into().ok()?)).ok()?;
        self.conditions.push(Condition { text, looks: Looks::of(&alone) });
        self.each.add(alone).ok()
    }
}

fn scope(principal: &PrincipalConstraint) -> Option<String> {
    let named = |who: &EntityOrSlot| match who {
        EntityOrSlot::Entity(entity) => entity.to_string(),
        EntityOrSlot::Slot(slot) => slot.to_string(),
    };
    match principal {
        PrincipalConstraint::Any => None,
        PrincipalConstraint::Eq(who) => Some(format!("principal == {}", named(who))),
        PrincipalConstraint::In(who) => Some(format!("principal in {}", named(who))),
        PrincipalConstraint::Is(kind) => Some(format!("principal is {kind}")),
        PrincipalConstraint::IsIn(kind, who) => Some(format!("principal is {kind} in {}", named(who))),
    }
}

/// What has to be met for `expr` to be true.
fn all_of(expr: &Arc<Expr>, into: &mut Vec<Arc<Expr>>) {
    match &**expr {
        Expr::BinaryOp { op: BinaryOp::And, left, right } => {
            all_of(left, into);
            all_of(right, into);
        }
        Expr::UnaryOp { op: UnaryOp::Not, expr } => none_of(expr, into),
        _ => into.push(Arc::clone(expr)),
    }
}

/// What has to be met for `expr` to be false.
fn none_of(expr: &Arc<Expr>, into: &mut Vec<Arc<Expr>>) {
    match &**expr {
        Expr::BinaryOp { op: BinaryOp::Or, left, right } => {
            none_of(left, into);
            none_of(right, into);
        }
        Expr::UnaryOp { op: UnaryOp::Not, expr } => all_of(expr, into),
        _ => into.push(Arc::new(Expr::UnaryOp { op: UnaryOp::Not, expr: Arc::clone(expr) })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_come_apart_into_what_has_to_be_met() {
        let policy: Policy = r#"permit (principal in Group::"hr", action, resource)
            when { context.a && (context.b || context.c) && !(context.d || !context.e) }
            unless { context.f || context.g && context.h };"#
            .parse()
            .unwrap();
        let parts = Parts::of(&policy);
        let texts: Vec<&str> = parts.conditions().iter().map(|condition| condition.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "principal in Group::\"hr\"",
                "context.a",
                "context.b || context.c",
                "!context.d",
                "context.e",
                "!context.f",
                "!(context.g && context.h)"
            ]
        );
    }
}
