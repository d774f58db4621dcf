//! Where one request of HTTP/1.1 ends and the next begins.

use super::knock::{Person, Road, side_by_side};
use crate::harness::contains;

impl Road {
    /// Each of these heads (the lines behind ours, and a body) is refused with one of these reasons, the connection ends, and the
    /// request in its tail is never heard of: somebody signed in sends it, so nothing else is in the way.
    pub(super) async fn refuses_framing(&self, status: u16, reasons: &[&str], messages: &[Vec<u8>]) {
        let tail = self.head(&self.alice, "GET /closed/smuggled", "");
        let all = messages.iter().map(|message| async {
            let bytes = [self.lines(&self.alice, "POST /closed/outer"), message.clone(), tail.clone()].concat();
            let raw = self.alice.client.raw(&self.url(), bytes).await;
            let shown = String::from_utf8_lossy(message).into_owned();
            assert_eq!(raw.statuses(), [status], "{shown:?}: {}", raw.text());
            assert!(reasons.contains(&&*raw.reason().unwrap_or_default()), "{shown:?}: {}", raw.text());
            assert!(raw.closed, "{shown:?} leaves the connection open");
        });
        side_by_side(all).await;
        self.silent(reasons[0]);
    }

    /// A head without its end.
    pub(super) fn lines(&self, who: &Person, first: &str) -> Vec<u8> {
        let mut head = self.head(who, first, "");
        head.truncate(head.len() - 2);
        head
    }

    /// The body is what the app gets for this message.
    pub(super) async fn passes_body(&self, message: impl AsRef<[u8]>, body: &str) {
        let bytes = [self.lines(&self.alice, "POST /closed/outer"), message.as_ref().to_vec()].concat();
        let heard = self.passes(&self.alice, bytes).await;
        assert!(
            heard.has(&format!("{body}\r\n")) || heard.bytes.ends_with(body.as_bytes()),
            "{}",
            String::from_utf8_lossy(&heard.bytes)
        );
    }
}

pub(super) fn messages<T: AsRef<[u8]>>(all: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    all.into_iter().map(|message| message.as_ref().to_vec()).collect()
}

/// Holds: 64.
#[tokio::test]
async fn two_lengths_are_none() {
    let road = Road::open().await;
    let both = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
        "Content-Length: 0\r\nX: y\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ];
    road.refuses_framing(400, &["two_lengths"], &messages(both)).await;
    let twice = ["Transfer-Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"];
    road.refuses_framing(400, &["content_length_twice", "two_lengths"], &messages(twice)).await;
    road.passes_body("Content-Length: 5\r\n\r\nhello", "hello").await;
    road.passes_body("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello").await;
}

