//! With curl, as the documentation shows it.

use tokio::process::Command;

use crate::harness::{House, Said, run};

async fn curl(house: &House, arguments: &[&str]) -> Said {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--cacert"]).arg(house.path().join("root.pem")).args(arguments).env_clear();
    run(command, "").await
}

#[tokio::test]
async fn curl_gets_in_with_certificate_and_token() {
    let house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    house.signed_in(&laptop, "alice").await;
    let (certificate, key) = (laptop.folder.join("device.pem"), laptop.folder.join("device.key"));
    let device = ["--cert", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let token = format!("Authorization: Bearer {}", house.idp.token("alice", Some(laptop.thumbprint())));
    let (url, whoami) = (house.url("wiki", "/report"), house.url("wiki", "/.sekisho/whoami"));
    let status = ["-o", "/dev/null", "-w", "%{http_code} %{http_version}"];

    for (what, arguments, expected) in [
        ("allowed", [&device[..], &["-H", &token], &[&url]].concat(), "200 2"),
        ("HTTP/1.1", [&device[..], &["--http1.1", "-H", &token], &[&url]].concat(), "200 1.1"),
        ("TLS 1.2", [&device[..], &["--tls-max", "1.2", "-H", &token], &[&url]].concat(), "200 2"),
        ("no token", [&device[..], &[&url]].concat(), "401 2"),
        ("no certificate", vec!["-H", &token, &url], "403 2"),
        ("who am I", [&device[..], &[&whoami]].concat(), "200 2"),
        ("who am I, nobody", vec![&whoami], "200 2"),
    ] {
        let said = curl(&house, &[&status[..], &arguments].concat()).await;
        assert_eq!((said.code, said.out.as_str()), (Some(0), expected), "{what}: {}", said.err);
    }
}
