//! A provider that lies, errs or is gone.

use http::StatusCode;
use serde_json::{Value, json};

use super::house::{GATE, House, NOW};
use crate::identify_user::claims::{ClaimProblem, GroupsProblem};
use crate::identify_user::jws::JwsProblem;
use crate::identify_user::testing::{Signer, encode};
use crate::sign_in::{Endpoint, IdTokenProblem, SignInRefusal};

async fn refusal_with(claims: Value) -> SignInRefusal {
    let house = House::open().await;
    house.liar.lies().claims = claims;
    house.whole_way(&mut house.browser("lap-1"), "/").await.unwrap_err()
}

async fn id_token_problem(claims: Value) -> IdTokenProblem {
    match refusal_with(claims).await {
        SignInRefusal::IdToken(problem) => problem,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_id_token_is_for_this_attempt_this_client_and_of_this_issuer() {
    for (claims, expected) in [
        (json!({"nonce": "another"}), IdTokenProblem::Nonce),
        (json!({"nonce": null}), IdTokenProblem::Nonce),
        (json!({"iss": "https://evil.example"}), IdTokenProblem::Issuer),
        (json!({"iss": null}), IdTokenProblem::Issuer),
        (json!({"aud": "other"}), IdTokenProblem::Audience),
        (json!({"aud": []}), IdTokenProblem::Nobody),
        (json!({"aud": ["sekisho", "other"]}), IdTokenProblem::AuthorizedParty),
        (json!({"aud": ["sekisho", "other"], "azp": "other"}), IdTokenProblem::AuthorizedParty),
        (json!({"azp": "other"}), IdTokenProblem::AuthorizedParty),
        (json!({"at_hash": "AAAA"}), IdTokenProblem::Hash),
        (json!({"c_hash": "AAAA"}), IdTokenProblem::Hash),
        (json!({"aud": null}), IdTokenProblem::Claims(ClaimProblem::Malformed("aud"))),
        (json!({"exp": null}), IdTokenProblem::Claims(ClaimProblem::Malformed("exp"))),
        (json!({"exp": "9999999999"}), IdTokenProblem::Claims(ClaimProblem::Malformed("exp"))),
        (json!({"exp": NOW.as_secs() - 60}), IdTokenProblem::Claims(ClaimProblem::Expired)),
        (json!({"iat": null}), IdTokenProblem::Claims(ClaimProblem::Malformed("iat"))),
        (json!({"iat": NOW.as_secs() + 60}), IdTokenProblem::Claims(ClaimProblem::NotYetValid)),
        (json!({"auth_time": "yesterday"}), IdTokenProblem::Claims(ClaimProblem::Malformed("auth_time"))),
        (json!({"sub": ""}), IdTokenProblem::Claims(ClaimProblem::Malformed("sub"))),
    ] {
        assert_eq!(id_token_problem(claims.clone()).await, expected, "{claims}");
    }
}

#[tokio::test]
async fn honest_providers_differ() {
    let at_hash = {
        let digest = crate::secret::Digest::of(b"access");
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16])
    };
    #[expect(clippy::cast_precision_loss, reason = "small enough")]
    let float = NOW.as_secs() as f64 - 5.25;
    for claims in [
        json!({"aud": ["sekisho"]}),
        json!({"aud": ["sekisho", "other"], "azp": "sekisho"}),
        json!({"auth_time": float, "iat": float, "exp": float + 300.0}),
        json!({"at_hash": at_hash}),
        json!({"updated_at": "2026-09-21T14:13:20Z", "address": "Main Street 1", "email_verified": "true"}),
        json!({"auth_time": null}),
    ] {
        let house = House::open().await;
        house.liar.lies().claims = claims.clone();
        let way = house.whole_way(&mut house.browser("lap-1"), "/").await;
        assert!(way.is_ok(), "{claims}: {way:?}");
    }
}

