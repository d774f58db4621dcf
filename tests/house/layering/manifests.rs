//! What the crates may depend on, and what the pure ones may not even name.

use super::{files, workspace};

/// The names that a crate depends on, those of its tests left out.
fn dependencies(package: &str) -> Vec<String> {
    let text = std::fs::read_to_string(workspace().join(package).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().cloned().collect()
}

#[test]
fn policy_and_certs_know_neither_each_other_nor_the_proxy_nor_the_network() {
    let web = ["http", "hyper", "hyper-util", "tower", "h2"];
    for (package, forbidden) in [
        ("policy", ["sekisho", "sekisho-certs", "sekisho-examples", "tokio", "sqlx"]),
        ("certs", ["sekisho", "sekisho-policy", "sekisho-examples", "tokio", "sqlx"]),
    ] {
        let names = dependencies(package);
        assert!(!names.is_empty());
        for name in forbidden.iter().chain(&web) {
            assert!(!names.iter().any(|dependency| dependency == name), "{package} depends on {name}");
        }
    }
    assert!(
        !dependencies("examples").iter().any(|name| name.starts_with("sekisho")),
        "examples stand behind the gate, not in it"
    );
}

#[test]
fn policy_is_pure() {
    let forbidden = [
        "std::fs",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
        "std::process",
        "std::env",
        "std::thread",
        "SystemTime",
        "Instant::now",
        "tokio",
        "async fn",
    ];
    let sources = files(&workspace().join("policy/src"));
    assert!(sources.len() > 3, "the sources were not found");
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for name in forbidden {
                assert!(!line.contains(name), "{}:{number} names {name}", path.display());
            }
        }
    }
}
