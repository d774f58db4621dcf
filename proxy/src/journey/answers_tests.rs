//! The table of refusals as people meet it, held against a golden file: `testdata/answers.txt`.
//!
//! A changed word shows up as a difference; to accept it, replace the file by what the test prints.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sekisho_certs::tpm::{EndorsementRefusal, PublicAreaRefusal};
use sekisho_certs::trust::CertificateRefusal;
use sekisho_policy::DenyReason;

use super::administering::AdministeringRefusal;
use super::answer::answer;
use super::belongings::BelongingsRefusal;
use super::control::ControlError;
use super::refusal::Refusal;
use crate::clock::ClockUnsure;
use crate::contain::Crowded;
use crate::decide::{Budget, DecideRefusal};
use crate::enrol::{AttestationRefusal, EnrolRefusal};
use crate::forward::ForwardError;
use crate::identify_device::DeviceRefusal;
use crate::identify_user::UserRefusal;
use crate::identify_user::claims::ClaimProblem;
use crate::identify_user::jws::JwsProblem;
use crate::identify_user::keys::NoKeys;
use crate::intake::IntakeRefusal;
use crate::inventory::{DeviceId, SessionOver, samples};
use crate::read::{FramingRefusal, PathRefusal, ReadRefusal};
use crate::record::RecordError;
use crate::route::RouteRefusal;
use crate::sign_in::{Asked, FormFate, LogoutRefusal, Needed, SignInRefusal, StepUpProblem, StepUpRefusal, Way};
use crate::store::{BelongingError, StoreError};

