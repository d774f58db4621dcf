//! One session's refresh, from its token to what is in effect.

use std::sync::Arc;

use super::ask::NotRefreshed;
use super::facts::{self, Unconfirmed};
use super::metrics::RefreshOutcome;
use crate::clock::Timestamp;
use crate::identify_user::keys::Provider;
use crate::inventory::{DeviceStatus, LiveSession, Session};
use crate::secret::Secret;
use crate::sign_in::kept::Kept;
use crate::sign_in::provider::{Conversation, metadata};
use crate::sign_in::refusal::SignInRefusal;
use crate::sign_in::service::SignIn;
use crate::store::StoreError;

/// What came of asking about a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) outcome: RefreshOutcome,
    pub(super) provider: Shown,
}

/// What that shows of the provider itself, and not of one person or session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It answers, whatever it says of this person.
    Well,
    /// It does not, or says that something is wrong with it, or with the gate as its client: so for everybody.
    Unwell,
    Nothing,
}

/// What kept a refresh from confirming anything.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error(transparent)]
    NotRefreshed(#[from] NotRefreshed),
    #[error("the identity provider cannot be talked to: {0}")]
    NoConversation(SignInRefusal),
    #[error("the identity provider's answer cannot be used: {0}")]
    Unusable(SignInRefusal),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// See [`Unsaved`](super::unsaved::Unsaved).
    #[error("the store has not taken the tokens of earlier refreshes yet")]
    Unsaved,
    /// It has ended, or nobody may use it now.
    #[error("the session is not in use any more")]
    Gone,
}

impl Stopped {
    fn asked(&self) -> Asked {
        use NotRefreshed::{Declined, Estranged, Refused, Unexplained, Unreachable, Unusable};
        let (outcome, provider) = match self {
            Self::NotRefreshed(Unreachable(_))
            | Self::NoConversation(SignInRefusal::ProviderDown)
            | Self::Unusable(SignInRefusal::ProviderDown) => (RefreshOutcome::Unreachable, Shown::Unwell),
            Self::NotRefreshed(Unexplained) => (RefreshOutcome::Unexplained, Shown::Well),
            Self::NotRefreshed(Estranged(_)) | Self::NoConversation(_) => (RefreshOutcome::Failed, Shown::Unwell),
            // Also `Unusable`: it gave tokens, and what is wrong is said with them.
            Self::NotRefreshed(Declined(_) | Refused) | Self::Unusable(_) => (RefreshOutcome::Failed, Shown::Well),
            Self::NotRefreshed(Unusable(_)) => (RefreshOutcome::Failed, Shown::Nothing),
            Self::Store(_) | Self::Unsaved => (RefreshOutcome::NotKept, Shown::Nothing),
            Self::Gone => (RefreshOutcome::Gone, Shown::Nothing),
        };
        Asked { outcome, provider }
    }
}

impl SignIn {
    /// Asks the provider about the session, and brings its answer into effect.
    pub(super) async fn refresh(&self, provider: &Arc<Provider>, live: &LiveSession) -> Asked {
        match self.try_refresh(provider, live).await {
            Ok(outcome) => Asked { outcome, provider: Shown::Well },
            Err(why) => {
                if !matches!(why, Stopped::Gone) {
                    let session = &live.session;
                    tracing::warn!(session = %session.id, provider = %session.user.provider, %why, "a session was not refreshed");
                }
                if matches!(why, Stopped::NotRefreshed(NotRefreshed::Unexplained)) {
                    // As if it had given none: what is known serves until it is too old, and then the person goes there.
                    live.set_refreshable(false);
                }
                why.asked()
            }
        }
    }

    async fn try_refresh(&self, provider: &Arc<Provider>, live: &LiveSession) -> Result<RefreshOutcome, Stopped> {
        // Whoever asked may hold earlier facts than there are by now.
        let live = self.registrar.inventory().session(&live.session.id).ok_or(Stopped::Gone)?;
        let session = &live.session;
        if live.ended() || !self.may_be_used(session) {
            return Err(Stopped::Gone);
        }
        self.save_tokens().await?;
        let kept = self.registrar.kept_with(&session.id).await?;
        let mut kept = kept.as_ref().and_then(Kept::from_bytes).ok_or(Stopped::Gone)?;
        let token = Secret::new(kept.refresh_token.clone().ok_or(Stopped::Gone)?);
        let metadata = metadata(provider).await.map_err(Stopped::NoConversation)?;
        // The address is not asked for here, and has to be one all the same.
        let redirect = self.redirect_uri(&session.user.provider, false);
        let conversation = Conversation::with(provider, &metadata, &redirect).map_err(Stopped::NoConversation)?;
        let asked_at = self.registrar.clock().now();
        let refreshed = match conversation.refresh(&token).await {
            Ok(refreshed) => refreshed,
            Err(NotRefreshed::Refused) => return self.end(session, REFUSED, RefreshOutcome::Refused).await,
            Err(other) => return Err(other.into()),
        };
        // Before anything else: the one that was shown may be worth nothing by now.
        if let Some(next) = refreshed.refresh_token.as_ref().filter(|next| next.expose() != token.expose()) {
            kept.refresh_token = Some(next.expose().clone());
            let bytes = kept.to_bytes().ok_or(Stopped::Gone)?;
            if !self.keep(&live, bytes).await? {
                return Err(Stopped::Gone);
            }
        }
        let now = self.registrar.clock().now();
        match facts::of(&refreshed, session, &kept, provider, &conversation, now).await {
            Ok(facts) => self.bring_into_effect(&live, facts, asked_at).await,
            Err(Unconfirmed::Unfit(why)) => self.end(session, &why.to_string(), RefreshOutcome::Unfit).await,
            Err(Unconfirmed::Unusable(why)) => Err(Stopped::Unusable(why)),
        }
    }

    /// Nobody is asked about whoever may not use it anyway.
    fn may_be_used(&self, session: &Session) -> bool {
        let inventory = self.registrar.inventory();
        let device = inventory.device(&session.device);
        device.is_some_and(|live| live.device.status == DeviceStatus::Active) && !inventory.is_suspended(&session.user)
    }

    async fn bring_into_effect(
        &self,
        live: &LiveSession,
        facts: Session,
        asked_at: Timestamp,
    ) -> Result<RefreshOutcome, Stopped> {
        let Some(why) = facts::differences(&live.session, &facts) else {
            live.confirm(asked_at);
            return Ok(RefreshOutcome::Confirmed);
        };
        match self.registrar.change_facts(facts, asked_at, &why).await? {
            true => Ok(RefreshOutcome::Changed),
            false => Err(Stopped::Gone),
        }
    }

    async fn end(&self, session: &Session, why: &str, outcome: RefreshOutcome) -> Result<RefreshOutcome, Stopped> {
        tracing::warn!(session = %session.id, provider = %session.user.provider, why, "a session ended: its provider does not vouch for it");
        match self.registrar.refuse_session(session, why).await? {
            true => Ok(outcome),
            false => Err(Stopped::Gone),
        }
    }
}

/// In the change feed and the record.
const REFUSED: &str = "the identity provider does not take its refresh token any more";
