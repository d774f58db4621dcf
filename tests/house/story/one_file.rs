//! A gate of one file, as in a container: the policies stand in the configuration, and its keys lie in a mount whose modes nobody can change.

use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{House, allowed, eventually, refused};

const FOLDER: &str = "dir = \"policies\"";
const KEY: &str = "key = \"gate.key\"";

fn policies(text: &str) -> String {
    format!("text = '''\n{text}'''")
}

const OWN_DEVICES: &str =
    "@id(\"staff\")\npermit (principal in Group::\"staff\", action, resource)\nwhen { context.device.owner == principal };\n";
const NOBODY: &str =
    "@id(\"staff\")\npermit (principal in Group::\"staff\", action, resource)\nwhen { context.device.id == \"another\" };\n";

#[tokio::test]
async fn policies_in_the_configuration_decide_and_are_reloaded_with_it() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    house.change(FOLDER, &policies(OWN_DEVICES));
    let said = house.must(&["reload"]).await;
    assert!(said.contains("the policies are different"), "{said}");
    allowed(&alice.get(&house.url("wiki", "/a")).await);
    assert_eq!(house.record().only_access("/a")["policies"], serde_json::json!(["staff"]));

    house.change(OWN_DEVICES, NOBODY);
    house.must(&["reload"]).await;
    refused(&alice.get(&house.url("wiki", "/b")).await, 403);

    house.change("context.device.id", "context.device.idd");
    let wrong = house.command(&["reload"]).await;
    assert!(wrong.code == Some(1) && wrong.err.contains("sekisho.toml:policies.text:3:"), "{wrong:?}");
    let wrong = house.command(&["check"]).await;
    assert!(wrong.code == Some(1) && wrong.err.contains("sekisho.toml:policies.text:3:"), "{wrong:?}");
    house.change(&NOBODY.replace("device.id ", "device.idd "), OWN_DEVICES);
    house.restart().await;
    allowed(&alice.get(&house.url("wiki", "/c")).await);
    house.must(&["check"]).await;

    // Commands that look at policies work on them, or say that they need a folder.
    let told = house.must(&["policy", "explain", "--user", "corp/ana", "--group", "staff", "--to", "wiki"]).await;
    assert!(told.contains("permitted by staff (sekisho.toml:policies.text:1)"), "{told}");
    house.write("old.toml", &std::fs::read_to_string(house.config()).unwrap().replace(OWN_DEVICES, NOBODY));
    let wider = house.command(&["policy", "diff", "old.toml", "sekisho.toml", "--fail-on", "widen"]).await;
    assert!(wider.code == Some(1) && wider.out.contains("`staff`"), "{wider:?}");
    assert_eq!(house.command(&["policy", "diff", "sekisho.toml", "sekisho.toml"]).await.code, Some(0));
    for needs_files in [["policy", "test"], ["policy", "fmt"]] {
        let said = house.command(&needs_files).await;
        assert!(said.code == Some(3) && said.err.contains("need a folder of policies"), "{said:?}");
    }
    house.must(&["policy", "schema"]).await;
}

#[tokio::test]
async fn a_key_that_others_can_read_is_taken_only_where_the_configuration_says_so() {
    let mut house = House::open().await;
    let key = house.path().join("gate.key");
    let mode = |mode: u32| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o444);
    let refused = house.command(&["check"]).await;
    assert!(refused.code == Some(1) && refused.err.contains("write `shared_key = true`"), "{refused:?}");
    house.change(KEY, &format!("{KEY}\nshared_key = true"));
    let said = house.must(&["check"]).await;
    assert!(said.contains("gate.key may be readable by others on this machine: `shared_key = true`"), "{said}");
    house.restart().await;
    house.gate.says("gate.key may be readable by others on this machine").await;
    // Mounted secrets are replaced while the gate runs.
    let next = house.authority.server(["gate.localhost", "wiki.localhost"]);
    let before = house.metrics().await.sum("sekisho_config_last_reload_success_timestamp_seconds", &[]);
    house.write("next.pem", &next.chain);
    house.write("next.key", &next.key);
    std::fs::rename(house.path().join("next.key"), &key).unwrap();
    mode(0o444);
    std::fs::rename(house.path().join("next.pem"), house.path().join("gate.pem")).unwrap();
    eventually("the new certificate", async || {
        let now = house.metrics().await.sum("sekisho_config_last_reload_success_timestamp_seconds", &[]);
        (now > before).then_some(())
    })
    .await;
    // Whoever can change it is another matter.
    mode(0o666);
    let refused = house.command(&["check"]).await;
    assert!(refused.code == Some(1) && refused.err.contains("mode 0666") && !refused.err.contains("shared_key"), "{refused:?}");
}