#[tokio::test]
async fn an_id_token_has_the_providers_signature() {
    let house = House::open().await;
    let claims = json!({"iss": house.issuer, "aud": "sekisho", "sub": "admin"}).to_string();
    let none = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(&claims));
    let hmac = format!("{}.{}.AAAA", encode(r#"{"alg":"HS256","kid":"k1"}"#), encode(&claims));
    let foreign = Signer::es256("k1");
    let foreign = foreign.sign_text(&foreign.header().to_string(), &claims);
    let unknown = Signer::es256("k2");
    let unknown = unknown.sign_text(&unknown.header().to_string(), &claims);
    for (token, expected) in [
        (none, JwsProblem::Malformed),
        (hmac, JwsProblem::Algorithm),
        (foreign, JwsProblem::Signature),
        (unknown, JwsProblem::UnknownKey),
        ("x".to_owned(), JwsProblem::Malformed),
    ] {
        house.liar.lies().id_token = Some(token.clone());
        let refusal = house.whole_way(&mut house.browser("lap-1"), "/").await.unwrap_err();
        assert!(
            matches!(refusal, SignInRefusal::IdToken(IdTokenProblem::Jws(problem)) if problem == expected),
            "{token}: {refusal}"
        );
    }
    assert_eq!((house.counted("refused"), house.counted("success")), (5, 0));
}

#[tokio::test]
async fn another_kind_of_token_is_no_id_token() {
    let house = House::open().await;
    for typ in ["at+jwt", "logout+jwt"] {
        house.liar.lies().header = json!({"typ": typ});
        let refusal = house.whole_way(&mut house.browser("lap-1"), "/").await.unwrap_err();
        assert!(matches!(refusal, SignInRefusal::IdToken(IdTokenProblem::Kind)), "{refusal}");
    }
}

#[tokio::test]
async fn groups_come_from_the_id_token_or_else_from_userinfo_or_nobody_signs_in() {
    let house = House::open().await;
    house.liar.lies().claims = json!({"groups": null});
    let mut browser = house.browser("lap-1");
    house.whole_way(&mut browser, "/").await.unwrap();
    let session = house.session(&browser, GATE).unwrap();
    assert_eq!(session.session.groups.iter().collect::<Vec<_>>(), ["staff"]);

    for (claims, userinfo, expected) in [
        (json!({"groups": null}), json!({"groups": null}), GroupsProblem::Missing),
        (json!({"groups": null}), json!({"groups": "staff"}), GroupsProblem::OneText),
        (json!({"groups": "staff"}), json!({}), GroupsProblem::OneText),
        (json!({"groups": {"staff": true}}), json!({}), GroupsProblem::Malformed),
        (json!({"groups": null, "hasgroups": true}), json!({}), GroupsProblem::Overage),
        (json!({"groups": null, "_claim_names": {"groups": "src1"}}), json!({}), GroupsProblem::Overage),
    ] {
        house.liar.lies().claims = claims.clone();
        house.liar.lies().userinfo = userinfo;
        let refusal = house.whole_way(&mut house.browser("lap-1"), "/").await.unwrap_err();
        assert!(matches!(refusal, SignInRefusal::Groups(problem) if problem == expected), "{claims}: {refusal}");
    }
}

#[tokio::test]
async fn userinfo_of_somebody_else_refuses() {
    let house = House::open().await;
    house.liar.lies().claims = json!({"groups": null});
    for sub in [json!("bob"), Value::Null] {
        house.liar.lies().userinfo = json!({"sub": sub});
        let refusal = house.whole_way(&mut house.browser("lap-1"), "/").await.unwrap_err();
        assert!(matches!(refusal, SignInRefusal::IdToken(IdTokenProblem::OtherSubject)), "{refusal}");
    }
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_not_taken() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    let answer = async |browser: &mut super::house::Browser, issuer: Option<&str>| {
        let query = house.liar.sign_in(&house.to_provider(browser, "/").await);
        let issuer = issuer.map(|issuer| format!("&iss={issuer}")).unwrap_or_default();
        browser.get(&house, GATE, Endpoint::Callback, &format!("{query}{issuer}")).await
    };
    let refusal = answer(&mut browser, Some("https://evil.example")).await;
    assert!(matches!(refusal, Err(SignInRefusal::OtherIssuer)));
    assert!(answer(&mut browser, Some(&house.issuer)).await.is_ok());

    let house = House::with(json!({"authorization_response_iss_parameter_supported": true})).await;
    let mut browser = house.browser("lap-1");
    let query = house.liar.sign_in(&house.to_provider(&mut browser, "/").await);
    let refusal = browser.get(&house, GATE, Endpoint::Callback, &query).await;
    assert!(matches!(refusal, Err(SignInRefusal::OtherIssuer)), "promised and missing");
}

#[tokio::test]
async fn errors_of_the_provider_are_told_in_our_words() {
    let house = House::open().await;
    for (error, declined) in [("access_denied", true), ("<script>alert(1)</script>", false), ("server_error", false)] {
        let mut browser = house.browser("lap-1");
        let query = house.liar.sign_in(&house.to_provider(&mut browser, "/").await);
        let (_, state) = query.split_once("&state=").unwrap();
        let error = format!("error={error}&error_description=%3Cscript%3E&state={state}");
        let refusal = browser.get(&house, GATE, Endpoint::Callback, &error).await.unwrap_err();
        assert_eq!(matches!(refusal, SignInRefusal::Declined), declined);
        assert!(!refusal.to_string().contains('<'), "{refusal}");
        let again = browser.get(&house, GATE, Endpoint::Callback, &error).await;
        assert!(matches!(again, Err(SignInRefusal::UnknownAttempt)), "the attempt is over");
    }
    assert_eq!((house.counted("declined"), house.counted("provider_down")), (1, 2));
}

#[tokio::test]
async fn a_code_is_worth_something_only_with_our_verifier_and_once() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    let first = house.liar.sign_in(&house.to_provider(&mut browser, "/").await);
    let second = house.liar.sign_in(&house.to_provider(&mut browser, "/").await);
    let code_of = |query: &str| query.split_once('&').unwrap().0.to_owned();
    let swapped = second.replacen(&code_of(&second), &code_of(&first), 1);
    let refusal = browser.get(&house, GATE, Endpoint::Callback, &swapped).await;
    assert!(matches!(refusal, Err(SignInRefusal::Code)), "the code of another attempt");
    let refusal = browser.get(&house, GATE, Endpoint::Callback, &first).await;
    assert!(matches!(refusal, Err(SignInRefusal::Code)), "a code that was used");
}

