//! `/sign-in`: the form of the sign-in page.

use http::{Request, StatusCode};
use hyper::body::Incoming;

use super::authorize::{BROWSER_COOKIE, SESSION_COOKIE, failed, refused, with_cookie};
use super::ledger::SignedIn;
use super::{Person, Provider, pages};
use crate::chance;
use crate::web::{self, Reply};

impl Provider {
    pub(super) async fn sign_in(&self, request: Request<Incoming>) -> Reply {
        let headers = request.headers().clone();
        if web::header(&headers, "origin").is_some_and(|origin| origin != self.issuer()) {
            return refused("The form was sent from another site.");
        }
        let Ok(fields) = web::form(request).await else { return refused("The form cannot be read.") };
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let now = chance::now();

        let attempt_id = field("attempt");
        let attempt = self.ledger().attempts.get(attempt_id, now).cloned();
        let (Some(attempt), Some(browser)) = (attempt, web::cookie(&headers, BROWSER_COOKIE)) else {
            return refused("This sign-in is too old, or was begun in another browser. Go back to the app and start again.");
        };
        if !chance::same(&attempt.browser, browser) {
            return refused("This sign-in was begun in another browser. Go back to the app and start again.");
        }
        let Some(person) = self.who_is_it(field("person"), field("username"), field("password")) else {
            let page =
                pages::sign_in(&self.settings.people, &attempt.asked.client, attempt_id, Some("That is not the password."));
            return web::html(StatusCode::UNAUTHORIZED, page);
        };
        let (Some(cookie), Some(id)) = (chance::token(), chance::token()) else { return failed() };
        let who = SignedIn { person: person.id.clone(), id, second_factor: field("second_factor") == "yes", at: now };
        {
            let mut ledger = self.ledger();
            if ledger.attempts.take(attempt_id, now).is_none() || ledger.sessions.put(cookie.clone(), now, who.clone()).is_none()
            {
                drop(ledger);
                return failed();
            }
        }
        with_cookie(self.give_code(attempt.asked, who), SESSION_COOKIE, &cookie)
    }

    /// A click on a person is enough here; a name needs its password.
    fn who_is_it(&self, clicked: &str, username: &str, password: &str) -> Option<&Person> {
        match self.person(clicked) {
            Some(person) => Some(person),
            None => self.person(username).filter(|person| chance::same(&person.password, password)),
        }
    }
}
