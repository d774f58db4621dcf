//! The house: a gate as it is really run, with a provider and apps, on ports of its own, in a folder of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::app::App;
use super::authority::Authority;
use super::client::{Client, Reply};
use super::idp::{Idp, Kind};
use super::laptop::Laptop;
use super::metrics::Metrics;
use super::port::ReservedPort;
use super::program::{Program, sekisho};
use super::record::Record;

/// How a house is to be.
pub(crate) struct Plan {
    provider: Kind,
    issuer_path: &'static str,
    provider_runs: bool,
    apps: Vec<Site>,
    settings: BTreeMap<String, Vec<String>>,
    files: Vec<File>,
    policies: String,
    limits: String,
    hosts: Vec<String>,
}

/// An app of a plan.
struct Site {
    name: String,
    host: String,
    settings: String,
}

/// A file beside the configuration.
struct File {
    name: String,
    text: String,
    /// Only its owner may read it.
    private: bool,
}

/// A house that stands. Everything in it ends with it.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
    pub(crate) idp: Idp,
    pub(crate) wiki: App,
    pub(crate) gate: Program,
    plan: Plan,
    https: ReservedPort,
    metrics: ReservedPort,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl House {
    /// A gate with the demo provider and one app, `wiki`, for staff on their own devices.
    pub(crate) async fn open() -> Self {
        Plan::default().open().await
    }

    pub(crate) fn plan() -> Plan {
        Plan::default()
    }

    /// An address of an app.
    pub(crate) fn url(&self, app: &str, path: &str) -> String {
        format!("https://{app}.localhost:{}{path}", self.https.number)
    }

    pub(crate) fn port(&self) -> u16 {
        self.https.number
    }

    pub(crate) fn metrics_port(&self) -> u16 {
        self.metrics.number
    }

    pub(crate) fn roots(&self) -> [CertificateDer<'static>; 1] {
        [self.authority.der()]
    }

    /// Somebody without a device of the house.
    pub(crate) fn stranger(&self) -> Client {
        Client::new(&self.roots(), None)
    }

    /// A device, enrolled and approved through the real commands, that belongs to `owner`.
    pub(crate) async fn laptop(&self, name: &str, owner: &str) -> Laptop {
        let laptop = self.pending_laptop(name, owner).await;
        laptop.approve(self).await;
        laptop
    }

    /// A device that is enrolled and waits for approval.
    pub(crate) async fn pending_laptop(&self, name: &str, owner: &str) -> Laptop {
        Laptop::enrol(self, name, owner).await
    }

    /// `person`, signed in at the wiki, on this device.
    pub(crate) async fn signed_in(&self, laptop: &Laptop, person: &str) -> Client {
        let client = laptop.client(self);
        let reply = self.idp.sign_in(&client, &self.url("wiki", "/"), person).await;
        assert_eq!((reply.status.as_u16(), reply.url.as_str()), (200, self.url("wiki", "/").as_str()), "{}", reply.shown());
        client
    }

    /// Runs one of the operators' commands against the running gate.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Said {
        self.command_with(arguments, "").await
    }

    /// As [`House::command`], with text on its standard input.
    pub(crate) async fn command_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = Command::new(sekisho());
        command
            .args(arguments)
            .env("SEKISHO_ADMIN_SOCKET", self.path().join("run/admin.sock"))
            .env("HOME", self.path())
            .current_dir(self.path());
        run(command, input).await
    }

    /// As [`House::command`], for commands that have to succeed.
    pub(crate) async fn must(&self, arguments: &[&str]) -> String {
        let said = self.command(arguments).await;
        assert_eq!(said.code, Some(0), "sekisho {}: {said:?}", arguments.join(" "));
        said.out
    }

    /// As [`House::must`], with `--json`.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let out = self.must(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("not JSON ({error}): {out}"))
    }

    pub(crate) fn record(&self) -> Record {
        Record::new(self.path().join("audit"))
    }

    pub(crate) async fn metrics(&self) -> Metrics {
        Metrics::parse(self.operators_page("/metrics").await.expect("the metrics listener answers").1)
    }

    /// A page of the metrics listener: status and text; `None` if nobody listens.
    pub(crate) async fn operators_page(&self, path: &str) -> Option<(u16, String)> {
        use http_body_util::{BodyExt as _, Empty};
        let socket = TcpStream::connect(("127.0.0.1", self.metrics.number)).await.ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(socket)).await.ok()?;
        tokio::spawn(connection);
        let request = http::Request::get(path).header("host", "127.0.0.1").body(Empty::<bytes::Bytes>::new()).unwrap();
        let reply = sender.send_request(request).await.ok()?;
        let status = reply.status().as_u16();
        let text = reply.into_body().collect().await.ok()?.to_bytes();
        Some((status, String::from_utf8_lossy(&text).into_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("sekisho.toml")
    }

    /// Writes the configuration again, with a further line in a section (`""`: above all sections).
    pub(crate) fn set(&mut self, section: &str, line: &str) {
        self.plan.settings.entry(section.to_owned()).or_default().push(line.to_owned());
        self.write_config();
    }

    /// Writes the configuration again with other lines, wherever those stand.
    pub(crate) fn change(&mut self, lines: &str, others: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(lines), "not in the configuration: {lines}");
        std::fs::write(self.config(), text.replace(lines, others)).unwrap();
    }

    /// Writes the policies again.
    pub(crate) fn set_policies(&mut self, policies: &str) {
        policies.clone_into(&mut self.plan.policies);
        self.write_policies();
    }

    /// Writes a file beside the configuration.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// Starts the gate again, after it has ended.
    pub(crate) async fn start_again(&mut self) {
        self.gate = start(&self.config(), self.path(), &self.plan.limits);
        self.wait_until_ready().await;
    }

    /// The same, for a gate that cannot get ready.
    pub(crate) async fn start_unready(&mut self) {
        self.gate = start(&self.config(), self.path(), &self.plan.limits);
        eventually("its metrics listener", async || self.operators_page("/healthz").await).await;
    }

    /// Ends the gate as an operator does, and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.gate.signal("TERM").await;
        assert_eq!(self.gate.ended().await, Some(0));
        self.start_again().await;
    }

    async fn wait_until_ready(&mut self) {
        let ready = tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                if self.gate.has_ended() {
                    // Its last words may still be on their way to us.
                    tokio::task::yield_now().await;
                    panic!("the gate ended at once");
                }
                if self.operators_page("/readyz").await.is_some_and(|(status, _)| status == 200) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(ready.await.is_ok(), "the gate does not get ready");
    }

    fn write_config(&self) {
        let plan = &self.plan;
        let folder = self.path().display();
        let section = |name: &str| plan.settings.get(name).map(|lines| lines.join("\n")).unwrap_or_default();
        let mut text = format!(
            "state = \"{folder}/state\"\ncores = 2\n{}\n[listen]\nhttps = \"127.0.0.1:{}\"\nmetrics = \"127.0.0.1:{}\"\n\
             admin = \"{folder}/run/admin.sock\"\n{}\n[sign_in]\nhost = \"gate.localhost\"\n{}\n\
             [[server_certificate]]\nchain = \"gate.pem\"\nkey = \"gate.key\"\n\
             [policies]\ndir = \"policies\"\n{}\n[audit]\ndir = \"audit\"\n{}\n[limits]\n{}\n",
            section(""),
            self.https.number,
            self.metrics.number,
            section("listen"),
            section("sign_in"),
            section("policies"),
            section("audit"),
            section("limits"),
        );
        let _ = write!(
            text,
            "[[identity_provider]]\nname = \"corp\"\nissuer = \"{}\"\nclient_id = \"{}\"\nclient_secret_file = \"oidc-secret\"\n\
             groups_claim = \"groups\"\nscopes = [\"profile\", \"email\", \"groups\"]\nca = \"root.pem\"\n{}\n",
            self.idp.issuer,
            self.idp.client_id,
            section("identity_provider"),
        );
        let _ = write!(text, "[[device_authority]]\nname = \"house\"\nbuiltin = true\n{}\n", section("device_authority"));
        for Site { name, host, settings } in &plan.apps {
            let lines = settings.replace("{wiki}", &self.wiki.url());
            let _ = write!(text, "[[app]]\nname = \"{name}\"\nhost = \"{host}\"\n{lines}\n");
        }
        text.push_str(&section("end"));
        std::fs::write(self.config(), text).unwrap();
    }

    fn write_policies(&self) {
        let policies = self.path().join("policies");
        std::fs::create_dir_all(&policies).unwrap();
        std::fs::write(policies.join("house.cedar"), &self.plan.policies).unwrap();
    }
}

