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
        Self::at(0).unwrap()
    }

    /// Two of them, one after the other.
    pub(crate) fn pair() -> [Self; 2] {
        for _ in 0..100 {
            let first = Self::new();
            if let Some(Ok(second)) = first.number.checked_add(1).map(Self::at) {
                return [first, second];
            }
        }
        panic!("no two ports that are free");
    }

    fn at(number: u16) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], number)).into())?;
        let number = socket.local_addr()?.as_socket().unwrap().port();
        Ok(Self { number, _socket: socket })
    }
}
