//! Plays the seeds of the fuzz targets on a stable compiler.

#[path = "../../fuzz/properties.rs"]
mod properties;

fn play(target: &str, property: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut played = 0;
    for entry in std::fs::read_dir(folder).expect("seeds are part of the project") {
        let bytes = std::fs::read(entry.expect("a readable folder").path()).expect("a readable seed");
        property(&bytes);
        // And each beginning of it: most faults are at edges.
        (0..bytes.len()).for_each(|end| property(&bytes[..end]));
        played += 1;
    }
    assert!(played >= 5, "{played} seeds of {target}");
}

#[test]
fn framing() {
    play("framing", properties::framing);
}

#[test]
fn path() {
    play("path", properties::path);
}

#[test]
fn host() {
    play("host", properties::host);
}

#[test]
fn proxy_protocol() {
    play("proxy_protocol", properties::proxy_protocol);
}
