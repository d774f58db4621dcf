//! The reason that somebody gives for a change.

use crate::store::LONGEST_REASON;

/// A reason, if the record has room for all of it.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let long = text.trim().chars().count();
    if long > LONGEST_REASON {
        return Err(format!(
            "a reason has {LONGEST_REASON} characters at most, and this one has {long}: say it shorter, or name a ticket"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_would_be_shortened_is_refused() {
        assert_eq!(reason(&"é".repeat(LONGEST_REASON)), Ok("é".repeat(LONGEST_REASON)));
        assert!(reason(&"é".repeat(LONGEST_REASON + 1)).unwrap_err().contains("and this one has 501"));
        assert_eq!(reason(""), Ok(String::new()));
    }
}
