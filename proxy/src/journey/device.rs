//! The device behind a connection, entered first if its authority vouches for it and nobody has listed it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::connection::Client;
use super::gate::{Core, World};
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
            look()
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
