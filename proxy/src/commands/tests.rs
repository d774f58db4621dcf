//! Operators' commands against a gate's admin socket.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{CommandFactory as _, Parser};
use sekisho_certs::local_root::LocalRoot;
use sekisho_policy::{Catalogue, PolicySet};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::console::admin::{self, AdminState, CaCertificate, ReloadReport};
use crate::contain::{Usage, UsageMetrics};
use crate::decide::KnownFacts;
use crate::inventory::samples::{self, key, user};
use crate::inventory::{DeviceId, DeviceStatus, Platform};
use crate::secret::{Digest, Sealer};
use crate::store::{Enrolment, FromProvider, InviteCode, Registrar};

const START: Timestamp = Timestamp(1_790_000_000_000);

/// A gate of which only the admin socket is up.
struct Gate {
    dir: tempfile::TempDir,
    registrar: Registrar,
    clock: Clock,
    good: Arc<AtomicBool>,
    server: tokio::task::JoinHandle<()>,
}

/// The command line, as far as it is tested here.
#[derive(Debug, Parser)]
#[command(name = "sekisho")]
enum Line {
    Device(DeviceCommand),
    Session(SessionCommand),
    User(UserCommand),
    Admin(AdminCommand),
    Ca(CaCommand),
    Reload(ReloadCommand),
    Status(StatusCommand),
}

impl Line {
    async fn run(self) -> Result<(), CommandError> {
        match self {
            Self::Device(command) => command.run().await,
            Self::Session(command) => command.run().await,
            Self::User(command) => command.run().await,
            Self::Admin(command) => command.run().await,
            Self::Ca(command) => command.run().await,
            Self::Reload(command) => command.run().await,
            Self::Status(command) => command.run().await,
        }
    }
}

impl Gate {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let sealer = Arc::new(Sealer::open_or_create(dir.path()).unwrap());
        let registrar = Registrar::open(dir.path(), sealer, clock.clone()).await.unwrap();
        let config = Arc::new(config(dir.path()));
        let good = Arc::new(AtomicBool::new(true));
        let state = AdminState {
            registrar: registrar.clone(),
            usage: Arc::new(Usage::new(10, UsageMetrics::register(&prometheus::Registry::new()).unwrap())),
            clock: clock.clone(),
            started_at: START,
            hardening: [].into(),
            ready: {
                let good = Arc::clone(&good);
                Arc::new(move || if good.load(Ordering::Relaxed) { Ok(()) } else { Err("no policies are in force".to_owned()) })
            },
            config: Arc::new(move || Arc::clone(&config)),
            reload: {
                let good = Arc::clone(&good);
                Arc::new(move |_by, _why| {
                    let good = good.load(Ordering::Relaxed);
                    Box::pin(async move {
                        if good {
                            Ok(ReloadReport { changed: vec!["policies: 3".to_owned()], ..ReloadReport::default() })
                        } else {
                            Err(vec!["app[0].host: missing".to_owned(), "no such fact\n --> p.cedar:3".to_owned()])
                        }
                    })
                })
            },
            recorded: Arc::new(|| true),
            pin: Arc::new(|| Some(Digest::of(b"gate"))),
            candidate: Arc::new(|| None),
            known_facts: Arc::new(|| {
                let set = PolicySet::load(&[], &[], &Catalogue::default()).unwrap().set;
                Some(KnownFacts::of(&set))
            }),
            ca: Arc::new(|| {
                let pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
                Some(CaCertificate { name: "house".to_owned(), pem, fingerprint: Digest::of(b"ca"), not_after: START })
            }),
        };
        let listener = admin::bind(&dir.path().join("admin.sock"), None).unwrap();
        let server = tokio::spawn(admin::serve(listener, Arc::new(state)));
        Self { dir, registrar, clock, good, server }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("admin.sock")
    }

    fn client(&self) -> AdminClient {
        AdminClient::new(self.socket())
    }

    async fn run(&self, line: &str) -> Result<(), CommandError> {
        run_at(&self.socket(), line).await
    }

    fn status(&self, id: &str) -> DeviceStatus {
        self.registrar.inventory().device(&id.parse().unwrap()).unwrap().device.status
    }

    /// An enrolled device, let in.
    async fn device(&self, id: &str) {
        self.run(&format!("device add {id} --authority mdm --managed")).await.unwrap();
    }

    async fn session(&self, id: &str, subject: &str, device: &str) {
        let session = samples::session(id, subject, device, self.clock.now());
        self.registrar.start_session(session, FromProvider::default(), "").await.unwrap();
    }

    /// Everything that goes over the socket, word for word.
    async fn raw(&self, text: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        // A refusal may come before all of it was read.
        drop(stream.write_all(text.as_bytes()).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn run_at(socket: &Path, line: &str) -> Result<(), CommandError> {
    let words = std::iter::once("sekisho").chain(line.split_whitespace()).chain(["--socket", socket.to_str().unwrap()]);
    Line::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}")).run().await
}

fn config(dir: &Path) -> Config {
    let now = rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(START.as_secs().unsigned_abs()));
    let root = LocalRoot::create(&["example"], now).unwrap();
    let server = root.server(&["gate.example", "*.example"], now).unwrap();
    std::fs::write(dir.join("chain.pem"), &server.chain_pem).unwrap();
    sekisho_certs::files::write_private(&dir.join("key.pem"), server.key_pem.as_bytes()).unwrap();
    std::fs::write(dir.join("mdm.pem"), root.certificate_pem()).unwrap();
    for source in ["fleet", "scanner"] {
        let token = format!("token-of-{source}-0123456789abcdef01234567");
        sekisho_certs::files::write_private(&dir.join(format!("{source}-token")), token.as_bytes()).unwrap();
    }
    let text = r#"
        state = "."
        [listen]
        https = "127.0.0.1:8443"
        [sign_in]
        host = "gate.example"
        [[server_certificate]]
        chain = "chain.pem"
        key = "key.pem"
        [[identity_provider]]
        name = "corp"
        issuer = "https://login.example"
        client_id = "sekisho"
        [[device_authority]]
        name = "house"
        builtin = true
        [[device_authority]]
        name = "mdm"
        roots = "mdm.pem"
        device_id = "subject-cn"
        admit = "listed"
        [[posture_source]]
        name = "fleet"
        token_file = "fleet-token"
        devices = "alias"
        [[posture_source]]
        name = "scanner"
        token_file = "scanner-token"
        [[app]]
        name = "wiki"
        host = "wiki.example"
        upstream = ["http://127.0.0.1:1"]
        [policies]
        dir = "."
        [audit]
        dir = "audit"
    "#;
    Config::parse(text, dir, Vec::new(), START).unwrap()
}

