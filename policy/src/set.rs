//! A set of policies that has been checked, and the question to it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use cedar_policy::{Authorizer, Entities, PolicyId, PolicySet as CedarPolicySet, Request, Response};

use crate::action::{Action, OWN_APP, OwnActions};
use crate::asked::Asked;
use crate::cells::{Cell, Cells, Row};
use crate::engine::{self, Memo};
use crate::explain::About;
use crate::facts::Identity;
use crate::load::{self, Loaded};
use crate::path;
use crate::prepare::{Generation, PrepareError, Prepared};
use crate::problem::Problem;
use crate::question;
use crate::request::RequestFacts;
use crate::schema::{Facts, PostureFact};
use crate::verdict::{Decision, DenyReason, EvaluationError, Verdict};

/// A file of policies or of schema additions: its name, for messages, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The name to show, such as `policies/starter.cedar`.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// What there is to protect. Policies for anything else are warned about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// The apps. Each name once.
    pub apps: Vec<App>,
    /// The groups that exist, if they are known: then a policy that names another is warned about.
    pub groups: Option<BTreeSet<String>>,
    /// What the gate itself is asked for: see [`Catalogue::with_own`].
    pub own: OwnActions,
}

/// An app, as policies see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// `App::"name"`.
    pub name: String,
    /// `Tag::"…"`.
    pub tags: BTreeSet<String>,
}

/// A checked set of policies for one catalogue. Immutable; a reload makes a new one.
pub struct PolicySet {
    pub(crate) generation: Generation,
    pub(crate) facts: Facts,
    pub(crate) cells: Cells,
    pub(crate) memo: Memo,
    pub(crate) anonymous: Prepared,
    pub(crate) canonical: String,
    /// The policies, to be shown and explained.
    pub(crate) about: About,
    /// What it was loaded with, beside the policies.
    pub(crate) origin: Origin,
}

/// What a set was loaded with beside its policies, to load others in the same way.
pub(crate) struct Origin {
    pub(crate) additions: Vec<Source>,
    pub(crate) catalogue: Catalogue,
}

impl Source {
    /// A file.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

impl App {
    /// An app with tags.
    pub fn new<Tag: Into<String>>(name: impl Into<String>, tags: impl IntoIterator<Item = Tag>) -> Self {
        Self { name: name.into(), tags: tags.into_iter().map(Into::into).collect() }
    }
}

impl Catalogue {
    /// The same, with the gate itself as an app if anything is asked of it: [`OWN_APP`].
    #[must_use]
    pub fn with_own(mut self, own: OwnActions) -> Self {
        if own.any() && !self.apps.iter().any(|app| app.name == OWN_APP) {
            self.apps.push(App::new::<&str>(OWN_APP, []));
        }
        Self { own, ..self }
    }
}

impl PolicySet {
    /// Checks `policies` against the shipped schema with `schema_additions`, and makes them ready for the apps of `catalogue`.
    ///
    /// # Errors
    /// Every mistake in every file, in the order of the files.
    pub fn load(policies: &[Source], schema_additions: &[Source], catalogue: &Catalogue) -> Result<Loaded, Vec<Problem>> {
        load::load(policies, schema_additions, catalogue)
    }

    /// Makes what is known of who asks ready for many questions. Keep it beside the session and device; make a new one when
    /// either changes, or when [`PolicySet::accepts`] says that it belongs to another set.
    ///
    /// # Errors
    /// When the facts cannot stand for anybody.
    pub fn prepare(&self, identity: &Identity) -> Result<Prepared, PrepareError> {
        Prepared::new(self.generation, &self.facts, self.cells.keys(), identity)
    }

    /// Whether `prepared` was made by this very set.
    pub fn accepts(&self, prepared: &Prepared) -> bool {
        prepared.generation() == self.generation
    }

    /// Who asks for public paths.
    pub fn anonymous(&self) -> &Prepared {
        &self.anonymous
    }

    /// Decides. A `prepared` of another set is refused, as is anything else that cannot be decided.
    ///
    /// The policies are compiled when the set is loaded; what cannot be decided in that form, a policy that fails included,
    /// is put to Cedar.
    pub fn decide(&self, prepared: &Prepared, facts: &RequestFacts<'_>) -> Verdict {
        self.decide_compiled(prepared, facts).unwrap_or_else(|| self.decide_by_cedar(prepared, facts))
    }

    /// What the compiled policies say; `None` where Cedar has to be asked. For tests and measurements: the verdict that
    /// counts is that of [`PolicySet::decide`].
    pub fn decide_compiled(&self, prepared: &Prepared, facts: &RequestFacts<'_>) -> Option<Verdict> {
        // Cedar says what is wrong with a question that nobody should put.
        let fits = prepared.identity().is_some() != (facts.action == Action::Public) && path::is_short_enough(facts.path);
        let row = self.cells.row(facts.app).filter(|_| fits && self.accepts(prepared))?;
        let asked = Asked { prepared, facts, row, posture: &self.facts.posture };
        engine::decide(&self.cells, &self.memo, &asked).ok()
    }

    /// Decides with Cedar's own authorizer over every policy of the set: the slow way, which [`PolicySet::decide`] has to
    /// agree with in everything. For tests, benchmarks and comparison.
    pub fn decide_naively(&self, prepared: &Prepared, facts: &RequestFacts<'_>) -> Verdict {
        self.answer(prepared, facts, |request, _, entities| {
            Ok(Authorizer::new().is_authorized(request, self.cells.every(), entities))
        })
    }

    /// The facts about a device's health that its policies can ask for: those that ship, and those that were added.
    pub fn posture_facts(&self) -> &[PostureFact] {
        &self.facts.posture
    }

