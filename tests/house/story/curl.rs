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

/// Who is refused while it still sends sees why: the stream is not reset before it could look.
#[tokio::test]
async fn curl_sees_a_refusal_while_it_still_sends() {
    let house = House::plan().set("limits", "body = \"1MiB\"").open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    house.signed_in(&laptop, "alice").await;
    let (certificate, key) = (laptop.folder.join("device.pem"), laptop.folder.join("device.key"));
    let token = format!("Authorization: Bearer {}", house.idp.token("alice", Some(laptop.thumbprint())));
    house.write("large", &"x".repeat(8 << 20));
    let large = format!("@{}", house.path().join("large").display());
    let common = ["--cert", certificate.to_str().unwrap(), "--key", key.to_str().unwrap(), "-w", "%{http_code}", "-X", "POST"];
    let nobody = [house.url("wiki", "/nobody"), house.url("wiki", "/no//body")];
    let alice = house.url("wiki", "/large");
    for version in ["--http2", "--http1.1"] {
        for (what, arguments, status, reason) in [
            ("nobody is signed in", vec![nobody[0].as_str()], "401", "no_credential"),
            ("it cannot be understood", vec![nobody[1].as_str()], "400", "path_empty_segment"),
            ("its length is too large", vec!["-H", &token, &alice], "413", "body_too_large"),
            (
                "it grows too large",
                vec!["-H", "Content-Length:", "-H", "Transfer-Encoding: chunked", "-H", &token, &alice],
                "413",
                "body_too_large",
            ),
        ] {
            for _ in 0..5 {
                let said = curl(&house, &[&common[..], &[version, "--data-binary", &large], &arguments].concat()).await;
                let fits = said.out.contains(&format!("\"reason\":\"{reason}\"")) && said.out.ends_with(status);
                assert!(said.code == Some(0) && fits, "{what}, {version}: {:?} {} {}", said.code, said.out, said.err);
            }
        }
    }
}
