//! The scenarios of names, certificates, resumption and lists that lie beside the project, on the real binary.

use std::path::Path;
use std::time::Duration;

use rcgen::KeyPair;
use rustls::version::{TLS12, TLS13};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Attempt, Authority, Hand, Identity, Over, Plan, Town, WITHDRAWN, openssl, openssl_get};

const DEVICE: &str = "urn:town:device/a1";

#[tokio::test]
async fn the_scenarios_beside_the_project_end_as_they_should() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/tls-vhost/open.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("skipped: {} is not there", file.display());
        return;
    };
    let scenarios: Value = serde_json::from_str(&text).unwrap();
    let deadlines = |plan: Plan| plan.set("limits", "handshake_timeout = \"3s\"\nheader_timeout = \"3s\"");
    let stage = Stage { town: Town::with(deadlines).await };
    stage.prepare().await;
    let mut wrong = Vec::new();
    let cases = scenarios["cases"].as_array().unwrap();
    for case in cases {
        if let Err(what) = stage.play(case).await {
            wrong.push(format!("{}: {what}", case["id"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 61);
}

/// Where the scenarios are played.
struct Stage {
    town: Town,
}

impl Stage {
    /// What only OpenSSL makes.
    async fn prepare(&self) {
        let (house, folder) = (&self.town.house, self.town.house.path());
        house.write("ca.pem", &self.town.a.pem());
        house.write("ca.key", &self.town.a.key_pem());
        house
            .write("leaf.ext", &format!("subjectAltName=URI:{DEVICE}\nextendedKeyUsage=clientAuth\nkeyUsage=digitalSignature\n"));
        for (name, key, digest) in
            [("rsa1024", "rsa -pkeyopt rsa_keygen_bits:1024", "sha256"), ("sha1", "ec -pkeyopt ec_paramgen_curve:P-256", "sha1")]
        {
            openssl(folder, &format!("genpkey -algorithm {key} -out {name}.key")).await;
            openssl(folder, &format!("req -new -key {name}.key -subj /CN={name} -out {name}.csr")).await;
            let sign = format!(
                "x509 -req -in {name}.csr -{digest} -CA ca.pem -CAkey ca.key -set_serial 7 -days 2 -extfile leaf.ext -out {name}.pem"
            );
            openssl(folder, &sign).await;
        }
        // Lists without a number, and deltas.
        house.write("index.txt", &format!("R\t491231235959Z\t250101000000Z\t{WITHDRAWN:04X}\tunknown\t/CN=x\n"));
        for (name, extension) in
            [("unnumbered", "authorityKeyIdentifier=keyid"), ("delta", "2.5.29.27=critical,DER:020101\ncrlNumber=@number")]
        {
            let extension = extension.replace("crlNumber=@number", "2.5.29.20=DER:020102");
            house.write(
                &format!("{name}.cnf"),
                &format!(
                    "[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=9\ncrl_extensions=e\n[e]\n{extension}\n"
                ),
            );
            openssl(folder, &format!("ca -gencrl -config {name}.cnf -cert ca.pem -keyfile ca.key -out {name}.crl")).await;
        }
    }

    async fn play(&self, case: &Value) -> Result<(), String> {
        let steps = case["steps"].as_array().ok_or("no steps")?;
        let expect = case["expect"].as_str().ok_or("no expectation")?;
        match steps.first().and_then(|step| step["op"].as_str()) {
            Some("start_or_reload") => self.bad_authority(steps[0]["ca"].as_str().unwrap()).await,
            Some("reload") => self.list(steps[0]["crl"].as_str().unwrap()).await,
            Some("send") => {
                let byte = steps[0]["bytes"].as_str().and_then(|hex| u8::from_str_radix(hex, 16).ok()).ok_or("no byte")?;
                let mut socket = TcpStream::connect(("127.0.0.1", self.town.house.port())).await.unwrap();
                socket.write_all(&[byte]).await.unwrap();
                closed(&mut socket).await
            }
            Some("handshake") if steps.last().is_some_and(|step| step["op"] == "idle") => {
                let hand = Hand::new(self.town.house.port(), &TLS13);
                let mut stream =
                    hand.connect(steps[0]["sni"].as_str(), over(&steps[0])).await.map_err(|error| error.to_string())?;
                closed(&mut stream).await
            }
            Some("handshake") if steps.iter().any(|step| step.get("early").is_some()) => self.early(steps).await,
            Some("handshake") => self.handshakes(case, steps, expect).await,
            other => Err(format!("{other:?} is not played here")),
        }
    }

    /// Shakes hands as the steps say; the last connection asks.
    async fn handshakes(&self, case: &Value, steps: &[Value], expect: &str) -> Result<(), String> {
        let version = if steps[0]["tls"] == "1.2" { &TLS12 } else { &TLS13 };
        let hand = Hand::new(self.town.house.port(), version);
        let path = format!("/secret/{}", case["id"].as_str().unwrap());
        let mut heard = None;
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            at += 1;
            let sni = step["sni"].as_str();
            let certificate = step["cert"].as_str();
            let asks = steps.get(at).filter(|next| next["op"] == "get");
            at += usize::from(asks.is_some());
            let last = at == steps.len();
            // A handshake after which nothing is asked is tried by asking for what its name stands for.
            let host = asks.and_then(|ask| ask["host"].as_str()).or(sni).ok_or("no host")?;
            let path = if last { path.clone() } else { "/first".to_owned() };
            if step["resume"].is_null() {
                hand.forget();
            }
            heard = Some(self.shake(&hand, step, sni, certificate, host, &path).await);
        }
        let heard = heard.ok_or("no handshake")?;
        let reached = self.town.house.wiki.has_seen(&path);
        let fits = match expect {
            "200" | "accept" => heard.status == Some(200),
            "421" => heard.status == Some(421),
            "421/403" => matches!(heard.status, Some(421 | 403)),
            "421/400" => matches!(heard.status, Some(421 | 400)),
            "200 with identity A1 (or full handshake)" => match heard.resumed {
                true => heard.status == Some(200) && self.town.house.record().only_access(&path)["device"] == "a.a1",
                false => !heard.is_served(),
            },
            "421 or 200 only if same CA+identity rules are provably met; document" => heard.status == Some(421),
            "client cert demanded (same as lower-case)" => heard.status == Some(403) && heard.reason() == "device_missing",
            "reject"
            | "reject or 421"
            | "reject or full handshake"
            | "full handshake with CertificateRequest, or reject; never 200"
            | "handshake alert (certificate_required / handshake_failure) or 4xx; never 200" => !heard.is_served(),
            other => return Err(format!("nobody knows what {other:?} means")),
        };
        if fits && reached == heard.is_served() { Ok(()) } else { Err(format!("{heard:?}, reached the app: {reached}")) }
    }

    async fn shake(
        &self,
        hand: &Hand,
        step: &Value,
        sni: Option<&str>,
        certificate: Option<&str>,
        host: &str,
        path: &str,
    ) -> Attempt {
        let town = &self.town;
        if let Some(weak) = certificate.and_then(|name| ["rsa1024", "sha1"].into_iter().find(|weak| name.ends_with(weak))) {
            let file = |end: &str| town.house.path().join(format!("{weak}.{end}")).display().to_string();
            let (chain, key) = (file("pem"), file("key"));
            return openssl_get(town.house.port(), sni, over(step), Some((&chain, &key)), (host, path), &town.credentials())
                .await;
        }
        if certificate.is_none() && sni.is_some_and(|name| rustls::pki_types::DnsName::try_from(name).is_err()) {
            return openssl_get(town.house.port(), sni, over(step), None, (host, path), &town.credentials()).await;
        }
        hand.show(certificate.and_then(|name| self.identity(name)).as_ref());
        town.get(hand, sni, over(step), host, path).await
    }

    /// The certificate that the scenarios call so; `None` for the empty one.
    fn identity(&self, name: &str) -> Option<Identity> {
        let (a, now) = (&self.town.a, OffsetDateTime::now_utc());
        let kind = |algorithm| a.device_with_key(DEVICE, &KeyPair::generate_for(algorithm).unwrap(), |_as_usual| ());
        Some(match name {
            "A1" => self.town.good(),
            "B1" => self.town.b.device("urn:town:device/b1", 1, 30),
            "Arev" => a.device("urn:town:device/rev", WITHDRAWN, 30),
            "Aexp" => a.device("urn:town:device/exp", 2, -1),
            "S1" => a.device_with(DEVICE, |leaf| leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth]),
            "self-signed" => Authority::new("Nobody").device(DEVICE, 1, 30),
            "CA-A itself" => Identity { chain: a.pem(), key: a.key_pem() },
            "A-notyet" => a.device_with(DEVICE, |leaf| leaf.not_before = now + time::Duration::days(1)),
            "A-ed25519 (accept)" => kind(&rcgen::PKCS_ED25519),
            "A-p521 (document)" => kind(&rcgen::PKCS_ECDSA_P521_SHA512),
            "empty Certificate" => return None,
            "A1 with wrong key" => Identity { key: KeyPair::generate().unwrap().serialize_pem(), ..self.town.good() },
            other => panic!("nobody knows the certificate {other:?}"),
        })
    }

    async fn early(&self, steps: &[Value]) -> Result<(), String> {
        let hand = Hand::hasty(self.town.house.port());
        let sni = steps[0]["sni"].as_str().ok_or("no name")?;
        if !self.town.get(&hand, Some(sni), Over::Http1, sni, "/first").await.is_served() {
            return Err("no session".to_owned());
        }
        let request = format!("POST /x HTTP/1.1\r\nhost: {sni}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let (taken, answer) = hand.send_early(sni, &request).await;
        if taken { Err(answer) } else { Ok(()) }
    }

    /// Trust that cannot be read: the gate keeps what it had, and would not start.
    async fn bad_authority(&self, what: &str) -> Result<(), String> {
        let house = &self.town.house;
        let (roots, good) = (house.path().join("roots-a.pem"), self.town.a.pem());
        std::fs::remove_file(&roots).unwrap();
        match what {
            "missing-ca-file" => {}
            "empty-pem" => house.write("roots-a.pem", ""),
            "key-only-pem" => house.write("roots-a.pem", &self.town.a.key_pem()),
            "truncated-pem" => house.write("roots-a.pem", good.get(..good.len() / 2).unwrap()),
            "dir-instead-of-file" => std::fs::create_dir(&roots).unwrap(),
            // Whoever runs this may read whatever permissions say; nobody reads a link to itself.
            "unreadable" => std::os::unix::fs::symlink(&roots, &roots).unwrap(),
            "zero-roots" => house.write("roots-a.pem", &self.town.good().chain),
            other => return Err(format!("nobody knows the file {other:?}")),
        }
        let config = house.config().display().to_string();
        let reload = house.command(&["reload"]).await;
        let start = house.command(&["serve", "--config", &config]).await;
        let admitted = self.town.admits(Some(&self.town.good()), "/old-trust").await;
        let stranger = self.town.admits(self.identity("B1").as_ref(), "/strange").await;
        let _gone = std::fs::remove_dir(&roots).or_else(|_no_folder| std::fs::remove_file(&roots));
        house.write("roots-a.pem", &good);
        let says = reload.code == Some(1) && start.code == Some(3) && start.err.contains("device_authority[1].roots");
        let keeps = admitted.is_served() && !stranger.is_served();
        if says && keeps { Ok(()) } else { Err(format!("{reload:?} {start:?} {admitted:?} {stranger:?}")) }
    }

    async fn list(&self, what: &str) -> Result<(), String> {
        let house = &self.town.house;
        let good = self.town.a.withdrawn(&[WITHDRAWN], 10);
        let made = |name: &str| std::fs::read_to_string(house.path().join(name)).unwrap();
        // Whether it is taken, and whether then a certificate that is not on it may pass.
        let (list, taken, passes) = match what {
            "expired" => (self.town.a.withdrawn(&[WITHDRAWN], -1), true, false),
            "wrong-issuer" => (self.town.b.withdrawn(&[WITHDRAWN], 10), true, false),
            "empty" => (String::new(), false, true),
            // Its number says which list is newer; its dates do, too. Written down in the manual.
            "no-crlnumber" => (made("unnumbered.crl"), true, true),
            "delta" => (made("delta.crl"), false, true),
            other => return Err(format!("nobody knows the list {other:?}")),
        };
        house.write("a.crl", &list);
        let reload = house.command(&["reload"]).await;
        let listed = self.town.admits(self.identity("Arev").as_ref(), "/listed").await;
        let other = self.town.admits(Some(&self.town.good()), "/not-listed").await;
        house.write("a.crl", &good);
        house.must(&["reload"]).await;
        let fits = (reload.code == Some(0)) == taken && !listed.is_served() && other.is_served() == passes;
        if fits { Ok(()) } else { Err(format!("{reload:?} {listed:?} {other:?}")) }
    }
}

async fn closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Result<(), String> {
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    closed.map(drop).map_err(|_late| "still open after 10 s".to_owned())
}

fn over(step: &Value) -> Over {
    if step["alpn"] == "h2" { Over::Http2 } else { Over::Http1 }
}
