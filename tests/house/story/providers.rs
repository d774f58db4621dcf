//! Identity providers as they are: what each does in its own way is taken, or refused by name with words that say what to mend.

use serde_json::{Value, json};

use super::fresh::{every_second, redeem, refresh_token, refreshes};
use crate::harness::{
    BY_HAND, House, Kind, Laptop, Liar, Page, Plan, Reply, Signer, allowed, eventually, jwks, private, refused,
};

/// Waits until the log of the gate has this.
async fn logged(house: &House, words: &str) {
    eventually(words, async || house.gate.said().contains(words).then_some(())).await;
}

/// What `whoami` says of the person.
fn subject(whoami: &Value) -> &str {
    whoami["user"]["id"].as_str().unwrap_or_else(|| panic!("nobody: {whoami}")).strip_prefix("corp/").unwrap()
}

const FRESH: &str = r#"
@id("staff")
permit (principal in Group::"staff", action in Action::"use", resource);

@id("pay-only-fresh")
forbid (principal, action in Action::"use", resource)
when { context.request.path_prefixes.contains("/pay") }
unless { context.session.auth_age_s < 900 };
"#;

#[tokio::test]
async fn canaille_gives_times_with_fractions_and_by_hand_clients_whose_tokens_are_for_nobody() {
    let mut house = House::plan().provider(Kind::Canaille).policies(FRESH).open().await;
    let laptop = house.laptop("kiosk", "shared").await;
    let alice = laptop.client(&house);
    // She signed in half an hour ago.
    house.idp.dates_back(1800);
    allowed(&house.idp.sign_in(&alice, &house.url("wiki", "/"), "alice").await);
    house.idp.dates_back(0);
    let at = async || alice.get(&house.url("wiki", "/.sekisho/whoami")).await.json()["session"]["authenticated_at"].clone();
    let before = at().await;
    refused(&alice.get(&house.url("wiki", "/pay")).await, 401);
    assert_eq!(house.record().only_access("/pay")["reason"], "step_up");
    let page = house.idp.sign_in(&alice, &house.url("wiki", "/pay"), "alice").await;
    allowed(&page);
    assert_eq!(page.url.as_str(), house.url("wiki", "/pay"));
    assert_ne!(at().await, before);

    // A client that was made without an audience.
    let (id, secret) = (format!("client_id = \"{}\"", house.idp.client_id), house.idp.client_secret.clone());
    let by_hand = format!("client_id = \"{BY_HAND}\"");
    house.change(&id, &by_hand);
    private(&house.path().join("oidc-secret"), house.idp.by_hand_secret());
    house.must(&["reload"]).await;
    let page = house.idp.sign_in(&laptop.client(&house), &house.url("wiki", "/a"), "alice").await;
    refused(&page, 403);
    assert!(page.text().contains("sign_in_id_token") && page.text().contains("it is for nobody"), "{}", page.shown());
    assert!(!house.wiki.has_seen("/a"));
    logged(&house, "the client was made without an audience at the provider").await;

    house.change(&by_hand, &id);
    private(&house.path().join("oidc-secret"), &secret);
    house.must(&["reload"]).await;
    allowed(&house.idp.sign_in(&laptop.client(&house), &house.url("wiki", "/a"), "alice").await);
}

