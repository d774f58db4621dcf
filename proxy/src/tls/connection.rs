//! What a finished handshake proved.

use std::cell::{OnceCell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;
use rustls_pki_types::CertificateDer;

use super::resumption::Resumable;
use crate::config::Host;
use crate::inventory::KeyFingerprint;
use crate::secret::Digest;

/// A TLS connection and what it proved. Shared by all of its requests.
#[derive(Debug)]
pub struct SecureConnection {
    /// Unique in this process.
    pub id: u64,
    /// The client's address, canonical (no IPv4-mapped IPv6), from the PROXY header where a listed balancer sent one.
    pub client: SocketAddr,
    /// What its requests found out about it.
    pub notes: Notes,
    /// The host that the client asked for in the handshake (SNI).
    pub sni: Option<Host>,
    /// The protocol that was agreed on.
    pub alpn: Alpn,
    /// The names that the certificate shown to the client covers: a request for another host is refused with 421.
    pub covers: Arc<[String]>,
    /// The client certificate whose key was proved; `None` if the client showed none.
    pub leaf: Option<ProvenLeaf>,
    /// How it could be resumed; to be forgotten when the client should show another certificate.
    pub resumable: Resumable,
}

/// What is found out about a connection once, for all of its requests.
#[derive(Debug, Default)]
pub struct Notes {
    /// The client's address as text.
    address: OnceCell<HeaderValue>,
    /// The last host that its certificate was found to cover.
    covered: RefCell<Option<Host>>,
}

impl SecureConnection {
    /// The client's address without its port. `None` only if it cannot stand in a header, which no address does.
    pub fn client_address(&self) -> Option<HeaderValue> {
        if let Some(text) = self.notes.address.get() {
            return Some(text.clone());
        }
        let text = HeaderValue::try_from(self.client.ip().to_canonical().to_string()).ok()?;
        Some(self.notes.address.get_or_init(|| text).clone())
    }

    /// Whether the certificate that the client was shown covers `host`.
    pub fn is_for(&self, host: &Host) -> bool {
        if self.notes.covered.borrow().as_ref() == Some(host) {
            return true;
        }
        let is_for = self.covers.iter().any(|name| host.is_covered_by(name));
        if is_for {
            self.notes.covered.replace(Some(host.clone()));
        }
        is_for
    }
}

/// The protocol on top of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Alpn {
    Http1,
    Http2,
}

/// A client certificate whose private key the client proved to have in this handshake (or in the one that it resumes).
#[derive(Clone, Debug)]
pub struct ProvenLeaf {
    /// As the client sent it, leaf first. Only the leaf is proved; the others are hints for building a chain.
    pub chain: Arc<[CertificateDer<'static>]>,
    /// SHA-256 of the leaf's DER: `x5t#S256`, and the key of caches.
    pub certificate: Digest,
    /// SHA-256 of the leaf's public key.
    pub key: KeyFingerprint,
}
