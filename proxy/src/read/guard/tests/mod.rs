//! The guard alone, in front of hyper, and against collections of hostile requests.

mod conformance;
mod hyper;
mod machine;
mod stream;

use std::time::Duration;

use super::head::HeadFacts;
use super::io::GuardTimes;
use super::machine::{Bounds, Machine, Step};
use super::refusal::FramingRefusal;

pub(super) const BOUNDS: Bounds = Bounds { head_bytes: 2048, target_bytes: 256, headers: 16 };
pub(super) const TIMES: GuardTimes = GuardTimes { head: Duration::from_secs(10), idle: Duration::from_secs(10) };

/// What the machine makes of a whole connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) messages: Vec<Message>,
    pub(super) refused: Option<FramingRefusal>,
    pub(super) broken: Option<FramingRefusal>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) head: Vec<u8>,
    pub(super) facts: HeadFacts,
    /// As framed.
    pub(super) body: Vec<u8>,
    pub(super) over: bool,
}

/// Feeds `pieces` one after the other, in the way of a stream: what is not judged yet is kept.
pub(super) fn read<'a>(bounds: Bounds, pieces: impl IntoIterator<Item = &'a [u8]>) -> Reading {
    let mut machine = Machine::new(bounds);
    let mut reading = Reading::default();
    let mut kept = Vec::new();
    for piece in pieces {
        kept.extend_from_slice(piece);
        loop {
            match machine.step(&kept) {
                Step::More => break,
                Step::Head { len, facts } => {
                    let head = kept.drain(..len).collect();
                    let over = facts.body == super::head::BodyFraming::None;
                    let last = !facts.keep_alive && over;
                    reading.messages.push(Message { head, facts, body: Vec::new(), over });
                    if last {
                        return reading;
                    }
                }
                Step::Body { len, over } => {
                    let message = reading.messages.last_mut().unwrap();
                    message.body.extend(kept.drain(..len));
                    message.over = over;
                    if over && !message.facts.keep_alive {
                        return reading;
                    }
                }
                Step::Refused(refusal) => {
                    reading.refused = Some(refusal);
                    return reading;
                }
                Step::Broken { len, refusal } => {
                    let message = reading.messages.last_mut().unwrap();
                    message.body.extend(kept.drain(..len));
                    reading.broken = Some(refusal);
                    return reading;
                }
            }
        }
    }
    reading
}

/// Pieces of requests, sound and not, put together at random: much of it gets past the first line.
pub(super) fn anything() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::*;
    let piece = prop_oneof![
        8 => proptest::sample::select(PIECES).prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 1..4),
    ];
    let mostly = |sound: &'static [&'static str], odd: &'static [&'static str]| prop_oneof![12 => proptest::sample::select(sound), 1 => proptest::sample::select(odd)];
    let body = prop_oneof![6 => proptest::sample::select(SOUND_BODIES), 1 => proptest::sample::select(ODD_BODIES)];
    let fields = proptest::collection::vec(mostly(SOUND_FIELDS, ODD_FIELDS), 0..4);
    let request = (mostly(SOUND_LINES, ODD_LINES), fields, body).prop_map(|(line, fields, (field, body))| {
        let mut request = format!("{line}\r\nHost: app.test\r\n").into_bytes();
        for field in fields.into_iter().chain(std::iter::once(field)) {
            request.extend_from_slice(field.as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body.as_bytes());
        request
    });
    let part = prop_oneof![12 => request, 1 => piece];
    let connection = proptest::collection::vec(part, 1..5).prop_map(|parts| parts.concat());
    // And now and then one byte is something else.
    (connection, proptest::option::weighted(0.3, (any::<proptest::sample::Index>(), any::<u8>()))).prop_map(
        |(mut bytes, change)| {
            if let Some((at, byte)) = change {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

const SOUND_LINES: &[&str] = &[
    "GET / HTTP/1.1",
    "GET /a/b?c=d&e=%20 HTTP/1.1",
    "POST /x HTTP/1.1",
    "PUT /{x}\"y\\z HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "GET https://app.test/a?b HTTP/1.1",
    "GET http://app.test HTTP/1.1",
    "GET https://[::1]:443 HTTP/1.1",
    "X-METHOD /x HTTP/1.1",
];

const ODD_LINES: &[&str] = &[
    "GET /x HTTP/1.0",
    "GET https://a:b:c/ HTTP/1.1",
    "GET /x#y HTTP/1.1",
    "GET * HTTP/1.1",
    "CONNECT app.test:443 HTTP/1.1",
    "GET /x HTTP/1.2",
    "GET ?x HTTP/1.1",
];

const SOUND_FIELDS: &[&str] = &[
    "Accept: */*\r\n",
    "accept:\t text/html \t\r\n",
    "X-Empty:\r\n",
    "X-High: \u{e9}\r\n",
    "Connection: keep-alive\r\n",
    "Connection: Upgrade, x\r\n",
    "Upgrade: websocket\r\n",
    "Expect: 100-continue\r\n",
    "Cookie: a=b; c=d\r\n",
    "Transfer_Encoding: chunked\r\n",
];

const ODD_FIELDS: &[&str] = &[
    "Connection: close\r\n",
    "Upgrade: h2c\r\n",
    "Host: other.test\r\n",
    "X-Fold: a\r\n b\r\n",
    "X Space: a\r\n",
    "X-Colon : a\r\n",
    "X-Nul: \0\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
];

const SOUND_BODIES: &[(&str, &str)] = &[
    ("", ""),
    ("", ""),
    ("Content-Length: 0\r\n", ""),
    ("Content-Length: 5\r\n", "hello"),
    ("Content-Length: 005\r\n", "hello"),
    ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: Chunked\r\n", "5;a=b;c=\"d\\\"\";e\r\nhello\r\n00A\r\n0123456789\r\n0;x\r\nX-Trailer: y\r\n\r\n"),
];

const ODD_BODIES: &[(&str, &str)] = &[
    ("Content-Length: +5\r\n", "hello"),
    ("Content-Length: 9\r\n", "hell"),
    ("Transfer-Encoding: chunked\r\n", "5\r\nhelloX\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "5 \r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "5;\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "5\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "0\r\nBad Trailer\r\n\r\n"),
    ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
];

const PIECES: &[&str] = &[
    "\r\n",
    "\r",
    "\n",
    "GET / HTTP/1.1\r\n",
    "Host: app.test\r\n",
    "\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "0\r\n\r\n",
    "GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n",
];
