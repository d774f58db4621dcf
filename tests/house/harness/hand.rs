//! A client that shakes hands as it is told to: any name or none, any certificate or none, sessions carried from one name to another.
//! It believes every server; what is tried is the gate.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Version};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::authority::Identity;
use super::pockets::{Gullible, Purse, Wallet};

/// A client and what it has gathered: its certificate, which can be changed, and sessions to resume.
pub(crate) struct Hand {
    config: ClientConfig,
    wallet: Arc<Wallet>,
    purse: Arc<Purse>,
    port: u16,
}

/// What came of an attempt.
#[derive(Clone)]
pub(crate) struct Attempt {
    /// The answer; `None` if there was no connection, or none that lived to answer.
    pub(crate) status: Option<u16>,
    pub(crate) body: Bytes,
    /// The session was an earlier one.
    pub(crate) resumed: bool,
    /// What went wrong, if anything did.
    pub(crate) trouble: String,
}

/// The protocol above TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Http1,
    Http2,
}

impl Hand {
    /// For the gate at `port`, with one version of TLS.
    pub(crate) fn new(port: u16, version: &'static SupportedProtocolVersion) -> Self {
        Self::with(port, version, Purse::default())
    }

    /// One that sends early data with every session that it resumes, whether the gate offered to take any or not.
    pub(crate) fn hasty(port: u16) -> Self {
        let mut hand = Self::with(port, &rustls::version::TLS13, Purse::hasty());
        hand.config.enable_early_data = true;
        hand
    }

    fn with(port: u16, version: &'static SupportedProtocolVersion, purse: Purse) -> Self {
        let (wallet, purse) = (Arc::<Wallet>::default(), Arc::new(purse));
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Gullible))
            .with_client_cert_resolver(Arc::clone(&wallet) as Arc<_>);
        config.resumption = Resumption::store(Arc::clone(&purse) as Arc<_>);
        Self { config, wallet, purse, port }
    }

    /// Shows this certificate from now on, or none.
    pub(crate) fn show(&self, identity: Option<&Identity>) {
        self.wallet.show(identity);
    }

    /// Has no session to resume.
    pub(crate) fn forget(&self) {
        self.purse.empty();
    }

    /// A connection that names `sni` in its handshake, if any.
    pub(crate) async fn connect(&self, sni: Option<&str>, over: Over) -> io::Result<TlsStream<TcpStream>> {
        let mut config = self.config.clone();
        config.enable_sni = sni.is_some();
        config.alpn_protocols = vec![over.alpn().into()];
        let name = ServerName::try_from(sni.unwrap_or("nobody.test").to_owned()).map_err(io::Error::other)?;
        let socket = TcpStream::connect(("127.0.0.1", self.port)).await?;
        TlsConnector::from(Arc::new(config)).connect(name, socket).await
    }

    /// Resumes a session and sends `request` with its first words; if those are not taken, once more after the handshake. Whether they
    /// were taken, and the answer.
    pub(crate) async fn send_early(&self, sni: &str, request: &str) -> (bool, String) {
        let mut config = self.config.clone();
        config.alpn_protocols = vec![Over::Http1.alpn().into()];
        let name = ServerName::try_from(sni.to_owned()).unwrap();
        let (port, request) = (self.port, request.to_owned());
        let exchange = move || {
            let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
            let mut socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
            tls.early_data().expect("a session to resume").write_all(request.as_bytes()).unwrap();
            while tls.is_handshaking() {
                tls.complete_io(&mut socket).unwrap();
            }
            let taken = tls.is_early_data_accepted();
            let mut stream = rustls::Stream::new(&mut tls, &mut socket);
            if !taken {
                stream.write_all(request.as_bytes()).unwrap();
            }
            let mut answer = Vec::new();
            let _however_it_closes = stream.read_to_end(&mut answer);
            (taken, String::from_utf8_lossy(&answer).into_owned())
        };
        tokio::task::spawn_blocking(exchange).await.unwrap()
    }

    /// A GET for `https://host/path` on a connection of its own.
    pub(crate) async fn get(&self, sni: Option<&str>, over: Over, host: &str, path: &str, headers: &[(&str, &str)]) -> Attempt {
        let asked = async {
            let stream = self.connect(sni, over).await.map_err(|error| error.to_string())?;
            let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
            let answer = ask(stream, over, host, path, headers).await;
            Ok(answer.unwrap_or_else(Attempt::nothing).resumed(resumed))
        };
        in_time(asked).await
    }
}

