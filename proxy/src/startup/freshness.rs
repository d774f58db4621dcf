//! Keeps facts about people fresh beside requests, and tells of providers that do not answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::live::{Asked, Live};
use crate::record::EventKind;
use crate::store::{GivenUp, Registrar};

/// Does so until it is dropped or aborted.
pub(super) async fn keep(live: Arc<Live>) {
    let mut lost = BTreeSet::new();
    let mut next = Instant::now();
    loop {
        let sign_in = Arc::clone(&live.gate.world.load().sign_in);
        if Instant::now() >= next {
            sign_in.sweep().await;
            next = Instant::now() + sign_in.sweep_interval();
        }
        let now_lost = sign_in.lost_providers();
        tell(&live, EventKind::ProviderLost, now_lost.difference(&lost));
        tell(&live, EventKind::ProviderBack, lost.difference(&now_lost));
        lost = now_lost;
        tokio::time::sleep(sign_in.sweep_interval().min(BEAT)).await;
    }
}

/// Gives back the tokens of sessions that end, until it is dropped or aborted.
pub(super) async fn give_back(live: Arc<Live>, mut given_up: mpsc::Receiver<GivenUp>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(one) = given_up.recv().await {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let sign_in = Arc::clone(&live.gate.world.load().sign_in);
        tokio::spawn(async move {
            sign_in.give_back(&one).await;
            drop(place);
        });
    }
}

/// Where the tokens of sessions that end come out.
pub(super) fn given_up(registrar: &Registrar) -> mpsc::Receiver<GivenUp> {
    let (give, given_up) = mpsc::channel(WAITING);
    registrar.gives_up_to(give);
    given_up
}

fn tell<'a>(live: &Live, kind: EventKind, providers: impl Iterator<Item = &'a Arc<str>>) {
    for provider in providers {
        live.note(kind, &Asked::by_system("refresh"), Some(provider.to_string()));
    }
}

/// Tokens that are given back at a time, and those that may wait for it: more than a person or a device has sessions.
const AT_ONCE: usize = 8;
const WAITING: usize = 4096;
/// Until an outage is told of.
const BEAT: Duration = Duration::from_secs(1);
