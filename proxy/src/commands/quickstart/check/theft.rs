//! What a thief has is of no use without the device.

use super::line::Score;
use crate::commands::error::CommandError;
use crate::commands::quickstart::stage::Stage;
use crate::commands::quickstart::visitor::Visitor;

/// Plays it. The thief has a device of the house, too: Bob's.
pub(super) async fn play(stage: &Stage, score: &mut Score) -> Result<(), CommandError> {
    let share = |path: &str| stage.place.share(path);
    let nobody = Visitor::new(stage.trusted()?, None).map_err(CommandError::failed)?;
    let (laptop, other) = (stage.alice.fresh(), stage.bob.fresh());

    score.allowed("Alice's session works on her laptop", &stage.alice.get(&share("/")).await)?;
    let stolen = other.with_cookies_of(&stage.alice);
    score.refused(
        "her cookie, stolen, on another device",
        403,
        "credential_replayed",
        &stolen.get(&share(STOLEN_COOKIE)).await,
    )?;
    let stolen = nobody.with_cookies_of(&stage.alice);
    score.refused("her cookie without a device", 403, "device_missing", &stolen.get(&share("/")).await)?;
    score.allowed("and hers still works", &stage.alice.get(&share("/")).await)?;

    let bound = stage.neighbours.token("alice", stage.laptop.thumbprint())?;
    score.allowed("a token that is bound to the laptop's certificate", &laptop.with_token(&bound).get(&share("/")).await)?;
    score.refused(
        "that token, stolen, on another device",
        403,
        "credential_replayed",
        &other.with_token(&bound).get(&share(STOLEN_TOKEN)).await,
    )?;
    score.refused("that token without a device", 403, "device_missing", &nobody.with_token(&bound).get(&share("/")).await)?;
    let unbound = stage.neighbours.token("alice", None)?;
    score.refused(
        "a token that is bound to nothing",
        403,
        "policy_forbidden",
        &laptop.with_token(&unbound).get(&share("/")).await,
    )
}

/// Asked for by the thief with the cookie, so that it can be found in the record.
pub(super) const STOLEN_COOKIE: &str = "/files/customers/addresses.csv";
/// Asked for by the thief with the token.
pub(super) const STOLEN_TOKEN: &str = "/files/tenders/offer-north.pdf";
