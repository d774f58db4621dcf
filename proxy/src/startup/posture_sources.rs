//! Who says what of devices, as configured.

use std::sync::Arc;

use crate::config::{Config, PostureSource, ReportFormat};
use crate::decide::KnownFacts;
use crate::intake::Intake;
use crate::store::StoreError;

/// From now on, those of `config` are listened to, and for as long as it says their word counts. `before` are those of the
/// configuration before it.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn listen(intake: &Intake, config: &Config, before: &[Arc<PostureSource>]) -> Result<(), StoreError> {
    intake.listen(&config.posture_sources, before, []).await
}

/// Lets what they say end in time.
pub(super) async fn tend(intake: Arc<Intake>) {
    intake.tend().await;
}

/// Facts that are to be taken from results, and that no policy could ask for: nothing of such a result would be taken.
pub(super) fn unknown_facts(config: &Config, known: &KnownFacts) -> Vec<String> {
    let queries = config.posture_sources.iter().flat_map(|source| match &source.format {
        ReportFormat::Osquery(facts) => facts.iter().map(|fact| (&source.name, &fact.fact)).collect(),
        ReportFormat::Sekisho => Vec::new(),
    });
    queries
        .filter_map(|(source, fact)| {
            let problem = known.kind(fact).err()?;
            Some(format!("posture_source `{source}`: {problem}, so nothing of its results is taken"))
        })
        .collect()
}
