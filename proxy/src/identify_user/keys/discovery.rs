//! What a provider says about itself (OpenID Connect Discovery 1.0, section 3).

use http::Uri;
use serde::Deserialize;

use super::super::json;
use crate::outbound::may_call;

/// The part of the discovery document that the gate uses, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Where its keys are.
    pub jwks_uri: Uri,
    /// Where browsers are sent to sign in.
    pub authorization_endpoint: Option<Uri>,
    /// Where a code is exchanged.
    pub token_endpoint: Option<Uri>,
    /// Where further claims are.
    pub userinfo_endpoint: Option<Uri>,
    /// Where browsers are sent to sign out (OpenID Connect RP-Initiated Logout 1.0).
    pub end_session_endpoint: Option<Uri>,
    /// Where tokens are given back (RFC 7009).
    pub revocation_endpoint: Option<Uri>,
    /// Where a terminal begins to have somebody sign in elsewhere (RFC 8628).
    pub device_authorization_endpoint: Option<Uri>,
    /// The same places for who shows a certificate (RFC 8705, section 5).
    pub with_certificate: WithCertificate,
    /// It has the scope `offline_access`.
    pub offline_access: bool,
    /// How the gate shows its client secret; `None` if it knows none of the provider's ways.
    pub secret_in: Option<SecretIn>,
    /// PKCE with S256 is offered, or nothing is said about PKCE.
    pub pkce: bool,
    /// Each callback says who sent it (RFC 9207): one that does not is refused.
    pub issuer_on_callback: bool,
    /// It takes `claims`, by which an `acr` can be made essential (OpenID Connect Core 1.0, section 5.5.1.1).
    pub claims_parameter: bool,
}

/// Places that ask for a client's certificate, where they are not the usual ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WithCertificate {
    /// Of tokens.
    pub token_endpoint: Option<Uri>,
    /// Where tokens are given back.
    pub revocation_endpoint: Option<Uri>,
    /// Where a terminal begins.
    pub device_authorization_endpoint: Option<Uri>,
}

#[derive(Default, Deserialize)]
struct Aliases {
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
}

/// Where a client secret goes (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretIn {
    /// `client_secret_basic`.
    Header,
    /// `client_secret_post`.
    Body,
}

/// The discovery document is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Not the JSON that it should be.
    #[error("the discovery document is malformed: {0}")]
    Malformed(String),
    /// It speaks for another issuer.
    #[error("the discovery document is of the issuer {0}, which is not the configured one")]
    OtherIssuer(String),
    /// The same but for a slash at the end. Tokens carry the issuer letter by letter, so that it is not the same.
    #[error("the provider calls itself {0}: the configured `issuer` differs by the slash at its end")]
    OtherBySlash(String),
    /// It leads to a place that the gate does not call.
    #[error("`{0}` of the discovery document is not an https address")]
    NotHttps(&'static str),
    /// It leads to a host that nobody named.
    #[error("`{member}` of the discovery document is at `{host}`; if that host is right, write it into `hosts`")]
    OtherHost {
        /// Which member.
        member: &'static str,
        /// Where it leads.
        host: String,
    },
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    mtls_endpoint_aliases: Option<Aliases>,
    scopes_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    authorization_response_iss_parameter_supported: Option<bool>,
    claims_parameter_supported: Option<bool>,
}

