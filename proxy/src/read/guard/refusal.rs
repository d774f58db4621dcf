//! Why the framing of a request was refused.

use http::StatusCode;

/// Why a request's framing was refused. The words are for the client; [`as_str`](Self::as_str) is for metrics and the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FramingRefusal {
    /// A line ends in LF alone.
    #[error("a line ends in LF without CR")]
    BareLf,
    /// A CR stands where no line ends.
    #[error("a CR without LF")]
    BareCr,
    /// Something other than a request line begins the request.
    #[error("an empty line where a request line should be")]
    BlankLine,
    /// Not `method SP target SP version`.
    #[error("the request line is not `method target version`")]
    RequestLine,
    /// Not a token of at most 32 characters.
    #[error("the method is not a token")]
    Method,
    /// `CONNECT`: this is not a forward proxy, and what follows could be a tunnel.
    #[error("CONNECT is not served")]
    Connect,
    /// Not one of the forms of RFC 9112 section 3.2, or with a byte that has no place there.
    #[error("the request target is malformed")]
    Target,
    /// A `#`, which is never sent.
    #[error("the request target has a fragment")]
    Fragment,
    /// Longer than `limits.target_bytes`.
    #[error("the request target is too long")]
    TargetTooLong,
    /// Not `HTTP/digit.digit`.
    #[error("the protocol version is malformed")]
    Version,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    #[error("this protocol version is not served here")]
    VersionUnsupported,
    /// Larger than `limits.head_bytes`.
    #[error("the request's head is too large")]
    HeadTooLarge,
    /// More header lines than `limits.headers`.
    #[error("the request has too many header lines")]
    TooManyHeaders,
    /// Not a token, or no colon after it.
    #[error("a header name is not a token")]
    HeaderName,
    /// White space between name and colon.
    #[error("white space before a header's colon")]
    SpaceBeforeColon,
    /// A line begins with white space.
    #[error("a header line begins with white space")]
    ObsoleteFold,
    /// A control character.
    #[error("a header value has a control character")]
    HeaderValue,
    /// No `Host`, in either version.
    #[error("no Host header")]
    HostMissing,
    /// More than one `Host`, equal or not.
    #[error("more than one Host header")]
    HostTwice,
    /// A character that no host name or port has.
    #[error("the Host header is malformed")]
    Host,
    /// Not 1*DIGIT, or beyond 2^63.
    #[error("the Content-Length is not a number")]
    ContentLength,
    /// More than one `Content-Length`, equal or not.
    #[error("more than one Content-Length header")]
    ContentLengthTwice,
    /// Anything but `chunked`.
    #[error("the Transfer-Encoding is not `chunked`")]
    TransferEncoding,
    /// More than one `Transfer-Encoding`.
    #[error("more than one Transfer-Encoding header")]
    TransferEncodingTwice,
    /// `Transfer-Encoding` in HTTP/1.0.
    #[error("Transfer-Encoding in HTTP/1.0")]
    TransferEncodingTooOld,
    /// Both `Content-Length` and `Transfer-Encoding`.
    #[error("both Content-Length and Transfer-Encoding")]
    TwoLengths,
    /// `Connection` is not a list of tokens.
    #[error("the Connection header is not a list of tokens")]
    Connection,
    /// The head did not come within `limits.header_timeout`.
    #[error("the request's head took too long")]
    HeadTimeout,
    /// A chunk's size is not 1*HEXDIG, or beyond 2^63.
    #[error("a chunk size is malformed")]
    ChunkSize,
    /// Not `;name`, `;name=token` or `;name="text"`, or too much of it.
    #[error("a chunk extension is malformed or too long")]
    ChunkExtension,
    /// A chunk's data is not followed by CRLF.
    #[error("a chunk is not followed by CRLF")]
    ChunkEnd,
    /// Far more framing than data.
    #[error("the chunks have more framing than data")]
    ChunkOverhead,
    /// A trailer line is malformed.
    #[error("a trailer line is malformed")]
    Trailer,
    /// More trailers, or longer ones, than anybody needs.
    #[error("the trailers are too large")]
    TrailersTooLarge,
}

