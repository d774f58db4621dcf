//! Running the gate: reloading, checking, measuring, stopping.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use url::Url;

use crate::harness::{Authority, House, allowed, eventually, private, refused, run, sekisho};

const NOBODY: &str = "@id(\"nobody\")\nforbid (principal, action, resource);\n";
const BROKEN: &str =
    "@id(\"broken\")\npermit (principal, action in Action::\"use\", resource) when { context.devise.managed };\n";

#[tokio::test]
async fn a_reload_swaps_policies_and_keeps_connections() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let mut connection = alice.connect(&house.url("wiki", "")).await;
    allowed(&connection.get("/a").await.unwrap());

    house.must(&["reload"]).await;
    allowed(&connection.get("/b").await.expect("the connection is still open"));

    house.set_policies(NOBODY);
    house.must(&["reload"]).await;
    refused(&connection.get("/c").await.expect("the connection is still open"), 403);
    assert_eq!(house.record().only_access("/c")["policies"], serde_json::json!(["nobody"]));
}

#[tokio::test]
async fn a_person_is_found_by_either_name_and_a_misspelt_one_is_nobody() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    house.laptop("lap-8", "bob").await;
    house.signed_in(&laptop, "alice").await;
    for owner in ["alice@corp.example", "corp/alice"] {
        let listed = house.json(&["device", "list", "--owner", owner]).await;
        let ids: Vec<_> = listed.as_array().unwrap().iter().map(|device| &device["id"]).collect();
        assert_eq!(ids, ["lap-7"], "{owner}");
    }
    for (command, name, near, code) in [
        (["device", "list", "--owner"].as_slice(), "alise@corp.example", "alice@corp.example", 3),
        (&["device", "list", "--owner"], "corp/alicia", "corp/alice", 3),
        (&["user", "suspend"], "corp/alise", "corp/alice", 3),
        (&["user", "suspend"], "corb/alice", "corp", 2),
    ] {
        let said = house.command(&[command, &[name]].concat()).await;
        assert_eq!(said.code, Some(code), "{name}: {}", said.err);
        assert!(said.err.contains(near), "{name}: {}", said.err);
    }
    assert_eq!(house.json(&["user", "list"]).await, serde_json::json!([]));
    // Who only ever shows tokens has never signed in.
    let said = house.command(&["user", "suspend", "nobody@corp.example", "--stranger"]).await;
    assert!(said.code == Some(3) && said.err.contains("`corp/…`"), "the gate's own provider: {}", said.err);
    let said = house.must(&["user", "suspend", "corp/build-server", "--stranger"]).await;
    assert_eq!(said, "corp/build-server is suspended; nobody of that name has signed in here\n");
    let said = house.must(&["user", "suspend", "corp/alise", "--stranger"]).await;
    assert!(said.ends_with("did you mean `corp/alice`?\n"), "{said}");
    house.must(&["user", "resume", "corp/alise"]).await;
    assert_eq!(house.json(&["user", "list"]).await, serde_json::json!(["corp/build-server"]));
}

