//! What is said of a device, over the admin socket.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;

use super::answer::Refused;
use super::state::AdminState;
use super::wire::{FactView, SetRequest};
use crate::config::DeviceNaming;
use crate::inventory::{DeviceId, FactValue, LiveDevice};
use crate::store::{Actor, DeviceAlias, DeviceFact, DeviceSetting, did_you_mean, near};

/// Everything that is said of it, with its age, and what sources call it.
pub(super) async fn known(state: &AdminState, id: &DeviceId) -> Result<(Vec<FactView>, Vec<DeviceAlias>), Refused> {
    let now = state.clock.now();
    let (facts, aliases) = state.registrar.facts_of(id).await?;
    let view = |fact: DeviceFact| FactView { age_s: now.since(fact.at).as_secs(), fact };
    Ok((facts.into_iter().map(view).collect(), aliases))
}

/// All of it, or nothing.
pub(super) async fn set(state: &AdminState, id: &DeviceId, by: &Actor, request: SetRequest) -> Result<Arc<LiveDevice>, Refused> {
    let SetRequest { set, unset, aliases, no_aliases, why } = request;
    if set.is_empty() && unset.is_empty() && aliases.is_empty() && no_aliases.is_empty() {
        return Err(Refused::wrong("there is nothing to set: name a fact, such as managed=true"));
    }
    aliases.iter().try_for_each(|alias| can_be_called(state, alias))?;
    let known = (state.known_facts)().ok_or_else(|| {
        let words = "no policies are in force, so nobody knows which facts there are; mend them and `sekisho reload`";
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, words)
    })?;
    let mut facts: BTreeMap<String, Option<FactValue>> = BTreeMap::new();
    for (name, text) in &set {
        let value = known.written(name, text).map_err(|problem| Refused::wrong(problem.to_string()))?;
        facts.insert(name.clone(), Some(value));
    }
    for name in unset {
        // What no policy asks for any more can still be taken back.
        if facts.insert(name.clone(), None).is_some() {
            return Err(Refused::wrong(format!("`{name}` is both to be set and to be unset")));
        }
    }
    let setting = DeviceSetting { facts, aliases, no_aliases };
    Ok(state.registrar.set_device(id, setting, by, &why).await?)
}

/// A name that no source could ever use is mistyped.
fn can_be_called(state: &AdminState, alias: &DeviceAlias) -> Result<(), Refused> {
    let DeviceAlias { source, alias } = alias;
    let config = (state.config)();
    let Some(known) = config.posture_sources.iter().find(|known| *known.name == **source) else {
        let near = near(source, config.posture_sources.iter().map(|known| &*known.name));
        return Err(Refused::wrong(format!("no posture source is called {source:?}{}", did_you_mean(&near))));
    };
    if known.devices == DeviceNaming::Id {
        let what = format!("`{source}` names devices as the gate does; for names of its own, write `devices = \"alias\"`");
        return Err(Refused::wrong(what));
    }
    if !(1..=LONGEST_ALIAS).contains(&alias.len()) || alias.contains(char::is_control) {
        let what = format!("{alias:?} cannot be a name: 1 to {LONGEST_ALIAS} bytes without control characters");
        return Err(Refused::wrong(what));
    }
    Ok(())
}

/// Serial numbers and the like.
const LONGEST_ALIAS: usize = 128;
