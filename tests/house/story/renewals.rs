//! A device's certificate in the course of its life: renewed, copied, ended; and a code that two people have.

use http::Method;
use serde_json::Value;
use tokio::process::Command;

use super::cuts::{closed, echoes, socket_at};
use crate::harness::{Browser, Client, House, Laptop, Plan, allowed, eventually, refused, run};

/// Waits for the event of that kind about that device.
async fn event(house: &House, kind: &str, device: &str) -> Value {
    let is = |line: &Value| line["event"] == kind && line["device"] == device;
    eventually(kind, async || house.record().lines().into_iter().find(is)).await
}

async fn counted(house: &House, outcome: &str) -> f64 {
    house.metrics().await.sum("sekisho_enrolments_total", &[("outcome", outcome)])
}

/// The word of the refusal of the next request to the wiki.
async fn reason(house: &House, client: &Client) -> Value {
    let page = client.send(Method::GET, &house.url("wiki", "/why"), &[("accept", "application/problem+json")], "").await;
    serde_json::from_slice::<Value>(&page.body).unwrap()["reason"].clone()
}

#[tokio::test]
async fn people_work_on_while_their_device_is_renewed_and_the_old_key_leaves() {
    let house = House::open().await;
    let old = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&old, "alice").await;
    let mut socket = socket_at(&alice, &house.url("wiki", "/ws/old")).await;
    let mut open = alice.connect(&house.url("wiki", "")).await;
    allowed(&open.get("/before").await.unwrap());

    let said = old.renew(&house).await;
    assert!(said.code == Some(0) && said.out.starts_with("Renewed: the certificate of `lap-7`"), "{said:?}");
    let new = old.renewed();
    assert_ne!(new.identity.key, old.identity.key, "the key is a new one");
    assert_eq!(event(&house, "device_renewed", "lap-7").await["by"], "device:lap-7");
    assert_eq!(counted(&house, "renewed").await, 1.0);
    // The same session, with the new certificate; and what was open goes on with the old one, as do new connections for a while.
    let on_the_new = new.client(&house).with_cookies(alice.jar.copied());
    allowed(&on_the_new.get(&house.url("wiki", "/new")).await);
    echoes(&mut socket).await;
    allowed(&open.get("/still-open").await.expect("the connection is still open"));
    allowed(&alice.get(&house.url("wiki", "/old")).await);
    let session = |path: &str| house.record().only_access(path)["session"].clone();
    assert!(session("/new") == session("/before") && session("/old") == session("/before"));

    // With the next one, the oldest leaves, and what is open with it.
    let mut newer_socket = socket_at(&on_the_new, &house.url("wiki", "/ws/new")).await;
    assert_eq!(old.renew(&house).await.code, Some(0));
    assert_eq!(closed(&mut socket).await.0, 1008);
    let access = house.record().only_access("/ws/old");
    assert_eq!(house.record().end_of(&access["request"]).await["cause"], "certificate");
    echoes(&mut newer_socket).await;
    assert_eq!(reason(&house, &alice).await, "device_former_key");
    let told = event(&house, "former_key_shown", "lap-7").await;
    assert_eq!(told["detail"], "from 127.0.0.1");
    let shown = house.metrics().await.sum("sekisho_former_keys_shown_total", &[]);
    assert!(shown >= 1.0);
    refused(&alice.get(&house.url("wiki", "/again")).await, 403);
    let events = house.record().lines().into_iter().filter(|line| line["event"] == "former_key_shown").count();
    assert_eq!(events, 1, "once an hour");
    allowed(&new.client(&house).with_cookies(alice.jar.copied()).get(&house.url("wiki", "/end")).await);
}

