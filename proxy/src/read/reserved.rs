//! Header names that may not come from outside: those that we write, those that apps have been known to believe, and their
//! look-alikes. One table.

use http::HeaderMap;
use http::header::HeaderName;

/// Takes every reserved header off, and every one whose name could be read as another: some servers make `-` of `_` and `.`,
/// so what has anything but letters, digits and `-` in its name is dropped, as nginx does.
pub(super) fn strip(headers: &mut HeaderMap) {
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| is_reserved(name.as_str())).cloned().collect();
    for name in &doomed {
        headers.remove(name);
    }
}

/// Whether a header of this name (lower case) is taken off.
pub(super) fn is_reserved(name: &str) -> bool {
    !is_plain(name) || (may_be_listed(name) && (EXACT.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))))
}

/// Whether one of the tables has a name that begins like this one: most of what clients send does not.
fn may_be_listed(name: &str) -> bool {
    let beginning = name.as_bytes().first_chunk::<2>();
    beginning.is_none_or(|two| BEGINNINGS.contains(two))
}

fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The first two letters of everything in the tables below; a test holds them together.
const BEGINNINGS: [[u8; 2]; 13] =
    [*b"x-", *b"se", *b"re", *b"tr", *b"ta", *b"tl", *b"cl", *b"cf", *b"ss", *b"fo", *b"fr", *b"fa", *b"pr"];

/// Whole names.
const EXACT: &[&str] = &[
    // What we write ourselves, beside the families below.
    "traceparent",
    "tracestate",
    "x-request-id",
    "x-correlation-id",
    // Where a request came from.
    "forwarded",
    "client-ip",
    "true-client-ip",
    "fastly-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-ipcountry",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-proxyuser-ip",
    "x-host",
    "x-url-scheme",
    "x-scheme",
    "front-end-https",
    // Who sent it.
    "from-user",
    "x-user",
    "x-username",
    "x-user-id",
    "x-user-name",
    "x-user-email",
    "x-user-groups",
    "x-user-roles",
    "x-userinfo",
    "x-email",
    "x-group",
    "x-groups",
    "x-role",
    "x-roles",
    "x-device-id",
    "x-access-token",
    "x-id-token",
    "x-amzn-oidc-identity",
    // Which certificate was shown.
    "client-cert",
    "client-cert-chain",
    "x-client-verify",
    "x-client-dn",
    "x-client-subject",
    "x-arr-clientcert",
    // What a request is for, said twice.
    "x-rewrite-url",
    "x-override-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-http-path-override",
    "x-http-host-override",
    "x-middleware-subrequest",
    // httpoxy: becomes HTTP_PROXY in CGI.
    "proxy",
];

/// Families of names.
const PREFIXES: &[&str] = &[
    "sekisho-",
    "x-sekisho-",
    "x-forwarded-",
    "forwarded-",
    "x-original-",
    "x-auth-",
    "x-authenticated-",
    "x-authentik-",
    "x-authelia-",
    "x-remote-",
    "remote-",
    "x-ssl-",
    "ssl-",
    "x-client-cert",
    "x-tls-client-",
    "tls-client-",
    "x-mtls-",
    "cf-client-cert-",
    "x-webauth-",
    "x-vouch-",
    "x-pomerium-",
    "x-envoy-",
    "x-goog-iap-",
    "x-goog-authenticated-",
    "x-amzn-oidc-",
    "x-amzn-mtls-",
    "x-ms-client-principal",
    "x-ms-token-",
    "cf-access-",
    "tailscale-",
    "x-skipper-",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_their_families_and_their_look_alikes_go() {
        for name in [
            "sekisho-assertion",
            "sekisho-anything",
            "x-forwarded-user",
            "x-forwarded-for",
            "forwarded",
            "forwarded-user",
            "x_forwarded_user",
            "x-forwarded_user",
            "x.forwarded.user",
            "x-auth-request-user",
            "remote-user",
            "client-cert",
            "x-request-id",
            "traceparent",
            "proxy",
            "transfer_encoding",
            "authorization_",
            "cook_ie",
            "x-http-method-override",
            "x!y",
        ] {
            assert!(is_reserved(name), "{name}");
        }
    }

    #[test]
    fn no_listed_name_is_overlooked_for_its_first_letters() {
        for name in EXACT.iter().chain(PREFIXES) {
            assert!(may_be_listed(name) && is_reserved(name), "{name}");
        }
        assert!(!may_be_listed("accept") && !may_be_listed("user-agent") && !may_be_listed("cookie"));
    }

    #[test]
    fn ordinary_names_stay() {
        for name in [
            "accept",
            "authorization",
            "cookie",
            "content-type",
            "if-none-match",
            "origin",
            "referer",
            "sec-fetch-mode",
            "user-agent",
            "x-csrf-token",
            "x-requested-with",
            "x-client-version",
            "grpc-timeout",
            "via",
            "proxied",
        ] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn every_value_of_a_reserved_header_goes() {
        let mut headers = HeaderMap::new();
        for name in ["x-forwarded-user", "accept", "x-forwarded-user", "x_forwarded_user"] {
            headers.append(HeaderName::from_static(name), http::HeaderValue::from_static("v"));
        }
        strip(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }
}