#[tokio::test]
async fn every_lever_leaves_a_line_with_who_and_why() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    house.signed_in(&laptop, "alice").await;
    let said = house.must(&["device", "quarantine", "lap-7", "--reason", "malware"]).await;
    assert!(said.contains("the session on it is of no use"), "{said}");
    assert_eq!(house.command(&["device", "quarantine", "lap-7"]).await.code, Some(3), "once is enough");
    house.must(&["device", "release", "lap-7", "--reason", "clean"]).await;
    house.must(&["session", "end", "--user", "alice@corp.example", "--reason", "to be sure"]).await;
    house.must(&["user", "suspend", "alice@corp.example", "--reason", "on leave"]).await;
    house.must(&["user", "resume", "corp/alice", "--reason", "back"]).await;
    house.must(&["reload", "--reason", "as agreed"]).await;
    house.set_policies("permit (");
    assert_eq!(house.command(&["reload", "--reason", "oops"]).await.code, Some(1));
    let said = house.must(&["device", "retire", "lap-7", "--reason", "sold"]).await;
    assert!(said.contains("is retired"), "{said}");

    let lines = house.record().lines();
    let of = |kind: &str, why: &str| {
        let found = lines.iter().filter(|line| line["event"] == kind && line["why"] == why);
        let found: Vec<_> = found.collect();
        assert_eq!(found.len(), 1, "{kind} because of {why}: {lines:#?}");
        let by = found[0]["by"].as_str().unwrap();
        assert!(by.starts_with("uid:"), "{by}");
        found[0].clone()
    };
    for (kind, why) in [("device_quarantined", "malware"), ("device_released", "clean"), ("device_retired", "sold")] {
        assert_eq!(of(kind, why)["device"], "lap-7");
    }
    let ended = of("session_ended", "to be sure");
    assert_eq!((&ended["user"], &ended["device"]), (&"corp/alice".into(), &"lap-7".into()));
    assert!(ended["session"].as_str().unwrap().starts_with("s-"));
    for (kind, why) in [("user_suspended", "on leave"), ("user_resumed", "back")] {
        assert_eq!(of(kind, why)["user"], "corp/alice");
    }
    assert_eq!(of("configuration_loaded", "as agreed")["detail"].as_str().unwrap().len(), 64, "a hash");
    assert_eq!(of("policies_loaded", "as agreed")["detail"].as_str().unwrap().len(), 64);
    assert!(of("reload_refused", "oops")["detail"].as_str().unwrap().contains(".cedar"));
    let signed_in = lines.iter().find(|line| line["event"] == "signed_in").unwrap();
    assert_eq!((&signed_in["by"], &signed_in["device"]), (&"user:corp/alice".into(), &"lap-7".into()));
}

#[tokio::test]
async fn a_bad_reload_changes_nothing_and_is_noticed() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;

    house.set_policies(BROKEN);
    let said = house.command(&["reload"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(format!("{}{}", said.out, said.err).contains("devise"), "{said:?}");
    allowed(&alice.get(&house.url("wiki", "/a")).await);
    let metrics = house.metrics().await;
    assert_eq!(metrics.sum("sekisho_config_last_reload_successful", &[]), 0.0, "{}", metrics.text);

    let good = crate::harness::POLICIES.to_owned();
    house.set_policies(&good);
    house.set("limits", "conections = 5");
    assert_eq!(house.command(&["reload"]).await.code, Some(1));
    allowed(&alice.get(&house.url("wiki", "/b")).await);
}

#[tokio::test]
async fn a_signal_reloads_too() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    house.set_policies(NOBODY);
    house.gate.signal("HUP").await;
    // Not asked by trying: a request that is under way just then is cut.
    eventually("the new policies", async || {
        let lines = house.record().lines();
        (lines.iter().filter(|line| line["event"] == "policies_loaded").count() > 1).then_some(())
    })
    .await;
    refused(&alice.get(&house.url("wiki", "/a")).await, 403);
}

