//! One published case: policies, entities, and requests with their answers.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use cedar_policy::pst::{
    ActionConstraint, BinaryOp, EntityOrSlot, EntityType, EntityUID, Expr, Literal, PrincipalConstraint, ResourceConstraint,
    Template, Var,
};
use cedar_policy::{
    Authorizer, Context, Effect, Entities, EntityId, EntityTypeName, EntityUid, Policy, PolicySet, Request, Schema,
};
use serde::Deserialize;

use super::store::{Asked, Store, fields, pair};
use crate::compile::lower::{Lowerer, NotCompiled};
use crate::compile::{Failed, Node, truth};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    policies: String,
    entities: String,
    schema: String,
    requests: Vec<Asking>,
}

#[derive(Deserialize)]
struct Asking {
    principal: Uid,
    action: Uid,
    resource: Uid,
    context: serde_json::Value,
    decision: String,
    reason: BTreeSet<String>,
    errors: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Uid {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

/// How many there were.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) files: usize,
    pub(super) requests: usize,
    pub(super) policies: usize,
    pub(super) compiled: usize,
    /// Requests that were answered without Cedar, and how many of them have errors.
    direct: usize,
    failing: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, requests, policies, compiled, direct, failing } = self;
        write!(f, "{files} cases, {requests} requests, {direct} of them wholly compiled ({failing} with errors); ")?;
        write!(f, "{compiled} of {policies} policies compiled")
    }
}

/// A policy and what it compiles to, scope and all.
struct Compiled {
    policy: Policy,
    node: Result<Node, NotCompiled>,
}

pub(super) fn run(home: &Path, file: &Path, tally: &mut Tally) {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let case: Case = serde_json::from_str(&read(file)).unwrap();
    let (schema, _) = Schema::from_cedarschema_str(&read(&home.join(&case.schema))).unwrap();
    let set: PolicySet = read(&home.join(&case.policies)).parse().unwrap();
    let entities = Entities::from_json_str(&read(&home.join(&case.entities)), Some(&schema)).unwrap();
    let store = Store::new(&entities);
    let compiled: Vec<Compiled> = set.policies().map(|policy| Compiled { node: whole(policy), policy: policy.clone() }).collect();
    tally.files += 1;
    tally.policies += compiled.len();
    tally.compiled += compiled.iter().filter(|compiled| compiled.node.is_ok()).count();
    for (at, asking) in case.requests.iter().enumerate() {
        let uids = [&asking.principal, &asking.action, &asking.resource].map(uid);
        let context = Context::from_json_value(asking.context.clone(), Some((&schema, &uids[1]))).unwrap();
        let names = asking.context.as_object().unwrap().keys().cloned();
        let asked = Asked { store: &store, variables: uids.each_ref().map(pair), context: fields(&context, names) };
        let [principal, action, resource] = uids;
        let request = Request::new(principal, action, resource, context, Some(&schema)).unwrap();
        let (mut permits, mut forbids, mut errors) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for Compiled { policy, node } in &compiled {
            let holds = match node {
                Ok(node) => truth(node, &&asked),
                Err(NotCompiled) => by_cedar(policy, &request, &entities),
            };
            let told = match (holds, policy.effect()) {
                (Ok(false), _) => continue,
                (Err(Failed), _) => &mut errors,
                (Ok(true), Effect::Permit) => &mut permits,
                (Ok(true), Effect::Forbid) => &mut forbids,
            };
            told.insert(policy.id().to_string());
        }
        let allowed = forbids.is_empty() && !permits.is_empty();
        let place = format!("request {at} of {}", file.display());
        assert_eq!(if allowed { "allow" } else { "deny" }, asking.decision, "{place}");
        assert_eq!(if forbids.is_empty() { permits } else { forbids }, asking.reason, "{place}");
        assert_eq!(errors, asking.errors, "{place}");
        tally.requests += 1;
        let direct = compiled.iter().all(|compiled| compiled.node.is_ok());
        tally.direct += usize::from(direct);
        tally.failing += usize::from(direct && !errors.is_empty());
    }
}

fn uid(uid: &Uid) -> EntityUid {
    let kind: EntityTypeName = uid.kind.parse().unwrap();
    EntityUid::from_type_name_and_id(kind, EntityId::new(&uid.id))
}

fn by_cedar(policy: &Policy, request: &Request, entities: &Entities) -> Result<bool, Failed> {
    let alone = PolicySet::from_policies([policy.clone()]).unwrap();
    let response = Authorizer::new().is_authorized(request, &alone, entities);
    let failed = response.diagnostics().errors().next().is_some();
    if failed { Err(Failed) } else { Ok(response.diagnostics().reason().next().is_some()) }
}

/// The scope and the conditions, in this order.
fn whole(policy: &Policy) -> Result<Node, NotCompiled> {
    let tree = policy.to_pst().map_err(|_| NotCompiled)?;
    let body: &Template = tree.body();
    let mut lowerer = Lowerer::for_anything();
    let mut nodes = Vec::new();
    for part in scope(body) {
        nodes.push(lowerer.expression(&part)?);
    }
    nodes.push(lowerer.conditions(body.clauses())?);
    Ok(Node::And(nodes.into()))
}

fn scope(body: &Template) -> Vec<Expr> {
    let binary = |op, variable, right| Expr::BinaryOp { op, left: Arc::new(Expr::Var(variable)), right: Arc::new(right) };
    let is = |variable, kind: &EntityType, entity: Option<&EntityOrSlot>| Expr::Is {
        expr: Arc::new(Expr::Var(variable)),
        entity_type: kind.clone(),
        in_expr: entity.map(|entity| Arc::new(literal(entity))),
    };
    let principal = match &body.principal {
        PrincipalConstraint::Any => None,
        PrincipalConstraint::Eq(entity) => Some(binary(BinaryOp::Eq, Var::Principal, literal(entity))),
        PrincipalConstraint::In(entity) => Some(binary(BinaryOp::In, Var::Principal, literal(entity))),
        PrincipalConstraint::Is(kind) => Some(is(Var::Principal, kind, None)),
        PrincipalConstraint::IsIn(kind, entity) => Some(is(Var::Principal, kind, Some(entity))),
    };
    let action = match &body.action {
        ActionConstraint::Any => None,
        ActionConstraint::Eq(entity) => Some(binary(BinaryOp::Eq, Var::Action, named(entity))),
        ActionConstraint::In(entities) => {
            let members = Expr::Set(entities.iter().map(|entity| Arc::new(named(entity))).collect());
            Some(binary(BinaryOp::In, Var::Action, members))
        }
    };
    let resource = match &body.resource {
        ResourceConstraint::Any => None,
        ResourceConstraint::Eq(entity) => Some(binary(BinaryOp::Eq, Var::Resource, literal(entity))),
        ResourceConstraint::In(entity) => Some(binary(BinaryOp::In, Var::Resource, literal(entity))),
        ResourceConstraint::Is(kind) => Some(is(Var::Resource, kind, None)),
        ResourceConstraint::IsIn(kind, entity) => Some(is(Var::Resource, kind, Some(entity))),
    };
    [principal, action, resource].into_iter().flatten().collect()
}

fn named(entity: &EntityUID) -> Expr {
    Expr::Literal(Literal::EntityUID(entity.clone()))
}

/// A slot is an expression that is not compiled.
fn literal(entity: &EntityOrSlot) -> Expr {
    match entity {
        EntityOrSlot::Entity(entity) => named(entity),
        EntityOrSlot::Slot(slot) => Expr::Slot(*slot),
    }
}
