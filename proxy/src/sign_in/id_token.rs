//! The ID token of a sign-in (OpenID Connect Core 1.0, section 3.1.3.7).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::refusal::{IdTokenProblem, SignInRefusal};
use crate::clock::Timestamp;
use crate::identify_user::Members;
use crate::identify_user::claims::{self, ClaimProblem, Validity};
use crate::identify_user::jws::{Jws, JwsProblem};
use crate::identify_user::keys::{Algorithm, Provider};
use crate::secret;

/// What an ID token has to belong to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) code: &'a str,
    pub(super) access_token: &'a str,
    pub(super) now: Timestamp,
}

/// The claims of `token`, if it is all that it must be.
pub(super) async fn verify(token: &str, provider: &Provider, expected: Expected<'_>) -> Result<Members, SignInRefusal> {
    let token = Jws::parse(token).map_err(IdTokenProblem::from)?;
    if !matches!(token.header.kind.as_deref(), None | Some("jwt")) {
        return Err(IdTokenProblem::Kind.into());
    }
    check_signature(&token, provider, expected.now).await?;
    check_claims(&token.payload, &provider.settings.issuer, token.header.algorithm, expected)?;
    Ok(token.payload)
}

/// What the ID token of a refresh has to belong to (OpenID Connect Core 1.0, section 12.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpectedAgain<'a> {
    pub(super) client_id: &'a str,
    /// That of the sign-in, if it can still be told. A refresh need not repeat it.
    pub(super) nonce: Option<&'a str>,
    pub(super) access_token: &'a str,
    pub(super) now: Timestamp,
}

/// The claims of a `token` that came with a refresh, if it is all that it must be. Whose it is, the caller compares.
pub(super) async fn verify_again(
    token: &str,
    provider: &Provider,
    expected: ExpectedAgain<'_>,
) -> Result<Members, SignInRefusal> {
    let token = Jws::parse(token).map_err(IdTokenProblem::from)?;
    if !matches!(token.header.kind.as_deref(), None | Some("jwt")) {
        return Err(IdTokenProblem::Kind.into());
    }
    check_signature(&token, provider, expected.now).await?;
    let payload = &token.payload;
    check_common(payload, &provider.settings.issuer, expected.client_id, expected.now)?;
    match (claims::text(payload, "nonce")?, expected.nonce) {
        (Some(stated), Some(nonce)) if !secret::same(stated.as_bytes(), nonce.as_bytes()) => {
            return Err(IdTokenProblem::Nonce.into());
        }
        _ => {}
    }
    check_hash(payload, "at_hash", token.header.algorithm, expected.access_token)?;
    Ok(token.payload)
}

/// Whether the provider signed it: if need be, with keys that are fetched now.
async fn check_signature(token: &Jws<'_>, provider: &Provider, now: Timestamp) -> Result<(), SignInRefusal> {
    let verify = || match provider.ring.keys(now) {
        Ok(keys) => token.verify(&keys.set).map_err(|problem| SignInRefusal::from(IdTokenProblem::from(problem))),
        Err(_none) => Err(SignInRefusal::ProviderDown),
    };
    match verify() {
        Err(SignInRefusal::ProviderDown | SignInRefusal::IdToken(IdTokenProblem::Jws(JwsProblem::UnknownKey))) => {
            provider.ring.renewed().await;
            verify()
        }
        verdict => verdict,
    }
}

fn check_claims(payload: &Members, issuer: &str, algorithm: Algorithm, expected: Expected<'_>) -> Result<(), SignInRefusal> {
    check_common(payload, issuer, expected.client_id, expected.now)?;
    let nonce = claims::text(payload, "nonce")?.unwrap_or_default();
    if !secret::same(nonce.as_bytes(), expected.nonce.as_bytes()) {
        return Err(IdTokenProblem::Nonce.into());
    }
    check_hash(payload, "at_hash", algorithm, expected.access_token)?;
    check_hash(payload, "c_hash", algorithm, expected.code)?;
    Ok(())
}

/// What every ID token has to be.
fn check_common(payload: &Members, issuer: &str, client_id: &str, now: Timestamp) -> Result<(), SignInRefusal> {
    if claims::text(payload, "iss")? != Some(issuer) {
        return Err(IdTokenProblem::Issuer.into());
    }
    check_party(payload, client_id)?;
    let validity = Validity::of(payload)?;
    validity.check(now)?;
    if validity.issued_at.is_none() {
        return Err(ClaimProblem::Malformed("iat").into());
    }
    claims::subject(payload)?;
    Ok(())
}

/// It is for this client, and was made for it.
pub(super) fn check_party(payload: &Members, client_id: &str) -> Result<(), IdTokenProblem> {
    let audience = claims::audience(payload).map_err(IdTokenProblem::Claims)?;
    if audience.is_empty() {
        return Err(IdTokenProblem::Nobody);
    }
    if !audience.contains(&client_id) {
        return Err(IdTokenProblem::Audience);
    }
    match claims::text(payload, "azp").map_err(IdTokenProblem::Claims)? {
        Some(party) if party == client_id => Ok(()),
        None if audience.len() == 1 => Ok(()),
        _ => Err(IdTokenProblem::AuthorizedParty),
    }
}

/// The left half of the hash of what came with the token; optional in this flow, and checked where it is there.
fn check_hash(payload: &Members, claim: &'static str, algorithm: Algorithm, of: &str) -> Result<(), SignInRefusal> {
    let Some(stated) = claims::text(payload, claim)? else { return Ok(()) };
    let digest = aws_lc_rs::digest::digest(algorithm.digest(), of.as_bytes());
    let (half, _) = digest.as_ref().split_at(digest.as_ref().len() / 2);
    if secret::same(stated.as_bytes(), URL_SAFE_NO_PAD.encode(half).as_bytes()) {
        Ok(())
    } else {
        Err(IdTokenProblem::Hash.into())
    }
}