#[tokio::test]
async fn check_names_every_problem() {
    let mut house = House::open().await;
    let config = house.config().display().to_string();
    let said = house.command(&["check", "--config", &config]).await;
    assert_eq!(said.code, Some(0), "{said:?}");

    house.set("limits", "conections = 5");
    house.set("sign_in", "idle_timeout = \"soon\"");
    house.set_policies(BROKEN);
    let said = house.command(&["check", "--config", &config]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let text = format!("{}{}", said.out, said.err);
    for word in ["conections", "idle_timeout", "devise"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[tokio::test]
async fn metrics_are_as_prometheus_wants_them() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.get(&house.url("wiki", "/a")).await);
    refused(&house.stranger().get(&house.url("wiki", "/b")).await, 403);

    let metrics = house.metrics().await;
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    let said = run(command, &metrics.text).await;
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{}", said.out);
    assert!(metrics.sum("sekisho_requests_total", &[("app", "wiki"), ("decision", "allow")]) >= 1.0, "{}", metrics.text);
    assert!(metrics.sum("sekisho_requests_total", &[("app", "wiki"), ("decision", "deny")]) >= 1.0, "{}", metrics.text);
    for private in ["alice", "lap-7", "/a\""] {
        assert!(!metrics.text.contains(private), "{private} is a label");
    }
    assert_eq!(house.operators_page("/healthz").await.unwrap().0, 200);
}

#[tokio::test]
async fn off_loopback_too_metrics_are_told_under_names_that_no_stranger_can_have() {
    // Nothing is sent: this only asks which address would be used.
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.connect("192.0.2.1:9").map(|()| socket));
    let Some(own) = probe.and_then(|socket| socket.local_addr()).ok().filter(|own| !own.ip().is_loopback()) else {
        eprintln!("skipped: this machine has no address but loopback");
        return;
    };
    let mut house = House::open().await;
    let config = std::fs::read_to_string(house.config()).unwrap();
    house.write("sekisho.toml", &config.replace("metrics = \"127.0.0.1:", "metrics = \"0.0.0.0:"));
    house.restart().await;
    let ask = async |host: &str| {
        let mut socket = TcpStream::connect((own.ip(), house.metrics_port())).await.unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nconnection: close\r\nhost: {host}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    };
    for host in [own.ip().to_string().as_str(), "sekisho:9464", "gate.localhost", "sekisho.monitoring.svc.cluster.local:9464"] {
        assert!(ask(host).await.contains("sekisho_build_info"), "{host}");
    }
    let refused = ask("evil.example:9464").await;
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("metrics_hosts"), "{refused}");
}

#[tokio::test]
async fn the_shipped_rules_are_good_prometheus_rules_about_metrics_that_exist() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/prometheus/rules.yml");
    let mut command = Command::new("promtool");
    command.args(["check", "rules", rules]);
    let said = run(command, "").await;
    assert_eq!(said.code, Some(0), "{said:?}");

    let source = "[[posture_source]]\nname = \"mdm\"\ntoken_file = \"mdm-token\"";
    let house = House::plan().private_file("mdm-token", "0123456789abcdef0123456789abcdef").set("end", source).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.get(&house.url("wiki", "/a")).await);
    let described = house.metrics().await.text;
    let text = std::fs::read_to_string(rules).unwrap();
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    for name in words.filter(|word| word.starts_with("sekisho_")) {
        let family = name.trim_end_matches("_bucket").trim_end_matches("_count").trim_end_matches("_sum");
        assert!(described.contains(&format!("# TYPE {family} ")), "{name} is not exported");
    }
}

#[tokio::test]
async fn the_balancers_header_is_believed_from_balancers_only() {
    let header = {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        header.extend([203, 0, 113, 9, 127, 0, 0, 1, 0x30, 0x39, 0x01, 0xbb]);
        header
    };
    let house = House::plan().set("listen", "proxy_protocol_from = [\"127.0.0.1\"]").wiki("public = [\"/open\"]").open().await;
    let client = house.stranger();
    let url = Url::parse(&house.url("wiki", "/open")).unwrap();
    let mut socket = TcpStream::connect(("127.0.0.1", house.port())).await.unwrap();
    socket.write_all(&header).await.unwrap();
    let stream = hyper_util::rt::TokioIo::new(client.tls_over(socket, &url).await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let reply = sender.send_request(client.request(http::Method::GET, &url, &[], bytes::Bytes::new())).await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(house.wiki.only("/open").header("x-forwarded-for"), Some("203.0.113.9"));
    assert!(house.record().only_access("/open")["client"].as_str().unwrap().starts_with("203.0.113.9:"));

    // Without the header, from the same address: nothing but a closed connection.
    let mut socket = TcpStream::connect(("127.0.0.1", house.port())).await.unwrap();
    socket.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaa").await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(15), socket.read_to_end(&mut rest)).await;
    assert!(ended.is_ok() && rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn garbage_on_the_tls_port_disturbs_nobody() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    for garbage in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), b"\x16\x03\x01\xff\xff", &[0; 4096], b"SSH-2.0-x\r\n"] {
        let mut socket = TcpStream::connect(("127.0.0.1", house.port())).await.unwrap();
        let _it_may_be_closed_already = socket.write_all(garbage).await;
        let _no_more_comes = socket.shutdown().await;
        let mut answer = Vec::new();
        let _reset_or_end =
            tokio::time::timeout(Duration::from_secs(15), socket.read_to_end(&mut answer)).await.expect("it is closed");
        assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    }
    allowed(&alice.get(&house.url("wiki", "/a")).await);
}

