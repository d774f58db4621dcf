//! What caches between the gate and a browser may do with the app's answers.

use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};

use super::header_names::drop_where;

/// Makes an answer that was given to one person theirs alone, whatever the app thinks of it: an app that sees `/account/x.css`
/// may take it for a file that is the same for everybody. The person's own browser may keep it as the app says.
pub(super) fn keep_to_one_person(headers: &mut HeaderMap) {
    drop_where(headers, |name| FOR_SHARED_CACHES.contains(name));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, PRIVATE);
        return;
    }
    if is_private(headers) {
        return;
    }
    let told: Vec<&[u8]> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|directive| {
            !directive.is_empty() && !directive.eq_ignore_ascii_case(b"private") && !is_for_shared_caches(directive)
        })
        .collect();
    // What has quotes may have commas inside, and was torn apart above.
    let told = if told.iter().any(|directive| directive.contains(&b'"')) { Vec::new() } else { told };
    let value = [&[b"private".as_slice()], told.as_slice()].concat().join(b", ".as_slice());
    headers.insert(CACHE_CONTROL, HeaderValue::from_bytes(&value).unwrap_or(PRIVATE));
}

/// Whether the app says it already: the usual case, for which nothing is built.
fn is_private(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CACHE_CONTROL).iter();
    let (Some(only), None) = (lines.next(), lines.next()) else { return false };
    let value = only.as_bytes();
    let mut directives = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let says =
        directives.any(|directive| directive.eq_ignore_ascii_case(b"private") || directive.eq_ignore_ascii_case(b"no-store"));
    let mut directives = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    says && !value.contains(&b'"') && !directives.any(is_for_shared_caches)
}

fn is_for_shared_caches(directive: &[u8]) -> bool {
    let name = directive.split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii();
    [b"public".as_slice(), b"s-maxage", b"private", b"proxy-revalidate"].iter().any(|known| name.eq_ignore_ascii_case(known))
        && !directive.eq_ignore_ascii_case(b"private")
}

/// Headers that tell shared caches another thing than `Cache-Control` (RFC 9213, and what was there before it).
static FOR_SHARED_CACHES: [HeaderName; 2] =
    [HeaderName::from_static("cdn-cache-control"), HeaderName::from_static("surrogate-control")];
const PRIVATE: HeaderValue = HeaderValue::from_static("private");

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(lines: &[&str]) -> String {
        let mut headers: HeaderMap = lines.iter().map(|line| (CACHE_CONTROL, line.parse().unwrap())).collect();
        headers.insert("cdn-cache-control", "public, max-age=600".parse().unwrap());
        keep_to_one_person(&mut headers);
        assert_eq!(headers.len(), 1, "{headers:?}");
        headers[CACHE_CONTROL].to_str().unwrap().to_owned()
    }

    #[test]
    fn an_answer_to_one_person_is_theirs() {
        for (lines, expected) in [
            (&[][..], "private"),
            (&["no-store"], "no-store"),
            (&["private, max-age=60"], "private, max-age=60"),
            (&["no-cache, Private"], "no-cache, Private"),
            (&["max-age=60"], "private, max-age=60"),
            (&["no-cache"], "private, no-cache"),
            (&["public, max-age=31536000, immutable"], "private, max-age=31536000, immutable"),
            (&["Public", "S-MaxAge=60", "max-age=5"], "private, max-age=5"),
            (&["private, public"], "private"),
            (&["private, s-maxage=5"], "private"),
            (&["private=\"x-a\", max-age=5"], "private, max-age=5"),
            (&["private=\"x-a, b\", max-age=5"], "private"),
            (&["no-cache=\"a, private\", max-age=5"], "private"),
            (&["private", "max-age=5"], "private, max-age=5"),
            (&["", ","], "private"),
        ] {
            assert_eq!(kept(lines), expected, "{lines:?}");
        }
    }
}