/// Holds: 65.
#[tokio::test]
async fn chunked_is_the_only_coding_and_has_one_spelling() {
    let road = Road::open().await;
    let values: [&[u8]; 26] = [
        b"xchunked",
        b"chunkedx",
        b"chunk",
        b"chunked, identity",
        b"identity, chunked",
        b"gzip, chunked",
        b"chunked, chunked",
        b"chunked,",
        b",chunked",
        b"identity",
        b"gzip",
        b"\"chunked\"",
        b"'chunked'",
        b"chunked;x",
        b"chunked; q=1",
        b"chunked x",
        b"chu nked",
        b"",
        b"\x0bchunked",
        b"\x0cchunked",
        b"chunked\x00",
        b"chunked\x0b",
        b"\xa0chunked",
        b"chunked\x85",
        b"chunked\r\n identity",
        b"\r\n chunked",
    ];
    let with = |value: &[u8]| [b"Transfer-Encoding: ", value, b"\r\n\r\n0\r\n\r\n"].concat();
    road.refuses_framing(400, &["transfer_encoding", "header_value", "obsolete_fold"], &messages(values.map(with))).await;
    let with_length = |value: &[u8]| [b"Content-Length: 5\r\nTransfer-Encoding: ", value, b"\r\n\r\n0\r\n\r\n"].concat();
    road.refuses_framing(400, &["transfer_encoding", "header_value", "obsolete_fold"], &messages(values.map(with_length))).await;
    let lines = [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding\0: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding= chunked\r\n\r\n0\r\n\r\n",
        "X: y\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    let reasons = [
        "transfer_encoding_twice",
        "transfer_encoding",
        "space_before_colon",
        "header_name",
        "obsolete_fold",
        "bare_lf",
        "bare_cr",
    ];
    road.refuses_framing(400, &reasons, &messages(lines)).await;
    let old = format!("POST /closed HTTP/1.0\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", road.host());
    road.refuses(&road.alice, old, 400, "transfer_encoding_too_old").await;
    for value in ["chunked", "CHUNKED", "cHuNkEd", "\tchunked ", "chunked"] {
        road.passes_body(format!("Transfer-Encoding:{value}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "hello").await;
    }
    // An alias frames nothing, and goes.
    let heard = road.passes(&road.alice, road.head(&road.alice, "GET /closed", "Transfer_Encoding: chunked\r\n")).await;
    assert!(!heard.has("chunked"));
}

/// Holds: 66.
#[tokio::test]
async fn a_length_is_digits_and_stands_once() {
    let road = Road::open().await;
    let values: [&[u8]; 27] = [
        b"+5",
        b"-5",
        b"-0",
        b"0x5",
        b"0o5",
        b"5 5",
        b"5,5",
        b"5, 5",
        b"5, 6",
        b"5,",
        b",5",
        b"5;",
        b"",
        b"0_5",
        b"5.0",
        b"5e0",
        b"5a",
        b"\"5\"",
        b"\x0b5",
        b"5\x00",
        b"5\xa0",
        b"\xef\xbc\x95",
        b"9223372036854775808",
        b"18446744073709551615",
        b"18446744073709551621",
        b"99999999999999999999999999",
        b"00000000000000000000000000005",
    ];
    let with = |value: &[u8]| [b"Content-Length: ", value, b"\r\n\r\nhello"].concat();
    road.refuses_framing(400, &["content_length", "header_value"], &messages(values.map(with))).await;
    let lines = [
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: 0\r\ncontent-length: 5\r\n\r\nhello",
        "Content-Length: \r\nContent-Length: 5\r\n\r\nhello",
        "Content-Length : 5\r\n\r\nhello",
        "Content-Length: 5\r\n 0\r\n\r\nhello",
        "Content-Length\0: 5\r\n\r\nhello",
    ];
    let reasons = ["content_length_twice", "content_length", "space_before_colon", "obsolete_fold", "header_name"];
    road.refuses_framing(400, &reasons, &messages(lines)).await;
    for value in ["5", " 5  ", "\t5", "05"] {
        road.passes_body(format!("Content-Length:{value}\r\n\r\nhello"), "hello").await;
        let heard = road
            .passes(
                &road.alice,
                [road.lines(&road.alice, "PUT /closed"), format!("Content-Length:{value}\r\n\r\nhello").into_bytes()].concat(),
            )
            .await;
        assert!(heard.has("\r\ncontent-length: 5\r\n"), "one spelling for the app");
    }
}

/// Holds: 68.
#[tokio::test]
async fn a_chunk_that_is_not_sound_is_no_body() {
    let road = Road::open().await;
    let bodies: [&[u8]; 32] = [
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-1\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"5\t\r\nhello\r\n0\r\n\r\n",
        b"5_0\r\nhello\r\n0\r\n\r\n",
        b"5.\r\nhello\r\n0\r\n\r\n",
        b"5g\r\nhello\r\n0\r\n\r\n",
        b"5\0\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b";x\r\nhello\r\n0\r\n\r\n",
        b"fffffffffffffffff0\r\nhello\r\n0\r\n\r\n",
        b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"8000000000000000\r\nhello\r\n0\r\n\r\n",
        b"00000000000000005\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\rhello\r\n0\r\n\r\n",
        b"5\r\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\r0\r\n\r\n",
        b"5\r\nhelloXX0\r\n\r\n",
        b"5;\nx\r\nhello\r\n0\r\n\r\n",
        b"5;x\ny\r\nhello\r\n0\r\n\r\n",
        b"5;x=\"\r\nhello\r\n0\r\n\r\n",
        b"5;x y\r\nhello\r\n0\r\n\r\n",
        b"5;=\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\n\r\n",
        b"5\r\nhello\r\n0\r\n\n",
        b"5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: \0y\r\n\r\n",
    ];
    let tail = road.head(&road.alice, "GET /closed/smuggled", "");
    let (road_ref, tail) = (&road, &tail);
    let all = bodies.iter().map(|body| async move {
        let road = road_ref;
        let head = [road.lines(&road.alice, "POST /closed/broken"), b"Transfer-Encoding: chunked\r\n\r\n".to_vec()].concat();
        let raw = road.alice.client.raw(&road.url(), [head, body.to_vec(), tail.clone()].concat()).await;
        let shown = String::from_utf8_lossy(body);
        assert!(matches!(raw.statuses()[..], [400] | []) && raw.closed, "{shown:?}: {}", raw.text());
    });
    side_by_side(all).await;
    // The heads may be there: they were sound. No body is whole, and nothing of the tail was ever a request.
    let heard = road.notes.take();
    assert!(heard.lines().iter().all(|line| line == "POST /closed/broken HTTP/1.1"), "{:?}", heard.lines());
    assert!(!contains(&heard.bytes, b"0\r\n\r\n") && !heard.has("smuggled"), "{}", String::from_utf8_lossy(&heard.bytes));
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "0000005\r\nhello\r\n0\r\n\r\n",
        "5;x=y;z=\"a b\"\r\nhello\r\n000\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    ] {
        let bytes =
            [road.lines(&road.alice, "POST /closed/sound"), format!("Transfer-Encoding: chunked\r\n\r\n{body}").into_bytes()];
        let raw = road.alice.client.raw(&road.url(), bytes.concat()).await;
        assert_eq!(raw.statuses(), [200], "{body:?}: {}", raw.text());
        // The head of a broken one may be late.
        let mut lines = road.notes.take().lines();
        lines.retain(|line| !line.contains("/closed/broken"));
        assert_eq!(lines, ["POST /closed/sound HTTP/1.1"], "{body:?}");
    }
}
