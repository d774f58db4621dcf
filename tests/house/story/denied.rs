//! A denial says what to do about it: to the person what they can do, to operators everything.

use std::path::Path;

use serde_json::json;

use crate::harness::{Browser, House, Kind, refused};

const POLICIES: &str = r#"
@id("encrypted")
@advice("Plans <stay> on encrypted disks. Questions: ask Bea.")
permit (principal, action in Action::"use", resource == App::"wiki")
when { context.request.path == "/" || context.device.posture.disk_encrypted };

@id("secret-group")
forbid (principal, action in Action::"use", resource == App::"wiki")
when { context.request.path_prefixes.contains("/vault") }
unless { principal in Group::"keepers-of-the-vault" };
"#;

#[tokio::test]
async fn an_unencrypted_disk_is_named_with_its_remedy() {
    let house = House::plan().policies(POLICIES).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;

    // A program.
    let reply = alice.get(&house.url("wiki", "/plans")).await;
    refused(&reply, 403);
    let problem = reply.json();
    assert_eq!(problem["reason"], "policy_no_permit");
    assert_eq!(problem["ways"], json!([["Encrypt the system disk of this device."]]));
    assert_eq!(problem["advice"], json!(["Plans <stay> on encrypted disks. Questions: ask Bea."]));

    // A browser.
    let page = alice.browse(&house.url("wiki", "/plans")).await;
    refused(&page, 403);
    assert!(page.text().contains("<li>Encrypt the system disk of this device.</li>"), "{}", page.text());
    assert!(page.text().contains("Plans &#60;stay&#62; on encrypted disks"), "{}", page.text());

    // Operators.
    let line = house.record().access("/plans").pop().unwrap();
    let way = json!({
        "by": "device", "policies": ["encrypted"], "changes": ["context.device.posture.disk_encrypted: false -> true"]
    });
    assert_eq!(line["ways"], json!([way]));
}

#[tokio::test]
async fn what_the_person_cannot_change_is_for_operators_only() {
    let house = House::plan().policies(POLICIES).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let url = house.url("wiki", "/vault/gold");
    for reply in [alice.get(&url).await, alice.browse(&url).await] {
        refused(&reply, 403);
        for inner in ["keepers", "secret-group", "Group::", "Encrypt the system disk"] {
            assert!(!reply.text().contains(inner), "{inner}: {}", reply.text());
        }
    }
    let line = house.record().access("/vault/gold").pop().unwrap();
    assert_eq!(line["ways"][0]["by"], "administrator");
    let changes = line["ways"][0]["changes"].to_string();
    assert!(changes.contains("keepers-of-the-vault") && changes.contains("disk_encrypted"), "{changes}");
}

#[tokio::test]
async fn a_browser_shows_it() {
    let house = House::plan().provider(Kind::OidcProvider).policies(POLICIES).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let browser = Browser::on(&house, Some(&laptop)).await;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    let steps = [
        json!(["goto", house.url("wiki", "/plans")]),
        json!(["fill", "input[name=login]", "alice"]),
        json!(["fill", "input[name=password]", "alice-demo"]),
        json!(["click", "button"]),
        json!(["shot", folder.join("denied-disk.png")]),
    ];
    let given = browser.does(&steps).await;
    let page = &given[3];
    assert_eq!(page["url"], house.url("wiki", "/plans"), "{page}");
    assert!(page["text"].as_str().unwrap().contains("Encrypt the system disk of this device."), "{page}");
}
