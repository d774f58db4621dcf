//! A person and what is theirs: devices, sessions, and invitations that they make for themselves.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Browser, Client, House, Kind, Laptop, Plan, Reply, allowed, refused};

const POLICIES: &str = r#"
@id("staff")
permit (principal in Group::"staff", action in Action::"use", resource) when { context.session.binding != "none" };

@id("own-devices")
@advice("Invite from a device of your own.")
permit (principal in Group::"staff", action == Action::"enroll", resource == App::"sekisho")
when { context.device.owner == principal && context.session.auth_age_s < 900 };
"#;

const ON: &str = "[enrolment]\nself_service = true\ninvitations_per_person = 2";
const PAGE: &str = "/.sekisho/devices";

fn plan() -> Plan {
    House::plan().policies(POLICIES).set("end", ON)
}

/// A person at the page.
struct At {
    /// Where the gate is.
    gate: String,
    client: Client,
}

impl At {
    async fn signed_in(house: &House, laptop: &Laptop, person: &str) -> Self {
        let client = house.signed_in(laptop, person).await;
        // The wiki's own session has one at the gate behind it.
        allowed(&client.browse(&house.url("gate", PAGE)).await);
        Self { gate: house.url("gate", ""), client }
    }

    async fn view(&self) -> Value {
        let reply = self.client.send(Method::GET, &format!("{}{PAGE}", self.gate), &[JSON], "").await;
        allowed(&reply);
        reply.json()
    }

    async fn token(&self) -> String {
        self.view().await["token"].as_str().unwrap().to_owned()
    }

    /// As the page sends it, with a token that it was made with.
    async fn sends(&self, act: &str, fields: &str) -> Reply {
        let token = self.token().await;
        self.sends_with(&token, act, fields, &self.gate, &[JSON]).await
    }

    async fn sends_with(&self, token: &str, act: &str, fields: &str, origin: &str, headers: &[(&str, &str)]) -> Reply {
        let headers = [headers, &[("origin", origin), ("content-type", "application/x-www-form-urlencoded")]].concat();
        let body = format!("token={token}&act={act}{fields}");
        self.client.send(Method::POST, &format!("{}{PAGE}", self.gate), &headers, body).await
    }
}

