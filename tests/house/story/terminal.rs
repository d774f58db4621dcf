//! People at a terminal: `sekisho login` as they type it, against a real provider.

use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::harness::{
    Client, Form, House, IDP_HOST, Kind, Laptop, NAVIGATION, Plan, Program, Reply, Said, allowed, eventually, refused, run,
    sekisho,
};

/// A house whose provider has a client for terminals.
fn plan(client: &str) -> Plan {
    let lines = format!("login_client_id = \"{client}\"\nlogin_resource = \"urn:sekisho:api\"");
    House::plan().provider(Kind::OidcProvider).set("identity_provider", &lines)
}

/// Somebody's terminal on a laptop.
struct Terminal<'a> {
    house: &'a House,
    laptop: &'a Laptop,
}

impl<'a> Terminal<'a> {
    fn on(house: &'a House, laptop: &'a Laptop) -> Self {
        Self { house, laptop }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(sekisho());
        command
            .args(["login", "--gate", &self.house.url("gate", ""), "--ca"])
            .arg(self.house.path().join("root.pem"))
            .arg("--device")
            .arg(&self.laptop.folder)
            .args(arguments)
            .env("XDG_STATE_HOME", self.state());
        command
    }

    async fn types(&self, arguments: &[&str]) -> Said {
        run(self.command(arguments), "").await
    }

    fn state(&self) -> std::path::PathBuf {
        self.house.path().join(format!("state-of-{}", self.laptop.id))
    }

    fn file(&self) -> std::path::PathBuf {
        self.state().join(format!("sekisho/gate.localhost_{}.json", self.house.port()))
    }

    fn kept(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.file()).unwrap()).unwrap()
    }

    /// As if it had been a while.
    fn ages(&self) {
        let mut kept = self.kept();
        kept["expires_at"] = json!(1_700_000_000);
        std::fs::write(self.file(), kept.to_string()).unwrap();
    }

    /// Signs in as `person`, in a browser on the same machine.
    async fn signs_in(&self, person: &str) -> (Option<i32>, String) {
        let mut program = Program::start("sekisho login", self.command(&["--no-browser"]));
        program.says("&code_challenge_method=S256").await;
        let there = address(&program.said());
        let back = signs_in_at_the_provider(self.house, &there, person).await;
        let page = plain_get(&back).await;
        assert!(page.contains("200 OK") && page.contains("You can close this page"), "{page}");
        let code = program.ended().await;
        let last = |said: &String| said.contains("Signed in as") || said.contains("sekisho: ");
        (code, eventually("its last words", async || Some(program.said()).filter(last)).await)
    }

    /// The token, as a program gets it.
    async fn token(&self) -> String {
        let said = self.types(&["--print-token"]).await;
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        said.out.trim_end().to_owned()
    }

    /// A program on this laptop, with that token.
    fn program(&self, token: &str) -> Client {
        self.laptop.client(self.house).with_token(token)
    }
}

/// The first address that stands in a line of its own.
fn address(said: &str) -> String {
    said.lines().find_map(|line| line.trim().starts_with("https://").then(|| line.trim().to_owned())).unwrap()
}

/// Follows the provider's pages, and fills in its forms, until it sends the browser away or has nothing more to ask.
async fn in_the_browser(house: &House, start: &str, person: &str) -> Result<String, Reply> {
    let browser = Client::new(&house.roots(), None);
    let mut reply = browser.click(start).await;
    for _ in 0..20 {
        if let Some(to) = reply.location() {
            if to.starts_with("http://") {
                return Ok(to);
            }
            reply = browser.click(&to).await;
            continue;
        }
        let Some(mut form) = Form::find(reply.text()).filter(|_| reply.status.is_success()) else { return Err(reply) };
        form.fill("login", person);
        form.fill("password", &format!("{person}-demo"));
        if reply.text().contains("name=\"confirm\"") || reply.text().contains("confirm") && !form.fields.contains_key("login") {
            form.fields.insert("confirm".to_owned(), "yes".to_owned());
            form.fields.remove("abort");
        }
        let to = reply.url.join(&form.action).unwrap();
        let mut headers = NAVIGATION.to_vec();
        headers.push(("content-type", "application/x-www-form-urlencoded"));
        reply = browser.send(Method::POST, to.as_str(), &headers, form.encoded()).await;
    }
    panic!("it does not end: {}", reply.shown());
}

