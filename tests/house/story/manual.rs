//! The manual says what is so: metrics, lines of the record, recipes, and what apps do with the assertion.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;

use crate::harness::{Authority, House, POLICIES, Said, Signer, allowed, jwks, refused, run, sekisho, tool};

fn page(name: &str) -> String {
    std::fs::read_to_string(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")).join(name)).unwrap()
}

/// Words between backticks in the first cells of the table that begins with this heading.
fn first_cells(page: &str, heading: &str) -> BTreeSet<String> {
    let table = page.split_once(&format!("| {heading} |")).unwrap_or_else(|| panic!("no table {heading}")).1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.split('|').nth(1)).collect::<String>();
    cells.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn blocks(page: &str, language: &str) -> Vec<String> {
    let fences = page.split("\n```");
    fences.filter_map(|part| part.strip_prefix(language)?.strip_prefix('\n').map(str::to_owned)).collect()
}

#[tokio::test]
async fn every_metric_is_in_the_manual() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.get(&house.url("wiki", "/a")).await);
    let text = house.metrics().await.text;
    let scraped = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let scraped: BTreeSet<String> = scraped.filter(|name| name.starts_with("sekisho_")).map(str::to_owned).collect();
    let page = page("monitoring.md");
    let told = first_cells(&page, "Metric");
    let missing: Vec<_> = scraped.difference(&told).collect();
    assert!(missing.is_empty(), "docs/monitoring.md lacks {missing:?}");
    // What nothing has happened to yet is not scraped; it has to be in the sources then.
    let sources = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../proxy/src")));
    for name in &told {
        assert!(scraped.contains(name) || sources.contains(&format!("\"{name}\"")), "docs/monitoring.md tells of {name}");
    }
    let plain =
        |text: &&str| text.starts_with("sekisho_") && text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
    for name in sources.split('"').filter(plain).filter(|name| !name.contains("_test_")) {
        assert!(told.contains(name), "docs/monitoring.md lacks {name}");
    }
}

fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let metrics = source.lines().filter(|line| line.contains("\"sekisho_"));
            text.extend(metrics.map(|line| format!("{line}\n")));
        }
    }
    text
}

#[tokio::test]
async fn every_field_of_the_record_is_in_the_manual_and_the_recipes_work() {
    let vault = "@id(\"vault\") forbid (principal, action in Action::\"use\", resource)
        when { context.request.path_prefixes.contains(\"/vault\") } unless { context.session.mfa };";
    let plan = House::plan().policies(&format!("{POLICIES}{vault}"));
    let house = plan.set("identity_provider", "mfa_acr_values = [\"gold\"]").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.send(http::Method::POST, &house.url("wiki", "/upload"), &[], "x".to_owned()).await);
    refused(&house.stranger().get(&house.url("wiki", "/b")).await, 403);
    let foreign = [("origin", "https://portal.test")];
    refused(&alice.send(http::Method::POST, &house.url("wiki", "/foreign"), &foreign, "").await, 403);
    refused(&alice.get(&house.url("wiki", "/vault")).await, 401);
    let (_, events) = alice.begin(http::Method::GET, &house.url("wiki", "/events"), &[], "").await;
    house.must(&["device", "quarantine", "lap-7"]).await;
    let cut = house.record().only_access("/events");
    house.record().end_of(&cut["request"]).await;
    drop(events);
    let access = house.record().only_access("/upload");
    house.record().end_of(&access["request"]).await;

    let page = page("record.md");
    assert_eq!(first_cells(&page, "Every line"), BTreeSet::from(["chain".to_owned(), "seq".to_owned()]));
    for kind in ["access", "start", "end", "facts"] {
        let told = first_cells(&page, &format!("`{kind}`"));
        let mut written = BTreeSet::new();
        for line in house.record().lines().iter().filter(|line| line["line"] == kind) {
            written.extend(
                line.as_object().unwrap().keys().filter(|key| !["line", "seq", "chain"].contains(&key.as_str())).cloned(),
            );
        }
        assert_eq!(written, told, "fields of `{kind}`");
    }

    let recipes = blocks(&page, "sh");
    assert_eq!(recipes.len(), 4);
    let request = access["request"].as_str().unwrap();
    for (recipe, expected) in recipes.iter().zip(["/upload", "corp/alice", "", request]) {
        let recipe = recipe.replace("ana-7k2q", "lap-7").replace("f21d5dbc9a29ae935a92d17f7921509e", request);
        let mut command = Command::new("bash");
        command.args(["-ceu", &format!("set -o pipefail; {recipe}")]).current_dir(house.path().join("audit"));
        let said = run(command, "").await;
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{recipe}");
        assert!(said.out.contains(expected), "{recipe}: {}", said.out);
    }
}

/// What an app in another language does with `Sekisho-Assertion`, as the manual shows it: the right one is believed, another is not.
#[tokio::test]
async fn apps_verify_the_assertion_as_the_manual_says() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.get(&house.url("wiki", "/a")).await);
    let seen = house.wiki.only("/a");
    let token = seen.header("sekisho-assertion").unwrap().to_owned();
    let (head, rest) = token.split_once('.').unwrap();
    let forged = format!("{head}.{}{rest}", if rest.starts_with('a') { 'b' } else { 'a' });
    let jwks = house.stranger().get(&house.url("gate", "/.sekisho/jwks.json")).await;
    house.write("jwks.json", jwks.text());
    let keys = house.path().join("jwks.json");

    let page = page("protect-your-app.md");
    let gate = house.url("gate", "");
    // The address of the keys is a file here: neither language resolves our test hosts alike everywhere.
    let python = blocks(&page, "python").concat().replace("https://gate.corp.example", &gate);
    let python = python.replace("f\"{GATE}/.sekisho/jwks.json\"", &format!("\"file://{}\"", keys.display()));
    let python = format!("import sys\n{python}\nprint(json.dumps(who({{'Sekisho-Assertion': sys.argv[1]}})))\n");
    house.write("app.py", &python);
    let js = blocks(&page, "js").concat().replace("https://gate.corp.example", &gate);
    let js = js.replace("createRemoteJWKSet", "createLocalJWKSet");
    let js = js.replace("new URL(`${gate}/.sekisho/jwks.json`)", jwks.text());
    let js = format!("{js}\nconsole.log(JSON.stringify(await who({{ 'sekisho-assertion': process.argv[2] }})));\n");
    house.write("app.mjs", &js);
    // Beside the packages, as scripts find theirs.
    let modules = house.path().join("node_modules");
    std::os::unix::fs::symlink(tool("node/node_modules"), modules).unwrap();

    for (program, script) in [("python/bin/python", "app.py"), ("bin/node", "app.mjs")] {
        let told = ask(&house, program, script, &token).await;
        assert_eq!(told.code, Some(0), "{program}: {}", told.err);
        let who: Value = serde_json::from_str(&told.out).unwrap();
        assert_eq!(who, serde_json::json!(["corp/alice", ["admins", "staff"]]), "{program}");
        let told = ask(&house, program, script, &forged).await;
        assert_ne!(told.code, Some(0), "{program} believes what was changed: {}", told.out);
    }
}

