//! The way in: to the provider and back, hand-over, deep links, and who may not go it.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::house::{GATE, House, NOW, WIKI};
use super::liar::Liar;
use crate::identify_user::UserRefusal;
use crate::identify_user::testing;
use crate::inventory::ClaimValue;
use crate::sign_in::{Endpoint, PageKind, SignInRefusal};
use crate::store::Actor;

#[tokio::test]
async fn a_person_signs_in_and_comes_back_to_the_page() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    let page = house.whole_way(&mut browser, "/deep/link?q=%20x&y=1").await.unwrap();
    assert_eq!(page, "https://wiki.example:8443/deep/link?q=%20x&y=1");

    let (at_gate, at_wiki) = (house.session(&browser, GATE).unwrap(), house.session(&browser, WIKI).unwrap());
    let session = &at_wiki.session;
    assert_eq!(at_gate.session.id, session.id, "one sign-in");
    assert_eq!((&*session.user.provider, &*session.user.subject, session.device.as_str()), ("corp", "ana", "lap-1"));
    assert_eq!((session.email.as_deref(), session.name.as_deref()), (Some("ana@corp.example"), Some("Ana")));
    assert_eq!(session.groups.iter().collect::<Vec<_>>(), ["hr", "staff"]);
    assert_eq!(session.claims.get("department"), Some(&ClaimValue::Text("people".to_owned())));
    assert_eq!(session.authenticated_at.as_secs(), NOW.as_secs() - 5);
    assert_eq!(session.expires_at, NOW.plus(Duration::from_secs(12 * 3600)));
    assert_eq!(house.counted("success"), 1);
    assert_ne!(browser.cookies[GATE]["__Host-sekisho"], browser.cookies[WIKI]["__Host-sekisho"]);
}

#[tokio::test]
async fn who_is_signed_in_goes_on_to_the_next_app_at_once() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    house.whole_way(&mut browser, "/").await.unwrap();
    let reply = browser.challenge(&house, "files.example", "/f");
    let reply = browser.follow(&house, &reply).await.unwrap();
    let reply = browser.follow(&house, &reply).await.unwrap();
    assert_eq!(reply.location.as_deref(), Some("https://files.example:8443/f"));
    assert_eq!(house.session(&browser, "files.example").unwrap().session.id, house.session(&browser, WIKI).unwrap().session.id);
}

#[tokio::test]
async fn at_the_gate_itself_no_hand_over_is_needed() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    let reply = browser.challenge(&house, GATE, "/overview");
    let reply = browser.follow(&house, &reply).await.unwrap();
    let query = house.liar.sign_in(&reply.location.unwrap());
    let reply = browser.get(&house, GATE, Endpoint::Callback, &query).await.unwrap();
    assert_eq!(reply.location.as_deref(), Some("https://gate.example:8443/overview"));
    assert!(house.session(&browser, GATE).is_some());
}

#[tokio::test]
async fn without_a_device_nobody_signs_in() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    browser.device = None;
    let reply = browser.challenge(&house, WIKI, "/");
    assert!(matches!(browser.follow(&house, &reply).await, Err(SignInRefusal::NoDevice)));
    for host in [GATE, WIKI] {
        let refusal = browser.get(&house, host, Endpoint::Callback, "code=a&state=b").await;
        assert!(matches!(refusal, Err(SignInRefusal::NoDevice)), "{host}");
    }
}

#[tokio::test]
async fn an_answer_belongs_to_the_browser_that_asked() {
    let house = House::open().await;
    let mut attacker = house.browser("lap-1");
    let mut victim = house.browser("lap-1");
    let provider = house.to_provider(&mut attacker, "/").await;
    let query = house.liar.sign_in(&provider);
    let refusal = victim.get(&house, GATE, Endpoint::Callback, &query).await;
    assert!(matches!(refusal, Err(SignInRefusal::OtherBrowser)), "no cookie");
    house.to_provider(&mut victim, "/").await;
    let refusal = victim.get(&house, GATE, Endpoint::Callback, &query).await;
    assert!(matches!(refusal, Err(SignInRefusal::OtherBrowser)), "a cookie of its own");
    assert!(house.session(&victim, GATE).is_none());

    let mut moved = attacker.clone();
    moved.device = Some(testing::device("lap-2"));
    let refusal = moved.get(&house, GATE, Endpoint::Callback, &query).await;
    assert!(matches!(refusal, Err(SignInRefusal::OtherBrowser)), "on another device");
    assert!(attacker.get(&house, GATE, Endpoint::Callback, &query).await.is_ok(), "its own");
}

