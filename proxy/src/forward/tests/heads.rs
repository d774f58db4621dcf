//! What an app gets, and what a client gets back.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::house::{House, Stage, app_at, header, on_a_core};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The head that an app gets for a request with these lines.
async fn head_for(house: &House, stage: &Stage, lines: &str) -> String {
    let request = format!("GET /a%20b?q=1 HTTP/1.1\r\nHost: wiki.corp.example\r\n{lines}Connection: close\r\n\r\n");
    let (reply, head) = tokio::join!(house.ask(&request), async {
        let mut app = stage.next().await;
        let head = app.head().await;
        app.send(OK).await;
        // Not kept, so that the next request makes a connection of its own.
        head
    });
    assert_eq!((reply.status(), reply.body.as_str()), (200, "ok"));
    head
}

#[test]
fn an_app_gets_who_is_asking_from_us_alone() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let forged = "X-Forwarded-User: root\r\nX-Forwarded-For: 10.0.0.1\r\nx_forwarded_groups: admin\r\nSekisho-Assertion: forged\r\n\
                      sekisho-anything: 1\r\nX-Request-Id: 1\r\nProxy-Connection: x\r\nX-Harmless: yes\r\n";
        let head = head_for(&house, &stage, forged).await;
        assert!(head.starts_with("GET /a%20b?q=1 HTTP/1.1\r\n"), "{head}");
        let got = |name| header(&head, name);
        assert_eq!(got("host"), Some("wiki.corp.example:8443"));
        assert_eq!(got("x-forwarded-host"), Some("wiki.corp.example:8443"));
        assert_eq!(got("x-forwarded-proto"), Some("https"));
        assert_eq!(got("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(got("x-forwarded-user"), Some("corp/ana"));
        assert_eq!(got("x-forwarded-email"), Some("ana@corp.example"));
        assert_eq!(got("x-forwarded-groups"), Some("staff"));
        assert_eq!(got("x-request-id"), Some("07".repeat(16).as_str()));
        assert!(got("traceparent").is_some_and(|value| value.starts_with(&format!("00-{}-", "07".repeat(16)))));
        assert_eq!(got("x-harmless"), Some("yes"));
        for gone in ["x_forwarded_groups", "sekisho-anything", "proxy-connection", "connection", "transfer-encoding"] {
            assert_eq!(got(gone), None, "{gone}");
        }
        assert_eq!(head.to_ascii_lowercase().matches("sekisho-assertion").count(), 1);
    });
}

#[test]
fn the_assertion_is_for_this_app_and_verifies_with_the_published_key() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let head = head_for(&house, &stage, "").await;
        let token = header(&head, "sekisho-assertion").unwrap();
        let shared = house.inner.shared.borrow().clone();
        let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_str(shared.jwks_json()).unwrap();
        let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(jwks.find(&kid).unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&["wiki"]);
        validation.set_issuer(&["https://gate.corp.example:8443"]);
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).unwrap().claims;
        assert_eq!(claims["sub"], "corp/ana");
        assert_eq!(claims["email"], "ana@corp.example");
        assert_eq!(claims["groups"], serde_json::json!(["staff"]));
        assert_eq!((&claims["device"], &claims["sid"]), (&"lap-7".into(), &"s-1".into()));
        assert_eq!(claims["iat"], 1_790_000_000);
        assert_eq!(claims["exp"], 1_790_000_300);
        validation.set_audience(&["payroll"]);
        assert!(jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).is_err());
    });
}

#[test]
fn an_assertion_is_used_again_for_half_its_life_and_not_for_other_facts() {
    on_a_core(async {
        let stage = Stage::open().await;
        let mut app = app_at(&[stage.address]);
        app.name = "wiki".into();
        let house = House::before(app).await;
        let token = |head: String| header(&head, "sekisho-assertion").unwrap().to_owned();
        // Each connection of the stage is used once: the pool's must not answer.
        let mut tokens = Vec::new();
        for seconds in [0, 149, 1] {
            house.inner.clock.advance(std::time::Duration::from_secs(seconds));
            house.reload(app_at(&[stage.address]));
            tokens.push(token(next_head(&house, &stage).await));
        }
        assert_eq!(tokens[0], tokens[1]);
        assert_ne!(tokens[1], tokens[2]);
        let mut permit = house.inner.permit.borrow().clone();
        permit.user.as_mut().unwrap().facts = crate::secret::Digest::of(b"other facts");
        *house.inner.permit.borrow_mut() = permit;
        assert_ne!(token(next_head(&house, &stage).await), tokens[2]);
    });
}

