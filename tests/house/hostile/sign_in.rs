//! The way to the provider and back.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::harness::{CONFIDENTIAL, Client, House, Laptop, Liar, Plan, Reply, refused};

/// A house with stand-ins for providers beside its own, and a device.
struct Scene {
    house: House,
    laptop: Laptop,
    liars: Vec<Liar>,
}

impl Scene {
    /// With providers of these names, and what each says of itself beside the usual.
    async fn with(liars: &[(&'static str, Value)]) -> Self {
        Self::of(House::plan(), liars).await
    }

    async fn of(plan: Plan, names: &[(&'static str, Value)]) -> Self {
        let mut house = plan.open().await;
        let laptop = house.laptop("kiosk", "shared").await;
        let mut liars = Vec::new();
        for (name, metadata) in names {
            let liar = Liar::open(name, metadata).await;
            house.set("end", &liar.section(CONFIDENTIAL));
            liars.push(liar);
        }
        house.must(&["reload"]).await;
        Self { house, laptop, liars }
    }

    /// A browser that has been nowhere.
    fn browser(&self) -> Client {
        self.laptop.client(&self.house)
    }

    /// On the way to the provider `at`; gives the address there.
    async fn to_provider(&self, browser: &Client, at: usize) -> String {
        let begin = self.house.url("gate", &format!("/.sekisho/sign-in?provider={}", self.liars[at].name));
        let reply = browser.click(&begin).await;
        reply.location().unwrap_or_else(|| panic!("{}", reply.shown()))
    }

    /// From begin to end at the provider `at`; gives the answer of the gate's callback.
    async fn answered(&self, browser: &Client, at: usize) -> Reply {
        let location = self.to_provider(browser, at).await;
        browser.click(&self.liars[at].back(&location)).await
    }

    fn url(&self, path: &str) -> String {
        self.house.url("gate", path)
    }

    /// Why the last request for this path was refused.
    fn reason(&self, path: &str) -> String {
        let lines = self.house.record().access(path);
        lines.last().unwrap()["reason"].as_str().unwrap_or_default().to_owned()
    }
}

/// The browser has a session cookie at the sign-in host.
fn has_session(browser: &Client) -> bool {
    browser.jar.of("gate.localhost").iter().any(|(name, _)| name == "__Host-sekisho")
}

/// The answer signs nobody in.
#[track_caller]
fn signs_nobody_in(browser: &Client, reply: &Reply, status: u16, what: &str) {
    assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.shown());
    let gives = reply.headers.get_all("set-cookie").iter().any(|cookie| {
        let cookie = cookie.to_str().unwrap();
        cookie.starts_with("__Host-sekisho=") && !cookie.contains("Max-Age=0")
    });
    assert!(!gives && !has_session(browser), "{what}: a session");
}

const CALLBACK: &str = "/.sekisho/callback";

/// Holds: 101.
#[tokio::test]
async fn an_answer_of_the_provider_is_for_the_browser_that_asked() {
    let scene = Scene::with(&[("honest", json!({}))]).await;
    let attacker = scene.browser();
    let location = scene.to_provider(&attacker, 0).await;
    let back = scene.liars[0].back(&location);
    let path = format!("{CALLBACK}/honest");

    // The attacker's code and state, in the browser of somebody else: without a cookie, and with one of their own attempt.
    let victim = scene.browser();
    signs_nobody_in(&victim, &victim.click(&back).await, 400, "no attempt");
    assert_eq!(scene.reason(&path), "sign_in_other_browser");
    let mine = scene.to_provider(&victim, 0).await;
    signs_nobody_in(&victim, &victim.click(&back).await, 400, "an attempt of their own");
    // On another device, even with the attacker's cookies.
    let other = scene.house.laptop("lap-2", "shared").await;
    let elsewhere = other.client(&scene.house).with_cookies(attacker.jar.copied());
    signs_nobody_in(&elsewhere, &elsewhere.click(&back).await, 400, "another device");
    signs_nobody_in(
        &scene.house.stranger().with_cookies(attacker.jar.copied()),
        &scene.house.stranger().click(&back).await,
        403,
        "none",
    );

    // States that were never given, and none at all.
    let state = Url::parse(&back).unwrap().query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let (shorter, _) = state.split_at(42);
    for query in [
        "code=x".to_owned(),
        "code=x&state=".to_owned(),
        format!("code=x&state={shorter}"),
        format!("code=x&state={state}x"),
        format!("code=x&state={}", state.to_ascii_uppercase()),
        format!("code=x&state={state}&state={state}"),
        format!("code=x&STATE={state}"),
        format!("code=x;state={state}"),
    ] {
        let reply = attacker.click(&scene.url(&format!("{path}?{query}"))).await;
        signs_nobody_in(&attacker, &reply, 400, &query);
    }
    assert!(scene.liars[0].heard().exchanges.is_empty(), "no code was shown to the provider");

    // Each in their own browser comes in; once.
    for (browser, back) in [(&attacker, back), (&victim, scene.liars[0].back(&mine))] {
        let reply = browser.click(&back).await;
        assert!(reply.status == 302 && has_session(browser), "{}", reply.shown());
        let before = browser.jar.copied();
        let again = browser.click(&back).await;
        assert_eq!((again.status.as_u16(), scene.reason(&path).as_str()), (400, "sign_in_unknown_attempt"));
        assert_eq!(before.of("gate.localhost"), browser.jar.of("gate.localhost"));
    }
}

/// Holds: 104, 128.
#[tokio::test]
async fn an_id_token_is_of_this_attempt_and_userinfo_of_the_same_person() {
    let scene = Scene::with(&[("honest", json!({}))]).await;
    let liar = &scene.liars[0];
    let path = format!("{CALLBACK}/honest");
    let earlier = {
        let browser = scene.browser();
        assert!(scene.answered(&browser, 0).await.status == 302 && has_session(&browser));
        liar.heard().given.remove(0)
    };
    for nonce in [Value::Null, json!(""), json!("another"), json!(7), json!([]), json!({})] {
        liar.lies().claims = json!({ "nonce": nonce });
        let browser = scene.browser();
        signs_nobody_in(&browser, &scene.answered(&browser, 0).await, 403, &format!("nonce {nonce}"));
        assert_eq!(scene.reason(&path), "sign_in_id_token");
    }
    liar.lies().claims = Value::Null;
    // The token of another attempt, with its nonce and the provider's own signature.
    liar.lies().id_token = Some(earlier);
    let browser = scene.browser();
    signs_nobody_in(&browser, &scene.answered(&browser, 0).await, 403, "a replayed ID token");
    liar.lies().id_token = None;

    // The ID token says nothing of an e-mail address, so userinfo is asked.
    for userinfo in
        [json!({"sub": "bob"}), json!({"sub": null}), json!({"sub": ""}), json!({"sub": ["ana"]}), json!({"sub": "Ana"})]
    {
        liar.lies().userinfo = userinfo.clone();
        let browser = scene.browser();
        signs_nobody_in(&browser, &scene.answered(&browser, 0).await, 403, &format!("userinfo {userinfo}"));
    }
    liar.lies().userinfo = json!({});
    let browser = scene.browser();
    assert!(scene.answered(&browser, 0).await.status == 302 && has_session(&browser));
}

/// Holds: 105.
#[tokio::test]
async fn an_answer_is_taken_from_the_provider_that_was_asked() {
    let promises = json!({"authorization_response_iss_parameter_supported": true});
    let scene = Scene::with(&[("first", promises.clone()), ("second", promises), ("silent", json!({}))]).await;
    let [first, second, silent] = [&scene.liars[0], &scene.liars[1], &scene.liars[2]];

    // Who promises `iss` sends it, once, to the letter.
    let attempt = async || {
        let browser = scene.browser();
        let asked = first.brought(&scene.to_provider(&browser, 0).await);
        assert_eq!(asked.redirect_uri, scene.url(CALLBACK));
        let fields = format!("code={}&state={}", first.code(&asked), asked.state);
        (browser, format!("{}?{fields}", asked.redirect_uri))
    };
    let issuer = |of: &str| format!("&iss={}", form_urlencoded::byte_serialize(of.as_bytes()).collect::<String>());
    let (own, other) = (issuer(&first.issuer), issuer(&second.issuer));
    let slash = issuer(&format!("{}/", first.issuer));
    let upper = issuer(&first.issuer.to_ascii_uppercase());
    for (iss, status) in [
        ("", 403),
        ("&iss=", 403),
        (&other, 403),
        (&slash, 403),
        (&upper, 403),
        (&format!("{own}{own}"), 400),
        (&format!("{own}{other}"), 400),
    ] {
        let (browser, back) = attempt().await;
        signs_nobody_in(&browser, &browser.click(&format!("{back}{iss}")).await, status, iss);
        assert!(
            first.heard().exchanges.is_empty() && second.heard().exchanges.is_empty(),
            "{iss}: the code was shown to somebody"
        );
    }
    let (browser, back) = attempt().await;
    assert!(browser.click(&format!("{back}{own}")).await.status == 302 && has_session(&browser));
    first.heard().exchanges.clear();

    // The code of the second, brought to an attempt with the first, goes to nobody, or is of no use.
    let browser = scene.browser();
    let at_first = first.brought(&scene.to_provider(&browser, 0).await);
    let at_second = second.brought(&scene.to_provider(&browser, 1).await);
    let stolen = second.code(&at_second);
    let crossed = scene.url(&format!("{CALLBACK}?code={stolen}&state={}{other}", at_first.state));
    signs_nobody_in(&browser, &browser.click(&crossed).await, 403, "the second's answer for the first");
    assert!(first.heard().exchanges.is_empty(), "the second's code was shown to the first");

    // Who promises nothing has a callback of their own.
    let at_silent = async |to: &str| {
        let browser = scene.browser();
        let asked = silent.brought(&scene.to_provider(&browser, 2).await);
        assert_eq!(asked.redirect_uri, scene.url(&format!("{CALLBACK}/silent")));
        let reply = browser.click(&scene.url(&format!("{to}?code={}&state={}", silent.code(&asked), asked.state))).await;
        (browser, reply)
    };
    for to in [CALLBACK, "/.sekisho/callback/first", "/.sekisho/callback/", "/.sekisho/callback/Silent"] {
        let (browser, reply) = at_silent(to).await;
        signs_nobody_in(&browser, &reply, 403, to);
    }
    assert!(silent.heard().exchanges.is_empty(), "its code was shown to somebody");
    let (browser, reply) = at_silent("/.sekisho/callback/silent").await;
    assert!(reply.status == 302 && has_session(&browser), "{}", reply.shown());
    let (browser, back) = attempt().await;
    let elsewhere = format!("{back}{own}").replace(CALLBACK, "/.sekisho/callback/silent");
    signs_nobody_in(&browser, &browser.click(&elsewhere).await, 403, "the first's answer at the callback of the silent one");

    // Keys count for their own issuer only.
    let nonce_of = |location: &str| first.brought(location).nonce;
    for (what, token) in [
        (
            "of the second, by the first's key",
            Box::new(|nonce: &str| first.sign_id(&second.id_claims(nonce))) as Box<dyn Fn(&str) -> String>,
        ),
        ("of the first, by the second's key", Box::new(|nonce: &str| second.sign_id(&first.id_claims(nonce)))),
        ("of the second, by its own key", Box::new(|nonce: &str| second.sign_id(&second.id_claims(nonce)))),
    ] {
        let browser = scene.browser();
        let location = scene.to_provider(&browser, 0).await;
        first.lies().id_token = Some(token(&nonce_of(&location)));
        signs_nobody_in(&browser, &browser.click(&first.back(&location)).await, 403, what);
        first.lies().id_token = None;
    }
}

/// Holds: 106.
#[tokio::test]
async fn every_attempt_has_a_verifier_of_its_own_that_nobody_sees() {
    let none = json!({"code_challenge_methods_supported": Value::Null});
    let plain = json!({"code_challenge_methods_supported": ["plain"]});
    let empty = json!({"code_challenge_methods_supported": []});
    let scene = Scene::with(&[("silent", none), ("plain", plain), ("empty", empty)]).await;
    let browser = scene.browser();
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let location = scene.to_provider(&browser, 0).await;
        let asked = scene.liars[0].brought(&location);
        assert_eq!((asked.method.as_str(), asked.challenge.len()), ("S256", 43), "{location}");
        assert!(seen.insert(asked.challenge));
    }
    assert!(scene.answered(&browser, 0).await.status == 302 && has_session(&browser));
    let verifier = scene.liars[0].heard().exchanges[0]["code_verifier"].clone();
    assert_eq!(verifier.len(), 43, "256 bits");
    let jar = format!("{:?}", browser.jar);
    assert!(!jar.contains(&verifier), "{jar}");
    // The code of one attempt, with the verifier of another.
    let other = scene.browser();
    let (first, second) = (scene.to_provider(&other, 0).await, scene.to_provider(&other, 0).await);
    let code = scene.liars[0].code(&scene.liars[0].brought(&first));
    let state = scene.liars[0].brought(&second).state;
    let swapped = scene.url(&format!("{CALLBACK}/silent?code={code}&state={state}"));
    signs_nobody_in(&other, &other.click(&swapped).await, 403, "another attempt's verifier");

    for unfit in &scene.liars[1..] {
        let reply = scene.browser().click(&scene.url(&format!("/.sekisho/sign-in?provider={}", unfit.name))).await;
        refused(&reply, 503);
        assert_eq!(scene.reason("/.sekisho/sign-in"), "sign_in_provider_unfit");
    }
}

/// Holds: 101.
#[tokio::test]
async fn a_flood_of_callbacks_signs_nobody_in_and_puts_nobody_out() {
    let scene = Scene::with(&[("honest", json!({}))]).await;
    let liar = &scene.liars[0];
    let browser = scene.browser();
    let back = liar.back(&scene.to_provider(&browser, 0).await);
    // Somebody else's device begins and answers without end.
    let other = scene.house.laptop("lap-2", "shared").await;
    let mut flood = other.client(&scene.house).connect(&scene.url("")).await;
    for number in 0..200 {
        let begun = flood.get("/.sekisho/sign-in?provider=honest").await.unwrap();
        assert_eq!(begun.status, 302, "{}", begun.shown());
        let state = format!("{number:0>43}");
        let reply = flood.get(&format!("{CALLBACK}/honest?code=c{number}&state={state}")).await.unwrap();
        assert_eq!(reply.status, 400, "{}", reply.shown());
    }
    assert!(liar.heard().exchanges.is_empty(), "no code of them was shown to the provider");

    // The same answer, many times at once: one session.
    let answers = futures_util::future::join_all((0..16).map(|_| browser.click(&back))).await;
    let through = answers.iter().filter(|reply| reply.status == 302).count();
    assert_eq!(
        (through, liar.heard().exchanges.len()),
        (1, 1),
        "{:?}",
        answers.iter().map(|reply| reply.status).collect::<Vec<_>>()
    );
    let sessions = scene.house.json(&["session", "list"]).await;
    assert_eq!(sessions.as_array().map(Vec::len), Some(1), "{sessions}");
}

/// Holds: 124.
#[tokio::test]
async fn nothing_that_a_callback_says_is_on_the_page() {
    let scene = Scene::with(&[("honest", json!({}))]).await;
    let evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}\r\nSet-Cookie: evil=1\r\n\r\nlevel=ERROR forged line\u{1b}[31m\u{202e}";
    let encoded: String = form_urlencoded::byte_serialize(evil.as_bytes()).collect();
    for (known, status) in [(true, 503), (false, 400)] {
        let browser = scene.browser();
        let asked = scene.liars[0].brought(&scene.to_provider(&browser, 0).await);
        let state = if known { asked.state } else { encoded.clone() };
        for extra in ["", "&code=x"] {
            let query = format!("error={encoded}&error_description={encoded}&error_uri={encoded}&state={state}{extra}");
            let reply = browser.click(&scene.url(&format!("{CALLBACK}/honest?{query}"))).await;
            signs_nobody_in(&browser, &reply, if extra.is_empty() { status } else { 400 }, &query);
            let text = reply.text();
            for word in ["<script>alert", "onerror", "{{7*7}}", "evil=1", "forged", "alert(", "\u{1b}", "\u{202e}"] {
                assert!(!text.contains(word), "{word:?}: {text}");
            }
            assert!(!reply.headers.get_all("set-cookie").iter().any(|cookie| cookie.to_str().unwrap().contains("evil")));
            let policy = reply.header("content-security-policy").unwrap();
            assert!(policy.contains("default-src 'none'"), "{policy}");
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        }
    }
    // One line of the log for each, with everything escaped.
    for line in scene.house.gate.said().lines() {
        assert!(!line.starts_with("level=ERROR") && !line.contains('\u{1b}') && !line.contains('\u{202e}'), "{line:?}");
    }
    assert!(!scene.house.record().text().contains("forged"));

    // What the provider may say in its own name is said in ours.
    let browser = scene.browser();
    let asked = scene.liars[0].brought(&scene.to_provider(&browser, 0).await);
    let reply = browser.click(&scene.url(&format!("{CALLBACK}/honest?error=access_denied&state={}", asked.state))).await;
    signs_nobody_in(&browser, &reply, 403, "declined");
    assert!(reply.text().contains("did not let you in"), "{}", reply.shown());
}
