//! PROXY protocol, version 2 (haproxy.org, `proxy-protocol.txt` section 2.2): a balancer says whom it speaks for.
//!
//! Required from listed balancers, and read from nobody else: from others its first bytes are no TLS record, and the handshake
//! fails. Nothing behind the header is read.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The connection is this client's. Canonical: no IPv4-mapped IPv6.
    Client(SocketAddr),
    /// The connection is the balancer's own (`LOCAL`, a health check), or it does not know whose it is (`UNSPEC`).
    Nothing,
}

/// Why a header was refused. The connection is closed.
#[derive(Debug, thiserror::Error)]
pub enum ProxyProtocolError {
    /// It does not begin with the signature of version 2.
    #[error("a listed balancer did not send a PROXY protocol header")]
    Missing,
    /// The text form.
    #[error("a listed balancer sent PROXY protocol version 1; version 2 is needed")]
    Version1,
    /// Another version or command than 2 and LOCAL or PROXY.
    #[error("the PROXY protocol header has an unknown version or command")]
    Unknown,
    /// Neither TCP over IPv4 nor over IPv6.
    #[error("the PROXY protocol header is not about TCP over IP")]
    Family,
    /// Too short for its addresses, or longer than anybody needs.
    #[error("the PROXY protocol header has an impossible length")]
    Length,
    /// It did not come in time.
    #[error("the PROXY protocol header took too long")]
    TimedOut,
    /// The connection failed.
    #[error("the connection ended within the PROXY protocol header")]
    Io(#[from] io::Error),
}

impl ProxyProtocolError {
    /// The label in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Version1 => "version_1",
            Self::Unknown => "unknown",
            Self::Family => "family",
            Self::Length => "length",
            Self::TimedOut => "timed_out",
            Self::Io(_) => "io",
        }
    }
}

/// Reads a header off `stream`, and not a byte more.
///
/// # Errors
/// [`ProxyProtocolError`]; the stream is then of no use.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S, deadline: Duration) -> Result<Said, ProxyProtocolError> {
    tokio::time::timeout(deadline, read_header(stream)).await.map_err(|_elapsed| ProxyProtocolError::TimedOut)?
}

async fn read_header<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Said, ProxyProtocolError> {
    let mut fixed = [0; FIXED];
    stream.read_exact(&mut fixed).await?;
    let rest = length(&fixed)?;
    let mut body = vec![0; rest];
    stream.read_exact(&mut body).await?;
    addresses(&fixed, &body)
}

/// What the header at the front of `bytes` says, and how long it is. For a slice that has it whole.
///
/// # Errors
/// [`ProxyProtocolError`]; `Io` (unexpected end) if the slice is too short.
pub fn parse(bytes: &[u8]) -> Result<(Said, usize), ProxyProtocolError> {
    let short = || ProxyProtocolError::Io(io::ErrorKind::UnexpectedEof.into());
    let (fixed, rest) = bytes.split_first_chunk::<FIXED>().ok_or_else(short)?;
    let len = length(fixed)?;
    let body = rest.get(..len).ok_or_else(short)?;
    Ok((addresses(fixed, body)?, FIXED + len))
}

/// How many bytes follow the fixed ones.
fn length(fixed: &[u8; FIXED]) -> Result<usize, ProxyProtocolError> {
    if !fixed.starts_with(SIGNATURE) {
        let version1 = fixed.starts_with(b"PROXY ");
        return Err(if version1 { ProxyProtocolError::Version1 } else { ProxyProtocolError::Missing });
    }
    let [.., high, low] = *fixed;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > MOST { Err(ProxyProtocolError::Length) } else { Ok(len) }
}

fn addresses(fixed: &[u8; FIXED], body: &[u8]) -> Result<Said, ProxyProtocolError> {
    let [.., command, family, _high, _low] = *fixed;
    match (command, family) {
        (LOCAL, _) | (PROXY, UNSPEC) => Ok(Said::Nothing),
        (PROXY, TCP4) => {
            let ([source, _target, ports], _extensions) = split::<3, 4>(body)?;
            let address = IpAddr::V4(Ipv4Addr::from(source));
            Ok(Said::Client(SocketAddr::new(address, source_port(&ports))))
        }
        (PROXY, TCP6) => {
            let ([source, _target], rest) = split::<2, 16>(body)?;
            let ([ports], _extensions) = split::<1, 4>(rest)?;
            let address = IpAddr::V6(Ipv6Addr::from(source)).to_canonical();
            Ok(Said::Client(SocketAddr::new(address, source_port(&ports))))
        }
        (PROXY, _) => Err(ProxyProtocolError::Family),
        _ => Err(ProxyProtocolError::Unknown),
    }
}

