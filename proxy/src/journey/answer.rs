//! The one table from refusals to answers: status, name, words, remedy, and what to do with the connection. No wildcard arm: a
//! new refusal does not compile until somebody has decided what it means to a person.

use std::time::Duration;

use http::StatusCode;
use sekisho_policy::DenyReason;

use crate::clock::whole_seconds;
use crate::contain::Crowded;
use crate::decide::{Budget, DecideRefusal};
use crate::forward::ForwardError;
use crate::identify_device::DeviceRefusal;
use crate::identify_user::UserRefusal;
use crate::identify_user::claims::ClaimProblem;
use crate::inventory::SessionOver;
use crate::read::ReadRefusal;
use crate::route::RouteRefusal;
use crate::sign_in::{FormFate, LogoutRefusal, Needed, SignInRefusal, StepUpRefusal};

use super::control::ControlError;
use super::mend;
use super::refusal::Refusal;
use super::words;

/// What a refusal becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status of the answer.
    pub status: StatusCode,
    /// Its name in the record, in metrics and in problem JSON.
    pub reason: &'static str,
    /// A few words for a person.
    pub title: &'static str,
    /// What happened, for a person.
    pub detail: String,
    /// What the person can do now.
    pub remedy: &'static str,
    /// Ways to what was asked for, each a list of steps that the person can take.
    pub ways: Vec<Vec<String>>,
    /// What the authors of policies have to say about it.
    pub advice: Vec<String>,
    /// Close the connection: what follows on it cannot be trusted, or the browser should choose another certificate.
    pub close: bool,
}

/// The table.
pub fn answer(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::Framing(why) => Answer {
            close: true,
            ..row(why.status(), why.as_str(), "The request cannot be understood", sentence(&why.to_string()), mend::framing(*why))
        },
        Refusal::Read(why) => read(*why),
        Refusal::Route(why) => route(why),
        Refusal::Device(why) => device(why),
        Refusal::User(why) => user(*why),
        Refusal::Decide(why) => decide(why),
        Refusal::Forward(why) => forward(*why),
        Refusal::Record(_) => unsure("record_unavailable", "What you do here cannot be recorded now, so it is not allowed."),
        Refusal::Control(ControlError::Device) => crowded(Crowded::Device),
        Refusal::Control(ControlError::Full | ControlError::Lost) => {
            unsure("busy", "Too many sign-ins are under way at this moment.")
        }
        Refusal::SignIn(why) => sign_in(why),
        Refusal::Logout(why) => logout(why),
        Refusal::StepUp(why) => step_up(why),
        Refusal::Enrol(why) => {
            row(why.status(), why.as_str(), "The device could not be enrolled", sentence(&why.to_string()), ASK_ADMINISTRATOR)
        }
        Refusal::Belongings(why) => {
            row(why.status(), why.as_str(), "This could not be done", sentence(&why.to_string()), why.remedy())
        }
        Refusal::Posture(why) => {
            row(why.status(), why.as_str(), "The report was not taken", sentence(&why.to_string()), why.remedy())
        }
        Refusal::Administering(why) => {
            row(why.status(), why.as_str(), "Nothing was done", sentence(&why.to_string()), why.remedy())
        }
        Refusal::Crowded(why) => crowded(*why),
        Refusal::TooOften { wait } => {
            let detail = format!("You ask this app more often than it allows. It takes your next request in {}.", about(*wait));
            row(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests", detail, WAIT)
        }
        Refusal::Clock(_) => unsure("clock_unsure", "The gate's clock has jumped, so it cannot tell what has expired."),
        Refusal::NoPolicies => unsure("no_policies", "The gate has no rules to decide by."),
        Refusal::BodyTooLarge => row(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "That is too large",
            "What you are sending is larger than this app takes.".to_owned(),
            "Send less, or ask for the limit to be raised.",
        ),
        Refusal::NothingHere => row(
            StatusCode::NOT_FOUND,
            "nothing_here",
            "There is nothing here",
            "This address belongs to the gate, and nothing is at it.".to_owned(),
            CHECK_ADDRESS,
        ),
        Refusal::WrongMethod => row(
            StatusCode::METHOD_NOT_ALLOWED,
            "wrong_method",
            "Not like this",
            "This address takes another method.".to_owned(),
            mend::OWN_METHOD,
        ),
        Refusal::NoRandomness => unsure("no_randomness", "The system gave no random bytes."),
        Refusal::Panicked => row(
            StatusCode::INTERNAL_SERVER_ERROR,
            "panicked",
            "The gate failed",
            "Something went wrong in the gate itself.".to_owned(),
            TELL_ADMINISTRATOR,
        ),
    }
}