#[test]
fn the_command_line_is_sound_and_each_help_has_an_example() {
    fn check(command: &clap::Command) {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(after.starts_with("Example") && after.contains("sekisho "), "{}", command.get_name());
        command.get_subcommands().for_each(check);
    }
    let line = Line::command();
    line.clone().debug_assert();
    line.get_subcommands().for_each(check);
}

#[test]
fn wrong_usage_is_noticed_before_anything_is_asked() {
    for line in [
        "device invite",
        "device invite --owner a@b.example --lifetime soon",
        "device approve mdm.lap-1",
        "device approve mdm.lap-1 --fingerprint 1234",
        "device list --status odd",
        "session end",
        "session end s1 --user ana@corp.example",
        "session end --user ana@corp.example --device mdm.lap-1",
        "user suspend",
        "ca",
    ] {
        let words = std::iter::once("sekisho").chain(line.split_whitespace());
        assert!(Line::try_parse_from(words).is_err(), "{line}");
    }
}

#[tokio::test]
async fn a_device_is_invited_enrols_and_is_let_in() {
    let gate = Gate::open().await;
    let request = json!({ "owner": "ana@Corp.Example", "managed": true, "why": "new laptop" });
    let answer: Value = gate.client().post("/v1/invitations", &request).await.unwrap();
    assert_eq!((answer["gate"].as_str(), answer["needs_approval"].as_bool()), (Some("https://gate.example:8443"), Some(true)));
    let (code, pin) = answer["code"].as_str().unwrap().split_once('.').unwrap();
    assert_eq!(pin, Digest::of(b"gate").to_base64url());
    let code: InviteCode = code.parse().unwrap();
    let enrolment = Enrolment {
        id: "ana-laptop".parse().unwrap(),
        key: key("k"),
        platform: Platform::Linux,
        tpm: None,
        status: DeviceStatus::Pending,
    };
    gate.registrar.enrol(&code, enrolment, "").await.unwrap();

    let other = gate.run(&format!("device approve ana-laptop --fingerprint {}", key("other"))).await.unwrap_err();
    assert_eq!(other.exit_code(), 3);
    assert_eq!(gate.status("ana-laptop"), DeviceStatus::Pending);
    gate.run(&format!("device approve ana-laptop --fingerprint {} --reason seen", key("k"))).await.unwrap();
    assert_eq!(gate.status("ana-laptop"), DeviceStatus::Active);

    let shown: Value = gate.client().get("/v1/devices/ana-laptop").await.unwrap();
    assert_eq!(shown["owner"], json!({ "email": "ana@corp.example" }));
    let uid = std::fs::metadata(gate.dir.path()).unwrap().uid();
    assert_eq!(shown["history"][0]["what"], "approved");
    assert_eq!(shown["history"][0]["why"], "seen");
    let by = shown["history"][0]["by"].as_str().unwrap();
    assert!(by == format!("uid:{uid}") || by.starts_with(&format!("uid:{uid} (")), "the kernel says who it was: {by}");
    gate.run("device show ana-laptop").await.unwrap();
    gate.run("device list --status active --json").await.unwrap();
}

