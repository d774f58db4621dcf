//! Administrators at the gate's host: each line of the table is decided by policy, and nobody does there what they do not mean.

use bytes::Bytes;
use http::Method;
use sekisho::console::admin::{ROUTES, Row};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Authority, Client, House, Kind, Laptop, Plan, Reply, allowed, eventually, refused};

const ON: &str = "[admin]\napi = true";
const ADMINISTRATORS: &str = r#"
@id("staff")
permit (principal in Group::"staff", action in Action::"use", resource);

@id("administrators")
permit (principal in Group::"sekisho-administrators", action in Action::"administer", resource == App::"sekisho")
when { context.device.owner == principal };
"#;

fn plan() -> Plan {
    House::plan().policies(ADMINISTRATORS).set("end", ON)
}

/// Somebody with a program on their laptop, and what makes a change a change of theirs.
struct At {
    gate: String,
    client: Client,
    headers: Vec<(&'static str, String)>,
}

impl At {
    /// With a token that is bound to the certificate.
    fn with_token(house: &House, laptop: &Laptop, person: &str) -> Self {
        let token = house.idp.token(person, Some(laptop.thumbprint()));
        Self { gate: house.url("gate", ""), client: laptop.client(house).with_token(&token), headers: Vec::new() }
    }

    /// With the cookie of the gate's own host.
    async fn signed_in(house: &House, laptop: &Laptop, person: &str) -> Self {
        let client = house.signed_in(laptop, person).await;
        allowed(&client.browse(&house.url("gate", "/.sekisho/devices")).await);
        let gate = house.url("gate", "");
        Self { headers: vec![("origin", gate.clone())], gate, client }
    }

    async fn asks(&self, method: &str, path: &str, body: &Value) -> Reply {
        let mut headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = if method == "GET" { Bytes::new() } else { body.to_string().into() };
        if method != "GET" {
            headers.push(JSON);
        }
        self.client.send(method.parse().unwrap(), &self.address(path), &headers, body).await
    }

