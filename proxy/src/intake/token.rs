//! Which source pushes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, header};

use super::refusal::IntakeRefusal;
use super::report::Intake;
use crate::clock::Timestamp;
use crate::config::PostureSource;
use crate::contain::Rate;
use crate::secret::{Digest, same};

impl Intake {
    /// The source whose token the request has.
    ///
    /// A token that is somebody's is taken however many others were not: they are too long to be guessed, and whoever shares the
    /// source's address must not silence it.
    ///
    /// # Errors
    /// [`IntakeRefusal::Token`], [`IntakeRefusal::Throttled`].
    pub fn source(
        &self,
        sources: &[Arc<PostureSource>],
        headers: &HeaderMap,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Arc<PostureSource>, IntakeRefusal> {
        let found = bearer(headers).and_then(|token| {
            let shown = Digest::of(token.as_bytes());
            // All are looked at, so that the time that it takes does not say which it could be.
            sources.iter().fold(None, |found, source| if same(&shown.0, &source.token.0) { Some(source) } else { found })
        });
        match found {
            Some(source) => Ok(Arc::clone(source)),
            None => match self.strangers.take(from, now) {
                Ok(()) => Err(IntakeRefusal::Token),
                Err(retry_after) => Err(IntakeRefusal::Throttled { retry_after }),
            },
        }
    }
}

/// The one token that is shown (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Wrong tokens of each address, before it has to wait.
pub(super) const STRANGERS: Rate = Rate { tokens: 10, refill: Duration::from_secs(6) };
