//! Apps behind TLS: verified always, never in plaintext instead.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::house::{House, Stage, app_at, on_a_core};
use crate::config::{App, ClientCertificate, UpstreamScheme};

/// A certificate authority of the test's.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    /// An app that shows a certificate for `name`, and asks for one of `clients`. It tells whether it saw one.
    async fn app(&self, name: &str, clients: Option<&Self>) -> (App, tokio::task::JoinHandle<()>) {
        let (certificate, key) = self.issue(name, ExtendedKeyUsagePurpose::ServerAuth);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.der()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap());
        let stage = Stage::open().await;
        let mut app = app_at(&[stage.address]);
        for upstream in &mut app.upstreams {
            upstream.scheme = UpstreamScheme::Https;
            upstream.host = "localhost".into();
        }
        app.ca = vec![self.der()];
        let task = tokio::task::spawn_local(async move {
            loop {
                let acceptor = TlsAcceptor::from(Arc::clone(&config));
                let Ok(mut stream) = acceptor.accept(stage.next().await.stream).await else { continue };
                let mut head = vec![0; 4096];
                if stream.read(&mut head).await.is_ok_and(|length| length > 0) {
                    let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                }
            }
        });
        (app, task)
    }
}

async fn outcome(app: App) -> String {
    House::before(app).await.get("/").await.body
}

#[test]
fn a_certificate_for_the_right_name_from_the_right_authority_is_taken() {
    on_a_core(async {
        let (app, _task) = Authority::new().app("localhost", None).await;
        assert_eq!(outcome(app).await, "ok");
    });
}

#[test]
fn a_wrong_name_or_a_foreign_authority_is_not() {
    on_a_core(async {
        let authority = Authority::new();
        let (app, _task) = authority.app("other.example", None).await;
        assert_eq!(outcome(app).await, "tls_failed");
        let (mut app, _task) = authority.app("localhost", None).await;
        app.ca = vec![Authority::new().der()];
        assert_eq!(outcome(app).await, "tls_failed");
    });
}

#[test]
fn an_app_that_does_not_speak_tls_gets_no_plaintext_instead() {
    on_a_core(async {
        let authority = Authority::new();
        let stage = Stage::open().await;
        let mut app = app_at(&[stage.address]);
        for upstream in &mut app.upstreams {
            upstream.scheme = UpstreamScheme::Https;
        }
        app.ca = vec![authority.der()];
        let house = House::before(app).await;
        let (reply, ()) = tokio::join!(house.get("/secret"), async {
            for _ in 0..3 {
                let mut app = stage.next().await;
                let hello = app.take(1).await;
                assert_eq!(hello, [0x16], "a TLS handshake record, not a request");
                app.send("HTTP/1.1 400 Bad Request\r\n\r\n").await;
            }
        });
        assert_eq!(reply.body, "tls_failed");
    });
}

#[test]
fn an_app_may_ask_for_our_certificate() {
    on_a_core(async {
        let (servers, clients) = (Authority::new(), Authority::new());
        let (mut app, _task) = servers.app("localhost", Some(&clients)).await;
        let (certificate, key) = clients.issue("gate", ExtendedKeyUsagePurpose::ClientAuth);
        let folder = tempfile::tempdir().unwrap();
        app.client_certificate = Some(files(&folder, &certificate, &key));
        assert_eq!(outcome(app).await, "ok");
        // The same app without it.
        let (app, _task) = servers.app("localhost", Some(&clients)).await;
        let refused = outcome(app).await;
        assert!(refused == "tls_failed" || refused == "app_reset", "{refused}");
    });
}

fn files(folder: &TempDir, certificate: &rcgen::Certificate, key: &KeyPair) -> ClientCertificate {
    use std::os::unix::fs::PermissionsExt as _;
    let (chain, key_file) = (folder.path().join("gate.pem"), folder.path().join("gate.key"));
    std::fs::write(&chain, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    ClientCertificate { chain, key: key_file, readers: sekisho_certs::files::Readers::Owner }
}
