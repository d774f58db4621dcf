//! Policies, configuration and the operators' own ways in.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{App, Authority, Client, House, Identity, allowed, eventually, refused};

const EVERYBODY: &str = "@id(\"everybody\") permit (principal, action, resource);";

/// Alice on her laptop, with a token.
async fn alice(house: &House) -> Client {
    let laptop = house.laptop("lap-7", "alice").await;
    laptop.client(house).with_token(&house.idp.token("alice", None))
}

/// Holds: 146.
#[tokio::test]
async fn what_cannot_be_decided_is_refused() {
    // The provider is down from the start: nobody knows its keys.
    let mut house = House::plan().policies(EVERYBODY).provider_down().open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let client = laptop.client(&house);
    let forged = client.clone().with_token(&somebodys_token(&house));
    refused(&forged.get(&house.url("wiki", "/a")).await, 503);
    refused(&client.browse(&house.url("wiki", "/b")).await, 503);
    let (path, roots) = (house.path().to_owned(), house.roots());
    house.idp.start(&path, &roots).await;
    let alice = laptop.client(&house).with_token(&house.idp.token("alice", None));
    eventually("keys", async || (alice.get(&house.url("wiki", "/up")).await.status == 200).then_some(())).await;

    // No policies are in force, and there never were good ones.
    house.gate.signal("TERM").await;
    assert_eq!(house.gate.ended().await, Some(0));
    std::fs::remove_file(house.path().join("state/policies.live.json")).unwrap();
    house.set_policies("permit (principal, action, resource) when { context.devise.x };");
    house.start_unready().await;
    for client in [&alice, &house.stranger()] {
        refused(&client.get(&house.url("wiki", "/c")).await, 503);
    }
    assert_eq!(house.operators_page("/readyz").await.unwrap().0, 503);
    house.set_policies(EVERYBODY);
    house.must(&["reload"]).await;
    allowed(&alice.get(&house.url("wiki", "/good")).await);

    // The list of devices cannot be read any more, and the clock and the policies are as they were.
    let seen: Vec<_> = house.wiki.seen().iter().map(|seen| seen.path().to_owned()).collect();
    assert_eq!(seen, ["/up", "/good"]);
}

/// Holds: 149.
#[tokio::test]
async fn a_rule_that_fails_refuses() {
    let mut house = House::plan().policies(EVERYBODY).open().await;
    let alice = alice(&house).await;
    allowed(&alice.get(&house.url("wiki", "/before")).await);
    for (number, fails) in [
        "context.session.auth_age_s + 9223372036854775807 > 0",
        "context.session.auth_age_s * 9223372036854775807 * 2 == 7",
        "(0 - 9223372036854775807) - context.session.auth_age_s - 2 > 0",
        "context.request.path == \"/nothing\" || context.session.auth_age_s + 9223372036854775807 > 0",
    ]
    .into_iter()
    .enumerate()
    {
        for effect in ["forbid", "permit"] {
            house.set_policies(&format!(
                "{EVERYBODY} @id(\"fails\") {effect} (principal, action in Action::\"use\", resource) when {{ {fails} }};"
            ));
            house.must(&["reload"]).await;
            let path = format!("/fails/{number}/{effect}");
            let reply = alice.get(&house.url("wiki", &path)).await;
            refused(&reply, 503);
            assert_eq!(reply.json()["reason"], "policy_error", "{fails}");
            assert!(!house.wiki.has_seen(&path), "{effect}: {fails}");
        }
    }
    // What could fail for want of a fact does not even load.
    house.set_policies(EVERYBODY);
    house.must(&["reload"]).await;
    for wrong in [
        "context.device.risk > 5",
        "context.device.posture.no_such_thing",
        "principal.no_such_thing == \"x\"",
        "principal.getTag(\"risk\") == \"high\"",
        "context.request.path > 5",
        "resource.tags == 5",
        "context.device.owner.email == \"x\"",
    ] {
        house.set_policies(&format!(
            "{EVERYBODY} @id(\"wrong\") forbid (principal, action in Action::\"use\", resource) when {{ {wrong} }};"
        ));
        assert_eq!(house.command(&["reload"]).await.code, Some(1), "{wrong}");
        allowed(&alice.get(&house.url("wiki", "/kept")).await);
    }
}

