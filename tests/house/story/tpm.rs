//! A device whose key is in its TPM, and devices that only say so.

use std::path::Path;

use serde_json::Value;

use crate::harness::{House, Laptop, Plan, SoftwareTpm, allowed, refused, run, sekisho_with_tpm};

const ONLY_WITH_TPM: &str = r#"
@id("only-keys-in-a-tpm")
permit (principal, action in Action::"use", resource == App::"wiki") when { context.device.key_protection == "tpm" };
"#;

/// A gate that believes these makers.
fn believing(makers: &str) -> Plan {
    let plan = House::plan().policies(ONLY_WITH_TPM).set("device_authority", "approval = \"code\"");
    plan.set("device_authority", "tpm_roots = \"makers.pem\"").file("makers.pem", makers)
}

async fn counted(house: &House, outcome: &str) -> f64 {
    house.metrics().await.sum("sekisho_enrolments_total", &[("outcome", outcome)])
}

fn key(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("device.key")).unwrap()
}

async fn shown(house: &House, device: &str) -> Value {
    house.json(&["device", "show", device]).await
}

#[tokio::test]
async fn a_policy_lets_in_those_whose_key_is_in_their_tpm() {
    let tpm = SoftwareTpm::new().await;
    let house = believing(&tpm.maker()).open().await;
    let (said, folder) = tpm.enrols(&house, "lap-7", "alice").await;
    assert!(said.code == Some(0) && said.out.contains("which is in its TPM"), "{said:?}");
    assert!(key(&folder).starts_with("-----BEGIN TSS2 PRIVATE KEY-----\n"));
    assert!(!folder.join("device.p12").exists(), "browsers could not use it");
    // Other programs can use it, too: to OpenSSL it is the key of the certificate.
    let mut command = tokio::process::Command::new("openssl");
    command.args(["x509", "-noout", "-pubkey", "-in"]).arg(folder.join("device.pem"));
    assert_eq!(tpm.key_of_openssl(&folder).await, run(command, "").await.out);
    assert_eq!([counted(&house, "challenged").await, counted(&house, "active").await], [1.0, 1.0]);
    let told = house.must(&["device", "show", "lap-7"]).await;
    assert!(told.contains("key protection  tpm\n") && told.contains("\n  in the TPM    "), "{told}");

    let alice = tpm.client(&house, &folder);
    let who: Value = serde_json::from_slice(&alice.get(&house.url("gate", "/.sekisho/whoami")).await.body).unwrap();
    assert_eq!(who["device"]["key_protection"], "tpm", "{who}");
    let page = house.idp.sign_in(&alice, &house.url("wiki", "/"), "alice").await;
    allowed(&page);
    // The twin: everything the same, and the key in a file.
    let other = house.pending_laptop("lap-8", "bob").await;
    let bob = other.client(&house);
    refused(&house.idp.sign_in(&bob, &house.url("wiki", "/"), "bob").await, 403);
    let access =
        house.record().lines().into_iter().rfind(|line| line["device"] == "lap-8" && line["reason"] == "policy_no_permit");
    assert!(access.is_some());

    // Its next key is in the TPM, too; and then one in a file, and the weaker of the two counts.
    drop(alice);
    let before = key(&folder);
    let out = folder.display().to_string();
    let renew = ["--renew", "--force", "--out", &out];
    let said = tpm.enroll(&house, &renew, "").await;
    assert!(said.code == Some(0) && said.out.starts_with("Renewed: the certificate of `lap-7`"), "{said:?}");
    assert!(key(&folder) != before && key(&folder).starts_with("-----BEGIN TSS2"));
    let details = shown(&house, "lap-7").await;
    assert_eq!((&details["key_protection"], details["attestations"].as_array().unwrap().len()), (&"tpm".into(), 2));
    let said = tpm.enroll(&house, &[&renew[..], &["--key", "file"]].concat(), "").await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(key(&folder).starts_with("-----BEGIN PRIVATE KEY"));
    assert_eq!(shown(&house, "lap-7").await["key_protection"], "software");
    assert!(Laptop::renew_in(&house, &folder).await.code == Some(0), "what is in a file, any `sekisho` renews");
}

