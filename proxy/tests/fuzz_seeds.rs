//! Plays the seeds of the fuzz targets on a stable compiler.

#[path = "../../fuzz/properties.rs"]
mod properties;

use std::io;

fn play(target: &str, property: fn(&[u8])) -> io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut played = 0;
    for entry in std::fs::read_dir(folder)? {
        let bytes = std::fs::read(entry?.path())?;
        property(&bytes);
        // And each beginning of it: most faults are at edges.
        (0..bytes.len()).for_each(|end| property(bytes.get(..end).unwrap_or_default()));
        played += 1;
    }
    assert!(played >= 5, "{played} seeds of {target}");
    Ok(())
}

#[test]
fn framing() -> io::Result<()> {
    play("framing", properties::framing)
}

#[test]
fn path() -> io::Result<()> {
    play("path", properties::path)
}

#[test]
fn host() -> io::Result<()> {
    play("host", properties::host)
}

#[test]
fn proxy_protocol() -> io::Result<()> {
    play("proxy_protocol", properties::proxy_protocol)
}