#[tokio::test]
async fn an_old_key_leaves_when_its_time_is_over() {
    let house = House::plan().set("device_authority", "renewal_overlap = \"1s\"").open().await;
    let old = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&old, "alice").await;
    let mut socket = socket_at(&alice, &house.url("wiki", "/ws/old")).await;
    assert_eq!(old.renew(&house).await.code, Some(0));
    assert_eq!(closed(&mut socket).await.0, 1008);
    assert_eq!(reason(&house, &alice).await, "device_former_key");
    // Who has the old key gets no further with it: neither in, nor to a key of their own.
    let copy = house.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for (name, text) in [("device.key", &old.identity.key), ("device.pem", &old.identity.chain)] {
        crate::harness::private(&copy.join(name), text);
    }
    for name in ["authority.pem", "gate.toml"] {
        std::fs::copy(old.folder.join(name), copy.join(name)).unwrap();
    }
    let said = Laptop::renew_in(&house, &copy).await;
    assert!(said.code == Some(3) && said.err.contains("there is a copy of it"), "{said:?}");
    assert_eq!(event(&house, "certificate_copied", "lap-7").await["by"], "system:renewal");
}

#[tokio::test]
async fn two_who_renew_one_certificate_end_in_quarantine() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let other = house.laptop("lap-8", "bob").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let bob = house.signed_in(&other, "bob").await;
    let copy = house.path().join("copy");
    let copied = std::process::Command::new("cp").arg("-a").arg(&laptop.folder).arg(&copy).status().unwrap();
    assert!(copied.success());
    let mut survivor = socket_at(&bob, &house.url("wiki", "/ws/bob")).await;

    assert_eq!(laptop.renew(&house).await.code, Some(0));
    let mut socket = socket_at(&alice, &house.url("wiki", "/ws/alice")).await;
    let said = Laptop::renew_in(&house, &copy).await;
    assert!(said.code == Some(3) && said.err.contains("device `lap-7` is isolated"), "{said:?}");
    assert_eq!(closed(&mut socket).await.0, 1008);
    let ended = house.record().only_access("/ws/alice");
    assert_eq!(house.record().end_of(&ended["request"]).await["cause"], "device_quarantined");

    let line = house.record().access("/.sekisho/enroll").into_iter().find(|line| line["reason"] == "enrol_certificate_copied");
    let line = line.expect("the refusal is recorded");
    assert_eq!((&line["device"], &line["status"]), (&"lap-7".into(), &403.into()));
    for kind in ["certificate_copied", "device_quarantined"] {
        let told = event(&house, kind, "lap-7").await;
        assert_eq!(told["by"], "system:renewal");
        assert!(told["why"].as_str().unwrap().contains("from 127.0.0.1"), "{told}");
    }
    assert_eq!(counted(&house, "copied").await, 1.0);
    // Neither of the two goes on; everybody else does.
    for device in [&laptop, &laptop.renewed()] {
        let client = device.client(&house).with_cookies(alice.jar.copied());
        assert_eq!(reason(&house, &client).await, "device_quarantined");
    }
    let said = laptop.renew(&house).await;
    assert!(said.code == Some(3) && said.err.contains("is quarantined"), "{said:?}");
    echoes(&mut survivor).await;
    assert_eq!(other.renew(&house).await.code, Some(0));
}

