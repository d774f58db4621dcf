//! The lines of a request's head, judged one by one.

use super::grammar::{self, HOST, PATH, QUERY, TOKEN};
use super::machine::Bounds;
use super::refusal::FramingRefusal;

/// What is worth knowing of an accepted head beside what the parser behind us will say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadFacts {
    /// The method, byte for byte.
    pub method: Box<str>,
    /// The request target, byte for byte.
    pub target: Box<str>,
    /// Its form.
    pub form: TargetForm,
    /// How the body is framed.
    pub body: BodyFraming,
    /// Another request may follow on this connection.
    pub keep_alive: bool,
    /// It asks for a WebSocket in the way of RFC 6455: what follows is held back until that is decided.
    pub asks_tunnel: bool,
}

/// The form of a request target (RFC 9112 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`
    Origin,
    /// `https://host/path?query`
    Absolute,
    /// `*`, with `OPTIONS` only.
    Asterisk,
}

/// How a request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is none.
    None,
    /// This many bytes, more than zero.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// A head of which some lines have been read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    method: Box<str>,
    target: Box<str>,
    form: Option<TargetForm>,
    http10: bool,
    headers: usize,
    host: bool,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    websocket: Websocket,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Websocket {
    #[default]
    NotAsked,
    Asked,
    /// Beside something else: not a handshake that we know.
    Muddled,
}

impl Draft {
    /// The first line, without its CRLF.
    pub(super) fn request_line(line: &[u8], bounds: &Bounds) -> Result<Self, FramingRefusal> {
        if line.is_empty() {
            return Err(FramingRefusal::BlankLine);
        }
        let (method, rest) = split_once(line, b' ').ok_or(FramingRefusal::RequestLine)?;
        if method.is_empty() || method.len() > METHOD_BYTES || !grammar::all(method, TOKEN) {
            return Err(FramingRefusal::Method);
        }
        let (target, version) = split_once(rest, b' ').ok_or(FramingRefusal::RequestLine)?;
        let http10 = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
                return Err(FramingRefusal::VersionUnsupported);
            }
            _ => return Err(FramingRefusal::Version),
        };
        if method == b"CONNECT" {
            return Err(FramingRefusal::Connect);
        }
        if target.len() > bounds.target_bytes {
            return Err(FramingRefusal::TargetTooLong);
        }
        let form = target_form(target, method)?;
        Ok(Self { method: text(method), target: text(target), form: Some(form), http10, ..Self::default() })
    }

    /// A header line, without its CRLF.
    pub(super) fn field_line(&mut self, line: &[u8], bounds: &Bounds) -> Result<(), FramingRefusal> {
        self.headers += 1;
        if self.headers > bounds.headers {
            return Err(FramingRefusal::TooManyHeaders);
        }
        let (name, value) = field(line)?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade_to(value);
                Ok(())
            }
            10 if name.eq_ignore_ascii_case(b"connection") => self.connection(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    /// After the empty line.
    pub(super) fn finish(self) -> Result<HeadFacts, FramingRefusal> {
        if !self.host {
            return Err(FramingRefusal::HostMissing);
        }
        let body = match (self.chunked, self.length) {
            (true, None) => BodyFraming::Chunked,
            (true, Some(_)) => return Err(FramingRefusal::TwoLengths),
            (false, None | Some(0)) => BodyFraming::None,
            (false, Some(length)) => BodyFraming::Length(length),
        };
        let keep_alive = !self.close && (!self.http10 || self.keep_alive);
        let asks_tunnel = &*self.method == "GET"
            && !self.http10
            && self.upgrade
            && self.websocket == Websocket::Asked
            && body == BodyFraming::None;
        let form = self.form.ok_or(FramingRefusal::RequestLine)?;
        Ok(HeadFacts { method: self.method, target: self.target, form, body, keep_alive, asks_tunnel })
    }

    fn host(&mut self, value: &[u8]) -> Result<(), FramingRefusal> {
        if std::mem::replace(&mut self.host, true) {
            return Err(FramingRefusal::HostTwice);
        }
        if value.is_empty() || !grammar::all(value, HOST) {
            return Err(FramingRefusal::Host);
        }
        Ok(())
    }

    fn upgrade_to(&mut self, value: &[u8]) {
        self.websocket = if self.websocket == Websocket::NotAsked && value.eq_ignore_ascii_case(b"websocket") {
            Websocket::Asked
        } else {
            Websocket::Muddled
        };
    }

    fn connection(&mut self, value: &[u8]) -> Result<(), FramingRefusal> {
        for option in value.split(|byte| *byte == b',').map(grammar::trim) {
            if !grammar::all(option, TOKEN) {
                return Err(FramingRefusal::Connection);
            }
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), FramingRefusal> {
        if self.length.is_some() {
            return Err(FramingRefusal::ContentLengthTwice);
        }
        // Nineteen digits always fit; what is longer than that is not a length but an attempt.
        if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
            return Err(FramingRefusal::ContentLength);
        }
        let length = value.iter().fold(0_u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
        if length > MAX_LENGTH {
            return Err(FramingRefusal::ContentLength);
        }
        self.length = Some(length);
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), FramingRefusal> {
        if self.http10 {
            return Err(FramingRefusal::TransferEncodingTooOld);
        }
        if std::mem::replace(&mut self.chunked, true) {
            return Err(FramingRefusal::TransferEncodingTwice);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(FramingRefusal::TransferEncoding);
        }
        Ok(())
    }
}

/// Name and trimmed value of a header line.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), FramingRefusal> {
    if let [b' ' | b'\t', ..] = line {
        return Err(FramingRefusal::ObsoleteFold);
    }
    let end = line.iter().position(|byte| !grammar::is(*byte, TOKEN)).ok_or(FramingRefusal::HeaderName)?;
    let (name, rest) = line.split_at_checked(end).ok_or(FramingRefusal::HeaderName)?;
    match rest {
        [b':', value @ ..] if !name.is_empty() => {
            if !grammar::is_value(value) {
                return Err(FramingRefusal::HeaderValue);
            }
            Ok((name, grammar::trim(value)))
        }
        [b' ' | b'\t', ..] if !name.is_empty() => Err(FramingRefusal::SpaceBeforeColon),
        _ => Err(FramingRefusal::HeaderName),
    }
}