const JSON: (&str, &str) = ("accept", "application/json");
/// As a browser sends a form of the page itself.
const FORM: &[(&str, &str)] =
    &[("accept", "text/html,*/*;q=0.8"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin")];

fn names(view: &Value, of: &str) -> Vec<String> {
    view[of].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// A code was given out.
#[track_caller]
fn given_out(reply: &Reply) {
    assert_eq!(reply.status.as_u16(), 201, "{}", reply.shown());
}

fn reason(reply: &Reply) -> String {
    reply.json()["reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_person_invites_a_device_for_herself_where_policy_permits() {
    let house = plan().open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = At::signed_in(&house, &laptop, "alice").await;
    assert_eq!(names(&alice.view().await, "devices"), ["lap-7"]);

    let invited = alice.sends("invite", "").await;
    given_out(&invited);
    let invited = invited.json();
    let gate = house.url("gate", "");
    assert_eq!(invited["command"], format!("sekisho enroll --gate {gate}"));
    let line = house.record().access(PAGE).into_iter().find(|line| line["method"] == "POST").unwrap();
    assert_eq!((&line["decision"], &line["app"], &line["action"]), (&json!("allow"), &json!("sekisho"), &json!("enroll")));
    assert_eq!((&line["policies"], &line["user"]), (&json!(["own-devices"]), &json!("corp/alice")));
    let made =
        house.record().lines().into_iter().find(|line| line["event"] == "device_invited" && line["by"] == "user:corp/alice");
    assert!(made.is_some(), "{}", house.record().text());
    // What the record says decides the same again.
    let past =
        house.json(&["policy", "explain", "--config", "sekisho.toml", "--request", line["request"].as_str().unwrap()]).await;
    assert_eq!((&past["reproduced"]["decision"], &past["differences"]), (&json!("allow"), &json!([])));

    // The new device is hers, and waits for approval like any other.
    let phone = Laptop::with_code(&house, "phone", invited["code"].as_str().unwrap()).await;
    let view = alice.view().await;
    let new = view["devices"].as_array().unwrap().iter().find(|device| device["this"] == false).unwrap();
    assert_eq!((&new["status"], &new["managed"]), (&json!("pending"), &json!(false)));
    let shown = house.json(&["device", "show", new["id"].as_str().unwrap()]).await;
    assert_eq!(shown["owner"], json!({"user": {"provider": "corp", "subject": "alice"}}));
    refused(&phone.client(&house).get(&house.url("wiki", "/")).await, 403);

    // On the kiosk she is who she is, and it is not her device.
    let kiosk = house.laptop("kiosk", "shared").await;
    let there = At::signed_in(&house, &kiosk, "alice").await;
    let denied = there.sends("invite", "").await;
    refused(&denied, 403);
    assert_eq!(reason(&denied), "policy_no_permit");
    assert!(denied.text().contains("Invite from a device of your own."), "{}", denied.text());
    let line = house.record().access(PAGE).into_iter().find(|line| line["decision"] == "deny").unwrap();
    assert_eq!((&line["app"], &line["action"], &line["device"]), (&json!("sekisho"), &json!("enroll"), &json!("kiosk")));

    // One invitation was used; two may be open.
    given_out(&alice.sends("invite", "").await);
    given_out(&alice.sends("invite", "").await);
    let third = alice.sends("invite", "").await;
    refused(&third, 409);
    assert_eq!(reason(&third), "self_service_limit");
    let open = names(&alice.view().await, "invitations");
    refused(&there.sends("withdraw", &format!("&id={}", open[0])).await, 403);
    allowed(&alice.sends("withdraw", &format!("&id={}", open[0])).await);
    assert_eq!(names(&alice.view().await, "invitations"), [open[1].clone()]);

    let metrics = house.metrics().await;
    let count = |outcome| metrics.sum("sekisho_self_service_total", &[("action", "invite"), ("outcome", outcome)]);
    assert_eq!((count("done"), count("refused")), (3.0, 2.0));
}

#[tokio::test]
async fn nobody_else_sends_what_the_page_sends() {
    let house = plan().open().await;
    let (laptop, other) = (house.laptop("lap-7", "alice").await, house.laptop("lap-8", "alice").await);
    let alice = At::signed_in(&house, &laptop, "alice").await;
    let elsewhere = At::signed_in(&house, &other, "alice").await;
    let (gate, token) = (house.url("gate", ""), alice.token().await);
    let is = |reply: &Reply, status: u16, word: &str| {
        refused(reply, status);
        assert_eq!(reason(reply), word);
    };
    // A page of another site; one of an app; a page that was made for her session on the other laptop; none at all.
    for origin in ["https://evil.example", &house.url("wiki", ""), "null"] {
        is(&alice.sends_with(&token, "invite", "", origin, &[JSON]).await, 403, "sign_in_cross_site");
    }
    is(&alice.sends_with(&elsewhere.token().await, "invite", "", &gate, &[JSON]).await, 403, "self_service_stale_page");
    is(&alice.sends_with("", "invite", "", &gate, &[JSON]).await, 403, "self_service_stale_page");
    is(&alice.sends_with(&token, "invite", "&owner=corp/bob", &gate, &[JSON]).await, 400, "self_service_malformed");
    // A token is nobody at a page, and without a session there is nobody.
    let bearer = laptop.client(&house).with_token(&house.idp.token("alice", Some(laptop.thumbprint())));
    is(&bearer.get(&house.url("gate", PAGE)).await, 403, "self_service_needs_session");
    refused(&laptop.client(&house).get(&house.url("gate", PAGE)).await, 401);
    refused(&house.stranger().get(&house.url("gate", PAGE)).await, 403);
    assert!(names(&alice.view().await, "invitations").is_empty());
    // At an app's host there is only the way to the page.
    let at_wiki = alice.client.click(&house.url("wiki", PAGE)).await;
    refused(&at_wiki, 303);
    assert_eq!(at_wiki.location().unwrap(), house.url("gate", PAGE));
    // The same, as the page would have sent it.
    given_out(&alice.sends_with(&token, "invite", "", &gate, &[JSON]).await);
}

#[tokio::test]
async fn where_it_is_off_nobody_invites_and_where_it_is_on_a_permit_names_its_action() {
    let mut house = House::plan().policies(POLICIES).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = At::signed_in(&house, &laptop, "alice").await;
    let off = alice.sends("invite", "").await;
    refused(&off, 403);
    assert_eq!(reason(&off), "self_service_off");

    // Who may do anything at apps has always been allowed that; nobody said that they may invite.
    let anything = "@id(\"anything\")\npermit (principal in Group::\"staff\", action, resource);\n";
    house.set_policies(anything);
    house.must(&["reload"]).await;
    house.set("end", ON);
    let said = house.command(&["reload"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    for words in ["`anything`", "`enroll`", "write `action in Action::\"use\"`"] {
        assert!(said.err.contains(words) || said.out.contains(words), "{words}: {said:?}");
    }
    let still = alice.sends("invite", "").await;
    assert_eq!(reason(&still), "self_service_off", "what was live stays");

    house.set_policies(POLICIES);
    house.must(&["reload"]).await;
    given_out(&alice.sends("invite", "").await);
}

#[tokio::test]
async fn what_is_hers_she_names_and_ends_and_nothing_else() {
    let house = plan().open().await;
    let (laptop, old, bobs) =
        (house.laptop("lap-7", "alice").await, house.laptop("old", "alice").await, house.laptop("bobs", "bob").await);
    let alice = At::signed_in(&house, &laptop, "alice").await;
    let on_old = At::signed_in(&house, &old, "alice").await;
    let bob = At::signed_in(&house, &bobs, "bob").await;

    allowed(&alice.sends("name", "&id=old&label=In%20the%20%3Cattic%3E").await);
    let page = alice.client.click(&house.url("gate", PAGE)).await;
    allowed(&page);
    assert!(page.text().contains("In the &#60;attic&#62;") || page.text().contains("In the &lt;attic&gt;"), "{}", page.text());
    assert!(!bob.client.click(&house.url("gate", PAGE)).await.text().contains("attic"));
    // His, and what there is not, are the same to her.
    let session = names(&bob.view().await, "sessions").remove(0);
    for (act, fields) in [
        ("name", "&id=bobs&label=x".to_owned()),
        ("retire", "&id=bobs".to_owned()),
        ("retire", "&id=bobs&sure=yes".to_owned()),
        ("retire", "&id=nobodys&sure=yes".to_owned()),
        ("end_session", format!("&id={session}")),
        ("withdraw", "&id=inv-00000000".to_owned()),
    ] {
        let reply = alice.sends(act, &fields).await;
        refused(&reply, 404);
        assert_eq!(reason(&reply), "self_service_not_yours", "{act}");
    }
    allowed(&bob.client.get(&house.url("wiki", "/")).await);

    // A session of hers, on the other laptop.
    let theirs = alice.view().await;
    let on_the_other = theirs["sessions"].as_array().unwrap().iter().find(|session| session["device"] == "old").unwrap();
    assert_eq!((&on_the_other["this"], &on_the_other["label"]), (&json!(false), &json!("In the <attic>")));
    allowed(&on_old.client.get(&house.url("wiki", "/")).await);
    allowed(&alice.sends("end_session", &format!("&id={}", on_the_other["id"].as_str().unwrap())).await);
    refused(&on_old.client.get(&house.url("wiki", "/")).await, 401);

    // One click asks; the next one does it, for good.
    let question = alice.sends("retire", "&id=old").await;
    assert!(question.text().contains("Retire old?"), "{}", question.text());
    assert_eq!(names(&alice.view().await, "devices"), ["lap-7", "old"]);
    allowed(&alice.sends("retire", "&id=old&sure=yes").await);
    assert_eq!(names(&alice.view().await, "devices"), ["lap-7"]);
    let out = old.client(&house).get(&house.url("wiki", "/")).await;
    refused(&out, 403);
    assert_eq!(reason(&out), "device_retired");
    let event = house.record().lines().into_iter().find(|line| line["event"] == "device_retired").unwrap();
    assert_eq!((&event["by"], &event["device"]), (&json!("user:corp/alice"), &json!("old")));

    // The very device that she is on: she is told, and then it is nobody's.
    let token = alice.token().await;
    let gone = alice.sends_with(&token, "retire", "&id=lap-7&sure=yes", &house.url("gate", ""), FORM).await;
    allowed(&gone);
    assert_eq!(gone.header("connection"), Some("close"));
    refused(&alice.client.get(&house.url("wiki", "/")).await, 403);
}

/// With a stolen password, any device that is enrolled here gets as far as the page.
#[tokio::test]
async fn on_somebody_elses_device_she_sees_and_changes_nothing_of_hers() {
    let house = plan().open().await;
    let (laptop, bobs) = (house.laptop("lap-7", "alice").await, house.laptop("bobs", "bob").await);
    let alice = At::signed_in(&house, &laptop, "alice").await;
    let thief = At::signed_in(&house, &bobs, "alice").await;
    let view = thief.view().await;
    assert!(names(&view, "devices").is_empty() && names(&view, "invitations").is_empty(), "{view}");
    let own = names(&view, "sessions");
    assert_eq!(own.len(), 1);
    let page = thief.client.click(&house.url("gate", PAGE)).await;
    assert!(page.text().contains("on a device of your own") && !page.text().contains("lap-7"), "{}", page.text());
    let theirs = names(&alice.view().await, "sessions");
    let hers = theirs.iter().find(|id| **id != own[0]).unwrap();
    for (act, fields) in [
        ("name", "&id=lap-7&label=x".to_owned()),
        ("retire", "&id=lap-7".to_owned()),
        ("retire", "&id=lap-7&sure=yes".to_owned()),
        ("end_session", format!("&id={hers}")),
    ] {
        let reply = thief.sends(act, &fields).await;
        refused(&reply, 403);
        assert_eq!(reason(&reply), "self_service_other_device", "{act}");
    }
    allowed(&alice.client.get(&house.url("wiki", "/")).await);
    // She may leave it, and on her own end what was begun there.
    let token = thief.token().await;
    allowed(&alice.sends("end_session", &format!("&id={}", own[0])).await);
    let late = thief.sends_with(&token, "end_session", &format!("&id={}", own[0]), &thief.gate, &[JSON]).await;
    refused(&late, 401);
    let again = At::signed_in(&house, &bobs, "alice").await;
    let own = names(&again.view().await, "sessions").remove(0);
    allowed(&again.sends("end_session", &format!("&id={own}")).await);
}

#[tokio::test]
async fn nobody_changes_what_is_theirs_without_end() {
    let house = plan().open().await;
    let (laptop, bobs) = (house.laptop("lap-7", "alice").await, house.laptop("bobs", "bob").await);
    let alice = At::signed_in(&house, &laptop, "alice").await;
    let bob = At::signed_in(&house, &bobs, "bob").await;
    let token = alice.token().await;
    let names = async |label: usize| {
        let fields = format!("&id=lap-7&label={label}");
        alice.sends_with(&token, "name", &fields, &alice.gate, &[JSON]).await
    };
    for label in 0..30 {
        allowed(&names(label).await);
    }
    let enough = names(31).await;
    refused(&enough, 429);
    assert_eq!(reason(&enough), "self_service_throttled");
    assert!(enough.header("retry-after").is_some_and(|wait| wait.parse::<u32>().is_ok_and(|wait| (1..=60).contains(&wait))));
    allowed(&bob.sends("name", "&id=bobs&label=x").await);
}

#[tokio::test]
async fn who_signed_in_long_ago_signs_in_again_and_comes_back_to_the_page() {
    let house = plan().provider(Kind::OidcProvider).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let client = laptop.client(&house);
    allowed(&house.idp.sign_in_long_ago(&client, &house.url("gate", PAGE), "alice", 3600).await);
    let alice = At { gate: house.url("gate", ""), client };
    let (gate, token) = (house.url("gate", ""), alice.token().await);
    let stale = alice.sends_with(&token, "invite", "", &gate, FORM).await;
    refused(&stale, 401);
    let way =
        stale.text().split("href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    assert!(way.contains("/.sekisho/sign-in?step_up="), "{way}");
    let back = house.idp.sign_in(&alice.client, &way, "alice").await;
    allowed(&back);
    assert_eq!(back.url.as_str(), house.url("gate", PAGE));
    given_out(&alice.sends("invite", "").await);
}

#[tokio::test]
async fn a_browser_shows_it_and_does_it() {
    let house = plan().provider(Kind::OidcProvider).open().await;
    let (laptop, _old) = (house.laptop("lap-7", "alice").await, house.laptop("old-thinkpad", "alice").await);
    let browser = Browser::on(&house, Some(&laptop)).await;
    let button = |act: &str, id: &str| format!("form:has([value={act}]):has([value=\"{id}\"]) button");
    let steps = [
        json!(["goto", house.url("gate", PAGE)]),
        json!(["fill", "input[name=login]", "alice"]),
        json!(["fill", "input[name=password]", "alice-demo"]),
        json!(["click", "button"]),
        json!(["fill", "form:has([value=\"lap-7\"]) input[name=label]", "At my desk"]),
        json!(["click", button("name", "lap-7")]),
        json!(["click", "form:has([value=invite]) button"]),
        shot("invited.png"),
        json!(["goto", house.url("gate", PAGE)]),
        shot("devices.png"),
        json!(["click", button("retire", "old-thinkpad")]),
        shot("retire.png"),
        json!(["click", "form:has([name=sure]) button"]),
    ];
    let given = browser.does(&steps).await;
    let text = |at: usize| given[at]["text"].as_str().unwrap_or_default().to_owned();
    assert!(text(3).contains("Your devices") && text(3).contains("old-thinkpad"), "{given:?}");
    assert!(text(5).contains("At my desk"), "{given:?}");
    assert!(text(6).contains("A code for your device") && text(6).contains("sekisho enroll --gate"), "{given:?}");
    assert!(text(8).contains("inv-") && text(8).contains("this device"), "{given:?}");
    assert!(text(10).contains("Retire old-thinkpad?"), "{given:?}");
    assert!(!text(12).contains("old-thinkpad") && text(12).contains("At my desk"), "{given:?}");
}

/// Where to look at what the browser showed.
fn shot(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    json!(["shot", folder.join(name)])
}
