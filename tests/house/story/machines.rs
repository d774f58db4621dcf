//! Programs that are themselves: by a token that a provider gave to the client alone, and by nothing but a certificate.

use http::Method;
use rcgen::SanType;
use serde_json::{Value, json};

use crate::harness::{Authority, Client, House, Kind, Plan, Reply, Signer, allowed, changed, eventually, jwks, now};

/// Each thing is let through by a policy of its own, so that what got in says who it was.
const RULES: &str = r#"
@id("robots")
permit (principal == Service::"corp/robot", action in Action::"use", resource);
@id("runners")
permit (principal == Service::"services/spiffe://corp.example/ci/runner", action in Action::"use", resource);
@id("machines-are-a-group")
permit (principal in Group::"machines", action in Action::"use", resource);
@id("people-of-that-name")
permit (principal == User::"corp/robot", action in Action::"use", resource);
@id("owners")
permit (principal, action in Action::"use", resource) when { context.device.owner == principal };
"#;

fn reason(reply: &Reply) -> String {
    reply.json()["reason"].as_str().unwrap_or_default().to_owned()
}

/// The token that the provider gives to a client for itself.
async fn own_token(house: &House, client: &Client, id: &str) -> String {
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={}", house.idp.client_secret);
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let reply = client.send(Method::POST, &format!("{}/token", house.idp.issuer), &[kind], form).await;
    reply.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", reply.shown())).to_owned()
}

