//! What operators say of a device by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fact::{DeviceAlias, DeviceFact};
use super::report::{FACTS_CHANGED, FactReport, settle, take, write};
use super::source::FactSource;
use crate::inventory::{Device, DeviceId, DeviceStatus, FactValue, LiveDevice};
use crate::store::actor::{Actor, Note};
use crate::store::devices::DeviceError;
use crate::store::error::StoreError;
use crate::store::feed::{Subject, Writing};
use crate::store::registrar::Registrar;
use crate::store::rows;

/// What an operator says of a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceSetting {
    /// By name. `None`: no operator says anything about it any more.
    pub facts: BTreeMap<String, Option<FactValue>>,
    /// What sources call it.
    pub aliases: Vec<DeviceAlias>,
    /// What they do not call it any more.
    pub no_aliases: Vec<DeviceAlias>,
}

/// What cannot be said.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// No such device, or it is out for good.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// There is nothing to take back.
    #[error("no operator has set `{name}` of device `{id}`{}", whose(others))]
    NotSet {
        /// The device.
        id: DeviceId,
        /// The fact.
        name: String,
        /// Who says something about it.
        others: Vec<String>,
    },
    /// The name is another device's.
    #[error("`{}` is what `{}` calls device `{holder}`; take it away there first, with --unalias", .alias.alias, .alias.source)]
    AliasTaken {
        /// The name.
        alias: DeviceAlias,
        /// Whose it is.
        holder: DeviceId,
    },
    /// It has no such name.
    #[error("`{}` does not call device `{id}` `{}`", .alias.source, .alias.alias)]
    NoSuchAlias {
        /// The device.
        id: DeviceId,
        /// The name.
        alias: DeviceAlias,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registrar {
    /// Sets facts and names of a device by hand: all of them, or none.
    ///
    /// # Errors
    /// [`SettingError`]; nothing has changed then.
    pub async fn set_device(
        &self,
        id: &DeviceId,
        setting: DeviceSetting,
        by: &Actor,
        why: &str,
    ) -> Result<Arc<LiveDevice>, SettingError> {
        let (me, id, by, why) = (self.clone(), id.clone(), by.clone(), why.to_owned());
        self.run(async move {
            let mut turn = me.begin(Note::new(&by, &why)).await?;
            let w = &mut turn.writing;
            let Some(mut device) = rows::device(w.db(), id.as_str()).await? else {
                return Err(SettingError::Device(me.unknown_device(id.as_str())));
            };
            if device.status == DeviceStatus::Retired {
                let hint = "that is for good; nothing about it matters any more";
                return Err(DeviceError::WrongStatus { id, status: device.status, hint }.into());
            }
            let changes = state(w, &mut device, setting.facts).await?;
            if !changes.is_empty() {
                w.note(Note::new(&by, &with_reason(&changes, &why)));
                rows::put_device(w.db(), &device).await?;
                w.changed(&Subject::Device(id.clone()), FACTS_CHANGED).await?;
            }
            let names = call(w, &device, &setting.aliases, &setting.no_aliases).await?;
            if !names.is_empty() {
                w.note(Note::new(&by, &with_reason(&names, &why)));
                w.changed(&Subject::Device(id.clone()), ALIASES_CHANGED).await?;
            }
            me.commit(turn).await?;
            Ok(me.live_device(&id)?)
        })
        .await
    }
}

/// What is different, in words. What an operator says again is said now, and so has its place in the history.
async fn state(
    w: &mut Writing,
    device: &mut Device,
    facts: BTreeMap<String, Option<FactValue>>,
) -> Result<Vec<String>, SettingError> {
    let source = FactSource::operator();
    let mut all = rows::facts_of(w.db(), &device.id).await?;
    for (name, _) in facts.iter().filter(|(_, value)| value.is_none()) {
        let said: Vec<&DeviceFact> = all.iter().filter(|said| said.name == *name).collect();
        if !said.iter().any(|said| said.source == source.as_str()) {
            let others = said.iter().map(|said| said.source.clone()).collect();
            return Err(SettingError::NotSet { id: device.id.clone(), name: name.clone(), others });
        }
    }
    let words: Vec<String> = facts.iter().map(|(name, value)| DeviceFact::words(name, value.as_ref())).collect();
    // Whatever the clock did meanwhile, the last word of an operator is the last.
    let last = all.iter().filter(|said| said.source == source.as_str()).map(|said| said.at).max();
    let at = last.map_or(w.now, |last| last.max(w.now));
    let report = FactReport { device: device.id.clone(), at, ends_at: None, facts, whole: false };
    let effect = take(&mut all, device, &source, &report);
    if effect.is_nothing() {
        return Ok(Vec::new());
    }
    write(w, &device.id, &effect, &source).await?;
    settle(device, &all);
    Ok(words)
}

async fn call(
    w: &mut Writing,
    device: &Device,
    aliases: &[DeviceAlias],
    no_aliases: &[DeviceAlias],
) -> Result<Vec<String>, SettingError> {
    let mut words = Vec::new();
    for alias in no_aliases {
        if rows::called(w.db(), alias).await?.as_ref() != Some(&device.id) {
            return Err(SettingError::NoSuchAlias { id: device.id.clone(), alias: alias.clone() });
        }
        rows::drop_alias(w.db(), alias).await?;
        words.push(format!("{} does not call it {:?}", alias.source, alias.alias));
    }
    for alias in aliases {
        if let Some(holder) = rows::called(w.db(), alias).await?
            && holder != device.id
        {
            // A laptop that was enrolled again keeps its serial number.
            let gone = rows::device(w.db(), holder.as_str()).await?.is_none_or(|other| other.status == DeviceStatus::Retired);
            if !gone {
                return Err(SettingError::AliasTaken { alias: alias.clone(), holder });
            }
        }
        rows::put_alias(w.db(), &device.id, alias).await?;
        words.push(format!("{} calls it {:?}", alias.source, alias.alias));
    }
    Ok(words)
}

fn with_reason(changes: &[String], why: &str) -> String {
    let changes = changes.join(", ");
    if why.is_empty() { changes } else { format!("{why} ({changes})") }
}

fn whose(others: &[String]) -> String {
    match others {
        [] => String::new(),
        others => format!("; what is known of it comes from `{}`", others.join("`, `")),
    }
}

/// What the feed says of a device that a source calls something else now.
const ALIASES_CHANGED: &str = "aliases changed";