/// A browser shows its person's certificate to whatever page it is on, and proves the key for it: also one that lies in a TPM.
#[tokio::test]
async fn no_page_gets_a_certificate_of_whoever_looks_at_it() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"]);
    openssl.args(["-keyout", "theirs.key"]).current_dir(house.path());
    let asked = serde_json::json!({ "csr": run(openssl, "").await.out }).to_string();
    let keys = house.json(&["device", "show", "lap-7"]).await["keys"].clone();

    // An app, or what somebody got into its pages; and a page of another site, which cannot read the answer.
    let fetch = |url: &str, mode: &str, kind: &str| {
        let asked = Value::from(asked.as_str());
        serde_json::json!([
            "script",
            format!(
                "fetch('{url}', {{ method: 'POST', mode: '{mode}', credentials: 'include', headers: {{ 'content-type': '{kind}' }}, body: {asked} }})\
             .then(async (answer) => answer.status + ' ' + await answer.text())"
            )
        ])
    };
    let there = house.url("gate", "/.sekisho/enroll");
    let steps = [
        serde_json::json!(["goto", house.url("wiki", "/.sekisho/whoami")]),
        fetch("/.sekisho/enroll", "same-origin", "application/json"),
        fetch(&there, "no-cors", "text/plain"),
        fetch(&there, "no-cors", "text/plain"),
        serde_json::json!(["goto", house.url("gate", "/.sekisho/whoami")]),
        fetch(&there, "same-origin", "application/json"),
    ];
    let given = Browser::on(&house, Some(&laptop)).await.does(&steps).await;
    assert!(given[0]["text"].as_str().unwrap().contains("lap-7"), "the browser shows the certificate: {given:?}");
    for answer in [&given[1], &given[5]] {
        assert!(
            answer.as_str().unwrap().starts_with("403") && answer.as_str().unwrap().contains("enrol_from_a_page"),
            "{answer}"
        );
    }
    assert_eq!(given[2], "0 ", "it is not told");
    let asked_by_pages: fn(&Value) -> bool = |line| line["reason"] == "enrol_from_a_page" && line["device"] == "lap-7";
    let lines: Vec<Value> = house.record().access("/.sekisho/enroll").into_iter().filter(asked_by_pages).collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert_eq!(lines[0]["origin"], house.url("wiki", ""));
    assert_eq!(counted(&house, "from_a_page").await, 4.0);
    let shown = house.json(&["device", "show", "lap-7"]).await;
    assert_eq!((&shown["status"], &shown["keys"]), (&"active".into(), &keys));

    // By hand, with nothing that browsers add, at the gate; and that at an app's host, which could read the answer.
    let headers = [("content-type", "application/json"), ("accept", "application/problem+json")];
    let client = laptop.client(&house);
    let at_wiki = client.send(Method::POST, &house.url("wiki", "/.sekisho/enroll"), &headers, asked.clone()).await;
    refused(&at_wiki, 404);
    assert_eq!(at_wiki.json()["reason"], "enrol_other_host");
    let form = [("content-type", "text/plain"), ("accept", "application/problem+json")];
    refused(&client.send(Method::POST, &there, &form, asked.clone()).await, 403);
    assert_eq!(client.send(Method::POST, &there, &headers, asked).await.status.as_u16(), 201);
}

#[tokio::test]
async fn a_certificate_that_has_ended_may_be_renewed_for_a_while_and_nothing_else() {
    let plan = |grace: &str| -> Plan {
        let lines = format!("certificate_lifetime = \"1s\"\nrenewal_grace = \"{grace}\"");
        House::plan().set("device_authority", &lines)
    };
    let mut house = plan("0s").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let waiting = house.pending_laptop("lap-8", "bob").await;
    let client = laptop.client(&house);
    eventually("the end of the certificate", async || (reason(&house, &client).await == "certificate_expired").then_some(()))
        .await;
    // Without grace, or beyond it, nothing.
    let said = laptop.renew(&house).await;
    assert!(said.code == Some(3) && said.err.contains("(403)") && said.err.contains("expired"), "{said:?}");
    assert_eq!(counted(&house, "not_renewable").await, 1.0);

    house.change("certificate_lifetime = \"1s\"\nrenewal_grace = \"0s\"", "certificate_lifetime = \"90d\"");
    house.must(&["reload"]).await;
    assert_eq!(reason(&house, &client).await, "certificate_expired", "for everything else it has ended");
    let said = client.click(&house.url("gate", "/.sekisho/sign-in")).await;
    refused(&said, 403);
    let said = waiting.renew(&house).await;
    assert!(said.code == Some(3) && said.err.contains("waits for an administrator"), "{said:?}");
    let said = laptop.renew(&house).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    allowed(&house.signed_in(&laptop.renewed(), "alice").await.get(&house.url("wiki", "/a")).await);
    let line = house.record().access("/.sekisho/enroll").pop().unwrap();
    assert_eq!((&line["device"], &line["status"]), (&"lap-7".into(), &201.into()), "{line}");
}