async fn signs_in_at_the_provider(house: &House, start: &str, person: &str) -> String {
    in_the_browser(house, start, person).await.unwrap_or_else(|page| panic!("the browser is not sent back: {}", page.shown()))
}

/// What a browser gets from a port of this machine, without TLS.
async fn plain_get(address: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let url = url::Url::parse(address).unwrap();
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut socket = TcpStream::connect(host).await.unwrap();
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let head = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

fn reason(reply: &Reply) -> String {
    reply.json()["reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn somebody_signs_in_with_a_browser_and_the_token_works_here_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = plan("cli").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let terminal = Terminal::on(&house, &laptop);
    let before = terminal.types(&["--print-token"]).await;
    assert!(before.code == Some(3) && before.err.contains("nobody is signed in here"), "{before:?}");

    let (code, said) = terminal.signs_in("alice").await;
    assert!(code == Some(0) && said.contains("Signed in as corp/alice"), "{code:?} {said}");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&terminal.file()), mode(terminal.file().parent().unwrap())), (0o600, 0o700));
    let token = terminal.token().await;
    assert!(!said.contains(&token), "what is printed on the way is no secret");
    allowed(&terminal.program(&token).get(&house.url("wiki", "/report")).await);
    let line = house.record().only_access("/report");
    assert_eq!((&line["user"], &line["binding"]), (&json!("corp/alice"), &json!("certificate")));

    // As the manual shows it: the header by standard input, nothing secret on a command line.
    let typed = format!(
        "sekisho login --device {device} --ca root.pem --print-header | curl -sS --cacert root.pem --cert {device}/device.pem \
         --key {device}/device.key -H @- -o /dev/null -w '%{{http_code}}' {}",
        house.url("wiki", "/by-curl"),
        device = laptop.folder.display()
    );
    let programs = sekisho().canonicalize().unwrap().parent().unwrap().display().to_string();
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("PATH={programs}:$PATH; {typed}")])
        .env("XDG_STATE_HOME", terminal.state())
        .current_dir(house.path());
    let said = run(bash, "").await;
    assert_eq!((said.code, said.out.as_str()), (Some(0), "200"), "{said:?}");

    // A file that others can read is not used, and says so.
    std::fs::set_permissions(terminal.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = terminal.types(&["--print-token"]).await;
    assert!(open.code == Some(3) && open.out.is_empty() && open.err.contains("chmod 600"), "{open:?}");
    std::fs::set_permissions(terminal.file(), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(terminal.token().await, token);

    // On another laptop it is of no use, and gives itself away.
    let thief = house.laptop("lap-13", "alice").await;
    let stolen = thief.client(&house).with_token(&token).get(&house.url("wiki", "/stolen")).await;
    assert_eq!((stolen.status.as_u16(), reason(&stolen).as_str()), (403, "credential_replayed"));
    let event =
        eventually("the signal", async || house.record().lines().into_iter().find(|line| line["event"] == "credential_replayed"));
    let event = event.await;
    assert_eq!((&event["device"], &event["user"]), (&json!("lap-13"), &json!("corp/alice")));
}

#[tokio::test]
async fn a_token_is_renewed_once_for_all_and_only_here() {
    let house = plan("cli").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let terminal = Terminal::on(&house, &laptop);
    assert_eq!(terminal.signs_in("alice").await.0, Some(0));
    let first = terminal.token().await;

    terminal.ages();
    let asked = (0..6).map(|_| terminal.token());
    let tokens = futures_util::future::join_all(asked).await;
    assert!(tokens.iter().all(|token| *token == tokens[0]) && tokens[0] != first, "all have the one new token");
    assert_eq!(house.idp.said().matches("granted refresh_token").count(), 1, "{}", house.idp.said());
    allowed(&terminal.program(&tokens[0]).get(&house.url("wiki", "/renewed")).await);

    // Somebody copies the file to a laptop of theirs.
    let thief = house.laptop("lap-13", "alice").await;
    let elsewhere = Terminal::on(&house, &thief);
    std::fs::create_dir_all(elsewhere.file().parent().unwrap()).unwrap();
    crate::harness::private(&elsewhere.file(), &terminal.kept().to_string());
    let said = elsewhere.types(&["--print-token"]).await;
    assert!(
        said.code == Some(3) && said.out.is_empty() && said.err.contains("the device's certificate is another one"),
        "{said:?}"
    );
    let provider = house.idp.said();
    assert!(provider.contains("refused refresh_token: invalid_grant") || provider.contains("x5t#S256"), "{provider}");
    assert!(!elsewhere.file().exists(), "what the provider does not renew is not kept");
    assert_eq!(terminal.token().await, tokens[0], "its owner's is as good as before");

    // Signed out, here and there.
    let said = terminal.types(&["--forget"]).await;
    assert!(said.code == Some(0) && said.out.contains("corp/alice is signed out here"), "{said:?}");
    assert!(!terminal.file().exists() && house.idp.said().contains("revoked a grant"), "{}", house.idp.said());
    assert_eq!(terminal.types(&["--print-token"]).await.code, Some(3));
}

#[tokio::test]
async fn somebody_signs_in_with_a_code_on_another_machine() {
    let house = plan("cli").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let terminal = Terminal::on(&house, &laptop);
    let mut program = Program::start("sekisho login", terminal.command(&["--device-code"]));
    program.says("Enter it only because").await;
    let said = program.said();
    let direct = said.lines().map(str::trim).filter(|line| line.starts_with("https://")).nth(1).unwrap().to_owned();
    let done = in_the_browser(&house, &direct, "alice").await;
    let page = done.expect_err("it ends on a page of the provider");
    assert!(page.status.is_success() && page.url.host_str() == Some(IDP_HOST), "{}", page.shown());
    assert_eq!(program.ended().await, Some(0), "{}", program.said());
    let token = terminal.token().await;
    allowed(&terminal.program(&token).get(&house.url("wiki", "/by-code")).await);
    assert_eq!(house.record().only_access("/by-code")["user"], "corp/alice");
}

#[tokio::test]
async fn what_is_not_bound_or_not_taken_is_not_kept() {
    // The provider gives this client tokens that are as good in anybody's hands.
    let house = plan("loose-cli").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let terminal = Terminal::on(&house, &laptop);
    let (code, said) = terminal.signs_in("alice").await;
    assert!(code == Some(1) && said.contains("did not bind the token to this device's certificate"), "{code:?} {said}");
    assert!(!terminal.file().exists(), "it was not kept");
    assert!(!house.record().text().contains("token-"), "nor shown to anybody");
    eventually("the provider to have it back", async || house.idp.said().contains("revoked a grant").then_some(())).await;

    // A token for somebody else: the gate says why.
    let other = plan("cli").set("identity_provider", "audience = \"another-gate\"").open().await;
    let laptop = other.laptop("lap-7", "alice").await;
    let terminal = Terminal::on(&other, &laptop);
    let (code, said) = terminal.signs_in("alice").await;
    assert!(code == Some(3) && said.contains("(token_audience)") && !terminal.file().exists(), "{code:?} {said}");
}

#[tokio::test]
async fn terminals_are_told_what_to_use_on_devices_only() {
    let house = plan("cli").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let offer = house.url("gate", "/.sekisho/login");
    let told = laptop.client(&house).get(&offer).await;
    allowed(&told);
    let provider = &told.json()["providers"][0];
    assert_eq!((&provider["name"], &provider["client_id"]), (&json!("corp"), &json!("cli")));
    assert_eq!((&provider["issuer"], &provider["resource"]), (&json!(house.idp.issuer), &json!("urn:sekisho:api")));
    assert_eq!(provider["scopes"], json!(["openid", "offline_access"]));
    assert!(!told.text().contains(&house.idp.client_secret));
    refused(&house.stranger().get(&offer).await, 403);
    refused(&laptop.client(&house).get(&house.url("wiki", "/.sekisho/login")).await, 404);

    // A gate that offers nothing, and a folder without a device.
    let silent = House::open().await;
    let laptop = silent.laptop("lap-7", "alice").await;
    let said = Terminal::on(&silent, &laptop).types(&["--device-code"]).await;
    assert!(said.code == Some(3) && said.err.contains("login_client_id"), "{said:?}");
    let nowhere = silent.command(&["login", "--gate", "https://gate.example", "--device", "nowhere"]).await;
    assert!(nowhere.code == Some(3) && nowhere.err.contains("sekisho enroll"), "{nowhere:?}");
}
