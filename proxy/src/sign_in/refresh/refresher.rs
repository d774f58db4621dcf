//! Who is asked about when, and who waits for the answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::flight::{Flight, Landing};
use super::metrics::RefreshOutcome;
use super::pace::{Attempt, Pace};
use super::turn::{Asked, Shown};
use crate::clock;
use crate::identify_user::keys::Provider;
use crate::identify_user::session::Judge;
use crate::inventory::LiveSession;
use crate::sign_in::service::SignIn;

impl SignIn {
    /// Has the facts of a session confirmed, and waits for it: with all others that need it, whichever core they are on, and not for
    /// long. Whatever came of it is in effect when this returns; whoever asks looks at the session again. Can be called from any
    /// runtime; if the caller goes away, the provider's answer is brought into effect all the same.
    pub async fn freshen(self: &Arc<Self>, live: &Arc<LiveSession>) {
        let Some((landing, pace)) = self.take_off(live) else { return };
        if !pace.is_worth_waiting(clock::instant()) {
            return;
        }
        if tokio::time::timeout(PATIENCE, landing.landed()).await.is_err() {
            pace.in_vain(clock::instant());
        }
    }

    /// Waits until refreshes that are under way have come to their end: a token that a provider has given and nobody has kept is lost.
    pub async fn finish_refreshes(&self) {
        // Whoever is not answered by then is not waited for.
        let landed = async {
            self.under_way.flights.all_landed().await;
            self.save_tokens().await
        };
        if let Ok(Err(why)) = tokio::time::timeout(PATIENCE, landed).await {
            tracing::warn!(%why, "refresh tokens could not be written down: their sessions end with the next refresh");
        }
    }

    /// Where to wait for the session's refresh, which is begun if need be. `None` where there is nobody to ask, or no use in asking now.
    pub(super) fn take_off(self: &Arc<Self>, live: &Arc<LiveSession>) -> Option<(Landing, Arc<Pace>)> {
        let now = self.registrar.clock().now();
        let judge = Judge { rules: &self.rules, providers: &self.providers, now };
        let provider = judge.provider_of(live)?;
        let pace = self.under_way.paces.of(&provider.settings.name);
        let mut attempt = None;
        let may_begin = || {
            // Whoever lands just now has been here before us.
            let needed = now.since(live.confirmed_at()) >= provider.settings.refresh / 2 && live.may_be_asked_about(now);
            attempt = if needed { pace.attempt(clock::instant()) } else { None };
            attempt.is_some()
        };
        let (landing, flight) = self.under_way.flights.board(&live.session.id, may_begin)?;
        if let (Some(flight), Some(attempt)) = (flight, attempt) {
            let fly = Arc::clone(self).fly(flight, attempt, Arc::clone(&pace), Arc::clone(provider), Arc::clone(live));
            self.registrar.control().spawn(fly);
        }
        Some((landing, pace))
    }

    async fn fly(
        self: Arc<Self>,
        flight: Flight,
        attempt: Attempt,
        pace: Arc<Pace>,
        provider: Arc<Provider>,
        live: Arc<LiveSession>,
    ) {
        let begun = Instant::now();
        let Ok(_place) = pace.room.acquire().await else { return };
        if attempt.is_in_vain() {
            return;
        }
        let name = &provider.settings.name;
        let Asked { outcome, provider: shown } = self.refresh(&provider, &live).await;
        self.metrics.refresh.ended(name, outcome, begun.elapsed().as_secs_f64());
        if !outcome.is_an_answer() && outcome != RefreshOutcome::Gone {
            live.retry_at(self.registrar.clock().now().plus(pause(provider.settings.refresh)));
        }
        match shown {
            Shown::Well => attempt.answered(),
            Shown::Unwell => attempt.failed(Instant::now()),
            Shown::Nothing => drop(attempt),
        }
        self.metrics.refresh.is_reachable(name, !pace.is_lost());
        drop(flight);
    }
}

/// Until a session is tried again that could not be refreshed.
fn pause(refresh: Duration) -> Duration {
    (refresh / 8).clamp(Duration::from_millis(250), Duration::from_secs(30))
}

/// How long a request waits for the provider. It goes on with the facts that there are, if those are young enough.
const PATIENCE: Duration = Duration::from_secs(3);