fn read(why: ReadRefusal) -> Answer {
    let status = match why {
        ReadRefusal::Method | ReadRefusal::ServerWide | ReadRefusal::Protocol => StatusCode::NOT_IMPLEMENTED,
        ReadRefusal::TargetTooLong => StatusCode::URI_TOO_LONG,
        ReadRefusal::TooManyHeaders | ReadRefusal::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        ReadRefusal::Expectation => StatusCode::EXPECTATION_FAILED,
        ReadRefusal::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
        ReadRefusal::Unguarded
        | ReadRefusal::Scheme
        | ReadRefusal::HostMissing
        | ReadRefusal::HostTwice
        | ReadRefusal::Host
        | ReadRefusal::Userinfo
        | ReadRefusal::Port
        | ReadRefusal::HostsDiffer
        | ReadRefusal::Path(_)
        | ReadRefusal::Query
        | ReadRefusal::ConnectionHeader
        | ReadRefusal::ConnectionNames
        | ReadRefusal::Connection
        | ReadRefusal::AuthorizationTwice
        | ReadRefusal::CookieTwice
        | ReadRefusal::HeaderTwice
        | ReadRefusal::WebSocket => StatusCode::BAD_REQUEST,
    };
    // What was misread once may be misread again: nothing more is taken from this connection.
    Answer {
        close: true,
        ..row(status, why.as_str(), "The request cannot be understood", sentence(&why.to_string()), mend::reading(why))
    }
}

fn route(why: &RouteRefusal) -> Answer {
    let (status, title, remedy) = match why {
        RouteRefusal::UnknownHost => (StatusCode::NOT_FOUND, "There is no such app", CHECK_ADDRESS),
        RouteRefusal::Misdirected => {
            (StatusCode::MISDIRECTED_REQUEST, "Wrong connection", "Try again; your browser will open another connection.")
        }
        RouteRefusal::Method => (StatusCode::NOT_IMPLEMENTED, "The app does not take this", mend::APP_METHOD),
        RouteRefusal::ForeignOrigin | RouteRefusal::CrossSite => {
            (StatusCode::FORBIDDEN, "Not from another site's page", OTHER_SITE)
        }
    };
    row(status, why.as_str(), title, sentence(&why.to_string()), remedy)
}

fn device(why: &DeviceRefusal) -> Answer {
    let (reason, title, remedy) = match why {
        DeviceRefusal::NoCertificate => ("device_missing", "This device is not known", ENROL),
        DeviceRefusal::Certificate(why) => return certificate(*why),
        DeviceRefusal::Unlisted(_) | DeviceRefusal::FirstSight { .. } => {
            ("device_unlisted", "This device is not known", ASK_ADMINISTRATOR)
        }
        DeviceRefusal::OtherKey(_) => ("device_other_key", "This is not the key of that device", "Enrol the device again."),
        DeviceRefusal::FormerKey(_) => (
            "device_former_key",
            "This certificate was replaced",
            "Choose the newer certificate of this device. If you have none, tell your security team: somebody else may have it.",
        ),
        DeviceRefusal::Pending(_) => (
            "device_pending",
            "This device is waiting",
            "Tell an administrator the fingerprint that was shown when you enrolled it; it works as soon as they confirm it.",
        ),
        DeviceRefusal::Quarantined(_) => {
            ("device_quarantined", "This device is isolated", "Do not use it, and talk to your security team now.")
        }
        DeviceRefusal::Retired(_) => {
            ("device_retired", "This device is retired", "Enrol it again under a new name, or use another.")
        }
        DeviceRefusal::AuthorityNotTaken(_) => {
            ("device_authority", "Not from this kind of device", "Use a device of the kind that this app takes.")
        }
        DeviceRefusal::InventoryBehind => return unsure("inventory_behind", "The list of devices cannot be brought up to date."),
    };
    Answer { close: true, ..row(StatusCode::FORBIDDEN, reason, title, sentence(&why.to_string()), remedy) }
}

