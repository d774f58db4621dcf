//! Words of the record in the words of people who never saw one. What is not known here is shown as it is written, with spaces.

/// Why a request was refused.
pub(super) fn refusal(reason: &str) -> String {
    let words = match reason {
        "no_credential" => "nobody was signed in",
        "malformed_cookie" | "unknown_session" => "signed in with something that the gate does not know (any more)",
        "other_host" => "signed in for another address than this one",
        "session_ended" => "the session had been ended",
        "session_expired" => "the session was over",
        "session_idle" => "the session had not been used for long",
        "facts_refused" => "the sign-in service did not vouch for the session any more",
        "facts_expired" => "what was known of the person was too old, and had to be confirmed by the sign-in service",
        "facts_stale" => "what was known of the person was too old, and the sign-in service was out of reach",
        "credential_replayed" => "a session or token of another device was shown: a sign of theft",
        "user_suspended" => "access had been taken away from this person",
        "malformed_authorization" | "token_malformed" | "token_kind" | "token_claims" | "token_groups" | "token_confirmation" => {
            "a program showed a token that is not one for this gate"
        }
        "token_issuer" | "token_audience" => "a program showed a token of somebody else, or for somebody else",
        "token_algorithm" | "token_signature" | "token_unknown_key" => "a program showed a token whose signature is not good",
        "token_lifetime" => "a program showed a token that is valid for longer than is taken",
        "token_expired" | "token_not_yet_valid" => "a program showed a token outside its time",
        "token_other_certificate" => "a program showed a token for an earlier certificate of the device",
        "token_stopped" => "a program showed a token that was seen on another device before",
        "provider_keys" => "nobody could be recognised: the sign-in service was out of reach",
        "device_missing" => "no known device: it showed no certificate",
        "device_unlisted" => "a device that is not in the inventory",
        "device_other_key" => "a device with another key than the inventory has for it",
        "device_former_key" => "a key that the device had before it was renewed",
        "device_pending" => "the device was not approved yet",
        "device_quarantined" => "the device was in quarantine",
        "device_retired" => "the device was retired",
        "device_authority" => "a device that this app does not take",
        "policy_no_permit" => "no policy allows it",
        "policy_forbidden" => "a policy forbids it",
        "policy_budget" => "as much as is allowed had been taken already",
        "policy_error" | "no_policies" => "the gate could not decide",
        "step_up" => "a fresher or stronger sign-in was asked for",
        "step_up_failed" | "step_up_unavailable" => "the sign-in was not fresh or strong enough",
        "unknown_host" | "nothing_here" => "there is nothing at this address",
        "misdirected" => "sent to another address than the connection was made for",
        "foreign_origin" | "cross_site" | "sign_in_cross_site" => {
            "a page of another web site tried it, in the browser of whoever this was"
        }
        "wrong_method" | "sign_in_method" | "method_not_taken" | "method_not_served" | "connect" | "server_wide" | "protocol" => {
            "a request of a kind that is not taken"
        }
        "body_too_large" | "chunk_overhead" => "what was sent was larger than is taken",
        "target_too_long" | "head_too_large" | "too_many_headers" | "trailers_too_large" => {
            "the request itself was larger than is taken, such as by its address or its cookies"
        }
        "rate_limited" => "more requests in a short time than the app takes",
        "crowded" => "the gate was busy with as many requests as it takes at once",
        "crowded_device" => "the device had as many requests under way as one may",
        "crowded_user" => "this person had as many requests under way as one may",
        "crowded_address" => "this address had as many requests under way as one may",
        "clock_unsure" => "the clock of the gate could not be believed",
        "inventory_behind" => "the gate could not read its inventory",
        "record_unavailable" => "it could not be recorded, so it was not allowed",
        "busy" => "the gate was busy",
        "client_went_away" | "client_stalled" => "the request did not arrive whole",
        "client_too_slow" => "what was sent came too slowly",
        "head_timeout" => "the beginning of the request took too long to come",
        "client_gone" => "whoever asked had gone before the answer",
        "cut" => "access ended before the answer",
        "panicked" | "no_randomness" | "sign_in_randomness" | "sign_in_store" => "the gate failed",
        "sign_in_no_device" => "signing in without a known device",
        "form_gone" => "a form that was kept during a new sign-in was not there any more",
        "connect_failed" | "tls_failed" | "protocol_refused" | "no_healthy_upstream" => "the app was not to be reached",
        "app_reset" | "app_answered_garbage" | "upgrade_refused" => "the app failed to answer",
        "connect_timed_out" | "first_byte_timed_out" | "app_stalled" => "the app took too long",
        "identity_unfit" | "cannot_sign" => "who it was could not be told to the app",
        "unknown_app" => "the app had just been taken out of the configuration",
        "logout_throttled" => "too many sign-outs of the sign-in service were refused before",
        "logout_failed" => "a sign-out of the sign-in service could not be carried out",
        "sign_in_declined" => "a sign-in that was declined",
        "sign_in_signed_out" => "a sign-in of somebody who was signed out meanwhile",
        other if other.starts_with("certificate_") => {
            return format!("the device’s certificate was not good ({})", spaced(other.trim_start_matches("certificate_")));
        }
        other if other.starts_with("sign_in_provider") => "signing in failed: the sign-in service did",
        other if other.starts_with("sign_in_") => {
            return format!("signing in failed ({})", spaced(other.trim_start_matches("sign_in_")));
        }
        "enrol_certificate_copied" => "a certificate was renewed a second time, with another key: a sign that it was copied",
        other if other.starts_with("enrol_") => {
            return format!("enrolling failed ({})", spaced(other.trim_start_matches("enrol_")));
        }
        other if other.starts_with("posture_") => {
            return format!("a report of the state of devices was not taken ({})", spaced(other.trim_start_matches("posture_")));
        }
        other if other.starts_with("self_service_") => {
            return format!("at the page of one’s own devices ({})", spaced(other.trim_start_matches("self_service_")));
        }
        other if other.starts_with("admin_") => {
            return format!("at the gate’s administration ({})", spaced(other.trim_start_matches("admin_")));
        }
        other if other.starts_with("logout_") => {
            return format!("a sign-out that cannot be the sign-in service’s ({})", spaced(other.trim_start_matches("logout_")));
        }
        other if MALFORMED.contains(&other) || other.starts_with("path_") => {
            return format!("a request that cannot be understood, or in more than one way ({})", spaced(other));
        }
        other => return spaced(other),
    };
    words.to_owned()
}

