//! How long somebody is told to wait.

use std::time::Duration;

/// Up to the next whole second, and never zero: that would be an invitation to ask at once. What a text says and what `Retry-After`
/// says are this same figure.
pub fn whole_seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000).max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_never_shorter_than_it_is() {
        let told = [0, 1, 999, 1000, 1001, 59_900].map(|ms| whole_seconds(Duration::from_millis(ms)));
        assert_eq!(told, [1, 1, 1, 1, 2, 60]);
        assert_eq!(whole_seconds(Duration::MAX), u64::MAX);
    }
}