fn all() -> Vec<Refusal> {
    let device: DeviceId = "lap-7".parse().unwrap();
    let id = || device.clone();
    let mut all: Vec<Refusal> = Vec::new();
    all.extend(FramingRefusal::ALL.iter().map(|why| Refusal::Framing(*why)));
    all.extend(
        [
            ReadRefusal::Unguarded,
            ReadRefusal::Method,
            ReadRefusal::ServerWide,
            ReadRefusal::Scheme,
            ReadRefusal::Userinfo,
            ReadRefusal::Port,
            ReadRefusal::HostsDiffer,
            ReadRefusal::Path(PathRefusal::DotSegment),
            ReadRefusal::Query,
            ReadRefusal::ConnectionHeader,
            ReadRefusal::ConnectionNames,
            ReadRefusal::AuthorizationTwice,
            ReadRefusal::CookieTwice,
            ReadRefusal::HeaderTwice,
            ReadRefusal::Expectation,
            ReadRefusal::WebSocket,
            ReadRefusal::WebSocketVersion,
            ReadRefusal::Protocol,
        ]
        .map(Refusal::Read),
    );
    all.extend(
        [
            RouteRefusal::Misdirected,
            RouteRefusal::UnknownHost,
            RouteRefusal::Method,
            RouteRefusal::ForeignOrigin,
            RouteRefusal::CrossSite,
        ]
        .map(Refusal::Route),
    );
    all.extend(
        [
            DeviceRefusal::NoCertificate,
            DeviceRefusal::Unlisted(id()),
            DeviceRefusal::OtherKey(id()),
            DeviceRefusal::FormerKey(id()),
            DeviceRefusal::Pending(id()),
            DeviceRefusal::Quarantined(id()),
            DeviceRefusal::Retired(id()),
            DeviceRefusal::AuthorityNotTaken("mdm".into()),
            DeviceRefusal::InventoryBehind,
        ]
        .map(Refusal::Device),
    );
    all.extend(
        [
            CertificateRefusal::UnknownAuthority,
            CertificateRefusal::BadSignature,
            CertificateRefusal::AuthorityNotValid,
            CertificateRefusal::ChainNotAllowed,
            CertificateRefusal::Revoked,
            CertificateRefusal::RevocationUnknown,
            CertificateRefusal::CrlExpired,
            CertificateRefusal::CrlBadSignature,
            CertificateRefusal::WrongPurpose,
            CertificateRefusal::IsAuthority,
            CertificateRefusal::NoIdentity,
            CertificateRefusal::SeveralIdentities,
            CertificateRefusal::ForeignIdentity,
            CertificateRefusal::NotSpiffe,
            CertificateRefusal::OtherTrustDomain,
            CertificateRefusal::SpiffePath,
            CertificateRefusal::Malformed,
            CertificateRefusal::WeakAlgorithm,
        ]
        .map(|why| Refusal::Device(DeviceRefusal::Certificate(why))),
    );
    all.extend(
        [
            UserRefusal::NoCredential,
            UserRefusal::MalformedCookie,
            UserRefusal::UnknownSession,
            UserRefusal::SessionOver(SessionOver::Ended),
            UserRefusal::SessionOver(SessionOver::Expired),
            UserRefusal::SessionOver(SessionOver::Idle),
            UserRefusal::FactsRefused,
            UserRefusal::FactsExpired,
            UserRefusal::FactsStale,
            UserRefusal::OtherHost,
            UserRefusal::OtherDevice,
            UserRefusal::OtherCertificate,
            UserRefusal::TokenStopped,
            UserRefusal::Suspended,
            UserRefusal::MalformedAuthorization,
            UserRefusal::TokenKind,
            UserRefusal::Issuer,
            UserRefusal::Audience,
            UserRefusal::Confirmation,
            UserRefusal::Claims(ClaimProblem::TooLong),
        ]
        .map(Refusal::User),
    );
    all.extend([DenyReason::NoPermit, DenyReason::Forbidden, DenyReason::EvaluationFailed].map(|reason| {
        Refusal::Decide(DecideRefusal {
            reason,
            policies: Arc::default(),
            errors: Vec::new(),
            basis: None,
            budget: None,
            remedies: None,
        })
    }));
    all.extend([Some(1), Some(600), Some(7_000), None].map(|seconds| {
        Refusal::Decide(DecideRefusal {
            reason: DenyReason::Forbidden,
            policies: Arc::default(),
            errors: Vec::new(),
            basis: None,
            budget: Some(Budget { wait: seconds.map(Duration::from_secs) }),
            remedies: None,
        })
    }));
    all.extend([Crowded::All, Crowded::Address, Crowded::Device, Crowded::User].map(Refusal::Crowded));
    all.push(Refusal::TooOften { wait: Duration::from_millis(100) });
    all.extend(
        [
            ForwardError::UnknownApp,
            ForwardError::ConnectFailed,
            ForwardError::ConnectTimedOut,
            ForwardError::TlsFailed,
            ForwardError::ProtocolRefused,
            ForwardError::FirstByteTimedOut,
            ForwardError::AppStalled,
            ForwardError::AppReset,
            ForwardError::AppAnsweredGarbage,
            ForwardError::NoHealthyUpstream,
            ForwardError::BodyTooLarge,
            ForwardError::BodyMalformed,
            ForwardError::ClientWentAway,
            ForwardError::ClientStalled,
            ForwardError::ClientTooSlow,
            ForwardError::UpgradeRefused,
            ForwardError::IdentityUnfit,
            ForwardError::CannotSign,
            ForwardError::Unexpressible,
        ]
        .map(Refusal::Forward),
    );
    all.extend([
        Refusal::Record(RecordError::Unwritable),
        Refusal::Control(ControlError::Full),
        Refusal::Control(ControlError::Device),
        Refusal::Clock(ClockUnsure),
        Refusal::NoPolicies,
        Refusal::NothingHere,
        Refusal::WrongMethod,
        Refusal::NoRandomness,
        Refusal::Panicked,
    ]);
    all.extend(
        [
            SignInRefusal::NoDevice,
            SignInRefusal::Service,
            SignInRefusal::NoProvider,
            SignInRefusal::UnknownProvider,
            SignInRefusal::UnknownAttempt,
            SignInRefusal::OtherBrowser,
            SignInRefusal::OtherIssuer,
            SignInRefusal::Declined,
            SignInRefusal::ProviderError,
            SignInRefusal::ProviderDown,
            SignInRefusal::Code,
            SignInRefusal::HandOver,
            SignInRefusal::SignedOut(samples::user("ana")),
            SignInRefusal::CrossSite,
            SignInRefusal::FormGone,
            SignInRefusal::BreakGlass,
            SignInRefusal::BreakGlassThrottled { wait: Duration::from_secs(9) },
            SignInRefusal::StepUp { problem: StepUpProblem::NotFresh, form: true },
            SignInRefusal::StepUp { problem: StepUpProblem::OneFactor, form: false },
            SignInRefusal::StepUp { problem: StepUpProblem::OtherClass, form: false },
            SignInRefusal::StepUp { problem: StepUpProblem::OtherMethod, form: false },
            SignInRefusal::StepUp { problem: StepUpProblem::Unmet, form: false },
        ]
        .map(Refusal::SignIn),
    );
    all.extend(
        [
            LogoutRefusal::Malformed,
            LogoutRefusal::Token(JwsProblem::Signature),
            LogoutRefusal::Kind("events"),
            LogoutRefusal::Issuer,
            LogoutRefusal::Audience,
            LogoutRefusal::Claims(ClaimProblem::Malformed("jti")),
            LogoutRefusal::Stale,
            LogoutRefusal::Nobody,
            LogoutRefusal::Replayed,
            LogoutRefusal::Throttled { retry_after: Duration::from_secs(1) },
            LogoutRefusal::NoKeys(NoKeys::Stale),
        ]
        .map(Refusal::Logout),
    );
    all.extend(
        [
            EnrolRefusal::Malformed,
            EnrolRefusal::CodeRefused,
            EnrolRefusal::CodeShownAgain,
            EnrolRefusal::KeyTaken,
            EnrolRefusal::CertificateCopied("lap-7".parse().unwrap()),
            EnrolRefusal::OtherAuthority("mdm".into()),
            EnrolRefusal::OwnerSuspended,
            EnrolRefusal::FromAPage,
            EnrolRefusal::OtherHost("gate.corp.example".parse().unwrap()),
            AttestationRefusal::WrongProof.into(),
            AttestationRefusal::PublicArea(PublicAreaRefusal::Movable).into(),
            AttestationRefusal::Endorsement(EndorsementRefusal::Untrusted(CertificateRefusal::UnknownAuthority)).into(),
            AttestationRefusal::Unknown.into(),
            AttestationRefusal::Unavailable.into(),
        ]
        .map(Refusal::Enrol),
    );
    all.extend(
        [
            IntakeRefusal::Token,
            IntakeRefusal::Throttled { retry_after: Duration::from_secs(6) },
            IntakeRefusal::Malformed("it has 1001 entries".to_owned()),
            IntakeRefusal::Unavailable(StoreError::Stopping),
        ]
        .map(Refusal::Posture),
    );
    all.extend([StepUpRefusal::NotAgain, StepUpRefusal::CannotAsk].map(Refusal::StepUp));
    let way = Way { location: "https://gate.example/.sekisho/sign-in?step_up=x".to_owned(), set_cookies: Vec::new() };
    let asked = |max_age, acr: &[&str]| Asked { max_age, acr_values: acr.iter().map(|&acr| acr.to_owned()).collect() };
    let ways = [
        (asked(Some(899), &[]), false, None, FormFate::None),
        (asked(Some(90), &["gold"]), true, Some(&way), FormFate::None),
        (asked(None, &["gold"]), true, Some(&way), FormFate::Kept),
        (asked(None, &["gold"]), false, Some(&way), FormFate::TooLarge),
        (asked(Some(60), &["gold"]), false, Some(&way), FormFate::OtherSite),
        (asked(Some(60), &[]), false, Some(&way), FormFate::Unfit),
    ];
    all.extend(ways.map(|(asked, mfa, way, form)| {
        Refusal::StepUp(StepUpRefusal::Needed(Box::new(Needed { asked, mfa, way: way.cloned(), form })))
    }));
    all.extend(
        [
            BelongingsRefusal::NeedsSession,
            BelongingsRefusal::Service,
            BelongingsRefusal::StalePage,
            BelongingsRefusal::Malformed,
            BelongingsRefusal::Off,
            BelongingsRefusal::OtherDevice,
            BelongingsRefusal::Throttled { wait: Duration::from_secs(60) },
            BelongingsRefusal::NotYours,
            BelongingsRefusal::Limit(BelongingError::InvitationLimit { most: 3 }),
            BelongingsRefusal::Limit(BelongingError::DeviceLimit { most: 10 }),
            BelongingsRefusal::NoPin,
            BelongingsRefusal::NoRandomness,
            BelongingsRefusal::Unavailable(StoreError::Stopping),
        ]
        .map(Refusal::Belongings),
    );
    all.extend(AdministeringRefusal::ALL.map(Refusal::Administering));
    all
}

