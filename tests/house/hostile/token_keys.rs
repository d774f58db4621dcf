//! The keys of identity providers, and the roads to them: what a lying, broken or changing provider can and cannot do.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{ACCESS_TOKEN, Client, House, Liar, Page, Plan, Signer, changed, encode, eventually, jwks, now};

const ANYBODY: &str = "@id(\"anybody\")\npermit (principal, action in Action::\"use\", resource);\n";

fn plan() -> Plan {
    House::plan().policies(ANYBODY)
}

fn section(name: &str, issuer: &str, lines: &str) -> String {
    format!("[[identity_provider]]\nname = \"{name}\"\nissuer = \"{issuer}\"\naudience = \"sekisho\"\n{lines}\n")
}

fn claims(issuer: &str) -> Value {
    json!({ "iss": issuer, "aud": "sekisho", "sub": "ana", "iat": now(), "exp": now() + 300 })
}

async fn shown(house: &House, program: &Client, token: &str) -> u16 {
    program.clone().with_token(token).get(&house.url("wiki", "/api")).await.status.as_u16()
}

/// Holds: 116.
#[tokio::test]
async fn a_key_that_is_not_sound_verifies_nothing() {
    let liar = Liar::open("liar", &json!({})).await;
    let (ec, rsa) = (Signer::es256("k"), Signer::rsa("k"));
    let ec_with = |members: Value| vec![ec.jwk_with(&changed(&json!({ "kid": "k" }), &members))];
    let other = Signer::es256("k").jwk();
    // With an exponent of 1, the padded hash is its own signature, and anybody can write it.
    let of_one = rsa.jwk_with(&json!({ "kid": "k", "alg": "RS256", "e": "AQ" }));
    let oct = json!({ "kty": "oct", "k": encode("everybody knows this"), "kid": "o" });
    let cases: Vec<(&str, Vec<Value>, bool)> = vec![
        ("sound", ec_with(json!({})), true),
        ("for signatures", ec_with(json!({ "use": "sig", "key_ops": ["verify"], "alg": "ES256" })), true),
        (
            "beside a bad one",
            vec![ec.jwk(), json!({ "kty": "EC", "kid": "bad" }), json!({ "kty": "new", "kid": "n" }), json!(7)],
            true,
        ),
        ("beside a symmetric one", vec![ec.jwk(), oct], false),
        ("twice the name", vec![ec.jwk(), other], false),
        ("for encryption", ec_with(json!({ "use": "enc" })), false),
        ("for signing only", ec_with(json!({ "key_ops": ["sign"] })), false),
        ("for no operation", ec_with(json!({ "key_ops": [] })), false),
        ("for another algorithm", ec_with(json!({ "alg": "ES384" })), false),
        ("for an HMAC", ec_with(json!({ "alg": "HS256" })), false),
        ("of another curve", ec_with(json!({ "crv": "P-384" })), false),
        ("of another type", ec_with(json!({ "kty": "RSA" })), false),
        ("beside its curve", ec_with(json!({ "y": ec.jwk()["x"] })), false),
        ("padded", ec_with(json!({ "x": format!("{}=", ec.jwk()["x"].as_str().unwrap()) })), false),
        ("without a name, in a set of two", vec![ec.jwk_with(&json!({})), Signer::es256("z").jwk_with(&json!({}))], false),
        ("an exponent of one", vec![of_one], false),
    ];
    let mut planned = plan()
        .file("weak.json", &jwks([weak()]))
        .set("end", &section("weak", "https://weak.example", "jwks_file = \"weak.json\""));
    let issuers: Vec<String> = (0..cases.len()).map(|number| format!("t{number}")).collect();
    let issuers: Vec<String> = cases
        .iter()
        .zip(&issuers)
        .map(|((_, keys, _), name)| liar.tenant(name, &json!({}), Page::Text(200, jwks(keys.clone()))))
        .collect();
    for (number, issuer) in issuers.iter().enumerate() {
        planned = planned.set("end", &section(&format!("t{number}"), issuer, ""));
    }
    let house = planned.open().await;
    let program = house.laptop("lap-7", "alice").await.client(&house);
    let tokens: Vec<String> = cases
        .iter()
        .zip(&issuers)
        .map(|((what, _, _), issuer)| match *what {
            "an exponent of one" => forged_for_one(&claims(issuer)),
            "without a name, in a set of two" => ec.sign_with(&json!({ "alg": "ES256" }), &claims(issuer)),
            _ => ec.sign(&claims(issuer)),
        })
        .collect();
    let told = join_all(tokens.iter().map(|token| shown(&house, &program, token))).await;
    for ((what, _, sound), status) in cases.iter().zip(told) {
        assert!(if *sound { status == 200 } else { matches!(status, 401 | 503) }, "{what}: {status}");
    }
    assert_ne!(shown(&house, &program, WEAK).await, 200, "1024 bits");

    // Signatures that are not in the one form.
    let good = ec.sign(&claims(&issuers[0]));
    assert_eq!(shown(&house, &program, &good).await, 200);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth((alphabet.find(last).unwrap() + 1) % 64).unwrap();
    for (what, signature) in [
        ("zero", "A".repeat(86)),
        ("bits left over", format!("{}{next}", signature.strip_suffix(last).unwrap())),
        ("too long", format!("{signature}AAAA")),
        ("too short", signature.chars().take(84).collect()),
        ("DER", format!("MEUC{signature}")),
    ] {
        assert_eq!(shown(&house, &program, &format!("{message}.{signature}")).await, 401, "{what}");
    }
}

