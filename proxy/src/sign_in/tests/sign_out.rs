//! The way out.

use http::StatusCode;
use serde_json::json;
use url::Url;

use super::house::{Browser, GATE, House, WIKI};
use crate::sign_in::{Endpoint, PageKind, SignInRefusal};

async fn signed_in(house: &House) -> Browser {
    let mut browser = house.browser("lap-1");
    house.whole_way(&mut browser, "/").await.unwrap();
    browser
}

#[tokio::test]
async fn a_button_signs_out_everywhere_and_at_the_provider() {
    let house = House::open().await;
    let mut browser = signed_in(&house).await;
    let session = house.session(&browser, WIKI).unwrap();
    let reply = browser.get(&house, WIKI, Endpoint::SignOut, "").await.unwrap();
    assert_eq!(reply.page, Some(PageKind::ConfirmSignOut));
    assert!(!session.ended(), "looking at the page ends nothing");

    let reply = browser.post(&house, WIKI, Some("https://wiki.example:8443"), Some("same-origin")).await.unwrap();
    assert!(session.ended());
    assert!(house.session(&browser, GATE).is_none() && !browser.cookies[WIKI].contains_key("__Host-sekisho"));
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    let url = Url::parse(reply.location.as_ref().unwrap()).unwrap();
    assert_eq!(url.path(), "/end");
    let sent: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(sent["post_logout_redirect_uri"], "https://gate.example:8443/.sekisho/sign-out");
    assert_eq!((sent["client_id"].as_str(), sent["id_token_hint"].split('.').count()), ("sekisho", 3));
    assert_eq!(sent["logout_hint"], session.session.email.as_deref().unwrap());
    assert_eq!(sent["state"].len(), 43, "nobody can guess it");

    let reply = browser.get(&house, GATE, Endpoint::SignOut, "").await.unwrap();
    assert_eq!(reply.page, Some(PageKind::SignedOut));
    assert!(!browser.cookies[GATE].contains_key("__Host-sekisho"), "what is left is cleared on the way back");
}

#[tokio::test]
async fn other_sites_sign_nobody_out() {
    let house = House::open().await;
    let mut browser = signed_in(&house).await;
    for (origin, site) in [
        (Some("https://evil.example"), None),
        (Some("https://gate.example:8443"), None),
        (Some("https://wiki.example"), None),
        (Some("null"), None),
        (Some("https://wiki.example:8443"), Some("cross-site")),
        (Some("https://evil.example"), Some("same-origin")),
        (None, Some("same-site")),
        (None, Some("none")),
        (None, None),
    ] {
        let refusal = browser.post(&house, WIKI, origin, site).await;
        assert!(matches!(refusal, Err(SignInRefusal::CrossSite)), "{origin:?} {site:?}");
    }
    assert!(!house.session(&browser, WIKI).unwrap().ended());
    assert!(browser.post(&house, WIKI, Some("https://wiki.example:8443"), None).await.is_ok());
}

#[tokio::test]
async fn a_provider_without_sign_out_leaves_a_page() {
    let house = House::with(json!({"end_session_endpoint": null})).await;
    let mut browser = signed_in(&house).await;
    let reply = browser.post(&house, GATE, None, Some("same-origin")).await.unwrap();
    assert_eq!(reply.page, Some(PageKind::SignedOut));
    assert!(!browser.cookies[GATE].contains_key("__Host-sekisho"));
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_told_so() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    for reply in
        [browser.get(&house, WIKI, Endpoint::SignOut, "").await, browser.post(&house, WIKI, None, Some("same-origin")).await]
    {
        assert_eq!(reply.unwrap().page, Some(PageKind::SignedOut));
    }
}

#[tokio::test]
async fn without_a_device_one_can_still_leave() {
    let house = House::open().await;
    let mut browser = signed_in(&house).await;
    let session = house.session(&browser, WIKI).unwrap();
    browser.device = None;
    let reply = browser.get(&house, WIKI, Endpoint::SignOut, "").await.unwrap();
    assert_eq!(reply.page, Some(PageKind::ConfirmSignOut));
    let mut other = browser.clone();
    other.cookies.insert("files.example".to_owned(), other.cookies[WIKI].clone());
    let reply = other.post(&house, "files.example", None, Some("same-origin")).await.unwrap();
    assert_eq!(reply.page, Some(PageKind::SignedOut));
    assert!(!session.ended(), "a cookie of another host ends nothing");
    browser.post(&house, WIKI, None, Some("same-origin")).await.unwrap();
    assert!(session.ended());
}
