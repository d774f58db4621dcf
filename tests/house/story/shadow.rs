//! Policies that are tried decide nothing, and what they would have decided is counted, recorded and told.

use http::Method;

use crate::harness::{House, POLICIES, allowed, refused};

const NO_REPORTS: &str = r#"
@id("no-reports") forbid (principal, action in Action::"use", resource)
when { context.request.path_prefixes.contains("/reports") };
"#;

/// A house that tries policies; there are none yet.
async fn trying() -> House {
    let house = House::plan().set("policies", "candidate = \"candidate\"").open().await;
    std::fs::create_dir(house.path().join("candidate")).unwrap();
    house
}

async fn shadow(house: &House, active: &str, candidate: &str) -> f64 {
    let labels = [("app", "wiki"), ("active", active), ("candidate", candidate)];
    house.metrics().await.sum("sekisho_policy_shadow_total", &labels)
}

async fn is_tried(house: &House) -> bool {
    house.metrics().await.sum("sekisho_policy_candidate_loaded", &[]) > 0.0
}

#[tokio::test]
async fn the_live_policies_decide_alone_and_every_difference_shows() {
    let house = trying().await;
    house.write(
        "candidate/new.cedar",
        &format!("{}{NO_REPORTS}", POLICIES.replace("contains(\"/admin\")", "contains(\"/nowhere\")")),
    );
    house.must(&["reload"]).await;
    assert!(is_tried(&house).await);
    let laptop = house.laptop("lap-7", "bob").await;
    let bob = house.signed_in(&laptop, "bob").await;

    // The candidate would deny it.
    allowed(&bob.get(&house.url("wiki", "/reports/1")).await);
    let line = house.record().only_access("/reports/1");
    assert_eq!((&line["decision"], &line["candidate"]["decision"]), (&"allow".into(), &"deny".into()), "{line}");
    assert_eq!(line["candidate"]["policies"], serde_json::json!(["no-reports"]));
    assert_eq!(line["candidate"]["reason"], "forbidden");
    assert_ne!(line["candidate"]["policy_set"], line["policy_set"]);
    assert_eq!(shadow(&house, "allow", "deny").await, 1.0);

    // The candidate would allow it.
    refused(&bob.get(&house.url("wiki", "/admin/users")).await, 403);
    let line = house.record().only_access("/admin/users");
    assert_eq!((&line["decision"], &line["candidate"]["decision"]), (&"deny".into(), &"allow".into()), "{line}");
    assert_eq!(shadow(&house, "deny", "allow").await, 1.0);

    // They agree.
    allowed(&bob.send(Method::POST, &house.url("wiki", "/other"), &[], "x").await);
    assert!(house.record().only_access("/other").get("candidate").is_none());
    assert!(shadow(&house, "allow", "allow").await >= 1.0);

    let told = house.json(&["policy", "shadow"]).await;
    let kinds = told["differences"].as_array().unwrap();
    assert_eq!(kinds.len(), 2, "{told}");
    let denied = kinds.iter().find(|kind| kind["candidate"] == "deny").unwrap();
    assert_eq!((&denied["requests"], &denied["examples"][0]["path"]), (&1.into(), &"/reports/1".into()));
    let words = house.must(&["policy", "shadow"]).await;
    assert!(words.contains("would be denied: 1 request of `wiki`") && words.contains("corp/bob"), "{words}");
    assert!(house.must(&["status"]).await.contains("candidate"));
}

#[tokio::test]
async fn without_a_candidate_nothing_is_compared() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.get(&house.url("wiki", "/reports/1")).await);
    assert!(house.record().only_access("/reports/1").get("candidate").is_none());
    assert_eq!(house.metrics().await.sum("sekisho_policy_shadow_total", &[]), 0.0);
    assert!(!is_tried(&house).await);
    assert_eq!(house.command(&["policy", "shadow"]).await.code, Some(3));
    assert!(!house.must(&["status"]).await.contains("candidate"));
}

#[tokio::test]
async fn a_broken_candidate_is_told_and_harms_nothing() {
    // At the start its folder is not even there.
    let house = trying().await;
    assert!(!is_tried(&house).await);
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.get(&house.url("wiki", "/a")).await);

    house.write("candidate/new.cedar", "permit (principal, action, resource) when { context.sesion.mfa };");
    let said = house.must(&["reload"]).await;
    assert!(said.contains("policies.candidate") && said.contains("sesion"), "{said}");
    assert!(!is_tried(&house).await);
    let config = house.config();
    let check = house.command(&["check", "--config", config.to_str().unwrap()]).await;
    assert_eq!(check.code, Some(1), "{}", check.err);
    let told = house.command(&["policy", "shadow"]).await;
    assert!(told.code == Some(1) && told.err.contains("sesion"), "{}", told.err);
    allowed(&alice.get(&house.url("wiki", "/b")).await);

    // One that loads and fails on requests: seconds since the sign-in are at least one.
    let fails = r#"@id("overflows") forbid (principal, action in Action::"use", resource) when { context.session.auth_age_s + 9223372036854775807 > 0 };"#;
    house.write("candidate/new.cedar", &format!("{POLICIES}{fails}"));
    house.must(&["reload"]).await;
    assert!(is_tried(&house).await);
    allowed(&alice.get(&house.url("wiki", "/c")).await);
    let line = house.record().only_access("/c");
    assert_eq!(line["candidate"]["reason"], "evaluation_failed", "{line}");
    assert_eq!(shadow(&house, "allow", "error").await, 1.0);
}