/// A key of 1024 bits that was made for this test, and what it signed.
fn weak() -> Value {
    json!({ "kty": "RSA", "kid": "weak", "e": "AQAB", "n": "6_8uQPVDUMzQ6_L05J6chI8i06A83iOheP8bitjZgEs-1bg-hpXjZoSa7_95Lciu3sOUqlLn-DkUKq2aAyEfCDQYK4rbwmcxNHxpaTM07dpS4abawuXqGCpSF8NT_lBbHNF2pqD7B1-g-i8PdgEhRhK25Lwz04SV_IUxkRBN0UU" })
}

const WEAK: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6IndlYWsifQ.eyJpc3MiOiJodHRwczovL3dlYWsuZXhhbXBsZSIsImF1ZCI6InNla2lzaG8iLCJzdWIiOiJhbmEiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDEwMjQ0NDgwMH0.qT78i3T9eOHkEUMXHoiwJZZIIn4YgiGMnlE5nJKnS2P6XlQXj2YEk3cJYPKnoFjw-MU54rmFj3eJvP4sr8zGXzdyr5uDm-YWUiSG9cfQKd531GYKAMwv0aW1ZWRhghwpvtRkC31yKEPu9375lbq42acZ6C_VXYnswuVjPxZCjRk";

/// The padded SHA-256 of a token (RFC 8017, section 9.2), which is what a key with the exponent 1 takes for its signature.
fn forged_for_one(claims: &Value) -> String {
    let message = format!("{}.{}", encode(json!({ "alg": "RS256", "kid": "k" }).to_string()), encode(claims.to_string()));
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, message.as_bytes());
    let info = [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];
    let padding = vec![0xff; 256 - 3 - info.len() - 32];
    let padded = [&[0, 1][..], &padding, &[0], &info, hash.as_ref()].concat();
    format!("{message}.{}", encode(padded))
}