#[tokio::test]
async fn an_answer_is_good_once_and_for_ten_minutes() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    let query = house.liar.sign_in(&house.to_provider(&mut browser, "/").await);
    assert!(browser.get(&house, GATE, Endpoint::Callback, &query).await.is_ok());
    assert!(matches!(browser.get(&house, GATE, Endpoint::Callback, &query).await, Err(SignInRefusal::UnknownAttempt)));

    let mut late = house.browser("lap-1");
    let query = house.liar.sign_in(&house.to_provider(&mut late, "/").await);
    house.clock.advance(Duration::from_secs(600));
    assert!(matches!(late.get(&house, GATE, Endpoint::Callback, &query).await, Err(SignInRefusal::UnknownAttempt)));
}

#[tokio::test]
async fn a_made_up_answer_leads_nowhere() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    house.to_provider(&mut browser, "/").await;
    for (query, expected) in [
        ("code=x", "sign_in_malformed"),
        ("code=x&state=", "sign_in_unknown_attempt"),
        ("code=x&state=AAAA", "sign_in_unknown_attempt"),
        ("code=x&state=a&state=a", "sign_in_malformed"),
        ("", "sign_in_malformed"),
    ] {
        let refusal = browser.get(&house, GATE, Endpoint::Callback, query).await.unwrap_err();
        assert_eq!(refusal.as_str(), expected, "{query}");
    }
}

#[tokio::test]
async fn a_hand_over_belongs_to_one_host_browser_and_device_and_is_good_once_for_a_minute() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    house.whole_way(&mut browser, "/").await.unwrap();
    let code = async |browser: &mut super::house::Browser| {
        let reply = browser.challenge(&house, WIKI, "/page");
        let reply = browser.follow(&house, &reply).await.unwrap();
        Url::parse(reply.location.as_ref().unwrap()).unwrap().query().unwrap().to_owned()
    };
    let refused = |reply: Result<_, SignInRefusal>| matches!(reply, Err(SignInRefusal::HandOver));

    let query = code(&mut browser).await;
    let mut other = browser.clone();
    other.challenge(&house, "files.example", "/");
    assert!(refused(other.get(&house, "files.example", Endpoint::Callback, &query).await), "another host");
    let mut other = house.browser("lap-1");
    assert!(refused(other.get(&house, WIKI, Endpoint::Callback, &query).await), "a browser without the cookie");
    other.challenge(&house, WIKI, "/");
    assert!(refused(other.get(&house, WIKI, Endpoint::Callback, &query).await), "a browser with its own");
    let mut other = browser.clone();
    other.device = Some(testing::device("lap-2"));
    assert!(refused(other.get(&house, WIKI, Endpoint::Callback, &query).await), "another device");
    let reply = browser.get(&house, WIKI, Endpoint::Callback, &query).await.unwrap();
    assert_eq!(reply.location.as_deref(), Some("https://wiki.example:8443/page"));
    assert!(refused(browser.get(&house, WIKI, Endpoint::Callback, &query).await), "a second time");
    assert!(refused(browser.get(&house, WIKI, Endpoint::Callback, "code=made-up").await));

    let query = code(&mut browser).await;
    house.clock.advance(Duration::from_secs(60));
    assert!(refused(browser.get(&house, WIKI, Endpoint::Callback, &query).await), "a minute later");

    let query = code(&mut browser).await;
    let session = house.session(&browser, GATE).unwrap().session.id.clone();
    let which = crate::store::SessionsOf::One(session);
    house.registrar.end_sessions(&which, &Actor::Operator { uid: 0, name: None }, "").await.unwrap();
    assert!(refused(browser.get(&house, WIKI, Endpoint::Callback, &query).await), "the session has ended");
}

#[tokio::test]
async fn return_addresses_lead_to_hosts_of_ours_only() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    house.whole_way(&mut browser, "/").await.unwrap();
    for (to, expected) in [
        ("https://wiki.example:8443/a?b=c", "https://wiki.example:8443/a?b=c"),
        ("https://gate.example:8443/x", "https://gate.example:8443/x"),
        ("https://wiki.example:8443//evil.example/", "https://wiki.example:8443/"),
        ("https://wiki.example:8443/\\evil.example", "https://wiki.example:8443/"),
        ("https://wiki.example:8443/.sekisho/sign-out", "https://wiki.example:8443/"),
    ] {
        let reply = browser.get(&house, GATE, Endpoint::SignIn, &query(to)).await.unwrap();
        assert_eq!(reply.location.as_deref(), Some(expected), "{to}");
    }
    for to in [
        "https://evil.example/",
        "https://wiki.example:8443@evil.example/",
        "https://wiki.example:8443.evil.example/",
        "https://wiki.example/",
        "https://wiki.example:8444/",
        "https://WIKI.example:8443/",
        "https://wiki.example:8443",
        "https://wiki.example:8443\\@evil.example/",
        "http://wiki.example:8443/",
        "//evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "https:evil.example",
        "https:///evil.example",
        "javascript:alert(1)",
        " https://evil.example/",
        "\u{fe0f}https://evil.example",
        "",
    ] {
        let reply = browser.get(&house, GATE, Endpoint::SignIn, &query(to)).await.unwrap();
        assert_eq!(reply.location.as_deref(), Some("https://gate.example:8443/"), "{to}");
    }
}

