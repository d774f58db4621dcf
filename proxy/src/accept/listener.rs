//! Listening sockets: one per core on the same address, so that the kernel spreads connections.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use socket2::{Domain, Protocol, Socket, Type};

/// Listens on `address` with `SO_REUSEPORT`; `backlog` connections may wait. Not blocking, for tokio.
///
/// # Errors
/// The system's, if the address cannot be had.
pub fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for old connections to time out.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Connections take it over. Without it the kernel holds megabytes that it has not sent: what we think was sent was not, and a
    // slow reader looks like one that stands still, because nothing more is asked for until a third of that has gone.
    socket.set_tcp_notsent_lowat(UNSENT)?;
    // Small pieces go at once, which connections take over too.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Whether nobody listens on `address` yet. [`listen`] cannot tell: with `SO_REUSEPORT`, a second gate of the same user would share
/// the address, and each would get some of the connections.
///
/// # Errors
/// The system's, if the address cannot be had.
pub fn is_free(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

/// Closes a listener, with the connections that were waiting on it: closing a `SO_REUSEPORT` listener resets those, though their
/// clients did nothing wrong. Connections that come while this runs are among them.
#[expect(clippy::needless_pass_by_value, reason = "the listener is closed when this returns")]
pub fn drain(listener: TcpListener) -> Vec<TcpStream> {
    let mut waiting = Vec::new();
    loop {
        match listener.accept() {
            // They do not inherit this from the listener; one that blocks would hold up its whole core.
            Ok((stream, _peer)) => waiting.extend(stream.set_nonblocking(true).is_ok().then_some(stream)),
            // The client gave up in the meantime; the next may not have.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
            // None is left, or no descriptor is.
            Err(_) => return waiting,
        }
    }
}

/// Bytes that the kernel may keep for a client without having sent them (`TCP_NOTSENT_LOWAT`): enough to keep a fast line busy.
pub const UNSENT: u32 = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_listeners_share_an_address() {
        let first = listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let address = first.local_addr().unwrap();
        let second = listen(address, 16).unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
    }

    #[test]
    fn who_waited_when_it_closed_is_served_and_blocks_nobody() {
        let listener = listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let waiting = drain(listener);
        let [mut waiting] = <[TcpStream; 1]>::try_from(waiting).unwrap();
        let nothing_yet = io::Read::read(&mut waiting, &mut [0]).unwrap_err();
        assert_eq!(nothing_yet.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn an_address_is_free_until_somebody_listens() {
        let first = listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let address = first.local_addr().unwrap();
        assert_eq!(is_free(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        is_free(address).unwrap();
    }

    #[test]
    fn connections_hold_little_that_is_unsent() {
        let listener = listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = drain(listener).remove(0);
        assert_eq!(socket2::SockRef::from(&accepted).tcp_notsent_lowat().unwrap(), UNSENT);
        assert!(accepted.nodelay().unwrap());
    }

    #[test]
    fn draining_keeps_those_who_wait() {
        let listener = listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        let waiting = drain(listener);
        assert_eq!(waiting.len(), clients.len());
        assert!(TcpStream::connect(address).is_err());
    }
}
