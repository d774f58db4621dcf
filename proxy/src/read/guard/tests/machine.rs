use proptest::prelude::*;

use super::*;

fn refusal_of(request: &str) -> Option<FramingRefusal> {
    refusal_of_bytes(request.as_bytes())
}

fn refusal_of_bytes(request: &[u8]) -> Option<FramingRefusal> {
    read(BOUNDS, [request]).refused
}

#[test]
fn a_sound_head_passes_and_says_what_it_says() {
    use super::super::head::{BodyFraming, TargetForm};
    let request = "POST /a?b HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.0\r\nHost: a\r\n\r\n";
    let reading = read(BOUNDS, [request.as_bytes()]);
    let [post, get] = &reading.messages[..] else { panic!("two requests, not {reading:?}") };
    assert_eq!(&*post.facts.method, "POST");
    assert_eq!(&*post.facts.target, "/a?b");
    assert_eq!(post.facts.form, TargetForm::Origin);
    assert_eq!(post.facts.body, BodyFraming::Length(5));
    assert!(post.facts.keep_alive && !post.facts.asks_tunnel && post.over);
    assert_eq!(post.body, b"hello");
    assert!(!get.facts.keep_alive);
    assert_eq!(reading.refused, None);
}

#[test]
fn request_lines_with_another_reading_are_refused() {
    use FramingRefusal as R;
    for (line, refusal) in [
        ("", R::BlankLine),
        ("GET", R::RequestLine),
        ("GET /x", R::RequestLine),
        (" GET /x HTTP/1.1", R::Method),
        ("G(T /x HTTP/1.1", R::Method),
        ("GET\t/x HTTP/1.1", R::Method),
        ("AMETHODTHATISMUCHLONGERTHANANYBODYNEEDS /x HTTP/1.1", R::Method),
        ("GET  /x HTTP/1.1", R::Version),
        ("GET /x y HTTP/1.1", R::Version),
        ("GET /x HTTP/1.1 ", R::Version),
        ("GET /x HTTP/1.1x", R::Version),
        ("GET /x http/1.1", R::Version),
        ("GET /x HTTP/01.1", R::Version),
        ("GET /x HTTP/1", R::Version),
        ("GET /x HTTP/1.2", R::VersionUnsupported),
        ("GET /x HTTP/2.0", R::VersionUnsupported),
        ("PRI * HTTP/2.0", R::VersionUnsupported),
        ("GET /x HTTP/0.9", R::VersionUnsupported),
        ("GET x HTTP/1.1", R::Target),
        ("GET * HTTP/1.1", R::Target),
        ("GET app.test:443 HTTP/1.1", R::Target),
        ("GET ftp://app.test/ HTTP/1.1", R::Target),
        ("GET https:///x HTTP/1.1", R::Target),
        ("GET https://a@app.test/ HTTP/1.1", R::Target),
        ("GET https://a:b:c/ HTTP/1.1", R::Target),
        ("GET /a<b HTTP/1.1", R::Target),
        ("GET /a\u{1}b HTTP/1.1", R::Target),
        ("GET /a\u{7f}b HTTP/1.1", R::Target),
        ("GET /\u{e9} HTTP/1.1", R::Target),
        ("GET /a#b HTTP/1.1", R::Fragment),
        ("GET /a?b#c HTTP/1.1", R::Fragment),
        ("CONNECT app.test:443 HTTP/1.1", R::Connect),
        ("CONNECT /x HTTP/1.1", R::Connect),
    ] {
        assert_eq!(refusal_of(&format!("{line}\r\nHost: a\r\n\r\n")), Some(refusal), "{line:?}");
    }
}

