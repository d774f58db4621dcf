//! What helps against a request that nobody can understand, or that is too large: what would have to be sent, and who can see to it.
//! No wildcard arm: a new reason gets its own words.

use crate::read::{FramingRefusal, ReadRefusal};
use crate::sign_in::LogoutRefusal;

/// To the maker of a program.
macro_rules! program {
    ($what:literal) => {
        concat!("Trying again does not help: the program that sent this has to be mended by its makers. ", $what)
    };
}

/// What the framing guard refused.
pub(super) fn framing(why: FramingRefusal) -> &'static str {
    use FramingRefusal as Why;
    match why {
        Why::BareLf => program!("Each line of the head has to end in CR LF."),
        Why::BareCr => program!("CR belongs before the LF at the end of a line, and nowhere else."),
        Why::BlankLine => program!("A request has to begin with its request line."),
        Why::RequestLine => program!("The request line has to be `method target HTTP/1.1`, with one space between them."),
        Why::Method => program!("The method has to be one word, such as GET."),
        Why::Connect => {
            "Trying again does not help: this is no proxy to the outside. Take it out of the program's proxy settings."
        }
        Why::Target => program!("Percent-encode what has no place in an address."),
        Why::Fragment => program!("What follows a `#` in an address is not to be sent."),
        Why::TargetTooLong => TARGET,
        Why::Version => program!("The request line has to end in HTTP/1.1."),
        Why::VersionUnsupported => program!("Use HTTP/1.1 or HTTP/2."),
        Why::HeadTooLarge => HEAD,
        Why::TooManyHeaders => HEADERS,
        Why::HeaderName => program!("Each line of the head has to be a name, a colon and a value."),
        Why::SpaceBeforeColon => program!("The colon has to follow a header's name at once."),
        Why::ObsoleteFold => program!("A header has to stand on one line."),
        Why::HeaderValue => program!("Control characters have no place in a header."),
        Why::HostMissing | Why::HostTwice => ONE_HOST,
        Why::Host => HOST,
        Why::ContentLength => program!("Content-Length has to be the body's length in bytes, in decimal digits."),
        Why::ContentLengthTwice => program!("Send one Content-Length."),
        Why::TransferEncoding => program!("Send the body with a Content-Length, or with `Transfer-Encoding: chunked`."),
        Why::TransferEncodingTwice => program!("Send one Transfer-Encoding."),
        Why::TransferEncodingTooOld => program!("Send a Content-Length, or use HTTP/1.1."),
        Why::TwoLengths => program!("Send either Content-Length or Transfer-Encoding."),
        Why::Connection => CONNECTION,
        Why::HeadTimeout => {
            "Try again, over a better network if there is one. An administrator can give more time with `limits.header_timeout`."
        }
        Why::ChunkSize => program!("A chunk has to begin with its size in hexadecimal digits."),
        Why::ChunkExtension => program!("Leave extensions out of the chunks."),
        Why::ChunkEnd => program!("CR LF has to follow the data of each chunk."),
        Why::ChunkOverhead => program!("Send the body in larger chunks."),
        Why::Trailer => program!("Each line behind the last chunk has to be a name, a colon and a value."),
        Why::TrailersTooLarge => program!("Send fewer trailers, or none."),
    }
}

/// What the reader refused.
pub(super) fn reading(why: ReadRefusal) -> &'static str {
    use ReadRefusal as Why;
    match why {
        Why::Unguarded => "Try again. If it goes on, tell an administrator the request id.",
        Why::Method => "Trying again does not help: the gate hands this method on to no app. Use another.",
        Why::ServerWide => program!("Ask for an address of the app instead of `*`."),
        Why::Scheme => program!("The address has to begin with https://."),
        Why::HostMissing | Why::HostTwice => ONE_HOST,
        Why::Host => HOST,
        Why::Userinfo => "Trying again does not help: take the user name out of the address, and sign in at the gate.",
        Why::Port => {
            "Trying again does not help: use the address as it stands in a browser. For another port, an administrator sets `listen.public_port`."
        }
        Why::HostsDiffer => program!("The Host header and the address have to name the same host."),
        Why::Path(_) => {
            "Trying again does not help: this path can be read in two ways. Write it in another; if the app itself makes such paths, its makers have to mend that."
        }
        Why::Query => program!("Percent-encode it."),
        Why::TargetTooLong => TARGET,
        Why::HeadTooLarge => HEAD,
        Why::TooManyHeaders => HEADERS,
        Why::ConnectionHeader => {
            program!("HTTP/2 has no headers about a connection, such as Connection, Keep-Alive and Upgrade.")
        }
        Why::ConnectionNames => program!("Connection may name only headers that are about this one connection."),
        Why::Connection => CONNECTION,
        Why::AuthorizationTwice => program!("Send one Authorization header."),
        Why::CookieTwice => program!("Send one Cookie header."),
        Why::HeaderTwice => program!("Send Origin, Content-Type and their like once."),
        Why::Expectation => program!("Send it without Expect, or with `Expect: 100-continue`."),
        Why::WebSocket => program!("The handshake has to be that of RFC 6455, section 4.1."),
        Why::WebSocketVersion => program!("Use version 13 of the WebSocket protocol."),
        Why::Protocol => program!("Use CONNECT for WebSockets only."),
    }
}

/// A provider's logout, for whoever looks after the provider.
pub(super) fn logout(why: &LogoutRefusal) -> &'static str {
    use LogoutRefusal as Why;
    match why {
        Why::Malformed => "Trying again does not help: the provider has to send a form with one `logout_token`.",
        Why::Token(_) | Why::Kind(_) | Why::Claims(_) | Why::Nobody => {
            "Trying again does not help: the provider has to send a token as OpenID Connect Back-Channel Logout 1.0 describes it."
        }
        Why::Issuer | Why::Audience => {
            "Trying again does not help: compare the provider's issuer and client with the gate's `issuer` and `client_id`."
        }
        Why::Stale => "Send a new token. If it goes on, compare the provider's clock with the gate's.",
        Why::Replayed => "Send each token once.",
        Why::Throttled { .. } => "Wait, then send it again. The gate's log says why those before it were refused.",
        Why::NoKeys(_) | Why::Store(_) => "Send it again in a moment. If it goes on, the gate's log says why.",
    }
}

/// The framing of a body broke on its way.
pub(super) const BODY: &str = program!("The body has to be framed as the head says, to its end.");
/// The address cannot be handed on.
pub(super) const ADDRESS: &str = program!("Percent-encode what has no place in an address.");
/// One of the gate's own addresses, with a method that it does not take.
pub(super) const OWN_METHOD: &str =
    "Trying again does not help: most of the gate's addresses are read with GET, and forms are sent to them by its own pages.";
/// What an app does not list.
pub(super) const APP_METHOD: &str =
    "Trying again does not help. If the app knows this method, an administrator can add it to the app's `methods`.";
/// What did not come, or not fast enough.
pub(super) const SLOW: &str =
    "Try again, over a better network if there is one. If it goes on, tell an administrator the request id.";
const TARGET: &str = "Trying again does not help: use a shorter address. If the app itself makes such addresses, an administrator can raise `limits.target`.";
const HEAD: &str = "Cookies are the most of it, as a rule: delete those of this site, then try again. If it goes on, an administrator can raise `limits.head`.";
const HEADERS: &str = program!("Send fewer header lines; an administrator can also raise `limits.headers`.");
const ONE_HOST: &str = program!("Send one Host header, with the host of the app.");
const HOST: &str = program!("The Host header has to be the name of a host, with a port behind a colon at most.");
const CONNECTION: &str = program!("The Connection header has to be a list of words.");
