//! Credentials in headers: one of them, in one reading.

use serde_json::Value;

use super::headers::open;
use super::knock::Road;
use crate::harness::{House, Recorder};

/// Holds: 56.
#[tokio::test]
async fn one_credential_and_one_reading_of_it() {
    let road = open().await;
    let token = road.house.idp.token("alice", Some(road.laptop.thumbprint()));
    let ask = async |lines: String| {
        let raw = road.ask(&road.visitor, "GET /closed", lines).await;
        (raw.statuses(), raw.reason().unwrap_or_default())
    };
    let twice = (vec![400], "authorization_twice".to_owned());
    assert_eq!(ask(format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n")).await, twice);
    assert_eq!(ask(format!("Authorization: Basic YTpi\r\nAuthorization: Bearer {token}\r\n")).await, twice);
    assert_eq!(ask(format!("Authorization: \r\nAuthorization: Bearer {token}\r\n")).await, twice);
    for value in [
        format!("Basic {token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token} x"),
        format!("Bearer\t{token}"),
        format!("Bearer{token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer token={token}"),
        format!("Token {token}"),
        format!("DPoP {token}"),
        format!("Negotiate {token}"),
        token.clone(),
        "Bearer".to_owned(),
        "Bearer =".to_owned(),
    ] {
        assert_eq!(ask(format!("Authorization: {value}\r\n")).await.0, [401], "{value}");
        road.silent(&value);
    }
    // Where our cookie is, the token is not asked, whichever of them is right.
    for session in ["A".repeat(43), "x".to_owned(), String::new(), format!("{}; __Host-sekisho=x", "A".repeat(43))] {
        let lines = format!("Cookie: __Host-sekisho={session}\r\nAuthorization: Bearer {token}\r\n");
        assert_eq!(ask(lines).await.0, [401], "{session}");
    }
    assert_eq!(ask(format!("{}Cookie: a=b\r\n", road.alice.line)).await, (vec![400], "cookie_twice".to_owned()));
    road.silent("wrong credentials");
    let heard = road.passes(&road.alice, road.head(&road.alice, "GET /closed", "Authorization: Bearer wrong\r\n")).await;
    assert!(heard.has("corp/alice") && !heard.has("authorization"));
    // As many spaces as they like (RFC 9110, section 11.4).
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
        let heard = road
            .passes(&road.visitor, road.head(&road.visitor, "GET /closed", format!("Authorization: {scheme} {token}\r\n")))
            .await;
        assert!(heard.has("corp/alice") && !heard.has(&token), "{scheme}");
    }
}

/// Holds: 60.
#[tokio::test]
async fn an_assertion_is_for_one_app_and_opens_nothing_here() {
    let road = Road::planned(House::plan().app("files", "upstream = [\"{wiki}\"]"), "", Recorder::open().await).await;
    let heard = road.passes(&road.alice, road.head(&road.alice, "GET /closed", "")).await;
    let told = String::from_utf8_lossy(&heard.bytes).into_owned();
    let assertion = told.lines().find_map(|line| line.strip_prefix("sekisho-assertion: ")).unwrap().to_owned();
    let keys: jsonwebtoken::jwk::JwkSet =
        serde_json::from_value(road.house.stranger().get(&road.house.url("files", "/.sekisho/jwks.json")).await.json()).unwrap();
    let header = jsonwebtoken::decode_header(&assertion).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(header.kid.as_deref().unwrap()).unwrap()).unwrap();
    let open = |audience: &str| {
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
        rules.set_audience(&[audience]);
        rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        jsonwebtoken::decode::<Value>(&assertion, &key, &rules).map(|token| token.claims)
    };
    let claims = open("notes").unwrap();
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!((1..=300).contains(&life), "{claims}");
    for other in ["files", "wiki", "note", "notes2"] {
        assert!(open(other).is_err(), "{other}");
    }
    // Neither is it a credential at the gate, nor does any of the gate's own pages take somebody's word.
    for line in [
        format!("Authorization: Bearer {assertion}\r\n"),
        format!("Sekisho-Assertion: {assertion}\r\n"),
        format!("Cookie: __Host-sekisho={assertion}\r\n"),
    ] {
        let raw = road.ask(&road.visitor, "GET /closed", &line).await;
        assert_eq!(raw.statuses(), [401], "{line}: {}", raw.text());
        for own in ["GET /.sekisho/whoami?user=corp/alice&session=x", "GET /.sekisho/whoami?sekisho-assertion=x"] {
            let raw = road.ask(&road.visitor, own, &line).await;
            assert!(!raw.text().contains("alice@corp.example") && !raw.text().contains("corp/alice"), "{own}: {}", raw.text());
        }
    }
    road.silent("assertions");
}
