//! Bytes of a connection, before they are a request.

use sekisho::accept::parse_proxy_protocol;
use sekisho::config::Host;
use sekisho::forward::fuzzing;
use sekisho::read::canonical_path;
use sekisho::read::guard::{Bounds, Machine, Step};

/// The guard says the same whatever pieces the bytes come in, and never runs past its input.
pub(crate) fn framing(bytes: &[u8]) {
    assert_eq!(steps(bytes, bytes.len().max(1)), steps(bytes, 1));
    assert_eq!(steps(bytes, 7), steps(bytes, 1));
}

/// The canonical path is its own canonical form, plain ASCII, without anything that climbs.
pub(crate) fn path(bytes: &[u8]) {
    let Ok(raw) = std::str::from_utf8(bytes) else { return };
    let Ok(path) = canonical_path(raw) else { return };
    assert_eq!(canonical_path(&path).as_ref(), Ok(&path));
    assert!(path.starts_with('/') && path.is_ascii() && !path.contains("//") && !path.contains(['\\', ';', '#', '?', ' ']));
    assert!(path.split('/').all(|segment| segment != "." && segment != ".."));
}

/// The canonical host is its own canonical form, and covered by its own name.
pub(crate) fn host(bytes: &[u8]) {
    let Ok(raw) = std::str::from_utf8(bytes) else { return };
    let Ok(host) = raw.parse::<Host>() else { return };
    assert_eq!(host.as_str().parse().as_ref(), Ok(&host));
    assert!(host.is_covered_by(host.as_str()));
    assert!(!host.as_str().contains(|c: char| c.is_ascii_uppercase() || c.is_whitespace() || "/@,#?%_".contains(c)));
}

/// A header is judged without running past it, and what follows it does not matter.
pub(crate) fn proxy_protocol(bytes: &[u8]) {
    if let Ok((said, len)) = parse_proxy_protocol(bytes) {
        let longer = [bytes.get(..len).unwrap_or_default(), b"more"].concat();
        assert!(parse_proxy_protocol(&longer).is_ok_and(|again| again == (said, len)));
    }
}

/// Frames end where they end, whatever pieces they come in; and a whole frame behind a boundary ends at one.
pub(crate) fn frames(bytes: &[u8]) {
    let whole = fuzzing::at_boundary([bytes]);
    assert_eq!(whole, fuzzing::at_boundary(bytes.chunks(1)));
    assert_eq!(whole, fuzzing::at_boundary(bytes.chunks(3)));
    if whole {
        assert!(fuzzing::at_boundary([bytes, &[0x88, 0x02, 0x03, 0xe8]]));
        assert!(!fuzzing::at_boundary([bytes, &[0x88, 0x82, 1, 2, 3, 4, 0x03]]));
    }
}

/// All that the machine says of `bytes`, body pieces joined.
fn steps(bytes: &[u8], piece: usize) -> Vec<String> {
    let mut machine = Machine::new(Bounds { head_bytes: 512, target_bytes: 64, headers: 8 });
    let mut said: Vec<String> = Vec::new();
    let mut body = 0;
    let mut kept: Vec<u8> = Vec::new();
    for piece in bytes.chunks(piece) {
        kept.extend_from_slice(piece);
        loop {
            match machine.step(&kept) {
                Step::More => break,
                Step::Head { len, facts } => {
                    kept.drain(..len);
                    body = 0;
                    said.push(format!("head {len} {facts:?}"));
                }
                Step::Body { len, over } => {
                    kept.drain(..len);
                    body += len;
                    if over {
                        said.push(format!("body {body}"));
                    }
                }
                Step::Refused(refusal) => {
                    said.push(format!("refused {refusal:?}"));
                    return said;
                }
                Step::Broken { len, refusal } => {
                    said.push(format!("broken {} {refusal:?}", body + len));
                    return said;
                }
            }
        }
    }
    said
}
