//! The names that our authority gives: `spiffe://<trust domain>/device/<device id>`.

pub(super) const SCHEME: &str = "spiffe://";
const PATH: &str = "/device/";

/// The text cannot be a trust domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a trust domain is 1 to 200 characters of a-z, 0-9, `.`, `-` and `_`, such as the gate's host name")]
pub struct InvalidTrustDomain;

/// The URI that names a device; `None` if either part cannot stand in one.
pub fn uri_of_device(trust_domain: &str, device_id: &str) -> Option<String> {
    (is_trust_domain(trust_domain) && is_device_id(device_id)).then(|| format!("{SCHEME}{trust_domain}{PATH}{device_id}"))
}

/// The device that a URI of exactly our form names; `None` for every other text.
pub fn device_of_uri<'u>(trust_domain: &str, uri: &'u str) -> Option<&'u str> {
    let device_id = uri.strip_prefix(SCHEME)?.strip_prefix(trust_domain)?.strip_prefix(PATH)?;
    (is_trust_domain(trust_domain) && is_device_id(device_id)).then_some(device_id)
}

/// Whether the text can be a trust domain. SPIFFE-ID 2.1; shorter, to leave room for the rest.
pub fn is_trust_domain(text: &str) -> bool {
    (1..=200).contains(&text.len()) && text.bytes().all(|byte| is_plain(byte) || b".-_".contains(&byte))
}

/// As the inventory has them: 1 to 64 characters of `a-z 0-9 . _ -`, a letter or digit first. Needs no escaping in a SPIFFE path,
/// and fits a common name (64 characters at most).
fn is_device_id(text: &str) -> bool {
    match text.as_bytes() {
        [first, rest @ ..] => {
            is_plain(*first) && rest.len() < 64 && rest.iter().all(|&byte| is_plain(byte) || b"._-".contains(&byte))
        }
        [] => false,
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_our_form_names_a_device() {
        assert_eq!(device_of_uri("gate.example", "spiffe://gate.example/device/lap-7"), Some("lap-7"));
        for other in [
            "spiffe://gate.example/device/",
            "spiffe://gate.example/device/lap-7/x",
            "spiffe://gate.example/device/lap-7?x",
            "spiffe://gate.example/device/Lap-7",
            "spiffe://gate.example/device/../x",
            "spiffe://gate.example/user/lap-7",
            "spiffe://gate.example.evil/device/lap-7",
            "spiffe://gate.exampl/device/lap-7",
            "SPIFFE://gate.example/device/lap-7",
            "https://gate.example/device/lap-7",
            "lap-7",
        ] {
            assert_eq!(device_of_uri("gate.example", other), None, "{other}");
        }
        assert_eq!(device_of_uri("", "spiffe:///device/lap-7"), None);
    }

    proptest! {
        #[test]
        fn a_name_survives_the_way_there_and_back(domain in "[a-z0-9._-]{1,40}", id in "[a-z0-9][a-z0-9._-]{0,63}") {
            let uri = uri_of_device(&domain, &id).unwrap();
            prop_assert_eq!(device_of_uri(&domain, &uri), Some(id.as_str()));
        }

        #[test]
        fn what_names_a_device_is_written_in_one_way(uri in ".{0,60}") {
            if let Some(id) = device_of_uri("g", &uri) {
                prop_assert_eq!(uri_of_device("g", id), Some(uri.clone()));
            }
        }
    }
}