/// As [`head_for`], on a connection that ends with it.
async fn next_head(house: &House, stage: &Stage) -> String {
    let (reply, head) = tokio::join!(house.get("/"), async {
        let mut app = stage.next().await;
        let head = app.head().await;
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        head
    });
    assert_eq!(reply.status(), 200);
    head
}

#[test]
fn without_a_user_nothing_names_one() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        house.nobody_is_signed_in();
        let head = head_for(&house, &stage, "X-Forwarded-User: root\r\nX-Forwarded-Email: root@corp.example\r\n").await;
        for absent in ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "sekisho-assertion"] {
            assert_eq!(header(&head, absent), None, "{absent}");
        }
    });
}

#[test]
fn a_fact_that_no_header_can_carry_fails_the_request() {
    on_a_core(async {
        let stage = Stage::open().await;
        let house = House::before(app_at(&[stage.address])).await;
        let mut permit = house.inner.permit.borrow().clone();
        let user = permit.user.as_mut().unwrap();
        let mut session = (*user.session).clone();
        session.groups = ["staff\r\nX-Role: admin"].into_iter().collect();
        (user.session, user.facts) = (session.into(), crate::secret::Digest::of(b"other facts"));
        *house.inner.permit.borrow_mut() = permit;
        assert_eq!(house.get("/").await.body, "identity_unfit");
        assert!(stage.is_left_alone().await);
    });
}

#[test]
fn our_cookies_stay_here_and_authorization_goes_only_where_it_is_asked_for() {
    on_a_core(async {
        let stage = Stage::open().await;
        let mut app = app_at(&[stage.address]);
        let house = House::before(app_at(&[stage.address])).await;
        let lines = "Cookie: a=1; __Host-sekisho=secret; b=2\r\nAuthorization: Bearer secret\r\n";
        let head = head_for(&house, &stage, lines).await;
        assert_eq!(header(&head, "cookie"), Some("a=1; b=2"));
        assert!(!head.contains("secret"), "{head}");
        app.pass_authorization = true;
        let house = House::before(app).await;
        let head = head_for(&house, &stage, lines).await;
        assert_eq!(header(&head, "authorization"), Some("Bearer secret"));
        assert_eq!(header(&head, "cookie"), Some("a=1; b=2"));
    });
}

#[test]
fn an_answer_loses_what_is_not_the_clients() {
    on_a_core(async {
        let stage = Stage::open().await;
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
                      Set-Cookie: __Host-sekisho=evil; Path=/; Secure\r\nSet-Cookie: theirs=1\r\nAlt-Svc: h3=\":443\"\r\nX-Kept: 1\r\n\r\nok";
        let house = House::before(app_at(&[stage.play(answer)])).await;
        let reply = house.get("/").await;
        assert_eq!(reply.body, "ok");
        assert_eq!(reply.header("x-kept"), Some("1"));
        assert_eq!(reply.header("set-cookie"), Some("theirs=1"));
        assert_eq!(reply.header("cache-control"), Some("private"));
        for gone in ["x-hop", "keep-alive", "alt-svc"] {
            assert_eq!(reply.header(gone), None, "{gone}");
        }
        assert!(!reply.head.contains("evil"));
    });
}

#[test]
fn early_hints_are_not_passed_on() {
    on_a_core(async {
        let stage = Stage::open().await;
        let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let house = House::before(app_at(&[stage.play(answer)])).await;
        let reply = house.get("/").await;
        assert_eq!((reply.status(), reply.body.as_str()), (200, "ok"));
        assert!(!reply.head.contains("103"));
    });
}

#[test]
fn a_preflight_that_is_forwarded_carries_no_credentials() {
    on_a_core(async {
        let stage = Stage::open().await;
        let mut app = app_at(&[stage.address]);
        app.pass_authorization = true;
        let house = House::before(app).await;
        house.nobody_is_signed_in();
        let lines =
            "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\nCookie: a=1\r\nAuthorization: Bearer secret\r\n";
        let head = head_for(&house, &stage, lines).await;
        assert_eq!(header(&head, "origin"), Some("https://a.example"));
        assert_eq!((header(&head, "cookie"), header(&head, "authorization")), (None, None));
    });
}
