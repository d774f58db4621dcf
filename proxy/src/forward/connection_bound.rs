//! Ways to sign in at an app that belong to a connection instead of a request. Connections to apps are shared by everybody, so whoever
//! came next would be whoever signed in on them: these schemes do not pass, in either direction.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};

/// Whether one of the credentials or challenges in `value` is of such a scheme.
pub(super) fn is_challenge(value: &HeaderValue) -> bool {
    members(value.as_bytes()).into_iter().any(begins_bound)
}

/// Whether the credential of an `Authorization` header (RFC 9110, section 11.6.2) is of such a scheme. There should be one; some apps
/// take several.
pub(super) fn is_credential(value: &HeaderValue) -> bool {
    match memchr::memchr(b',', value.as_bytes()) {
        Some(_) => is_challenge(value),
        // A token is long, and this is on the way of every request: its scheme is all that counts.
        None => begins_bound(value.as_bytes().trim_ascii()),
    }
}

/// Takes such challenges off an app's answer; others that stand beside them stay. Returns whether there were any.
pub(super) fn remove_challenges(headers: &mut HeaderMap) -> bool {
    if !headers.get_all(WWW_AUTHENTICATE).iter().any(is_challenge) {
        return false;
    }
    let kept: Vec<HeaderValue> = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(others).collect();
    headers.remove(WWW_AUTHENTICATE);
    for value in kept {
        headers.append(WWW_AUTHENTICATE, value);
    }
    true
}

/// The challenges in `value` that may pass.
fn others(value: &HeaderValue) -> Option<HeaderValue> {
    if !is_challenge(value) {
        return Some(value.clone());
    }
    // Nobody knows where one of these ends and the next begins.
    split_outside_quotes(value.as_bytes())?;
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut bound = false;
    for member in members(value.as_bytes()).into_iter().filter(|member| !member.is_empty()) {
        // A parameter belongs to the challenge before it.
        if begins_bound(member) {
            bound = true;
        } else if begins_challenge(member) {
            bound = false;
        }
        if !bound {
            kept.push(member);
        }
    }
    if kept.is_empty() { None } else { HeaderValue::from_bytes(&kept.join(&b", "[..])).ok() }
}

/// The members of the list (RFC 9110, sections 5.6.1 and 11.6.1): challenges with their first parameter, and further parameters. If a
/// quotation does not end, whatever could be one.
fn members(value: &[u8]) -> Vec<&[u8]> {
    let split = split_outside_quotes(value).unwrap_or_else(|| value.split(|byte| *byte == b',').collect());
    split.into_iter().map(<[u8]>::trim_ascii).collect()
}

/// Split at commas; `None` if a quotation does not end.
fn split_outside_quotes(value: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut quoted, mut escaped) = (false, false);
    let split = value.split(|byte| {
        match (quoted, *byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => quoted = !quoted,
            (false, b',') => return true,
            _ => {}
        }
        false
    });
    let split = split.collect();
    (!quoted).then_some(split)
}

/// A scheme stands alone or before a blank; a parameter's name stands before `=`, around which there may be blanks.
fn begins_challenge(member: &[u8]) -> bool {
    let name = member.iter().take_while(|byte| !byte.is_ascii_whitespace() && **byte != b'=').count();
    member.get(name..).is_some_and(|rest| rest.trim_ascii_start().first() != Some(&b'='))
}

/// Its first word is such a scheme. Whoever reads less strictly may take it for one also where it is a parameter's name.
fn begins_bound(member: &[u8]) -> bool {
    let scheme = member.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    SCHEMES.iter().any(|bound| scheme.eq_ignore_ascii_case(bound))
}

