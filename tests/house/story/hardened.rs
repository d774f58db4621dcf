//! What an intruder in the gate's process would find: no privileges, no way to more, no files but the gate's own, no key in a core dump. And
//! that the gate does all of its work nevertheless.

use std::path::Path;

use tokio::process::Command;

use crate::harness::{House, allowed, eventually, private, refused, run, sekisho};

/// A line of a file of `/proc` that begins with `name`, without it; of each thread of the gate.
fn of_each_thread(house: &House, name: &str) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", house.gate.id())).unwrap();
    // A thread may end while we look.
    let texts = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
    let line = |text: String| text.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned());
    texts.filter_map(line).collect()
}

/// Whether the kernel of this machine restricts the gate; says so where it does not.
async fn restricts(house: &House) -> bool {
    let metrics = house.metrics().await;
    let restricted = metrics.sum("sekisho_hardening", &[("layer", "landlock")]) > 0.0;
    if !restricted {
        assert!(house.gate.said().contains("not in force: "), "{}", house.gate.said());
        assert!(house.gate.said().contains("this kernel has none"), "{}", house.gate.said());
        eprintln!("skipped in part: the kernel has no landlock");
    }
    restricted
}

/// Replaces the gate's certificate as tools do: beside, then renamed.
async fn rotate(house: &House) {
    let identity = house.authority.server(["gate.localhost", "wiki.localhost", "new.localhost"]);
    private(&house.path().join("next.key"), &identity.key);
    house.write("next.pem", &identity.chain);
    std::fs::rename(house.path().join("next.key"), house.path().join("gate.key")).unwrap();
    std::fs::rename(house.path().join("next.pem"), house.path().join("gate.pem")).unwrap();
}

#[tokio::test]
async fn the_gate_gives_up_what_it_does_not_need_and_does_all_of_its_work() {
    // Where this machine lets it, core dumps are wanted by whoever starts it.
    let mut house = House::plan().limited("ulimit -c unlimited 2>/dev/null || true").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    allowed(&alice.get(&house.url("wiki", "/a")).await);

    let privileges = of_each_thread(&house, "NoNewPrivs:");
    assert!(privileges.len() > 3 && privileges.iter().all(|set| set == "1"), "{privileges:?}");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", house.gate.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    let metrics = house.metrics().await;
    for layer in ["no_new_privileges", "no_core_dumps"] {
        assert_eq!(metrics.sum("sekisho_hardening", &[("layer", layer)]), 1.0, "{layer}: {}", metrics.text);
    }
    assert!(metrics.sum("process_open_fds", &[]) > 3.0, "it can still look at itself: {}", metrics.text);
    assert_eq!(house.gate.said().matches("hardening in force: ").count(), 1, "{}", house.gate.said());
    let status = house.must(&["status"]).await;
    assert!(status.contains("hardening  ") && status.contains("no_core_dumps"), "{status}");
    let _told = restricts(&house).await;

    rotate(&house).await;
    house.set_policies("@id(\"nobody\")\nforbid (principal, action, resource);\n");
    house.must(&["reload"]).await;
    refused(&alice.get(&house.url("wiki", "/b")).await, 403);
    let pinned = house.must(&["device", "invite", "--owner", "alice@example.com", "--json"]).await;
    assert!(!pinned.is_empty());
    assert_eq!(house.record().only_access("/b")["policies"], serde_json::json!(["nobody"]));
    house.restart().await;
    refused(&alice.get(&house.url("wiki", "/c")).await, 403);
}

#[tokio::test]
async fn certificates_are_replaced_under_the_restrictions_without_anybody_asking() {
    let house = House::open().await;
    let before = house.metrics().await.sum("sekisho_config_last_reload_success_timestamp_seconds", &[]);
    rotate(&house).await;
    eventually("the new certificate", async || {
        house.gate.said().contains("certificates and lists were read again").then_some(())
    })
    .await;
    let metrics = house.metrics().await;
    assert_eq!(metrics.sum("sekisho_config_last_reload_successful", &[]), 1.0, "{}", metrics.text);
    assert!(metrics.sum("sekisho_config_last_reload_success_timestamp_seconds", &[]) >= before);
}

