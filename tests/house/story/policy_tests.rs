//! Tests beside the policies: what they do not let through never goes live.

use crate::harness::{House, POLICIES, Said, allowed, refused};

const TESTS: &str = r#"
[[case]]
name = "staff read the wiki"
user.groups = ["staff"]
app = "wiki"
expect = "allow"

[[case]]
name = "others do not"
like = "staff read the wiki"
user.groups = ["guests"]
expect = "deny"
"#;

/// Everybody is let in: correct, and not what is wanted.
const TOO_WIDE: &str = "@id(\"everybody\")\npermit (principal, action, resource);\n";
/// Nobody is.
const NOBODY: &str = "@id(\"nobody\")\nforbid (principal, action, resource);\n";

fn words(said: &Said) -> String {
    format!("{}{}", said.out, said.err)
}

#[tokio::test]
async fn a_set_whose_tests_fail_never_goes_live() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let page = |path: &str| house.url("wiki", path);
    let pages = ["/a", "/b", "/c", "/d"].map(page);

    // With tests that pass it goes live like any other.
    std::fs::create_dir(house.path().join("policies/tests")).unwrap();
    house.write("policies/tests/wiki.toml", TESTS);
    house.must(&["reload"]).await;
    allowed(&alice.get(&pages[0]).await);

    // A change that locks everybody out is told by the test that it breaks, and nobody is locked out.
    house.set_policies(NOBODY);
    let config = house.config().display().to_string();
    for arguments in [&["reload"][..], &["check", "--config", &config], &["policy", "test"]] {
        let said = house.command(arguments).await;
        assert_eq!(said.code, Some(1), "{arguments:?}: {said:?}");
        let text = words(&said);
        assert!(text.contains("staff read the wiki") && text.contains("tests/wiki.toml:3"), "{text}");
        assert!(text.contains("deny, forbidden by `nobody`"), "{text}");
    }
    allowed(&alice.get(&pages[1]).await);

    // So is one that opens it to everybody; and a start falls back to what was live.
    house.set_policies(TOO_WIDE);
    let said = house.command(&["reload"]).await;
    assert!(said.code == Some(1) && words(&said).contains("`others do not` fails: expected deny"), "{said:?}");
    house.restart().await;
    allowed(&alice.get(&pages[2]).await);
    let metrics = house.metrics().await;
    assert_eq!(metrics.sum("sekisho_config_last_reload_successful", &[]), 0.0, "{}", metrics.text);

    // The twin: the same change with tests that agree is what the operator wants.
    house.set_policies(NOBODY);
    house.write("policies/tests/wiki.toml", &TESTS.replace("\"allow\"", "\"deny\""));
    house.must(&["reload"]).await;
    refused(&alice.get(&pages[3]).await, 403);
    assert!(house.must(&["policy", "test"]).await.contains("2 tests passed, 0 failed"));
}

#[tokio::test]
async fn a_mistake_in_a_test_is_as_bad_as_a_failure() {
    let mut house = House::open().await;
    std::fs::create_dir(house.path().join("policies/tests")).unwrap();
    house.write("policies/tests/wiki.toml", &TESTS.replace("groups", "grups"));
    let said = house.command(&["reload"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(words(&said).contains("did you mean `groups`?"), "{said:?}");
    house.set_policies(POLICIES);
    house.write("policies/tests/wiki.toml", TESTS);
    house.must(&["reload"]).await;

    let junit = house.path().join("report.xml");
    let said = house.must(&["policy", "test", "--json", "--junit", junit.to_str().unwrap(), "others"]).await;
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((report["failed"].as_u64(), report["tests"][0]["name"].as_str()), (Some(0), Some("others do not")));
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.contains("<testcase classname=\"tests/wiki.toml\" name=\"others do not\""), "{xml}");
    let said = house.command(&["policy", "test", "--require-coverage"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("administration-is-for-admins  (nothing is refused by it)"), "{said:?}");
}