async fn ask(house: &House, program: &str, script: &str, token: &str) -> Said {
    let mut command = Command::new(tool(program));
    command.args([script, token]).current_dir(house.path());
    run(command, "").await
}

/// The units, with the binary where it is; skipped where there is no systemd.
#[tokio::test]
async fn the_units_are_some() {
    if Command::new("systemd-analyze").arg("--version").output().await.is_err() {
        return;
    }
    verify(&["sekisho.service"], &[]).await;
    verify(&["sekisho-renew.timer", "sekisho-renew.service"], &["--user"]).await;
}

/// Has systemd look at these, and at the first of them by name.
async fn verify(units: &[&str], arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let binary = sekisho().canonicalize().unwrap().display().to_string();
    for unit in units {
        let text =
            std::fs::read_to_string(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/systemd")).join(unit)).unwrap();
        std::fs::write(folder.path().join(unit), text.replace("/usr/local/bin/sekisho", &binary)).unwrap();
    }
    let mut command = Command::new("systemd-analyze");
    // A user's manager wants a folder for its sockets.
    command.args(arguments).args(["verify", "--man=no"]).env("XDG_RUNTIME_DIR", folder.path());
    command.args(units.iter().map(|unit| folder.path().join(unit)));
    let said = run(command, "").await;
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{units:?}");
}

/// Links lead to pages that exist, and to headings that these have.
#[test]
fn every_link_of_the_manual_leads_somewhere() {
    let pages = [
        "README.md",
        "administration.md",
        "architecture.md",
        "bulk-export.md",
        "configuration.md",
        "devices.md",
        "incident.md",
        "monitoring.md",
        "operations.md",
        "people.md",
        "posture.md",
        "performance.md",
        "policies.md",
    ];
    let pages = pages.into_iter().chain([
        "record.md",
        "policy-reference.md",
        "protect-your-app.md",
        "providers.md",
        "sign-in.md",
        "terminal.md",
        "threats.md",
    ]);
    let mut followed = 0;
    for name in pages {
        let text = page(name);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://")) {
            let (to, heading) = link.split_once('#').unwrap_or((link, ""));
            let there = if to.is_empty() { text.clone() } else { page(to) };
            assert!(heading.is_empty() || headings(&there).contains(heading), "docs/{name}: {link}");
            followed += 1;
        }
    }
    assert!(followed > 30, "{followed}");
}

/// A benchmark of proxies writes PKI, listening address and upstream into this configuration, and starts the gate with it as it is.
#[tokio::test]
async fn the_configuration_for_load_is_one() {
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/load/sekisho.toml");
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("pki");
    std::fs::create_dir(&keys).unwrap();
    let authority = Authority::new("Root of the load");
    let (server, signer) = (authority.server(["localhost", "proxy.bench"]), Signer::es256("es256"));
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("server.pem", server.chain),
        ("server.key", server.key),
        ("jwks.json", jwks([signer.jwk()])),
    ] {
        std::fs::write(keys.join(name), text).unwrap();
    }
    let text = std::fs::read_to_string(template).unwrap();
    let text = text.replace("{PKI}", &keys.display().to_string());
    let text = text.replace("{LISTEN}", "127.0.0.1:8420").replace("{UPSTREAM}", "127.0.0.1:9100");
    let check = async |name: &str, text: &str| {
        let config = folder.path().join(name);
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(sekisho());
        command.arg("check").arg("--config").arg(config);
        run(command, "").await
    };
    let said = check("load.toml", &text).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    // Nothing is left to be filled in, and the check looks at what was.
    assert!(!text.lines().any(|line| !line.starts_with('#') && line.contains("= \"{")), "{text}");
    let said = check("other.toml", &text.replace("proxy.bench", "proxy.elsewhere")).await;
    assert!(said.code == Some(1) && said.err.contains("proxy.elsewhere"), "{said:?}");
}

/// As GitHub names them in addresses.
fn headings(page: &str) -> BTreeSet<String> {
    let titles = page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let name = |title: &str| {
        let kept = title.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    titles.map(name).collect()
}
