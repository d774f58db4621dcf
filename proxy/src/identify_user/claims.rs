//! Claims with strict JSON types: one that is there and of another type than it must be refuses the whole, since treating it
//! as absent has let people in elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sekisho_policy::ADMINISTRATORS;
use serde::Serialize;
use serde_json::Value;

use super::json::Members;
use crate::clock::Timestamp;
use crate::config::IdentityProvider;
use crate::inventory::ClaimValue;
use crate::secret::Digest;

/// What a provider says about a person, or about a service in their place, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// `sub`; of a service, the client's id.
    pub subject: String,
    /// It is a service. Only a bearer token says so.
    pub service: bool,
    /// Verified e-mail address with a lower-case domain.
    pub email: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// From the configured claim.
    pub groups: BTreeSet<String>,
    /// The configured further claims.
    pub claims: BTreeMap<String, ClaimValue>,
    /// `auth_time`; the epoch if the provider does not say, so that the age is huge.
    pub authenticated_at: Timestamp,
    /// `acr`.
    pub acr: Option<String>,
    /// `amr`.
    pub amr: BTreeSet<String>,
    /// More than one factor.
    pub mfa: bool,
}

/// Claims that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimProblem {
    /// Missing or of the wrong type, or not something that the claim can be.
    #[error("the claim `{0}` is missing or malformed")]
    Malformed(&'static str),
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `exp` is further ahead than is taken.
    #[error("the token is valid for longer than this gate takes")]
    TooLong,
    /// `nbf`, `iat` or `auth_time` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The groups are not what they must be.
    #[error(transparent)]
    Groups(#[from] GroupsProblem),
}

/// An empty list of groups would disarm a `forbid`, so these refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupsProblem {
    /// The configured claim is not there.
    #[error("the provider does not say which groups the person is in")]
    Missing,
    /// It is one text, as many providers give it unless they are told that there are several.
    #[error("the provider gives the groups as one text, and not as a list")]
    OneText,
    /// It is not an array of plain strings.
    #[error("the provider's list of groups is malformed")]
    Malformed,
    /// The provider has more groups than it puts into the token, and refers to somewhere else.
    #[error("the person is in more groups than the provider puts into its answer")]
    Overage,
}

/// When a token may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// `exp`.
    pub expires_at: Timestamp,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// `iat`.
    pub issued_at: Option<Timestamp>,
}

impl Validity {
    /// Reads the times.
    ///
    /// # Errors
    /// [`ClaimProblem::Malformed`] if `exp` is missing, or one of them is not a number.
    pub fn of(claims: &Members) -> Result<Self, ClaimProblem> {
        Ok(Self {
            expires_at: time(claims, "exp")?.ok_or(ClaimProblem::Malformed("exp"))?,
            not_before: time(claims, "nbf")?,
            issued_at: time(claims, "iat")?,
        })
    }

    /// Whether it may be used at `now`.
    ///
    /// # Errors
    /// [`ClaimProblem::Expired`], [`ClaimProblem::NotYetValid`].
    pub fn check(&self, now: Timestamp) -> Result<(), ClaimProblem> {
        if now >= self.expires_at.plus(LEEWAY) {
            return Err(ClaimProblem::Expired);
        }
        let future = |at: Option<Timestamp>| at.is_some_and(|at| at > now.plus(LEEWAY));
        if future(self.not_before) || future(self.issued_at) {
            return Err(ClaimProblem::NotYetValid);
        }
        Ok(())
    }
}

impl Validity {
    /// Whether it ends within `longest` from now, if there is such a bound.
    ///
    /// # Errors
    /// [`ClaimProblem::TooLong`].
    pub fn check_length(&self, longest: Option<Duration>, now: Timestamp) -> Result<(), ClaimProblem> {
        match longest {
            Some(longest) if self.expires_at > now.plus(longest).plus(LEEWAY) => Err(ClaimProblem::TooLong),
            _ => Ok(()),
        }
    }
}

impl Person {
    /// Content hash of all that `provider` says about the person: the same for the same facts, in whichever token they stand. `None` if
    /// they cannot be written down.
    pub fn digest(&self, provider: &str) -> Option<Digest> {
        let mut text = Vec::with_capacity(512);
        serde_json::to_writer(&mut text, &(provider, self)).ok()?;
        Some(Digest::of(&text))
    }