/// Holds: 111.
#[tokio::test]
async fn unknown_key_ids_ask_the_provider_once_in_a_while() {
    let liar = Liar::open("liar", &json!({})).await;
    let wide = plan().set("limits", "connections_per_address = 1000");
    let house = wide.set("end", &section("liar", &liar.issuer, "")).open().await;
    let program = house.laptop("lap-7", "alice").await.client(&house);
    let good = liar.signer.sign(&liar.claims("ana"));
    assert_eq!(shown(&house, &program, &good).await, 200);
    let (before, began) = (liar.asked("/jwks"), Instant::now());
    let unknown = |number: usize| liar.signer.named(&format!("unknown-{number}")).sign(&liar.claims("ana"));
    let tokens: Vec<String> = (0..300).map(unknown).collect();
    let storm = join_all(tokens.iter().map(|token| shown(&house, &program, token)));
    let others = async {
        // While they wait, those who are known do not.
        for _ in 0..10 {
            let asked = Instant::now();
            assert_eq!(shown(&house, &program, &good).await, 200);
            assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
        }
    };
    let (statuses, ()) = futures_util::future::join(storm, others).await;
    assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    // Again, and with the same: that nobody knows them is remembered.
    let again = join_all(tokens.iter().take(20).map(|token| shown(&house, &program, token))).await;
    assert!(again.iter().all(|status| *status == 401), "{again:?}");
    let (asked, most) = (liar.asked("/jwks") - before, began.elapsed().as_secs() / 3 + 2);
    assert!(asked as u64 <= most, "the provider was asked {asked} times in {:?}", began.elapsed());
}

/// Holds: 119.
#[tokio::test]
async fn a_provider_cannot_choose_whom_we_talk_to() {
    let (liar, inside) = (Liar::open("liar", &json!({})).await, Liar::open("liar", &json!({})).await);
    let secret = format!("{}/secret", inside.issuer);
    inside.shows("/secret", Page::Text(200, jwks([liar.signer.jwk()])));
    let port = inside.issuer.rsplit_once(':').unwrap().1;
    let keys = || Page::Text(200, jwks([liar.signer.jwk()]));
    let elsewhere = |uri: &str| (json!({ "jwks_uri": uri }), keys());
    let deep = format!("{{\"keys\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let cases: Vec<(&str, (Value, Page))> = vec![
        ("true", (json!({}), keys())),
        ("the cloud's own address", elsewhere("http://169.254.169.254/latest/meta-data")),
        ("a file", elsewhere("file:///etc/passwd")),
        ("another scheme", elsewhere("gopher://127.0.0.1/x")),
        ("no scheme", elsewhere("//127.0.0.1/x")),
        ("no address", elsewhere("")),
        ("another name of this machine", elsewhere(&format!("http://localhost:{port}/secret"))),
        ("the other family", elsewhere(&format!("http://[::1]:{port}/secret"))),
        ("a short form", elsewhere(&format!("http://127.1:{port}/secret"))),
        ("with a user name", elsewhere(&format!("http://127.0.0.1@localhost:{port}/secret"))),
        ("over https, and not named", elsewhere(&format!("https://localhost:{port}/secret"))),
        ("a redirect", (json!({}), Page::Redirect(secret.clone()))),
        ("without end", (json!({}), Page::Endless)),
        ("slow", (json!({}), Page::Slow)),
        ("another issuer", (json!({ "issuer": "https://tokens.example" }), keys())),
        ("a token endpoint elsewhere", (json!({ "token_endpoint": "https://127.0.0.1.evil.example/" }), keys())),
        ("too deep", (json!({}), Page::Text(200, deep))),
        ("not found", (json!({}), Page::Text(404, jwks([liar.signer.jwk()])))),
    ];
    let mut planned = plan();
    let mut issuers = Vec::new();
    for (number, (_, (document, keys))) in cases.iter().enumerate() {
        let issuer = liar.tenant(&format!("t{number}"), document, keys.clone());
        planned = planned.set("end", &section(&format!("t{number}"), &issuer, ""));
        issuers.push(issuer);
    }
    liar.shows(
        "/moved/.well-known/openid-configuration",
        Page::Redirect(format!("{}/.well-known/openid-configuration", issuers[0])),
    );
    let moved = format!("{}/moved", liar.issuer);
    let house = planned.set("end", &section("moved", &moved, "")).open().await;
    let program = house.laptop("lap-7", "alice").await.client(&house);
    assert_eq!(shown(&house, &program, &liar.signer.sign(&claims(&issuers[0]))).await, 200);

    let tokens: Vec<String> = issuers.iter().skip(1).chain([&moved]).map(|issuer| liar.signer.sign(&claims(issuer))).collect();
    let patient = |token: &String| {
        let (house, program, token) = (&house, &program, token.clone());
        async move { tokio::time::timeout(Duration::from_secs(4), shown(house, program, &token)).await }
    };
    let statuses = join_all(tokens.iter().map(patient)).await;
    for ((what, _), status) in cases.iter().skip(1).chain([&("a redirect of the document", (json!({}), keys()))]).zip(statuses) {
        // Who asks for what comes slowly waits: longer than we do.
        assert!(if *what == "slow" { status.is_err() } else { status == Ok(503) }, "{what}: {status:?}");
    }
    // Nor can a token.
    let foreign = Signer::es256(&liar.signer.id);
    for member in ["jku", "x5u"] {
        let header = changed(&foreign.header(), &json!({ member: secret, "jwk": foreign.jwk() }));
        assert_eq!(shown(&house, &program, &foreign.sign_with(&header, &claims(&issuers[0]))).await, 401, "{member}");
        let header = changed(&liar.signer.header(), &json!({ member: secret }));
        assert_eq!(
            shown(&house, &program, &liar.signer.sign_with(&header, &claims(&issuers[0]))).await,
            200,
            "{member} says nothing"
        );
    }
    let unknown = claims(&inside.issuer);
    assert_eq!(shown(&house, &program, &liar.signer.sign(&unknown)).await, 401, "an issuer that is nobody's");
    assert_eq!((inside.asked("/secret"), inside.asked("/.well-known/openid-configuration"), inside.asked("/jwks")), (0, 0, 0));
    assert_eq!(shown(&house, &program, &liar.signer.sign(&claims(&issuers[0]))).await, 200);
}

