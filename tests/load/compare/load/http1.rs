//! HTTP/1.1, by hand: no more than a read, a write and the cryptography for each request, so that the proxy is what is busy.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::ClientConfig;

use super::super::order::{Order, Outcome, Way};
use super::connection::{Buffers, Came, Connection};
use super::feed::Feed;
use super::tally::Tally;
use super::{connect, tls};

/// All connections and what they share.
struct Load<'a> {
    order: &'a Order,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    /// Places in `connections`.
    free: Vec<usize>,
    configs: Vec<Arc<ClientConfig>>,
    feed: Feed,
    tally: Tally,
    opened: usize,
    /// Connections that had no answer yet.
    opening: usize,
    /// All have had their first answer; until then, those that have wait for the others.
    running: bool,
    /// Where requests come at their own pace: when the next of each connection is due.
    due: Vec<Instant>,
}

pub(super) fn run(order: &Order) -> Outcome {
    let further = match order.way {
        Way::Connections => "Connection: close\r\n",
        Way::WebSocket => {
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        }
        _ => "",
    };
    let mut load = Load {
        order,
        poll: Poll::new().unwrap(),
        connections: (0..order.connections).map(|_| None).collect(),
        free: (0..order.connections).rev().collect(),
        configs: (0..order.devices).map(|device| tls::client(&order.keys, device, b"http/1.1")).collect(),
        feed: Feed::new(order, further),
        tally: Tally::new(order),
        opened: 0,
        opening: 0,
        running: matches!(order.way, Way::Connections | Way::WebSocket),
        due: Vec::new(),
    };
    load.go();
    load.tally.into_outcome()
}

