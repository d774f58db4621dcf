//! What connections ask: requests that were written beforehand, for each device its own.

use super::super::order::{Order, Take};

/// A request's parts.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) host: String,
    /// A header line: `Authorization: …` or `Cookie: …`.
    pub(super) credential: String,
    /// The whole of it as HTTP/1.1 has it.
    pub(super) text: Vec<u8>,
}

/// All requests.
#[derive(Debug)]
pub(super) struct Feed {
    asks: Vec<Vec<Ask>>,
    next: Vec<usize>,
    take: Take,
}

impl Feed {
    pub(super) fn new(order: &Order, further: &str) -> Self {
        let lines = std::fs::read_to_string(&order.credentials).unwrap();
        let mut asks = vec![Vec::new(); order.devices];
        for (number, credential) in lines.lines().enumerate() {
            let host = order.hosts[number % order.hosts.len()].clone();
            let text = format!(
                "GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: compare\r\nAccept: */*\r\n{credential}\r\n{further}\r\n",
                order.path
            );
            let ask = Ask { host, credential: credential.to_owned(), text: text.into_bytes() };
            asks[number % order.devices].push(ask);
        }
        Self { next: vec![0; order.devices], asks, take: order.take }
    }

    /// What connection `number` asks next; `None` when everything was asked, or its device has nothing to show.
    pub(super) fn next(&mut self, number: usize) -> Option<&Ask> {
        let device = number % self.asks.len();
        let asks = &self.asks[device];
        let at = match self.take {
            Take::Same => (number / self.asks.len()).checked_rem(asks.len())?,
            Take::Turn | Take::Once => {
                let at = self.next[device];
                self.next[device] += 1;
                if self.take == Take::Turn { at.checked_rem(asks.len())? } else { at }
            }
        };
        asks.get(at)
    }
}