/// `N` groups of `M` bytes, and what is behind them.
fn split<const N: usize, const M: usize>(body: &[u8]) -> Result<([[u8; M]; N], &[u8]), ProxyProtocolError> {
    let mut groups = [[0; M]; N];
    let mut rest = body;
    for group in &mut groups {
        let (first, after) = rest.split_first_chunk::<M>().ok_or(ProxyProtocolError::Length)?;
        *group = *first;
        rest = after;
    }
    Ok((groups, rest))
}

fn source_port(ports: &[u8; 4]) -> u16 {
    let [high, low, ..] = *ports;
    u16::from_be_bytes([high, low])
}

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPEC: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
/// Addresses and extensions together. Balancers send some dozens of bytes; certificates as extensions stay below this.
const MOST: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &len, body].concat()
    }

    fn label(bytes: &[u8]) -> &'static str {
        parse(bytes).unwrap_err().as_str()
    }

    const V4: &[u8] = &[192, 0, 2, 7, 10, 0, 0, 1, 0x9c, 0x40, 0x01, 0xbb];

    fn v6(source: &str) -> Vec<u8> {
        let source = source.parse::<Ipv6Addr>().unwrap().octets();
        [&source[..], &[0; 16], &[0x9c, 0x40, 0x01, 0xbb]].concat()
    }

    #[test]
    fn the_client_is_who_the_balancer_says() {
        let client = |text: &str| Said::Client(text.parse().unwrap());
        assert_eq!(parse(&header(PROXY, TCP4, V4)).unwrap(), (client("192.0.2.7:40000"), 28));
        assert_eq!(parse(&header(PROXY, TCP4, &[V4, b"\x04\0\x03abc"].concat())).unwrap().0, client("192.0.2.7:40000"));
        assert_eq!(parse(&header(PROXY, TCP6, &v6("2001:db8::7"))).unwrap().0, client("[2001:db8::7]:40000"));
        assert_eq!(parse(&header(PROXY, TCP6, &v6("::ffff:192.0.2.7"))).unwrap().0, client("192.0.2.7:40000"));
    }

    #[test]
    fn a_balancer_may_speak_for_itself() {
        for said in [header(LOCAL, UNSPEC, b""), header(LOCAL, TCP4, V4), header(PROXY, UNSPEC, b"x")] {
            assert_eq!(parse(&said).unwrap().0, Said::Nothing);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (bytes, expected) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(), "version_1"),
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03aaaaaaaa".to_vec(), "missing"),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "missing"),
            (header(0x11, TCP4, V4), "unknown"),
            (header(0x22, TCP4, V4), "unknown"),
            (header(PROXY, 0x12, V4), "family"),
            (header(PROXY, 0x31, &[0; 216]), "family"),
            (header(PROXY, TCP4, &V4[..11]), "length"),
            (header(PROXY, TCP6, V4), "length"),
            (header(PROXY, TCP4, &[0; 5000]), "length"),
            (header(PROXY, TCP4, V4)[..20].to_vec(), "io"),
            (Vec::new(), "io"),
        ] {
            assert_eq!(label(&bytes), expected, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn nothing_behind_the_header_is_read() {
        let (mut client, mut server) = tokio::io::duplex(256);
        client.write_all(&[&header(PROXY, TCP4, V4)[..], b"rest"].concat()).await.unwrap();
        drop(client);
        assert!(matches!(read(&mut server, Duration::from_secs(5)).await, Ok(Said::Client(_))));
        let mut rest = String::new();
        server.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "rest");
    }

    #[tokio::test]
    async fn a_silent_balancer_is_not_waited_for() {
        let (_client, mut server) = tokio::io::duplex(256);
        assert_eq!(read(&mut server, Duration::from_millis(20)).await.unwrap_err().as_str(), "timed_out");
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..64), command in any::<u8>(), family in any::<u8>()) {
            let _judged = parse(&bytes);
            let whole = header(command, family, &bytes);
            if let Ok((_said, len)) = parse(&whole) {
                prop_assert_eq!(len, whole.len());
            }
        }
    }
}