/// Holds: 121.
#[tokio::test]
async fn keys_that_change_or_cannot_be_had() {
    let liar = Liar::open("liar", &json!({})).await;
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let keys = |of: &[&Signer]| Page::Text(200, jwks(of.iter().map(|signer| signer.jwk())));
    let oct = json!({ "kty": "oct", "k": encode("everybody knows this"), "kid": "o" });
    let nonsense = [
        ("broken", Page::Text(500, jwks([new.jwk()]))),
        ("empty", Page::Text(200, String::new())),
        ("no JSON", Page::Text(200, "<html>".to_owned())),
        ("no set", Page::json(&json!({}))),
        ("a symmetric key", Page::Text(200, jwks([new.jwk(), oct]))),
        ("a redirect", Page::Redirect(format!("{}/new", liar.issuer))),
    ];
    liar.shows("/new", keys(&[&new]));
    let mut planned = plan();
    let names = nonsense.iter().map(|(what, _)| what.replace(' ', "-").to_lowercase());
    let names: Vec<String> = names.chain(["stale", "changing", "emptied"].map(str::to_owned)).collect();
    for name in &names {
        let issuer = liar.tenant(name, &json!({}), keys(&[&old]));
        let max_age = if name == "stale" { "2s" } else { "1h" };
        let lines = format!("keys_refresh = \"1s\"\nkeys_max_age = \"{max_age}\"");
        planned = planned.set("end", &section(name, &issuer, &lines));
    }
    let house = planned.open().await;
    let program = house.laptop("lap-7", "alice").await.client(&house);
    let status = async |name: &str, signer: &Signer| {
        shown(&house, &program, &signer.sign(&claims(&format!("{}/{name}", liar.issuer)))).await
    };
    assert_eq!(join_all(names.iter().map(|name| status(name, &old))).await, vec![200; names.len()]);

    let path = |name: &str| format!("/{name}/jwks");
    for (name, (_, page)) in names.iter().zip(&nonsense) {
        liar.shows(&path(name), page.clone());
    }
    liar.shows(&path("stale"), Page::Text(500, String::new()));
    let asked: Vec<usize> = names.iter().map(|name| liar.asked(&path(name))).collect();
    eventually("all of them were asked again, twice", async || {
        names.iter().zip(&asked).all(|(name, before)| liar.asked(&path(name)) > before + 1).then_some(())
    })
    .await;
    // Whatever nonsense is told, the keys that are known serve on, and no other.
    for (what, _) in &nonsense {
        let name = what.replace(' ', "-").to_lowercase();
        assert_eq!(status(&name, &old).await, 200, "{what}");
    }
    let unknown = join_all(names.iter().take(nonsense.len()).map(|name| status(name, &new))).await;
    assert_eq!(unknown, vec![401; nonsense.len()]);
    // Until they are too old: then nobody knows, and it recovers by itself.
    eventually("the keys are too old", async || (status("stale", &old).await == 503).then_some(())).await;
    liar.shows(&path("stale"), keys(&[&old]));
    eventually("it recovers", async || (status("stale", &old).await == 200).then_some(())).await;
    // A new key serves at once, and one that is gone no more; none is a set too.
    liar.shows(&path("changing"), keys(&[&new]));
    assert_eq!((status("changing", &new).await, status("changing", &old).await), (200, 401));
    liar.shows(&path("emptied"), keys(&[]));
    eventually("nothing is verified", async || (status("emptied", &old).await == 401).then_some(())).await;
}

