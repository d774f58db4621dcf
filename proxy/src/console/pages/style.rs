//! The one stylesheet, and the policy that lets browsers use nothing but it.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::secret::Digest;

/// Inline in every page.
pub(super) const STYLE: &str = include_str!("../../../templates/style.css");

/// `Content-Security-Policy` for every page: no scripts, no frames, nothing from elsewhere, and this stylesheet alone, by its
/// hash.
pub fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| content_security_policy_with_forms_to(&[]));
    &POLICY
}

/// As [`content_security_policy`], where the answer to a form redirects to another origin, such as a provider's: some
/// browsers hold redirects against `form-action`, too. What is not an origin of http or https is left out.
pub fn content_security_policy_with_forms_to(origins: &[&str]) -> String {
    let hash = STANDARD.encode(Digest::of(STYLE.as_bytes()));
    let origin = |text: &&str| url::Url::parse(text).ok().map(|url| url.origin()).filter(url::Origin::is_tuple);
    let forms: String = origins.iter().filter_map(origin).map(|origin| format!(" {}", origin.ascii_serialization())).collect();
    format!("default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'{forms}; frame-ancestors 'none'; base-uri 'none'")
}
