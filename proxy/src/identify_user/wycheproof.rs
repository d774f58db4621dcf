//! Other people's vectors for signatures and key sets (C2SP/wycheproof), where they are. Their payloads are no claims, so what is judged
//! is whether a signature is believed.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::json::Members;
use super::jws::Jws;
use super::keys::KeySet;

/// Valid by the file, and refused here on purpose: a symmetric key is no key, one that names its algorithm is for no other, P-521 is not
/// offered, and `ES521` is the name of no algorithm.
fn stricter(group: &Value, token: &str) -> bool {
    let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
    let header = header.and_then(|header| serde_json::from_slice::<Value>(&header).ok()).unwrap_or_default();
    let key = &group["private"];
    let keys = key["keys"].as_array().cloned().unwrap_or_else(|| vec![key.clone()]);
    let other = key["alg"].is_string() && key["alg"] != header["alg"];
    other || keys.iter().any(|key| key["kty"] == "oct") || matches!(header["alg"].as_str(), Some("ES512" | "ES521"))
}

/// Known to the file as advisory: the moduli of some smart cards can be factored, which cannot be seen in general.
fn advisory(group: &Value) -> bool {
    group["comment"] == "jws_rsa_roca_key"
}

fn believed(group: &Value, token: &str) -> bool {
    let given = if group["public"].is_null() { &group["private"] } else { &group["public"] };
    let set = if given["keys"].is_array() { given.clone() } else { json!({ "keys": [given] }) };
    let Ok(keys) = KeySet::parse(set.to_string().as_bytes(), "vectors") else { return false };
    Jws::with(token, |_any| Ok(Members::default())).and_then(|token| token.verify(&keys)).is_ok()
}

/// Gives how many were judged.
fn judge(file: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/wycheproof").join(file);
    let Ok(text) = std::fs::read(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return 0;
    };
    let vectors: Value = serde_json::from_slice(&text).unwrap();
    let (mut judged, mut accepted, mut wrong) = (0, 0, Vec::new());
    for group in vectors["testGroups"].as_array().unwrap() {
        for case in group["tests"].as_array().unwrap() {
            judged += 1;
            let Some(token) = case["jws"].as_str() else { continue };
            let verdict = believed(group, token);
            accepted += usize::from(verdict);
            let expected = case["result"] == "valid" && !stricter(group, token);
            if verdict != expected && !advisory(group) {
                wrong.push(format!("{} {} ({}): {verdict}", group["comment"], case["tcId"], case["comment"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{file}: {wrong:#?}");
    assert!(accepted > 0, "{file}: nothing is believed at all");
    judged
}

#[test]
fn the_vectors_for_signatures() {
    let judged = judge("json_web_signature_test.json");
    assert!(matches!(judged, 0 | 401), "{judged}");
}

#[test]
fn the_vectors_for_keys_and_for_both() {
    let judged = judge("json_web_key_test.json") + judge("json_web_crypto_test.json");
    assert!(matches!(judged, 0 | 109), "{judged}");
}
