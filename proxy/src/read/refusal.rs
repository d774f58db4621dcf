//! Why a request could not be read.

use crate::config::PathRefusal;

/// Why a request was refused before anybody asked whom it is from. The words are for the client; [`as_str`](Self::as_str) is
/// for metrics and the record. Unless said otherwise the answer is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadRefusal {
    /// An HTTP/1 request without the framing guard's word for it, or with another one than the guard read. Never seen unless
    /// the guard and hyper read differently; the connection must be closed.
    #[error("the connection's framing is not certain")]
    Unguarded,
    /// `CONNECT` (other than for a WebSocket), `TRACE` or `TRACK`: 501.
    #[error("this method is not served")]
    Method,
    /// `OPTIONS *`: 501.
    #[error("requests about the server as a whole are not served")]
    ServerWide,
    /// The target names another scheme than `https`.
    #[error("the scheme is not https")]
    Scheme,
    /// Nothing names a host.
    #[error("no host is named")]
    HostMissing,
    /// More than one `Host`.
    #[error("more than one Host header")]
    HostTwice,
    /// Not a host name with an optional port.
    #[error("the host is malformed")]
    Host,
    /// A user name before the host.
    #[error("the host has a user name in front")]
    Userinfo,
    /// Another port than the one that browsers see.
    #[error("the port is not this gate's")]
    Port,
    /// `Host` and the target name different hosts.
    #[error("the Host header and the request target name different hosts")]
    HostsDiffer,
    /// The path has more than one reading.
    #[error("the path is refused: {0}")]
    Path(PathRefusal),
    /// A byte that has no place in a query.
    #[error("the query has a character that must be percent-encoded")]
    Query,
    /// Longer than `limits.target_bytes`: 414.
    #[error("the request target is too long")]
    TargetTooLong,
    /// A head of HTTP/2 that is larger than `limits.head`: 431.
    #[error("the request's head is too large")]
    HeadTooLarge,
    /// More header lines than `limits.headers`: 431.
    #[error("the request has too many header lines")]
    TooManyHeaders,
    /// HTTP/2 with a header that is about one HTTP/1.1 connection (RFC 9113 section 8.2.2).
    #[error("a connection-specific header in HTTP/2")]
    ConnectionHeader,
    /// `Connection` names a header that is not the connection's business: ours, a credential, or framing.
    #[error("the Connection header names a header that is not about the connection")]
    ConnectionNames,
    /// `Connection` is not a list of tokens.
    #[error("the Connection header is not a list of tokens")]
    Connection,
    /// More than one `Authorization`.
    #[error("more than one Authorization header")]
    AuthorizationTwice,
    /// More than one `Cookie` in HTTP/1 (RFC 6265 section 5.4; HTTP/2 may split it).
    #[error("more than one Cookie header")]
    CookieTwice,
    /// More than one of a header that has one value, such as `Origin` or `Content-Type`.
    #[error("a header that has one value came more than once")]
    HeaderTwice,
    /// An expectation other than `100-continue`: 417.
    #[error("the expectation cannot be met")]
    Expectation,
    /// An upgrade to WebSocket that is not a handshake of RFC 6455 section 4.1.
    #[error("the WebSocket handshake is malformed")]
    WebSocket,
    /// Another version of the WebSocket protocol than 13: 426 with `Sec-WebSocket-Version: 13`.
    #[error("the WebSocket version is not 13")]
    WebSocketVersion,
    /// Extended CONNECT for another protocol than WebSocket: 501.
    #[error("this protocol is not served over extended CONNECT")]
    Protocol,
}

impl ReadRefusal {
    /// The label in metrics and the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unguarded => "unguarded",
            Self::Method => "method_not_served",
            Self::ServerWide => "server_wide",
            Self::Scheme => "scheme",
            Self::HostMissing => "host_missing",
            Self::HostTwice => "host_twice",
            Self::Host => "host",
            Self::Userinfo => "userinfo",
            Self::Port => "port",
            Self::HostsDiffer => "hosts_differ",
            Self::Path(path) => path.as_str(),
            Self::Query => "query",
            Self::TargetTooLong => "target_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyHeaders => "too_many_headers",
            Self::ConnectionHeader => "connection_header",
            Self::ConnectionNames => "connection_names",
            Self::Connection => "connection",
            Self::AuthorizationTwice => "authorization_twice",
            Self::CookieTwice => "cookie_twice",
            Self::HeaderTwice => "header_twice",
            Self::Expectation => "expectation",
            Self::WebSocket => "websocket",
            Self::WebSocketVersion => "websocket_version",
            Self::Protocol => "protocol",
        }
    }
}

impl From<PathRefusal> for ReadRefusal {
    fn from(refusal: PathRefusal) -> Self {
        Self::Path(refusal)
    }
}
