//! Devices that somebody else vouches for.

use crate::harness::{Authority, Client, House, Plan, allowed, refused};

/// An authority beside the house's own, which admits what `admit` says.
fn with_mdm(admit: &str) -> Plan {
    let lines = format!(
        "[[device_authority]]\nname = \"mdm\"\nroots = \"mdm.pem\"\ncrl = \"mdm.crl\"\ndevice_id = \"san-uri\"\nadmit = \"{admit}\"\n"
    );
    House::plan().set("end", &lines)
}

async fn open(plan: Plan, mdm: &Authority, crl: &str) -> House {
    plan.file("mdm.pem", &mdm.pem()).file("mdm.crl", crl).open().await
}

#[tokio::test]
async fn a_listed_device_is_admitted_and_its_twins_are_not() {
    let mdm = Authority::new("MDM");
    let house = open(with_mdm("listed"), &mdm, &mdm.withdrawn(&[3], 10)).await;
    for name in ["lap-42", "lap-43", "lap-44"] {
        house.must(&["device", "add", name, "--authority", "mdm", "--owner", "alice@corp.example", "--managed"]).await;
    }
    let with = |identity| Client::new(&house.roots(), Some(&identity));
    let url = house.url("wiki", "/");

    let good = with(mdm.device("urn:mdm:device/lap-42", 1, 30));
    allowed(&house.idp.sign_in(&good, &url, "alice").await);
    assert!(house.record().access("/").iter().any(|line| line["device"] == "mdm.lap-42"));

    for (what, client) in [
        ("not listed", with(mdm.device("urn:mdm:device/lap-99", 2, 30))),
        ("withdrawn", with(mdm.device("urn:mdm:device/lap-43", 3, 30))),
        ("expired", with(mdm.device("urn:mdm:device/lap-44", 4, -1))),
        ("of another authority of the same name", with(Authority::new("MDM").device("urn:mdm:device/lap-42", 1, 30))),
    ] {
        let page = client.click(&url).await;
        assert_eq!(page.status, 403, "{what}: {}", page.text());
        assert!(page.header("content-type").unwrap().starts_with("text/html"), "{what}: a page, not an alert");
    }
}

#[tokio::test]
async fn a_list_of_withdrawn_certificates_that_is_too_old_closes_the_gate() {
    let mdm = Authority::new("MDM");
    let mut house = open(with_mdm("any"), &mdm, &mdm.withdrawn(&[], 10)).await;
    let client = Client::new(&house.roots(), Some(&mdm.device("urn:mdm:device/lap-42", 1, 30)));
    let before = client.click(&house.url("wiki", "/")).await;
    assert_ne!(before.status, 503, "{}", before.text());

    house.write("mdm.crl", &mdm.withdrawn(&[], -1));
    house.command(&["reload"]).await;
    house.restart().await;
    refused(&client.click(&house.url("wiki", "/")).await, 503);
}

#[tokio::test]
async fn where_any_is_admitted_first_sight_enters_the_device() {
    let mdm = Authority::new("MDM");
    let house = open(with_mdm("any"), &mdm, &mdm.withdrawn(&[], 10)).await;
    let client = Client::new(&house.roots(), Some(&mdm.device("urn:mdm:device/lap-42", 1, 30)));
    crate::harness::eventually("the device in the inventory", async || {
        client.click(&house.url("wiki", "/")).await;
        let devices = house.json(&["device", "list"]).await;
        devices.as_array().unwrap().iter().any(|device| device["id"] == "mdm.lap-42").then_some(())
    })
    .await;
    let page = client.click(&house.url("wiki", "/")).await;
    assert!(page.location().is_some_and(|to| to.starts_with(&house.url("gate", ""))), "{}: it may sign in", page.status);
}