impl FramingRefusal {
    /// Every reason, for tables and tests.
    pub const ALL: [Self; 34] = [
        Self::BareLf,
        Self::BareCr,
        Self::BlankLine,
        Self::RequestLine,
        Self::Method,
        Self::Connect,
        Self::Target,
        Self::Fragment,
        Self::TargetTooLong,
        Self::Version,
        Self::VersionUnsupported,
        Self::HeadTooLarge,
        Self::TooManyHeaders,
        Self::HeaderName,
        Self::SpaceBeforeColon,
        Self::ObsoleteFold,
        Self::HeaderValue,
        Self::HostMissing,
        Self::HostTwice,
        Self::Host,
        Self::ContentLength,
        Self::ContentLengthTwice,
        Self::TransferEncoding,
        Self::TransferEncodingTwice,
        Self::TransferEncodingTooOld,
        Self::TwoLengths,
        Self::Connection,
        Self::HeadTimeout,
        Self::ChunkSize,
        Self::ChunkExtension,
        Self::ChunkEnd,
        Self::ChunkOverhead,
        Self::Trailer,
        Self::TrailersTooLarge,
    ];

    /// The label in metrics and the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BareLf => "bare_lf",
            Self::BareCr => "bare_cr",
            Self::BlankLine => "blank_line",
            Self::RequestLine => "request_line",
            Self::Method => "method_malformed",
            Self::Connect => "connect",
            Self::Target => "target",
            Self::Fragment => "fragment",
            Self::TargetTooLong => "target_too_long",
            Self::Version => "version",
            Self::VersionUnsupported => "version_unsupported",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyHeaders => "too_many_headers",
            Self::HeaderName => "header_name",
            Self::SpaceBeforeColon => "space_before_colon",
            Self::ObsoleteFold => "obsolete_fold",
            Self::HeaderValue => "header_value",
            Self::HostMissing => "host_missing",
            Self::HostTwice => "host_twice",
            Self::Host => "host",
            Self::ContentLength => "content_length",
            Self::ContentLengthTwice => "content_length_twice",
            Self::TransferEncoding => "transfer_encoding",
            Self::TransferEncodingTwice => "transfer_encoding_twice",
            Self::TransferEncodingTooOld => "transfer_encoding_too_old",
            Self::TwoLengths => "two_lengths",
            Self::Connection => "connection",
            Self::HeadTimeout => "head_timeout",
            Self::ChunkSize => "chunk_size",
            Self::ChunkExtension => "chunk_extension",
            Self::ChunkEnd => "chunk_end",
            Self::ChunkOverhead => "chunk_overhead",
            Self::Trailer => "trailer",
            Self::TrailersTooLarge => "trailers_too_large",
        }
    }

    /// The status that tells the client.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge | Self::TooManyHeaders | Self::TrailersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ChunkOverhead => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Connect => StatusCode::NOT_IMPLEMENTED,
            Self::VersionUnsupported => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::HeadTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BareLf
            | Self::BareCr
            | Self::BlankLine
            | Self::RequestLine
            | Self::Method
            | Self::Target
            | Self::Fragment
            | Self::Version
            | Self::HeaderName
            | Self::SpaceBeforeColon
            | Self::ObsoleteFold
            | Self::HeaderValue
            | Self::HostMissing
            | Self::HostTwice
            | Self::Host
            | Self::ContentLength
            | Self::ContentLengthTwice
            | Self::TransferEncoding
            | Self::TransferEncodingTwice
            | Self::TransferEncodingTooOld
            | Self::TwoLengths
            | Self::Connection
            | Self::ChunkSize
            | Self::ChunkExtension
            | Self::ChunkEnd
            | Self::Trailer => StatusCode::BAD_REQUEST,
        }
    }
}