/// Holds: 147.
#[tokio::test]
async fn without_a_rule_nothing_is_allowed() {
    let public = "public = [\"/open/**\"]";
    let mut house = House::plan().wiki(public).open().await;
    let alice = alice(&house).await;
    let urls = |house: &House| [house.url("wiki", "/a"), house.url("wiki", "/open/a"), house.url("wiki", "/admin")];
    for (what, policies) in [
        ("only a prohibition", "@id(\"f\") forbid (principal, action, resource) when { context.request.path == \"/x\" };"),
        ("a permission for nobody", "@id(\"n\") permit (principal in Group::\"nobody\", action, resource);"),
        (
            "a permission for another app",
            "@id(\"o\") permit (principal, action, resource == App::\"wiki\") when { context.request.path == \"/x\" };",
        ),
    ] {
        house.set_policies(policies);
        house.must(&["reload"]).await;
        for url in urls(&house) {
            refused(&alice.get(&url).await, 403);
            let stranger = house.stranger().get(&url).await;
            assert!(!stranger.status.is_success(), "{what}: {url}: {}", stranger.shown());
        }
    }
    // Hosts and paths that nobody configured.
    let reply = alice.send(Method::GET, &house.url("gate", "/a"), &[], "").await;
    refused(&reply, 404);
    assert!(house.wiki.seen().is_empty());
    // Its twin: with a rule, both ways are open.
    house.set_policies(EVERYBODY);
    house.must(&["reload"]).await;
    allowed(&alice.get(&house.url("wiki", "/a")).await);
    allowed(&house.stranger().get(&house.url("wiki", "/open/a")).await);

    // What is misspelt, or says nothing, is an error; never something that was not meant.
    let config = std::fs::read_to_string(house.config()).unwrap();
    for (what, wrong) in [
        ("a misspelt section", config.replace("[policies]", "[polcies]")),
        ("a misspelt key", config.replace("dir = \"policies\"", "dri = \"policies\"")),
        ("a misspelt key of an app", config.replace(public, "publik = []")),
        ("a key that does not exist", config.replace(public, "allow_all = true")),
        ("no authority is taken", config.replace(public, "device_authorities = []")),
        ("an authority that does not exist", config.replace(public, "device_authorities = [\"hause\"]")),
        ("a public path that names nothing", config.replace(public, "public = [\"\"]")),
        ("a public path that is not one", config.replace(public, "public = [\"open/**\"]")),
        ("no upstream", config.replace(public, "").replacen("upstream = [\"", "upstream = [] # [\"", 1)),
    ] {
        assert_ne!(wrong, config, "{what}");
        house.write("sekisho.toml", &wrong);
        let at = house.config().display().to_string();
        for (arguments, code) in [(vec!["reload"], 1), (vec!["check", "--config", &at], 1), (vec!["serve", "--config", &at], 3)] {
            let said = house.command(&arguments).await;
            assert_eq!(said.code, Some(code), "{what}: {arguments:?}: {said:?}");
        }
    }
    house.write("sekisho.toml", &config);
    house.must(&["reload"]).await;
}