#[tokio::test]
async fn a_provider_that_talks_nonsense_signs_nobody_in() {
    let house = House::open().await;
    for status in [StatusCode::OK, StatusCode::BAD_GATEWAY, StatusCode::FOUND] {
        house.liar.lies().token_status = Some(status);
        let refusal = house.whole_way(&mut house.browser("lap-1"), "/").await.unwrap_err();
        assert!(matches!(refusal, SignInRefusal::ProviderAnswer(_)), "{status}: {refusal}");
    }
}

#[tokio::test]
async fn a_provider_that_is_down_at_start_signs_people_in_when_it_is_back() {
    let house = House::with(json!({"issuer": "https://elsewhere.example"})).await;
    let mut browser = house.browser("lap-1");
    let reply = browser.challenge(&house, super::house::WIKI, "/");
    let refusal = browser.follow(&house, &reply).await.unwrap_err();
    assert!(matches!(refusal, SignInRefusal::ProviderDown), "{refusal}");
    house.liar.lies().metadata = Value::Null;
    assert!(house.whole_way(&mut browser, "/").await.is_ok());
}

#[tokio::test]
async fn a_provider_that_cannot_do_what_is_needed_is_unfit() {
    for metadata in [
        json!({"code_challenge_methods_supported": ["plain"]}),
        json!({"token_endpoint": null}),
        json!({"authorization_endpoint": null}),
        json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}),
    ] {
        let house = House::with(metadata.clone()).await;
        let mut browser = house.browser("lap-1");
        let reply = browser.challenge(&house, super::house::WIKI, "/");
        let refusal = browser.follow(&house, &reply).await.unwrap_err();
        assert!(matches!(refusal, SignInRefusal::ProviderUnfit(_)), "{metadata}: {refusal}");
    }
}

#[tokio::test]
async fn the_client_shows_its_secret_where_the_provider_takes_it() {
    let house = House::open().await;
    house.whole_way(&mut house.browser("lap-1"), "/").await.unwrap();
    assert!(house.liar.lies().saw_authorization.as_ref().unwrap().starts_with("Basic "));
    assert!(!house.liar.lies().saw_form.contains_key("client_secret"));

    let house = House::with(json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]})).await;
    house.whole_way(&mut house.browser("lap-1"), "/").await.unwrap();
    assert_eq!(house.liar.lies().saw_authorization, None);
    assert_eq!(house.liar.lies().saw_form["client_secret"], "s3cret");
}

#[tokio::test]
async fn more_than_one_factor_is_told_by_amr_or_acr() {
    for (claims, expected) in [
        (json!({}), false),
        (json!({"amr": ["pwd"]}), false),
        (json!({"amr": ["pwd", "pin"]}), false),
        (json!({"amr": "mfa"}), false),
        (json!({"acr": "silver"}), false),
        (json!({"amr": ["mfa"]}), true),
        (json!({"amr": ["pwd", "otp"]}), true),
        (json!({"acr": "gold"}), true),
    ] {
        let house = House::open().await;
        house.liar.lies().claims = claims.clone();
        let mut browser = house.browser("lap-1");
        house.whole_way(&mut browser, "/").await.unwrap();
        assert_eq!(house.session(&browser, GATE).unwrap().session.mfa, expected, "{claims}");
    }
}
