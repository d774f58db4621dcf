//! The room from outside: a client, our forwarding behind a bare hyper server, and apps that misbehave byte by byte, all on loopback.

mod early;
mod faults;
mod framing;
mod heads;
mod house;
mod http2;
mod pooling;
mod secure;
mod upstreams;
mod websockets;