fn query(to: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish()
}

#[tokio::test]
async fn a_challenge_cannot_be_led_astray_by_the_path() {
    let house = House::open().await;
    for (path, expected) in
        [("/a", "/a"), ("//evil.example", "/"), ("/a\r\nSet-Cookie:x", "/"), ("/.sekisho/callback?code=x", "/")]
    {
        let reply = house.browser("lap-1").challenge(&house, WIKI, path);
        let url = Url::parse(reply.location.as_ref().unwrap()).unwrap();
        assert_eq!(url.host_str(), Some(GATE));
        let to = url.query_pairs().find(|(name, _)| name == "to").unwrap().1.into_owned();
        assert_eq!(to, format!("https://wiki.example:8443{expected}"), "{path:?}");
    }
}

#[tokio::test]
async fn tabs_of_one_browser_do_not_disturb_each_other() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    let first = house.to_provider(&mut browser, "/one").await;
    let second = house.to_provider(&mut browser, "/two").await;
    for (provider, page) in [(second, "/two"), (first, "/one")] {
        let reply = browser.get(&house, GATE, Endpoint::Callback, &house.liar.sign_in(&provider)).await.unwrap();
        let reply = browser.follow(&house, &reply).await.unwrap();
        assert_eq!(reply.location.unwrap(), format!("https://wiki.example:8443{page}"));
    }
}

#[tokio::test]
async fn signing_in_anew_ends_what_was_before() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    house.whole_way(&mut browser, "/").await.unwrap();
    let before = house.session(&browser, GATE).unwrap();
    let cookie_before = browser.cookies[GATE]["__Host-sekisho"].clone();
    let mut jar = browser.clone();
    jar.cookies.get_mut(GATE).unwrap().remove("__Host-sekisho");
    let provider = house.to_provider(&mut jar, "/").await;
    let mut browser = jar;
    browser.cookies.get_mut(GATE).unwrap().insert("__Host-sekisho".to_owned(), cookie_before);
    browser.get(&house, GATE, Endpoint::Callback, &house.liar.sign_in(&provider)).await.unwrap();
    let after = house.session(&browser, GATE).unwrap();
    assert!(before.ended() && !after.ended() && before.session.id != after.session.id);
    assert!(house.session(&browser, WIKI).is_none(), "the app's cookie went with it");
}

#[tokio::test]
async fn a_copied_cookie_is_theft_at_the_gate_too() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    house.whole_way(&mut browser, "/").await.unwrap();
    browser.device = Some(testing::device("lap-2"));
    for endpoint in [Endpoint::SignIn, Endpoint::SignOut] {
        let refusal = browser.get(&house, GATE, endpoint, "").await.unwrap_err();
        assert!(refusal.is_theft() && refusal.clears_cookie(), "{refusal}");
    }
    assert!(browser.post(&house, GATE, None, Some("same-origin")).await.unwrap_err().is_theft());
    assert!(!house.session(&browser, GATE).unwrap().ended(), "and the thief cannot end it");
}

#[tokio::test]
async fn who_is_suspended_stays_out() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    house.whole_way(&mut browser, "/").await.unwrap();
    let user = house.session(&browser, GATE).unwrap().session.user.clone();
    house.registrar.suspend_user(&user, &Actor::Operator { uid: 0, name: None }, "").await.unwrap();
    let refusal = house.whole_way(&mut house.browser("lap-1"), "/").await.unwrap_err();
    assert_eq!((refusal.as_str(), refusal.person()), ("user_suspended", Some(&user)));
    let mut on_the_way = house.browser("lap-1");
    let provider = house.to_provider(&mut on_the_way, "/").await;
    house.registrar.resume_user(&user, &Actor::Operator { uid: 0, name: None }, "").await.unwrap();
    let answer = house.liar.sign_in(&provider);
    let refusal = on_the_way.get(&house, GATE, Endpoint::Callback, &answer).await.unwrap_err();
    assert_eq!(
        (refusal.as_str(), refusal.person()),
        ("sign_in_signed_out", Some(&user)),
        "begun before the access was given back"
    );
    house.clock.advance(Duration::from_millis(1));
    assert!(house.whole_way(&mut house.browser("lap-1"), "/").await.is_ok());
}