fn certificate(why: sekisho_certs::trust::CertificateRefusal) -> Answer {
    use sekisho_certs::trust::CertificateRefusal as Why;
    let (reason, remedy) = match why {
        Why::UnknownAuthority => ("certificate_unknown_authority", OTHER_CERTIFICATE),
        Why::BadSignature => ("certificate_bad_signature", OTHER_CERTIFICATE),
        Why::NotYetValid { .. } => ("certificate_not_yet_valid", "Check this device's clock, then try again."),
        Why::Expired { .. } => ("certificate_expired", "Renew the device's certificate, or enrol the device again."),
        Why::AuthorityNotValid => ("certificate_authority_not_valid", TELL_ADMINISTRATOR),
        Why::ChainNotAllowed => ("certificate_chain", OTHER_CERTIFICATE),
        Why::Revoked => ("certificate_revoked", "This certificate was withdrawn. Talk to an administrator."),
        Why::RevocationUnknown => ("certificate_revocation_unknown", TELL_ADMINISTRATOR),
        // The list is ours to keep fresh: closed because unsure, through no fault of the device.
        Why::CrlExpired => return unsure("certificate_crl_expired", "The list of withdrawn certificates is out of date."),
        Why::CrlBadSignature => {
            return unsure("certificate_crl_bad_signature", "The list of withdrawn certificates cannot be trusted.");
        }
        Why::WrongPurpose => ("certificate_wrong_purpose", OTHER_CERTIFICATE),
        Why::IsAuthority => ("certificate_is_authority", OTHER_CERTIFICATE),
        Why::NoIdentity => ("certificate_no_identity", OTHER_CERTIFICATE),
        Why::SeveralIdentities => ("certificate_several_identities", OTHER_CERTIFICATE),
        Why::ForeignIdentity => ("certificate_foreign_identity", OTHER_CERTIFICATE),
        Why::NotSpiffe => ("certificate_not_spiffe", OTHER_CERTIFICATE),
        Why::OtherTrustDomain => ("certificate_other_trust_domain", OTHER_CERTIFICATE),
        Why::SpiffePath => ("certificate_spiffe_path", OTHER_CERTIFICATE),
        Why::Malformed => ("certificate_malformed", OTHER_CERTIFICATE),
        Why::WeakAlgorithm => ("certificate_weak_algorithm", OTHER_CERTIFICATE),
    };
    let title = "This device's certificate is not accepted";
    Answer { close: true, ..row(StatusCode::FORBIDDEN, reason, title, sentence(&why.to_string()), remedy) }
}

fn user(why: UserRefusal) -> Answer {
    let (status, title, remedy) = match why {
        UserRefusal::NoCredential | UserRefusal::MalformedCookie | UserRefusal::UnknownSession | UserRefusal::OtherHost => {
            (StatusCode::UNAUTHORIZED, "Please sign in", SIGN_IN)
        }
        UserRefusal::SessionOver(SessionOver::Ended | SessionOver::Expired | SessionOver::Idle) => {
            (StatusCode::UNAUTHORIZED, "Your session is over", SIGN_IN)
        }
        UserRefusal::FactsRefused => (StatusCode::UNAUTHORIZED, "Your session is over", FACTS_REFUSED),
        UserRefusal::FactsExpired => (StatusCode::UNAUTHORIZED, "Please sign in", SIGN_IN),
        UserRefusal::FactsStale => {
            return unsure(why.as_str(), "The identity provider cannot be reached to confirm your sign-in.");
        }
        UserRefusal::OtherDevice => (
            StatusCode::FORBIDDEN,
            "This sign-in belongs to another device",
            "Sign in on this device. If you did not copy anything from another device, tell your security team now.",
        ),
        UserRefusal::Suspended => (StatusCode::FORBIDDEN, "Your access is suspended", ASK_ADMINISTRATOR),
        UserRefusal::Claims(ClaimProblem::TooLong) => {
            (StatusCode::UNAUTHORIZED, "The token is valid for too long", SHORTER_TOKEN)
        }
        UserRefusal::MalformedAuthorization
        | UserRefusal::Token(_)
        | UserRefusal::TokenKind
        | UserRefusal::Issuer
        | UserRefusal::Audience
        | UserRefusal::Claims(_)
        | UserRefusal::Groups(_)
        | UserRefusal::Confirmation
        | UserRefusal::OtherCertificate
        | UserRefusal::TokenStopped => {
            (StatusCode::UNAUTHORIZED, "The token is not accepted", "Get a new token from your identity provider.")
        }
        UserRefusal::NoKeys(_) => return unsure(why.as_str(), "The identity provider's keys cannot be had now."),
    };
    row(status, why.as_str(), title, sentence(&why.to_string()), remedy)
}

