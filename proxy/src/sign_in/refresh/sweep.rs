//! Sessions that are in use are confirmed a little before they are due, so that no request waits for it, and streams go on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::identify_user::UserRefusal;
use crate::identify_user::session::Judge;
use crate::inventory::LiveSession;
use crate::sign_in::service::SignIn;

impl SignIn {
    /// Looks at all sessions once, and has those confirmed that are in use and due soon. Takes its time if there are many of them.
    pub async fn sweep(self: &Arc<Self>) {
        if let Err(why) = self.save_tokens().await {
            tracing::warn!(%why, "refresh tokens wait to be written down, and nobody is asked about anybody before");
        }
        let now = self.registrar.clock().now();
        let judge = Judge { rules: &self.rules, providers: &self.providers, now };
        let mut stale = 0;
        for live in self.registrar.inventory().sessions() {
            if judge.of(&live).is_err_and(|why| why == UserRefusal::FactsStale) {
                stale += 1;
            }
            if is_due_soon(&live, judge, now)
                && let Some((landing, _pace)) = self.take_off(&live)
                && self.under_way.flights.are_many()
            {
                // Requests that cannot wait come in between.
                landing.landed().await;
            }
        }
        self.metrics.refresh.stale(stale);
    }

    /// How often to [`sweep`](Self::sweep): some twenty times while facts are fresh.
    pub fn sweep_interval(&self) -> Duration {
        (self.rules.fresh_for / 20).clamp(Duration::from_millis(200), Duration::from_secs(15))
    }

    /// Providers that do not answer when they are asked again.
    pub fn lost_providers(&self) -> BTreeSet<Arc<str>> {
        let signing_in = self.providers.for_sign_in().map(|provider| &provider.settings.name);
        signing_in.filter(|name| self.under_way.paces.of(name).is_lost()).cloned().collect()
    }
}

/// Whoever has not used the gate since their facts were confirmed is not asked about.
fn is_due_soon(live: &LiveSession, judge: Judge<'_>, now: Timestamp) -> bool {
    let confirmed_at = live.confirmed_at();
    let age = now.since(confirmed_at);
    if age < judge.rules.fresh_for * 3 / 4
        || live.last_used() <= confirmed_at
        || live.usable(now, judge.rules.idle_timeout).is_err()
    {
        return false;
    }
    let Some(provider) = judge.provider_of(live) else { return false };
    // From 80 to 95 % of the time, by the session: those that began together do not come together for ever.
    let [spread, ..] = live.facts.0;
    age >= provider.settings.refresh * (800 + u32::from(spread) * 150 / 255) / 1000
}