#[tokio::test]
async fn the_levers_are_in_effect_when_the_command_is_back() {
    let gate = Gate::open().await;
    gate.device("mdm.lap-1").await;
    gate.session("s1", "ana", "mdm.lap-1").await;
    for (line, after) in [
        ("device quarantine mdm.lap-1 --reason malware", DeviceStatus::Quarantined),
        ("device release mdm.lap-1", DeviceStatus::Active),
        ("device retire mdm.lap-1", DeviceStatus::Retired),
    ] {
        gate.run(line).await.unwrap();
        assert_eq!(gate.status("mdm.lap-1"), after, "{line}");
    }
    assert_eq!(gate.registrar.inventory().counts().sessions, 0);
    let again = gate.run("device release mdm.lap-1").await.unwrap_err();
    assert_eq!((again.exit_code(), again.to_string().contains("is retired")), (3, true), "{again}");
}

#[tokio::test]
async fn what_is_known_of_a_device_is_set_shown_and_taken_back() {
    let gate = Gate::open().await;
    gate.device("mdm.lap-1").await;
    gate.clock.advance(Duration::from_secs(60));
    gate.run("device set mdm.lap-1 disk_encrypted=true managed=false platform=macos --reason checked").await.unwrap();
    gate.clock.advance(Duration::from_secs(90));
    let shown: Value = gate.client().get("/v1/devices/mdm.lap-1").await.unwrap();
    assert_eq!(
        (&shown["posture"], &shown["managed"], &shown["platform"]),
        (&json!({ "disk_encrypted": true }), &json!(false), &json!("macos"))
    );
    assert_eq!(shown["history"][0]["what"], "facts changed");
    assert_eq!(shown["history"][0]["why"], "checked (disk_encrypted=true, managed=false, platform=\"macos\")");
    let said = |name: &str, source: &str| {
        let facts = shown["reported"].as_array().unwrap();
        facts.iter().find(|fact| fact["name"] == name && fact["source"] == source).unwrap().clone()
    };
    let fact = said("disk_encrypted", "operator");
    assert_eq!((&fact["value"], &fact["age_s"], &fact["ended"]), (&json!(true), &json!(90), &json!(false)));
    assert_eq!((&said("managed", "enrolment")["value"], &said("managed", "enrolment")["age_s"]), (&json!(true), &json!(150)));
    gate.run("device show mdm.lap-1").await.unwrap();
    gate.run("device set mdm.lap-1 --unset managed --unset platform --alias fleet=C02XL0AAJGH5").await.unwrap();
    let shown: Value = gate.client().get("/v1/devices/mdm.lap-1").await.unwrap();
    assert_eq!(shown["aliases"], json!([{ "source": "fleet", "alias": "C02XL0AAJGH5" }]));
    let device = gate.registrar.inventory().device(&"mdm.lap-1".parse().unwrap()).unwrap();
    assert_eq!((device.device.managed, device.device.platform), (true, Platform::Unknown));

    for (line, words, code) in [
        (
            "device set mdm.lap-1 disk_encryptd=true",
            "there is no fact called \"disk_encryptd\"; did you mean `disk_encrypted`?",
            2,
        ),
        ("device set mdm.lap-1 disk_encrypted=yes", "`disk_encrypted` is true or false", 2),
        ("device set mdm.lap-1 platform=plan9", "a platform is one of linux", 2),
        ("device set mdm.lap-1 firewall=true --unset firewall", "both to be set and to be unset", 2),
        ("device set mdm.lap-1 --unset firewall", "no operator has set `firewall`", 3),
        ("device set mdm.lap1 firewall=true", "did you mean `mdm.lap-1`?", 3),
        ("device set mdm.lap-1", "name at least one fact", 2),
        ("device set mdm.lap-1 --alias fleat=C02X", "no posture source is called \"fleat\"; did you mean `fleet`?", 2),
        ("device set mdm.lap-1 --alias scanner=C02X", "`scanner` names devices as the gate does", 2),
        ("device set mdm.lap-1 --unalias fleet=C02X", "does not call device `mdm.lap-1` `C02X`", 3),
    ] {
        let error = gate.run(line).await.unwrap_err();
        assert!(error.to_string().contains(words), "{line}: {error}");
        assert_eq!(error.exit_code(), code, "{line}: {error}");
    }
    let after = gate.registrar.inventory().device(&"mdm.lap-1".parse().unwrap()).unwrap();
    assert_eq!(after.device.posture, device.device.posture, "nothing of what was refused was done");
}

