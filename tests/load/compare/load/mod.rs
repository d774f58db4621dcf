//! The load: clients with certificates that ask again as soon as they were answered.

mod connection;
mod feed;
mod http1;
mod http2;
mod tally;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

use super::order::{Order, Outcome, Way};

/// Runs it, as a process of its own.
pub(crate) fn run(order: &Order) -> Outcome {
    match order.way {
        Way::Http2 => http2::run(order),
        _ => http1::run(order),
    }
}

/// A connection from one of 250 addresses in turn, so that ports do not run out and no address is crowded.
fn connect(number: usize, to: SocketAddr) -> std::io::Result<std::net::TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let from = Ipv4Addr::new(127, 0, 2, 1 + (number % 250) as u8);
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&to.into())?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}
