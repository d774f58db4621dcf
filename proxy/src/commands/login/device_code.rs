//! Signing in elsewhere: the terminal shows a code, which somebody types at the provider, in any browser (RFC 8628).

use std::time::Duration;

use serde::Deserialize;

use super::error::LoginError;
use super::provider::{Provider, Said, refused};
use super::tokens::Given;
use crate::clock::Clock;
use crate::commands::output::{note, plain, roughly};
use crate::outbound::may_call;
use crate::secret::Secret;

/// What the provider gave to begin with.
#[derive(Deserialize)]
struct Begun {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

/// How long to wait between two questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace(Duration);

/// What an answer means to who waits.
#[derive(Debug)]
enum Next {
    /// Somebody signed in.
    Given(Given),
    /// Nobody has yet.
    Ask,
    /// It is over.
    Over(LoginError),
}

impl Pace {
    fn new(interval: Option<u64>) -> Self {
        Self(Duration::from_secs(interval.unwrap_or(5).clamp(1, 60)))
    }

    /// Section 3.5: five seconds more, from now on.
    fn slower(&mut self) {
        self.0 = self.0.saturating_add(Duration::from_secs(5));
    }

    /// No answer: twice as long, within bounds.
    fn much_slower(&mut self) {
        self.0 = self.0.saturating_mul(2).min(Duration::from_secs(60));
    }
}

/// Shows a code, waits until somebody has signed in with it, and gives what the provider gives for it.
///
/// # Errors
/// [`LoginError`].
pub(super) async fn sign_in(provider: &Provider, clock: &Clock) -> Result<Given, LoginError> {
    let usual = provider.metadata.device_authorization_endpoint.as_ref();
    let endpoint = provider.metadata.with_certificate.device_authorization_endpoint.as_ref().or(usual);
    let endpoint = endpoint.ok_or(LoginError::Lacks("a way to sign in by a code (RFC 8628)"))?;
    let begun = match provider.ask(endpoint, &[("scope", &provider.offered.scopes.join(" "))]).await? {
        Said::Yes(body) => read(&body)?,
        Said::No { error, description } => return Err(refused(&error, &description)),
    };
    let patience = Duration::from_secs(begun.expires_in.min(LONGEST));
    note(&words(&begun, patience));
    let waited = tokio::time::timeout(patience, wait(provider, &begun)).await;
    let given = waited.unwrap_or(Err(LoginError::TooLate("the life of the code")))?;
    given.check_id_token(&provider.offered, None, clock.now())?;
    Ok(given)
}

fn read(body: &[u8]) -> Result<Begun, LoginError> {
    let begun: Begun = serde_json::from_slice(body).map_err(|_details| LoginError::Answer("it has no code to show"))?;
    // Whoever reads it goes there and types a password.
    let sound = |uri: &str| uri.parse().is_ok_and(|uri| may_call(&uri));
    if !sound(&begun.verification_uri) || !begun.verification_uri_complete.as_deref().is_none_or(sound) {
        return Err(LoginError::Answer("the address to go to is not an https one"));
    }
    Ok(begun)
}

fn words(begun: &Begun, patience: Duration) -> String {
    let direct = begun.verification_uri_complete.as_ref().map(|uri| format!(", or at once:\n\n    {}\n", plain(uri)));
    format!(
        "To sign in, open in a browser on any machine of yours:\n\n    {}\n\nand enter the code  {}  (good for {}){}\n\
         Enter it only because you have just begun this here yourself: whoever gave you such a code would be signed in as you.\n\n",
        plain(&begun.verification_uri),
        plain(&begun.user_code),
        roughly(patience),
        direct.unwrap_or_else(|| ".\n".to_owned()),
    )
}

async fn wait(provider: &Provider, begun: &Begun) -> Result<Given, LoginError> {
    let code = Secret::new(begun.device_code.clone());
    let form = [("grant_type", GRANT), ("device_code", code.expose().as_str())];
    let endpoint = provider.token_endpoint()?;
    let mut pace = Pace::new(begun.interval);
    loop {
        tokio::time::sleep(pace.0).await;
        match next(provider.ask(endpoint, &form).await, &mut pace) {
            Next::Given(given) => return Ok(given),
            Next::Ask => {}
            Next::Over(why) => return Err(why),
        }
    }
}

fn next(said: Result<Said, LoginError>, pace: &mut Pace) -> Next {
    match said {
        Ok(Said::Yes(body)) => Given::read(&body).map_or_else(Next::Over, Next::Given),
        Ok(Said::No { error, description }) => match error.as_str() {
            "authorization_pending" => Next::Ask,
            "slow_down" => {
                pace.slower();
                Next::Ask
            }
            "expired_token" => Next::Over(LoginError::TooLate("the life of the code")),
            _ => Next::Over(refused(&error, &description)),
        },
        // It may come back before the code has expired.
        Err(LoginError::Provider(error)) => {
            tracing::debug!(%error, "the provider did not answer");
            pace.much_slower();
            Next::Ask
        }
        Err(error) => Next::Over(error),
    }
}

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Seconds. Nobody waits longer at a terminal.
const LONGEST: u64 = 1800;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::outbound::OutboundError;

    fn no(error: &str) -> Result<Said, LoginError> {
        Ok(Said::No { error: error.to_owned(), description: String::new() })
    }

    #[test]
    fn a_provider_that_is_asked_too_often_is_asked_less() {
        let mut pace = Pace::new(None);
        assert_eq!(pace, Pace(Duration::from_secs(5)));
        assert!(matches!(next(no("authorization_pending"), &mut pace), Next::Ask));
        assert_eq!(pace, Pace(Duration::from_secs(5)));
        assert!(matches!(next(no("slow_down"), &mut pace), Next::Ask));
        assert!(matches!(next(no("slow_down"), &mut pace), Next::Ask));
        assert_eq!(pace, Pace(Duration::from_secs(15)));
        let silent = Err(OutboundError::TimedOut { host: "login.example".to_owned(), seconds: 10 }.into());
        assert!(matches!(next(silent, &mut pace), Next::Ask));
        assert_eq!(pace, Pace(Duration::from_secs(30)));
        assert_eq!(Pace::new(Some(0)), Pace(Duration::from_secs(1)), "it never asks without a pause");
    }

    #[test]
    fn what_ends_it_says_how() {
        let mut pace = Pace::new(None);
        assert!(matches!(next(no("expired_token"), &mut pace), Next::Over(LoginError::TooLate(_))));
        assert!(matches!(next(no("access_denied"), &mut pace), Next::Over(LoginError::Declined)));
        assert!(matches!(next(no("invalid_client"), &mut pace), Next::Over(LoginError::Refused(_))));
        let body = json!({ "access_token": "a", "token_type": "Bearer" }).to_string();
        assert!(matches!(next(Ok(Said::Yes(body.into())), &mut pace), Next::Given(_)));
    }

    #[test]
    fn people_are_not_sent_where_a_password_could_be_read() {
        let begun = |uri: &str| {
            let text = json!({ "device_code": "d", "user_code": "ABCD\u{1b}[2J", "verification_uri": uri, "expires_in": 600 });
            read(text.to_string().as_bytes())
        };
        assert!(matches!(begun("http://login.example/device"), Err(LoginError::Answer(_))));
        assert!(matches!(begun("javascript:alert(1)"), Err(LoginError::Answer(_))));
        let good = begun("https://login.example/device").unwrap_or_else(|error| panic!("{error}"));
        let words = words(&good, Duration::from_secs(600));
        assert!(words.contains("ABCD\u{fffd}[2J  (good for 10 min)") && !words.contains('\u{1b}'), "{words}");
    }
}
