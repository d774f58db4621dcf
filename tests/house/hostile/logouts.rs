//! Logout tokens: whose word ends sessions, and whose does not.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;
use url::{Url, form_urlencoded};

use crate::harness::{Client, House, Kind, Liar, Reply, Signer, allowed, changed, encode, eventually, hmac_signed, now, refused};

const ANYBODY: &str = "@id(\"anybody\")\npermit (principal, action in Action::\"use\", resource);\n";

/// A house at which people can sign in with a provider that says what we want.
struct Town {
    house: House,
    liar: Liar,
}

impl Town {
    async fn found() -> Self {
        let liar = Liar::open("liar", &json!({})).await;
        let house = House::plan().policies(ANYBODY).set("end", &liar.section("client_id = \"sekisho\"")).open().await;
        Self { house, liar }
    }

    /// Somebody signs in on this client; the provider calls the sign-in `sid`. They are known at the wiki then.
    async fn signs_in(&self, client: &Client, person: &str, sid: &str) {
        self.liar.lies().claims = json!({ "sub": person, "sid": sid });
        self.liar.lies().userinfo = json!({ "sub": person });
        let home = self.liar.sign_in(client, &self.house.url("gate", "/.sekisho/sign-in?provider=liar")).await;
        allowed(&home);
        allowed(&client.browse(&self.house.url("wiki", "/")).await);
    }

    async fn is_in(&self, client: &Client) -> bool {
        client.get(&self.house.url("wiki", "/page")).await.status == 200
    }

