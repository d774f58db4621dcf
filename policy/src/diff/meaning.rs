//! What one policy means, wherever its author put what: scope, `when` or `unless`.

use std::collections::BTreeMap;

use cedar_policy::pst::{self, ActionConstraint, Clause, EntityOrSlot, PrincipalConstraint, ResourceConstraint};

use super::form::{Comparison, Form};
use super::implies::Certain;
use crate::action::Action;
use crate::set::App;

/// One policy.
#[derive(Clone, Debug)]
pub(crate) struct Meaning {
    pub(super) id: String,
    pub(super) permits: bool,
    /// Annotations but `@id`.
    pub(super) notes: BTreeMap<String, String>,
    pub(crate) actions: Actions,
    /// All of them have to hold.
    pub(super) conjuncts: Vec<Conjunct>,
    /// Evaluating it can fail, and then the order of its parts matters.
    pub(super) may_fail: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Conjunct {
    /// As people wrote it, nearly.
    pub(super) shown: Form,
    /// To compare it by.
    pub(super) key: Form,
}

/// Some of the actions, in the order of [`Action::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Actions(pub(super) [bool; Action::ALL.len()]);

impl Meaning {
    pub(crate) fn of(policy: &cedar_policy::Policy) -> Result<Self, String> {
        let body = policy.to_pst().map_err(|error| error.to_string())?;
        let body = body.body();
        let mut actions = Actions::of_scope(&body.action);
        let mut forms = scope_of_principal(&body.principal);
        forms.extend(scope_of_resource(&body.resource));
        for clause in body.clauses() {
            forms.push(match clause {
                Clause::When(expr) => Form::condition(expr, true),
                Clause::Unless(expr) => Form::condition(expr, false),
            });
        }
        let forms = Form::all(forms).conjuncts();
        let may_fail = forms.iter().any(Form::may_fail);
        let mut conjuncts = Vec::new();
        for shown in forms {
            let key = shown.key();
            if may_fail || !actions.take(&key) {
                conjuncts.push(Conjunct { shown, key });
            }
        }
        if !may_fail {
            without_redundant(&mut conjuncts);
        }
        let notes = body.annotations.iter().filter(|(name, _)| *name != "id");
        let notes = notes.map(|(name, text)| (name.clone(), text.to_string())).collect();
        let permits = body.effect == pst::Effect::Permit;
        Ok(Self { id: AsRef::<str>::as_ref(policy.id()).to_owned(), permits, notes, actions, conjuncts, may_fail })
    }

    /// Whether both decide every request alike, for certain.
    pub(super) fn means_what(&self, other: &Self) -> bool {
        self.permits == other.permits
            && self.may_fail == other.may_fail
            && self.actions == other.actions
            && self.condition() == other.condition()
    }

    /// All conjuncts in one shape.
    pub(super) fn condition(&self) -> Form {
        Form::all(self.conjuncts.iter().map(|conjunct| conjunct.key.clone()).collect()).key()
    }

    /// Whether its conditions on the app let `app` through; those that cannot be told count as met.
    pub(crate) fn is_about(&self, app: &App) -> bool {
        self.conjuncts.iter().all(|conjunct| of_app(&conjunct.key, app) != Some(false))
    }
}

impl Actions {
    /// Those of `self` that `other` has not.
    pub(super) fn without(self, other: Self) -> Vec<Action> {
        Action::ALL.into_iter().filter(|action| self.has(*action) && !other.has(*action)).collect()
    }

    pub(crate) fn has(self, action: Action) -> bool {
        Action::ALL.into_iter().zip(self.0).any(|(known, has)| has && known == action)
    }

    /// Those it has.
    pub(super) fn list(self) -> Vec<Action> {
        Action::ALL.into_iter().filter(|action| self.has(*action)).collect()
    }

    fn of_scope(constraint: &ActionConstraint) -> Self {
        let named = |uid: &pst::EntityUID, action: Action| uid.eid == action.as_str() || action.is_in(&uid.eid);
        Self(Action::ALL.map(|action| match constraint {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => uid.eid == action.as_str(),
            ActionConstraint::In(uids) => uids.iter().any(|uid| named(uid, action)),
        }))
    }

    /// Narrows itself by what `form` says of the action; true if that is all that it says.
    fn take(&mut self, form: &Form) -> bool {
        let told = Action::ALL.map(|action| of_action(form, action));
        if told.iter().all(Option::is_some) {
            self.keep(told.map(|met| met == Some(true)));
            return true;
        }
        match of_everyone(form) {
            // On public paths nobody is known, elsewhere somebody is: the schema says so.
            Some(false) => self.keep(Action::ALL.map(|action| action != Action::Public)),
            Some(true) => {
                self.keep(Action::ALL.map(|action| action == Action::Public));
                return true;
            }
            None => {}
        }
        // Every resource is an app.
        matches!(form, Form::Is(of, kind) if **of == Form::Var("resource") && kind == "App")
    }