#[tokio::test]
async fn stopping_lets_what_is_under_way_end() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let (_, reply) = alice.begin(http::Method::GET, &house.url("wiki", "/bytes/30000000"), &[], "").await;
    house.gate.signal("TERM").await;
    eventually("no new connections", async || TcpStream::connect(("127.0.0.1", house.port())).await.err()).await;

    use http_body_util::BodyExt as _;
    assert_eq!(reply.into_body().collect().await.unwrap().to_bytes().len(), 30_000_000);
    assert_eq!(house.gate.ended().await, Some(0));
    let line = house.record().only_access("/bytes/30000000");
    assert_eq!(house.record().end_of(&line["request"]).await["ending"], "complete");
}

#[tokio::test]
async fn the_plain_port_only_leads_to_the_other() {
    let reserved = crate::harness::ReservedPort::new();
    let port = reserved.number;
    let house = House::plan().set("listen", &format!("http = \"127.0.0.1:{port}\"")).open().await;
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    socket.write_all(b"GET /a?b=c HTTP/1.1\r\nHost: wiki.localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
    let location = format!("location: {}\r\n", house.url("wiki", "/a?b=c"));
    assert!(answer.to_ascii_lowercase().contains(&location), "{answer}");
}

/// The configuration to copy, as it stands and with everything in it that is commented out.
#[tokio::test]
async fn the_example_configuration_is_right() {
    let _installed_already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let examples = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let authority = Authority::new("Corp");
    let corp = authority.server(["gate.corp.example", "wiki.corp.example"]);
    std::fs::create_dir_all(path.join("tls")).unwrap();
    std::fs::create_dir_all(path.join("policies")).unwrap();
    for (name, text) in [
        ("tls/corp.pem", corp.chain),
        ("tls/login-ca.pem", authority.pem()),
        ("mdm-ca.pem", authority.pem()),
        ("mdm.crl", authority.withdrawn(&[], 10)),
    ] {
        std::fs::write(path.join(name), text).unwrap();
    }
    private(&path.join("tls/corp.key"), &corp.key);
    private(&path.join("oidc-secret"), "secret");
    std::fs::copy(examples.join("policies/starter.cedar"), path.join("policies/starter.cedar")).unwrap();

    let example = std::fs::read_to_string(examples.join("sekisho.toml")).unwrap();
    let example =
        ["/var/lib/sekisho", "/var/log/sekisho", "/run/sekisho"].iter().fold(example, |text, folder| text.replace(folder, "."));
    let setting = |line: &str| {
        line.strip_prefix("# ").filter(|rest| rest.starts_with("[[") || rest.split(' ').nth(1) == Some("=")).map(str::to_owned)
    };
    let all: String = example.lines().map(|line| setting(line).unwrap_or_else(|| line.to_owned()) + "\n").collect();
    assert!(all.lines().count() == example.lines().count() && all != example);
    // Either a time between syncs, or a sync with every batch; and the group has to be there.
    let all = all.replace("sekisho-admins", "root");
    for text in [&example, &all] {
        std::fs::write(path.join("sekisho.toml"), text).unwrap();
        let mut command = Command::new(sekisho());
        command.args(["check", "--config"]).arg(path.join("sekisho.toml"));
        let said = run(command, "").await;
        assert_eq!(said.code, Some(0), "{}{}\n{text}", said.out, said.err);
    }
}

#[tokio::test]
async fn a_check_by_root_says_that_the_gate_would_not_start_by_root() {
    let mut house = House::open().await;
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0);
    let said = house.must(&["check"]).await;
    assert_eq!(said.contains("note: this was checked as root"), is_root, "{said}");
    assert!(said.ends_with("everything is in order\n"), "{said}");
    let notes = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["notes"].as_array().unwrap().len();
    assert_eq!(notes(&house.must(&["check", "--json"]).await), usize::from(is_root));
    house.set("end", "[process]\nallow_root = true");
    assert_eq!(notes(&house.must(&["check", "--json"]).await), 0);
}

