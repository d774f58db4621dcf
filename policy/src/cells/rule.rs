//! One policy, ready to be asked.

use std::sync::Arc;

use crate::asked::Asked;
use crate::compile::{Failed, Node, truth};

/// One policy, without its scope.
pub(crate) struct Rule {
    /// Its id, as the one that decided: what most verdicts name.
    alone: Arc<[Arc<str>]>,
    id: Arc<str>,
    /// `None` if it is for Cedar to evaluate.
    conditions: Option<Node>,
}

impl Rule {
    pub(crate) fn new(id: &str, conditions: Option<Node>) -> Self {
        let id: Arc<str> = id.into();
        Self { alone: [Arc::clone(&id)].into(), id, conditions }
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(crate) fn alone(&self) -> &Arc<[Arc<str>]> {
        &self.alone
    }

    pub(crate) fn is_compiled(&self) -> bool {
        self.conditions.is_some()
    }

    /// Whether its conditions hold; `Failed` where Cedar has to be asked.
    pub(crate) fn holds(&self, asked: &Asked<'_>) -> Result<bool, Failed> {
        truth(self.conditions.as_ref().ok_or(Failed)?, asked)
    }
}