    /// How many policies it holds.
    pub fn len(&self) -> usize {
        self.cells.rules().len()
    }

    /// Whether it holds none, and so denies everything.
    pub fn is_empty(&self) -> bool {
        self.cells.rules().is_empty()
    }

    /// The ids of its policies, sorted.
    pub fn policy_ids(&self) -> Vec<Arc<str>> {
        self.cells.rules().iter().map(|rule| Arc::clone(rule.id())).collect()
    }

    /// The ids of the policies that are not compiled, sorted: whatever they can be about is decided by Cedar.
    pub fn uncompiled(&self) -> Vec<Arc<str>> {
        self.cells.rules().iter().filter(|rule| !rule.is_compiled()).map(|rule| Arc::clone(rule.id())).collect()
    }

    /// Whether the policy of this id permits; a `forbid`, and what is not in the set, does not.
    pub fn permits(&self, id: &str) -> bool {
        let policy = self.cells.every().policy(&PolicyId::new(id));
        policy.is_some_and(|policy| policy.effect() == cedar_policy::Effect::Permit)
    }

    /// Everything that its verdicts rest on beside the facts (schema, additions, policies, catalogue) as one text, the same
    /// for the same content in whatever order it was read: the thing to hash and to keep.
    pub fn canonical_text(&self) -> &str {
        &self.canonical
    }

    /// The policies whose scope lets the app and the action through.
    pub(crate) fn candidate_ids(&self, app: &str, action: Action) -> impl Iterator<Item = &str> {
        let cells = self.cells.row(app).into_iter().flat_map(move |row| self.cells.cells(row, action));
        let all = cells.flat_map(Cell::all);
        all.filter_map(|at| self.cells.rule(at)).map(|rule| &**rule.id())
    }

    /// Cedar's answer over the policies whose scope can match.
    fn decide_by_cedar(&self, prepared: &Prepared, facts: &RequestFacts<'_>) -> Verdict {
        self.answer(prepared, facts, |request, row, entities| {
            let cells = self.cells.cells(row, facts.action);
            let candidates = cells.flat_map(|cell| cell.forbids(prepared).chain(cell.permits(prepared)));
            let policies = candidates.filter_map(|at| self.cells.policy(at)).cloned();
            let policies = CedarPolicySet::from_policies(policies).map_err(|error| error.to_string())?;
            Ok(Authorizer::new().is_authorized(request, &policies, entities))
        })
    }

    fn answer(
        &self,
        prepared: &Prepared,
        facts: &RequestFacts<'_>,
        ask: impl FnOnce(&Request, &Row, &Entities) -> Result<Response, String>,
    ) -> Verdict {
        if !self.accepts(prepared) {
            return Verdict::unanswerable("the facts were prepared for another policy set".to_owned());
        }
        let Some(row) = self.cells.row(facts.app) else {
            return Verdict::unanswerable(format!("the app `{}` is not in the catalogue of this policy set", facts.app));
        };
        let response = self.question(prepared, facts, row).and_then(|(request, entities)| ask(&request, row, &entities));
        match response {
            Ok(response) => self.verdict(&response),
            Err(error) => Verdict::unanswerable(error),
        }
    }

    /// The question and the entities as Cedar takes them.
    pub(crate) fn question(
        &self,
        prepared: &Prepared,
        facts: &RequestFacts<'_>,
        row: &Row,
    ) -> Result<(Request, Entities), String> {
        let app = row.cedar(&self.facts)?;
        let who = prepared.cedar(&self.facts).map_err(|error| error.to_string())?;
        let request = question::build(who, facts, &app.uid, &self.facts).map_err(|error| error.to_string())?;
        let entities = question::entities(who, &app.entities).map_err(|error| error.to_string())?;
        Ok((request, entities))
    }

    fn verdict(&self, response: &Response) -> Verdict {
        let errors: Vec<_> = response.diagnostics().errors().map(|error| self.error(error)).collect();
        let mut policies: Vec<Arc<str>> = response.diagnostics().reason().map(|id| self.id(id)).collect();
        policies.sort_unstable();
        let decision = match (response.decision(), errors.is_empty(), policies.is_empty()) {
            (cedar_policy::Decision::Allow, true, _) => Decision::Allow,
            (cedar_policy::Decision::Allow, false, _) => {
                // What would have permitted it did not decide it.
                policies.clear();
                Decision::Deny(DenyReason::EvaluationFailed)
            }
            (cedar_policy::Decision::Deny, false, _) => Decision::Deny(DenyReason::EvaluationFailed),
            (cedar_policy::Decision::Deny, true, true) => Decision::Deny(DenyReason::NoPermit),
            (cedar_policy::Decision::Deny, true, false) => Decision::Deny(DenyReason::Forbidden),
        };
        let mut verdict = Verdict { decision, policies: policies.into(), errors };
        verdict.errors.sort_by(|a, b| (&a.policy, &a.message).cmp(&(&b.policy, &b.message)));
        verdict
    }

    fn error(&self, error: &cedar_policy::AuthorizationError) -> EvaluationError {
        match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => {
                EvaluationError { policy: Some(self.id(error.policy_id())), message: error.inner().to_string() }
            }
        }
    }

    fn id(&self, id: &PolicyId) -> Arc<str> {
        let id: &str = id.as_ref();
        self.cells.find(id).map_or_else(|| Arc::from(id), |rule| Arc::clone(rule.id()))
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySet").field("generation", &self.generation).field("policies", &self.len()).finish_non_exhaustive()
    }
}