fn target_form(target: &[u8], method: &[u8]) -> Result<TargetForm, FramingRefusal> {
    if target.contains(&b'#') {
        return Err(FramingRefusal::Fragment);
    }
    match target {
        [b'/', ..] => path_and_query(target).map(|()| TargetForm::Origin),
        b"*" if method == b"OPTIONS" => Ok(TargetForm::Asterisk),
        _ => absolute(target).map(|()| TargetForm::Absolute),
    }
}

fn path_and_query(target: &[u8]) -> Result<(), FramingRefusal> {
    let (path, query) = split_once(target, b'?').unwrap_or((target, b""));
    if grammar::all(path, PATH) && grammar::all(query, QUERY) { Ok(()) } else { Err(FramingRefusal::Target) }
}

/// `http://` or `https://`, a host, and what follows. Whose host it is, is judged with the `Host` header later.
fn absolute(target: &[u8]) -> Result<(), FramingRefusal> {
    let scheme = [&b"https://"[..], b"http://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
        .ok_or(FramingRefusal::Target)?;
    let rest = target.get(scheme.len()..).ok_or(FramingRefusal::Target)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(end).ok_or(FramingRefusal::Target)?;
    if host.is_empty() || !grammar::all(host, HOST) {
        return Err(FramingRefusal::Target);
    }
    path_and_query(path)?;
    // The parser behind us has its own idea of authorities (ports, brackets). What it would refuse, we refuse first.
    http::Uri::try_from(target).map(drop).map_err(|_invalid| FramingRefusal::Target)
}

fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = bytes.iter().position(|byte| *byte == at)?;
    let (before, after) = bytes.split_at_checked(place)?;
    Some((before, after.get(1..)?))
}

/// What has been found to be ASCII.
fn text(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes).into()
}

/// The longest method that any registry lists has 17 characters.
pub(super) const METHOD_BYTES: usize = 32;

/// The largest length that is taken at its word. hyper keeps some values above it for itself.
pub(super) const MAX_LENGTH: u64 = i64::MAX as u64;
