//! The quickstart, as somebody new to it runs it, and what the README tells them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::net::TcpListener;
use tokio::process::Command;

use crate::harness::{Authority, Program, Said, private, run, sekisho};

/// Five ports in a row that are free at this moment, away from those that the system gives out by itself.
async fn five_ports() -> u16 {
    let mut port = 20_000 + u16::try_from(std::process::id() % 1000).unwrap() * 10;
    loop {
        let mut held = Vec::new();
        for number in port..port + 5 {
            held.extend(TcpListener::bind(("127.0.0.1", number)).await);
        }
        if held.len() == 5 {
            return port;
        }
        port = if port > 30_000 { 20_000 } else { port + 5 };
    }
}

fn quickstart(state: &Path, port: u16, more: &[&str]) -> Command {
    let mut command = Command::new(sekisho());
    command.arg("quickstart").arg("--port").arg(port.to_string()).arg("--state").arg(state).args(more);
    command
}

/// Runs a line that was printed.
async fn paste(line: &str) -> Said {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line);
    run(command, "").await
}

#[tokio::test]
async fn the_check_passes_and_passes_again_and_failures_show() {
    let folder = tempfile::tempdir().unwrap();
    let (state, port) = (folder.path().join("state"), five_ports().await);
    for _ in 0..2 {
        let said = run(quickstart(&state, port, &["--check"]), "").await;
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
        assert!(
            !said.out.contains("FAILED") && said.out.lines().filter(|line| line.starts_with("ok ")).count() > 30,
            "{}",
            said.out
        );
    }
    // Policies that the user changed are kept. Without its guards the set fails its tests, so the one before it is in force.
    std::fs::write(state.join("policies/guards.cedar"), "// none\n").unwrap();
    let said = run(quickstart(&state, port, &["--check"]), "").await;
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert!(said.out.contains("FAILED  the policies pass the tests beside them"), "{}", said.out);
    assert!(said.out.contains("ok      Bob is not"), "{}", said.out);

    // Without the tests and claims it goes live; what does not hold any more is said, and so is how many.
    std::fs::remove_dir_all(state.join("policies/tests")).unwrap();
    std::fs::remove_dir_all(state.join("policies/prove")).unwrap();
    let said = run(quickstart(&state, port, &["--check"]), "").await;
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert!(said.out.contains("FAILED  Bob is not: expected 403"), "{}", said.out);
    assert!(said.err.contains("checks failed"), "{}", said.err);
}

#[tokio::test]
async fn every_line_to_paste_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (state, port) = (folder.path().join("it's a state"), five_ports().await);
    let mut gate = Program::start("quickstart", quickstart(&state, port, &[]));
    gate.says("of the thefts").await;
    gate.says("policy prove").await;
    let said = gate.said();
    let mut lines = said.lines().skip_while(|line| !line.starts_with("To paste")).skip(1).map(str::trim);
    let mut pasted = 0;
    while let (Some(what), Some(line)) = (lines.next(), lines.next()) {
        let Some(what) = what.strip_prefix("# ") else { break };
        let came = paste(line).await;
        assert_eq!(came.code, Some(0), "{what}: {line}: {came:?}");
        let status = came.out.trim().rsplit(' ').next().unwrap_or_default();
        match what.split([':', ' ']).next() {
            Some("allowed") => assert_eq!(status, "200", "{what}: {}", came.out),
            Some("refused") => assert_eq!(status, "403", "{what}: {}", came.out),
            Some("policies") => assert!(!came.out.is_empty(), "{line}"),
            Some("isolate") => assert!(came.out.contains("quarantined"), "{}", came.out),
            _ => {
                // A stolen token and a stolen cookie.
                assert_eq!(came.out.matches("deny: credential_replayed").count(), 2, "{}", came.out);
            }
        }
        pasted += 1;
    }
    assert!(pasted >= 13, "{said}");

    // Killed, not stopped: the next start takes what is there, and the laptop is let in again.
    gate.kill().await;
    let mut gate = Program::start("quickstart", quickstart(&state, port, &[]));
    gate.says("was quarantined").await;
    gate.says("of the thefts").await;
    gate.signal("INT").await;
    assert_eq!(gate.ended().await, Some(0));
}

#[tokio::test]
async fn what_is_in_the_way_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let port = five_ports().await;
    let _somebody = TcpListener::bind(("127.0.0.1", port + 2)).await.unwrap();
    let said = run(quickstart(&folder.path().join("state"), port, &[]), "").await;
    assert_eq!(said.code, Some(3));
    assert!(said.err.contains(&format!("127.0.0.1:{}", port + 2)) && said.err.contains("--port"), "{}", said.err);
    assert!(!folder.path().join("state").exists(), "nothing is touched");

    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let said = run(quickstart(&file, five_ports().await, &[]), "").await;
    assert_eq!(said.code, Some(3));
    assert!(said.err.contains(file.to_str().unwrap()), "{}", said.err);
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The README's blocks of this language.
fn blocks(language: &str) -> Vec<String> {
    let text = readme();
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_readme_begins_with_the_two_commands() {
    assert_eq!(blocks("sh"), ["cargo run --release -- quickstart\n", "tests/run\n"]);
    let text = readme();
    assert!(text.lines().count() < 200);
    for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://")) {
        let file = link.split('#').next().unwrap();
        assert!(root().join(file).exists(), "{link}");
    }
}

#[tokio::test]
async fn every_command_of_the_readme_exists() {
    let text = readme();
    let mut named = 0;
    for rest in text.split("`sekisho ").skip(1) {
        let words: Vec<&str> = rest.split('`').next().unwrap().split_whitespace().collect();
        let count = words.iter().take(2).take_while(|word| word.bytes().all(|letter| letter.is_ascii_lowercase())).count();
        let mut command = Command::new(sekisho());
        // The id of a device is no command: `device quarantine laptop` is asked for as `device quarantine --help`.
        command.args(&words[..count]).arg("--help").stdin(Stdio::null());
        let said = run(command, "").await;
        assert_eq!(said.code, Some(0), "sekisho {}: {}", words.join(" "), said.err);
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(said.out.contains(flag), "sekisho {} has no {flag}", words.join(" "));
        }
        named += 1;
    }
    assert!(named >= 5);
}

#[tokio::test]
async fn the_readmes_configuration_and_policy_can_go_live() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let corp = Authority::new("Corp").server(["gate.corp.example", "wiki.corp.example"]);
    std::fs::create_dir(path.join("tls")).unwrap();
    std::fs::create_dir(path.join("policies")).unwrap();
    std::fs::write(path.join("tls/corp.pem"), corp.chain).unwrap();
    private(&path.join("tls/corp.key"), &corp.key);
    private(&path.join("oidc-secret"), "secret");
    std::fs::write(path.join("sekisho.toml"), blocks("toml").concat()).unwrap();
    std::fs::write(path.join("policies/readme.cedar"), blocks("cedar").concat()).unwrap();
    let check = || {
        let mut command = Command::new(sekisho());
        command.args(["check", "--config"]).arg(path.join("sekisho.toml"));
        run(command, "")
    };
    let said = check().await;
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    std::fs::write(path.join("policies/wrong.cedar"), "permit (principal, action, resource) when { context.devise };").unwrap();
    assert_eq!(check().await.code, Some(1));
}
