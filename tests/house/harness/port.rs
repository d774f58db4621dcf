//! Ports for programs that have to be told one.

use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// A port on loopback that nobody else gets while this lives: bound with SO_REUSEPORT and not listening, so that a program of
/// ours that sets the option can take it; with SO_REUSEADDR too, so that it finds the port free when it asks for it alone.
#[derive(Debug)]
pub(crate) struct ReservedPort {
    pub(crate) number: u16,
    _socket: Socket,
}

impl ReservedPort {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let number = socket.local_addr().unwrap().as_socket().unwrap().port();
        Self { number, _socket: socket }
    }

    /// For programs that do not set the option: free a moment ago.
    pub(crate) fn free() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }
}