/// Why the gate broke an answer off.
pub(super) fn cause(cause: &str) -> String {
    let words = match cause {
        "device_quarantined" => "the device was quarantined",
        "device_retired" => "the device was retired",
        "device_changed" => "what is known of the device changed",
        "certificate" => "the device’s certificate ended",
        "session_ended" => "the session was ended",
        "session_changed" => "what is known of the person changed",
        "session_expired" => "the session was over",
        "session_idle" => "the session had not been used for long",
        "facts_stale" => "what was known of the person was too old",
        "token" => "the token ended",
        "user_suspended" => "access was taken away from the person",
        "policies" => "new policies do not allow it",
        "configuration" => "the new configuration does not allow it",
        "usage" => "as much as is allowed had been taken",
        "time" => "the time in which it is allowed was over",
        "unsure" => "the gate could not be sure any more",
        other => return spaced(other),
    };
    words.to_owned()
}

/// Who did something: `uid:1000 (ana)`, `user:corp/ana`, `device:lap-7`, `system:upkeep`.
pub(super) fn actor(by: &str) -> String {
    let of_machine = "on the gate’s machine";
    match by.split_once(':') {
        Some(("uid", who)) => match who.split_once(" (") {
            Some((id, name)) => format!("{} (account {id} {of_machine})", name.trim_end_matches(')')),
            None if who == "0" => format!("the administrator (account 0 {of_machine})"),
            None => format!("account {who} {of_machine}"),
        },
        Some(("user", who)) => who.to_owned(),
        Some(("device", who)) => format!("the device {who}"),
        Some(("source", who)) => format!("{who}, which reports the state of devices"),
        Some(("system", _part)) => "the gate itself".to_owned(),
        _ => by.to_owned(),
    }
}

/// What else an event says, on one line: of hashes their beginning is enough to compare by.
pub(super) fn detail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut told = String::with_capacity(text.len());
    let joined = lines.join(" / ");
    for (index, word) in joined.split_inclusive(|letter: char| !letter.is_ascii_hexdigit()).enumerate() {
        let digits = word.trim_end_matches(|letter: char| !letter.is_ascii_hexdigit());
        // What is hexadecimal on both sides of a letter is a word.
        let starts = index == 0 || !told.ends_with(|letter: char| letter.is_alphanumeric());
        if digits.len() == HASH && starts {
            told.extend(digits.chars().take(SHOWN));
            told.push('…');
            told.extend(word.chars().skip(HASH));
        } else {
            told.push_str(word);
        }
    }
    told
}

fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

/// What has no reading, or more than one. Of paths there are more, all of which begin alike.
const MALFORMED: [&str; 43] = [
    "request_line",
    "blank_line",
    "target",
    "fragment",
    "scheme",
    "query",
    "unexpressible",
    "method_malformed",
    "version",
    "version_unsupported",
    "host",
    "host_missing",
    "host_twice",
    "hosts_differ",
    "userinfo",
    "port",
    "bare_lf",
    "bare_cr",
    "header_name",
    "header_value",
    "space_before_colon",
    "obsolete_fold",
    "header_twice",
    "authorization_twice",
    "cookie_twice",
    "connection",
    "connection_names",
    "connection_header",
    "expectation",
    "content_length",
    "content_length_twice",
    "transfer_encoding",
    "transfer_encoding_twice",
    "transfer_encoding_too_old",
    "two_lengths",
    "chunk_size",
    "chunk_extension",
    "chunk_end",
    "trailer",
    "body_malformed",
    "unguarded",
    "websocket",
    "websocket_version",
];
/// Digits of a SHA-256.
const HASH: usize = 64;
/// Digits of it that are shown.
const SHOWN: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_record_are_words_of_people() {
        assert_eq!(refusal("no_credential"), "nobody was signed in");
        assert_eq!(refusal("certificate_not_yet_valid"), "the device’s certificate was not good (not yet valid)");
        assert_eq!(refusal("sign_in_other_browser"), "signing in failed (other browser)");
        assert_eq!(refusal("of_a_later_version"), "of a later version");
        for known in crate::contain::Cause::ALL {
            assert_ne!(cause(known.as_str()), spaced(known.as_str()), "{known:?}");
        }
        let who = ["uid:1000 (ben)", "uid:0", "user:corp/ana", "device:lap-7", "source:mdm", "system:upkeep", "else"].map(actor);
        let expected = [
            "ben (account 1000 on the gate’s machine)",
            "the administrator (account 0 on the gate’s machine)",
            "corp/ana",
            "the device lap-7",
            "mdm, which reports the state of devices",
            "the gate itself",
            "else",
        ];
        assert_eq!(who, expected);
    }

    /// The words of the sources that name refusals, of which the manual and the table of answers have tests of their own.
    #[test]
    fn every_refusal_has_words_of_people() {
        let sources = [
            include_str!("../../../read/refusal.rs"),
            include_str!("../../../read/guard/refusal.rs"),
            include_str!("../../../config/path.rs"),
            include_str!("../../../contain/crowd.rs"),
            include_str!("../../../route/router.rs"),
            include_str!("../../../identify_user/refusal.rs"),
            include_str!("../../../sign_in/refusal.rs"),
            include_str!("../../../sign_in/logout.rs"),
            include_str!("../../../forward/error.rs"),
            include_str!("../../../enrol/refusal.rs"),
        ];
        let named = sources.iter().flat_map(|source| {
            let (_, labels) = source.split_once("fn as_str(").unwrap();
            let (labels, _) = labels.split_once("\n    }").unwrap();
            labels.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next())
        });
        let answers = include_str!("../../../journey/testdata/answers.txt").lines();
        let answered = answers.filter(|line| line.starts_with(|letter: char| letter.is_ascii_digit()));
        let answered = answered.filter_map(|line| line.split([' ', ',']).nth(1));
        let words: std::collections::BTreeSet<_> = named.chain(answered).chain(["client_gone", "cut"]).collect();
        assert!(words.len() > 180, "{}", words.len());
        let bare: Vec<_> = words.into_iter().filter(|word| refusal(word) == spaced(word)).collect();
        assert!(bare.is_empty(), "they have no words of their own: {bare:?}");
    }

    #[test]
    fn a_detail_is_one_line_with_short_hashes() {
        let hash = "ab".repeat(32);
        assert_eq!(detail(&hash), "abababababab…");
        assert_eq!(detail(&format!("{hash}; changed: apps\n  line two\r\n\n")), "abababababab…; changed: apps / line two");
        for same in ["face the facade", &"a".repeat(63), &format!("x{hash}")] {
            assert_eq!(detail(same), same);
        }
    }
}
