//! What is done beside requests: writing down when sessions were last used, and forgetting what is over.

use std::time::Duration;

use super::actor::{Actor, Note};
use super::error::StoreError;
use super::feed;
use super::registrar::Registrar;
use super::sessions::{self, Tokens};
use crate::inventory::SessionId;

impl Registrar {
    /// Does the upkeep until it is dropped or aborted. `idle_timeout` is asked each time, since a reload may change it.
    pub async fn tend(self, idle_timeout: impl Fn() -> Duration + Send) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            if let Err(error) = self.save_use().await {
                tracing::warn!(%error, "could not write down when sessions were last used");
            }
            if let Err(error) = self.purge(idle_timeout()).await {
                tracing::warn!(%error, "could not remove what has expired");
            }
        }
    }

    /// Writes down when sessions were last used, and when their providers last said what stands in them. This is usage and not a fact
    /// that changes: it has no place in the change feed.
    ///
    /// # Errors
    /// [`StoreError`]; what was not written is written next time.
    pub async fn save_use(&self) -> Result<(), StoreError> {
        let used: Vec<_> =
            self.inventory().sessions().into_iter().filter_map(|live| live.unsaved_use().map(|used| (live, used))).collect();
        if used.is_empty() {
            return Ok(());
        }
        let me = self.clone();
        self.run(async move {
            for batch in used.chunks(BATCH) {
                let mut turn = me.begin(upkeep()).await?;
                for (live, used) in batch {
                    sqlx::query(
                        "UPDATE sessions SET last_used = max(last_used, ?), confirmed_at = max(ifnull(confirmed_at, 0), ?) WHERE id = ?",
                    )
                    .bind(used.last_used.0)
                    .bind(used.confirmed_at.0)
                    .bind(&*live.session.id.0)
                    .execute(turn.writing.db())
                    .await?;
                }
                me.commit(turn).await?;
                batch.iter().for_each(|(live, used)| live.use_was_saved(*used));
            }
            Ok(())
        })
        .await
    }

    /// Removes sessions that are over, invitations that expired unused a month ago, and changes of more than a year ago.
    ///
    /// # Errors
    /// [`StoreError`]; what was not removed cannot be used all the same, and is removed next time.
    pub async fn purge(&self, idle_timeout: Duration) -> Result<(), StoreError> {
        let me = self.clone();
        self.run(async move {
            // What has expired by a clock that cannot be believed may not have expired.
            let Ok(now) = me.inner.clock.look() else { return Ok(()) };
            let over = me.inventory().sessions().into_iter().filter(|live| live.usable(now, idle_timeout).is_err());
            let over: Vec<SessionId> = over.map(|live| live.session.id.clone()).collect();
            for batch in over.chunks(BATCH) {
                let mut turn = me.begin(upkeep()).await?;
                sessions::end(&mut turn.writing, batch, "expired", Tokens::GivenBack).await?;
                me.commit(turn).await?;
            }
            let mut turn = me.begin(upkeep()).await?;
            let earlier = |by: Duration| now.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
            sqlx::query("DELETE FROM invitations WHERE used_at IS NULL AND expires_at < ?")
                .bind(earlier(KEEP_INVITATIONS))
                .execute(turn.writing.db())
                .await?;
            feed::trim(turn.writing.db(), crate::clock::Timestamp(earlier(KEEP_CHANGES))).await?;
            me.commit(turn).await
        })
        .await
    }
}

pub(super) fn upkeep() -> Note {
    Note::new(&Actor::System("upkeep"), "")
}

/// What a crash can lose of the last use of a session; it ends that much earlier then.
const BEAT: Duration = Duration::from_secs(30);
const BATCH: usize = 512;
const KEEP_INVITATIONS: Duration = Duration::from_secs(30 * 24 * 3600);
const KEEP_CHANGES: Duration = Duration::from_secs(400 * 24 * 3600);