#[tokio::test]
async fn a_tpm_of_a_maker_who_is_not_believed_proves_nothing() {
    let (tpm, other) = (SoftwareTpm::new().await, SoftwareTpm::new().await);
    let mut house = believing(&other.maker()).open().await;
    let (said, folder) = tpm.enrols(&house, "lap-7", "alice").await;
    assert!(said.code == Some(3) && said.err.contains("(403)") && said.err.contains("endorsement key is not taken"), "{said:?}");
    assert!(house.command(&["device", "show", "lap-7"]).await.code != Some(0), "and nothing was entered");
    let line = house.record().access("/.sekisho/enroll").pop().unwrap();
    assert_eq!((&line["reason"], &line["status"]), (&"enrol_endorsement_untrusted".into(), &403.into()));
    assert_eq!(counted(&house, "attestation_refused").await, 1.0);
    // One believes them all, from the next `reload` on; the same folder goes on with the key that it has.
    house.write("makers.pem", &(tpm.maker() + &other.maker()));
    house.must(&["reload"]).await;
    let code = house.json(&["device", "invite", "--id", "lap-8", "--owner", "alice@corp.example"]).await;
    let out = folder.display().to_string();
    let again = ["--key", "tpm", "--gate", &house.url("gate", ""), "--out", &out];
    let said = tpm.enroll(&house, &again, &format!("{}\n", code["code"].as_str().unwrap())).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    // Without any, nobody is.
    house.change("tpm_roots = \"makers.pem\"", "");
    house.must(&["reload"]).await;
    let (said, _) = other.enrols(&house, "lap-9", "bob").await;
    assert!(said.code == Some(3) && said.err.contains("(409)") && said.err.contains("tpm_roots"), "{said:?}");
}

#[tokio::test]
async fn one_tpm_under_two_names_is_told() {
    let tpm = SoftwareTpm::new().await;
    let house = believing(&tpm.maker()).open().await;
    for device in ["lap-7", "lap-8"] {
        assert_eq!(tpm.enrols(&house, device, "alice").await.0.code, Some(0));
    }
    assert!(house.must(&["device", "show", "lap-8"]).await.contains("; the same TPM is that of lap-7\n"));
    let enrolled = house.record().lines().into_iter().rfind(|line| line["event"] == "device_enrolled").unwrap();
    assert!(enrolled["why"].as_str().unwrap().ends_with("which is that of `lap-7` too"), "{enrolled}");
}

#[tokio::test]
async fn what_cannot_be_done_here_is_said_before_a_code_is_used() {
    let house = House::open().await;
    let folder = house.path().join("device");
    let out = folder.display().to_string();
    let ask = ["enroll", "--key", "tpm", "--gate", &house.url("gate", ""), "--out", &out];
    let invitation = house.json(&["device", "invite", "--owner", "alice@corp.example"]).await;
    let code = format!("{}\n", invitation["code"].as_str().unwrap());
    // The usual binary talks to no TPM, and says how to get one that does.
    let said = house.command_with(&ask, &code).await;
    assert!(said.code == Some(3) && said.err.contains("--features tpm"), "{said:?}");
    let mut command = tokio::process::Command::new(sekisho_with_tpm());
    command.args(ask).arg("--install").env("HOME", house.path());
    let said = run(command, &code).await;
    assert!(said.code == Some(2) && said.err.contains("browsers cannot be given a key that is in a TPM"), "{said:?}");
    let mut command = tokio::process::Command::new(sekisho_with_tpm());
    command.args(ask).args(["--tcti", "swtpm:host=127.0.0.1,port=1"]).env("HOME", house.path());
    let said = run(command, &code).await;
    assert!(said.code == Some(3) && said.err.contains("cannot be reached"), "{said:?}");
    // Nothing was sent, and no key is left behind that would be in the way.
    let said = house.command_with(&["enroll", "--gate", &house.url("gate", ""), "--out", &out], &code).await;
    assert_eq!(said.code, Some(0), "{said:?}");
}