/// Holds: 150.
#[tokio::test]
async fn a_bad_reload_leaves_the_whole_of_what_was() {
    let mut house = House::plan().wiki("public = [\"/open\"]").open().await;
    let alice = alice(&house).await;
    let allows = format!(
        "{EVERYBODY} @id(\"closed\") forbid (principal, action, resource) when {{ context.request.path == \"/closed\" }};"
    );
    house.set_policies(&allows);
    house.must(&["reload"]).await;
    let config = std::fs::read_to_string(house.config()).unwrap();
    let root = std::fs::read_to_string(house.path().join("root.pem")).unwrap();
    let key = std::fs::read_to_string(house.path().join("gate.key")).unwrap();
    let half = |text: &str| text.get(..text.len() / 2).unwrap().to_owned();
    let mut without_the_end = allows.clone();
    without_the_end.truncate(allows.len() - 3);
    for (what, file, content, good) in [
        ("a mistake", "policies/house.cedar", "permit (principal, action, resource) when {".to_owned(), &allows),
        ("nothing in it", "policies/house.cedar", String::new(), &allows),
        ("only remarks in it", "policies/house.cedar", "// later\n".to_owned(), &allows),
        ("half of it", "policies/house.cedar", half(&allows), &allows),
        ("all but its end", "policies/house.cedar", without_the_end, &allows),
        ("zeros", "policies/house.cedar", "\0".repeat(allows.len()), &allows),
        ("twice the same name", "policies/house.cedar", format!("{allows}{allows}"), &allows),
        ("nothing in it", "sekisho.toml", String::new(), &config),
        ("half of it", "sekisho.toml", half(&config), &config),
        ("a mistake", "sekisho.toml", format!("{config}\n[[app"), &config),
        ("a new app that is wrong", "sekisho.toml", format!("{config}\n[[app]]\nname = \"new\"\n"), &config),
        ("nothing in it", "root.pem", String::new(), &root),
        ("half of it", "root.pem", half(&root), &root),
        ("another's", "gate.key", Authority::new("x").server(["x.test"]).key, &key),
        ("half of it", "gate.key", half(&key), &key),
    ] {
        let what = format!("{file}: {what}");
        std::fs::write(house.path().join(file), content).unwrap();
        let said = house.command(&["reload"]).await;
        assert_eq!(said.code, Some(1), "{what}: {said:?}");
        assert_eq!(house.metrics().await.sum("sekisho_config_last_reload_successful", &[]), 0.0, "{what}");
        allowed(&alice.get(&house.url("wiki", "/a")).await);
        allowed(&house.stranger().get(&house.url("wiki", "/open")).await);
        refused(&alice.get(&house.url("wiki", "/closed")).await, 403);
        refused(&house.stranger().get(&house.url("wiki", "/b")).await, 403);
        std::fs::write(house.path().join(file), good).unwrap();
    }
    std::fs::rename(house.path().join("policies/house.cedar"), house.path().join("house.cedar")).unwrap();
    assert_eq!(house.command(&["reload"]).await.code, Some(1), "no policy file at all");
    refused(&alice.get(&house.url("wiki", "/closed")).await, 403);
    std::fs::rename(house.path().join("house.cedar"), house.path().join("policies/house.cedar")).unwrap();
    house.must(&["reload"]).await;
    assert_eq!(house.metrics().await.sum("sekisho_config_last_reload_successful", &[]), 1.0);
    assert!(!house.wiki.has_seen("/closed") && !house.wiki.has_seen("/b"));
}