/// The same by OpenSSL, which says any name, however wrong, and shows any key, however weak. `shows`: files of a chain and its key.
pub(crate) async fn openssl_get(
    port: u16,
    sni: Option<&str>,
    over: Over,
    shows: Option<(&str, &str)>,
    (host, path): (&str, &str),
    headers: &[(&str, &str)],
) -> Attempt {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}"), "-cipher", "DEFAULT@SECLEVEL=0"]);
    command.args(["-alpn", std::str::from_utf8(over.alpn()).unwrap()]);
    match sni {
        Some(sni) => command.args(["-servername", sni]),
        None => command.arg("-noservername"),
    };
    if let Some((chain, key)) = shows {
        command.args(["-cert", chain, "-key", key]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child: Child = command.spawn().unwrap();
    let pipe = tokio::io::join(child.stdout.take().unwrap(), child.stdin.take().unwrap());
    in_time(ask(pipe, over, host, path, headers)).await
}

/// Runs OpenSSL in a folder; it has to succeed.
pub(crate) async fn openssl(folder: &std::path::Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let done = command.output().await.unwrap();
    assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

async fn in_time(asked: impl Future<Output = Result<Attempt, String>>) -> Attempt {
    match tokio::time::timeout(Duration::from_secs(20), asked).await {
        Ok(heard) => heard.unwrap_or_else(Attempt::nothing),
        Err(_late) => panic!("neither an answer nor an end"),
    }
}

async fn ask<S>(stream: S, over: Over, host: &str, path: &str, headers: &[(&str, &str)]) -> Result<Attempt, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut request = Request::builder().method(Method::GET);
    request = match over {
        Over::Http1 => request.uri(path).header("host", host),
        Over::Http2 => request.uri(format!("https://{host}{path}")).version(Version::HTTP_2),
    };
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::new())).map_err(|error| error.to_string())?;
    let stream = TokioIo::new(stream);
    let words = |error: hyper::Error| format!("{error:?}");
    let reply = match over {
        Over::Http1 => {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(words)?;
            tokio::spawn(connection);
            sender.send_request(request).await.map_err(words)?
        }
        Over::Http2 => {
            let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
            let (mut sender, connection) = shaken.map_err(words)?;
            tokio::spawn(connection);
            sender.send_request(request).await.map_err(words)?
        }
    };
    let status = Some(reply.status().as_u16());
    let body = reply.into_body().collect().await.map_err(words)?.to_bytes();
    Ok(Attempt { status, body, resumed: false, trouble: String::new() })
}

impl Over {
    fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

impl Attempt {
    fn nothing(trouble: String) -> Self {
        Self { status: None, body: Bytes::new(), resumed: false, trouble }
    }

    fn resumed(self, resumed: bool) -> Self {
        Self { resumed, ..self }
    }

    /// Whether an app may have answered.
    pub(crate) fn is_served(&self) -> bool {
        self.status.is_some_and(|status| status < 300)
    }

    /// The reason in the answer's problem JSON.
    pub(crate) fn reason(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        problem["reason"].as_str().unwrap_or_default().to_owned()
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resumed = if self.resumed { "resumed, " } else { "" };
        match self.status {
            Some(status) => write!(f, "{resumed}{status}: {}", String::from_utf8_lossy(&self.body)),
            None => write!(f, "{resumed}no answer: {}", self.trouble),
        }
    }
}
