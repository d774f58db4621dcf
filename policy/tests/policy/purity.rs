//! The deciding crate touches nothing outside itself: the same text and facts give the same verdict anywhere, at any time.

use std::path::Path;

use super::support::beside;

const FORBIDDEN: [&str; 14] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::io",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "async fn",
    "unsafe",
];

#[test]
fn nothing_outside_is_touched() {
    let mut files = 0;
    look_into(&beside("src"), &mut files);
    assert!(files > 10, "{files}");
}

fn look_into(folder: &Path, files: &mut usize) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look_into(&path, files);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let found: Vec<_> = FORBIDDEN.iter().filter(|word| text.contains(**word)).collect();
        assert!(found.is_empty(), "{} speaks of {found:?}", path.display());
        *files += 1;
    }
}
