//! Parts of this room alone, for the fuzz targets. The gate itself does not use it.

use std::sync::Arc;

use super::logout::{self, LogoutRefusal};
use super::logout_token::{Parties, Word};
use super::query::{self, BadQuery, Query};
use crate::clock::Timestamp;
use crate::identify_user::jws::Jws;
use crate::secret::Digest;
use crate::store::Meant;

/// What a logout token says.
#[derive(Debug)]
pub struct Logout {
    /// Whom it means.
    pub meant: Meant,
    /// Names the token.
    pub id: Digest,
    /// From then on it is refused for its age.
    pub until: Timestamp,
}

/// The token in the body of a back-channel logout.
///
/// # Errors
/// [`LogoutRefusal`].
pub fn logout_form(body: &[u8]) -> Result<String, LogoutRefusal> {
    logout::token_in(Some("application/x-www-form-urlencoded"), body)
}

/// What a logout token of this issuer for this client says, whoever signed it.
///
/// # Errors
/// [`LogoutRefusal`].
pub fn logout(token: &str, issuer: &str, client_id: &str, now: Timestamp) -> Result<Logout, LogoutRefusal> {
    let parties = Parties { name: &Arc::from("fuzz"), issuer, client_id };
    let Word { meant, id, until } = Word::read(&Jws::parse(token)?, parties, now)?;
    Ok(Logout { meant, id, until })
}

/// Whether the query of a callback can be read, and what each of `names` is in it.
///
/// # Errors
/// [`BadQuery`].
pub fn parameters(query: &str, names: &[&str]) -> Result<Vec<Option<String>>, BadQuery> {
    let query = Query::parse(Some(query))?;
    Ok(names.iter().map(|name| query.get(name).map(str::to_owned)).collect())
}

/// A query with these parameters, as it is written.
pub fn written<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    query::write(parameters)
}
