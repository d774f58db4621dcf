//! Our cookies never reach an app, and an app never sets them.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

/// Removes our cookies from a request. The others stay byte for byte; several `Cookie` lines (RFC 9113, section 8.2.3) become one.
pub(super) fn remove_ours(headers: &mut HeaderMap) {
    let untouched = {
        let mut lines = headers.get_all(COOKIE).iter();
        match (lines.next(), lines.next()) {
            (None, _) => true,
            (Some(only), None) => pairs(only.as_bytes()).all(|pair| !is_ours(pair)),
            (Some(_), Some(_)) => false,
        }
    };
    if untouched {
        return;
    }
    let mut kept: Vec<u8> = Vec::new();
    for line in headers.get_all(COOKIE) {
        for pair in pairs(line.as_bytes()).filter(|pair| !pair.is_empty() && !is_ours(pair)) {
            if !kept.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(pair);
        }
    }
    match HeaderValue::from_bytes(&kept) {
        Ok(value) if !kept.is_empty() => {
            headers.insert(COOKIE, value);
        }
        Ok(_) | Err(_) => {
            headers.remove(COOKIE);
        }
    }
}

/// Removes those `Set-Cookie` lines of an answer that name one of our cookies.
pub(super) fn keep_apps_off_ours(headers: &mut HeaderMap) {
    let sets_ours = |value: &HeaderValue| is_ours(value.as_bytes().trim_ascii_start());
    if !headers.get_all(SET_COOKIE).iter().any(sets_ours) {
        return;
    }
    let kept: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().filter(|value| !sets_ours(value)).cloned().collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
}

fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

/// Whatever its case: browsers compare the `__Host-` prefix without case, and so may an app.
fn is_ours(pair: &[u8]) -> bool {
    pair.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS))
}

/// All of our cookies' names begin with this.
const OURS: &[u8] = b"__Host-sekisho";

#[cfg(test)]
mod tests {
    use super::*;

    fn left_of(lines: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
        }
        remove_ours(&mut headers);
        headers.get_all(COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn ours_go_and_theirs_stay() {
        assert_eq!(left_of(&["a=1; __Host-sekisho=secret; b=\"x y\""]), ["a=1; b=\"x y\""]);
        assert_eq!(left_of(&["__Host-sekisho-attempt-7=x"]), Vec::<String>::new());
        assert_eq!(left_of(&["__host-SEKISHO=x;b=2"]), ["b=2"]);
    }

    #[test]
    fn a_quoted_value_is_no_hiding_place() {
        assert_eq!(left_of(&["a=\"1; __Host-sekisho=secret; b=2\""]), ["a=\"1; b=2\""]);
    }

    #[test]
    fn lines_without_ours_are_not_touched() {
        assert_eq!(left_of(&["a=1;b=2 ;  c=3"]), ["a=1;b=2 ;  c=3"]);
    }

    #[test]
    fn several_lines_become_one() {
        assert_eq!(left_of(&["a=1", "__Host-sekisho=secret", "b=2"]), ["a=1; b=2"]);
    }

    #[test]
    fn an_app_cannot_set_ours() {
        let mut headers = HeaderMap::new();
        for line in ["a=1; Path=/", "__Host-sekisho=evil; Path=/; Secure", " __HOST-sekisho-x=1", "b=2"] {
            headers.append(SET_COOKIE, HeaderValue::from_str(line).unwrap());
        }
        keep_apps_off_ours(&mut headers);
        let left: Vec<_> = headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(left, ["a=1; Path=/", "b=2"]);
    }
}