#[tokio::test]
async fn files_that_are_not_the_gates_are_out_of_its_reach() {
    let elsewhere = tempfile::tempdir().unwrap();
    let root = elsewhere.path().join("root.pem");

    // Named at the start, it is the gate's; named by a reload, it takes a restart.
    let mut house = House::open().await;
    if !restricts(&house).await {
        return;
    }
    std::fs::write(&root, house.authority.pem()).unwrap();
    let config = std::fs::read_to_string(house.config()).unwrap();
    house.write("other.pem", &house.authority.pem());
    std::fs::write(house.config(), config.replace("ca = \"root.pem\"", "ca = \"other.pem\"")).unwrap();
    house.must(&["reload"]).await;
    std::fs::write(house.config(), config.replace("ca = \"root.pem\"", &format!("ca = \"{}\"", root.display()))).unwrap();
    let said = house.command(&["reload"]).await;
    let words = format!("{}{}", said.out, said.err);
    assert_eq!(said.code, Some(1), "{words}");
    assert!(words.contains("ermission denied") && words.contains("takes a restart"), "{words}");
    house.restart().await;
    house.must(&["reload"]).await;
}

#[tokio::test]
async fn the_admin_socket_has_a_folder_of_its_own_or_check_says_what_lies_beside_it() {
    let house = House::open().await;
    let config = std::fs::read_to_string(house.config()).unwrap();
    let check = async |admin: &str| {
        house.write("sekisho.toml", &config.replace(&format!("{}/run/admin.sock", house.path().display()), admin));
        let said = house.command(&["check", "--config", &house.config().display().to_string()]).await;
        (said.code, format!("{}{}", said.out, said.err))
    };
    let (code, words) = check("run/admin.sock").await;
    assert!(code == Some(0) && !words.contains("listen.admin"), "{words}");
    let (code, words) = check("admin.sock").await;
    assert!(code == Some(0) && words.contains("warning: listen.admin: ") && words.contains("could change"), "{words}");
    for shared in ["/admin.sock", "/etc/sekisho/admin.sock", "/run/admin.sock", "/run/x/../admin.sock", "/var/lib/admin.sock"] {
        let (code, words) = check(shared).await;
        assert!(code == Some(1) && words.contains("which is the system's"), "{shared}: {words}");
    }
}

#[tokio::test]
async fn a_program_that_keeps_checkpoints_writes_where_it_was_told_and_nowhere_else() {
    let elsewhere = tempfile::tempdir().unwrap();
    let kept = elsewhere.path().join("kept.jsonl");
    let plan = || {
        let command = format!("checkpoint_command = [\"/usr/bin/tee\", \"-a\", \"{}\"]", kept.display());
        House::plan().set("audit", "checkpoint_every = \"100ms\"").set("audit", &command)
    };
    let told = format!("[process]\nwritable = [\"{}\"]", elsewhere.path().display());
    let house = plan().set("end", &told).open().await;
    eventually("a checkpoint", async || std::fs::read_to_string(&kept).ok().filter(|text| text.contains("\"heads\""))).await;
    let restricted = restricts(&house).await;
    drop(house);
    if restricted {
        std::fs::remove_file(&kept).unwrap();
        let house = plan().open().await;
        let said = async || house.gate.said().contains("kept.jsonl: Permission denied").then_some(());
        eventually("the program's complaint", said).await;
        assert!(!kept.exists());
    }
}

#[tokio::test]
async fn a_gate_that_is_started_as_root_by_mistake_does_not_start() {
    let house = House::open().await;
    let serve = |variable: Option<(&str, &str)>| {
        let mut command = Command::new(sekisho());
        command.args(["serve", "--config"]).arg(house.config()).current_dir(house.path()).envs(variable);
        run(command, "")
    };
    let said = serve(None).await;
    // This account may be root's or not; either way, the folder is in use.
    if of_each_thread(&house, "Uid:").iter().any(|ids| ids.starts_with('0')) {
        assert_eq!(said.code, Some(3), "{said:?}");
        assert!(said.err.contains("started as root") && said.err.contains("allow_root = true"), "{said:?}");
    }
    let said = serve(Some(("SEKISHO_PROCESS_ALLOW_ROOT", "true"))).await;
    assert!(!said.err.contains("started as root") && said.err.contains("did not start"), "{said:?}");

    // Who requires what the kernel does not have gets no gate; here it is had, or it is told.
    let required = serve(Some(("SEKISHO_PROCESS_LANDLOCK", "sometimes"))).await;
    assert!(required.err.contains("process.landlock"), "{required:?}");
    assert!(Path::new(&house.config()).exists());
}