#[tokio::test]
async fn glewlwyd_names_people_at_random_and_refuses_a_used_refresh_token_without_a_word() {
    let plan = every_second(Kind::Glewlwyd).set("", "max_fact_age = \"3s\"");
    let house = plan.open().await;
    assert!(house.idp.issuer.ends_with("/api/oidc"), "below a path: {}", house.idp.issuer);
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let whoami = alice.get(&house.url("wiki", "/.sekisho/whoami")).await.json();
    let sub = subject(&whoami).to_owned();
    assert!(sub.len() == 32 && sub != "alice", "{whoami}");

    // Each refresh gives another token, and no ID token: userinfo speaks for her, by the same name.
    let first = refresh_token(&house).await;
    eventually("refreshes", async || {
        allowed(&alice.get(&house.url("wiki", "/a")).await);
        (refreshes(&house, "confirmed").await >= 2.0).then_some(())
    })
    .await;
    assert_ne!(refresh_token(&house).await, first);

    // Somebody else was faster with it. The provider says 400 and nothing more: facts serve for a while, and she goes there again.
    let stolen = refresh_token(&house).await;
    redeem(&house, &stolen).await;
    eventually("a refusal without a reason", async || (refreshes(&house, "unexplained").await == 1.0).then_some(())).await;
    let refusal = eventually("the end of what is believed", async || {
        let reply = alice.get(&house.url("wiki", "/b")).await;
        (reply.status != 200).then_some(reply)
    });
    let refusal = refusal.await;
    refused(&refusal, 401);
    assert_eq!(refusal.json()["reason"], "facts_expired");
    assert_eq!(house.metrics().await.sum("sekisho_provider_reachable", &[("provider", "corp")]), 1.0);
    allowed(&house.idp.sign_in(&alice, &house.url("wiki", "/c"), "alice").await);
    let whoami = alice.get(&house.url("wiki", "/.sekisho/whoami")).await.json();
    assert_eq!(subject(&whoami), sub, "random, and the same again");
}

#[tokio::test]
async fn groups_that_come_as_one_text_or_not_at_all_sign_nobody_in_and_as_a_list_they_do() {
    let house = House::plan().provider(Kind::Glewlwyd).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let page = house.url("wiki", "/a");
    house.idp.takes_groups_from("team").await;
    let refusal = house.idp.sign_in(&laptop.client(&house), &page, "alice").await;
    refused(&refusal, 403);
    assert!(refusal.text().contains("sign_in_groups") && refusal.text().contains("as one text"), "{}", refusal.shown());
    logged(&house, "as a list of texts, also where it is only one").await;

    let refusal = house.idp.sign_in(&laptop.client(&house), &page, "dora").await;
    refused(&refusal, 403);
    assert!(refusal.text().contains("sign_in_groups") && refusal.text().contains("which groups"), "{}", refusal.shown());
    logged(&house, "for which many need a scope of its own").await;
    assert!(!house.wiki.has_seen("/a"));

    house.idp.takes_groups_from("groups").await;
    allowed(&house.idp.sign_in(&laptop.client(&house), &page, "alice").await);
    assert_eq!(house.wiki.only("/a").header("x-forwarded-groups"), Some("admins,staff"));
}

#[tokio::test]
async fn an_issuer_with_a_slash_at_its_end_is_written_with_it() {
    let mut house = House::plan().provider(Kind::OidcProvider).issuer_at("/op/").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.get(&house.url("wiki", "/a")).await);

    let (with, without) = (house.idp.issuer.clone(), house.idp.issuer.trim_end_matches('/').to_owned());
    house.change(&format!("\"{with}\""), &format!("\"{without}\""));
    house.restart().await;
    let page = laptop.client(&house).browse(&house.url("wiki", "/b")).await;
    refused(&page, 503);
    logged(&house, "differs by the slash at its end").await;
}

#[tokio::test]
async fn tokens_that_name_no_key_are_verified_while_only_one_fits() {
    let liar = Liar::open("liar", &json!({})).await;
    let anybody = "@id(\"anybody\")\npermit (principal, action in Action::\"use\", resource);\n";
    let lines = "client_id = \"sekisho\"\nkeys_refresh = \"1s\"";
    let house = House::plan().policies(anybody).set("end", &liar.section(lines)).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let start = house.url("gate", "/.sekisho/sign-in?provider=liar");
    liar.lies().header = json!({ "kid": null });
    let bearer = async || {
        let header = json!({ "alg": "ES256", "typ": "at+jwt" });
        let token = liar.signer.sign_with(&header, &liar.claims("ana"));
        laptop.client(&house).with_token(&token).get(&house.url("wiki", "/api")).await
    };

    // A key of another kind beside it does not matter.
    let usual = liar.signer.jwk_with(&json!({ "alg": "ES256" }));
    liar.shows("/jwks", Page::Text(200, jwks([usual.clone(), Signer::rsa("other").jwk()])));
    assert_eq!(liar.sign_in(&laptop.client(&house), &start).await.status, 200);
    allowed(&bearer().await);

    liar.shows("/jwks", Page::Text(200, jwks([usual, Signer::es256("other").jwk()])));
    let refusal = eventually("the other key", async || {
        let reply = bearer().await;
        (reply.status != 200).then_some(reply)
    });
    assert_eq!(refusal.await.json()["reason"], "token_unknown_key");
    let page = liar.sign_in(&laptop.client(&house), &start).await;
    refused(&page, 403);
    assert!(page.text().contains("keys signed it"), "{}", page.shown());
    logged(&house, "have the provider name its key (`kid`) in its tokens").await;
}

