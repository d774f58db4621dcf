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
async fn what_a_certificate_says_of_its_device_is_known_to_policies() {
    let mdm = Authority::new("MDM");
    let facts = "[[device_authority.certificate_fact]]\noid = \"1.3.6.1.4.1.99999.1\"\nfact = \"managed\"\nvalue = \"corporate\"\n\
        [[device_authority.certificate_fact]]\noid = \"1.3.6.1.4.1.99999.2\"\nfact = \"disk_encrypted\"";
    let plan = with_mdm("any").set("end", facts).policies(
        "@id(\"managed\")\npermit (principal in Group::\"staff\", action in Action::\"use\", resource)\n\
         when { context.device.managed && context.device.posture.disk_encrypted };\n",
    );
    let house = open(plan, &mdm, &mdm.withdrawn(&[], 10)).await;
    let saying = |name: &str, serial: u64, managed: &[u8], encrypted: &[u8]| {
        let identity = mdm.device_with(&format!("urn:mdm:device/{name}"), |params| {
            params.serial_number = Some(serial.into());
            for (last, der) in [(1, managed), (2, encrypted)] {
                let content = rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, last], der.to_vec());
                params.custom_extensions.push(content);
            }
        });
        Client::new(&house.roots(), Some(&identity))
    };
    let url = house.url("wiki", "/");
    let (yes, no) = (&[1, 1, 0xff], &[1, 1, 0]);
    let good = saying("lap-1", 1, b"\x0c\x09corporate", yes);
    allowed(&house.idp.sign_in(&good, &url, "alice").await);
    let shown = house.json(&["device", "show", "mdm.lap-1"]).await;
    assert_eq!((&shown["managed"], &shown["posture"]["disk_encrypted"]), (&true.into(), &true.into()), "{shown}");
    let sources: Vec<&str> = shown["reported"].as_array().unwrap().iter().map(|fact| fact["source"].as_str().unwrap()).collect();
    assert!(sources.contains(&"certificate:mdm"), "{shown}");
    for (what, client) in [
        ("another word", saying("lap-2", 2, b"\x0c\x04byod", yes)),
        ("not encrypted", saying("lap-3", 3, b"\x0c\x09corporate", no)),
        ("not a value", saying("lap-4", 4, b"corporate", yes)),
        ("nothing", Client::new(&house.roots(), Some(&mdm.device("urn:mdm:device/lap-5", 5, 30)))),
    ] {
        let page = house.idp.sign_in(&client, &url, "alice").await;
        assert_eq!(page.status, 403, "{what}: {}", page.text());
    }
    // A newer certificate of the same device says something else.
    let newer = saying("lap-1", 6, b"\x0c\x04byod", yes);
    assert_eq!(house.idp.sign_in(&newer, &url, "alice").await.status, 403);
    let shown = house.json(&["device", "show", "mdm.lap-1"]).await;
    assert_eq!(shown["managed"], false, "{shown}");
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