    /// Claims of a logout token that is right but for whom it means.
    fn logout(&self, changes: &Value) -> Value {
        let now = now();
        let claims = json!({
            "iss": self.liar.issuer, "aud": "sekisho", "iat": now, "exp": now + 120, "jti": format!("j-{}", rand()),
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        changed(&claims, changes)
    }

    fn signed(&self, changes: &Value) -> String {
        let header = changed(&self.liar.signer.header(), &json!({ "typ": "logout+jwt" }));
        self.liar.signer.sign_with(&header, &self.logout(changes))
    }

    async fn posts(&self, token: &str) -> Reply {
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", token).finish();
        self.posts_form(FORM, form).await
    }

    async fn posts_form(&self, kind: &str, body: String) -> Reply {
        let url = self.house.url("gate", PATH);
        self.house.stranger().send(Method::POST, &url, &[("content-type", kind)], body).await
    }
}

/// Something that is not the same again.
fn rand() -> u64 {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    u64::from_be_bytes(bytes)
}

/// What comes breaks off, soon, as something that is not whole.
async fn breaks(mut body: Incoming) {
    let broken = async {
        loop {
            match body.frame().await {
                Some(Ok(_)) => {}
                Some(Err(_)) => return,
                None => panic!("it ended as if it were whole"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), broken).await.expect("it is cut");
}

async fn event(house: &House, session: &str) -> Value {
    let found =
        async || house.record().lines().into_iter().find(|line| line["event"] == "session_ended" && line["session"] == session);
    eventually("session_ended", found).await
}

async fn session(town: &Town, client: &Client) -> String {
    let told = client.get(&town.house.url("wiki", "/.sekisho/whoami")).await.json();
    told["session"]["id"].as_str().unwrap_or_else(|| panic!("no session: {told}")).to_owned()
}

/// Holds: 122.
#[tokio::test]
async fn a_logout_token_that_is_not_right_signs_nobody_out() {
    let town = Town::found().await;
    let laptop = town.house.laptop("lap-7", "alice").await;
    let ana = laptop.client(&town.house);
    town.signs_in(&ana, "ana", "sid-1").await;
    let meant = json!({ "sub": "ana", "sid": "sid-1" });
    let signer = &town.liar.signer;

    let usual = changed(&signer.header(), &json!({ "typ": "logout+jwt" }));
    let claims = |changes: Value| signer.sign_with(&usual, &changed(&town.logout(&meant), &changes));
    let header = |changes: Value| signer.sign_with(&changed(&usual, &changes), &town.logout(&meant));
    let good = claims(json!({}));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let reversed: String = signature.chars().rev().collect();
    let hmac = json!({ "alg": "HS256", "kid": signer.id, "typ": "logout+jwt" });
    let none = |alg: &str| format!("{}.{}.", encode(json!({ "alg": alg }).to_string()), encode(town.logout(&meant).to_string()));
    let id_token = changed(&town.logout(&meant), &json!({ "events": null, "nonce": "n" })).to_string();
    let event = |events: Value| claims(json!({ "events": events }));
    let wrong = [
        ("alg none", none("none")),
        ("alg None", none("None")),
        ("no signature", format!("{message}.")),
        ("another signature", format!("{message}.{reversed}")),
        ("HS256 with the public key", hmac_signed(Algorithm::HS256, signer.public_pem.as_bytes(), &hmac, &town.logout(&meant))),
        ("another algorithm", header(json!({ "alg": "ES384" }))),
        ("somebody else's key", Signer::es256(&signer.id).sign(&town.logout(&meant))),
        ("crit", header(json!({ "crit": ["exp"] }))),
        ("an access token by its typ", header(json!({ "typ": "at+jwt" }))),
        ("a security event", header(json!({ "typ": "secevent+jwt" }))),
        ("aud", claims(json!({ "aud": "other" }))),
        ("no aud", claims(json!({ "aud": null }))),
        ("nobody in aud", claims(json!({ "aud": [] }))),
        ("several in aud", claims(json!({ "aud": ["sekisho", "other"] }))),
        ("azp", claims(json!({ "azp": "other" }))),
        ("iss", claims(json!({ "iss": "https://evil.example" }))),
        ("iss of another provider", claims(json!({ "iss": town.house.idp.issuer }))),
        ("no iss", claims(json!({ "iss": null }))),
        ("no events", claims(json!({ "events": null }))),
        ("empty events", event(json!({}))),
        ("another event", event(json!({ "http://schemas.openid.net/event/other": {} }))),
        ("events as a list", event(json!(["http://schemas.openid.net/event/backchannel-logout"]))),
        ("the event as a text", event(json!({ "http://schemas.openid.net/event/backchannel-logout": "yes" }))),
        ("a nonce", claims(json!({ "nonce": "n" }))),
        ("no iat", claims(json!({ "iat": null }))),
        ("an old iat", claims(json!({ "iat": now() - 600 }))),
        ("iat as a text", claims(json!({ "iat": now().to_string() }))),
        ("iat in the future", claims(json!({ "iat": now() + 600 }))),
        ("no exp", claims(json!({ "exp": null }))),
        ("expired", claims(json!({ "exp": now() - 60 }))),
        ("exp as a text", claims(json!({ "exp": "9999999999" }))),
        ("no jti", claims(json!({ "jti": null }))),
        ("an empty jti", claims(json!({ "jti": "" }))),
        ("a jti that is a number", claims(json!({ "jti": 7 }))),
        ("nobody", claims(json!({ "sub": null, "sid": null }))),
        ("sid as a number", claims(json!({ "sid": 1 }))),
        ("an empty sid", claims(json!({ "sid": "" }))),
        ("sub as a list", claims(json!({ "sub": ["ana"] }))),
        ("an ID token", signer.sign_text(&signer.header().to_string(), &id_token)),
        ("nonsense", "abc".to_owned()),
        ("nothing", String::new()),
    ];
    for (what, token) in &wrong {
        let reply = town.posts(token).await;
        assert_eq!(reply.status, 400, "{what}: {}", reply.shown());
        assert_eq!((reply.header("cache-control"), reply.header("content-type")), (Some("no-store"), Some("application/json")));
        assert_eq!(reply.json()["error"], "invalid_request", "{what}");
        assert!(reply.json()["error_description"].is_string(), "{what}");
    }
    let form = |token: &str| form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", token).finish();
    for (what, kind, body, status) in [
        ("a token twice", FORM, format!("{0}&{0}", form(&good)), 400),
        ("another name", FORM, form(&good).replace("logout_token", "id_token"), 400),
        ("no form", "application/json", json!({ "logout_token": good }).to_string(), 400),
        ("a large form", FORM, format!("{}&more={}", form(&good), "x".repeat(40_000)), 400),
        ("a huge one", FORM, format!("{}&more={}", form(&good), "x".repeat(100_000)), 413),
    ] {
        let reply = town.posts_form(kind, body).await;
        assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.shown());
    }
    let in_query = format!("{}?{}", town.house.url("gate", PATH), form(&good));
    refused(&town.house.stranger().send(Method::POST, &in_query, &[("content-type", FORM)], "").await, 400);
    refused(&town.house.stranger().get(&in_query).await, 405);
    let elsewhere = town.house.url("wiki", PATH);
    refused(&town.house.stranger().send(Method::POST, &elsewhere, &[("content-type", FORM)], form(&good)).await, 404);

    assert!(town.is_in(&ana).await, "nobody was signed out");
    let metrics = town.house.metrics().await;
    assert!(metrics.sum("sekisho_backchannel_logouts_total", &[("outcome", "refused")]) >= wrong.len() as f64);
    assert_eq!(metrics.sum("sekisho_backchannel_logouts_total", &[("outcome", "ended")]), 0.0);
    // The same with nothing wrong does.
    allowed(&town.posts(&good).await);
    assert!(!town.is_in(&ana).await);
}

/// Holds: 122.
#[tokio::test]
async fn a_logout_ends_the_sessions_that_it_means_and_no_others() {
    let town = Town::found().await;
    let (lap, other) = (town.house.laptop("lap-7", "alice").await, town.house.laptop("lap-8", "bob").await);
    let clients = [lap.client(&town.house), other.client(&town.house), other.client(&town.house)];
    let [first, second, bea] = &clients;
    for (client, person, sid) in [(first, "ana", "sid-1"), (second, "ana", "sid-2"), (bea, "bea", "sid-3")] {
        town.signs_in(client, person, sid).await;
    }
    let ended = session(&town, first).await;
    let (_, download) = first.begin(Method::GET, &town.house.url("wiki", "/flood/ana"), &[], "").await;
    let (_, stays) = bea.begin(Method::GET, &town.house.url("wiki", "/flood/bea"), &[], "").await;

    let token = town.signed(&json!({ "sid": "sid-1" }));
    let reply = town.posts(&token).await;
    allowed(&reply);
    assert_eq!((reply.text(), reply.header("cache-control")), ("", Some("no-store")));
    breaks(download.into_body()).await;
    let event = event(&town.house, &ended).await;
    assert_eq!((&event["by"], &event["why"]), (&json!("provider:liar"), &json!("signed out at the provider")), "{event}");
    assert_eq!(event["user"], "liar/ana");
    let line = town.house.record().only_access("/flood/ana");
    assert_eq!(town.house.record().end_of(&line["request"]).await["cause"], "session_ended");
    assert!(!town.is_in(first).await && town.is_in(second).await && town.is_in(bea).await);

    // Once is enough; and who is not here cannot be signed out.
    let again = town.posts(&token).await;
    assert_eq!((again.status.as_u16(), &again.json()["reason"]), (400, &json!("logout_replayed")));
    for nobody in [json!({ "sid": "sid-9" }), json!({ "sub": "zoe" }), json!({ "sub": "bea", "sid": "sid-2" })] {
        allowed(&town.posts(&town.signed(&nobody)).await);
    }
    assert!(town.is_in(second).await && town.is_in(bea).await);
    // A person is meant wherever they are signed in; older providers do not name the kind of token.
    let header = changed(&town.liar.signer.header(), &json!({ "typ": "JWT" }));
    allowed(&town.posts(&town.liar.signer.sign_with(&header, &town.logout(&json!({ "sub": "ana" })))).await);
    assert!(!town.is_in(second).await && town.is_in(bea).await);
    drop(stays);

    let metrics = town.house.metrics().await;
    for (outcome, count) in [("ended", 2.0), ("nothing_to_end", 3.0), ("replayed", 1.0), ("refused", 0.0)] {
        assert_eq!(metrics.sum("sekisho_backchannel_logouts_total", &[("outcome", outcome)]), count, "{outcome}");
    }
}

/// Holds: 122.
#[tokio::test]
async fn refused_logouts_run_dry() {
    let town = Town::found().await;
    let throttled = eventually("a refusal for their number", async || {
        let reply = town.posts("abc").await;
        (reply.status != 400).then_some(reply)
    })
    .await;
    refused(&throttled, 429);
    assert!(throttled.header("retry-after").is_some());
    assert_eq!(throttled.json()["error"], "temporarily_unavailable");
}

/// Holds: 122.
#[tokio::test]
async fn a_token_that_came_before_is_refused_unread_and_counts_against_its_sender() {
    let town = Town::found().await;
    let token = town.signed(&json!({ "sub": "zoe" }));
    allowed(&town.posts(&token).await);
    // Its signature is not looked at again.
    let (message, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let other: String = std::iter::once(first).chain(signature.chars().skip(1)).collect();
    assert_eq!(town.posts(&format!("{message}.{other}")).await.json()["reason"], "logout_replayed");
    // From where nothing right has come, too many of it are too many.
    let (statuses, mut seen) = mpsc::unbounded_channel();
    for _ in 0..2 {
        post_at_once(&town, "127.1.9.9:0", &token, &statuses).await;
    }
    let throttled = async {
        while let Some(status) = seen.recv().await {
            assert!(matches!(status, 400 | 429), "{status}");
            if status == 429 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), throttled).await.expect("a refusal for their number");
}

/// Holds: 122.
#[tokio::test]
async fn who_shares_a_providers_address_does_not_silence_it() {
    let town = Town::found().await;
    // Whoever was never right is not heard after so much of that: see `refused_logouts_run_dry`.
    allowed(&town.posts(&town.signed(&json!({ "sub": "zoe" }))).await);
    for _ in 0..150 {
        refused(&town.posts("abc").await, 400);
    }
    allowed(&town.posts(&town.signed(&json!({ "sub": "yves" }))).await);
}

/// Posts `token` again and again, from one of this machine's addresses after the other, and waits for nothing; gives the statuses as
/// they come.
async fn floods(town: Arc<Town>, number: u8, token: String, statuses: mpsc::UnboundedSender<u16>) {
    for host in 1..=u8::MAX {
        post_at_once(&town, &format!("127.1.{number}.{host}:0"), &token, &statuses).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// As often as one address may try, all over one connection.
async fn post_at_once(town: &Town, from: &str, token: &str, statuses: &mpsc::UnboundedSender<u16>) {
    let stranger = town.house.stranger().over_http2();
    let url = Url::parse(&town.house.url("gate", PATH)).unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(from.parse().unwrap()).unwrap();
    let socket = socket.connect(([127, 0, 0, 1], town.house.port()).into()).await.unwrap();
    let stream = TokioIo::new(stranger.tls_over(socket, &url).await);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", token).finish();
    for _ in 0..59 {
        let request = stranger.request(Method::POST, &url, &[("content-type", FORM)], form.clone().into());
        let (mut sender, statuses) = (sender.clone(), statuses.clone());
        tokio::spawn(async move {
            if let Ok(reply) = sender.send_request(request).await {
                let _the_test_may_be_over = statuses.send(reply.status().as_u16());
            }
        });
    }
}

/// Holds: 122.
#[tokio::test]
async fn a_provider_is_heard_while_strangers_flood() {
    let town = Arc::new(Town::found().await);
    let laptop = town.house.laptop("lap-7", "alice").await;
    let ana = laptop.client(&town.house);
    town.signs_in(&ana, "ana", "sid-1").await;
    // All as it should be, but for the signature.
    let header = changed(&town.liar.signer.header(), &json!({ "typ": "logout+jwt" }));
    let forged = Signer::es256(&town.liar.signer.id).sign_with(&header, &town.logout(&json!({ "sub": "ana" })));
    let (statuses, mut seen) = mpsc::unbounded_channel();
    for number in 1..=4 {
        tokio::spawn(floods(Arc::clone(&town), number, forged.clone(), statuses.clone()));
    }
    // So many that not all of them find a place to wait.
    let full = async {
        while let Some(status) = seen.recv().await {
            assert!(matches!(status, 400 | 429), "{status}");
            if status == 429 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), full).await.expect("the place is full");
    // Each from an address that nothing is known of yet.
    let stranger = town.house.stranger();
    let url = Url::parse(&town.house.url("gate", PATH)).unwrap();
    for host in 1..=4 {
        let token = town.signed(&json!({ "sub": "ana" }));
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", &token).finish();
        let request = stranger.request(Method::POST, &url, &[("content-type", FORM)], form.into());
        let mut provider = stranger.connect_from(&format!("127.2.0.{host}"), url.as_str()).await;
        allowed(&provider.send_as_is(request).await.expect("an answer"));
    }
    assert!(!town.is_in(&ana).await);
}

/// Holds: 122.
#[tokio::test]
async fn who_was_signed_out_on_the_way_in_does_not_get_in() {
    let town = Town::found().await;
    let laptop = town.house.laptop("lap-7", "alice").await;
    let start = town.house.url("gate", "/.sekisho/sign-in?provider=liar");
    let logout = async |changes: Value| allowed(&town.posts(&town.signed(&changes)).await);
    let operator = async |words: &[&str]| drop(town.house.must(words).await);
    // What the ID token says, what happens while the browser is at the provider, and whether its way ends in a session.
    for (case, ends) in [("sub", true), ("sid", true), ("another sid", false), ("signed in later", false), ("operator", true)] {
        let ana = laptop.client(&town.house);
        let auth_time = now() - if case == "signed in later" { 10 } else { 100 };
        town.liar.lies().claims = json!({ "sub": "ana", "sid": case, "auth_time": auth_time });
        town.liar.lies().userinfo = json!({ "sub": "ana" });
        let there = ana.click(&start).await.location().unwrap();
        let back = town.liar.back(&there);
        match case {
            "sub" => logout(json!({ "sub": "ana" })).await,
            "sid" => logout(json!({ "sid": case })).await,
            "another sid" => logout(json!({ "sub": "ana", "sid": "sid-9" })).await,
            "signed in later" => logout(json!({ "sub": "ana", "iat": now() - 20 })).await,
            _ => operator(&["session", "end", "--user", "liar/ana"]).await,
        }
        let reply = ana.click(&back).await;
        if ends {
            refused(&reply, 403);
            assert!(reply.text().contains("sign_in_signed_out"), "{case}: {}", reply.shown());
            // Whoever begins anew gets in.
            town.signs_in(&ana, "ana", "sid-1").await;
        } else {
            assert_eq!(reply.status, 302, "{case}: {}", reply.shown());
        }
    }
}

/// Holds: 122.
#[tokio::test]
async fn who_signs_out_at_the_provider_is_signed_out_here() {
    let house = House::plan().provider(Kind::OidcProvider).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let (_, download) = alice.begin(Method::GET, &house.url("wiki", "/flood/alice"), &[], "").await;
    assert_eq!(download.status(), 200);
    house.idp.sign_out(&alice).await;
    breaks(download.into_body()).await;
    refused(&alice.get(&house.url("wiki", "/page")).await, 401);
    let line = house.record().only_access("/flood/alice");
    let event = event(&house, line["session"].as_str().unwrap()).await;
    assert_eq!(event["by"], "provider:corp", "{event}");
}

const PATH: &str = "/.sekisho/backchannel-logout";
const FORM: &str = "application/x-www-form-urlencoded";