impl Metadata {
    /// The address of an issuer's discovery document.
    pub fn address(issuer: &str) -> String {
        format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer))
    }

    /// Reads the document that was found at [`Metadata::address`] of `issuer`. What the gate itself will call has to be at the
    /// issuer's host or at one of `hosts`: whoever can write the document shall not choose whom we talk to.
    ///
    /// # Errors
    /// [`MetadataError`], with words for the operator.
    pub fn parse(document: &[u8], issuer: &str, hosts: &[String]) -> Result<Self, MetadataError> {
        // What the gate does not look at has to be sound too: a document with two readings is nobody's word.
        let members = json::object(document).map_err(|error| MetadataError::Malformed(error.to_string()))?;
        let document = serde_json::from_value::<Document>(members.into());
        let document = document.map_err(|error| MetadataError::Malformed(error.to_string()))?;
        if document.issuer != issuer {
            let by_slash = document.issuer.trim_end_matches('/') == issuer.trim_end_matches('/');
            let problem = if by_slash { MetadataError::OtherBySlash } else { MetadataError::OtherIssuer };
            return Err(problem(document.issuer));
        }
        let own: Option<Uri> = issuer.parse().ok();
        let called = |uri: &str, member| {
            let uri = callable(uri, member)?;
            let host = uri.host().unwrap_or_default().to_ascii_lowercase();
            let at_issuer = own.as_ref().and_then(Uri::host).is_some_and(|own| own.eq_ignore_ascii_case(&host));
            if !at_issuer && !hosts.contains(&host) {
                return Err(MetadataError::OtherHost { member, host });
            }
            // Plain http is for a provider on this machine that itself is spoken to so: no other may send us to our neighbours here.
            let plain = own.as_ref().is_some_and(|own| own.scheme_str() == Some("http"));
            if uri.scheme_str() == Some("http") && !plain { Err(MetadataError::NotHttps(member)) } else { Ok(uri) }
        };
        let called_too = |uri: Option<String>, member| uri.map(|uri| called(&uri, member)).transpose();
        // What can be done without, is: one at a place that nobody named is no reason to do without the provider.
        let if_named = |uri: Option<String>, member| uri.and_then(|uri| called(&uri, member).ok());
        let aliases = document.mtls_endpoint_aliases.unwrap_or_default();
        let optional = |uri: Option<String>, name| uri.map(|uri| callable(&uri, name)).transpose();
        Ok(Self {
            jwks_uri: called(&document.jwks_uri, "jwks_uri")?,
            authorization_endpoint: optional(document.authorization_endpoint, "authorization_endpoint")?,
            token_endpoint: called_too(document.token_endpoint, "token_endpoint")?,
            userinfo_endpoint: called_too(document.userinfo_endpoint, "userinfo_endpoint")?,
            end_session_endpoint: optional(document.end_session_endpoint, "end_session_endpoint")?,
            revocation_endpoint: if_named(document.revocation_endpoint, "revocation_endpoint"),
            device_authorization_endpoint: if_named(document.device_authorization_endpoint, "device_authorization_endpoint"),
            with_certificate: WithCertificate {
                token_endpoint: if_named(aliases.token_endpoint, "mtls_endpoint_aliases"),
                revocation_endpoint: if_named(aliases.revocation_endpoint, "mtls_endpoint_aliases"),
                device_authorization_endpoint: if_named(aliases.device_authorization_endpoint, "mtls_endpoint_aliases"),
            },
            offline_access: document.scopes_supported.is_some_and(|known| known.iter().any(|scope| scope == "offline_access")),
            secret_in: secret_in(document.token_endpoint_auth_methods_supported.as_deref()),
            pkce: document.code_challenge_methods_supported.is_none_or(|known| known.iter().any(|method| method == "S256")),
            issuer_on_callback: document.authorization_response_iss_parameter_supported == Some(true),
            claims_parameter: document.claims_parameter_supported == Some(true),
        })
    }
}

fn callable(uri: &str, name: &'static str) -> Result<Uri, MetadataError> {
    uri.parse().ok().filter(may_call).ok_or(MetadataError::NotHttps(name))
}

