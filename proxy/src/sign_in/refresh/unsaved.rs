//! Tokens that providers gave and the store did not take. They stay in memory until it does, and until then nobody is asked about anybody.
//!
//! A refresh token that was shown is worth nothing at many providers, and showing it again ends the session. While the store fails, every
//! session that is asked about would lose its token that way, one after the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::turn::Stopped;
use crate::inventory::LiveSession;
use crate::secret::Secret;
use crate::sign_in::service::SignIn;
use crate::store::{GivenUp, StoreError};

/// Those tokens.
#[derive(Debug, Default)]
pub(in crate::sign_in) struct Unsaved {
    /// At most one for each request to a provider that was on its way when the store began to fail, so as many as may be at a time.
    waiting: Mutex<Vec<Arc<Waiting>>>,
    /// Held by whoever tries to write them.
    turn: tokio::sync::Mutex<()>,
}

/// What waits to be kept with a session.
#[derive(Debug)]
struct Waiting {
    live: Arc<LiveSession>,
    kept: Secret<Vec<u8>>,
}

impl Unsaved {
    fn all(&self) -> MutexGuard<'_, Vec<Arc<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SignIn {
    /// Keeps tokens with their session; false if that has ended. If the store fails, they wait for it.
    pub(super) async fn keep(&self, live: &Arc<LiveSession>, kept: Secret<Vec<u8>>) -> Result<bool, StoreError> {
        let kept_with = self.keep_or_give_back(live, &kept).await;
        if kept_with.is_err() {
            self.under_way.unsaved.all().push(Arc::new(Waiting { live: Arc::clone(live), kept }));
        }
        kept_with
    }

    /// Writes down what waits for it. Whoever wants to ask a provider does this first: it tells whether the store takes the next token.
    pub(super) async fn save_tokens(&self) -> Result<(), Stopped> {
        let unsaved = &self.under_way.unsaved;
        if unsaved.all().is_empty() {
            return Ok(());
        }
        // One tries. Nobody waits for it: the store may take its time to fail.
        let Ok(_turn) = unsaved.turn.try_lock() else { return Err(Stopped::Unsaved) };
        let all = unsaved.all().clone();
        for waiting in &all {
            self.keep_or_give_back(&waiting.live, &waiting.kept).await?;
            unsaved.all().retain(|other| !Arc::ptr_eq(other, waiting));
        }
        if !all.is_empty() {
            tracing::info!(sessions = all.len(), "the store works again: refresh tokens that waited for it are written down");
        }
        Ok(())
    }

    /// Tokens of a session that has ended meanwhile are given back; not those of one that was replaced, since some providers end with them the
    /// sign-in that the new session came from.
    async fn keep_or_give_back(&self, live: &LiveSession, kept: &Secret<Vec<u8>>) -> Result<bool, StoreError> {
        let session = &live.session;
        let is_there = self.registrar.keep_with(&session.id, kept).await?;
        if !is_there && !live.was_replaced() {
            self.give_back(&GivenUp { provider: Arc::clone(&session.user.provider), kept: kept.clone() }).await;
        }
        Ok(is_there)
    }
}
