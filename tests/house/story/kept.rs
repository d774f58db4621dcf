//! The record after it was written: signed, sent elsewhere, packed, deleted when it is time; and whoever looks at what is left, with nothing
//! of ours, finds that it fits together.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::harness::{Authority, House, allowed, eventually, run};

/// An https address elsewhere that keeps what is posted to it.
struct Elsewhere {
    authority: Authority,
    url: String,
    kept: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    async fn open() -> Self {
        let _installed_already = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let authority = Authority::new("Evidence");
        let identity = authority.server(["evidence.localhost"]);
        let chain = CertificateDer::pem_slice_iter(identity.chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://evidence.localhost:{}/sekisho", listener.local_addr().unwrap().port());
        let kept: Arc<Mutex<Vec<String>>> = Arc::default();
        let keeps = Arc::clone(&kept);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, keeps) = (acceptor.clone(), Arc::clone(&keeps));
                let service = service_fn(move |request: Request<Incoming>| {
                    let keeps = Arc::clone(&keeps);
                    async move {
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        keeps.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
                        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                    }
                });
                tokio::spawn(async move {
                    let Ok(socket) = acceptor.accept(socket).await else { return };
                    let _gone = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { authority, url, kept }
    }

    fn kept(&self) -> Vec<String> {
        self.kept.lock().unwrap().clone()
    }
}

/// What is signed, after checking the signature with the key that it names, as it lies in `keys`.
fn signed(audit: &Path, line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap();
    let pem = std::fs::read_to_string(audit.join(format!("keys/{}.pem", value["key"].as_str().unwrap()))).unwrap();
    let der = STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    let id: String = hash(&der).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(value["key"], id.as_str());
    let (text, rest) = line.trim_end().split_once(",\"signature\":\"").unwrap();
    let signature = URL_SAFE_NO_PAD.decode(rest.strip_suffix("\"}").unwrap()).unwrap();
    UnparsedPublicKey::new(&ED25519, &der[der.len() - 32..]).verify(text.as_bytes(), &signature).unwrap();
    value
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// A file's lines and their hashes, by their numbers.
type Lines = BTreeMap<u64, String>;

/// Checks a file line by line from the hash before it.
fn checked(content: &str, mut previous: Vec<u8>) -> Lines {
    let mut lines = Lines::new();
    for line in content.lines() {
        let (text, rest) = line.rsplit_once(",\"chain\":\"").unwrap();
        previous = hash(&[&previous, text.as_bytes()].concat());
        assert_eq!(URL_SAFE_NO_PAD.encode(&previous), rest.trim_end_matches("\"}"));
        let seq = serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap();
        lines.insert(seq, URL_SAFE_NO_PAD.encode(&previous));
    }
    lines
}

/// All summaries of the folder, with the lines of the files that are still there.
fn summaries(audit: &Path) -> BTreeMap<(String, u64), (Value, Option<Lines>)> {
    let names = std::fs::read_dir(audit).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found = BTreeMap::new();
    for name in names.filter(|name| name.ends_with(".summary.json")) {
        let summary = signed(audit, &std::fs::read_to_string(audit.join(&name)).unwrap());
        let file = audit.join(summary["summary"].as_str().unwrap());
        let packed = std::fs::File::open(file.with_extension("jsonl.zst")).and_then(zstd::decode_all);
        let content = std::fs::read(&file).or(packed).ok();
        let lines = content.map(|content| {
            let hex: String = hash(&content).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((summary["sha256"].as_str(), summary["bytes"].as_u64()), (Some(hex.as_str()), Some(content.len() as u64)));
            let before = URL_SAFE_NO_PAD.decode(summary["first_previous"].as_str().unwrap()).unwrap();
            checked(std::str::from_utf8(&content).unwrap(), before)
        });
        let key = (summary["chain"].as_str().unwrap().to_owned(), summary["first_seq"].as_u64().unwrap());
        assert!(found.insert(key, (summary, lines)).is_none());
    }
    found
}

#[tokio::test]
async fn what_is_left_of_a_record_fits_together_and_fits_what_is_kept_elsewhere() {
    let elsewhere = Elsewhere::open().await;
    let plan = House::plan().file("evidence.pem", &elsewhere.authority.pem()).set("audit", "checkpoint_every = \"100ms\"");
    let plan = plan.set("audit", "rotate_after = \"1s\"\nkeep_for = \"2s\"\ncheckpoint_ca = \"evidence.pem\"");
    let mut house = plan.set("audit", &format!("checkpoint_url = \"{}\"", elsewhere.url)).open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let metric = async |house: &House, state: &str| house.metrics().await.sum("sekisho_record_segments", &[("state", state)]);
    eventually("files are packed, and deleted", async || {
        allowed(&alice.get(&house.url("wiki", "/a")).await);
        (metric(&house, "packed").await > 0.0 && metric(&house, "deleted").await > 0.0).then_some(())
    })
    .await;
    house.gate.kill().await;
    // From here on nothing goes, so that there is something to look at.
    let config = std::fs::read_to_string(house.config()).unwrap();
    std::fs::write(house.config(), config.replace("keep_for = \"2s\"", "")).unwrap();
    house.start_again().await;
    allowed(&alice.get(&house.url("wiki", "/b")).await);
    house.gate.signal("TERM").await;
    assert_eq!(house.gate.ended().await, Some(0));

    let audit = house.path().join("audit");
    let summaries = summaries(&audit);
    for chain in ["0", "1", "control"] {
        let mut after = (1, URL_SAFE_NO_PAD.encode([0; 32]));
        for ((_, first), (summary, lines)) in summaries.iter().filter(|((name, _), _)| name == chain) {
            assert_eq!((*first, summary["first_previous"].as_str()), (after.0, Some(after.1.as_str())));
            after = (summary["last_seq"].as_u64().unwrap() + 1, summary["last_hash"].as_str().unwrap().to_owned());
            match lines {
                Some(lines) => assert_eq!(lines.get(&(after.0 - 1)), Some(&after.1)),
                None => assert_eq!((&summary["deleted_because"], summary["deleted_at"].is_string()), (&"age".into(), true)),
            }
        }
    }

    let kept: Vec<Value> = elsewhere.kept().iter().map(|line| signed(&audit, line)).collect();
    let on_disk = std::fs::read_to_string(audit.join("checkpoints.jsonl")).unwrap();
    let distinct: BTreeSet<String> = elsewhere.kept().into_iter().collect();
    assert_eq!(distinct, on_disk.lines().map(str::to_owned).collect(), "every checkpoint is elsewhere");
    let mut found = 0;
    for head in kept.iter().flat_map(|checkpoint| checkpoint["heads"].as_array().unwrap()) {
        let seq = head["seq"].as_u64().unwrap();
        let (summary, lines) =
            &summaries.range(..=(head["chain"].as_str().unwrap().to_owned(), seq)).next_back().expect("a file that has it").1;
        assert_eq!(summary["summary"], head["segment"]);
        if let Some(lines) = lines {
            assert_eq!(head["head"], lines[&seq].as_str(), "line {seq} is what it was");
            found += 1;
        }
    }
    assert!(found > 3);
    let said: Vec<&Value> = kept.iter().flat_map(|checkpoint| checkpoint["deleted"].as_array().into_iter().flatten()).collect();
    let gone: Vec<_> = summaries.values().filter(|(_, lines)| lines.is_none()).map(|(summary, _)| &summary["summary"]).collect();
    assert!(!gone.is_empty() && gone.iter().all(|name| said.contains(name)), "{gone:?} {said:?}");

    by_hand(&audit, elsewhere.kept().last().unwrap()).await;
}

/// As the manual shows it, with nothing of ours.
async fn by_hand(audit: &Path, line: &str) {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/record.md")).unwrap();
    let (_, block) = page.split_once("```console\n$ tail -n 1 kept.jsonl").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let shown = format!("$ tail -n 1 kept.jsonl{block}");
    let script: Vec<_> = shown.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    let key = signed(audit, line)["key"].as_str().unwrap().to_owned();
    for (line, good) in [(line.to_owned(), true), (line.replacen("\"seq\":", "\"seq\":1", 1), false)] {
        std::fs::write(audit.join("kept.jsonl"), format!("{line}\n")).unwrap();
        let mut command = Command::new("bash");
        command.args(["-euc", &script.join("\n").replace("3f0c…", &key)]).current_dir(audit);
        let said = run(command, "").await;
        assert_eq!(said.code == Some(0), good, "{said:?}");
        assert_eq!(said.out.contains(shown.lines().last().unwrap()), good, "{said:?}");
    }
}