fn sign_in(why: &SignInRefusal) -> Answer {
    let (status, remedy) = match why {
        SignInRefusal::NoDevice => {
            return Answer {
                close: true,
                ..row(StatusCode::FORBIDDEN, why.as_str(), "This device is not known", sentence(&why.to_string()), ENROL)
            };
        }
        SignInRefusal::Service => (StatusCode::FORBIDDEN, NOT_A_PERSON),
        SignInRefusal::Session(why) => return user(*why),
        SignInRefusal::Suspended(_) => return user(UserRefusal::Suspended),
        SignInRefusal::StepUp { problem, form } => {
            let sent = if *form { " What you were sending was not sent." } else { "" };
            let detail = format!("{}{sent}", sentence(&problem.to_string()));
            return row(StatusCode::FORBIDDEN, why.as_str(), STEP_UP_FAILED, detail, STEP_UP_AGAIN);
        }
        SignInRefusal::FormGone => {
            return row(StatusCode::GONE, why.as_str(), "There is nothing to send", sentence(&why.to_string()), FORM_GONE);
        }
        SignInRefusal::Method => (StatusCode::METHOD_NOT_ALLOWED, mend::OWN_METHOD),
        SignInRefusal::Malformed | SignInRefusal::Query(_) => (StatusCode::BAD_REQUEST, SIGN_IN_AGAIN),
        SignInRefusal::NoProvider => (StatusCode::NOT_FOUND, TELL_ADMINISTRATOR),
        SignInRefusal::UnknownProvider => (StatusCode::NOT_FOUND, SIGN_IN_AGAIN),
        SignInRefusal::UnknownAttempt | SignInRefusal::OtherBrowser | SignInRefusal::HandOver => {
            (StatusCode::BAD_REQUEST, SIGN_IN_AGAIN)
        }
        SignInRefusal::OtherIssuer
        | SignInRefusal::IdToken(_)
        | SignInRefusal::Code
        | SignInRefusal::Declined
        | SignInRefusal::SignedOut(_) => (StatusCode::FORBIDDEN, SIGN_IN_AGAIN),
        SignInRefusal::BreakGlass => (StatusCode::FORBIDDEN, BREAK_GLASS),
        SignInRefusal::BreakGlassThrottled { .. } => (StatusCode::TOO_MANY_REQUESTS, BREAK_GLASS),
        SignInRefusal::Groups(_) => (StatusCode::FORBIDDEN, TELL_ADMINISTRATOR),
        SignInRefusal::CrossSite => (StatusCode::FORBIDDEN, "Go to the page itself and press the button there."),
        SignInRefusal::ProviderError
        | SignInRefusal::ProviderDown
        | SignInRefusal::ProviderUnfit(_)
        | SignInRefusal::ProviderAnswer(_)
        | SignInRefusal::Store(_)
        | SignInRefusal::NoRandomness(_) => (StatusCode::SERVICE_UNAVAILABLE, RETRY_LATER),
    };
    row(status, why.as_str(), "You could not be signed in", sentence(&why.to_string()), remedy)
}

/// A provider hears 400 for whatever is not done (OpenID Connect Back-Channel Logout 1.0, section 2.8).
fn logout(why: &LogoutRefusal) -> Answer {
    let status = match why {
        LogoutRefusal::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        LogoutRefusal::Malformed
        | LogoutRefusal::Token(_)
        | LogoutRefusal::Kind(_)
        | LogoutRefusal::Issuer
        | LogoutRefusal::Audience
        | LogoutRefusal::Claims(_)
        | LogoutRefusal::Stale
        | LogoutRefusal::Nobody
        | LogoutRefusal::Replayed
        | LogoutRefusal::NoKeys(_)
        | LogoutRefusal::Store(_) => StatusCode::BAD_REQUEST,
    };
    row(status, why.as_str(), "Nobody was signed out", sentence(&why.to_string()), mend::logout(why))
}