#[tokio::test]
async fn without_a_certificate_of_ours_nothing_is_renewed() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let stranger = house.stranger();
    let ask = async |client: &Client| {
        let headers = [("content-type", "application/json"), ("accept", "application/problem+json")];
        let reply = client.send(Method::POST, &house.url("gate", "/.sekisho/enroll"), &headers, r#"{"csr":"x"}"#).await;
        (reply.status.as_u16(), serde_json::from_slice::<Value>(&reply.body).unwrap()["reason"].clone())
    };
    assert_eq!(ask(&stranger).await, (403, "device_missing".into()));
    assert_eq!(ask(&laptop.client(&house)).await, (400, "enrol_request_refused".into()));
    house.must(&["device", "retire", "lap-7"]).await;
    assert_eq!(ask(&laptop.client(&house)).await, (403, "device_retired".into()));
}

#[tokio::test]
async fn a_code_that_two_people_have_stops_the_device_that_it_made() {
    let house = House::open().await;
    let code = async |name: &str| {
        let invitation = house.json(&["device", "invite", "--id", name, "--owner", "alice@corp.example"]).await;
        invitation["code"].as_str().unwrap().to_owned()
    };
    let show = async |code: &str, folder: &str| {
        let gate = house.url("gate", "");
        house.command_with(&["enroll", "--gate", &gate, "--out", folder], &format!("{code}\n")).await
    };
    // A thief was quicker, and waits for approval.
    let stolen = code("lap-7").await;
    Laptop::with_code(&house, "lap-7", &stolen).await;
    let said = show(&stolen, "mine").await;
    assert!(said.code == Some(3) && said.err.contains("tell your administrator now"), "{said:?}");
    let never_given_out = format!("00000-00000-00000-00000-00000.{}", stolen.split_once('.').unwrap().1);
    assert_eq!(show(&never_given_out, "guess").await.err, said.err, "the same words as for an unknown code");
    for kind in ["code_shown_again", "device_retired"] {
        assert_eq!(event(&house, kind, "lap-7").await["by"], "system:enrolment", "{kind}");
    }
    assert_eq!(counted(&house, "code_shown_again").await, 1.0);
    let shown = house.json(&["device", "show", "lap-7"]).await;
    assert_eq!(shown["status"], "retired", "{shown}");

    // A device in use: who finds its code has it isolated, with what is under way. Itself may show it again.
    let found = code("lap-8").await;
    let laptop = Laptop::with_code(&house, "lap-8", &found).await;
    laptop.approve(&house).await;
    let alice = house.signed_in(&laptop, "alice").await;
    let mut socket = socket_at(&alice, &house.url("wiki", "/ws/a")).await;
    let again = house.path().join("again");
    std::fs::create_dir(&again).unwrap();
    crate::harness::private(&again.join("device.key"), &laptop.identity.key);
    assert_eq!(show(&found, "again").await.code, Some(0), "it lost the answer");
    echoes(&mut socket).await;
    assert_eq!(show(&found, "theirs").await.code, Some(3));
    assert_eq!(closed(&mut socket).await.0, 1008);
    assert_eq!(event(&house, "device_quarantined", "lap-8").await["by"], "system:enrolment");
    assert_eq!(reason(&house, &alice).await, "device_quarantined");
    // An administrator has looked into it; the code is spent.
    house.must(&["device", "release", "lap-8"]).await;
    assert_eq!(show(&found, "once-more").await.code, Some(3));
    allowed(&alice.get(&house.url("wiki", "/released")).await);
    assert_eq!(counted(&house, "code_shown_again").await, 2.0);
}
