//! A session's facts, taken again from its provider: tokens that are kept, facts that change, sessions that the provider takes back.
//!
//! That facts were confirmed is usage (see [`upkeep`](super::upkeep)): only what changes has a place in the change feed.

use tokio::sync::oneshot;

use super::actor::{Actor, Note};
use super::error::StoreError;
use super::feed::Subject;
use super::registrar::Registrar;
use super::rows;
use super::sessions::{self, Tokens};
use crate::clock::Timestamp;
use crate::inventory::{Session, SessionId};
use crate::secret::Secret;

/// Tokens that wait to be written down, sealed.
#[derive(Debug)]
pub(super) struct Keeping {
    session: SessionId,
    sealed: Vec<u8>,
    /// Told whether the session is still there, once it is durable.
    done: oneshot::Sender<bool>,
}

impl Registrar {
    /// Keeps these tokens with a session in place of those that it had; false if the session has ended. When it returns, they are
    /// durable: a provider that gives another refresh token takes the one before no more.
    ///
    /// Whoever waits for the turn to write is written with whoever has it, since each time the disk is waited for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_with(&self, session: &SessionId, kept: &Secret<Vec<u8>>) -> Result<bool, StoreError> {
        let sealed = self.inner.sealer.seal(&sessions::purpose(session), kept.expose());
        let sealed = sealed.map_err(|_| StoreError::Sealing("sealing the provider's tokens failed"))?;
        let (done, written) = oneshot::channel();
        self.inner.keeping().push(Keeping { session: session.clone(), sealed, done });
        let (me, note) = (self.clone(), Note::new(&Actor::System("refresh"), ""));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let all = std::mem::take(&mut *me.inner.keeping());
            let mut found = Vec::with_capacity(all.len());
            for keeping in &all {
                let kept = sqlx::query("UPDATE sessions SET kept = ?, refreshable = 1 WHERE id = ?")
                    .bind(&keeping.sealed)
                    .bind(&*keeping.session.0)
                    .execute(turn.writing.db())
                    .await?;
                found.push(kept.rows_affected() > 0);
            }
            if !all.is_empty() {
                me.commit(turn).await?;
            }
            for (keeping, found) in all.into_iter().zip(found) {
                let _nobody_waits = keeping.done.send(found);
            }
            Ok::<_, StoreError>(())
        })
        .await?;
        // Dropped unsaid: whoever had the turn could not write.
        written.await.map_err(|_unsaid| StoreError::Failed("the tokens of a session could not be written".to_owned()))
    }

    /// Replaces the facts of a session, which its provider confirmed at `at`; false if the session has ended, or its person is suspended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change_facts(&self, session: Session, at: Timestamp, why: &str) -> Result<bool, StoreError> {
        let (me, note) = (self.clone(), Note::new(&Actor::Provider(session.user.provider.clone()), why));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            if rows::suspended(w.db(), &session.user).await? {
                return Ok(false);
            }
            let changed = sqlx::query(
                "UPDATE sessions SET facts = ?, confirmed_at = ? WHERE id = ? AND provider = ? AND subject = ? AND device = ?",
            )
            .bind(session.facts_json())
            .bind(at.0)
            .bind(&*session.id.0)
            .bind(&*session.user.provider)
            .bind(&*session.user.subject)
            .bind(session.device.as_str())
            .execute(w.db())
            .await?;
            if changed.rows_affected() == 0 {
                return Ok(false);
            }
            // Operators name people by the address that they have now.
            sqlx::query("UPDATE people SET email = ?, name = ? WHERE provider = ? AND subject = ?")
                .bind(session.email.as_deref())
                .bind(session.name.as_deref())
                .bind(&*session.user.provider)
                .bind(&*session.user.subject)
                .execute(w.db())
                .await?;
            w.changed(&Subject::Session(session.id), FACTS_CHANGED).await?;
            me.commit(turn).await?;
            Ok(true)
        })
        .await
    }

    /// Ends a session that its provider does not vouch for any more; false if it had ended. Whoever comes with one of its cookies is told
    /// why.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn refuse_session(&self, session: &Session, why: &str) -> Result<bool, StoreError> {
        let (me, id) = (self.clone(), session.id.clone());
        let note = Note::new(&Actor::Provider(session.user.provider.clone()), why);
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            if rows::session(w.db(), &id.0).await?.is_none() {
                return Ok(false);
            }
            sessions::end(w, &[id], REFUSED, Tokens::GivenBack).await?;
            me.commit(turn).await?;
            Ok(true)
        })
        .await
    }
}

/// What the feed says of a session whose provider says something else about its person.
pub(super) const FACTS_CHANGED: &str = "facts changed";

/// What the feed says of a session that its provider took back.
pub(super) const REFUSED: &str = "refused by its provider";
