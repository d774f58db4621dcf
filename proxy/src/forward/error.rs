//! Why an exchange with an app failed.

/// An exchange with an app that did not come about, or broke before the app's answer began. What breaks later is a
/// [`BodyError`](super::body::BodyError).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ForwardError {
    /// The app left the configuration between routing and forwarding.
    #[error("the app is no longer in the configuration")]
    UnknownApp,
    /// Nothing accepts connections at the app's address, or its name has no address.
    #[error("the app cannot be reached: its address does not resolve or refuses connections")]
    ConnectFailed,
    /// `timeouts.connect` passed, TLS included.
    #[error("the app did not accept a connection in time")]
    ConnectTimedOut,
    /// The app's certificate is not trusted for its name, or TLS went wrong otherwise. There is no plaintext fall-back.
    #[error("no TLS connection to the app: its certificate is not trusted for its name, or the handshake failed")]
    TlsFailed,
    /// The app is configured as HTTP/2 and did not agree to it.
    #[error("the app did not agree to speak HTTP/2")]
    ProtocolRefused,
    /// `timeouts.first_byte` passed after the request's last byte.
    #[error("the app did not answer in time")]
    FirstByteTimedOut,
    /// The app stopped taking the request's body for `timeouts.idle`.
    #[error("the app stopped reading the request")]
    AppStalled,
    /// The app closed the connection before it answered.
    #[error("the app closed the connection before it answered")]
    AppReset,
    /// What the app sent is not an HTTP answer to this request.
    #[error("the app's answer is malformed")]
    AppAnsweredGarbage,
    /// Every upstream of the app failed its health check.
    #[error("no upstream of the app is healthy")]
    NoHealthyUpstream,
    /// The request's body is larger than `max_body`.
    #[error("the request's body is larger than the app takes")]
    BodyTooLarge,
    /// The framing of the request's body broke in the middle.
    #[error("the request's body is malformed")]
    BodyMalformed,
    /// The client's side ended before its request was complete.
    #[error("the client went away before its request was complete")]
    ClientWentAway,
    /// The client stopped sending its body for `timeouts.idle`.
    #[error("the client stopped sending its request")]
    ClientStalled,
    /// The client sends its body slower than `limits.body_rate`, or for longer than `limits.body_timeout`.
    #[error("the client sent its request too slowly")]
    ClientTooSlow,
    /// The app agreed to a WebSocket in a way that RFC 6455, section 4.1 does not allow.
    #[error("the app's WebSocket handshake is wrong")]
    UpgradeRefused,
    /// A fact about the user has control characters: no header can carry it, and to leave it out would change its meaning.
    #[error("a fact about the user cannot be put into a header")]
    IdentityUnfit,
    /// `Sekisho-Assertion` could not be signed.
    #[error("the identity assertion could not be signed")]
    CannotSign,
    /// The request cannot be written as a message to the app: its path or query is not valid there.
    #[error("the request cannot be expressed to the app")]
    Unexpressible,
}

impl ForwardError {
    /// What the gate refuses by itself after policy has said yes. Of the others the app is the cause, or the client is gone.
    const REFUSALS: [Self; 8] = [
        Self::UnknownApp,
        Self::BodyTooLarge,
        Self::BodyMalformed,
        Self::ClientStalled,
        Self::ClientTooSlow,
        Self::IdentityUnfit,
        Self::CannotSign,
        Self::Unexpressible,
    ];

    /// Whether the gate itself refuses, after policy has said yes: neither did the app fail, nor has the client gone.
    pub fn is_refusal(self) -> bool {
        Self::REFUSALS.contains(&self)
    }

    /// The same of a word in the record.
    pub fn refuses(word: &str) -> bool {
        Self::REFUSALS.iter().any(|why| why.as_str() == word)
    }

    /// The word for it in metrics and the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownApp => "unknown_app",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimedOut => "connect_timed_out",
            Self::TlsFailed => "tls_failed",
            Self::ProtocolRefused => "protocol_refused",
            Self::FirstByteTimedOut => "first_byte_timed_out",
            Self::AppStalled => "app_stalled",
            Self::AppReset => "app_reset",
            Self::AppAnsweredGarbage => "app_answered_garbage",
            Self::NoHealthyUpstream => "no_healthy_upstream",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyMalformed => "body_malformed",
            Self::ClientWentAway => "client_went_away",
            Self::ClientStalled => "client_stalled",
            Self::ClientTooSlow => "client_too_slow",
            Self::UpgradeRefused => "upgrade_refused",
            Self::IdentityUnfit => "identity_unfit",
            Self::CannotSign => "cannot_sign",
            Self::Unexpressible => "unexpressible",
        }
    }

    /// Whether it counts against the upstream when one is to be set aside.
    pub(super) fn blames_upstream(self) -> bool {
        match self {
            Self::ConnectFailed
            | Self::ConnectTimedOut
            | Self::TlsFailed
            | Self::ProtocolRefused
            | Self::FirstByteTimedOut
            | Self::AppStalled
            | Self::AppReset
            | Self::AppAnsweredGarbage => true,
            Self::UnknownApp
            | Self::NoHealthyUpstream
            | Self::BodyTooLarge
            | Self::BodyMalformed
            | Self::ClientWentAway
            | Self::ClientStalled
            | Self::ClientTooSlow
            | Self::UpgradeRefused
            | Self::IdentityUnfit
            | Self::CannotSign
            | Self::Unexpressible => false,
        }
    }
}