    fn keep(&mut self, told: [bool; Action::ALL.len()]) {
        for (own, told) in self.0.iter_mut().zip(told) {
            *own &= told;
        }
    }
}

/// Leaves those out that another one implies.
fn without_redundant(conjuncts: &mut Vec<Conjunct>) {
    let certain = Certain::new(None);
    let mut at = 0;
    while let Some(own) = conjuncts.get(at) {
        let implied = conjuncts.iter().enumerate().any(|(other, conjunct)| {
            // Of two that say the same, the first stays.
            other != at && certain.implies(&conjunct.key, &own.key) && (other < at || !certain.implies(&own.key, &conjunct.key))
        });
        if implied {
            conjuncts.remove(at);
        } else {
            at += 1;
        }
    }
}

/// What a condition on the app alone says of `app`; `None` if it is about something else too.
pub(super) fn of_app(form: &Form, app: &App) -> Option<bool> {
    match form {
        Form::All(parts) => parts.iter().map(|part| of_app(part, app)).try_fold(true, |all, part| Some(all & part?)),
        Form::Any(parts) => parts.iter().map(|part| of_app(part, app)).try_fold(false, |any, part| Some(any | part?)),
        Form::Not(of) => of_app(of, app).map(|told| !told),
        Form::Is(of, kind) if **of == Form::Var("resource") => Some(kind == "App"),
        Form::Compare(op @ (Comparison::Eq | Comparison::NotEq), of, with) if **of == Form::Var("resource") => match &**with {
            Form::Entity(kind, id) => Some((kind == "App" && *id == app.name) == (*op == Comparison::Eq)),
            _ => None,
        },
        Form::In(of, parent) if **of == Form::Var("resource") => match &**parent {
            Form::Entity(kind, id) => Some(if kind == "Tag" { app.tags.contains(id) } else { kind == "App" && *id == app.name }),
            _ => None,
        },
        _ => None,
    }
}

fn of_action(form: &Form, action: Action) -> Option<bool> {
    match form {
        Form::All(parts) => parts.iter().map(|part| of_action(part, action)).try_fold(true, |all, part| Some(all & part?)),
        Form::Any(parts) => parts.iter().map(|part| of_action(part, action)).try_fold(false, |any, part| Some(any | part?)),
        Form::Not(of) => of_action(of, action).map(|told| !told),
        Form::Compare(op @ (Comparison::Eq | Comparison::NotEq), of, with) if **of == Form::Var("action") => match &**with {
            Form::Entity(_, id) => Some((id == action.as_str()) == (*op == Comparison::Eq)),
            _ => None,
        },
        Form::In(of, parent) if **of == Form::Var("action") => match &**parent {
            Form::Entity(_, id) => Some(id == action.as_str() || action.is_in(id)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether only anybody, or only somebody who is known, meets it.
fn of_everyone(form: &Form) -> Option<bool> {
    match form {
        Form::Any(parts) => {
            let mut told = parts.iter().map(of_everyone);
            let first = told.next()??;
            told.all(|part| part == Some(first)).then_some(first)
        }
        Form::Is(of, kind) if **of == Form::Var("principal") => Some(kind == "Anonymous"),
        Form::Compare(Comparison::Eq, of, with) if **of == Form::Var("principal") => match &**with {
            Form::Entity(kind, id) if kind == "Anonymous" => (id == "anyone").then_some(true),
            Form::Entity(..) => Some(false),
            _ => None,
        },
        Form::In(of, parent)
            if **of == Form::Var("principal") && matches!(&**parent, Form::Entity(kind, _) if kind == "Group") =>
        {
            Some(false)
        }
        _ => None,
    }
}

fn scope_of_principal(constraint: &PrincipalConstraint) -> Vec<Form> {
    match constraint {
        PrincipalConstraint::Any => Vec::new(),
        PrincipalConstraint::Eq(entity) => vec![same("principal", entity)],
        PrincipalConstraint::In(entity) => vec![within("principal", entity)],
        PrincipalConstraint::Is(kind) => vec![is("principal", kind)],
        PrincipalConstraint::IsIn(kind, entity) => vec![is("principal", kind), within("principal", entity)],
    }
}

fn scope_of_resource(constraint: &ResourceConstraint) -> Vec<Form> {
    match constraint {
        ResourceConstraint::Any => Vec::new(),
        ResourceConstraint::Eq(entity) => vec![same("resource", entity)],
        ResourceConstraint::In(entity) => vec![within("resource", entity)],
        ResourceConstraint::Is(kind) => vec![is("resource", kind)],
        ResourceConstraint::IsIn(kind, entity) => vec![is("resource", kind), within("resource", entity)],
    }
}

fn same(variable: &'static str, entity: &EntityOrSlot) -> Form {
    Form::Compare(Comparison::Eq, Box::new(Form::Var(variable)), Box::new(scoped(entity)))
}

fn within(variable: &'static str, entity: &EntityOrSlot) -> Form {
    Form::In(Box::new(Form::Var(variable)), Box::new(scoped(entity)))
}

fn is(variable: &'static str, kind: &pst::EntityType) -> Form {
    Form::Is(Box::new(Form::Var(variable)), kind.to_string())
}

fn scoped(entity: &EntityOrSlot) -> Form {
    match entity {
        EntityOrSlot::Entity(uid) => Form::entity(uid),
        // A set has no templates: loading refuses them.
        EntityOrSlot::Slot(slot) => Form::Other(slot.to_string()),
    }
}
