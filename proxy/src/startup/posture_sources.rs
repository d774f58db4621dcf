//! Who says what of devices, as configured.

use std::sync::Arc;

use crate::config::{Config, PostureSource, ReportFormat};
use crate::decide::{Kind, KnownFacts};
use crate::intake::Intake;
use crate::store::{FactSource, StoreError};

/// From now on, those of `config` are listened to, and for as long as it says their word counts. `before` are those of the
/// configuration before it.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn listen(intake: &Intake, config: &Config, before: &[Arc<PostureSource>]) -> Result<(), StoreError> {
    let talking = config.device_authorities.iter().filter(|authority| !authority.certificate_facts.is_empty());
    intake.listen(&config.posture_sources, before, talking.map(|authority| FactSource::certificate(&authority.name))).await
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
    let of_results = queries.filter_map(|(source, fact)| {
        let problem = known.kind(fact).err()?;
        Some(format!("posture_source `{source}`: {problem}, so nothing of its results is taken"))
    });
    let certificates = config
        .device_authorities
        .iter()
        .flat_map(|authority| authority.certificate_facts.iter().map(|fact| (&authority.name, fact)));
    let of_certificates = certificates.filter_map(|(authority, fact)| {
        let problem = match known.kind(&fact.fact) {
            Err(problem) => problem.to_string(),
            Ok(kind) if fact.value.is_some() && kind != Kind::Flag => {
                format!("`{}` is {kind}, and `value` is for what is true or false", fact.fact)
            }
            Ok(_) => return None,
        };
        Some(format!("device_authority `{authority}`: {problem}, so nothing is taken from extension {}", fact.oid))
    });
    of_results.chain(of_certificates).collect()
}
