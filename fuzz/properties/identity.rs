//! What speaks of people: cookies, tokens, keys, a provider's words, names.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use sekisho::clock::Timestamp;
use sekisho::identify_user::cookie::{Cookie, Sent};
use sekisho::identify_user::jws::{Jws, JwsProblem};
use sekisho::identify_user::keys::{Algorithm, Found, KeySet, MAX_KEY_ID, Metadata};
use sekisho::inventory::{DeviceId, UserId};
use sekisho::secret::Digest;
use sekisho::sign_in::{FormId, fuzzing as sign_in};
use sekisho_certs::fingerprint;

/// Our cookies never reach an app; what is left is left alone, in order; and what names nobody names nobody however it is read.
pub(crate) fn cookie(bytes: &[u8]) {
    let Ok(header) = HeaderValue::from_bytes(bytes) else { return };
    let others = |header: &HeaderValue| -> Vec<Vec<u8>> {
        let pairs = header.as_bytes().split(|byte| *byte == b';').map(|pair| pair.trim_ascii().to_vec());
        pairs.filter(|pair| !pair.is_empty() && !pair.to_ascii_lowercase().starts_with(b"__host-sekisho")).collect()
    };
    let left = sekisho::forward::fuzzing::others_cookies(header.clone());
    assert_eq!(left.as_ref().map(&others).unwrap_or_default(), others(&header));
    if let Some(left) = &left {
        assert!(
            others(left).len()
                == left.as_bytes().split(|byte| *byte == b';').filter(|pair| !pair.trim_ascii().is_empty()).count()
        );
        assert_eq!(sekisho::forward::fuzzing::others_cookies(left.clone()).as_ref(), Some(left), "twice is once");
    }
    let mut headers = HeaderMap::new();
    headers.insert("cookie", header.clone());
    for ours in [Cookie::Session, Cookie::Attempt] {
        let sent = ours.sent(&headers);
        if let Ok(text) = header.to_str() {
            assert_eq!(ours.sent_in(Some(text)), sent);
            assert_eq!(ours.key_in(Some(text)).is_some(), matches!(sent, Sent::Token(_)));
        }
        // Once more beside itself, it names nobody.
        let name = [ours.name().as_bytes(), b"="].concat();
        if matches!(sent, Sent::Token(_)) {
            let again = [bytes, b"; ", &name, &[b'A'; 43]].concat();
            headers.insert("cookie", HeaderValue::from_bytes(&again).unwrap());
            assert_eq!(ours.sent(&headers), Sent::Malformed);
        }
    }
}

/// A token has one form, of which every byte counts; and without the key, no bytes are believed.
pub(crate) fn bearer(bytes: &[u8]) {
    let Ok(header) = HeaderValue::from_bytes(bytes) else { return };
    let headers = HeaderMap::from_iter([(AUTHORIZATION, header)]);
    // A token is looked at behind `Bearer`, and by itself as the provider gives it.
    if let Some(token) = sekisho::identify_user::fuzzing::bearer(&headers) {
        assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',' && byte != b'"'));
        token_of(token);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        token_of(text);
    }
}

fn token_of(token: &str) {
    let Ok(jws) = Jws::parse(token) else { return };
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    for part in parts {
        let decoded = URL_SAFE_NO_PAD.decode(part).expect("strict");
        assert_eq!(URL_SAFE_NO_PAD.encode(decoded), part, "one spelling only");
    }
    assert!(jws.header.key_id.as_ref().is_none_or(|id| (1..=MAX_KEY_ID).contains(&id.len())));
    assert_eq!(jws.verify(&KeySet::default()), Err(JwsProblem::UnknownKey));
    // The public halves are in the repository, the private ones nowhere.
    let keys = KeySet::parse(KEYS, "fuzz").expect("a key set");
    assert!(jws.verify(&keys).is_err(), "signed by nobody, and believed");
}

/// A key verifies by the algorithms of its kind, never by a symmetric one; and no id leads to two keys.
pub(crate) fn jwks(bytes: &[u8]) {
    let Ok(keys) = KeySet::parse(bytes, "fuzz") else { return };
    assert!(keys.len() <= 100);
    for name in ["HS256", "HS384", "HS512", "none", "None", "dir", "A128KW"] {
        assert_eq!(Algorithm::from_name(name), None, "{name}");
    }
    for name in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"] {
        let Some(algorithm) = Algorithm::from_name(name) else { continue };
        match keys.find(None, algorithm) {
            Found::Key(key) => {
                assert!(key.permits(algorithm));
                assert!(!key.verifies(algorithm, b"message", b"") && !key.verifies(algorithm, b"message", &[0; 64]));
                assert!(!key.verifies(algorithm, b"message", &[0; 256]) && !key.verifies(algorithm, b"", &[1]));
            }
            Found::Unknown => assert!(!matches!(keys.find(Some("never"), algorithm), Found::Key(_) | Found::Ambiguous)),
            Found::NotPermitted | Found::Ambiguous => {}
        }
    }
}

/// The provider speaks for itself alone, and leads nowhere but to https; the gate itself only to its host and one that is named.
pub(crate) fn discovery(bytes: &[u8]) {
    let Ok(metadata) = Metadata::parse(bytes, ISSUER, &["keys.example".to_owned()]) else { return };
    let document: serde_json::Value = serde_json::from_slice(bytes).expect("it was read");
    assert_eq!(document["issuer"], ISSUER);
    let further =
        [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.userinfo_endpoint, &metadata.end_session_endpoint];
    for uri in further.into_iter().flatten().chain([&metadata.jwks_uri]) {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let here = host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        assert!(uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && here), "{uri}");
        assert!(!host.is_empty(), "{uri}");
    }
    let called = [&metadata.token_endpoint, &metadata.userinfo_endpoint].into_iter().flatten().chain([&metadata.jwks_uri]);
    for host in called.filter_map(http::Uri::host) {
        let issuer: http::Uri = ISSUER.parse().expect("an address");
        assert!(
            issuer.host().is_some_and(|own| own.eq_ignore_ascii_case(host)) || host.eq_ignore_ascii_case("keys.example"),
            "{host}"
        );
    }
    assert!(metadata.issuer_on_callback == (document["authorization_response_iss_parameter_supported"] == true));
}

