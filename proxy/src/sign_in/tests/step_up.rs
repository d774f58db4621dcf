//! Signing in again for a decision: what is asked, what is believed, and what becomes of a form.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::json;
use url::Url;

use super::house::{Browser, GATE, House, NOW, WIKI};
use super::liar::Liar;
use crate::config::Host;
use crate::identify_user::testing;
use crate::inventory::Session;
use crate::secret::Secret;
use crate::sign_in::{
    Endpoint, FormId, Holder, NewForm, OpenForm, PageKind, Reply, Sending, SignInRefusal, StepUp, StepUpProblem, Wanted, Way,
};

const PAGE: &str = "/report?id=7";

fn fresh() -> Wanted {
    Wanted { max_age: Some(900), ..Wanted::default() }
}

fn twice() -> Wanted {
    Wanted { mfa: true, ..Wanted::default() }
}

/// Ana at the wiki, signed in an hour ago.
async fn stale(house: &House) -> Browser {
    let mut browser = house.browser("lap-1");
    house.liar.lies().claims = json!({"auth_time": NOW.as_secs() - 3600});
    house.whole_way(&mut browser, "/").await.unwrap();
    browser
}

fn session(house: &House, browser: &Browser) -> Arc<Session> {
    Arc::clone(&house.session(browser, WIKI).unwrap().session)
}

fn ask(house: &House, browser: &mut Browser, wanted: &Wanted, form: Sending) -> Way {
    let session = session(house, browser);
    let (host, cookies): (Host, _) = (WIKI.parse().unwrap(), browser.cookie_header(WIKI));
    let (app, device) = ("wiki".into(), session.device.clone());
    let (back_to, cookies) = (PAGE, cookies.as_deref());
    let now = house.clock.now();
    let ask = StepUp { wanted, session: &session, device: &device, app: &app, host: &host, back_to, cookies, form, now };
    let way = house.sign_in.step_up(ask).unwrap();
    browser.keep(WIKI, &Reply::to_sign_in(&way));
    way
}

/// To the provider; gives its address with the query.
async fn to_provider(house: &House, browser: &mut Browser, way: &Way) -> (String, HashMap<String, String>) {
    let reply = browser.follow(house, &Reply::to_sign_in(way)).await.unwrap();
    let location = reply.location.unwrap();
    let query = Url::parse(&location).unwrap().query_pairs().into_owned().collect();
    (location, query)
}

/// Back from the provider, to the app's host; gives where that leads.
async fn back(house: &House, browser: &mut Browser, provider: &str) -> Result<String, SignInRefusal> {
    let reply = browser.get(house, GATE, Endpoint::Callback, &house.liar.sign_in(provider)).await?;
    Ok(browser.follow(house, &reply).await?.location.unwrap())
}

async fn step_up(house: &House, browser: &mut Browser, wanted: &Wanted, form: Sending) -> Result<String, SignInRefusal> {
    let way = ask(house, browser, wanted, form);
    let (provider, _) = to_provider(house, browser, &way).await;
    back(house, browser, &provider).await
}