impl Load<'_> {
    fn go(&mut self) {
        let (mut events, mut buffers) = (Events::with_capacity(1024), Buffers::new());
        let mut patience = None;
        while self.goes_on() {
            self.open_more();
            self.turn(&mut events, &mut buffers);
            if self.all_stand() {
                if self.order.way == Way::Idle {
                    return self.rest(&mut events, &mut buffers);
                }
                if !self.running {
                    self.start();
                }
                self.ask_what_is_due();
                self.tally.look();
            }
            // What is under way is waited for, so that the record has a line for each answer; but not for ever.
            if self.tally.over && patience.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return self.tally.broke("an answer that never came");
            }
        }
        self.tally.end();
    }

    /// Everybody asks at once, or in turn where there is a beat.
    fn start(&mut self) {
        self.running = true;
        let connections = self.connections.len();
        if let Some(beat) = self.order.beat {
            let first = |slot| Instant::now() + Duration::from_secs_f64(beat * f64::from(slot) / connections as f64);
            self.due = (0..u32::try_from(connections).unwrap()).map(first).collect();
            return;
        }
        for slot in 0..connections {
            self.ask_on(slot, Instant::now());
        }
    }

    fn ask_what_is_due(&mut self) {
        let now = Instant::now();
        for slot in 0..self.due.len() {
            let idle = self.connections[slot].as_ref().is_some_and(Connection::is_idle);
            if idle && self.due[slot] <= now {
                self.ask_on(slot, now);
            }
        }
    }

    fn ask_on(&mut self, slot: usize, asked: Instant) {
        if let Some(mut connection) = self.connections[slot].take() {
            let ended = self.tally.over || self.next(&mut connection, asked);
            self.connections[slot] = Some(connection);
            self.look_after(slot, ended, Ok(()));
            if let (Some(beat), Some(due)) = (self.order.beat, self.due.get_mut(slot)) {
                *due += Duration::from_secs_f64(beat);
            }
        }
    }

    fn goes_on(&self) -> bool {
        let open = self.free.len() < self.connections.len();
        if self.tally.over { open } else { self.tally.broken() < MOST_BROKEN && (open || !self.all_opened()) }
    }

    fn all_opened(&self) -> bool {
        self.order.way != Way::Connections && self.opened >= self.order.connections
    }

    fn all_stand(&self) -> bool {
        self.order.way == Way::Connections || self.all_opened() && self.opening == 0
    }

    fn turn(&mut self, events: &mut Events, buffers: &mut Buffers) {
        let patience = Duration::from_millis(if self.due.is_empty() { 5 } else { 1 });
        if let Err(error) = self.poll.poll(events, Some(patience)) {
            assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
        }
        for event in &*events {
            self.serve(event.token().0, buffers);
        }
    }

    /// Leaves everything open and quiet for a while, and reads the proxy's memory then.
    fn rest(&mut self, events: &mut Events, buffers: &mut Buffers) {
        let until = Instant::now() + Duration::from_secs_f64(self.order.seconds);
        while Instant::now() < until {
            self.turn(events, buffers);
        }
        self.tally.idle(self.connections.len() - self.free.len());
    }

    fn open_more(&mut self) {
        while self.opening < OPENING_AT_ONCE && !self.all_opened() && !self.tally.over {
            let Some(slot) = self.free.pop() else { return };
            if self.open(slot).is_none() {
                self.free.push(slot);
                return;
            }
        }
    }

    fn open(&mut self, slot: usize) -> Option<()> {
        let (asked, number) = (Instant::now(), self.opened);
        self.opened += 1;
        let ask = self.feed.next(number)?;
        let socket = connect(number, self.order.to).map_err(|error| self.tally.broke(&format!("connect: {error}"))).ok()?;
        let mut socket = TcpStream::from_std(socket);
        self.poll.registry().register(&mut socket, Token(slot), Interest::READABLE | Interest::WRITABLE).unwrap();
        let mut connection = Connection::new(number, socket, &self.configs[number % self.order.devices], &ask.host, asked);
        connection.ask(&ask.text, asked);
        connection.flush().map_err(|error| self.tally.broke(&error.to_string())).ok()?;
        self.opening += 1;
        self.connections[slot] = Some(connection);
        Some(())
    }

    /// Reads and writes what can be.
    fn serve(&mut self, slot: usize, buffers: &mut Buffers) {
        let Some(mut connection) = self.connections[slot].take() else { return };
        let mut done = false;
        let read = connection.read(buffers, |connection, came| done |= self.came(connection, came));
        self.connections[slot] = Some(connection);
        self.look_after(slot, done, read);
    }

    /// Sends what is to be sent, and ends the connection if it is done or broken.
    fn look_after(&mut self, slot: usize, done: bool, so_far: io::Result<()>) {
        let Some(mut connection) = self.connections[slot].take() else { return };
        match so_far.and_then(|()| connection.flush()) {
            Ok(()) if !done => return self.connections[slot] = Some(connection),
            Ok(()) => {}
            Err(_) if done => {}
            Err(error) => self.tally.broke(&error.to_string()),
        }
        self.opening -= usize::from(!connection.stands);
        self.free.push(slot);
    }

    /// Whether the connection has done all that it was for.
    fn came(&mut self, connection: &mut Connection, came: Came) -> bool {
        if !connection.stands && matches!(came, Came::Answer(_) | Came::Socket) {
            connection.stands = true;
            self.opening -= 1;
        }
        match came {
            Came::Bytes(count) => {
                self.tally.body(count);
                return false;
            }
            Came::Answer(status) => self.tally.answer(status, connection.asked),
            Came::Socket => self.tally.upgraded(),
            Came::Message => self.tally.message(connection.asked),
        }
        match self.order.way {
            Way::Connections => true,
            Way::Idle => false,
            _ if self.tally.over => true,
            Way::WebSocket => {
                connection.send(&FRAME, FRAME.len() - MASK);
                false
            }
            _ if !self.running => false,
            Way::Http1 | Way::Http2 => self.next_after_answer(connection),
        }
    }

    /// Asks what is next. Where there is a beat that only is what should have been asked before: that it had to wait for this answer
    /// counts as waiting.
    fn next_after_answer(&mut self, connection: &mut Connection) -> bool {
        let now = Instant::now();
        let (Some(beat), Some(due)) = (self.order.beat, self.due.get_mut(connection.number)) else {
            return self.next(connection, now);
        };
        let late = *due;
        if late > now {
            return false;
        }
        *due += Duration::from_secs_f64(beat);
        self.next(connection, late)
    }

    /// Asks what is next, as if at `asked`; whether there is nothing more to ask.
    fn next(&mut self, connection: &mut Connection, asked: Instant) -> bool {
        let Some(ask) = self.feed.next(connection.number) else {
            self.tally.end();
            return true;
        };
        connection.ask(&ask.text, asked);
        false
    }
}

/// Handshakes at once. More would wait in the proxy's queue.
const OPENING_AT_ONCE: usize = 64;
const MOST_BROKEN: u64 = 1000;
const PATIENCE: Duration = Duration::from_secs(30);

/// A message of 64 bytes, final and masked; its echo is without the mask.
const FRAME: [u8; 2 + MASK + 64] = {
    let mut frame = [b's'; 2 + MASK + 64];
    (frame[0], frame[1]) = (0x82, 0x80 | 64);
    frame
};
const MASK: usize = 4;