/// RFC 4559, and what is like it.
const SCHEMES: [&[u8]; 4] = [b"negotiate", b"ntlm", b"kerberos", b"nego2"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    #[test]
    fn schemes_are_found_wherever_they_stand() {
        for text in [
            "NTLM",
            "ntlm TlRMTVNTUAAB",
            "Negotiate",
            "NEGOTIATE YII=",
            "Basic realm=\"a\", NTLM",
            "Negotiate\tYII=",
            "Basic realm=\"a\\\"\", NTLM",
            ",, NTLM",
            "Basic realm=\"open, NTLM",
            "Digest qop=auth, ntlm = x",
        ] {
            assert!(is_challenge(&value(text)), "{text}");
        }
        for text in [
            "Basic realm=\"NTLM\"",
            "Basic realm=\"Corp, NTLM\"",
            "Basic realm=\"\\\", NTLM\"",
            "Bearer ntlm",
            "Negotiated x",
            "Digest ntlm=x",
            "",
            ",",
            "DPoP a",
        ] {
            assert!(!is_challenge(&value(text)), "{text}");
        }
    }

    #[test]
    fn a_credential_is_judged_by_its_scheme() {
        for text in [
            "NTLM",
            "ntlm TlRMTVNTUAAB",
            "Negotiate",
            " NEGOTIATE YII=",
            "Negotiate\tYII=",
            ",NTLM x",
            "NTLM, x",
            "Bearer a, NTLM",
        ] {
            assert!(is_credential(&HeaderValue::from_static(text)), "{text}");
        }
        for text in ["Basic YTpi", "Bearer ntlm", "Negotiated x", "", ",", "Bearer a, b"] {
            assert!(!is_credential(&HeaderValue::from_static(text)), "{text}");
        }
    }

    #[test]
    fn other_challenges_stay() {
        let left = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for text in values {
                headers.append(WWW_AUTHENTICATE, value(text));
            }
            let removed = remove_challenges(&mut headers);
            assert!(!remove_challenges(&mut headers), "twice is once");
            let left = headers.get_all(WWW_AUTHENTICATE).iter().map(|value| value.to_str().unwrap().to_owned());
            (removed, left.collect::<Vec<_>>())
        };
        assert_eq!(left(&["Negotiate", "Basic realm=\"a\"", "NTLM"]), (true, vec!["Basic realm=\"a\"".to_owned()]));
        assert_eq!(left(&["Basic realm=\"Corp, NTLM\""]), (false, vec!["Basic realm=\"Corp, NTLM\"".to_owned()]));
        let several = "NTLM, Digest realm=\"a, b\", qop=auth, Negotiate YII=, realm=x, Basic";
        assert_eq!(left(&[several]), (true, vec!["Digest realm=\"a, b\", qop=auth, Basic".to_owned()]));
        assert_eq!(left(&["Basic realm=\"open, NTLM", "Basic"]), (true, vec!["Basic".to_owned()]));
    }

    /// A challenge as it is written: its members, and whether its scheme is bound to a connection.
    fn challenge() -> impl Strategy<Value = (Vec<String>, bool)> {
        let scheme = prop_oneof![
            prop::sample::select(vec!["Basic", "Bearer", "digest", "DPoP", "NTLMv9"]).prop_map(|name| (name.to_owned(), false)),
            prop::sample::select(vec!["NTLM", "Negotiate", "kerberos", "NEGO2"]).prop_map(|name| (name.to_owned(), true)),
        ];
        let quoted = prop::collection::vec(prop::sample::select(vec!["a", ", ", "NTLM", "\\\"", "\\\\", "=", " ", "\\,"]), 0..6);
        let given = prop_oneof![Just("token".to_owned()), quoted.prop_map(|parts| format!("\"{}\"", parts.concat()))];
        let parameter = (prop::sample::select(vec!["realm", "qop", "ntlm", "x"]), prop::sample::select(vec!["=", " = "]), given)
            .prop_filter("as a word by itself it could be a scheme", |(name, equals, _)| *name != "ntlm" || *equals == "=")
            .prop_map(|(name, equals, given)| format!("{name}{equals}{given}"));
        let rest = prop_oneof![Just(Vec::new()), Just(vec!["YII/+a==".to_owned()]), prop::collection::vec(parameter, 1..4),];
        (scheme, rest).prop_map(|((scheme, bound), rest)| {
            let mut rest = rest.into_iter();
            let first = rest.next().map_or_else(|| scheme.clone(), |first| format!("{scheme} {first}"));
            (std::iter::once(first).chain(rest).collect(), bound)
        })
    }

    fn written(challenges: &[(Vec<String>, bool)]) -> String {
        challenges.iter().flat_map(|(members, _)| members.clone()).collect::<Vec<_>>().join(", ")
    }

    proptest! {
        #[test]
        fn exactly_the_bound_ones_go(challenges in prop::collection::vec(challenge(), 0..5)) {
            let mut headers = HeaderMap::new();
            headers.append(WWW_AUTHENTICATE, value(&written(&challenges)));
            prop_assert_eq!(remove_challenges(&mut headers), challenges.iter().any(|(_, bound)| *bound));
            let others: Vec<_> = challenges.into_iter().filter(|(_, bound)| !*bound).collect();
            let left = headers.get(WWW_AUTHENTICATE).map_or("", |value| value.to_str().unwrap());
            prop_assert_eq!(left, written(&others));
        }

        #[test]
        fn nothing_bound_is_left_of_anything(text in "[ntlmNTLM\"\\\\,= \t]{0,24}|(NTLM|Basic|\"|,|=| |\\\\|realm){0,12}") {
            let mut headers = HeaderMap::new();
            headers.append(WWW_AUTHENTICATE, value(&text));
            remove_challenges(&mut headers);
            prop_assert!(!headers.get_all(WWW_AUTHENTICATE).iter().any(is_challenge));
        }
    }
}
