//! What a source says of devices.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::fact::{DeviceAlias, DeviceFact};
use super::merge::{MANAGED, PLATFORM, merge};
use super::source::FactSource;
use crate::clock::Timestamp;
use crate::inventory::{Device, DeviceId, DeviceStatus, FactValue};
use crate::store::actor::{Actor, Note};
use crate::store::error::StoreError;
use crate::store::feed::{Subject, Writing};
use crate::store::registrar::Registrar;
use crate::store::rows;

/// What a source says of one device.
#[derive(Clone, Debug, PartialEq)]
pub struct FactReport {
    /// The device.
    pub device: DeviceId,
    /// When it was like that.
    pub at: Timestamp,
    /// Until when it counts; `None`: for good.
    pub ends_at: Option<Timestamp>,
    /// By name. `None`: the source takes back what it said.
    pub facts: BTreeMap<String, Option<FactValue>>,
    /// What the source said before and does not say now, it takes back.
    pub whole: bool,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// Something is different now.
    Changed,
    /// All of it was known, and is as it was.
    Confirmed,
    /// The source itself has said something newer about all of this.
    Outdated,
    /// There is no such device.
    Unknown,
    /// The device is out for good.
    Retired,
}

/// What a report does to what the device's sources have said before.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Effect {
    /// To be written.
    pub(super) put: Vec<DeviceFact>,
    /// To be forgotten.
    pub(super) dropped: Vec<String>,
    /// What is different, in words.
    pub(super) changes: Vec<String>,
    /// Something was said again that stands there as it is.
    pub(super) known: bool,
}

impl Registrar {
    /// Takes what `source` says of devices. Of each, all of it is taken or nothing.
    ///
    /// # Errors
    /// [`StoreError`]; the first of them may have been taken then. It does no harm to say the same again.
    pub async fn report_facts(&self, source: &FactSource, reports: Vec<FactReport>) -> Result<Vec<Reported>, StoreError> {
        let (me, source) = (self.clone(), source.clone());
        let by = Actor::Source(source.as_str().into());
        self.run(async move {
            let mut all = Vec::with_capacity(reports.len());
            // Others have their turn between.
            for some in reports.chunks(CHUNK) {
                let mut turn = me.begin(Note::new(&by, "")).await?;
                let mut first_end = i64::MAX;
                for report in some {
                    all.push(enter(&mut turn.writing, &source, report, &by).await?);
                    first_end = report.ends_at.map_or(first_end, |Timestamp(at)| at.min(first_end));
                }
                me.commit(turn).await?;
                me.inner.next_fact_end.fetch_min(first_end, Ordering::AcqRel);
            }
            Ok(all)
        })
        .await
    }

    /// The devices that `source` calls so; those of them that it calls any.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn devices_called(
        &self,
        source: &FactSource,
        aliases: Vec<String>,
    ) -> Result<BTreeMap<String, DeviceId>, StoreError> {
        let (me, source) = (self.clone(), source.to_string());
        self.run(async move {
            let mut db = me.pool().acquire().await?;
            let mut found = BTreeMap::new();
            for alias in aliases {
                let called = DeviceAlias { source: source.clone(), alias };
                if let Some(id) = rows::called(&mut db, &called).await? {
                    found.insert(called.alias, id);
                }
            }
            Ok(found)
        })
        .await
    }

    /// Everything that is said of a device, whether it counts or not, and what sources call it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn facts_of(&self, device: &DeviceId) -> Result<(Vec<DeviceFact>, Vec<DeviceAlias>), StoreError> {
        let (me, id) = (self.clone(), device.clone());
        self.run(async move {
            let mut db = me.pool().acquire().await?;
            Ok((rows::facts_of(&mut db, &id).await?, rows::aliases_of(&mut db, &id).await?))
        })
        .await
    }
}

async fn enter(w: &mut Writing, source: &FactSource, report: &FactReport, by: &Actor) -> Result<Reported, StoreError> {
    let Some(mut device) = rows::device(w.db(), report.device.as_str()).await? else { return Ok(Reported::Unknown) };
    if device.status == DeviceStatus::Retired {
        return Ok(Reported::Retired);
    }
    let mut all = rows::facts_of(w.db(), &device.id).await?;
    let effect = take(&mut all, &device, source, report);
    if effect.is_nothing() {
        let nothing_new = effect.known || report.facts.values().all(Option::is_none);
        return Ok(if nothing_new { Reported::Confirmed } else { Reported::Outdated });
    }
    write(w, &device.id, &effect, source).await?;
    let before = device.posture_at;
    if settle(&mut device, &all) || !effect.changes.is_empty() {
        let words = effect.changes.join(", ");
        w.note(Note::new(by, if words.is_empty() { NEWEST } else { &words }));
        rows::put_device(w.db(), &device).await?;
        w.changed(&Subject::Device(device.id), FACTS_CHANGED).await?;
        return Ok(Reported::Changed);
    }
    if device.posture_at != before {
        rows::put_posture_at(w.db(), &device.id, device.posture_at).await?;
        w.gathered.push((device.id, device.posture_at));
    }
    Ok(Reported::Confirmed)
}