impl Plan {
    /// With another provider.
    #[must_use]
    pub(crate) fn provider(mut self, kind: Kind) -> Self {
        self.provider = kind;
        self
    }

    /// The provider's issuer has this after its host; only npm `oidc-provider` can be anywhere.
    #[must_use]
    pub(crate) fn issuer_at(mut self, path: &'static str) -> Self {
        self.issuer_path = path;
        self
    }

    /// The provider is down when the gate starts.
    #[must_use]
    pub(crate) fn provider_down(mut self) -> Self {
        self.provider_runs = false;
        self
    }

    /// A further app, with its settings; `{wiki}` stands for the address of the wiki's stand-in.
    #[must_use]
    pub(crate) fn app(self, name: &str, settings: &str) -> Self {
        self.app_at(name, &format!("{name}.localhost"), settings)
    }

    /// The same at any host. The gate's own certificate is for those below `localhost`; others need one of their own.
    #[must_use]
    pub(crate) fn app_at(mut self, name: &str, host: &str, settings: &str) -> Self {
        self.apps.push(Site { name: name.to_owned(), host: host.to_owned(), settings: settings.to_owned() });
        self
    }

    /// Further lines of the app `wiki`.
    #[must_use]
    pub(crate) fn wiki(mut self, lines: &str) -> Self {
        let Site { settings, .. } = &mut self.apps[0];
        settings.push('\n');
        settings.push_str(lines);
        self
    }

