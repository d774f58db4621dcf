//! What the operator can do about a provider whose answers sign nobody in. The person hears what is wrong; the log has what to mend.

use super::refusal::{IdTokenProblem, SignInRefusal};
use crate::identify_user::claims::{ClaimProblem, GroupsProblem};
use crate::identify_user::jws::JwsProblem;

/// Says it in the log, where there is something.
pub(super) fn tell(provider: &str, why: &SignInRefusal) {
    if let Some(mend) = remedy(why) {
        tracing::warn!(provider, problem = %why, mend, "the provider signs nobody in like this");
    }
}

/// What to mend; nothing where it looks like an attack, or like a bug of the provider's.
fn remedy(why: &SignInRefusal) -> Option<&'static str> {
    match why {
        SignInRefusal::IdToken(problem) => id_token(*problem),
        SignInRefusal::Groups(problem) => Some(match problem {
            GroupsProblem::Missing => {
                "have the provider send the claim that `groups_claim` names, for which many need a scope of its own in `scopes`"
            }
            GroupsProblem::OneText => "have the provider send `groups_claim` as a list of texts, also where it is only one",
            GroupsProblem::Malformed => "have the provider send `groups_claim` as a list of texts",
            GroupsProblem::Overage => "have the provider send fewer groups, such as those that are assigned to the gate only",
        }),
        _ => None,
    }
}

fn id_token(problem: IdTokenProblem) -> Option<&'static str> {
    Some(match problem {
        IdTokenProblem::Nobody => {
            "the client was made without an audience at the provider: enter its own client id there, or have the provider make it anew"
        }
        IdTokenProblem::Audience => "compare `client_id` with the client at the provider: its id has to be in `aud`",
        IdTokenProblem::AuthorizedParty => "have the provider name `client_id` in `azp`, or in `aud` alone",
        IdTokenProblem::Issuer => "compare `issuer` with the `iss` of the provider's tokens, letter by letter",
        IdTokenProblem::Jws(JwsProblem::AmbiguousKey) => {
            "have the provider name its key (`kid`) in its tokens, or publish one key of each algorithm only"
        }
        IdTokenProblem::Jws(JwsProblem::UnknownKey) => "have the provider publish the key that it signs with, at its `jwks_uri`",
        IdTokenProblem::Jws(JwsProblem::Algorithm) => {
            "choose an asymmetric algorithm for the ID tokens of the client, such as ES256 or RS256"
        }
        IdTokenProblem::Claims(ClaimProblem::Expired | ClaimProblem::NotYetValid) => {
            "compare the clocks of the provider and of this machine"
        }
        IdTokenProblem::Claims(ClaimProblem::Malformed(_)) => "mend that claim at the provider",
        IdTokenProblem::Jws(_)
        | IdTokenProblem::Kind
        | IdTokenProblem::Nonce
        | IdTokenProblem::Hash
        | IdTokenProblem::OtherSubject
        | IdTokenProblem::Claims(ClaimProblem::TooLong | ClaimProblem::Groups(_)) => return None,
    })
}
