//! A syslog server that takes a checkpoint as a message of RFC 5424.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket, UnixDatagram};

use super::{SinkError, TIMEOUT};
use crate::clock::Timestamp;
use crate::config::SyslogAddress;
use crate::outbound::Resolver;

/// Sends each checkpoint to a syslog server. Over UDP and a Unix socket, what was sent counts as taken: nobody confirms it.
#[derive(Debug)]
pub(in crate::record::keep) struct Syslog {
    address: SyslogAddress,
    hostname: String,
    timeout: Duration,
    socket: Option<Socket>,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixDatagram),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Syslog {
    pub(in crate::record::keep) fn new(address: SyslogAddress) -> Self {
        Self { address, hostname: hostname(), timeout: TIMEOUT, socket: None }
    }

    pub(super) async fn send(&mut self, line: &str, at: Timestamp) -> Result<(), SinkError> {
        let message = message(&self.hostname, line, at);
        let timeout = self.timeout;
        match tokio::time::timeout(timeout, self.exchange(&message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => {
                self.socket = None;
                Err(SinkError::Unreachable { to: self.address.to_string(), source })
            }
            Err(_elapsed) => {
                self.socket = None;
                Err(SinkError::TimedOut { to: self.address.to_string(), after: timeout })
            }
        }
    }

    async fn exchange(&mut self, message: &str) -> io::Result<()> {
        if self.socket.as_ref().is_some_and(Socket::is_gone) {
            self.socket = None;
        }
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(connect(&self.address).await?),
        };
        match socket {
            Socket::Unix(socket) => whole(socket.send(message.as_bytes()).await?, message),
            Socket::Udp(socket) => whole(socket.send(message.as_bytes()).await?, message),
            // Octet counting (RFC 6587, section 3.4.1): a message may have anything in it.
            Socket::Tcp(stream) => stream.write_all(format!("{} {message}", message.len()).as_bytes()).await,
        }
    }
}

impl Socket {
    /// Whether the server has closed the connection. It has nothing to say to us, so there is nothing else to read.
    fn is_gone(&self) -> bool {
        match self {
            Self::Tcp(stream) => match stream.try_read(&mut [0; 64]) {
                Ok(read) => read == 0,
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            },
            // A server that was started again has another socket under the same name; the next send fails, and connects anew.
            Self::Unix(_) | Self::Udp(_) => false,
        }
    }
}

async fn connect(address: &SyslogAddress) -> io::Result<Socket> {
    match address {
        SyslogAddress::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            Ok(Socket::Unix(socket))
        }
        SyslogAddress::Udp(host, port) => {
            let to = first_that(host, *port, async |to| {
                let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                let socket = UdpSocket::bind((any, 0)).await?;
                socket.connect(to).await?;
                Ok(socket)
            });
            Ok(Socket::Udp(to.await?))
        }
        SyslogAddress::Tcp(host, port) => {
            let stream = first_that(host, *port, async |to| TcpStream::connect(to).await).await?;
            stream.set_nodelay(true)?;
            Ok(Socket::Tcp(stream))
        }
    }
}

/// What `connect` makes of the first address of `host` that it can use.
async fn first_that<T>(host: &str, port: u16, connect: impl AsyncFn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![(address, 0).into()],
        Err(_name) => Resolver::addresses(host).await?,
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match connect((address.ip(), port).into()).await {
            Ok(made) => return Ok(made),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn whole(sent: usize, message: &str) -> io::Result<()> {
    if sent == message.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// RFC 5424, section 6: facility 13 (log audit), severity 5 (notice). No byte order mark: it is all ASCII, or JSON that says what it is.
fn message(hostname: &str, line: &str, at: Timestamp) -> String {
    format!("<{}>1 {at} {hostname} sekisho {} checkpoint - {line}", 13 * 8 + 5, std::process::id())
}

/// As RFC 5424, section 6.2.4 wants it; `-` if there is none of that form.
fn hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let plain = !name.is_empty() && name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_graphic());
    if plain { name } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    const AT: Timestamp = Timestamp(1_790_000_000_123);

    /// The message, after checking all that stands before it.
    fn content(message: &[u8]) -> String {
        let text = std::str::from_utf8(message).unwrap();
        let parts: Vec<_> = text.splitn(8, ' ').collect();
        assert_eq!(parts[..2], ["<109>1", "2026-09-21T14:13:20.123Z"]);
        assert!(!parts[2].is_empty());
        assert_eq!(parts[3..7], ["sekisho", &std::process::id().to_string(), "checkpoint", "-"]);
        parts[7].to_owned()
    }

    fn long() -> String {
        format!("{{\"checkpoint\":1,\"x\":\"{}\"}}", "y".repeat(5000))
    }

    #[tokio::test]
    async fn a_unix_socket_gets_it_also_after_it_was_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut syslog = Syslog::new(SyslogAddress::Unix(path.clone()));
        assert!(matches!(syslog.send("x", AT).await, Err(SinkError::Unreachable { .. })));
        for _ in 0..2 {
            let server = UnixDatagram::bind(&path).unwrap();
            // The first try may find the socket of the server that was here before.
            if syslog.send(&long(), AT).await.is_err() {
                syslog.send(&long(), AT).await.unwrap();
            }
            let mut buffer = vec![0; 64 << 10];
            let read = server.recv(&mut buffer).await.unwrap();
            assert_eq!(content(&buffer[..read]), long());
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[tokio::test]
    async fn a_udp_server_gets_it() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut syslog = Syslog::new(SyslogAddress::Udp("localhost".into(), server.local_addr().unwrap().port()));
        syslog.send(&long(), AT).await.unwrap();
        let mut buffer = vec![0; 64 << 10];
        let read = server.recv(&mut buffer).await.unwrap();
        assert_eq!(content(&buffer[..read]), long());
    }

    async fn counted(stream: &mut TcpStream) -> String {
        let mut length = 0;
        loop {
            match stream.read_u8().await.unwrap() {
                b' ' => break,
                digit => length = length * 10 + usize::from(digit - b'0'),
            }
        }
        let mut message = vec![0; length];
        stream.read_exact(&mut message).await.unwrap();
        content(&message)
    }

    #[tokio::test]
    async fn a_tcp_server_gets_them_counted_and_another_connection_if_it_closes_one() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut syslog = Syslog::new(SyslogAddress::Tcp("127.0.0.1".into(), server.local_addr().unwrap().port()));
        for _ in 0..2 {
            syslog.send("{\"checkpoint\":1}", AT).await.unwrap();
            let (mut stream, _) = server.accept().await.unwrap();
            syslog.send(&long(), AT).await.unwrap();
            assert_eq!(counted(&mut stream).await, "{\"checkpoint\":1}");
            assert_eq!(counted(&mut stream).await, long());
            drop(stream);
            let Some(Socket::Tcp(stream)) = &syslog.socket else { panic!("it keeps its connection") };
            stream.readable().await.unwrap();
        }
        drop(server);
        assert!(matches!(syslog.send("x", AT).await, Err(SinkError::Unreachable { .. })));
    }

    #[tokio::test]
    async fn a_server_that_takes_nothing_does_not_keep_us() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut syslog = Syslog::new(SyslogAddress::Tcp("127.0.0.1".into(), server.local_addr().unwrap().port()));
        syslog.timeout = Duration::from_millis(200);
        let much = "x".repeat(64 << 20);
        assert!(matches!(syslog.send(&much, AT).await, Err(SinkError::TimedOut { .. })));
        assert!(syslog.socket.is_none(), "half a message is in it");
    }
}
