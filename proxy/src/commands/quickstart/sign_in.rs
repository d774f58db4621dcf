//! Signing in as a person does it: at the app, on the provider's page, and back.

use std::time::Duration;

use http::StatusCode;
use sekisho_examples::idp::{Person, demo_people};

use super::place::{PROVIDER_HOST, Place};
use super::visitor::{Answer, VisitError, Visitor};
use crate::commands::error::CommandError;

/// One of the demo people.
///
/// # Errors
/// If there is nobody of this name.
pub(super) fn person(name: &str) -> Result<Person, CommandError> {
    let found = demo_people().into_iter().find(|person| person.id == name);
    found.ok_or_else(|| CommandError::failed(format!("the demo provider knows nobody named {name}")))
}

/// Goes to `start` and signs in as `person` on the provider's page. Gives the page on which it ends.
///
/// # Errors
/// [`VisitError`].
pub(super) async fn sign_in(visitor: &Visitor, start: &str, person: &Person) -> Result<Answer, VisitError> {
    let page = visitor.browse(start).await?;
    let text = page.text();
    let attempt = hidden(&text, "attempt").filter(|_| page.url.host_str() == Some(PROVIDER_HOST));
    // No form of the provider's: signed in already, or refused.
    let Some(attempt) = attempt else { return Ok(page) };
    let fields = [("attempt", attempt), ("username", person.id.as_str()), ("password", person.password.as_str())];
    visitor.submit(&page.url, "/sign-in", &fields).await
}

/// As [`sign_in`] at the share, and waits for a gate that is about to know its provider.
///
/// # Errors
/// If it does not end at the app.
pub(super) async fn until_signed_in(visitor: &Visitor, place: &Place, name: &str) -> Result<(), CommandError> {
    let (person, start) = (person(name)?, place.share("/files/plans/"));
    for _ in 0..ATTEMPTS {
        let page = sign_in(visitor, &start, &person).await.map_err(CommandError::failed)?;
        match page.status {
            StatusCode::SERVICE_UNAVAILABLE => tokio::time::sleep(PAUSE).await,
            // Whether policy lets them in is another matter; policies are the user's.
            _ if page.url.as_str() == start => return Ok(()),
            status => {
                return Err(CommandError::failed(format!("signing {name} in ended at {} with {status}", page.url)));
            }
        }
    }
    Err(CommandError::failed(format!("signing {name} in: the gate cannot use the demo provider")))
}

/// The value of a hidden field. The demo provider writes such fields in one way.
fn hidden<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    Some(rest.split_once('"')?.0)
}

const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_fields_are_found() {
        assert_eq!(hidden("<input type=\"hidden\" name=\"attempt\" value=\"abc\">", "attempt"), Some("abc"));
        assert_eq!(hidden("<input name=\"other\" value=\"abc\">", "attempt"), None);
    }
}
