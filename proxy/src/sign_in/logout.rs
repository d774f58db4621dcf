//! `backchannel-logout`: a provider says, to us and past the browser, that a sign-in is over (OpenID Connect Back-Channel Logout 1.0).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::logout_token::{LogoutToken, Word};
use super::metrics::LogoutOutcome;
use super::query::Query;
use super::service::SignIn;
use crate::clock::Timestamp;
use crate::contain::{Rate, Throttle, Turns};
use crate::identify_user::claims::ClaimProblem;
use crate::identify_user::jws::JwsProblem;
use crate::identify_user::keys::NoKeys;
use crate::inventory::SessionId;
use crate::secret::Digest;
use crate::store::{Actor, Meant, SessionError, SessionsOf};

/// What came to the address.
#[derive(Clone, Debug)]
pub struct LogoutRequest {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// The body: a form.
    pub body: Bytes,
    /// Who sent it.
    pub from: IpAddr,
    /// When it came.
    pub now: Timestamp,
}

/// A logout that was not done. Nobody is signed out by it.
#[derive(Debug, thiserror::Error)]
pub enum LogoutRefusal {
    /// Not a form with one `logout_token`.
    #[error("the request is not a form with one logout_token")]
    Malformed,
    /// Its form, algorithm, key or signature.
    #[error(transparent)]
    Token(#[from] JwsProblem),
    /// It is another kind of token.
    #[error("the token is not a logout token: see its `{0}`")]
    Kind(&'static str),
    /// No provider that signs people in has this issuer.
    #[error("the token's issuer is not one that people sign in with")]
    Issuer,
    /// It is for, or was made for, another client.
    #[error("the token is not meant for this gate")]
    Audience,
    /// Its claims do not do.
    #[error(transparent)]
    Claims(ClaimProblem),
    /// `iat` is too long ago.
    #[error("the token is too old")]
    Stale,
    /// Neither `sub` nor `sid`.
    #[error("the token names neither a person nor a session")]
    Nobody,
    /// It came before.
    #[error("the token was used already")]
    Replayed,
    /// Too many from there were refused, or too many wait for their turn.
    #[error("too many logout tokens were refused")]
    Throttled {
        /// How long until one is looked at again.
        retry_after: Duration,
    },
    /// The provider's keys cannot be had.
    #[error(transparent)]
    NoKeys(#[from] NoKeys),
    /// The sessions could not be ended.
    #[error(transparent)]
    Store(#[from] SessionError),
}

/// A logout that its provider signed, and that is still to be done.
#[derive(Clone, Debug)]
pub struct Logout {
    meant: Meant,
    /// Names its token.
    id: Digest,
    /// From then on the token is refused for its age.
    until: Timestamp,
    from: IpAddr,
    now: Timestamp,
}

/// What is known of earlier logouts; outlives reloads.
#[derive(Debug)]
pub(super) struct Logouts {
    strangers: Throttle,
    /// Those whose tokens were right lately: whoever shares their address does not silence them so easily.
    known: Throttle,
    /// Signatures are checked in turn.
    turns: Turns,
    /// Tokens that were used, until they are too old anyway.
    used: Mutex<HashMap<Digest, Timestamp>>,
    /// Places for tokens that wait for newer keys, of those whose tokens were right lately and of all others.
    patience: [Semaphore; 2],
}

impl SignIn {
    /// Whom a provider's logout token means, when all of it has been checked. Nothing was done yet. Holds no place on the control
    /// runtime while it waits, as anybody can send a token.
    ///
    /// # Errors
    /// [`LogoutRefusal`].
    pub async fn check_logout(&self, request: &LogoutRequest) -> Result<Logout, LogoutRefusal> {
        let checked = self.try_check_logout(request).await;
        checked.inspect_err(|refusal| self.metrics.logged_out(LogoutOutcome::of::<()>(Err(refusal))))
    }

    /// Ends the sessions that are meant; gives how many. To be called on the control runtime.
    ///
    /// # Errors
    /// [`LogoutRefusal`]. That there is nothing to end is none: whoever is meant is signed out.
    pub async fn log_out(&self, logout: Logout) -> Result<usize, LogoutRefusal> {
        let done = self.try_log_out(logout).await;
        self.metrics.logged_out(LogoutOutcome::of(done.as_deref()));
        done.map(|ended| ended.len())
    }

    /// The cheapest first: what fails before the signature is looked at costs its sender an attempt, and nobody else anything.
    async fn try_check_logout(&self, request: &LogoutRequest) -> Result<Logout, LogoutRefusal> {
        let (logouts, from, now) = (&self.under_way.logouts, request.from, request.now);
        logouts.throttle(from).take(from, now).map_err(|retry_after| LogoutRefusal::Throttled { retry_after })?;
        let token = token_in(request.content_type.as_deref(), &request.body)?;
        let token = LogoutToken::read(&token, &self.providers, now)?;
        if logouts.is_used(&token.word.id) {
            return Err(LogoutRefusal::Replayed);
        }
        self.find_key(&token, from, now).await?;
        logouts.turns.wait(from).await.map_err(|_busy| LogoutRefusal::Throttled { retry_after: Duration::from_secs(1) })?;
        token.verify(now)?;
        // Whoever can have this signed is the provider itself: it may sign out a whole company at once.
        logouts.throttle(from).give_back(from, now);
        let Word { meant, id, until } = token.word;
        Ok(Logout { meant, id, until, from, now })
    }

    async fn try_log_out(&self, logout: Logout) -> Result<Vec<SessionId>, LogoutRefusal> {
        let logouts = &self.under_way.logouts;
        if !logouts.is_first(logout.id, logout.until, logout.now) {
            // It came while its twin was looked at: that is charged after all.
            let _as_any_other = logouts.throttle(logout.from).take(logout.from, logout.now);
            return Err(LogoutRefusal::Replayed);
        }
        logouts.turns.succeeded(logout.from);
        let by = Actor::Provider(logout.meant.provider.clone());
        let ended = self.registrar.end_sessions(&SessionsOf::AtProvider(logout.meant), &by, WHY).await;
        // The provider may try once more with the same token.
        Ok(ended.inspect_err(|_failed| logouts.forget(&logout.id))?)
    }

    /// As for ID tokens, newer keys are asked for if need be; but only so many wait for them.
    async fn find_key(&self, token: &LogoutToken<'_>, from: IpAddr, now: Timestamp) -> Result<(), LogoutRefusal> {
        match token.find_key(now) {
            Err(LogoutRefusal::NoKeys(_) | LogoutRefusal::Token(JwsProblem::UnknownKey)) => {
                let logouts = &self.under_way.logouts;
                let [known, strangers] = &logouts.patience;
                let places = if logouts.turns.is_known(from) { known } else { strangers };
                // The token may be right: nobody can say so before the keys are here.
                let Ok(_place) = places.try_acquire() else {
                    return Err(LogoutRefusal::Throttled { retry_after: Duration::from_secs(1) });
                };
                token.provider.ring.renewed().await;
                token.find_key(now)
            }
            verdict => verdict,
        }
    }
}

impl LogoutRefusal {
    /// Label in the record and in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Malformed => "logout_malformed",
            Self::Token(_) => "logout_token",
            Self::Kind(_) => "logout_kind",
            Self::Issuer => "logout_issuer",
            Self::Audience => "logout_audience",
            Self::Claims(_) | Self::Stale | Self::Nobody => "logout_claims",
            Self::Replayed => "logout_replayed",
            Self::Throttled { .. } => "logout_throttled",
            Self::NoKeys(_) | Self::Store(_) => "logout_failed",
        }
    }

    /// What the provider reads (`error`; RFC 6749, section 4.1.2.1).
    pub fn error(&self) -> &'static str {
        match self {
            Self::Throttled { .. } => "temporarily_unavailable",
            Self::NoKeys(_) | Self::Store(_) => "server_error",
            _ => "invalid_request",
        }
    }

    /// How long to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } => Some((*retry_after).max(Duration::from_secs(1))),
            _ => None,
        }
    }
}