#[tokio::test]
async fn a_reload_names_what_waits_for_a_restart() {
    let mut house = House::open().await;
    assert_eq!(house.must(&["reload"]).await, "reloaded; nothing has changed\n");
    house.change("cores = 2", "cores = 1");
    house.set("end", "[process]\nwritable = [\"/nonexistent/worm\"]");
    // Written again with the further line, so once more.
    house.change("cores = 2", "cores = 1");
    let waits = "`cores`, `process` wait for a restart\n";
    assert_eq!(house.must(&["reload"]).await, format!("reloaded; nothing that is in force has changed: {waits}"));
    house.change("tags = [\"internal\"]", "tags = [\"external\"]");
    assert_eq!(
        house.must(&["reload"]).await,
        format!("reloaded; {waits}  app `wiki` is different\n  the policies are different\n")
    );
    let missing = "process.writable: /nonexistent/worm is not there";
    assert!(house.must(&["check"]).await.contains(&format!("warning: {missing}")));
    house.restart().await;
    house.gate.says(missing).await;
    assert_eq!(house.must(&["reload"]).await, "reloaded; nothing has changed\n");
}

/// Alerts on what is counted, each with a gate that is fine beside it.
const FIRING: &str = r#"
rule_files: [RULES]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - { series: 'sekisho_hardening{instance="bare", layer="landlock"}', values: '0x30' }
      - { series: 'sekisho_hardening{instance="fine", layer="landlock"}', values: '1x30' }
      - { series: 'sekisho_requests_shed_total{instance="bare", bound="address"}', values: '0+60x30' }
      - { series: 'sekisho_requests_shed_total{instance="fine", bound="address"}', values: '0+1x30' }
      - { series: 'sekisho_requests_shed_total{instance="fine", bound="rate"}', values: '0+600x30' }
      - { series: 'sekisho_requests_shed_total{instance="bare", bound="all"}', values: '0+1x30' }
      - { series: 'sekisho_requests_shed_total{instance="fine", bound="all"}', values: '7x30' }
      - { series: 'sekisho_break_glass_active{instance="bare"}', values: '1x30' }
      - { series: 'sekisho_break_glass_active{instance="fine"}', values: '0x30' }
      - { series: 'sekisho_backchannel_logouts_total{instance="bare", outcome="refused"}', values: '0+1x30' }
      - { series: 'sekisho_backchannel_logouts_total{instance="fine", outcome="ended"}', values: '0+1x30' }
    promql_expr_test:
      - expr: 'count by (alertname, instance) (ALERTS{alertstate="firing"})'
        eval_time: 25m
        exp_samples:
          - { labels: '{alertname="SekishoHardeningMissing", instance="bare"}', value: 1 }
          - { labels: '{alertname="SekishoRequestsShed", instance="bare"}', value: 1 }
          - { labels: '{alertname="SekishoBreakGlass", instance="bare"}', value: 1 }
          - { labels: '{alertname="SekishoFull", instance="bare"}', value: 1 }
          - { labels: '{alertname="SekishoLogoutsRefused", instance="bare"}', value: 1 }
"#;

#[tokio::test]
async fn the_rules_fire_on_a_gate_that_is_bare_or_crowded_and_not_on_one_that_is_fine() {
    let folder = tempfile::tempdir().unwrap();
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/prometheus/rules.yml");
    let tests = folder.path().join("tests.yml");
    std::fs::write(&tests, FIRING.replace("RULES", rules)).unwrap();
    let mut command = Command::new("promtool");
    command.args(["test", "rules"]).arg(tests);
    let said = run(command, "").await;
    assert_eq!(said.code, Some(0), "{said:?}");
}
