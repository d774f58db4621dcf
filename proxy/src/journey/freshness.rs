//! A session whose facts are due, or too old: its provider is asked before the request goes on.

use super::gate::{Core, World};
use crate::identify_user::{Ask, KnownUser, Shown, UserRefusal};

/// Whether `found` asks for the provider first.
pub(super) fn is_due(found: &Result<KnownUser, UserRefusal>) -> bool {
    match found {
        Ok(user) => user.due,
        Err(why) => *why == UserRefusal::FactsStale,
    }
}

/// Who asks, after their provider was asked: once for all requests that wait for it, on whichever core. Waits on the core itself and takes
/// no seat at control, since everybody who works at this moment may be here.
pub(super) async fn confirmed(core: &Core, world: &World, ask: Ask<'_>) -> Result<KnownUser, UserRefusal> {
    if let Some(Shown::Session(live)) = core.users.shown(ask.headers) {
        world.sign_in.freshen(&live).await;
    }
    core.users.identify(Ask { now: core.gate.clock.now(), ..ask }).await
}
