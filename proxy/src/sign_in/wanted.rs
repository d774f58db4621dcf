//! What a fresher or stronger sign-in has to bring, and how it is asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::config::IdentityProvider;
use crate::identify_user::claims::{LEEWAY, Person};

/// The facts of a session that would turn a denial into a permit, if a sign-in alone can bring them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The person gave proof of themselves at most this many seconds ago.
    pub max_age: Option<u64>,
    /// With more than one factor.
    pub mfa: bool,
    /// In this class (`acr`).
    pub acr: Option<String>,
    /// By all of these methods (`amr`). No parameter asks for one by name; a second factor is asked for then.
    pub amr: BTreeSet<String>,
}

/// What is asked of whoever signs people in: the parameters of OpenID Connect Core 1.0 and RFC 9470.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// `max_age` in seconds, as policy needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// `acr_values`, the most wanted first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr_values: Vec<String>,
}

/// A sign-in that is not what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepUpProblem {
    /// `auth_time` is missing or too long ago.
    #[error("the identity provider did not ask you to sign in again, or does not say that it did")]
    NotFresh,
    /// Neither `amr` nor `acr` speaks of a second factor.
    #[error("the identity provider does not say that you gave a second factor")]
    OneFactor,
    /// `acr`.
    #[error("the identity provider does not say that you signed in with the strength that is needed")]
    OtherClass,
    /// `amr`.
    #[error("the identity provider does not say that you signed in by the method that is needed")]
    OtherMethod,
    /// `error=unmet_authentication_requirements`.
    #[error("the identity provider cannot ask you to sign in with the strength that is needed")]
    Unmet,
}

impl Wanted {
    /// What to ask `provider` for; `None` if there are no words for it.
    pub(super) fn ask(&self, provider: &IdentityProvider) -> Option<Asked> {
        let acr_values = match (&self.acr, self.mfa || !self.amr.is_empty()) {
            (Some(acr), _) if IdentityProvider::can_ask_for(acr) => vec![acr.clone()],
            (None, true) if !provider.mfa_acr_values.is_empty() => provider.mfa_acr_values.clone(),
            (None, false) => Vec::new(),
            (Some(_), _) | (None, true) => return None,
        };
        Some(Asked { max_age: self.max_age, acr_values })
    }

    /// Whether who signed in, by what their provider signed, is as fresh and strong as wanted.
    ///
    /// # Errors
    /// [`StepUpProblem`].
    pub(super) fn met_by(&self, person: &Person, now: Timestamp) -> Result<(), StepUpProblem> {
        let allowed = |seconds| Duration::from_secs(seconds).saturating_add(LEEWAY);
        if self.max_age.is_some_and(|needed| now.since(person.authenticated_at) > allowed(max_age_to_ask(needed))) {
            return Err(StepUpProblem::NotFresh);
        }
        if self.mfa && !person.mfa {
            return Err(StepUpProblem::OneFactor);
        }
        if self.acr.is_some() && self.acr != person.acr {
            return Err(StepUpProblem::OtherClass);
        }
        if !self.amr.is_subset(&person.amr) {
            return Err(StepUpProblem::OtherMethod);
        }
        Ok(())
    }

    /// What kinds of thing are wanted: those that a sign-in has just failed to bring are not asked for again at once.
    pub(super) fn kinds(&self) -> String {
        format!("{} {} {:?} {:?}", self.max_age.is_some(), self.mfa, self.acr, self.amr)
    }
}

/// `max_age` for a browser: a little less than policy needs, so that a sign-in that the provider finds fresh enough is of use
/// for more than the blink of an eye.
pub(super) fn max_age_to_ask(needed: u64) -> u64 {
    needed - (needed / 2).min(MARGIN)
}