fn problem(outcome: Result<String, SignInRefusal>) -> StepUpProblem {
    match outcome {
        Err(SignInRefusal::StepUp { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

fn tried(house: &House, browser: &Browser, wanted: &Wanted) -> bool {
    let session = session(house, browser);
    house.sign_in.tried_lately(&session, &session.device, wanted, house.clock.now())
}

fn form(body: &str) -> Sending {
    let content_type = "application/x-www-form-urlencoded".to_owned();
    Sending::Form(NewForm { content_type, body: Secret::new(body.as_bytes().to_vec()) })
}

#[tokio::test]
async fn a_stale_session_becomes_a_fresh_one_and_the_person_comes_back_to_the_page() {
    let house = House::open().await;
    let mut browser = stale(&house).await;
    let before = session(&house, &browser);
    let way = ask(&house, &mut browser, &fresh(), Sending::Nothing);
    let (provider, asked) = to_provider(&house, &mut browser, &way).await;
    assert_eq!(asked["max_age"], "840");
    assert!(!asked.contains_key("acr_values") && !asked.contains_key("claims") && !asked.contains_key("prompt"), "{asked:?}");
    house.liar.lies().claims = json!({"auth_time": NOW.as_secs() - 5, "amr": ["pwd", "otp"]});
    assert_eq!(back(&house, &mut browser, &provider).await.unwrap(), format!("https://{WIKI}:8443{PAGE}"));
    let after = session(&house, &browser);
    assert_ne!(after.id, before.id);
    assert_eq!((after.authenticated_at.as_secs(), after.mfa), (NOW.as_secs() - 5, true));
    assert!(house.registrar.inventory().session(&before.id).is_none_or(|live| live.usable(NOW, Duration::MAX).is_err()));
    assert_eq!(house.counted("succeeded"), 1);
    assert!(tried(&house, &browser, &fresh()), "if that was not enough, it is not asked for again at once");
    assert!(!tried(&house, &browser, &twice()), "something else may be");
    house.clock.advance(Duration::from_secs(61));
    assert!(!tried(&house, &browser, &fresh()));
}

#[tokio::test]
async fn a_provider_that_does_not_do_what_it_is_asked_is_not_believed_and_not_asked_again_at_once() {
    let stale_at = NOW.as_secs() - 3600;
    let gold = Wanted { acr: Some("gold".to_owned()), ..Wanted::default() };
    for (wanted, claims, expected) in [
        (fresh(), json!({"auth_time": stale_at}), StepUpProblem::NotFresh),
        (fresh(), json!({"auth_time": null}), StepUpProblem::NotFresh),
        (gold.clone(), json!({"acr": "silver", "amr": ["pwd", "otp"]}), StepUpProblem::OtherClass),
        (gold, json!({"acr": null}), StepUpProblem::OtherClass),
    ] {
        let house = House::open().await;
        let mut browser = stale(&house).await;
        let before = session(&house, &browser);
        house.liar.lies().claims = claims.clone();
        assert!(!tried(&house, &browser, &wanted));
        assert_eq!(problem(step_up(&house, &mut browser, &wanted, Sending::Nothing).await), expected, "{claims}");
        assert_eq!(session(&house, &browser).id, before.id, "the session that was there stays");
        assert!(before == session(&house, &browser), "and is as it was");
        assert!(tried(&house, &browser, &wanted), "{claims}");
        assert_eq!((house.counted("failed"), house.counted("succeeded")), (1, 0));
    }
}

#[tokio::test]
async fn a_second_factor_is_asked_for_in_the_providers_words() {
    for claims_parameter in [false, true] {
        let (liar, issuer) = Liar::start(NOW).await;
        liar.lies().metadata = json!({"claims_parameter_supported": claims_parameter});
        let mut settings = testing::settings("corp", &issuer);
        settings.mfa_acr_values = vec!["gold".to_owned(), "urn:mfa".to_owned()];
        let house = House::of(liar, issuer, vec![Arc::new(settings)]).await;
        let mut browser = stale(&house).await;
        let way = ask(&house, &mut browser, &twice(), Sending::Nothing);
        let (provider, asked) = to_provider(&house, &mut browser, &way).await;
        if claims_parameter {
            let claims: serde_json::Value = serde_json::from_str(&asked["claims"]).unwrap();
            assert_eq!(claims, json!({"id_token": {"acr": {"essential": true, "values": ["gold", "urn:mfa"]}}}));
            assert!(!asked.contains_key("acr_values"));
        } else {
            assert_eq!(asked["acr_values"], "gold urn:mfa");
        }
        assert!(!asked.contains_key("max_age"));
        // One factor is not two, whatever was asked for.
        house.liar.lies().claims = json!({"amr": ["pwd"]});
        assert_eq!(problem(back(&house, &mut browser, &provider).await), StepUpProblem::OneFactor);
        house.liar.lies().claims = json!({"acr": "gold"});
        step_up(&house, &mut browser, &twice(), Sending::Nothing).await.unwrap();
        assert!(session(&house, &browser).mfa);
    }
}

#[tokio::test]
async fn a_provider_that_says_that_it_cannot_is_understood() {
    let house = House::open().await;
    let mut browser = stale(&house).await;
    let way = ask(&house, &mut browser, &fresh(), Sending::Nothing);
    let (_, asked) = to_provider(&house, &mut browser, &way).await;
    let answer = format!("state={}&error=unmet_authentication_requirements", asked["state"]);
    let refused = browser.get(&house, GATE, Endpoint::Callback, &answer).await;
    assert!(matches!(refused, Err(SignInRefusal::StepUp { problem: StepUpProblem::Unmet, form: false })), "{refused:?}");
    // Where no step-up is under way, it is an error like others.
    let provider = house.to_provider(&mut house.browser("lap-2"), "/").await;
    assert!(!provider.contains("max_age"));
}

#[tokio::test]
async fn somebody_else_who_signs_in_gets_a_session_of_their_own_and_nothing_of_the_other() {
    let house = House::open().await;
    let mut browser = stale(&house).await;
    let anas = session(&house, &browser);
    house.liar.lies().claims = json!({"sub": "bob", "auth_time": NOW.as_secs()});
    house.liar.lies().userinfo = json!({"sub": "bob"});
    let place = step_up(&house, &mut browser, &fresh(), form("title=x")).await.unwrap();
    assert_eq!(place, format!("https://{WIKI}:8443{PAGE}"), "to the page, and not to what ana was sending");
    let now = session(&house, &browser);
    assert_eq!((&*now.user.subject, &*anas.user.subject), ("bob", "ana"));
    assert!(house.registrar.inventory().session(&anas.id).is_none_or(|live| live.usable(NOW, Duration::MAX).is_err()));
    assert_eq!((house.counted("other_user"), house.counted("succeeded")), (1, 0));
}

#[tokio::test]
async fn a_ticket_is_for_one_device_and_ends() {
    let house = House::open().await;
    let mut browser = stale(&house).await;
    let way = ask(&house, &mut browser, &fresh(), Sending::Nothing);
    assert_eq!(ask(&house, &mut browser, &fresh(), Sending::Nothing).location, way.location, "the same for the same");
    let other = house.browser("lap-2").follow(&house, &Reply::to_sign_in(&way)).await;
    assert!(matches!(other, Err(SignInRefusal::UnknownAttempt)), "{other:?}");
    to_provider(&house, &mut browser, &way).await;
    to_provider(&house, &mut browser, &way).await;
    house.clock.advance(Duration::from_secs(600));
    let late = browser.follow(&house, &Reply::to_sign_in(&way)).await;
    assert!(matches!(late, Err(SignInRefusal::UnknownAttempt)), "{late:?}");
}

/// Ana, back from the provider, before the page that asks whether to send; gives the form's name.
async fn with_form(house: &House, browser: &mut Browser, body: &str) -> FormId {
    house.liar.lies().claims = json!({"auth_time": NOW.as_secs()});
    let place = step_up(house, browser, &fresh(), form(body)).await.unwrap();
    let (page, id) = place.split_once("?form=").unwrap();
    assert_eq!(page, format!("https://{WIKI}:8443/.sekisho/send-again"));
    FormId(id.to_owned())
}

fn open(house: &House, browser: &Browser, id: &FormId, to: &str) -> Result<OpenForm, SignInRefusal> {
    let session = session(house, browser);
    let cookies = browser.cookie_header(WIKI);
    let host = WIKI.parse().unwrap();
    let (device, cookies, now) = (&session.device, cookies.as_deref(), house.clock.now());
    house.sign_in.form_to_send(id, to, Holder { session: &session, device, host: &host, cookies, now })
}

#[tokio::test]
async fn a_form_is_shown_without_its_values_and_sent_once() {
    let house = House::open().await;
    let mut browser = stale(&house).await;
    let id = with_form(&house, &mut browser, "title=plan&password=hunter2").await;
    let page = browser.get(&house, WIKI, Endpoint::SendAgain, &format!("form={}", id.0)).await.unwrap();
    assert!(!format!("{page:?}").contains("hunter2"), "{page:?}");
    let Some(PageKind::SendAgain { path, target, bytes, fields, .. }) = page.page else { panic!("{page:?}") };
    assert_eq!((path.as_str(), target.as_str(), bytes, fields.len()), ("/report", PAGE, 27, 2));

    assert!(open(&house, &browser, &id, "/other").is_err(), "to the address that it was for, and no other");
    assert_eq!(&open(&house, &browser, &id, PAGE).unwrap().into_body()[..], b"title=plan&password=hunter2");
    let ana = session(&house, &browser);
    house.sign_in.use_form(&id, &ana, &ana.device, "wiki", NOW).unwrap();
    assert!(house.sign_in.use_form(&id, &ana, &ana.device, "wiki", NOW).is_err(), "once");
    let again = browser.get(&house, WIKI, Endpoint::SendAgain, &format!("form={}", id.0)).await;
    assert!(matches!(again, Err(SignInRefusal::FormGone)), "{again:?}");
}

#[tokio::test]
async fn a_form_is_for_the_browser_that_was_sending_it() {
    let house = House::open().await;
    let mut browser = stale(&house).await;
    let id = with_form(&house, &mut browser, "title=plan").await;
    assert!(format!("{:?}", house.sign_in).contains("sealed:"));
    // Another browser on the same device, of the same person.
    let mut other = stale(&house).await;
    let seen = other.get(&house, WIKI, Endpoint::SendAgain, &format!("form={}", id.0)).await;
    assert!(matches!(seen, Err(SignInRefusal::FormGone)), "{seen:?}");
    assert!(open(&house, &other, &id, PAGE).is_err());
    // Another app's host.
    let seen = browser.get(&house, "files.example", Endpoint::SendAgain, &format!("form={}", id.0)).await;
    assert!(seen.is_err(), "{seen:?}");
    assert!(open(&house, &browser, &id, PAGE).is_ok());
}

#[tokio::test]
async fn a_form_is_thrown_away_by_our_own_page_only() {
    let house = House::open().await;
    let mut browser = stale(&house).await;
    let id = with_form(&house, &mut browser, "title=plan").await;
    let discard = |browser: &Browser, site: Option<&str>| {
        let mut visit = browser.visit(&house, WIKI, Endpoint::SendAgain, "");
        visit.method = Method::POST;
        visit.fetch_site = site.map(str::to_owned);
        visit.body = format!("{}={}", FormId::FIELD, id.0).into();
        visit
    };
    for site in [None, Some("same-site"), Some("cross-site"), Some("none")] {
        let visit = discard(&browser, site);
        assert!(matches!(browser.send(&house, visit).await, Err(SignInRefusal::CrossSite)), "{site:?}");
    }
    assert!(open(&house, &browser, &id, PAGE).is_ok());
    let visit = discard(&browser, Some("same-origin"));
    assert_eq!(browser.send(&house, visit).await.unwrap().location.unwrap(), format!("https://{WIKI}:8443/"));
    assert!(matches!(open(&house, &browser, &id, PAGE), Err(SignInRefusal::FormGone)));
}

#[tokio::test]
async fn a_form_goes_with_a_sign_in_that_failed_and_ends_by_itself() {
    let house = House::open().await;
    let mut browser = stale(&house).await;
    let outcome = step_up(&house, &mut browser, &fresh(), form("a=b")).await;
    assert!(matches!(outcome, Err(SignInRefusal::StepUp { form: true, .. })), "{outcome:?}");
    assert!(!format!("{:?}", house.sign_in).contains("sealed:"), "nothing of it is left");

    let id = with_form(&house, &mut browser, "a=b").await;
    house.clock.advance(Duration::from_secs(15 * 60));
    assert!(matches!(open(&house, &browser, &id, PAGE), Err(SignInRefusal::FormGone)));
}