    /// A further line in a section (`""`: above all sections; `"end"`: below).
    #[must_use]
    pub(crate) fn set(mut self, section: &str, line: &str) -> Self {
        self.settings.entry(section.to_owned()).or_default().push(line.to_owned());
        self
    }

    /// A file beside the configuration.
    #[must_use]
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push(File { name: name.to_owned(), text: text.to_owned(), private: false });
        self
    }

    /// A file beside the configuration that only the gate may read.
    #[must_use]
    pub(crate) fn private_file(mut self, name: &str, text: &str) -> Self {
        self.files.push(File { name: name.to_owned(), text: text.to_owned(), private: true });
        self
    }

    /// Shell words that limit what the gate's process may use.
    #[must_use]
    pub(crate) fn limited(mut self, words: &str) -> Self {
        words.clone_into(&mut self.limits);
        self
    }

    /// Further hosts that the gate's certificate is for.
    #[must_use]
    pub(crate) fn certified_for(mut self, host: &str) -> Self {
        self.hosts.push(host.to_owned());
        self
    }

    #[must_use]
    pub(crate) fn policies(mut self, policies: &str) -> Self {
        policies.clone_into(&mut self.policies);
        self
    }

    pub(crate) async fn open(self) -> House {
        let _installed_already = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::Builder::new().prefix("house-").tempdir().unwrap();
        let authority = Authority::new("Root of the house");
        let https = ReservedPort::new();
        let idp = Idp::new(self.provider, self.issuer_path, &authority, &format!("https://gate.localhost:{}", https.number));
        let gate = Program::start("nothing", Command::new("true"));
        let mut house =
            House { folder, authority, idp, wiki: App::open().await, gate, plan: self, https, metrics: ReservedPort::new() };
        let path = house.path().to_owned();
        if house.plan.provider_runs {
            let roots = house.roots();
            house.idp.start(&path, &roots).await;
        }
        let apps = house.plan.apps.iter().map(|site| site.host.as_str()).filter(|host| host.ends_with(".localhost"));
        let hosts = std::iter::once("gate.localhost").chain(apps).chain(house.plan.hosts.iter().map(String::as_str));
        let identity = house.authority.server(hosts);
        std::fs::write(path.join("root.pem"), house.authority.pem()).unwrap();
        std::fs::write(path.join("gate.pem"), identity.chain).unwrap();
        private(&path.join("gate.key"), &identity.key);
        private(&path.join("oidc-secret"), &house.idp.client_secret);
        for File { name, text, private: is_private } in &house.plan.files {
            if *is_private { private(&path.join(name), text) } else { house.write(name, text) }
        }
        house.write_config();
        house.write_policies();
        house.gate = start(&house.config(), &path, &house.plan.limits);
        house.wait_until_ready().await;
        house
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            provider: Kind::Demo,
            issuer_path: "",
            provider_runs: true,
            apps: vec![Site {
                name: "wiki".to_owned(),
                host: "wiki.localhost".to_owned(),
                settings: "upstream = [\"{wiki}\"]\ntags = [\"internal\"]".to_owned(),
            }],
            settings: BTreeMap::new(),
            files: Vec::new(),
            policies: POLICIES.to_owned(),
            limits: String::new(),
            hosts: Vec::new(),
        }
    }
}

/// Writes a file that only its owner may read.
pub(crate) fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Runs a program to its end.
pub(crate) async fn run(mut command: Command, input: &str) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let _it_reads_nothing = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let done = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await.expect("the command ends").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

/// Waits until `check` gives something, and asks again a little later if not.
pub(crate) async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(Duration::from_secs(15), async {
        loop {
            if let Some(found) = check().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.unwrap_or_else(|_late| panic!("never came: {what}"))
}

/// The answer is what the app gave.
#[track_caller]
pub(crate) fn allowed(reply: &Reply) {
    assert_eq!(reply.status, 200, "{}", reply.shown());
}

/// The answer is a refusal with this status, and the app has not seen the request.
#[track_caller]
pub(crate) fn refused(reply: &Reply, status: u16) {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.shown());
}

fn start(config: &Path, folder: &Path, limits: &str) -> Program {
    let mut command = Command::new("bash");
    command.arg("-c").arg(format!("{limits}\nexec \"$@\"")).arg("gate").arg(sekisho());
    command.arg("serve").arg("--config").arg(config).current_dir(folder);
    // Tests may be run in a container, as root; a gate that should not is refused.
    command.env("SEKISHO_PROCESS_ALLOW_ROOT", "true");
    Program::start("the gate", command)
}

/// Staff on devices of their own, with credentials that are bound to them; health checks by anybody.
pub(crate) const POLICIES: &str = r#"
@id("staff-on-their-own-devices")
permit (principal in Group::"staff", action in Action::"use", resource)
when { (context.device.shared || context.device.owner == principal) && context.session.binding != "none" };

@id("public-pages")
permit (principal, action == Action::"public", resource);

@id("administration-is-for-admins")
forbid (principal, action in Action::"use", resource)
when { context.request.path_prefixes.contains("/admin") }
unless { principal in Group::"admins" };
"#;