/// Holds: 150.
#[tokio::test]
async fn a_request_never_sees_half_of_each() {
    // In one world `/one` is allowed and goes to one app, in the other `/two` and to the other.
    let worlds = [App::open().await, App::open().await];
    let names = ["one", "two"];
    let mut house = House::plan().policies(EVERYBODY).open().await;
    let alice = alice(&house).await;
    let config = std::fs::read_to_string(house.config()).unwrap();
    let upstream = house.wiki.url();
    assert!(config.contains(&upstream));
    let begin = |house: &mut House, world: usize| {
        house.write("sekisho.toml", &config.replace(&upstream, &worlds[world].url()));
        let name = names[world];
        house.set_policies(&format!(
            "@id(\"{name}\") permit (principal, action, resource) when {{ context.request.path == \"/{name}\" }};"
        ));
    };
    begin(&mut house, 0);
    house.must(&["reload"]).await;
    let stop = Arc::new(AtomicUsize::new(0));
    let mut askers = tokio::task::JoinSet::new();
    for name in names {
        let (alice, url, stop) = (alice.clone(), house.url("wiki", &format!("/{name}")), Arc::clone(&stop));
        askers.spawn(async move {
            let mut connection = alice.connect(&url).await;
            let mut answers = (0, 0);
            while stop.load(Ordering::Relaxed) == 0 {
                match connection.get(&format!("/{name}")).await.map(|reply| reply.status.as_u16()) {
                    Some(200) => answers.0 += 1,
                    Some(403) => answers.1 += 1,
                    None => connection = alice.connect(&url).await,
                    other => panic!("{name}: {other:?}"),
                }
            }
            answers
        });
    }
    for turn in 1..=12 {
        begin(&mut house, turn % 2);
        house.must(&["reload"]).await;
    }
    stop.store(1, Ordering::Relaxed);
    while let Some(answers) = askers.join_next().await {
        let (yes, no) = answers.unwrap();
        assert!(yes > 0 && no > 0, "both worlds were met: {yes} and {no}");
    }
    for (world, app) in worlds.iter().enumerate() {
        let path = format!("/{}", names[world]);
        assert!(
            app.seen().iter().all(|seen| seen.path() == path),
            "something else than {path} reached its app: {:?}",
            app.seen()
        );
    }
}

/// Holds: 151.
#[tokio::test]
async fn operators_pages_are_on_no_public_side() {
    let house = House::plan().policies(EVERYBODY).set("listen", "metrics_hosts = [\"metrics.corp.example\"]").open().await;
    let alice = alice(&house).await;
    // On apps' hosts these are the app's; on ours there is nothing of the kind.
    for path in ["/metrics", "/healthz", "/readyz", "/debug/pprof/", "/config", "/v1/reload", "/reload", "/stats", "/admin.sock"]
    {
        let reply = alice.get(&house.url("wiki", path)).await;
        allowed(&reply);
        assert!(!reply.text().contains("sekisho_"), "{path}");
        assert!(house.wiki.has_seen(path), "{path} is the app's");
        refused(&alice.get(&house.url("gate", path)).await, 404);
        let reply = alice.get(&house.url("wiki", &format!("/.sekisho{path}"))).await;
        refused(&reply, 404);
        assert!(!house.wiki.has_seen(&format!("/.sekisho{path}")));
        let reply = house.stranger().get(&house.url("wiki", path)).await;
        assert!(!reply.status.is_success(), "{path}: {}", reply.shown());
    }

    // An app that is said to be where the gate's own listeners are.
    let metrics = house.metrics_port();
    let config = std::fs::read_to_string(house.config()).unwrap();
    let upstream = house.wiki.url();
    for host in ["127.0.0.1", "localhost", "LOCALHOST", "a.b.localhost", "localhost.", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        for port in [metrics, house.port()] {
            house.write("sekisho.toml", &config.replace(&upstream, &format!("http://{host}:{port}")));
            let said = house.command(&["reload"]).await;
            assert_eq!(said.code, Some(1), "{host}:{port}: {said:?}");
            assert!(format!("{}{}", said.out, said.err).contains("is the gate itself"), "{host}:{port}: {said:?}");
        }
    }
    // Names that only the system's resolver understands: this is 127.0.0.1, as numbers were once written.
    for port in [metrics, house.port()] {
        house.write("sekisho.toml", &config.replace(&upstream, &format!("http://0x7f000001:{port}")));
        house.must(&["reload"]).await;
        let reply = alice.get(&house.url("wiki", "/metrics")).await;
        assert!(matches!(reply.status.as_u16(), 502 | 503), "{port}: {}", reply.shown());
        assert!(!reply.text().contains("sekisho_"), "{}", reply.shown());
    }
    let port = upstream.rsplit_once(':').unwrap().1;
    house.write("sekisho.toml", &config.replace(&upstream, &format!("http://0x7f000001:{port}")));
    house.must(&["reload"]).await;
    allowed(&alice.get(&house.url("wiki", "/the-app")).await);

    // The metrics listener is read, by programs, under a name that is this machine's.
    let address = format!("127.0.0.1:{metrics}");
    let ask = async |request: String| {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let get = |fields: &str| format!("GET /metrics HTTP/1.1\r\nconnection: close\r\n{fields}\r\n\r\n");
    for (what, request) in [
        ("a name that was pointed here", get("host: evil.test")),
        ("a page of another site", get(&format!("host: {address}\r\norigin: https://evil.test"))),
        ("a page of another site that hides", get(&format!("host: {address}\r\norigin: null"))),
        ("a picture of another site", get(&format!("host: {address}\r\nsec-fetch-site: cross-site"))),
        (
            "something sent",
            format!(
                "POST /metrics HTTP/1.1\r\nconnection: close\r\nhost: {address}\r\norigin: https://evil.test\r\ncontent-length: 0\r\n\r\n"
            ),
        ),
        (
            "something sent without an origin",
            format!("POST /reload HTTP/1.1\r\nconnection: close\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n"),
        ),
        ("debugging", format!("GET /debug/pprof/ HTTP/1.1\r\nconnection: close\r\nhost: {address}\r\n\r\n")),
    ] {
        let answer = ask(request).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(matches!(status, "403" | "404" | "405") && !answer.contains("sekisho_"), "{what}: {answer}");
    }
    assert!(ask(get(&format!("host: {address}"))).await.contains("sekisho_build_info"));
    assert!(ask(get("host: localhost")).await.contains("sekisho_build_info"));
    assert!(ask(get("host: metrics.corp.example:9464")).await.contains("sekisho_build_info"));

    // Commands have a file, which only its owner and a group may open.
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    let socket = std::fs::metadata(house.path().join("run/admin.sock")).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o007, 0, "{:o}", socket.permissions().mode());
}

