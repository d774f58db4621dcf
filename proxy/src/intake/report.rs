//! From a push to what is known of devices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::answer::{Became, One, Taken};
use super::judge::{Fit, judge};
use super::metrics::IntakeMetrics;
use super::osquery;
use super::refusal::IntakeRefusal;
use super::token::STRANGERS;
use super::wire::{self, Item};
use crate::clock::{Clock, Timestamp};
use crate::config::{DeviceNaming, PostureSource, ReportFormat};
use crate::contain::Throttle;
use crate::decide::KnownFacts;
use crate::inventory::DeviceId;
use crate::store::{FactReport, FactSource, Registrar, StoreError, did_you_mean, near};

/// Takes what posture sources push. Outlives reloads.
#[derive(Debug)]
pub struct Intake {
    pub(super) registrar: Registrar,
    clock: Clock,
    pub(super) strangers: Throttle,
    metrics: IntakeMetrics,
}

impl Intake {
    /// Keeps what it takes with `registrar`.
    pub fn new(registrar: Registrar, clock: Clock, metrics: IntakeMetrics) -> Self {
        Self { registrar, clock, strangers: Throttle::new(STRANGERS), metrics }
    }

    /// Listens to these sources from now on, and to those in `before` only if they are among them. What sources said that are gone does
    /// not count any more. `others` say things in other ways, and for how long each of them counts themselves.
    ///
    /// # Errors
    /// [`StoreError`]; what was said counts for as long as it did, then.
    pub async fn listen(
        &self,
        sources: &[Arc<PostureSource>],
        before: &[Arc<PostureSource>],
        others: impl IntoIterator<Item = FactSource>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        for gone in before.iter().filter(|gone| !sources.iter().any(|source| source.name == gone.name)) {
            self.metrics.end(&gone.name);
        }
        sources.iter().for_each(|source| self.metrics.begin(&source.name, now));
        let aged = sources.iter().map(|source| (FactSource::reporter(&source.name), Some(source.max_age)));
        let ages: BTreeMap<FactSource, Option<Duration>> = others.into_iter().map(|source| (source, None)).chain(aged).collect();
        self.registrar.set_fact_ages(ages).await
    }

    /// Lets facts end in time, until it is dropped or aborted.
    pub async fn tend(&self) {
        let metrics = self.metrics.clone();
        self.registrar.clone().tend_facts(move |source, count| metrics.expired(source, count)).await;
    }

    /// Takes a push of `source`. To be called on the control runtime.
    ///
    /// # Errors
    /// [`IntakeRefusal::Malformed`]: nothing was taken. [`IntakeRefusal::Unavailable`]: a part of it may have been.
    pub async fn take(&self, source: &PostureSource, known: &KnownFacts, body: &[u8]) -> Result<Taken, IntakeRefusal> {
        let items = match &source.format {
            ReportFormat::Sekisho => wire::read(body)?,
            ReportFormat::Osquery(facts) => osquery::read(body, facts, known)?,
        };
        let now = self.clock.now();
        let taken = self.enter(source, known, items, now).await.map_err(IntakeRefusal::Unavailable)?;
        self.metrics.took(&source.name, taken.devices.iter().map(|one| one.result), now);
        let Taken { changed, confirmed, outdated, refused, .. } = taken;
        tracing::info!(source = &*source.name, changed, confirmed, outdated, refused, "a posture source reported");
        Ok(taken)
    }

    async fn enter(
        &self,
        source: &PostureSource,
        known: &KnownFacts,
        items: Vec<Item>,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let ids = self.ids(source, &items).await?;
        let (mut answers, mut reports, mut places) = (Vec::with_capacity(items.len()), Vec::new(), Vec::new());
        let mut hints = HINTS;
        for item in items {
            let (result, detail) = match (judge(&item, source, known, now), ids.get(&item.device)) {
                (Err((result, detail)), _) => (result, Some(detail)),
                (Ok(_), None) => (Became::UnknownDevice, Some(self.unknown(source, &item.device, &mut hints))),
                (Ok(Fit { at, ends_at, facts }), Some(id)) => {
                    places.push(answers.len());
                    reports.push(FactReport { device: id.clone(), at, ends_at: Some(ends_at), facts, whole: false });
                    (Became::Nothing, None)
                }
            };
            answers.push(One { device: shown(&item.device), result, detail });
        }
        let done = self.registrar.report_facts(&FactSource::reporter(&source.name), reports).await?;
        for (place, reported) in places.into_iter().zip(done) {
            if let Some(answer) = answers.get_mut(place) {
                answer.result = reported.into();
                answer.detail = detail(answer.result);
            }
        }
        Ok(Taken::of(answers))
    }

    /// The devices that are meant, by what the source calls them.
    async fn ids(&self, source: &PostureSource, items: &[Item]) -> Result<BTreeMap<String, DeviceId>, StoreError> {
        let names = items.iter().map(|item| item.device.clone());
        match source.devices {
            DeviceNaming::Alias => self.registrar.devices_called(&FactSource::reporter(&source.name), names.collect()).await,
            DeviceNaming::Id => {
                let inventory = self.registrar.inventory();
                let known = |name: String| {
                    let id: DeviceId = name.parse().ok()?;
                    inventory.device_is_there(&id).then_some((name, id))
                };
                Ok(names.filter_map(known).collect())
            }
        }
    }

    /// Why nobody is called so; for the first of them, with whom it could have meant: each of these looks through all devices.
    fn unknown(&self, source: &PostureSource, name: &str, hints: &mut usize) -> String {
        let name = shown(name);
        if source.devices == DeviceNaming::Alias {
            return format!("`{}` calls no device {name:?}: sekisho device set ID --alias {}={name}", source.name, source.name);
        }
        let mut close = Vec::new();
        if let Some(left) = hints.checked_sub(1) {
            *hints = left;
            close = self.registrar.inventory().device_names(|known| near(&name, known));
        }
        format!("no device is called {name:?}{}", did_you_mean(&close))
    }
}

fn detail(became: Became) -> Option<String> {
    let words = match became {
        Became::Outdated => "the source itself has said something newer about all of this",
        Became::UnknownDevice => "the device is not there any more",
        Became::Retired => "the device is retired",
        _ => return None,
    };
    Some(words.to_owned())
}

/// As much of a name as fits into an answer.
fn shown(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

/// How often a push is told what could have been meant.
const HINTS: usize = 3;
const LONGEST_NAME: usize = 128;