#[test]
fn header_lines_with_another_reading_are_refused() {
    use FramingRefusal as R;
    for (fields, refusal) in [
        ("", R::HostMissing),
        ("Host: a\r\nHost: a\r\n", R::HostTwice),
        ("Host: a\r\nhost: b\r\n", R::HostTwice),
        ("Host:\r\n", R::Host),
        ("Host: a, b\r\n", R::Host),
        ("Host: a@b\r\n", R::Host),
        ("Host: a/b\r\n", R::Host),
        ("Host: a%2eb\r\n", R::Host),
        ("Host: a\r\n: x\r\n", R::HeaderName),
        ("Host: a\r\nX Y: x\r\n", R::SpaceBeforeColon),
        ("Host: a\r\nX: y\r\n Z: x\r\n", R::ObsoleteFold),
        (" Host: a\r\n", R::ObsoleteFold),
        ("Host: a\r\nX\r\n", R::HeaderName),
        ("Host: a\r\nX(Y): x\r\n", R::HeaderName),
        ("Host: a\r\nX\0: x\r\n", R::HeaderName),
        ("Host: a\r\nX\u{e9}: x\r\n", R::HeaderName),
        ("Host: a\r\nX: a\0b\r\n", R::HeaderValue),
        ("Host: a\r\nX: a\u{7}b\r\n", R::HeaderValue),
        ("Host: a\r\nX: a\u{7f}b\r\n", R::HeaderValue),
        ("Host: a\r\nX: a\rb\r\n", R::BareCr),
        ("Host: a\r\nX: a\nb: c\r\n", R::BareLf),
        ("Host: a\r\nConnection: a b\r\n", R::Connection),
        ("Host: a\r\nConnection: \u{e9}\r\n", R::Connection),
        ("Host: a\r\nContent-Length:\r\n", R::ContentLength),
        ("Host: a\r\nContent-Length: +5\r\n", R::ContentLength),
        ("Host: a\r\nContent-Length: -0\r\n", R::ContentLength),
        ("Host: a\r\nContent-Length: 5, 5\r\n", R::ContentLength),
        ("Host: a\r\nContent-Length: 5 5\r\n", R::ContentLength),
        ("Host: a\r\nContent-Length: 0x5\r\n", R::ContentLength),
        ("Host: a\r\nContent-Length: 9223372036854775808\r\n", R::ContentLength),
        ("Host: a\r\nContent-Length: 18446744073709551616\r\n", R::ContentLength),
        ("Host: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n", R::ContentLengthTwice),
        ("Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", R::TwoLengths),
        ("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", R::TwoLengths),
        ("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", R::TransferEncodingTwice),
        ("Host: a\r\nTransfer-Encoding:\r\n", R::TransferEncoding),
        ("Host: a\r\nTransfer-Encoding: chunked, chunked\r\n", R::TransferEncoding),
        ("Host: a\r\nTransfer-Encoding: gzip, chunked\r\n", R::TransferEncoding),
        ("Host: a\r\nTransfer-Encoding: identity\r\n", R::TransferEncoding),
        ("Host: a\r\nTransfer-Encoding: chunked;x\r\n", R::TransferEncoding),
        ("Host: a\r\nTransfer-Encoding: \u{b}chunked\r\n", R::HeaderValue),
    ] {
        assert_eq!(refusal_of(&format!("GET / HTTP/1.1\r\n{fields}\r\n")), Some(refusal), "{fields:?}");
    }
    assert_eq!(refusal_of("GET / HTTP/1.0\r\n\r\n"), Some(R::HostMissing));
    assert_eq!(refusal_of("GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), Some(R::TransferEncodingTooOld));
    assert_eq!(refusal_of("GET / HTTP/1.1\nHost: a\n\n"), Some(R::BareLf));
    assert_eq!(refusal_of("GET / HTTP/1.1\rHost: a\r\r"), Some(R::BareCr));
}

#[test]
fn heads_stay_within_their_bounds() {
    let target = |len: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(len - 1));
    assert_eq!(refusal_of(&target(256)), None);
    assert_eq!(refusal_of(&target(257)), Some(FramingRefusal::TargetTooLong));
    assert_eq!(refusal_of(&target(100_000)), Some(FramingRefusal::TargetTooLong));

    let head = |len: usize| {
        let rest = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(len - rest))
    };
    assert_eq!(head(2048).len(), 2048);
    assert_eq!(refusal_of(&head(2048)), None);
    assert_eq!(refusal_of(&head(2049)), Some(FramingRefusal::HeadTooLarge));

    let headers = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    assert_eq!(refusal_of(&headers(16)), None);
    assert_eq!(refusal_of(&headers(17)), Some(FramingRefusal::TooManyHeaders));
}