#[tokio::test]
async fn a_clients_own_token_is_a_service_and_no_person() {
    let plan = House::plan().provider(Kind::OidcProvider).policies(RULES);
    let house = plan.open().await;
    // A person of that name would own it.
    let laptop = house.laptop("lap-7", "robot").await;
    let program = laptop.client(&house);
    let token = own_token(&house, &program, "robot").await;
    let robot = program.clone().with_token(&token);

    allowed(&robot.get(&house.url("wiki", "/job")).await);
    let line = house.record().only_access("/job");
    assert_eq!(
        (&line["user"], &line["policies"], &line["binding"]),
        (&json!("corp/robot"), &json!(["robots"]), &json!("certificate"))
    );
    assert!(house.record().text().contains(r#""principal":{"service":{"id":"corp/robot""#), "the facts say what it is");
    let seen = house.wiki.only("/job");
    assert_eq!((seen.header("x-forwarded-user"), seen.header("x-forwarded-groups")), (Some("corp/robot"), None));
    assert_eq!(assertion(&house, "/job")["kind"], "service");
    let whoami = robot.get(&house.url("wiki", "/.sekisho/whoami")).await.json();
    assert_eq!((&whoami["user"]["kind"], &whoami["user"]["groups"]), (&json!("service"), &json!([])));

    // Another client is another service, whatever group its token names.
    let loose = program.clone().with_token(&own_token(&house, &program, "loose-robot").await);
    let denied = loose.get(&house.url("wiki", "/loose")).await;
    assert_eq!((denied.status.as_u16(), reason(&denied)), (403, "policy_no_permit".to_owned()), "{}", denied.shown());
    doors_for_people_refuse(&house, &robot).await;
    house.must(&["user", "suspend", "corp/robot", "--stranger"]).await;
    assert_eq!(reason(&robot.get(&house.url("wiki", "/again")).await), "user_suspended");
    house.must(&["user", "resume", "corp/robot"]).await;
    allowed(&robot.get(&house.url("wiki", "/back")).await);
    // What is bound to a certificate is so for services.
    let other = house.laptop("lap-8", "shared").await.client(&house).with_token(&token);
    assert_eq!(reason(&other.get(&house.url("wiki", "/copied")).await), "credential_replayed");
}

/// Where people look after what is theirs, and sign in.
async fn doors_for_people_refuse(house: &House, service: &Client) {
    for (path, word) in [("devices", "self_service_not_a_person"), ("sign-in", "sign_in_service")] {
        let reply = service.get(&house.url("gate", &format!("/.sekisho/{path}"))).await;
        assert_eq!((reply.status.as_u16(), reason(&reply).as_str()), (403, word), "{path}: {}", reply.shown());
    }
}

/// The claims of what the app was told.
fn assertion(house: &House, path: &str) -> Value {
    use base64::Engine as _;
    let seen = house.wiki.only(path);
    let token = seen.header("sekisho-assertion").unwrap();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Tokens of a provider whose `sub` is never the client's id.
#[tokio::test]
async fn listed_clients_are_services_and_whoever_signs_in_with_them_is_not() {
    let keys = Signer::es256("ec-1");
    let provider = "[[identity_provider]]\nname = \"tokens\"\nissuer = \"https://tokens.example\"\njwks_file = \"keys.json\"\n\
                    audience = \"sekisho\"\ngroups_claim = \"groups\"\nservice_clients = [\"batch\"]\n";
    let rules = "@id(\"batch\")\npermit (principal == Service::\"tokens/batch\", action in Action::\"use\", resource);\n\
                 @id(\"ana\")\npermit (principal == User::\"tokens/8f5a\", action in Action::\"use\", resource);\n\
                 @id(\"nobody\")\npermit (principal == Service::\"tokens/8f5a\", action in Action::\"use\", resource);\n\
                 @id(\"fresh\")\npermit (principal is Service, action in Action::\"use\", resource)\n\
                 when { context.request.path_prefixes.contains(\"/fresh\") && context.session.auth_age_s < 600 };";
    let plan = House::plan().policies(rules).file("keys.json", &jwks([keys.jwk()])).set("end", provider);
    let house = plan.open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let ask = async |path: &str, changes: Value| {
        let claims =
            json!({ "iss": "https://tokens.example", "aud": "sekisho", "sub": "8f5a", "iat": now(), "exp": now() + 300 });
        let token = keys.sign(&changed(&claims, &changes));
        laptop.client(&house).with_token(&token).get(&house.url("wiki", path)).await
    };
    let by = |path: &str| house.record().only_access(path)["policies"].clone();

    allowed(&ask("/batch", json!({ "azp": "batch", "acr": "1" })).await);
    assert_eq!(by("/batch"), json!(["batch"]), "no group is asked of a service");
    allowed(&ask("/person", json!({ "azp": "batch", "auth_time": now(), "groups": ["hr"] })).await);
    assert_eq!(by("/person"), json!(["ana"]), "somebody signed in with it");
    assert_eq!(
        reason(&ask("/person/2", json!({ "azp": "batch", "auth_time": now() })).await),
        "token_groups",
        "and is in groups"
    );
    assert_eq!(reason(&ask("/other", json!({ "client_id": "other" })).await), "token_groups", "another client names nobody else");
    assert_eq!(reason(&ask("/wrong", json!({ "client_id": 7 })).await), "token_claims");
    // Nobody signed in, and nobody can: no challenge to sign in anew.
    let stale = ask("/fresh", json!({ "azp": "robot", "sub": "robot" })).await;
    assert_eq!((stale.status.as_u16(), stale.header("www-authenticate")), (403, None), "{}", stale.shown());
}

const RUNNER: &str = "spiffe://corp.example/ci/runner";

fn with_services(admit: &str) -> Plan {
    let lines = format!(
        "[[device_authority]]\nname = \"services\"\nroots = \"services.pem\"\nnames = \"services\"\n\
         trust_domain = \"corp.example\"\nadmit = \"{admit}\"\n\
         [[device_authority]]\nname = \"mdm\"\nroots = \"mdm.pem\"\ndevice_id = \"san-uri\"\nadmit = \"any\"\n"
    );
    House::plan().policies(RULES).set("end", &lines)
}

#[tokio::test]
async fn a_certificate_alone_is_a_service() {
    let (ca, mdm) = (Authority::new("Services"), Authority::new("MDM"));
    let house = with_services("any").file("services.pem", &ca.pem()).file("mdm.pem", &mdm.pem()).open().await;
    let with = |identity| Client::new(&house.roots(), Some(&identity));
    let runner = with(ca.device(RUNNER, 1, 1));

    allowed(&runner.get(&house.url("wiki", "/build")).await);
    let line = house.record().only_access("/build");
    assert_eq!((&line["user"], &line["binding"]), (&json!(format!("services/{RUNNER}")), &json!("certificate")));
    let device = line["device"].as_str().unwrap().to_owned();
    assert!(device.starts_with("services.corp.example-ci-runner-"), "{device}");
    assert_eq!(assertion(&house, "/build")["kind"], "service");
    // The next hour's certificate has another key, and is the same service and device.
    let next = with(ca.device(RUNNER, 2, 1));
    allowed(&next.get(&house.url("wiki", "/next")).await);
    assert_eq!(house.record().only_access("/next")["device"], device.as_str());
    // Another name is another service.
    let other = with(ca.device("spiffe://corp.example/ci/other", 3, 1)).get(&house.url("wiki", "/other")).await;
    assert_eq!(reason(&other), "policy_no_permit", "{}", other.shown());

    // Browsers would show it of themselves: no page of another site makes them do anything with it.
    let foreign = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    let forged = runner.send(Method::POST, &house.url("wiki", "/forged"), &foreign, "x").await;
    assert_eq!((forged.status.as_u16(), house.wiki.has_seen("/forged")), (403, false), "{}", forged.shown());
    doors_for_people_refuse(&house, &runner).await;

    // A token beside it: who it is says the token, where from the certificate.
    let token = house.idp.token("alice", None);
    let alice = runner.clone().with_token(&token).get(&house.url("wiki", "/.sekisho/whoami")).await.json();
    assert_eq!((&alice["user"]["id"], &alice["user"]["kind"]), (&json!("corp/alice"), &json!("person")));
    assert_eq!(alice["device"]["id"], device.as_str());
    let refused = runner.clone().with_token("nonsense").get(&house.url("wiki", "/nonsense")).await;
    assert_eq!(refused.status, 401, "a bad token is not made up for by the certificate");
    // Nor does a person's cookie stop to count: a stranger's names nobody.
    let cookie = runner.clone().with_header("cookie", format!("__Host-sekisho={}", "A".repeat(43)));
    assert_eq!(cookie.get(&house.url("wiki", "/cookie")).await.status, 401);

    stops_a_service(&house, &runner, &device).await;
}

/// Suspended as whom it is, isolated as the device that it is: both also in the middle of an answer.
async fn stops_a_service(house: &House, runner: &Client, device: &str) {
    let name = format!("services/{RUNNER}");
    for (stop, go_on, word) in [
        (vec!["user", "suspend", &name, "--stranger"], vec!["user", "resume", &name], "user_suspended"),
        (vec!["device", "quarantine", device], vec!["device", "release", device], "device_quarantined"),
    ] {
        let (_, stream) = runner.begin(Method::GET, &house.url("wiki", "/events"), &[], "").await;
        assert_eq!(stream.status(), 200);
        let mut body = stream.into_body();
        use http_body_util::BodyExt as _;
        assert!(body.frame().await.unwrap().is_ok(), "it streams");
        house.must(&stop).await;
        let cut =
            tokio::time::timeout(std::time::Duration::from_secs(20), async { while let Some(Ok(_)) = body.frame().await {} });
        cut.await.unwrap_or_else(|_late| panic!("{word}: still streaming"));
        let refused = runner.get(&house.url("wiki", &format!("/{word}"))).await;
        assert_eq!((refused.status.as_u16(), reason(&refused).as_str()), (403, word), "{}", refused.shown());
        if word == "user_suspended" {
            assert_eq!(house.record().only_access("/user_suspended")["user"], name.as_str());
        }
        house.must(&go_on).await;
        allowed(&runner.get(&house.url("wiki", &format!("/after/{word}"))).await);
    }
}

#[tokio::test]
async fn what_is_not_a_services_certificate_is_refused_by_name() {
    let (ca, mdm) = (Authority::new("Services"), Authority::new("MDM"));
    let house = with_services("listed").file("services.pem", &ca.pem()).file("mdm.pem", &mdm.pem()).open().await;
    let url = house.url("wiki", "/");
    let ask = async |identity| Client::new(&house.roots(), Some(&identity)).get(&url).await;
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());

    let unlisted = ask(ca.device(RUNNER, 1, 1)).await;
    assert_eq!(reason(&unlisted), "device_unlisted", "{}", unlisted.shown());
    house.must(&["device", "add", RUNNER, "--authority", "services"]).await;
    allowed(&ask(ca.device(RUNNER, 2, 1)).await);

    for (what, identity, word) in [
        (
            "two names",
            ca.device_with(RUNNER, |leaf| leaf.subject_alt_names.push(uri("spiffe://corp.example/ci/b"))),
            "certificate_several_identities",
        ),
        ("no name", ca.device_with(RUNNER, |leaf| leaf.subject_alt_names.clear()), "certificate_no_identity"),
        ("another trust domain", ca.device("spiffe://other.example/ci/runner", 3, 1), "certificate_other_trust_domain"),
        ("another scheme", ca.device("http://corp.example/ci/runner", 4, 1), "certificate_not_spiffe"),
        ("a path that goes up", ca.device("spiffe://corp.example/ci/../ci/runner", 5, 1), "certificate_spiffe_path"),
        ("the trust domain itself", ca.device("spiffe://corp.example", 6, 1), "certificate_spiffe_path"),
        ("of nobody known", Authority::new("Services").device(RUNNER, 7, 1), "certificate_unknown_authority"),
        ("of another name", Authority::new("Others").device(RUNNER, 8, 1), "certificate_unknown_authority"),
        ("it has ended", ca.device(RUNNER, 9, -1), "certificate_expired"),
    ] {
        let reply = ask(identity).await;
        assert_eq!((reply.status.as_u16(), reason(&reply).as_str()), (403, word), "{what}: {}", reply.shown());
    }
    // An authority of devices names devices: the same name is nobody's there until somebody signs in.
    let laptop = ask(mdm.device(RUNNER, 10, 1)).await;
    assert_eq!((laptop.status.as_u16(), reason(&laptop).as_str()), (401, "no_credential"), "{}", laptop.shown());
    // A person's browser is led to certificates of devices only.
    let hints = hints(&house).await;
    assert!(hints.contains("MDM") && !hints.contains("Services"), "{hints}");
}

/// What the gate tells browsers about whose certificates it takes.
async fn hints(house: &House) -> String {
    let mut command = tokio::process::Command::new("openssl");
    command.args(["s_client", "-connect", &format!("127.0.0.1:{}", house.port()), "-servername", "wiki.localhost"]);
    let said = crate::harness::run(command, "").await;
    let names = said.out.split_once("Acceptable client certificate CA names").map(|(_, rest)| rest);
    names.unwrap_or_else(|| panic!("no hints: {said:?}")).split("Requested Signature").next().unwrap().to_owned()
}

/// The page's own example of policies and their tests.
#[tokio::test]
async fn the_examples_of_the_page_hold() {
    let page = include_str!("../../../docs/terminal.md");
    let block = |fence: &str| page.split_once(fence).unwrap().1.split("\n```").next().unwrap();
    let house = House::plan().app("packages", "upstream = [\"{wiki}\"]").policies(block("```cedar\n")).open().await;
    std::fs::create_dir_all(house.path().join("policies/tests")).unwrap();
    house.write("policies/tests/services.toml", block("```toml policies/tests/services.toml\n"));
    let said = house.must(&["policy", "test", "--config", house.config().to_str().unwrap()]).await;
    assert!(said.contains('2'), "{said}");
    house
        .write("policies/tests/services.toml", &block("```toml policies/tests/services.toml\n").replace("\"deny\"", "\"allow\""));
    let said = house.command(&["policy", "test", "--config", house.config().to_str().unwrap()]).await;
    assert_eq!(said.code, Some(1), "a person of that name is somebody else: {said:?}");
}

/// It runs in many places, with a key in each: that is no sign of a copy, as it is of a laptop's.
#[tokio::test]
async fn a_service_in_two_networks_is_no_signal_and_a_laptop_is() {
    let (ca, mdm) = (Authority::new("Services"), Authority::new("MDM"));
    let house = with_services("any").file("services.pem", &ca.pem()).file("mdm.pem", &mdm.pem()).open().await;
    let runner = Client::new(&house.roots(), Some(&ca.device(RUNNER, 1, 1)));
    allowed(&runner.get(&house.url("wiki", "/first")).await);
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let mut open = Vec::new();
    for client in [&runner, &alice] {
        for address in ["127.0.0.1", "127.0.9.1"] {
            open.push(client.connect_from(address, &house.url("wiki", "")).await);
        }
    }
    eventually("the signal of the laptop", async || {
        for connection in &mut open {
            allowed(&connection.get("/again").await.unwrap());
        }
        house.record().lines().into_iter().find(|line| line["event"] == "two_networks")
    })
    .await;
    let told: Vec<Value> = house.record().lines().into_iter().filter(|line| line["event"] == "two_networks").collect();
    assert!(told.iter().all(|event| event["device"] == "lap-7"), "{told:?}");
}