fn step_up(why: &StepUpRefusal) -> Answer {
    match why {
        StepUpRefusal::Needed(needed) => {
            let remedy = match needed.form {
                _ if needed.way.is_none() => "Get a token from a sign-in that brings this.",
                FormFate::None => "Sign in again; you come back to the page.",
                FormFate::Kept => {
                    "Sign in again. What you were sending is kept for a few minutes, and is sent when you say so."
                }
                FormFate::TooLarge => {
                    "What you were sending was not sent, and is too large to be kept. Sign in again, then send it anew."
                }
                FormFate::OtherSite => {
                    "What you were sending was not sent, as it came from another site's page. Sign in again, then go to the app."
                }
                FormFate::Unfit => {
                    "What you were sending was not sent, and could not be kept. Sign in again, then send it anew."
                }
            };
            row(StatusCode::UNAUTHORIZED, "step_up", "Please sign in again", needed_words(needed), remedy)
        }
        StepUpRefusal::NotAgain => row(
            StatusCode::FORBIDDEN,
            "step_up_failed",
            STEP_UP_FAILED,
            "You have just signed in again, and it was not enough for this.".to_owned(),
            STEP_UP_AGAIN,
        ),
        StepUpRefusal::CannotAsk => row(
            StatusCode::FORBIDDEN,
            "step_up_unavailable",
            "A stronger sign-in is needed",
            "For this you have to sign in in a stronger way, and the gate does not know how to ask your identity provider for it."
                .to_owned(),
            "Sign out, and sign in with a second factor. If you are not asked for one, tell an administrator the request id.",
        ),
    }
}

/// What a sign-in has to bring, for a person.
fn needed_words(needed: &Needed) -> String {
    let age = needed.asked.max_age.map(|seconds| match seconds {
        0..=119 => format!("may be at most {seconds} seconds old"),
        _ => format!("may be at most {} minutes old", seconds.div_ceil(60)),
    });
    let strong = match (needed.mfa, needed.asked.acr_values.is_empty()) {
        (true, _) => Some("has to have a second factor"),
        (false, false) => Some("has to be stronger"),
        (false, true) => None,
    };
    match (age, strong) {
        (Some(age), Some(strong)) => format!("For this, your sign-in {age}, and {strong}."),
        (Some(age), None) => format!("For this, your sign-in {age}."),
        (None, strong) => format!("For this, your sign-in {}.", strong.unwrap_or("has to be another")),
    }
}

fn decide(why: &DecideRefusal) -> Answer {
    let remedies = why.remedies.as_deref();
    let ways = remedies.map(words::ways).unwrap_or_default();
    let remedy = if ways.is_empty() { ASK_FOR_IT } else { THEN_TRY_AGAIN };
    let advice = remedies.map(|remedies| remedies.advice.clone()).unwrap_or_default();
    let denied = match why.reason {
        DenyReason::NoPermit | DenyReason::Forbidden if let Some(budget) = why.budget => used_up(budget),
        DenyReason::NoPermit => row(
            StatusCode::FORBIDDEN,
            "policy_no_permit",
            "You may not do this",
            "No rule allows you to do this here.".to_owned(),
            remedy,
        ),
        DenyReason::Forbidden => {
            row(StatusCode::FORBIDDEN, "policy_forbidden", "You may not do this", "A rule forbids this.".to_owned(), remedy)
        }
        DenyReason::EvaluationFailed => unsure("policy_error", "The rules could not be applied to this request."),
    };
    Answer { ways, advice, ..denied }
}

/// Too many requests are under way: of all, which is our fault, or of one.
fn crowded(why: Crowded) -> Answer {
    match why {
        Crowded::All => unsure(why.as_str(), "The gate is busy with as many requests as it may be."),
        Crowded::Address | Crowded::Device | Crowded::User => {
            row(StatusCode::TOO_MANY_REQUESTS, why.as_str(), "Too many at once", sentence(&why.to_string()), WAIT_FOR_OTHERS)
        }
    }
}

/// Nothing but their budget is in the way.
fn used_up(budget: Budget) -> Answer {
    let detail = match budget.wait {
        Some(wait) => format!("You have had as much from this app as you may for now. There is room again in {}.", about(wait)),
        None => "You have had as much from this app as you may.".to_owned(),
    };
    row(StatusCode::TOO_MANY_REQUESTS, "policy_budget", "That is enough for now", detail, WAIT)
}

/// A time for a person: never shorter than it is, and up to a minute and a half the same as `Retry-After`.
fn about(wait: Duration) -> String {
    let (count, unit) = match whole_seconds(wait) {
        seconds @ 0..=90 => (seconds, "second"),
        seconds @ 91..=5400 => (seconds.div_ceil(60), "minute"),
        seconds => (seconds.div_ceil(3600), "hour"),
    };
    format!("about {count} {unit}{}", if count == 1 { "" } else { "s" })
}

