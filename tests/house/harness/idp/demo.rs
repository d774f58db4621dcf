//! Ours from `examples/`, in this process.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sekisho_examples::idp::{Client as Registered, Provider, Settings};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Idp, Running, people};

impl Idp {
    pub(super) async fn start_demo(&mut self) {
        let chain = CertificateDer::pem_slice_iter(self.identity.chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(self.identity.key.as_bytes()).unwrap();
        let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let client = Registered {
            id: self.client_id.clone(),
            secret: self.client_secret.clone(),
            redirect_uris: vec![self.back[0].clone()],
            post_logout_redirect_uris: vec![self.back[1].clone()],
        };
        let settings = Settings { issuer: self.issuer.clone(), clients: vec![client], people: people(), tls: Arc::new(tls) };
        let provider = Provider::new(settings).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", self.port.number)).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Arc::clone(&provider).serve(listener, async move { drop(stopped.await) });
        let ended = tokio::spawn(async move { serving.await.unwrap() });
        self.running = Running::Demo { provider, stop, ended };
    }
}