#[tokio::test]
async fn unknown_names_come_with_near_ones() {
    let gate = Gate::open().await;
    gate.device("mdm.lap-1").await;
    for line in ["device show mdm.lap1", "device quarantine mdm.lap1", "session end --device mdm.lap1"] {
        let error = gate.run(line).await.unwrap_err();
        assert_eq!(error.to_string(), "no device is called `mdm.lap1`; did you mean `mdm.lap-1`?", "{line}");
        assert_eq!(error.exit_code(), 3);
    }
    let odd = gate.run("device show LAP-1").await.unwrap_err();
    assert!(odd.to_string().starts_with("no device is called"), "{odd}");
}

#[tokio::test]
async fn what_the_configuration_does_not_know_is_refused() {
    let gate = Gate::open().await;
    for (line, words) in [
        ("device add mdm.lap-1 --authority nobody", "no device authority is called `nobody`"),
        ("device add mdm.lap-1 --authority house", "invite this one"),
        ("device add mdm.lap-1 --authority mdm --owner crop/1", "no identity provider is called `crop`"),
        ("device invite --owner nonsense", "neither an e-mail address nor"),
        ("device invite --owner a@b.example --lifetime 1s", "1 minute to 30 days"),
    ] {
        let error = gate.run(line).await.unwrap_err();
        assert!(error.to_string().contains(words), "{line}: {error}");
        assert_eq!(error.exit_code(), 2, "{line}");
    }
    assert_eq!(gate.registrar.inventory().counts().devices_active, 0);
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let gate = Gate::open().await;
    gate.device("mdm.lap-1").await;
    for (id, subject) in [("s1", "ana"), ("s2", "ana"), ("s3", "bob"), ("s4", "bob")] {
        gate.session(id, subject, "mdm.lap-1").await;
    }
    let ids = async || {
        let listed: Vec<Value> = gate.client().get("/v1/sessions").await.unwrap();
        listed.iter().map(|view| view["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids().await, "s1 s2 s3 s4");
    gate.run("session list --user ana@corp.example").await.unwrap();
    gate.run("session end s3").await.unwrap();
    assert_eq!(ids().await, "s1 s2 s4");
    assert_eq!(gate.run("session end s3").await.unwrap_err().exit_code(), 3);
    gate.run("session end --user ana@corp.example --reason stolen").await.unwrap();
    assert_eq!(ids().await, "s4");
    gate.run("session end --device mdm.lap-1").await.unwrap();
    gate.run("session end --user corp/ana").await.unwrap();
    let misspelt = gate.run("session end --user corp/anna").await.unwrap_err();
    assert_eq!(misspelt.exit_code(), 3);
    assert!(misspelt.to_string().contains("nobody called `corp/anna` has signed in here"), "{misspelt}");
    assert_eq!(ids().await, "");
    gate.session("s5", "ana", "mdm.lap-1").await;
    gate.clock.advance(Duration::from_secs(3600));
    assert_eq!(ids().await, "", "an idle session cannot be used, so it is not listed");
}

#[tokio::test]
async fn people_are_suspended_and_resumed() {
    let gate = Gate::open().await;
    gate.device("mdm.lap-1").await;
    gate.session("s1", "ana", "mdm.lap-1").await;
    gate.run("user suspend ana@corp.example --reason left").await.unwrap();
    assert!(gate.registrar.inventory().is_suspended(&user("ana")));
    assert_eq!(gate.registrar.inventory().counts().sessions, 0);
    gate.run("user list").await.unwrap();
    assert_eq!(gate.run("user suspend corp/ana").await.unwrap_err().exit_code(), 3);
    gate.run("user resume corp/ana").await.unwrap();
    assert!(!gate.registrar.inventory().is_suspended(&user("ana")));
    let error = gate.run("user suspend corp/anna").await.unwrap_err();
    assert!(error.to_string().contains("did you mean `corp/ana`?"), "{error}");
    let answer: Value = gate.client().post("/v1/users/suspend", &json!({ "user": "corp/zoe", "stranger": true })).await.unwrap();
    assert_eq!(answer["known"], false, "suspended all the same, and the operator is told");
    let error = gate.run("user resume corp/zo").await.unwrap_err();
    assert!(error.to_string().contains("did you mean `corp/zoe`?"), "{error}");
}

#[tokio::test]
async fn a_reload_tells_what_it_did_or_every_problem() {
    let gate = Gate::open().await;
    gate.run("reload").await.unwrap();
    gate.good.store(false, Ordering::Relaxed);
    let error = gate.run("reload").await.unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("app[0].host: missing\n  no such fact\n   --> p.cedar:3"), "{error}");
}

#[tokio::test]
async fn the_authority_and_the_state_of_the_gate_are_shown() {
    let gate = Gate::open().await;
    gate.run("ca show").await.unwrap();
    gate.run("status").await.unwrap();
    let ca: Value = gate.client().get("/v1/ca").await.unwrap();
    assert_eq!(ca["fingerprint"], Digest::of(b"ca").to_string());
    gate.good.store(false, Ordering::Relaxed);
    let error = gate.run("status").await.unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("refuses every request: no policies are in force"), "{error}");
}

#[tokio::test]
async fn a_gate_that_does_not_run_is_named_so() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = run_at(&dir.path().join("admin.sock"), "device list").await.unwrap_err();
    assert!(nowhere.to_string().starts_with("no gate listens on"), "{nowhere}");
    let stale = dir.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let dead = run_at(&stale, "device list").await.unwrap_err();
    assert!(dead.to_string().contains("is not running"), "{dead}");
    assert_eq!((nowhere.exit_code(), dead.exit_code()), (3, 3));
}