/// Holds: 104, 108, 127, 128.
#[tokio::test]
async fn an_id_token_belongs_to_what_came_with_it() {
    let liar = Liar::open("liar", &json!({})).await;
    let house = plan().set("end", &liar.section("client_id = \"sekisho\"")).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let start = house.url("gate", "/.sekisho/sign-in?provider=liar");
    let half = |of: &str| {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, of.as_bytes());
        encode(hash.as_ref().split_at(16).0)
    };
    let lies: Vec<(&str, Value, Value, Value, bool)> = vec![
        ("nothing wrong", json!({}), json!({}), json!({}), true),
        ("at_hash", json!({}), json!({ "at_hash": half(ACCESS_TOKEN) }), json!({}), true),
        ("another at_hash", json!({}), json!({ "at_hash": half("other") }), json!({}), false),
        ("a whole hash", json!({}), json!({ "at_hash": encode([7; 32]) }), json!({}), false),
        ("an empty at_hash", json!({}), json!({ "at_hash": "" }), json!({}), false),
        ("an at_hash that is a number", json!({}), json!({ "at_hash": 1 }), json!({}), false),
        ("another c_hash", json!({}), json!({ "c_hash": half("other") }), json!({}), false),
        ("an unknown algorithm with an at_hash", json!({ "alg": "XX256" }), json!({ "at_hash": "x" }), json!({}), false),
        ("no algorithm", json!({ "alg": "none" }), json!({ "at_hash": half(ACCESS_TOKEN) }), json!({}), false),
        ("no nonce", json!({}), json!({ "nonce": null }), json!({}), false),
        ("another nonce", json!({}), json!({ "nonce": "other" }), json!({}), false),
        ("nobody in aud", json!({}), json!({ "aud": null }), json!({}), false),
        ("several in aud", json!({}), json!({ "aud": ["sekisho", "other"] }), json!({}), false),
        ("several in aud, made for us", json!({}), json!({ "aud": ["sekisho", "other"], "azp": "sekisho" }), json!({}), true),
        ("made for another", json!({}), json!({ "azp": "other" }), json!({}), false),
        ("an access token", json!({ "typ": "at+jwt" }), json!({}), json!({}), false),
        ("a sid that is a number", json!({}), json!({ "sid": 7 }), json!({}), false),
        ("userinfo of another person", json!({}), json!({}), json!({ "sub": "bea" }), false),
        ("userinfo of nobody", json!({}), json!({}), json!({ "sub": null }), false),
    ];
    for (what, header, claims, userinfo, good) in lies {
        {
            let mut lies = liar.lies();
            (lies.header, lies.claims, lies.userinfo) = (header, claims, userinfo);
        }
        let client = laptop.client(&house);
        let reply = liar.sign_in(&client, &start).await;
        let told = client.get(&house.url("gate", "/.sekisho/whoami")).await.json();
        let expected = if good { (200, json!("liar/ana")) } else { (403, Value::Null) };
        assert_eq!((reply.status.as_u16(), told["user"]["id"].clone()), expected, "{what}: {}", reply.shown());
    }
}