#[test]
fn every_refusal_reads_as_agreed() {
    let mut text = String::new();
    for refusal in all() {
        let a = answer(&refusal);
        let close = if a.close { ", closes" } else { "" };
        writeln!(text, "{} {}{close}\n  {}\n  {}\n  {}", a.status.as_u16(), a.reason, a.title, a.detail, a.remedy).unwrap();
    }
    let golden = include_str!("testdata/answers.txt");
    assert!(text == golden, "the table differs from testdata/answers.txt; it is now:\n{text}");
}

#[test]
fn words_are_whole_sentences_and_reasons_are_labels() {
    for refusal in all() {
        let a = answer(&refusal);
        assert!(a.reason.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{a:?}");
        for text in [a.detail.as_str(), a.remedy] {
            assert!(text.ends_with('.') && text.starts_with(|c: char| c.is_uppercase() || c == '`'), "{a:?}");
        }
        assert!(!a.title.ends_with('.'), "{a:?}");
    }
}

/// Of what the client has to change, or somebody for it, nobody is told to try the same again.
#[test]
fn who_has_to_send_something_else_is_not_told_to_try_again() {
    let advised = ["unguarded", "head_too_large"];
    for refusal in all() {
        let a = answer(&refusal);
        if matches!(a.status.as_u16(), 400 | 405 | 413 | 414 | 417 | 426 | 431 | 501 | 505) && !advised.contains(&a.reason) {
            assert!(!a.remedy.to_lowercase().contains("try again"), "{}: {}", a.reason, a.remedy);
        }
    }
}

/// A text that said less than `Retry-After` would have people come too early.
#[test]
fn a_wait_in_words_is_the_one_in_the_header() {
    for (ms, words) in
        [(100, "about 1 second."), (1_000, "about 1 second."), (1_001, "about 2 seconds."), (59_400, "about 60 seconds.")]
    {
        let wait = Duration::from_millis(ms);
        let rate = answer(&Refusal::TooOften { wait });
        let usage = answer(&Refusal::Decide(DecideRefusal {
            reason: DenyReason::Forbidden,
            policies: Arc::default(),
            errors: Vec::new(),
            basis: None,
            budget: Some(Budget { wait: Some(wait) }),
            remedies: None,
        }));
        assert!(rate.detail.ends_with(words) && usage.detail.ends_with(words), "{ms}: {} {}", rate.detail, usage.detail);
    }
}

#[test]
fn one_reason_has_one_status() {
    let mut statuses = BTreeMap::new();
    for refusal in all() {
        let a = answer(&refusal);
        let before = statuses.insert(a.reason, a.status);
        assert!(before.is_none_or(|before| before == a.status), "{} is {before:?} and {}", a.reason, a.status);
    }
}

/// Every refusal is explained in the manual, with its status; the pages explain nothing that does not exist.
#[test]
fn the_manual_explains_every_refusal() {
    const PAGE: &str = include_str!("../../../docs/sign-in.md");
    const DEVICES: &str = include_str!("../../../docs/devices.md");
    let table = PAGE.split_once("## What each refusal means").unwrap().1;
    let statuses = explained(table);
    let mut known = 0;
    for line in
        include_str!("testdata/answers.txt").lines().filter(|line| line.starts_with(|letter: char| letter.is_ascii_digit()))
    {
        let (status, reason) = line.split_once(' ').unwrap();
        let reason = reason.split([',', ' ']).next().unwrap();
        known += 1;
        if reason.starts_with("certificate_") {
            assert!(DEVICES.contains(&format!("`{reason}`")), "{reason} is in neither page");
        } else {
            assert_eq!(statuses.get(reason).map(String::as_str), Some(status), "{reason} in docs/sign-in.md");
        }
    }
    assert!(known > 100, "{known}");
    let sources = [
        include_str!("answer.rs"),
        include_str!("../read/refusal.rs"),
        include_str!("../read/guard/refusal.rs"),
        include_str!("../config/path.rs"),
        include_str!("../contain/crowd.rs"),
        include_str!("../route/router.rs"),
        include_str!("../identify_user/refusal.rs"),
        include_str!("../sign_in/refusal.rs"),
        include_str!("../sign_in/logout.rs"),
        include_str!("../forward/error.rs"),
        include_str!("../enrol/refusal.rs"),
        include_str!("../intake/refusal.rs"),
        include_str!("belongings/refusal.rs"),
        include_str!("administering/refusal.rs"),
    ]
    .concat();
    for reason in statuses.keys() {
        assert!(sources.contains(&format!("\"{reason}\"")), "docs/sign-in.md explains {reason}, which is nobody's word");
    }
    // The words of those whose values cannot be listed.
    let enrolment = include_str!("../enrol/refusal.rs").split('"').filter(|word| word.starts_with("enrol_"));
    let paths = include_str!("../config/path.rs").split('"').filter(|word| word.starts_with("path_"));
    for reason in enrolment.chain(paths) {
        assert!(statuses.contains_key(reason), "docs/sign-in.md lacks {reason}");
    }
}

/// Words and statuses of the tables. A status is the row's, in a cell of its own, or stands behind the words that it is for.
fn explained(table: &str) -> BTreeMap<String, String> {
    let mut statuses = BTreeMap::new();
    for row in table.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let is_status = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        let (words, of_row) = if is_status(cells[2]) { (cells[1], cells[2]) } else { (cells[2], "400") };
        for group in words.split(';') {
            let status = group.rsplit(' ').next().filter(|last| is_status(last)).unwrap_or(of_row);
            for word in group.split('`').skip(1).step_by(2) {
                statuses.insert(word.to_owned(), status.to_owned());
            }
        }
    }
    statuses
}
