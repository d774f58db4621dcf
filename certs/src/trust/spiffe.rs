//! What a service is called: `spiffe://<trust domain>/<path>` (SPIFFE-ID, section 2), in its one spelling.

use super::refusal::CertificateRefusal;
use crate::authority::is_trust_domain;

/// Whether `id` names a service of `trust_domain`. Nothing is decoded, cut off or made lower-case: what is not in its one form is no
/// name, so that no two texts are one service.
///
/// # Errors
/// [`CertificateRefusal::NotSpiffe`], [`CertificateRefusal::OtherTrustDomain`], [`CertificateRefusal::SpiffePath`].
pub(super) fn check(trust_domain: &str, id: &str) -> Result<(), CertificateRefusal> {
    let rest = id.strip_prefix(SCHEME).ok_or(CertificateRefusal::NotSpiffe)?;
    // Without a path it names the trust domain itself, which is an authority and no service.
    let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !is_trust_domain(trust_domain) || domain != trust_domain {
        return Err(CertificateRefusal::OtherTrustDomain);
    }
    let sound = id.len() <= LONGEST && path.split('/').all(is_segment);
    if sound { Ok(()) } else { Err(CertificateRefusal::SpiffePath) }
}

fn is_segment(segment: &str) -> bool {
    let plain = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    plain && !matches!(segment, "" | "." | "..")
}

const SCHEME: &str = "spiffe://";

/// As other names of devices: they travel to headers, records and file names.
const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_service_has_one_spelling() {
        let of = |id: &str| check("corp.example", id);
        assert_eq!(of("spiffe://corp.example/ci/runner"), Ok(()));
        assert_eq!(of("spiffe://corp.example/ns/Prod/sa/web_1.a-b"), Ok(()));
        for other in ["http://corp.example/ci", "SPIFFE://corp.example/ci", "spiffe:/corp.example/ci", "corp.example/ci", ""] {
            assert_eq!(of(other), Err(CertificateRefusal::NotSpiffe), "{other}");
        }
        for foreign in [
            "spiffe://other.example/ci",
            "spiffe://corp.example.evil/ci",
            "spiffe://corp.exampl/ci",
            "spiffe://Corp.example/ci",
            "spiffe://corp.example:443/ci",
            "spiffe://ci@corp.example/ci",
            "spiffe://corp.example?/ci",
            "spiffe:///ci",
        ] {
            assert_eq!(of(foreign), Err(CertificateRefusal::OtherTrustDomain), "{foreign}");
        }
        let long = format!("spiffe://corp.example/{}", "x".repeat(300));
        for path in [
            "spiffe://corp.example",
            "spiffe://corp.example/",
            "spiffe://corp.example//ci",
            "spiffe://corp.example/ci/",
            "spiffe://corp.example/ci/../boss",
            "spiffe://corp.example/./ci",
            "spiffe://corp.example/ci%2fboss",
            "spiffe://corp.example/ci?x",
            "spiffe://corp.example/ci#x",
            "spiffe://corp.example/c i",
            &long,
        ] {
            assert_eq!(of(path), Err(CertificateRefusal::SpiffePath), "{path}");
        }
        assert_eq!(check("", "spiffe:///ci"), Err(CertificateRefusal::OtherTrustDomain));
    }

    proptest! {
        #[test]
        fn what_is_taken_needs_no_decoding(id in "spiffe://corp\\.example/[ -~]{0,40}") {
            if check("corp.example", &id).is_ok() {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte);
                prop_assert!(id.bytes().all(plain) && !id.ends_with('/') && !id.contains("/../"), "{id}");
            }
        }
    }
}
