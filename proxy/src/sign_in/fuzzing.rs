//! Parts of this room alone, for the fuzz targets. The gate itself does not use it.

use super::query::{self, BadQuery, Query};

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