/// A token of a program's own, from the real provider.
async fn machine_token(house: &House) -> String {
    use base64::Engine as _;
    let secret = base64::engine::general_purpose::STANDARD.encode(format!("loose-robot:{}", house.idp.client_secret));
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", &format!("Basic {secret}") as &str)];
    let body = "grant_type=client_credentials";
    let reply = house.stranger().send(http::Method::POST, &house.idp.at("/token"), &headers, body).await;
    reply.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", reply.shown())).to_owned()
}

async fn program(house: &House, laptop: &Laptop, token: &str) -> Reply {
    laptop.client(house).with_token(token).get(&house.url("wiki", "/api")).await
}

fn with_machines(plan: Plan) -> Plan {
    plan.policies(
        "@id(\"staff\") permit (principal in Group::\"staff\", action in Action::\"use\", resource);\n\
         @id(\"machines\") permit (principal == Service::\"corp/loose-robot\", action in Action::\"use\", resource);\n",
    )
}

#[tokio::test]
async fn the_provider_changes_its_keys_while_people_work() {
    let plan = with_machines(every_second(Kind::OidcProvider)).set("identity_provider", "keys_refresh = \"1s\"");
    let mut house = plan.open().await;
    let laptop = house.laptop("kiosk", "shared").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let old = machine_token(&house).await;
    allowed(&program(&house, &laptop, &old).await);
    let hers = house.json(&["session", "list"]).await[0]["id"].clone();

    // Both keys are published, and the new one signs.
    house.idp.upgrade(&["second", "first"]).await;
    let new = machine_token(&house).await;
    assert_ne!(key_id(&old), key_id(&new));
    allowed(&program(&house, &laptop, &new).await);
    allowed(&program(&house, &laptop, &old).await);
    let before = refreshes(&house, "confirmed").await;
    eventually("a refresh, signed with the new key", async || {
        allowed(&alice.get(&house.url("wiki", "/a")).await);
        (refreshes(&house, "confirmed").await > before + 1.0).then_some(())
    })
    .await;
    allowed(&house.idp.sign_in(&laptop.client(&house), &house.url("wiki", "/b"), "bob").await);

    // The old one is retired.
    house.idp.upgrade(&["second"]).await;
    let refusal = eventually("the set without the old key", async || {
        let reply = program(&house, &laptop, &old).await;
        (reply.status != 200).then_some(reply)
    });
    let refusal = refusal.await;
    refused(&refusal, 401);
    assert_eq!(refusal.json()["reason"], "token_unknown_key");
    allowed(&program(&house, &laptop, &new).await);
    let before = refreshes(&house, "confirmed").await;
    eventually("a refresh", async || {
        allowed(&alice.get(&house.url("wiki", "/c")).await);
        (refreshes(&house, "confirmed").await > before).then_some(())
    })
    .await;
    let sessions = house.json(&["session", "list"]).await;
    assert!(sessions.as_array().unwrap().iter().any(|session| session["id"] == hers), "the same session: {sessions}");
    assert_eq!(refreshes(&house, "failed").await + refreshes(&house, "refused").await, 0.0);
    allowed(&house.idp.sign_in(&laptop.client(&house), &house.url("wiki", "/d"), "ana").await);
}

/// The key that a token names.
fn key_id(token: &str) -> Value {
    use base64::Engine as _;
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].clone()
}