    fn address(&self, path: &str) -> String {
        format!("{}/.sekisho/admin{path}", self.gate)
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn reason(reply: &Reply) -> String {
    reply.json()["reason"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn denied(reply: &Reply, word: &str) {
    refused(reply, 403);
    assert_eq!(reason(reply), word, "{}", reply.shown());
}

/// What a line of the table is asked for with, so that it can be done: the lines are asked for in the order of the table.
fn asked_with(row: &Row, pending: &Laptop, invitation: &str) -> (String, Value) {
    let why = "as the table says";
    let body = match row.path {
        "/v1/devices" => json!({"id": "urn:mdm:lap-9", "authority": "mdm", "owner": "bob@corp.example", "why": why}),
        "/v1/users/show" => json!({"user": "corp/bob"}),
        "/v1/devices/of" => json!({"owner": "alice@corp.example"}),
        "/v1/devices/{id}/approve" => json!({"fingerprint": pending.fingerprint().replace(' ', ""), "why": why}),
        "/v1/devices/{id}/set" => json!({"set": {"managed": "true"}, "why": why}),
        "/v1/invitations" => json!({"owner": "bob@corp.example", "why": why}),
        "/v1/sessions/end" | "/v1/users/suspend" | "/v1/users/resume" => json!({"user": "corp/bob", "why": why}),
        _ => json!({"why": why}),
    };
    let id = if row.path.starts_with("/v1/invitations") { invitation } else { &pending.id };
    (row.path.replace("{id}", id), body)
}

#[tokio::test]
async fn every_line_of_the_table_is_done_for_whom_its_own_action_is_permitted_and_for_nobody_else() {
    let mdm = Authority::new("MDM");
    let lines = "[[device_authority]]\nname = \"mdm\"\nroots = \"mdm.pem\"\ndevice_id = \"san-uri\"\nadmit = \"listed\"";
    let mut house = plan().file("mdm.pem", &mdm.pem()).set("end", lines).open().await;
    let (laptop, bobs) = (house.laptop("lap-7", "alice").await, house.laptop("bobs", "bob").await);
    let pending = house.pending_laptop("new", "bob").await;
    let _bob = house.signed_in(&bobs, "bob").await;
    house.must(&["admin", "add", "corp/alice", "--stranger", "--reason", "first"]).await;
    let alice = At::with_token(&house, &laptop, "alice");

    let over_https: Vec<&Row> = ROUTES.iter().filter(|row| row.action.is_some()).collect();
    let mut actions = Vec::new();
    for action in over_https.iter().filter_map(|row| row.action) {
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    let (mut done, mut invitation) = (0, "inv-none".to_owned());
    for action in &actions {
        house.set_policies(&format!(
            "@id(\"only\") permit (principal in Group::\"sekisho-administrators\", action == Action::\"{action}\", resource == App::\"sekisho\");"
        ));
        house.must(&["reload"]).await;
        // The denied come first: what they ask for must not have been done.
        for row in over_https.iter().filter(|row| row.action != Some(*action)) {
            let (path, body) = asked_with(row, &pending, &invitation);
            let reply = alice.asks(row.method, &path, &body).await;
            denied(&reply, "policy_no_permit");
        }
        for row in over_https.iter().filter(|row| row.action == Some(*action)) {
            let (path, body) = asked_with(row, &pending, &invitation);
            let reply = alice.asks(row.method, &path, &body).await;
            assert_eq!(reply.status, 200, "{} {path}: {}", row.method, reply.shown());
            let line =
                house.record().access(&format!("/.sekisho/admin{path}")).into_iter().rfind(|line| line["decision"] == "allow");
            let line = line.unwrap();
            assert_eq!((&line["app"], &line["action"]), (&json!("sekisho"), &json!(action.as_str())));
            assert_eq!(
                (&line["policies"], &line["user"], &line["device"]),
                (&json!(["only"]), &json!("corp/alice"), &json!("lap-7"))
            );
            done += 1;
            if row.path == "/v1/invitations" && row.method == "POST" {
                reply.json()["id"].as_str().unwrap().clone_into(&mut invitation);
            }
        }
    }
    assert_eq!(done, over_https.len());
    for row in ROUTES.iter().filter(|row| row.action.is_none()) {
        let (path, body) = asked_with(row, &pending, &invitation);
        denied(&alice.asks(row.method, &path, &body).await, "admin_socket_only");
    }
    // What they changed says who did it, and the history does.
    let lines = house.record().lines();
    let by = "administrator:corp/alice (lap-7)";
    for event in [
        "device_added",
        "device_approved",
        "device_changed",
        "device_quarantined",
        "device_released",
        "device_retired",
        "device_invited",
        "session_ended",
        "user_suspended",
        "user_resumed",
        "policies_loaded",
    ] {
        let found = lines.iter().filter(|line| line["event"] == event && line["by"] == by).count();
        assert_eq!(found, 1, "{event}");
    }
    let shown = house.json(&["device", "show", "new"]).await;
    assert_eq!((&shown["status"], &shown["history"][0]["by"]), (&json!("retired"), &json!(by)));
    // What the record says decides the same again, with the group that it was decided with.
    let line = house.record().access("/.sekisho/admin/v1/reload").pop().unwrap();
    let request = line["request"].as_str().unwrap();
    let past = house.json(&["policy", "explain", "--config", "sekisho.toml", "--request", request]).await;
    assert_eq!((&past["reproduced"]["decision"], &past["differences"]), (&json!("allow"), &json!([])));
    let metrics = house.metrics().await;
    let count = |outcome| metrics.sum("sekisho_administration_total", &[("action", "retireDevice"), ("outcome", outcome)]);
    assert_eq!((count("done"), count("refused")), (1.0, (actions.len() - 1) as f64));
}

#[tokio::test]
async fn who_is_in_the_group_is_said_at_the_gate_alone() {
    let mut house = plan().provider(Kind::OidcProvider).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    house.idp.tells_of("alice", json!({"groups": ["staff", "sekisho-administrators"]})).await;
    let alice = At::signed_in(&house, &laptop, "alice").await;
    denied(&alice.asks("GET", "/v1/status", &json!({})).await, "policy_no_permit");
    let whoami = alice.client.get(&house.url("gate", "/.sekisho/whoami")).await.json();
    assert_eq!(whoami["user"]["groups"], json!(["staff"]));
    assert!(house.gate.said().contains("a group that is the gate's own"), "{}", house.gate.said());

    // She has signed in, so that she can be named by her address.
    let misspelt = house.command(&["admin", "add", "corp/alcie"]).await;
    assert!(misspelt.code == Some(3) && misspelt.err.contains("did you mean `corp/alice`?"), "{misspelt:?}");
    let added = house.must(&["admin", "add", "alice@corp.example", "--reason", "first administrator"]).await;
    assert!(added.contains("corp/alice is an administrator"), "{added}");
    allowed(&alice.asks("GET", "/v1/status", &json!({})).await);
    let all = alice.asks("GET", "/v1/administrators", &json!({})).await.json();
    let [one] = &all.as_array().unwrap()[..] else { panic!("{all}") };
    assert_eq!(
        (&one["user"], &one["email"], &one["why"]),
        (&json!("corp/alice"), &json!("alice@corp.example"), &json!("first administrator"))
    );
    // Apps are not told.
    allowed(&alice.client.get(&house.url("wiki", "/")).await);
    let seen = house.wiki.seen().pop().unwrap();
    assert_eq!(seen.headers.get("x-forwarded-groups").unwrap(), "staff");
    // On a device that is not hers the group is of no use.
    let bobs = house.laptop("bobs", "bob").await;
    denied(&At::signed_in(&house, &bobs, "alice").await.asks("GET", "/v1/status", &json!({})).await, "policy_no_permit");

    let removed = house.must(&["admin", "remove", "alice@corp.example"]).await;
    assert!(removed.contains("nobody is an administrator now"), "{removed}");
    denied(&alice.asks("GET", "/v1/status", &json!({})).await, "policy_no_permit");
    let lines = house.record().lines();
    for event in ["administrator_added", "administrator_removed"] {
        let line = lines.iter().find(|line| line["event"] == event).unwrap();
        assert!(line["user"] == "corp/alice" && line["by"].as_str().unwrap().starts_with("uid:"), "{line}");
    }
    // It survives a start.
    house.must(&["admin", "add", "corp/alice"]).await;
    house.restart().await;
    allowed(&alice.asks("GET", "/v1/status", &json!({})).await);
}

#[tokio::test]
async fn while_it_is_off_nothing_is_there_and_at_the_hosts_of_apps_never() {
    let mut house = House::plan().policies(ADMINISTRATORS).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    house.must(&["admin", "add", "corp/alice", "--stranger"]).await;
    let alice = At::with_token(&house, &laptop, "alice");
    let off = alice.asks("GET", "/v1/status", &json!({})).await;
    refused(&off, 404);
    assert_eq!(reason(&off), "nothing_here");

    // Who may do anything at apps has always been allowed that; nobody said that they administer.
    house.set_policies("@id(\"anything\")\npermit (principal in Group::\"staff\", action, resource);\n");
    house.must(&["reload"]).await;
    house.set("end", ON);
    let said = house.command(&["reload"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    for words in ["`anything`", "`quarantineDevice`", "write `action in Action::\"use\"`"] {
        assert!(said.err.contains(words) || said.out.contains(words), "{words}: {said:?}");
    }
    refused(&alice.asks("GET", "/v1/status", &json!({})).await, 404);

    house.set_policies(ADMINISTRATORS);
    let said = house.must(&["reload"]).await;
    assert!(said.contains("`admin` is different"), "{said}");
    allowed(&alice.asks("GET", "/v1/status", &json!({})).await);
    let seen = house.wiki.seen().len();
    for (method, path) in [("GET", "/v1/status"), ("POST", "/v1/devices/lap-7/quarantine")] {
        let at_an_app = At { gate: house.url("wiki", ""), client: alice.client.clone(), headers: Vec::new() };
        refused(&at_an_app.asks(method, path, &json!({})).await, 404);
    }
    assert_eq!(house.wiki.seen().len(), seen, "no app gets to see it");
    let wrong = alice.asks("POST", "/v1/status", &json!({})).await;
    refused(&wrong, 405);
    for path in ["", "/", "/v1/nothing", "/v1/devices/lap-7/"] {
        refused(&alice.asks("GET", path, &json!({})).await, 404);
    }
}

#[tokio::test]
async fn it_takes_a_device_a_session_of_it_and_a_page_of_ones_own() {
    let house = plan().open().await;
    let (laptop, bobs) = (house.laptop("lap-7", "alice").await, house.laptop("bobs", "bob").await);
    house.must(&["admin", "add", "corp/alice", "--stranger"]).await;
    let alice = At::signed_in(&house, &laptop, "alice").await;
    let gate = house.url("gate", "");
    let quarantine = "/v1/devices/bobs/quarantine";

    refused(&house.stranger().get(&alice.address("/v1/status")).await, 403);
    refused(&laptop.client(&house).get(&alice.address("/v1/status")).await, 401);
    let unbound = laptop.client(&house).with_token(&house.idp.token("alice", None));
    denied(&unbound.get(&alice.address("/v1/status")).await, "admin_unbound");

    // Of another site, of an app, of nobody in particular.
    let sends = async |headers: &[(&str, &str)]| {
        alice.client.send(Method::POST, &alice.address(quarantine), headers, "{\"why\":\"x\"}").await
    };
    for origin in ["https://evil.example", &house.url("wiki", ""), "null"] {
        denied(&sends(&[("origin", origin), JSON]).await, "admin_cross_site");
        denied(&sends(&[("origin", origin), ("content-type", "text/plain")]).await, "admin_cross_site");
    }
    denied(&sends(&[JSON]).await, "admin_cross_site");
    denied(&sends(&[("origin", &gate), ("sec-fetch-site", "cross-site"), JSON]).await, "admin_cross_site");
    let line = house.record().access(&format!("/.sekisho/admin{quarantine}")).remove(0);
    assert_eq!((&line["reason"], &line["origin"]), (&json!("admin_cross_site"), &json!("https://evil.example")));
    for site in ["cross-site", "same-site"] {
        let looks = alice.client.send(Method::GET, &alice.address("/v1/devices"), &[("sec-fetch-site", site)], "").await;
        denied(&looks, "admin_cross_site");
    }
    // JSON, and said to be.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let reply = sends(&[("origin", &gate), ("content-type", kind)]).await;
        refused(&reply, 415);
        assert_eq!(reason(&reply), "admin_not_json");
    }
    refused(&sends(&[("origin", &gate)]).await, 415);
    assert_eq!(house.json(&["device", "show", "bobs"]).await["status"], "active", "none of it was done");

    allowed(&alice.client.send(Method::GET, &alice.address("/v1/devices"), &[("sec-fetch-site", "same-origin")], "").await);
    allowed(&sends(&[("origin", &gate), ("content-type", "application/json; charset=utf-8")]).await);
    assert_eq!(house.json(&["device", "show", "bobs"]).await["status"], "quarantined");
    // A problem of what was asked for is told as a refusal is, and is none.
    let again = sends(&[("origin", &gate), JSON]).await;
    refused(&again, 409);
    let problem = again.json();
    assert_eq!((&problem["reason"], &problem["status"]), (&json!("admin_not_done"), &json!(409)));
    assert!(problem["detail"].as_str().unwrap().contains("bobs"), "{problem}");
    let line = house.record().access(&format!("/.sekisho/admin{quarantine}")).pop().unwrap();
    assert_eq!((&line["decision"], &line["status"]), (&json!("allow"), &json!(409)));
    refused(&alice.asks("POST", "/v1/users/suspend", &json!({"usr": "corp/bob"})).await, 400);
    // Her cookie on another device is of no use there, and from then on nowhere.
    house.must(&["device", "release", "bobs"]).await;
    let copied = bobs.client(&house).with_cookies(alice.client.jar.copied());
    denied(&copied.get(&alice.address("/v1/status")).await, "credential_replayed");
}

#[tokio::test]
async fn a_stronger_sign_in_is_asked_for_where_that_is_all_that_is_missing() {
    let strong =
        ADMINISTRATORS.replace("context.device.owner == principal", "context.device.owner == principal && context.session.mfa");
    let plan = plan().policies(&strong).provider(Kind::OidcProvider);
    let house = plan.set("identity_provider", "mfa_acr_values = [\"https://refeds.org/profile/mfa\"]").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    house.must(&["admin", "add", "corp/alice", "--stranger"]).await;
    let alice = At::signed_in(&house, &laptop, "alice").await;
    let weak = alice.asks("POST", "/v1/reload", &json!({})).await;
    refused(&weak, 401);
    assert_eq!(reason(&weak), "step_up");
    assert!(weak.header("www-authenticate").unwrap().contains("insufficient_user_authentication"), "{:?}", weak.headers);
    let way = weak.json()["sign_in"].as_str().unwrap().to_owned();
    let back = house.idp.sign_in_with(&alice.client, &way, "alice", true).await;
    assert!(back.status.is_success(), "{}", back.shown());
    allowed(&alice.asks("POST", "/v1/reload", &json!({})).await);
}

#[tokio::test]
async fn who_is_stopped_has_lost_it_at_once_also_in_the_middle() {
    let house = plan().open().await;
    let (laptop, other) = (house.laptop("lap-7", "alice").await, house.laptop("lap-8", "alice").await);
    let _bobs = house.laptop("bobs", "bob").await;
    house.must(&["admin", "add", "corp/alice", "--stranger"]).await;
    let alice = At::with_token(&house, &laptop, "alice");
    let on_other = At::with_token(&house, &other, "alice");
    allowed(&alice.asks("GET", "/v1/status", &json!({})).await);
    let status = async |id| house.json(&["device", "show", id]).await["status"].clone();

    // The head of the request is there, and half of its body.
    let url = url::Url::parse(&alice.address("/v1/devices/bobs/retire")).unwrap();
    let token = house.idp.token("alice", Some(laptop.thumbprint()));
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: {}:{}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\
         connection: close\r\n\r\n{{\"why\"",
        url.path(),
        url.host_str().unwrap(),
        url.port().unwrap()
    );
    for (stop, give_back, word) in [
        (vec!["device", "quarantine", "lap-7"], vec!["device", "release", "lap-7"], "device_quarantined"),
        (vec!["admin", "remove", "corp/alice"], vec!["admin", "add", "corp/alice", "--stranger"], "policy_no_permit"),
        (vec!["user", "suspend", "corp/alice", "--stranger"], vec!["user", "resume", "corp/alice"], "user_suspended"),
    ] {
        let under_way = || async { house.metrics().await.sum("sekisho_requests_in_flight", &[]) };
        let before = under_way().await;
        let mut stream = laptop.client(&house).tls_to(&url).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        eventually("the request is under way", async || (under_way().await > before).then_some(())).await;
        house.must(&stop).await;
        stream.write_all(b":\"x\"}").await.unwrap();
        stream.flush().await.unwrap();
        let mut said = String::new();
        let _closed = stream.read_to_string(&mut said).await;
        assert!(said.starts_with("HTTP/1.1 403") && said.contains(word), "{stop:?}: {said}");
        assert_eq!(status("bobs").await, "active", "{stop:?}");
        denied(&alice.asks("GET", "/v1/status", &json!({})).await, word);
        house.must(&give_back).await;
        allowed(&alice.asks("GET", "/v1/status", &json!({})).await);
    }
    // Not by their own hand: who locks themselves out may be the last who could come in.
    for (path, body) in [
        ("/v1/devices/lap-7/quarantine", json!({})),
        ("/v1/devices/lap-7/retire", json!({})),
        ("/v1/users/suspend", json!({"user": "corp/alice", "stranger": true})),
    ] {
        let reply = alice.asks("POST", path, &body).await;
        refused(&reply, 409);
        assert!(reply.text().contains("this would lock you out"), "{}", reply.text());
    }
    allowed(&alice.asks("GET", "/v1/status", &json!({})).await);
    // A colleague's hand, or from another device, is another's.
    allowed(&on_other.asks("POST", "/v1/devices/lap-7/quarantine", &json!({"why": "lost"})).await);
    denied(&alice.asks("GET", "/v1/status", &json!({})).await, "device_quarantined");
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done_for_administrators() {
    // No file of this gate may grow beyond 2 MiB: as on a disk that is full.
    let house = plan().limited("trap '' XFSZ; ulimit -S -f 2048").open().await;
    let (laptop, _bobs) = (house.laptop("lap-7", "alice").await, house.laptop("bobs", "bob").await);
    house.must(&["admin", "add", "corp/alice", "--stranger"]).await;
    let alice = At::with_token(&house, &laptop, "alice");
    allowed(&alice.asks("POST", "/v1/devices/bobs/quarantine", &json!({})).await);
    allowed(&alice.asks("POST", "/v1/devices/bobs/release", &json!({})).await);
    let long = "x".repeat(7000);
    let mut full = 0;
    // Each core has a file of its own.
    for number in 0..3000 {
        let reply = alice.client.get(&house.url("wiki", &format!("/status/200/{long}/{number}/200"))).await;
        full = if reply.status == 503 { full + 1 } else { 0 };
        if full == 12 {
            break;
        }
    }
    assert_eq!(full, 12, "the disk is full in the end");
    let reply = alice.asks("POST", "/v1/devices/bobs/quarantine", &json!({"why": "y".repeat(400)})).await;
    refused(&reply, 503);
    assert_eq!(reason(&reply), "record_unavailable");
    assert_eq!(house.json(&["device", "show", "bobs"]).await["status"], "active");
    // Who stops an attack at the socket does not wait for a disk.
    house.must(&["device", "quarantine", "bobs"]).await;
}