/// Seconds.
const MARGIN: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identify_user::testing;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn person(age: u64, mfa: bool, acr: Option<&str>) -> Person {
        Person {
            subject: "ana".to_owned(),
            service: false,
            email: None,
            name: None,
            groups: BTreeSet::new(),
            claims: std::collections::BTreeMap::new(),
            authenticated_at: Timestamp(NOW.0 - i64::try_from(age).unwrap() * 1000),
            acr: acr.map(str::to_owned),
            amr: BTreeSet::new(),
            mfa,
        }
    }

    #[test]
    fn a_sign_in_has_to_be_fresh() {
        let wanted = Wanted { max_age: Some(900), ..Wanted::default() };
        assert_eq!(wanted.met_by(&person(0, false, None), NOW), Ok(()));
        assert_eq!(wanted.met_by(&person(840 + 30, false, None), NOW), Ok(()), "clocks differ");
        assert_eq!(wanted.met_by(&person(840 + 31, false, None), NOW), Err(StepUpProblem::NotFresh));
        let silent = Person { authenticated_at: Timestamp::default(), ..person(0, true, None) };
        assert_eq!(wanted.met_by(&silent, NOW), Err(StepUpProblem::NotFresh), "who does not say when may say nothing");
    }

    #[test]
    fn a_sign_in_has_to_be_strong() {
        let twice = Wanted { mfa: true, ..Wanted::default() };
        assert_eq!(twice.met_by(&person(9999, true, None), NOW), Ok(()));
        assert_eq!(twice.met_by(&person(0, false, Some("gold")), NOW), Err(StepUpProblem::OneFactor));
        let gold = Wanted { acr: Some("gold".to_owned()), ..Wanted::default() };
        assert_eq!(gold.met_by(&person(9999, false, Some("gold")), NOW), Ok(()));
        for other in [None, Some("silver"), Some("Gold")] {
            assert_eq!(gold.met_by(&person(0, true, other), NOW), Err(StepUpProblem::OtherClass), "{other:?}");
        }
    }

    #[test]
    fn methods_are_not_asked_for_by_name_but_have_to_be_there() {
        let key = Wanted { amr: BTreeSet::from(["hwk".to_owned()]), ..Wanted::default() };
        let mut provider = testing::settings("corp", "https://login.example");
        assert_eq!(key.ask(&provider), None);
        provider.mfa_acr_values = vec!["gold".to_owned()];
        assert_eq!(key.ask(&provider).unwrap().acr_values, ["gold"]);
        let with = |amr: &[&str]| Person { amr: amr.iter().map(|&method| method.to_owned()).collect(), ..person(0, true, None) };
        assert_eq!(key.met_by(&with(&["pwd", "hwk"]), NOW), Ok(()));
        assert_eq!(key.met_by(&with(&["pwd", "otp"]), NOW), Err(StepUpProblem::OtherMethod));
    }

    #[test]
    fn a_little_less_is_asked_for_than_is_needed() {
        let asked: Vec<u64> = [0, 1, 10, 120, 900].into_iter().map(max_age_to_ask).collect();
        assert_eq!(asked, [0, 1, 5, 60, 840]);
    }

    #[test]
    fn a_second_factor_is_asked_for_where_there_are_words_for_it() {
        let mut provider = testing::settings("corp", "https://login.example");
        let twice = Wanted { mfa: true, ..Wanted::default() };
        assert_eq!(twice.ask(&provider), None);
        provider.mfa_acr_values = vec!["gold".to_owned(), "urn:mfa".to_owned()];
        assert_eq!(twice.ask(&provider).unwrap().acr_values, ["gold", "urn:mfa"]);
        let silver = Wanted { acr: Some("silver".to_owned()), mfa: true, max_age: Some(7), ..Wanted::default() };
        assert_eq!(silver.ask(&provider), Some(Asked { max_age: Some(7), acr_values: vec!["silver".to_owned()] }));
        for hostile in ["a b", "a\"b", "", "a\\b", "a\nb", "ä"] {
            assert_eq!(Wanted { acr: Some(hostile.to_owned()), ..Wanted::default() }.ask(&provider), None, "{hostile:?}");
        }
    }
}