#[test]
fn chunks_are_counted_and_bounded() {
    use FramingRefusal as R;
    let read_chunks = |body: &[u8]| {
        let mut request = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        request.extend_from_slice(body);
        let mut reading = read(BOUNDS, [&request[..]]);
        (reading.broken, reading.messages.remove(0).over)
    };
    for sound in [
        "0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "A\r\n0123456789\r\n0\r\n\r\n",
        "00000005\r\nhello\r\n000\r\n\r\n",
        "5;name;n=v;n=\"q \\\" \"\r\nhello\r\n0\r\nTrailer: x\r\nOther:\r\n\r\n",
    ] {
        assert_eq!(read_chunks(sound.as_bytes()), (None, true), "{sound:?}");
    }
    for (broken, refusal) in [
        ("\r\n", R::ChunkSize),
        ("x\r\n", R::ChunkSize),
        ("+5\r\nhello", R::ChunkSize),
        ("-1\r\n", R::ChunkSize),
        (" 5\r\nhello", R::ChunkSize),
        ("5 \r\nhello", R::ChunkSize),
        ("0x5\r\nhello", R::ChunkSize),
        ("0_5\r\nhello", R::ChunkSize),
        ("5\nhello", R::ChunkSize),
        ("5\rhello", R::ChunkSize),
        ("8000000000000000\r\n", R::ChunkSize),
        ("fffffffffffffffff\r\n", R::ChunkSize),
        ("00000000000000005\r\n", R::ChunkSize),
        ("5;\r\nhello", R::ChunkExtension),
        ("5; a\r\nhello", R::ChunkExtension),
        ("5;a=\r\nhello", R::ChunkExtension),
        ("5;a=\"b\r\nhello", R::ChunkExtension),
        ("5;a=\"b\"c\r\nhello", R::ChunkExtension),
        ("5;a\nhello", R::ChunkExtension),
        ("5\r\nhelloX\r\n", R::ChunkEnd),
        ("5\r\nhello\n0\r\n\r\n", R::ChunkEnd),
        ("5\r\nhello\r0\r\n\r\n", R::ChunkEnd),
        ("0\r\n: x\r\n\r\n", R::Trailer),
        ("0\r\nA B\r\n\r\n", R::Trailer),
        ("0\r\nA: \0\r\n\r\n", R::Trailer),
        ("0\r\n A: b\r\n\r\n", R::Trailer),
        ("0\r\nA: b\n\r\n", R::Trailer),
        ("0\r\n\n", R::Trailer),
    ] {
        assert_eq!(read_chunks(broken.as_bytes()), (Some(refusal), false), "{broken:?}");
    }
    let long = format!("5;{}\r\nhello", "a".repeat(300));
    assert_eq!(read_chunks(long.as_bytes()).0, Some(R::ChunkExtension));
    let extensions = format!("1;{}\r\na\r\n", "a".repeat(200)).repeat(100);
    assert_eq!(read_chunks(extensions.as_bytes()).0, Some(R::ChunkExtension));
    let trailers = format!("0\r\n{}\r\n", "A: b\r\n".repeat(40));
    assert_eq!(read_chunks(trailers.as_bytes()).0, Some(R::TrailersTooLarge));
    let trailer = format!("0\r\nA: {}\r\n\r\n", "b".repeat(10_000));
    assert_eq!(read_chunks(trailer.as_bytes()).0, Some(R::TrailersTooLarge));
    let crumbs = "1\r\na\r\n".repeat(70_000) + "0\r\n\r\n";
    assert_eq!(read_chunks(crumbs.as_bytes()), (Some(R::ChunkOverhead), false));
    let pairs = "2\r\naa\r\n".repeat(70_000) + "0\r\n\r\n";
    assert_eq!(read_chunks(pairs.as_bytes()), (None, true));
}

#[test]
fn a_websocket_is_asked_for_in_one_way() {
    let asks = |request: &str| read(BOUNDS, [request.as_bytes()]).messages[0].facts.asks_tunnel;
    let with = |line: &str, fields: &str| format!("{line}\r\nHost: a\r\n{fields}\r\n");
    assert!(asks(&with("GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n")));
    assert!(asks(&with("GET / HTTP/1.1", "Connection: keep-alive\r\nConnection: x, UPGRADE\r\nupgrade: WebSocket\r\n")));
    for (line, fields) in [
        ("GET / HTTP/1.1", "Upgrade: websocket\r\n"),
        ("GET / HTTP/1.1", "Connection: Upgrade\r\n"),
        ("GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n"),
        ("GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"),
        ("GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"),
        ("GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n"),
        ("GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n"),
        ("POST / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        ("GET / HTTP/1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    ] {
        assert!(!asks(&with(line, fields)), "{line} {fields:?}");
    }
}

#[test]
fn every_refusal_has_its_own_label_and_a_client_error_or_501() {
    let labels: std::collections::BTreeSet<_> = FramingRefusal::ALL.iter().map(|refusal| refusal.as_str()).collect();
    assert_eq!(labels.len(), FramingRefusal::ALL.len());
    for refusal in FramingRefusal::ALL {
        assert!([400, 408, 413, 414, 431, 501, 505].contains(&refusal.status().as_u16()), "{refusal}");
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(bytes in anything(), cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8)) {
        let whole = read(BOUNDS, [&bytes[..]]);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let pieces = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(&read(BOUNDS, pieces), &whole);
        prop_assert_eq!(&read(BOUNDS, bytes.chunks(1)), &whole);
    }

    #[test]
    fn pieces_do_not_matter_at_the_bounds(bytes in anything(), head_bytes in 1_usize..120, target_bytes in 1_usize..40, headers in 0_usize..4) {
        let bounds = Bounds { head_bytes, target_bytes, headers };
        prop_assert_eq!(read(bounds, bytes.chunks(1)), read(bounds, [&bytes[..]]));
    }

    #[test]
    fn what_is_not_http_is_no_trouble(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(read(BOUNDS, bytes.chunks(1)), read(BOUNDS, [&bytes[..]]));
    }
}

#[test]
fn what_is_generated_gets_far_enough_to_matter() {
    use proptest::strategy::{Strategy as _, ValueTree as _};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let readings: Vec<Reading> =
        (0..500).map(|_| read(BOUNDS, [&anything().new_tree(&mut runner).unwrap().current()[..]])).collect();
    let count = |holds: fn(&Reading) -> bool| readings.iter().filter(|reading| holds(reading)).count();
    assert!(count(|reading| reading.messages.len() > 1) > 50);
    assert!(count(|reading| reading.messages.iter().any(|message| message.over && !message.body.is_empty())) > 50);
    assert!(count(|reading| reading.broken.is_some()) > 10);
    assert!(count(|reading| reading.refused.is_some()) > 50);
}