/// A parameter has one value, or the query has no meaning; what is written is read back.
pub(crate) fn callback(bytes: &[u8]) {
    let Ok(query) = std::str::from_utf8(bytes) else { return };
    let Ok(values) = sign_in::parameters(query, NAMES) else { return };
    let known: Vec<(&str, &str)> =
        NAMES.iter().zip(&values).filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    let again = sign_in::parameters(&sign_in::written(known.iter().copied()), NAMES).expect("what was read can be written");
    assert_eq!(again, values);
    for (name, value) in known {
        let twice = format!("{query}&{}", sign_in::written([(name, value)]));
        assert!(sign_in::parameters(&twice, NAMES).is_err(), "{name} twice");
    }
    if let Some(id) = FormId::from_body(bytes) {
        assert_eq!(bytes, format!("{}={}", FormId::FIELD, id.as_str()).as_bytes());
        assert_eq!(bytes.len() as u64, FormId::BODY_LENGTH);
    }
}

/// Whatever ends sessions is of the one issuer, for the one client, of its kind, young, names somebody, and was not signed by nobody. A
/// form holds one token. For a fuzzer that does not know base64, a line of header and then a payload are a token too.
pub(crate) fn logout(bytes: &[u8]) {
    if let Ok(token) = sign_in::logout_form(bytes) {
        let form = sign_in::written([("logout_token", token.as_str())]);
        let short = form.len() < 16 * 1024;
        assert!(!short || sign_in::logout_form(form.as_bytes()).ok().as_ref() == Some(&token));
        assert!(sign_in::logout_form(format!("{form}&{form}").as_bytes()).is_err(), "two of them");
        logout_of(&token);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    logout_of(text);
    if let Some((header, payload)) = text.split_once('\n') {
        logout_of(&format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload)));
    }
}

fn logout_of(token: &str) {
    let Ok(word) = sign_in::logout(token, ISSUER, "gate", NOW) else { return };
    token_of(token);
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap_or_default()).expect("strict");
    let payload: serde_json::Value = serde_json::from_slice(&payload).expect("it was read");
    assert_eq!(payload["iss"], ISSUER);
    let audience = match &payload["aud"] {
        serde_json::Value::Array(several) => several.clone(),
        one => vec![one.clone()],
    };
    assert!(audience.contains(&"gate".into()));
    assert!(audience.len() == 1 || payload["azp"] == "gate");
    assert!(payload["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
    assert!(payload.get("nonce").is_none(), "an ID token");
    let (issued, ends) = (payload["iat"].as_f64().expect("a number"), payload["exp"].as_f64().expect("a number"));
    let now = NOW.0 as f64 / 1000.0;
    assert!(issued <= now + 30.0 && issued > now - 331.0 && ends > now - 30.0, "{issued} {ends}");
    assert!(word.until > NOW && word.until.0 <= NOW.0 + 361_000);
    assert_eq!(word.meant.at.0 as f64, (issued * 1000.0).trunc());
    assert!(payload["jti"].as_str().is_some_and(|id| !id.is_empty()));
    let said = |name: &str| payload.get(name).map(|value| value.as_str().expect("text").to_owned());
    assert_eq!((&word.meant.sid, &word.meant.subject), (&said("sid"), &said("sub")));
    assert!(word.meant.sid.is_some() || word.meant.subject.is_some());
    // Of another issuer, for another client, or at another time, it says nothing.
    assert!(sign_in::logout(token, "https://idp.test/", "gate", NOW).is_err());
    assert!(sign_in::logout(token, ISSUER, "gate2", NOW).is_err() || audience.contains(&"gate2".into()));
    assert!(sign_in::logout(token, ISSUER, "gate", word.until).is_err());
}

/// Names of devices and people have one spelling, fit into what they are written to, and come back as they went.
pub(crate) fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(id) = text.parse::<DeviceId>() {
        assert_eq!(id.as_str(), text);
        assert!((1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
        assert!(!text.contains(['/', '"', '\\', '%', '\'', '<', '&']));
        let uri = sekisho_certs::authority::uri_of_device("gate.test", text).expect("every id can stand in a certificate");
        assert_eq!(sekisho_certs::authority::device_of_uri("gate.test", &uri), Some(text));
        assert_eq!(sekisho_certs::authority::device_of_uri("other.test", &uri), None);
    }
    if let Some(id) = sekisho_certs::authority::device_of_uri("gate.test", text) {
        assert_eq!(sekisho_certs::authority::uri_of_device("gate.test", id).as_deref(), Some(text));
    }
    if let Ok(user) = text.parse::<UserId>() {
        assert_eq!(user.to_string(), text);
        assert!(!user.provider.contains('/'));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string().parse::<Digest>().ok(), Some(digest));
    }
    if let Some(print) = fingerprint::from_people(text) {
        assert_eq!(fingerprint::from_people(&fingerprint::for_people(&print)), Some(print));
    }
}

const ISSUER: &str = "https://idp.test/tenant/";
/// When it is, for logout tokens.
const NOW: Timestamp = Timestamp(1_790_000_000_000);
const NAMES: &[&str] = &["code", "state", "iss", "error", "form", "to"];

/// Public keys whose private halves were thrown away.
const KEYS: &[u8] = include_bytes!("keys.json");