    /// Reads `claims`; what they lack is looked for in `userinfo`, if there was any. Where both speak, the signed one counts.
    ///
    /// # Errors
    /// [`ClaimProblem`].
    pub fn read(
        claims: &Members,
        userinfo: Option<&Members>,
        settings: &IdentityProvider,
        now: Timestamp,
    ) -> Result<Self, ClaimProblem> {
        let get = |name: &str| claims.get(name).or_else(|| userinfo?.get(name));
        let authenticated_at = time(claims, "auth_time")?;
        if authenticated_at.is_some_and(|at| at > now.plus(LEEWAY)) {
            return Err(ClaimProblem::NotYetValid);
        }
        let acr = claims.get("acr").and_then(plain_text);
        let amr = claims.get("amr").and_then(plain_texts).unwrap_or_default();
        // An address and the word that it is verified have to come from one place.
        let complete = claims.contains_key("email") && claims.contains_key("email_verified");
        let email_source = if complete { Some(claims) } else { userinfo };
        Ok(Self {
            subject: subject(claims)?.to_owned(),
            service: false,
            email: email_source.and_then(email),
            name: get("name").and_then(plain_text),
            groups: without_ours(groups(claims, userinfo, settings.groups_claim.as_deref())?, &settings.name),
            claims: kept(get, settings),
            authenticated_at: authenticated_at.unwrap_or_default(),
            mfa: mfa(&amr) || acr.as_ref().is_some_and(|acr| settings.mfa_acr.contains(acr)),
            acr,
            amr,
        })
    }
}

impl Person {
    /// The service that `client` is. It is in no group, nobody vouches for an address of it, and nobody signed in, whatever the token says.
    pub fn service(client: &str, claims: &Members, settings: &IdentityProvider) -> Self {
        Self {
            subject: client.to_owned(),
            service: true,
            email: None,
            name: claims.get("name").and_then(plain_text),
            groups: BTreeSet::new(),
            claims: kept(|name| claims.get(name), settings),
            authenticated_at: Timestamp::default(),
            acr: None,
            amr: BTreeSet::new(),
            mfa: false,
        }
    }
}

/// The further claims that the settings keep.
fn kept<'a>(get: impl Fn(&str) -> Option<&'a Value>, settings: &IdentityProvider) -> BTreeMap<String, ClaimValue> {
    settings.claims.iter().filter_map(|name| Some((name.clone(), further(get(name)?)?))).collect()
}

/// `sub`: 1 to 255 printable ASCII characters (OpenID Connect Core 1.0, section 2).
///
/// # Errors
/// [`ClaimProblem::Malformed`].
pub fn subject(claims: &Members) -> Result<&str, ClaimProblem> {
    match claims.get("sub") {
        Some(Value::String(subject)) if is_name(subject) => Ok(subject),
        _ => Err(ClaimProblem::Malformed("sub")),
    }
}

/// Whether it can name somebody.
pub fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// `sid`: the provider's name for the sign-in, which is plain text as `sub` is (OpenID Connect Front-Channel Logout 1.0, section 3).
///
/// # Errors
/// [`ClaimProblem::Malformed`].
pub fn session_id(claims: &Members) -> Result<Option<&str>, ClaimProblem> {
    match text(claims, "sid")? {
        Some(sid) if !is_name(sid) => Err(ClaimProblem::Malformed("sid")),
        sid => Ok(sid),
    }
}

/// `aud`: a string or an array of strings (RFC 7519, section 4.1.3). Empty lists are returned as they are and match nothing.
///
/// # Errors
/// [`ClaimProblem::Malformed`].
pub fn audience(claims: &Members) -> Result<Vec<&str>, ClaimProblem> {
    let malformed = ClaimProblem::Malformed("aud");
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(several)) => several.iter().map(|one| one.as_str().ok_or(malformed)).collect(),
        _ => Err(malformed),
    }
}

/// A string claim that may be absent.
///
/// # Errors
/// [`ClaimProblem::Malformed`] for any other type.
pub fn text<'a>(claims: &'a Members, name: &'static str) -> Result<Option<&'a str>, ClaimProblem> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ClaimProblem::Malformed(name)),
    }
}