impl Logouts {
    pub(super) fn new() -> Self {
        Self {
            strangers: Throttle::new(EACH),
            known: Throttle::new(EACH_KNOWN),
            turns: Turns::new(PACE, WAIT),
            used: Mutex::default(),
            patience: [Semaphore::new(PATIENT), Semaphore::new(PATIENT)],
        }
    }

    fn throttle(&self, from: IpAddr) -> &Throttle {
        if self.turns.is_known(from) { &self.known } else { &self.strangers }
    }

    fn is_used(&self, token: &Digest) -> bool {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).contains_key(token)
    }

    /// Notes that a token is used, unless it was. Where there is no room, the one that ends next makes it: one that comes twice signs
    /// out twice, which is better than not at all.
    fn is_first(&self, token: Digest, until: Timestamp, now: Timestamp) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains_key(&token) {
            return false;
        }
        if used.len() >= REMEMBERED {
            used.retain(|_, until| *until > now);
        }
        if used.len() >= REMEMBERED
            && let Some(next) = used.iter().min_by_key(|(_, until)| **until).map(|(token, _)| *token)
        {
            used.remove(&next);
        }
        used.insert(token, until);
        true
    }

    fn forget(&self, token: &Digest) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    }
}

/// The token of a form that has one.
pub(super) fn token_in(content_type: Option<&str>, body: &[u8]) -> Result<String, LogoutRefusal> {
    let kind = content_type.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(LogoutRefusal::Malformed);
    }
    let text = std::str::from_utf8(body).map_err(|_not_text| LogoutRefusal::Malformed)?;
    let form = Query::parse(Some(text)).map_err(|_repeated_or_long| LogoutRefusal::Malformed)?;
    form.get("logout_token").map(str::to_owned).ok_or(LogoutRefusal::Malformed)
}

/// In the change feed and the record.
const WHY: &str = "signed out at the provider";

/// Refused tokens from one address: sixty at once, then one a second.
const EACH: Rate = Rate { tokens: 60, refill: Duration::from_secs(1) };

/// The same from an address that a right one came from lately.
const EACH_KNOWN: Rate = Rate { tokens: 1200, refill: Duration::from_millis(50) };

/// Between two signatures, whoever sent them: one costs some hundred microseconds to look at.
const PACE: Duration = Duration::from_millis(2);

/// For the turn to come. Providers wait for some seconds.
const WAIT: Duration = Duration::from_secs(5);

/// Logouts that may wait for newer keys at a time.
const PATIENT: usize = 32;

/// About 1 MiB.
const REMEMBERED: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_once_and_memory_is_bounded() {
        let logouts = Logouts::new();
        let token = |number: usize| Digest::of(&number.to_le_bytes());
        let until = |number: usize| Timestamp(1_000 + i64::try_from(number).unwrap());
        for number in 0..=REMEMBERED {
            assert!(logouts.is_first(token(number), until(number), Timestamp(0)));
        }
        assert!(
            !logouts.is_first(token(1), until(1), Timestamp(0)) && !logouts.is_first(token(REMEMBERED), until(0), Timestamp(0))
        );
        assert_eq!(logouts.used.lock().unwrap().len(), REMEMBERED);
        logouts.forget(&token(1));
        assert!(logouts.is_first(token(1), until(1), Timestamp(0)), "one that failed may come again");
    }
}
