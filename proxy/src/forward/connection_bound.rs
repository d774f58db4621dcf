//! Ways to sign in at an app that belong to a connection instead of a request. Connections to apps are shared by everybody, so whoever
//! came next would be whoever signed in on them: these schemes do not pass, in either direction.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};

/// Whether one of the credentials or challenges in `value` is of such a scheme.
pub(super) fn is_challenge(value: &HeaderValue) -> bool {
    let schemes = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    schemes.filter_map(|member| member.split(u8::is_ascii_whitespace).next()).any(is_bound)
}

/// Takes such challenges off an app's answer. Returns whether there were any.
pub(super) fn remove_challenges(headers: &mut HeaderMap) -> bool {
    if !headers.get_all(WWW_AUTHENTICATE).iter().any(is_challenge) {
        return false;
    }
    let kept: Vec<HeaderValue> = headers.get_all(WWW_AUTHENTICATE).iter().filter(|value| !is_challenge(value)).cloned().collect();
    headers.remove(WWW_AUTHENTICATE);
    for value in kept {
        headers.append(WWW_AUTHENTICATE, value);
    }
    true
}

fn is_bound(scheme: &[u8]) -> bool {
    SCHEMES.iter().any(|bound| scheme.eq_ignore_ascii_case(bound))
}

/// RFC 4559, and what is like it.
const SCHEMES: [&[u8]; 4] = [b"negotiate", b"ntlm", b"kerberos", b"nego2"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_found_wherever_they_stand() {
        for text in ["NTLM", "ntlm TlRMTVNTUAAB", "Negotiate", "NEGOTIATE YII=", "Basic realm=\"a\", NTLM", "Negotiate\tYII="] {
            assert!(is_challenge(&HeaderValue::from_static(text)), "{text}");
        }
        for text in ["Basic realm=\"NTLM\"", "Bearer ntlm", "Negotiated x", "", ",", "DPoP a"] {
            assert!(!is_challenge(&HeaderValue::from_static(text)), "{text}");
        }
    }

    #[test]
    fn other_challenges_stay() {
        let mut headers = HeaderMap::new();
        for text in ["Negotiate", "Basic realm=\"a\"", "NTLM"] {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(text));
        }
        assert!(remove_challenges(&mut headers));
        assert_eq!(headers.get_all(WWW_AUTHENTICATE).iter().collect::<Vec<_>>(), ["Basic realm=\"a\""]);
        assert!(!remove_challenges(&mut headers));
    }
}
