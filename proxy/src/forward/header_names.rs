//! Headers that do not go on.

use http::HeaderMap;
use http::header::HeaderName;

/// Removes every header whose name `goes`. A look at each name is cheaper than a search for each name that is mostly not there.
pub(super) fn drop_where(headers: &mut HeaderMap, goes: impl Fn(&HeaderName) -> bool) {
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| goes(name)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}
