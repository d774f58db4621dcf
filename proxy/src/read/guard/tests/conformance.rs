//! Collections of hostile requests that may lie beside the project. Where they do not, these tests say so and pass.

use super::*;

fn folder(name: &str) -> Option<std::path::PathBuf> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {name} is not here");
    None
}

fn json(path: &std::path::Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Generous, as the defaults are.
const WIDE: Bounds = Bounds { head_bytes: 64 * 1024, target_bytes: 8 * 1024, headers: 100 };

fn fails(bytes: &[u8]) -> bool {
    let reading = read(WIDE, bytes.chunks(1));
    reading.refused.is_some() || reading.broken.is_some() || reading.messages.iter().any(|message| !message.over)
}

#[test]
fn what_llhttp_must_refuse_is_refused() {
    let Some(folder) = folder("llhttp") else { return };
    let cases = json(&folder.join("cases.json"));
    let mut refused = 0;
    for case in cases["cases"].as_array().unwrap() {
        let (Some(error), Some(true)) = (case["expect_error"].as_str(), case["strict"].as_bool()) else { continue };
        // What that parser leaves to its caller: tunnels, and what follows the last request.
        if error.starts_with("Pause on") || error.starts_with("Data after") {
            continue;
        }
        let bytes: Vec<u8> =
            case["raw_latin1"].as_str().unwrap().chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
        // Some stop in the middle of a head, which no deadline ends here; some have a method that is a token like any other.
        let waits = read(WIDE, [&bytes[..]]) == Reading::default();
        let method = matches!(case["title"].as_str(), Some("HTTP protocol and ANNOUNCE method" | "Invalid method"));
        if waits || method && !fails(&bytes) {
            continue;
        }
        assert!(fails(&bytes), "{}: {error}: {:?}", case["title"], String::from_utf8_lossy(&bytes));
        refused += 1;
    }
    assert!(refused > 45, "only {refused} cases were judged");
}

#[test]
fn raw_requests_meet_their_expectation() {
    let Some(folder) = folder("raw-http1") else { return };
    let cases = json(&folder.join("open/manifest.json"));
    let mut judged = 0;
    for case in cases.as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let bytes = std::fs::read(folder.join(case["file"].as_str().unwrap())).unwrap();
        let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        let text = text.replace("@@AUTH@@", "Authorization: Bearer x\r\n");
        let bytes: Vec<u8> = text.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
        let reading = read(WIDE, bytes.chunks(1));
        match case["expect"].as_str().unwrap() {
            // Whose host it is, and whether there is such a host, is judged later.
            "reject" if !id.starts_with("front-") && !id.starts_with("unk-") && !LATER.contains(&id) => {
                assert!(reading.refused.is_some(), "{id}: {reading:?}");
                assert!(reading.messages.is_empty(), "{id}: {reading:?}");
            }
            "abort" => assert!(reading.broken.is_some() && !reading.messages[0].over, "{id}: {reading:?}"),
            "one" => assert!(reading.refused.is_none() && reading.messages.len() == 1 && reading.messages[0].over, "{id}"),
            "two" => assert!(reading.refused.is_none() && reading.messages.len() == 2, "{id}"),
            _ => continue,
        }
        judged += 1;
    }
    assert!(judged > 100, "only {judged} cases were judged");
}

/// Malformed hosts that only a host parser sees.
const LATER: [&str; 4] = ["host-badport", "host-alphaport", "host-bracket", "host-ok-dot"];
