//! From a socket to a connection that has proved what it can.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::{Alpn, Notes, ProvenLeaf, SecureConnection};
use super::resumption::Resumable;
use super::settings::TlsSettings;
use crate::secret::Digest;

/// The handshake did not come about. The client has got an alert, or nothing.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It took too long.
    #[error("the TLS handshake took too long")]
    TimedOut,
    /// It is not TLS, or not a TLS that we speak, or the client left.
    #[error("the TLS handshake failed: {0}")]
    Failed(#[from] std::io::Error),
    /// The client's certificate is not one.
    #[error("the client certificate cannot be read")]
    UnreadableCertificate,
}

impl HandshakeError {
    /// The word for it in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::Failed(_) => "failed",
            Self::UnreadableCertificate => "unreadable_certificate",
        }
    }
}

impl TlsSettings {
    /// Shakes hands within `deadline`. `client` is the address to put down for the connection.
    ///
    /// # Errors
    /// [`HandshakeError`].
    pub async fn handshake<S>(
        &self,
        socket: S,
        client: SocketAddr,
        deadline: Duration,
    ) -> Result<(TlsStream<S>, SecureConnection), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let accept = TlsAcceptor::from(std::sync::Arc::clone(&self.config)).accept(socket);
        let accept = tokio::time::timeout(deadline, self.resumption.watch(accept));
        let (stream, resumable) = accept.await.map_err(|_elapsed| HandshakeError::TimedOut)?;
        let stream = stream?;
        let connection = self.examine(stream.get_ref().1, client, resumable)?;
        Ok((stream, connection))
    }

    fn examine(
        &self,
        tls: &ServerConnection,
        client: SocketAddr,
        resumable: Resumable,
    ) -> Result<SecureConnection, HandshakeError> {
        let sni = tls.server_name();
        let shown = self.certificates.choose(sni);
        let leaf = match tls.peer_certificates() {
            None | Some([]) => None,
            Some(chain @ [leaf, ..]) => Some(ProvenLeaf {
                certificate: Digest(sekisho_certs::fingerprint::certificate(leaf)),
                key: sekisho_certs::fingerprint::public_key(leaf)
                    .map(Digest)
                    .map_err(|_malformed| HandshakeError::UnreadableCertificate)?,
                chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            }),
        };
        Ok(SecureConnection {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            client,
            notes: Notes::default(),
            sni: sni.and_then(|name| name.parse().ok()),
            alpn: if tls.alpn_protocol() == Some(b"h2") { Alpn::Http2 } else { Alpn::Http1 },
            covers: shown.names(),
            leaf,
            resumable,
        })
    }
}

static NEXT: AtomicU64 = AtomicU64::new(1);
