//! Whom the provider knows, and who may ask.

use std::fmt;

/// A demo person.
#[derive(Clone, Debug)]
pub struct Person {
    /// `sub`, and the name to sign in with.
    pub id: String,
    /// Display name.
    pub name: String,
    /// A verified e-mail address.
    pub email: String,
    /// Groups, given as the `groups` claim.
    pub groups: Vec<String>,
    /// Password; shown on the sign-in page, as this is a demonstration.
    pub password: String,
}

/// Somebody who may ask the provider to sign people in.
#[derive(Clone)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: String,
    /// Addresses to send people back to, compared exactly.
    pub redirect_uris: Vec<String>,
    /// Addresses to send people to after signing out, compared exactly.
    pub post_logout_redirect_uris: Vec<String>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).field("redirect_uris", &self.redirect_uris).finish_non_exhaustive()
    }
}

/// Alice (staff, admins), Bob (staff) and Carol (contractors).
pub fn demo_people() -> Vec<Person> {
    let person = |id: &str, name: &str, groups: &[&str]| Person {
        id: id.to_owned(),
        name: name.to_owned(),
        email: format!("{id}@corp.example"),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        password: format!("{id}-demo"),
    };
    vec![
        person("alice", "Alice Aoki", &["staff", "admins"]),
        person("bob", "Bob Brandt", &["staff"]),
        person("carol", "Carol Costa", &["contractors"]),
    ]
}
