//! Whole handshakes in memory, TLS 1.3 and 1.2.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
    SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::{PinnedServer, ProvesPossession};
use crate::fingerprint;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Pair {
    fn self_made(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["gate.example".to_owned()]).unwrap();
        change(&mut params);
        let chain = vec![params.self_signed(&key).unwrap().der().clone()];
        Self { chain, key }
    }

    fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }

    fn certified(&self) -> CertifiedKey {
        let key = default_provider().key_provider.load_private_key(self.private()).unwrap();
        CertifiedKey::new(self.chain.clone(), key)
    }
}

/// Shows its certificate whatever the server asks for.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Lets both sides talk until the handshake is done or one of them refuses.
fn shake(mut client: ClientConnection, mut server: ServerConnection) -> Result<ServerConnection, Error> {
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(server)
}

/// A handshake in which the client shows `device`; what the server then knows of it.
fn shows(device: Option<CertifiedKey>, version: &'static SupportedProtocolVersion) -> Result<Option<Vec<u8>>, Error> {
    let gate = Pair::self_made(|_same| ());
    let mut roots = RootCertStore::empty();
    roots.add(gate.chain[0].clone()).unwrap();
    let provider = Arc::new(default_provider());
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let client = match device {
        Some(device) => client.with_client_cert_resolver(Arc::new(Shows(Arc::new(device)))),
        None => client.with_no_client_auth(),
    };
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(Arc::new(ProvesPossession::new(Vec::new())))
        .with_single_cert(gate.chain.clone(), gate.private())
        .unwrap();
    let client = ClientConnection::new(Arc::new(client), ServerName::try_from("gate.example").unwrap()).unwrap();
    let server = shake(client, ServerConnection::new(Arc::new(server)).unwrap())?;
    Ok(server.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.to_vec()))
}

#[test]
fn any_certificate_is_taken_if_its_key_is_there() {
    for version in VERSIONS {
        let plain = Pair::self_made(|_same| ());
        assert_eq!(shows(Some(plain.certified()), version).unwrap(), Some(plain.chain[0].to_vec()));
        let ended = Pair::self_made(|p| p.not_after = time::OffsetDateTime::from_unix_timestamp(1).unwrap());
        assert!(shows(Some(ended.certified()), version).unwrap().is_some());
        let authority = Pair::self_made(|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        assert!(shows(Some(authority.certified()), version).unwrap().is_some());
    }
}

#[test]
fn no_certificate_is_fine_too() {
    for version in VERSIONS {
        assert_eq!(shows(None, version), Ok(None));
    }
}

#[test]
fn a_certificate_without_its_key_ends_the_handshake() {
    for version in VERSIONS {
        let (victim, thief) = (Pair::self_made(|_same| ()), Pair::self_made(|_same| ()));
        let mut stolen = thief.certified();
        stolen.cert = victim.chain.clone();
        assert_eq!(shows(Some(stolen), version), Err(Error::InvalidCertificate(CertificateError::BadSignature)));
    }
}

#[test]
fn what_is_not_a_certificate_ends_the_handshake() {
    for version in VERSIONS {
        let mut garbage = Pair::self_made(|_same| ()).certified();
        garbage.cert = vec![vec![0x30, 0x03, 1, 2, 3].into()];
        assert!(matches!(shows(Some(garbage), version), Err(Error::InvalidCertificate(_))));
    }
}

/// A handshake with a client that knows only `pin`.
fn pinned(gate: &Pair, pin: [u8; 32], name: &'static str) -> Result<(), Error> {
    for version in VERSIONS {
        let provider = Arc::new(default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinnedServer::new(pin)))
            .with_no_client_auth();
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Always(Arc::new(gate.certified()))));
        let client = ClientConnection::new(Arc::new(client), ServerName::try_from(name).unwrap()).unwrap();
        shake(client, ServerConnection::new(Arc::new(server)).unwrap())?;
    }
    Ok(())
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl rustls::server::ResolvesServerCert for Always {
    fn resolve(&self, _hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn key_of(certificate: &CertificateDer<'_>) -> [u8; 32] {
    fingerprint::public_key(certificate).unwrap()
}

const FOREIGN: Error = Error::InvalidCertificate(CertificateError::UnknownIssuer);

#[test]
fn a_pinned_leaf_is_known_by_its_key_alone() {
    let (gate, other) = (Pair::self_made(|_same| ()), Pair::self_made(|_same| ()));
    assert_eq!(pinned(&gate, key_of(&gate.chain[0]), "gate.example"), Ok(()));
    assert_eq!(pinned(&other, key_of(&gate.chain[0]), "gate.example"), Err(FOREIGN));
    assert_eq!(pinned(&gate, [0; 32], "gate.example"), Err(FOREIGN));
}

#[test]
fn a_copied_leaf_without_its_key_is_not_the_gate() {
    let (gate, thief) = (Pair::self_made(|_same| ()), Pair::self_made(|_same| ()));
    let fake = Pair { chain: gate.chain.clone(), key: thief.key };
    let outcome = pinned(&fake, key_of(&gate.chain[0]), "gate.example");
    assert_eq!(outcome, Err(Error::InvalidCertificate(CertificateError::BadSignature)));
}

fn below(root_key: &KeyPair, root: &CertificateParams) -> Pair {
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["gate.example".to_owned()]).unwrap();
    let issuer = Issuer::from_params(root, root_key);
    let leaf = leaf.signed_by(&key, &issuer).unwrap().der().clone();
    Pair { chain: vec![leaf, root.self_signed(root_key).unwrap().der().clone()], key }
}

#[test]
fn a_pinned_root_vouches_for_what_it_issued_and_for_its_name() {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let gate = below(&root_key, &root);
    let pin = key_of(&gate.chain[1]);
    assert_eq!(pinned(&gate, pin, "gate.example"), Ok(()));
    let other_name = pinned(&gate, pin, "other.example");
    assert!(matches!(other_name, Err(Error::InvalidCertificate(CertificateError::NotValidForName))), "{other_name:?}");
    // Certificates are public: to send the pinned one along with one's own leaf proves nothing.
    let mut fake = Pair::self_made(|_same| ());
    fake.chain.push(gate.chain[1].clone());
    assert_eq!(pinned(&fake, pin, "gate.example"), Err(FOREIGN));
    // Nor does a leaf that names the pinned issuer, signed by another key of the same name.
    let mut namesake = below(&KeyPair::generate().unwrap(), &root);
    namesake.chain[1] = gate.chain[1].clone();
    assert_eq!(pinned(&namesake, pin, "gate.example"), Err(FOREIGN));
}