fn forward(why: ForwardError) -> Answer {
    let (status, title, remedy) = match why {
        ForwardError::ConnectFailed
        | ForwardError::TlsFailed
        | ForwardError::ProtocolRefused
        | ForwardError::AppReset
        | ForwardError::AppAnsweredGarbage
        | ForwardError::UpgradeRefused => (StatusCode::BAD_GATEWAY, "The app does not answer", RETRY_LATER),
        ForwardError::ConnectTimedOut | ForwardError::FirstByteTimedOut | ForwardError::AppStalled => {
            (StatusCode::GATEWAY_TIMEOUT, "The app takes too long", RETRY_LATER)
        }
        ForwardError::NoHealthyUpstream => (StatusCode::BAD_GATEWAY, "The app is down", RETRY_LATER),
        ForwardError::BodyTooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, "That is too large", "Send less, or ask for the limit to be raised.")
        }
        ForwardError::BodyMalformed => (StatusCode::BAD_REQUEST, "The request cannot be understood", mend::BODY),
        ForwardError::ClientWentAway | ForwardError::ClientStalled | ForwardError::ClientTooSlow => {
            (StatusCode::REQUEST_TIMEOUT, "The request did not arrive whole", mend::SLOW)
        }
        ForwardError::IdentityUnfit => return unsure(why.as_str(), "What is known about you cannot be told to the app safely."),
        ForwardError::CannotSign => return unsure(why.as_str(), "The gate could not vouch for you to the app."),
        ForwardError::UnknownApp => return unsure(why.as_str(), "The app was taken out of the configuration at this moment."),
        ForwardError::Unexpressible => (StatusCode::BAD_REQUEST, "The request cannot be understood", mend::ADDRESS),
    };
    row(status, why.as_str(), title, sentence(&why.to_string()), remedy)
}

/// Closed because unsure.
fn unsure(reason: &'static str, detail: &str) -> Answer {
    row(StatusCode::SERVICE_UNAVAILABLE, reason, "Not possible now", detail.to_owned(), RETRY_LATER)
}

fn row(status: StatusCode, reason: &'static str, title: &'static str, detail: String, remedy: &'static str) -> Answer {
    Answer { status, reason, title, detail, remedy, ways: Vec::new(), advice: Vec::new(), close: false }
}

/// Error texts begin small and have no full stop; people read sentences.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => String::new(),
    }
}

const RETRY_LATER: &str = "Try again in a moment. If it goes on, tell an administrator the request id.";
const OTHER_SITE: &str = "Open the app itself, and do it there. If that other page is meant to do this, an administrator can add its origin to the app's `allowed_origins`.";
const SHORTER_TOKEN: &str = "Ask your identity provider for a token that ends sooner. How long it may be valid, an administrator knows: it is the provider's `max_token_lifetime`.";
const ASK_ADMINISTRATOR: &str = "Ask an administrator, and give them the request id.";
const TELL_ADMINISTRATOR: &str = "Tell an administrator the request id.";
const CHECK_ADDRESS: &str = "Check the address.";
const ENROL: &str =
    "Use a device that is enrolled, and choose its certificate when the browser asks. To enrol this one, see /.sekisho/enroll.";
const WAIT: &str = "Wait, then try again. If your work needs more, ask an administrator and give them the request id.";
const WAIT_FOR_OTHERS: &str = "Wait for an answer to what you have asked for, or close some windows; then try again.";
const ASK_FOR_IT: &str = "If you need it for your work, ask an administrator and give them the request id.";
const THEN_TRY_AGAIN: &str = "Then try again. What you change on a device takes some time until the gate hears of it.";
const SIGN_IN: &str = "Sign in, then try again.";
const FACTS_REFUSED: &str = "Sign in again. If nobody changed your account, and it happens again, tell your security team.";
const NOT_A_PERSON: &str = "Use a device of yours, and choose its certificate; a service asks with its own certificate or token.";
const SIGN_IN_AGAIN: &str = "Go back to the app and sign in again.";
const BREAK_GLASS: &str =
    "It opens once, on the device that it was made for, and for a while. Ask whoever gave it to you for another.";
const STEP_UP_FAILED: &str = "Signing in again did not help";
const STEP_UP_AGAIN: &str = "Try again in a minute. If it goes on, tell an administrator the request id.";
const FORM_GONE: &str = "It was sent already, thrown away, or kept too long, or you are somebody else now. Look in the app, and send it anew if need be.";
const OTHER_CERTIFICATE: &str = "Choose the certificate of an enrolled device, or enrol this device.";