/// A `NumericDate` (RFC 7519, section 2): seconds, of which some providers give fractions. A string is not a number.
///
/// # Errors
/// [`ClaimProblem::Malformed`] for any other type, and for times outside the years 1970 to 9999.
pub fn time(claims: &Members, name: &'static str) -> Result<Option<Timestamp>, ClaimProblem> {
    let malformed = ClaimProblem::Malformed(name);
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(seconds)) => {
            let seconds = seconds.as_f64().ok_or(malformed)?;
            if !(0.0..=END_OF_TIME).contains(&seconds) {
                return Err(malformed);
            }
            #[expect(clippy::cast_possible_truncation, reason = "in range, and less than a millisecond is of no interest")]
            Ok(Some(Timestamp((seconds * 1000.0) as i64)))
        }
        Some(_) => Err(malformed),
    }
}

/// The groups of `claim`, wherever they stand.
fn groups(claims: &Members, userinfo: Option<&Members>, claim: Option<&str>) -> Result<BTreeSet<String>, GroupsProblem> {
    let Some(claim) = claim else { return Ok(BTreeSet::new()) };
    for source in std::iter::once(claims).chain(userinfo) {
        let elsewhere = source.get("_claim_names").and_then(Value::as_object).is_some_and(|names| names.contains_key(claim));
        if elsewhere || source.get("hasgroups").is_some_and(|has| *has != Value::Bool(false)) {
            return Err(GroupsProblem::Overage);
        }
        if let Some(listed) = source.get(claim) {
            let problem = if listed.is_string() { GroupsProblem::OneText } else { GroupsProblem::Malformed };
            return plain_texts(listed).ok_or(problem);
        }
    }
    Err(GroupsProblem::Missing)
}

/// Who administers the gate is said at the gate: a provider, and whoever may change its groups, has no say in it.
fn without_ours(mut groups: BTreeSet<String>, provider: &str) -> BTreeSet<String> {
    if groups.remove(ADMINISTRATORS) {
        tracing::warn!(
            provider,
            group = ADMINISTRATORS,
            "a provider puts somebody into a group that is the gate's own; it is left out"
        );
    }
    groups
}

/// Whether the claims name the person's groups, or say that they are elsewhere: if not, `userinfo` is worth asking.
pub fn speaks_of_groups(claims: &Members, claim: &str) -> bool {
    !matches!(groups(claims, None, Some(claim)), Err(GroupsProblem::Missing))
}

/// An address that the provider vouches for, with exactly one reading.
fn email(source: &Members) -> Option<String> {
    if source.get("email_verified") != Some(&Value::Bool(true)) {
        return None;
    }
    let (local, domain) = source.get("email")?.as_str()?.split_once('@')?;
    let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') && label.len() <= 63
    };
    let sound = (1..=64).contains(&local.len()) && local.bytes().all(atom) && domain.len() <= 253 && domain.split('.').all(label);
    sound.then(|| format!("{local}@{}", domain.to_ascii_lowercase()))
}

/// Factors of different kinds (RFC 8176), or the provider's word for it.
fn mfa(amr: &BTreeSet<String>) -> bool {
    let any = |kind: &[&str]| kind.iter().any(|method| amr.contains(*method));
    let knows = any(&["pwd", "pin", "kba"]);
    let has = any(&["otp", "hwk", "swk", "sms", "tel", "sc", "pop"]);
    let is = any(&["face", "fpt", "iris", "retina", "vbm"]);
    amr.contains("mfa") || [knows, has, is].iter().filter(|kind| **kind).count() > 1
}

fn further(value: &Value) -> Option<ClaimValue> {
    match value {
        Value::String(_) => plain_text(value).map(ClaimValue::Text),
        Value::Array(_) => plain_texts(value).map(ClaimValue::Texts),
        _ => None,
    }
}

fn plain_text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| is_plain(text)).map(str::to_owned)
}

fn plain_texts(value: &Value) -> Option<BTreeSet<String>> {
    let listed = value.as_array().filter(|listed| listed.len() <= MAX_TEXTS)?;
    listed.iter().map(plain_text).collect()
}

/// Something that a header, a record line or a policy can carry.
fn is_plain(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// For clocks that differ.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// 9999-12-31T23:59:59Z.
const END_OF_TIME: f64 = 253_402_300_799.0;

/// Bytes of one group, name or claim.
const MAX_TEXT: usize = 1024;

/// Groups, or values of one claim.
const MAX_TEXTS: usize = 4096;