/// A provider that says nothing takes the header (Discovery 1.0); of those that take both, the header keeps the secret out of
/// bodies that somebody logs. A public client shows none, whatever the provider takes.
fn secret_in(methods: Option<&[String]>) -> Option<SecretIn> {
    let Some(methods) = methods else { return Some(SecretIn::Header) };
    let takes = |method: &str| methods.iter().any(|taken| taken == method);
    if takes("client_secret_basic") {
        Some(SecretIn::Header)
    } else if takes("client_secret_post") || takes("none") {
        Some(SecretIn::Body)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://idp.example/tenant/";

    fn document() -> serde_json::Value {
        json!({
            "issuer": ISSUER,
            "jwks_uri": "https://keys.example/jwks",
            "authorization_endpoint": "https://idp.example/auth",
            "token_endpoint": "https://idp.example/token",
        })
    }

    fn parse(document: &serde_json::Value) -> Result<Metadata, MetadataError> {
        Metadata::parse(document.to_string().as_bytes(), ISSUER, &["keys.example".to_owned()])
    }

    #[test]
    fn a_sound_document_is_taken() {
        let metadata = parse(&document()).unwrap();
        assert_eq!(metadata.jwks_uri, "https://keys.example/jwks");
        assert_eq!(metadata.secret_in, Some(SecretIn::Header));
        assert!(metadata.pkce);
        assert_eq!(Metadata::address(ISSUER), "https://idp.example/tenant/.well-known/openid-configuration");
    }

    #[test]
    fn a_document_with_two_readings_is_none() {
        let sound = document().to_string();
        let end = sound.strip_suffix('}').unwrap();
        for more in [r#","x":1,"x":2}"#, r#","jwks_uri":"https://other.example/"}"#] {
            assert!(
                matches!(Metadata::parse(format!("{end}{more}").as_bytes(), ISSUER, &[]), Err(MetadataError::Malformed(_))),
                "{more}"
            );
        }
        let not_utf8 = [end.as_bytes(), b",\"x\":\"\xff\"}"].concat();
        assert!(matches!(Metadata::parse(&not_utf8, ISSUER, &[]), Err(MetadataError::Malformed(_))));
    }

    #[test]
    fn another_issuer_is_refused_even_by_a_slash() {
        let told = |issuer: &str| {
            let mut document = document();
            document["issuer"] = issuer.into();
            parse(&document)
        };
        for issuer in ["https://evil.example/", "HTTPS://idp.example/tenant/"] {
            assert_eq!(told(issuer), Err(MetadataError::OtherIssuer(issuer.to_owned())));
        }
        for issuer in ["https://idp.example/tenant", "https://idp.example/tenant//"] {
            assert_eq!(told(issuer), Err(MetadataError::OtherBySlash(issuer.to_owned())));
        }
    }

    #[test]
    fn it_cannot_lead_us_elsewhere() {
        for member in ["jwks_uri", "token_endpoint", "userinfo_endpoint", "end_session_endpoint", "authorization_endpoint"] {
            for uri in ["http://169.254.169.254/latest", "file:///etc/passwd", "gopher://x/", "//idp.example/x", ""] {
                let mut document = document();
                document[member] = uri.into();
                assert!(matches!(parse(&document), Err(MetadataError::NotHttps(_))), "{member} {uri}");
            }
        }
    }

    #[test]
    fn it_leads_to_the_issuer_and_to_hosts_that_are_named() {
        for member in ["jwks_uri", "token_endpoint", "userinfo_endpoint"] {
            for uri in ["https://IDP.example:8443/x", "https://keys.example/x"] {
                let mut document = document();
                document[member] = uri.into();
                assert!(parse(&document).is_ok(), "{member} {uri}");
            }
            for uri in
                ["https://127.0.0.1/x", "https://evil.example/x", "https://keys.example.evil.example/", "https://x.idp.example/"]
            {
                let mut document = document();
                document[member] = uri.into();
                assert!(matches!(parse(&document), Err(MetadataError::OtherHost { .. })), "{member} {uri}");
            }
        }
        let local = |issuer: &str| {
            let document = json!({"issuer": issuer, "jwks_uri": "http://localhost:9464/metrics"}).to_string();
            Metadata::parse(document.as_bytes(), issuer, &["localhost".to_owned()])
        };
        assert_eq!(local("https://localhost:1"), Err(MetadataError::NotHttps("jwks_uri")));
        assert!(local("http://localhost:1").is_ok());
    }

    #[test]
    fn tokens_are_given_back_to_the_issuer_and_to_hosts_that_are_named_only() {
        for (uri, called) in
            [("https://idp.example/revoke", true), ("https://keys.example/", true), ("https://evil.example/", false)]
        {
            let mut document = document();
            document["revocation_endpoint"] = uri.into();
            assert_eq!(parse(&document).unwrap().revocation_endpoint.is_some(), called, "{uri}");
        }
        assert!(!parse(&document()).unwrap().offline_access);
        let mut with = document();
        with["scopes_supported"] = json!(["openid", "offline_access"]);
        assert!(parse(&with).unwrap().offline_access);
    }

    #[test]
    fn a_provider_without_s256_is_noticed() {
        let mut document = document();
        document["code_challenge_methods_supported"] = json!(["plain"]);
        assert!(!parse(&document).unwrap().pkce);
        document["code_challenge_methods_supported"] = json!(["plain", "S256"]);
        assert!(parse(&document).unwrap().pkce);
    }

    #[test]
    fn the_secret_goes_where_the_provider_takes_it() {
        for (methods, expected) in [
            (json!(["client_secret_post", "client_secret_basic"]), Some(SecretIn::Header)),
            (json!(["client_secret_post"]), Some(SecretIn::Body)),
            (json!(["none"]), Some(SecretIn::Body)),
            (json!(["private_key_jwt"]), None),
        ] {
            let mut document = document();
            document["token_endpoint_auth_methods_supported"] = methods;
            assert_eq!(parse(&document).unwrap().secret_in, expected);
        }
    }
}