#[tokio::test]
async fn a_device_that_is_not_in_use_gets_no_session() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    let provider = house.to_provider(&mut browser, "/").await;
    let device = "lap-1".parse().unwrap();
    house.registrar.quarantine_device(&device, &Actor::Operator { uid: 0, name: None }, "").await.unwrap();
    let refusal = browser.get(&house, GATE, Endpoint::Callback, &house.liar.sign_in(&provider)).await.unwrap_err();
    assert!(matches!(refusal, SignInRefusal::Store(crate::store::SessionError::DeviceNotInUse { .. })), "{refusal}");
}

#[tokio::test]
async fn several_providers_are_a_choice() {
    let (liar, issuer) = Liar::start(NOW).await;
    let mut tokens_only = testing::settings("tokens", "https://tokens.example");
    tokens_only.client = None;
    let settings = [testing::settings("corp", &issuer), tokens_only, testing::settings("partner", "https://partner.example")];
    let house = House::of(liar, issuer, settings.into_iter().map(Arc::new).collect()).await;
    let mut browser = house.browser("lap-1");
    let reply = browser.challenge(&house, WIKI, "/page");
    let reply = browser.follow(&house, &reply).await.unwrap();
    let Some(PageKind::Chooser { providers }) = reply.page else { panic!("{reply:?}") };
    assert_eq!(providers.iter().map(|choice| choice.name.as_str()).collect::<Vec<_>>(), ["corp", "partner"]);

    let (path, query) = providers[0].location.split_once('?').unwrap();
    assert_eq!(path, Endpoint::SignIn.path());
    // This provider does not promise to say who it is, and so answers to an address of its own.
    for (at, takes) in [(None, false), (Some("partner"), false), (Some("Corp"), false), (Some("corp"), true)] {
        let reply = browser.get(&house, GATE, Endpoint::SignIn, query).await.unwrap();
        let mut visit = browser.visit(&house, GATE, Endpoint::Callback, &house.liar.sign_in(&reply.location.unwrap()));
        visit.callback_of = at.map(str::to_owned);
        let reply = browser.send(&house, visit).await;
        assert_eq!(reply.is_ok(), takes, "{at:?}: {reply:?}");
        assert!(takes || matches!(reply, Err(SignInRefusal::OtherIssuer)));
        if takes {
            break;
        }
    }
    let reply = browser.get(&house, GATE, Endpoint::SignIn, query).await.unwrap();
    let reply = browser.follow(&house, &reply).await.unwrap();
    assert_eq!(reply.location.as_deref(), Some("https://wiki.example:8443/page"));

    for name in ["tokens", "nobody"] {
        let mut stranger = house.browser("lap-1");
        let refusal = stranger.get(&house, GATE, Endpoint::SignIn, &format!("provider={name}")).await;
        assert!(matches!(refusal, Err(SignInRefusal::UnknownProvider)), "{name}");
    }
}

#[tokio::test]
async fn what_is_under_way_survives_a_reload() {
    let mut house = House::open().await;
    let mut browser = house.browser("lap-1");
    let provider = house.to_provider(&mut browser, "/page").await;
    let providers = house.sign_in.providers.reload(&house.sign_in.config.identity_providers).unwrap();
    house.sign_in = house.sign_in.reload(Arc::clone(&house.sign_in.config), Arc::new(providers)).into();
    let reply = browser.get(&house, GATE, Endpoint::Callback, &house.liar.sign_in(&provider)).await.unwrap();
    assert!(browser.follow(&house, &reply).await.is_ok());
}

#[tokio::test]
async fn visits_can_be_made_from_any_thread() {
    fn needs_send<T: Send>(value: T) -> T {
        value
    }
    let house = House::open().await;
    let visit = house.browser("lap-1").visit(&house, GATE, Endpoint::SignIn, "");
    assert!(needs_send(house.sign_in.visit(visit)).await.is_ok());
}

#[tokio::test]
async fn methods_and_hosts_that_do_not_belong_are_refused() {
    let house = House::open().await;
    let browser = house.browser("lap-1");
    for method in [http::Method::POST, http::Method::HEAD, http::Method::PUT] {
        let mut visit = browser.visit(&house, GATE, Endpoint::Callback, "code=a&state=b");
        visit.method = method;
        assert!(matches!(house.sign_in.visit(visit).await, Err(SignInRefusal::Method)));
    }
    let visit = browser.visit(&house, "evil.example", Endpoint::SignIn, "");
    assert!(matches!(house.sign_in.visit(visit).await, Err(SignInRefusal::Malformed)));
    assert!(UserRefusal::NoCredential.sign_in_helps());
}