#[tokio::test]
async fn what_is_not_a_command_is_refused_with_words() {
    let gate = Gate::open().await;
    gate.device("mdm.lap-1").await;
    let post =
        |path: &str, body: &str| format!("POST {path} HTTP/1.1\r\nhost: s\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    for (request, status) in [
        ("GET /v2/devices HTTP/1.1\r\nhost: s\r\n\r\n".to_owned(), "404"),
        ("DELETE /v1/devices/mdm.lap-1 HTTP/1.1\r\nhost: s\r\n\r\n".to_owned(), "404"),
        (post("/v1/devices/mdm.lap-1/explode", "{}"), "404"),
        (post("/v1/devices/mdm.lap-1/retire", "not json"), "400"),
        (post("/v1/devices/mdm.lap-1/retire", r#"{"wyh":"typo"}"#), "400"),
        (post("/v1/devices/mdm.lap-1/retire", &format!("\"{}\"", "x".repeat(70_000))), "400"),
        (post("/v1/sessions/end", r#"{"why":"which?"}"#), "400"),
        (post("/v1/sessions/end", r#"{"user":"corp/ana","device":"mdm.lap-1"}"#), "400"),
        ("\u{16}\u{3}\u{1} not http\r\n\r\n".to_owned(), "400"),
    ] {
        let answer = gate.raw(&request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request:.80}: {answer:.80}");
    }
    assert_eq!(gate.status("mdm.lap-1"), DeviceStatus::Active);
    let id: DeviceId = "mdm.lap-1".parse().unwrap();
    assert_eq!(gate.registrar.device_history(&id, 9).await.unwrap().len(), 1);
}
