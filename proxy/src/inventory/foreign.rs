//! The inventory's name for a device that a foreign authority names.

use super::device::DeviceId;
use crate::secret::Digest;

/// `authority.name` where that is a device id. Otherwise a readable form of it with a digest of the exact name at its end, so that
/// two names never become one.
pub fn foreign_device_id(authority: &str, name: &str) -> DeviceId {
    let digest = Digest::of(format!("{authority}\n{name}").as_bytes());
    let plain = format!("{authority}.{name}");
    // Of names that all begin so, what follows is what people look for. The digest is of the whole.
    let telling = name.strip_prefix("spiffe://").map_or_else(|| plain.clone(), |rest| format!("{authority}.{rest}"));
    let readable: String = telling
        .chars()
        .take(40)
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' })
        .collect();
    [plain, format!("{readable}-{}", digest.short()), format!("device-{}", digest.short())]
        .into_iter()
        .find_map(|candidate| candidate.parse().ok())
        .unwrap_or_else(|| DeviceId::of_digest(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_readable_and_apart() {
        assert_eq!(foreign_device_id("mdm", "lap-7").as_str(), "mdm.lap-7");
        let upper = foreign_device_id("mdm", "LAP-7");
        assert!(upper.as_str().starts_with("mdm.lap-7-"), "{upper}");
        assert_ne!(upper, foreign_device_id("mdm", "Lap-7"));
        assert_ne!(foreign_device_id("mdm", "a/b"), foreign_device_id("mdm", "a-b"));
        let long = foreign_device_id("mdm", &"x".repeat(200));
        assert!(long.as_str().len() <= 64);
        assert_ne!(long, foreign_device_id("mdm", &"x".repeat(201)));
        let service = foreign_device_id("services", "spiffe://corp.example/ci");
        assert!(service.as_str().starts_with("services.corp.example-ci-"), "{service}");
        assert_ne!(foreign_device_id("services", "spiffe://ci"), foreign_device_id("services", "ci"));
    }
}
