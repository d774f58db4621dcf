//! The device behind a connection, entered first if its authority vouches for it and nobody has listed it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::connection::Client;
use super::gate::{Core, World};
use crate::decide::KnownFacts;
use crate::identify_device::{DeviceRefusal, KnownDevice};
use crate::inventory::{DeviceId, Platform};

/// The device that `client` has proved to be, as of now. `taken` are the authorities whose devices the app takes; `None`: all.
///
/// # Errors
/// [`DeviceRefusal`].
pub(super) async fn identify(
    core: &Core,
    client: &Client,
    world: &World,
    taken: Option<&BTreeSet<Arc<str>>>,
) -> Result<KnownDevice, DeviceRefusal> {
    let look = || look(core, client, world, taken);
    match look() {
        Err(DeviceRefusal::FirstSight { id, authority }) => {
            Box::pin(admit(core, id, authority)).await?;
            let known = look()?;
            client.heard.set(true);
            if Box::pin(hear(core, client, world, &known)).await { look() } else { Ok(known) }
        }
        Ok(known) if !client.heard.get() => {
            client.heard.set(true);
            if Box::pin(hear(core, client, world, &known)).await { look() } else { Ok(known) }
        }
        Err(DeviceRefusal::OtherKey(id)) => Err(Box::pin(other_key(core, client, id)).await),
        seen_before => seen_before,
    }
}

/// The same of what is known already: a device that nobody has seen is not entered.
///
/// # Errors
/// [`DeviceRefusal`].
pub(super) fn look(
    core: &Core,
    client: &Client,
    world: &World,
    taken: Option<&BTreeSet<Arc<str>>>,
) -> Result<KnownDevice, DeviceRefusal> {
    let now = core.gate.clock.now();
    let leaf = client.secure.leaf.as_ref();
    client.memory.identify(leaf, &world.devices, world.generation, taken, &core.gate.inventory, now)
}

async fn admit(core: &Core, id: DeviceId, authority: Arc<str>) -> Result<(), DeviceRefusal> {
    let registrar = core.gate.registrar.clone();
    let entering = async move { registrar.admit_at_first_sight(&authority, &id, Platform::Unknown).await };
    let why = match core.gate.control.call(entering).await {
        Ok(Ok(_device)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(why, "a device could not be entered at first sight");
    Err(DeviceRefusal::InventoryBehind)
}

/// What its certificate says of the device, once for each connection: whether something else is known of it now.
async fn hear(core: &Core, client: &Client, world: &World, known: &KnownDevice) -> bool {
    let authorities = &world.config.device_authorities;
    let Some(authority) = authorities.iter().find(|authority| authority.name == known.device.authority) else { return false };
    if authority.certificate_facts.is_empty() {
        return false;
    }
    let (Some(says), Some(decider)) = (client.memory.said(), &world.decider) else { return false };
    let (intake, authority, facts) = (Arc::clone(&core.gate.intake), Arc::clone(authority), KnownFacts::of(decider.set()));
    let hearing = async move { intake.hear(says, &authority.certificate_facts, &facts).await };
    let why = match core.gate.control.call(hearing).await {
        Ok(Ok(changed)) => return changed,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    // What is not known is bad: policies decide with what there is. The next connection tries again.
    tracing::warn!(why, "what a certificate says of its device could not be kept");
    false
}

/// The key is not the device's. If it was before it was renewed, that is told, once for each connection.
async fn other_key(core: &Core, client: &Client, id: DeviceId) -> DeviceRefusal {
    let Some(leaf) = &client.secure.leaf else { return DeviceRefusal::NoCertificate };
    let former = match client.former_key.get() {
        Some(known) => known,
        None => {
            let (registrar, device, key) = (core.gate.registrar.clone(), id.clone(), leaf.key);
            let Ok(Ok(former)) = core.gate.control.call(async move { registrar.is_former_key(&device, key).await }).await else {
                return DeviceRefusal::OtherKey(id);
            };
            client.former_key.set(Some(former));
            if former {
                core.gate.signals.former_key(&id, client.secure.client.ip(), core.gate.clock.now());
            }
            former
        }
    };
    if former { DeviceRefusal::FormerKey(id) } else { DeviceRefusal::OtherKey(id) }
}
