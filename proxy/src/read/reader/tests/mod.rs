//! The one reading of a request, and what has none.

mod http1;
mod http2;

use super::*;

pub(super) fn reader() -> Reader {
    Reader { public_port: 443, target_bytes: 256, head_bytes: 8192, headers: 32 }
}

/// What `reader` makes of an HTTP/2 head.
fn head(request: http::request::Builder) -> Result<CleanHead, ReadRefusal> {
    let parts = request.version(Version::HTTP_2).body(()).unwrap().into_parts().0;
    reader().head(&mut { parts }, None, true, &LastHost::default())
}

fn get(uri: &str) -> http::request::Builder {
    Request::builder().uri(uri)
}

fn names(head: &CleanHead) -> Vec<&str> {
    let mut names: Vec<_> = head.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_request_has_one_host_one_path_and_one_query() {
    let head = head(get("https://APP.test:443/%61/b?x=%2e#").header("host", "app.test.")).unwrap();
    assert_eq!((head.host.as_str(), &*head.path, head.query.as_deref()), ("app.test", "/a/b", Some("x=%2e")));
    assert_eq!((head.method, head.kind), (Method::GET, Kind::Plain));
    assert!(!head.headers.contains_key("host"));
}

#[test]
fn what_has_another_reading_is_refused() {
    use ReadRefusal as R;
    let refusals = [
        (get("https://app.test/").header("host", "admin.test"), R::HostsDiffer),
        (get("https://app.test/").header("host", "app.test").header("host", "app.test"), R::HostTwice),
        (get("https://app.test:444/"), R::Port),
        (get("https://user@app.test/"), R::Userinfo),
        (get("https://a_b.test/"), R::Host),
        (get("http://app.test/"), R::Scheme),
        (get("/"), R::HostMissing),
        (get("https://app.test/a/../b"), R::Path(crate::read::PathRefusal::DotSegment)),
        (get("https://app.test?x"), R::Path(crate::read::PathRefusal::NoSlash)),
        (get("https://app.test/?\u{e9}"), R::Query),
        (Request::options("*").header("host", "app.test"), R::ServerWide),
        (get("*").header("host", "app.test"), R::Path(crate::read::PathRefusal::NoSlash)),
        (get("https://app.test/").method("TRACE"), R::Method),
        (get("https://app.test/").method("TRACK"), R::Method),
        (get("https://app.test/").method("CONNECT"), R::Method),
        (get(&format!("https://app.test/{}", "a".repeat(256))), R::TargetTooLong),
        (get("https://app.test/").header("connection", "close"), R::ConnectionHeader),
        (get("https://app.test/").header("te", "gzip"), R::ConnectionHeader),
        (get("https://app.test/").header("te", "trailers, deflate"), R::ConnectionHeader),
        (get("https://app.test/").header("expect", "200-maybe"), R::Expectation),
        (get("https://app.test/").header("authorization", "Bearer a").header("authorization", "Bearer a"), R::AuthorizationTwice),
        (get("https://app.test/").header("origin", "https://a").header("origin", "https://b"), R::HeaderTwice),
        (get("https://app.test/").header("content-type", "a/b").header("content-type", "c/d"), R::HeaderTwice),
    ];
    for (request, refusal) in refusals {
        let shown = format!("{request:?}");
        assert_eq!(head(request).err(), Some(refusal), "{shown}");
    }
    let many = (0..33).fold(get("https://app.test/"), |request, n| request.header(format!("x-{n}"), "y"));
    assert_eq!(head(many).err(), Some(R::TooManyHeaders));
}

#[test]
fn nothing_from_outside_speaks_for_us() {
    let request = get("https://app.test/")
        .header("accept", "*/*")
        .header("authorization", "Bearer mine")
        .header("cookie", "a=b")
        .header("sekisho-assertion", "EVIL")
        .header("x-forwarded-for", "EVIL")
        .header("x-forwarded-user", "EVIL")
        .header("x_forwarded_user", "EVIL")
        .header("x.forwarded.user", "EVIL")
        .header("x-request-id", "EVIL")
        .header("traceparent", "EVIL")
        .header("forwarded", "EVIL")
        .header("remote-user", "EVIL")
        .header("client-cert", "EVIL")
        .header("proxy", "EVIL")
        .header("proxy-authorization", "EVIL")
        .header("http2-settings", "EVIL")
        .header("transfer_encoding", "EVIL");
    assert_eq!(names(&head(request).unwrap()), ["accept", "authorization", "cookie"]);
}

#[test]
fn cookies_that_http2_split_are_one_again() {
    let head = head(get("https://app.test/").header("cookie", "a=b").header("cookie", "c=d").header("cookie", "e=f")).unwrap();
    let cookies: Vec<_> = head.headers.get_all("cookie").iter().collect();
    assert_eq!(cookies, ["a=b; c=d; e=f"]);
}

#[test]
fn trailers_may_be_asked_for() {
    assert_eq!(head(get("https://app.test/").header("te", "trailers")).unwrap().headers["te"], "trailers");
}

#[test]
fn a_preflight_is_an_options_with_origin_and_method() {
    let kind = |request: http::request::Builder| head(request).unwrap().kind;
    let options = || get("https://app.test/").method("OPTIONS");
    let asked = |request: http::request::Builder| request.header("access-control-request-method", "PUT");
    assert_eq!(kind(asked(options()).header("origin", "https://a.test")), Kind::Preflight);
    assert_eq!(kind(asked(options())), Kind::Plain);
    assert_eq!(kind(options().header("origin", "https://a.test")), Kind::Plain);
    assert_eq!(kind(asked(get("https://app.test/")).header("origin", "https://a.test")), Kind::Plain);
}

#[test]
fn an_extended_connect_is_a_websocket_or_nothing() {
    let connect = |protocol: &'static str| {
        let request = get("https://app.test/ws").method("CONNECT").extension(hyper::ext::Protocol::from_static(protocol));
        request.header("sec-websocket-version", "13")
    };
    let socket = head(connect("websocket")).unwrap();
    assert_eq!((socket.kind, socket.method), (Kind::WebSocket, Method::GET));
    assert_eq!(head(connect("connect-udp")).err(), Some(ReadRefusal::Protocol));
    let older = get("https://app.test/ws").method("CONNECT").extension(hyper::ext::Protocol::from_static("websocket"));
    assert_eq!(head(older.header("sec-websocket-version", "8")).err(), Some(ReadRefusal::WebSocketVersion));
}

#[test]
fn http1_is_never_read_without_the_guards_word() {
    let parts = |version| get("/").header("host", "app.test").version(version).body(()).unwrap().into_parts().0;
    for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11, Version::HTTP_3] {
        assert_eq!(
            reader().head(&mut parts(version), None, true, &LastHost::default()).err(),
            Some(ReadRefusal::Unguarded),
            "{version:?}"
        );
    }
    assert!(reader().head(&mut parts(Version::HTTP_2), None, true, &LastHost::default()).is_ok());
}
