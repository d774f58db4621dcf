//! Tokens that nobody needs any more are given back (RFC 7009). Best effort: one that is not given back ends by itself, later.

use std::sync::Arc;
use std::time::Duration;

use super::metrics::GivenBack;
use crate::identify_user::keys::Provider;
use crate::secret::Secret;
use crate::sign_in::kept::Kept;
use crate::sign_in::provider::Conversation;
use crate::sign_in::service::SignIn;
use crate::store::GivenUp;

impl SignIn {
    /// Gives back what was kept with a session that has ended.
    pub async fn give_back(&self, given_up: &GivenUp) {
        let Ok(provider) = self.provider(&given_up.provider) else { return };
        let token = Kept::from_bytes(&given_up.kept).and_then(|mut kept| kept.refresh_token.take());
        if let Some(token) = token {
            self.give_back_token(provider, &Secret::new(token)).await;
        }
    }

    pub(super) async fn give_back_token(&self, provider: &Arc<Provider>, token: &Secret<String>) {
        let name = &provider.settings.name;
        let Some(metadata) = provider.ring.metadata().filter(|metadata| metadata.revocation_endpoint.is_some()) else { return };
        let Ok(conversation) = Conversation::with(provider, &metadata, &self.redirect_uri(name, false)) else { return };
        let taken = if self.under_way.paces.of(name).is_lost() {
            false
        } else {
            tokio::time::timeout(PATIENCE, conversation.revoke(token)).await.unwrap_or(false)
        };
        self.metrics.refresh.given_back(name, if taken { GivenBack::Taken } else { GivenBack::Failed });
    }
}

/// For one token.
const PATIENCE: Duration = Duration::from_secs(5);
