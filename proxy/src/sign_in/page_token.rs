//! What a form on one of our own pages carries, so that it was made for the very session that sends it.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::service::SignIn;
use crate::inventory::SessionId;
use crate::secret::NoRandomness;

impl SignIn {
    /// The token for pages that are shown to `session`. It holds as long as the session, and until the gate is started again.
    ///
    /// # Errors
    /// [`NoRandomness`] if there was none for a key.
    pub fn page_token(&self, session: &SessionId) -> Result<String, NoRandomness> {
        let key = self.under_way.ticket_key.as_ref().ok_or(NoRandomness)?;
        Ok(URL_SAFE_NO_PAD.encode(hmac::sign(key, text(session).as_bytes())))
    }

    /// Whether `token` is of a page that was shown to `session`.
    pub fn is_page_token(&self, session: &SessionId, token: &str) -> bool {
        let Some(key) = &self.under_way.ticket_key else { return false };
        let tag = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        hmac::verify(key, text(session).as_bytes(), &tag).is_ok()
    }
}

/// Begins as the text of no ticket does: that begins with a session's id, and then a line of its own.
fn text(session: &SessionId) -> String {
    format!("page of {session}")
}
