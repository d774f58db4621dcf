//! Ports for programs that have to be told one.

use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// A port on loopback that nobody else gets while this lives: bound and not listening. With SO_REUSEADDR, which servers set,
/// another program can take it; with SO_REUSEPORT too, for the gate's own listeners.
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
}
