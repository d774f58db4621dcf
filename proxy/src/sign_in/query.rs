//! Parameters of a query, each with one meaning.

use url::form_urlencoded;

/// The query has a parameter twice, or is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a parameter of the request is repeated, or the request is too long")]
pub struct BadQuery;

/// The parameters of a query.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query; one without parameters is an empty one.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, BadQuery> {
        let query = query.unwrap_or_default();
        if query.len() > MAX_QUERY {
            return Err(BadQuery);
        }
        let all: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let repeated = all.iter().enumerate().any(|(index, (name, _))| all.iter().take(index).any(|(other, _)| other == name));
        if repeated || all.len() > MAX_PARAMETERS { Err(BadQuery) } else { Ok(Self(all)) }
    }

    /// The parameter of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Writes a query.
pub(super) fn write<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

const MAX_QUERY: usize = 16 * 1024;
const MAX_PARAMETERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse(Some("a=1&b=x%20y&c")).unwrap();
        assert_eq!((query.get("a"), query.get("b"), query.get("c"), query.get("d")), (Some("1"), Some("x y"), Some(""), None));
    }

    #[test]
    fn a_parameter_twice_is_refused() {
        assert_eq!(Query::parse(Some("state=a&state=a")).err(), Some(BadQuery));
        assert_eq!(Query::parse(Some("state=a&st%61te=b")).err(), Some(BadQuery));
    }
}
