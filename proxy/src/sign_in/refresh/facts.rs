//! What the answer to a refresh says about the person of a session.

use super::ask::Refreshed;
use crate::clock::Timestamp;
use crate::identify_user::Members;
use crate::identify_user::claims::{self, ClaimProblem, GroupsProblem, Person};
use crate::identify_user::jws::Jws;
use crate::identify_user::keys::Provider;
use crate::inventory::Session;
use crate::sign_in::callback::lacks;
use crate::sign_in::id_token::{self, ExpectedAgain};
use crate::sign_in::kept::Kept;
use crate::sign_in::provider::Conversation;
use crate::sign_in::refusal::SignInRefusal;

/// Why an answer does not confirm a session.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unconfirmed {
    /// It cannot be this session's any more, which ends.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// It cannot be believed, or does not say who it is about: as if there were none.
    #[error(transparent)]
    Unusable(#[from] SignInRefusal),
}

/// What an answer says that ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// Another `sub`.
    #[error("the identity provider speaks of somebody else")]
    OtherPerson,
    /// Without groups, a `forbid` would be disarmed.
    #[error("{0}")]
    Groups(GroupsProblem),
}

/// The session as the provider describes its person now. When and how they proved who they are is what it was: a refresh proves nothing.
pub(super) async fn of(
    refreshed: &Refreshed,
    session: &Session,
    kept: &Kept,
    provider: &Provider,
    conversation: &Conversation<'_>,
    now: Timestamp,
) -> Result<Session, Unconfirmed> {
    let subject = &session.user.subject;
    let signed = match &refreshed.id_token {
        Some(token) => Some(signed(token.expose(), refreshed, kept, provider, conversation, now).await?),
        None => None,
    };
    let is_theirs = |claims: &Members| claims::subject(claims).is_ok_and(|told| *told == **subject);
    if signed.as_ref().is_some_and(|claims| !is_theirs(claims)) {
        return Err(Unfit::OtherPerson.into());
    }
    let userinfo = match &signed {
        Some(claims) if !(conversation.has_userinfo() && lacks(claims, &provider.settings)) => None,
        None if !conversation.has_userinfo() => {
            return Err(SignInRefusal::ProviderAnswer("it has no ID token, and there is no userinfo endpoint").into());
        }
        _ => Some(conversation.userinfo(&refreshed.access_token).await?),
    };
    if userinfo.as_ref().is_some_and(|userinfo| !is_theirs(userinfo)) {
        return Err(Unfit::OtherPerson.into());
    }
    let (first, second) = match (&signed, &userinfo) {
        (Some(claims), userinfo) => (claims, userinfo.as_ref()),
        (None, Some(userinfo)) => (userinfo, None),
        (None, None) => return Err(SignInRefusal::ProviderAnswer("it says nothing about the person").into()),
    };
    let person = Person::read(first, second, &provider.settings, now).map_err(|problem| match problem {
        ClaimProblem::Groups(problem) => Unconfirmed::from(Unfit::Groups(problem)),
        other => SignInRefusal::from(other).into(),
    })?;
    Ok(Session {
        email: person.email.map(Into::into),
        name: person.name.map(Into::into),
        groups: person.groups.into_iter().collect(),
        claims: person.claims.into_iter().collect(),
        ..session.clone()
    })
}

async fn signed(
    token: &str,
    refreshed: &Refreshed,
    kept: &Kept,
    provider: &Provider,
    conversation: &Conversation<'_>,
    now: Timestamp,
) -> Result<Members, SignInRefusal> {
    // It was verified when the person signed in.
    let first = Jws::parse(&kept.id_token).ok();
    let expected = ExpectedAgain {
        client_id: &conversation.settings.id,
        nonce: first.as_ref().and_then(|first| first.payload.get("nonce")?.as_str()),
        access_token: refreshed.access_token.expose(),
        now,
    };
    id_token::verify_again(token, provider, expected).await
}

/// What is different, for people; nothing if it is all the same.
pub(super) fn differences(before: &Session, now: &Session) -> Option<String> {
    let parts = [
        ("groups", before.groups != now.groups),
        ("email", before.email != now.email),
        ("name", before.name != now.name),
        ("claims", before.claims != now.claims),
    ];
    let changed: Vec<&str> = parts.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect();
    (!changed.is_empty()).then(|| format!("the identity provider says otherwise: {}", changed.join(", ")))
}