/// Holds: 153.
#[tokio::test]
async fn an_app_that_is_not_certified_gets_nothing() {
    let (root, other) = (Authority::new("Root of apps"), Authority::new("Another root"));
    let expired = root.server_with(["over.localhost"], |leaf| {
        leaf.not_after = time::OffsetDateTime::now_utc() - time::Duration::hours(1);
    });
    let client_only = root.server_with(["client.localhost"], |leaf| {
        leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let cases = [
        ("good", TlsApp::open(&root.server(["good.localhost"])).await, 200),
        ("name", TlsApp::open(&root.server(["else.localhost"])).await, 502),
        ("over", TlsApp::open(&expired).await, 502),
        ("foreign", TlsApp::open(&other.server(["foreign.localhost"])).await, 502),
        ("self", TlsApp::open(&Authority::new("Nobody").server(["self.localhost"])).await, 502),
        ("client", TlsApp::open(&client_only).await, 502),
    ];
    let plain = App::open().await;
    let mut plan = House::plan().policies(EVERYBODY).file("apps.pem", &root.pem()).file("other.pem", &other.pem());
    for (name, app, _) in &cases {
        plan = plan.app(
            &format!("app-{name}"),
            &format!("upstream = [\"https://{name}.localhost:{}\"]\nca = \"apps.pem\"", app.address.port()),
        );
    }
    let good = cases[0].1.address.port();
    for (name, upstream, ca) in [
        // Plain where TLS is expected, the right app by another name or under another root, and by its address.
        ("plain", format!("https://good.localhost:{}", plain.address.port()), "apps.pem"),
        ("alias", format!("https://alias.localhost:{good}"), "apps.pem"),
        ("root", format!("https://good.localhost:{good}"), "other.pem"),
        ("address", format!("https://127.0.0.1:{good}"), "apps.pem"),
    ] {
        plan = plan.app(&format!("app-{name}"), &format!("upstream = [\"{upstream}\"]\nca = \"{ca}\""));
    }
    let house = plan.open().await;
    let alice = alice(&house).await;
    // The good one first, so that there is a connection and a session that others could use.
    for (name, app, status) in &cases {
        let reply = alice.get(&house.url(&format!("app-{name}"), "/a")).await;
        assert_eq!(reply.status.as_u16(), *status, "{name}: {}", reply.shown());
        assert_eq!(app.asked.load(Ordering::SeqCst) > 0, *status == 200, "{name}");
    }
    let asked = cases[0].1.asked.load(Ordering::SeqCst);
    for name in ["plain", "alias", "root", "address"] {
        for _ in 0..2 {
            let reply = alice.get(&house.url(&format!("app-{name}"), "/a")).await;
            assert!(matches!(reply.status.as_u16(), 502 | 503), "{name}: {}", reply.shown());
        }
    }
    assert_eq!(cases[0].1.asked.load(Ordering::SeqCst), asked);
    assert!(plain.seen().is_empty(), "no way back to plain HTTP: {:?}", plain.seen());
    // Where an app sends people is theirs to follow; the gate goes nowhere.
    let reply = alice.get(&house.url("app-good", "/redirect")).await;
    assert_eq!((reply.status.as_u16(), reply.header("location")), (302, Some("http://good.localhost/plain")));
    assert_eq!(cases[0].1.asked.load(Ordering::SeqCst), asked + 1);
    // Roots that cannot be read are never none.
    let config = std::fs::read_to_string(house.config()).unwrap();
    for (what, ca) in [("missing", "nowhere.pem"), ("empty", "empty.pem"), ("a key", "gate.key")] {
        house.write("empty.pem", "");
        house.write("sekisho.toml", &config.replacen("ca = \"apps.pem\"", &format!("ca = \"{ca}\""), 1));
        assert_eq!(house.command(&["reload"]).await.code, Some(1), "{what}");
    }
    // Trust that is taken away is gone for connections that wait, too.
    house.write("sekisho.toml", &config.replacen("ca = \"apps.pem\"", "ca = \"other.pem\"", 1));
    house.must(&["reload"]).await;
    let asked = cases[0].1.asked.load(Ordering::SeqCst);
    refused(&alice.get(&house.url("app-good", "/a")).await, 502);
    assert_eq!(cases[0].1.asked.load(Ordering::SeqCst), asked);
    house.write("sekisho.toml", &config);
    house.must(&["reload"]).await;
}

/// An app that speaks TLS, and counts what it is asked.
struct TlsApp {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl TlsApp {
    async fn open(identity: &Identity) -> Self {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(identity.chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let _installed_already = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let asked = Arc::clone(&app.asked);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, asked) = (acceptor.clone(), Arc::clone(&asked));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(socket).await else { return };
                    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                        asked.fetch_add(1, Ordering::SeqCst);
                        let mut reply = Response::new(Full::new(Bytes::from_static(b"secret\n")));
                        if request.uri().path() == "/redirect" {
                            *reply.status_mut() = http::StatusCode::FOUND;
                            reply.headers_mut().insert("location", "http://good.localhost/plain".parse().unwrap());
                        }
                        async move { Ok::<_, Infallible>(reply) }
                    });
                    let _ended = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        app
    }
}

/// Well formed, and signed by nobody: with the provider's keys it would be refused as what it is.
fn somebodys_token(house: &House) -> String {
    use base64::Engine as _;
    let part = |json: &serde_json::Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string());
    let claims = serde_json::json!({
        "iss": house.idp.issuer, "aud": house.idp.client_id, "sub": "alice", "iat": 1_700_000_000, "exp": 4_000_000_000_u64,
        "groups": ["staff"],
    });
    let head = part(&serde_json::json!({ "alg": "ES256", "kid": "key-1", "typ": "JWT" }));
    format!("{head}.{}.{}", part(&claims), "A".repeat(86))
}
