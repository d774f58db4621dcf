//! A set of policies that has been checked, and the question to it.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use cedar_policy::{Authorizer, Entities, PolicyId, Request, Response};

use crate::cells::{Cells, Row};
use crate::explain::About;
use crate::facts::Identity;
use crate::load::{self, Loaded};
use crate::prepare::{Generation, PrepareError, Prepared};
use crate::problem::Problem;
use crate::question;
use crate::request::{Action, RequestFacts};
use crate::schema::Facts;
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
    /// The ids, as the verdict gives them out.
    pub(crate) ids: HashMap<PolicyId, Arc<str>>,
    pub(crate) anonymous: Prepared,
    pub(crate) canonical: String,
    /// The policies, to be shown and explained.
    pub(crate) about: About,
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
        Prepared::new(self.generation, &self.facts, identity)
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
    pub fn decide(&self, prepared: &Prepared, facts: &RequestFacts<'_>) -> Verdict {
        self.answer(prepared, facts, |request, row, entities| {
            Authorizer::new().is_authorized(request, row.candidates(facts.action), entities)
        })
    }

    /// Decides with Cedar's own authorizer over every policy of the set: the slow way, which [`PolicySet::decide`] has to
    /// agree with in everything. For tests, benchmarks and comparison.
    pub fn decide_naively(&self, prepared: &Prepared, facts: &RequestFacts<'_>) -> Verdict {
        self.answer(prepared, facts, |request, _, entities| {
            Authorizer::new().is_authorized(request, self.cells.every(), entities)
        })
    }

    /// How many policies it holds.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it holds none, and so denies everything.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The ids of its policies, sorted.
    pub fn policy_ids(&self) -> Vec<Arc<str>> {
        let mut ids: Vec<_> = self.ids.values().cloned().collect();
        ids.sort_unstable();
        ids
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
        self.cells.row(app).into_iter().flat_map(move |row| row.candidates(action).policies()).map(|policy| policy.id().as_ref())
    }

    fn answer(
        &self,
        prepared: &Prepared,
        facts: &RequestFacts<'_>,
        ask: impl FnOnce(&Request, &Row, &Entities) -> Response,
    ) -> Verdict {
        if !self.accepts(prepared) {
            return Verdict::unanswerable("the facts were prepared for another policy set".to_owned());
        }
        let Some(row) = self.cells.row(facts.app) else {
            return Verdict::unanswerable(format!("the app `{}` is not in the catalogue of this policy set", facts.app));
        };
        let question = question::build(prepared, facts, row.uid(), &self.facts)
            .and_then(|request| Ok((request, question::entities(prepared, row.entities())?)));
        match question {
            Ok((request, entities)) => self.verdict(&ask(&request, row, &entities)),
            Err(error) => Verdict::unanswerable(error.to_string()),
        }
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
        self.ids.get(id).cloned().unwrap_or_else(|| Arc::from(id.to_string()))
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySet").field("generation", &self.generation).field("policies", &self.len()).finish_non_exhaustive()
    }
}