pub(super) async fn write(w: &mut Writing, device: &DeviceId, effect: &Effect, source: &FactSource) -> Result<(), StoreError> {
    for fact in &effect.put {
        rows::put_fact(w.db(), device, fact).await?;
    }
    for name in &effect.dropped {
        rows::drop_fact(w.db(), device, name, source.as_str()).await?;
    }
    Ok(())
}

/// Lays a report over everything that was said of the device.
pub(super) fn take(all: &mut Vec<DeviceFact>, device: &Device, source: &FactSource, report: &FactReport) -> Effect {
    let mut effect = Effect::default();
    let mut facts: BTreeMap<&str, Option<&FactValue>> =
        report.facts.iter().map(|(name, value)| (name.as_str(), value.as_ref())).collect();
    let of_it = |said: &&DeviceFact| said.source == source.as_str();
    let before: BTreeMap<String, (usize, DeviceFact)> = all
        .iter()
        .enumerate()
        .filter(|(_, said)| of_it(said))
        .map(|(place, said)| (said.name.clone(), (place, said.clone())))
        .collect();
    if report.whole {
        for name in before.keys() {
            facts.entry(name).or_insert(None);
        }
    }
    for (name, value) in facts {
        let known = before.get(name).map(|(_, said)| said);
        if known.is_some_and(|known| known.at > report.at) {
            continue;
        }
        match value {
            None if known.is_none() => continue,
            None => effect.dropped.push(name.to_owned()),
            Some(value) if known.is_some_and(|known| known.stands(value, report)) => {
                effect.known = true;
                continue;
            }
            Some(value) => {
                if [MANAGED, PLATFORM].contains(&name) && !all.iter().any(|said| said.name == name) {
                    effect.put.push(at_enrolment(device, name));
                }
                let value = value.clone();
                let (source, at) = (source.to_string(), report.at);
                effect.put.push(DeviceFact { name: name.to_owned(), source, value, at, ends_at: report.ends_at, ended: false });
            }
        }
        if known.is_none_or(|known| known.ended || Some(&known.value) != value) {
            effect.changes.push(DeviceFact::words(name, value));
        }
    }
    all.retain(|said| {
        let replaced = effect.put.iter().any(|put| (&put.name, &put.source) == (&said.name, &said.source));
        !(replaced || of_it(&said) && effect.dropped.contains(&said.name))
    });
    all.extend(effect.put.iter().cloned());
    effect
}

impl Effect {
    pub(super) fn is_nothing(&self) -> bool {
        self.put.is_empty() && self.dropped.is_empty()
    }
}

impl DeviceFact {
    /// Whether it stands here just as the report says it.
    fn stands(&self, value: &FactValue, report: &FactReport) -> bool {
        !self.ended && self.value == *value && self.at == report.at && self.ends_at == report.ends_at
    }
}

/// Makes the device what all of that comes to; whether it was something else before. When it was gathered may differ all the same.
pub(super) fn settle(device: &mut Device, all: &[DeviceFact]) -> bool {
    let merged = merge(all);
    let (managed, platform) = (merged.managed.unwrap_or(device.managed), merged.platform.unwrap_or(device.platform));
    let changed = device.posture != merged.posture || device.managed != managed || device.platform != platform;
    device.posture = merged.posture;
    device.posture_at = merged.posture_at;
    (device.managed, device.platform) = (managed, platform);
    changed
}

/// What was said when the device was entered: it counts again when whoever said otherwise takes that back.
fn at_enrolment(device: &Device, name: &str) -> DeviceFact {
    let value = match name {
        MANAGED => FactValue::Flag(device.managed),
        _ => FactValue::Text(device.platform.as_str().to_owned()),
    };
    let source = FactSource::enrolment().to_string();
    DeviceFact { name: name.to_owned(), source, value, at: device.enrolled_at, ends_at: None, ended: false }
}

/// What the feed says of a device of which something else is known now.
pub(super) const FACTS_CHANGED: &str = "facts changed";
/// Why something is different, although the source says what it said before.
const NEWEST: &str = "newer than what others say";
/// Devices in one transaction.
const CHUNK: usize = 256;
